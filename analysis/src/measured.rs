//! What a simulation measured, as plain data: it is printed, stored, read back and charted.

use bincode::{Decode, Encode};
use model::config::Config;
use model::statistics::{Statistics, Summary, Value};
use serde_json::{Map, Number as JsonNumber, Value as Json, json};

use crate::breakdown::Breakdown;
use crate::heat::HeatSample;
use crate::sample::Sample;

/// A statistic's value; counts stay exact integers wherever they go.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
pub enum Number {
    /// Something counted.
    Count(u64),
    /// A ratio or mean.
    Real(f64),
}

impl Number {
    /// The value as a real number.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Real(real) => real,
        }
    }

    fn json(self) -> Json {
        match self {
            Self::Count(count) => count.into(),
            Self::Real(real) => JsonNumber::from_f64(real).map_or(Json::from(0), Json::Number),
        }
    }
}

impl std::fmt::Display for Number {
    /// An integer, or the shortest decimal that reads back as the same number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Real(real) => real.fmt(f),
        }
    }
}

/// One statistic.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Measure {
    /// Dotted name.
    pub name: String,
    /// Unit; empty for a plain ratio.
    pub unit: String,
    /// Value.
    pub value: Number,
}

/// A histogram's numbers; the fields are those of [`Summary`].
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Distribution {
    pub count: u64,
    pub mean: f64,
    pub min: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub max: u64,
    /// (lowest value, highest value, count) of every bucket that is not empty.
    pub buckets: Vec<(u64, u64, u64)>,
}

impl Distribution {
    /// Every number but the buckets, by its name in results.
    pub fn columns(&self) -> [(&'static str, Number); 8] {
        [
            ("count", Number::Count(self.count)),
            ("mean", Number::Real(self.mean)),
            ("min", Number::Count(self.min)),
            ("p50", Number::Count(self.p50)),
            ("p90", Number::Count(self.p90)),
            ("p99", Number::Count(self.p99)),
            ("p99_9", Number::Count(self.p99_9)),
            ("max", Number::Count(self.max)),
        ]
    }

    fn json(&self) -> Json {
        let mut object: Map<String, Json> = self
            .columns()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.json()))
            .collect();
        object.insert("buckets".to_owned(), json!(self.buckets));
        Json::Object(object)
    }

    fn from_json(json: &Json) -> Option<Self> {
        let count = |name: &str| json.get(name)?.as_u64();
        let bucket = |entry: &Json| {
            Some((entry.get(0)?.as_u64()?, entry.get(1)?.as_u64()?, entry.get(2)?.as_u64()?))
        };
        Some(Self {
            count: count("count")?,
            mean: json.get("mean")?.as_f64()?,
            min: count("min")?,
            p50: count("p50")?,
            p90: count("p90")?,
            p99: count("p99")?,
            p99_9: count("p99_9")?,
            max: count("max")?,
            buckets: json.get("buckets")?.as_array()?.iter().map(bucket).collect::<Option<_>>()?,
        })
    }
}

impl From<Summary> for Distribution {
    fn from(from: Summary) -> Self {
        let Summary { count, mean, min, p50, p90, p99, p99_9, max, buckets } = from;
        Self { count, mean, min, p50, p90, p99, p99_9, max, buckets }
    }
}

/// What went through the simulator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct TraceSummary {
    /// The file or workload, as its user named it.
    pub name: String,
    /// Records of any kind.
    pub records: u64,
    /// Loads.
    pub loads: u64,
    /// Stores.
    pub stores: u64,
    /// Instruction fetches.
    pub fetches: u64,
    /// Software prefetches.
    pub prefetches: u64,
    /// Branches.
    pub branches: u64,
    /// Events.
    pub events: u64,
    /// Accesses of a warm-up, or outside the regions of interest: they changed state and are in no
    /// statistic.
    pub uncounted: u64,
}

impl TraceSummary {
    fn fields(&self) -> [(&'static str, u64); 8] {
        [
            ("records", self.records),
            ("loads", self.loads),
            ("stores", self.stores),
            ("fetches", self.fetches),
            ("prefetches", self.prefetches),
            ("branches", self.branches),
            ("events", self.events),
            ("uncounted", self.uncounted),
        ]
    }

    fn json(&self) -> Json {
        let mut object = Map::new();
        object.insert("name".to_owned(), self.name.clone().into());
        object.extend(self.fields().map(|(name, value)| (name.to_owned(), value.into())));
        Json::Object(object)
    }

    fn from_json(json: &Json) -> Option<Self> {
        let count = |name: &str| json.get(name)?.as_u64();
        Some(Self {
            name: json.get("name")?.as_str()?.to_owned(),
            records: count("records")?,
            loads: count("loads")?,
            stores: count("stores")?,
            fetches: count("fetches")?,
            prefetches: count("prefetches")?,
            branches: count("branches")?,
            events: count("events")?,
            // A result that says nothing of it counts everything.
            uncounted: count("uncounted").unwrap_or(0),
        })
    }
}

/// Everything that one simulation measured.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Measured {
    /// What went through.
    pub trace: TraceSummary,
    /// Every statistic, in the order of declaration.
    pub statistics: Vec<Measure>,
    /// The distributions by name.
    pub histograms: Vec<(String, Distribution)>,
    /// The sample that times were estimated from, where they were.
    pub sample: Option<Sample>,
}

impl Measured {
    /// Puts together what the halves reported.
    pub fn new(
        trace: TraceSummary,
        statistics: &Statistics,
        histograms: impl IntoIterator<Item = (String, Summary)>,
    ) -> Self {
        let statistics = statistics.iter().map(|entry| Measure {
            name: entry.name.clone(),
            unit: entry.unit.to_owned(),
            value: match entry.value {
                Value::Count(count) | Value::Level(count) | Value::Peak(count) => {
                    Number::Count(count)
                }
                Value::Ratio(ratio) => Number::Real(ratio.value()),
            },
        });
        Self {
            trace,
            statistics: statistics.collect(),
            histograms: histograms.into_iter().map(|(name, from)| (name, from.into())).collect(),
            sample: None,
        }
    }

    /// The statistic called `name`.
    pub fn get(&self, name: &str) -> Option<Number> {
        self.statistics.iter().find(|entry| entry.name == name).map(|entry| entry.value)
    }

    /// The statistic called `name` as a real number; 0 where the machine has no such part.
    pub fn real(&self, name: &str) -> f64 {
        self.get(name).map_or(0.0, Number::as_f64)
    }

    /// The histogram called `name`.
    pub fn histogram(&self, name: &str) -> Option<&Distribution> {
        self.histograms.iter().find(|(own, _)| own == name).map(|(_, histogram)| histogram)
    }

    /// Every (name, value) that `stats` maps and a row of `points.csv` holds: the statistics, then
    /// the numbers of every histogram as `histogram.number`.
    pub fn columns(&self) -> impl Iterator<Item = (String, Number)> + '_ {
        let statistics = self.statistics.iter().map(|entry| (entry.name.clone(), entry.value));
        statistics.chain(self.histograms.iter().flat_map(|(name, histogram)| {
            histogram.columns().map(move |(part, value)| (format!("{name}.{part}"), value))
        }))
    }

    /// The result document of `run`, with the resolved `config` in it.
    pub fn json(&self, config: &Json) -> Json {
        let stats: Map<String, Json> =
            self.statistics.iter().map(|entry| (entry.name.clone(), entry.value.json())).collect();
        let histograms: Map<String, Json> =
            self.histograms.iter().map(|(name, from)| (name.clone(), from.json())).collect();
        let mut document = json!({
            "schema": 1,
            "config": config,
            "trace": self.trace.json(),
            "stats": stats,
            "histograms": histograms,
        });
        if let Some(sample) = &self.sample {
            document["sample"] = sample.json();
        }
        document
    }

    /// Reads back what [`Self::json`] wrote; `None` where it is not such a document. Units are not
    /// part of it.
    pub fn from_json(json: &Json) -> Option<Self> {
        let number = |value: &Json| match value.as_u64() {
            Some(count) => Some(Number::Count(count)),
            None => value.as_f64().map(Number::Real),
        };
        let measure = |(name, value): (&String, &Json)| {
            Some(Measure { name: name.clone(), unit: String::new(), value: number(value)? })
        };
        let histogram =
            |(name, value): (&String, &Json)| Some((name.clone(), Distribution::from_json(value)?));
        Some(Self {
            trace: TraceSummary::from_json(json.get("trace")?)?,
            statistics: json
                .get("stats")?
                .as_object()?
                .iter()
                .map(measure)
                .collect::<Option<_>>()?,
            histograms: json
                .get("histograms")?
                .as_object()?
                .iter()
                .map(histogram)
                .collect::<Option<_>>()?,
            sample: json.get("sample").and_then(Sample::from_json),
        })
    }
}

/// What one simulation gave.
#[derive(Debug, Clone, PartialEq)]
pub struct RunResult {
    /// The resolved machine.
    pub config: Config,
    /// What was measured.
    pub measured: Measured,
    /// Where the trace went.
    pub heat: HeatSample,
    /// What parts of it cost, where that was asked.
    pub by: Option<Breakdown>,
}

impl RunResult {
    /// The result document.
    ///
    /// # Errors
    /// The machine cannot be written as JSON.
    pub fn json(&self) -> Result<Json, serde_json::Error> {
        let mut document = self.measured.json(&serde_json::to_value(&self.config)?);
        if let Some(by) = &self.by {
            document["by"] = by.json();
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::statistics::{Histogram, Ratio};

    #[test]
    fn a_result_document_keeps_counts_as_integers_and_reads_back() {
        let mut statistics = Statistics::default();
        statistics.count("run.cycles", "cycles", "", u64::MAX);
        statistics.ratio("run.ipc", "", "", Ratio::of(1u64, 10));
        let mut histogram = Histogram::default();
        histogram.add(4, 10);
        histogram.add(300, 1);
        let histograms = [("access_cycles".to_owned(), histogram.summary())];
        let trace = TraceSummary { name: "gups".to_owned(), loads: 11, ..TraceSummary::default() };
        let measured = Measured::new(trace, &statistics, histograms);

        let document = measured.json(&json!({"name": "demo"}));
        assert_eq!(document["schema"], 1);
        assert_eq!(document["stats"]["run.cycles"].as_u64(), Some(u64::MAX));
        assert_eq!(document["histograms"]["access_cycles"]["p50"], 4);
        let text = document.to_string();
        let back = Measured::from_json(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(back.json(&json!({"name": "demo"})).to_string(), text);

        let columns: Vec<_> = measured.columns().map(|(name, _)| name).collect();
        assert!(columns.contains(&"run.ipc".to_owned()));
        assert!(columns.contains(&"access_cycles.p99_9".to_owned()));
    }
}
