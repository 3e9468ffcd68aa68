//! What charts are drawn from: a study's points, with the keys that tell them apart.

use crate::heat::HeatSample;
use crate::study::key::{self, compare, compare_all};
use crate::study::means::{Mean, Means};
use crate::study::point::Point;

/// The most points that a chart with a row or a line a point shows.
pub const ROWS: usize = 64;

/// A key with more than one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Varying {
    /// The dotted path.
    pub path: String,
    /// What charts call it.
    pub short: String,
    /// Its values, in order.
    pub values: Vec<String>,
}

impl Varying {
    /// Whether all its values are quantities.
    pub fn is_numeric(&self) -> bool {
        self.values.iter().all(|value| key::magnitude(value).is_some())
    }
}

/// A trace's heat sample with its name.
pub type NamedHeat = (String, HeatSample);

/// A study as charts see it.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The study's name.
    pub name: String,
    /// The points, sorted by their keys.
    pub points: Vec<Point>,
    /// The keys that vary, in the order of the study.
    pub varying: Vec<Varying>,
    /// The statistic that the study is about.
    pub metric: String,
    /// The keys that the baseline fixes.
    pub baseline: Vec<key::Key>,
    /// One heat sample a trace.
    pub heat: Vec<NamedHeat>,
    /// The means over the traces of groups.
    pub means: Means,
}

/// The key of what runs, where a study has workloads and traces.
const PROGRAM: &str = "program";

/// Gives points of workloads and points of traces one key for what runs, so that they can be told apart.
fn name_programs(points: &mut [Point]) {
    let has = |path: &str| points.iter().any(|point| point.keys.iter().any(|key| key.0 == path));
    if !(has("workload") && has("trace")) {
        return;
    }
    for key in points.iter_mut().flat_map(|point| &mut point.keys) {
        if key.0 == "workload" || key.0 == "trace" {
            key.0 = PROGRAM.to_owned();
        }
    }
}

impl View {
    /// Sorts the points and finds out what varies.
    pub fn new(name: &str, mut points: Vec<Point>) -> Self {
        name_programs(&mut points);
        points.sort_by(|a, b| compare_all(&a.keys, &b.keys));
        let mut varying: Vec<Varying> = Vec::new();
        for (path, value) in points.iter().flat_map(|point| &point.keys) {
            match varying.iter_mut().find(|known| known.path == *path) {
                Some(known) if known.values.contains(value) => {}
                Some(known) => known.values.push(value.clone()),
                None => varying.push(Varying {
                    path: path.clone(),
                    short: key::short(path),
                    values: vec![value.clone()],
                }),
            }
        }
        varying.retain(|key| key.values.len() > 1);
        varying.iter_mut().for_each(|key| key.values.sort_by(|a, b| compare(a, b)));
        Self {
            name: name.to_owned(),
            points,
            varying,
            metric: "run.cycles".to_owned(),
            ..Self::default()
        }
    }

    /// The points that a chart with a row a point shows: all, or evenly chosen ones.
    pub fn rows(&self) -> Vec<&Point> {
        let count = self.points.len();
        let shown = count.min(ROWS);
        (0..shown).filter_map(|row| self.points.get(row * count / shown.max(1))).collect()
    }

    /// What a subtitle adds where not every point is shown.
    pub fn rows_note(&self) -> String {
        match self.points.len() {
            count if count > ROWS => format!(" {ROWS} of {count} points are shown, evenly chosen."),
            _ => String::new(),
        }
    }

    /// What tells `point` from the others: the values of the varying keys but `without`.
    pub fn label(&self, point: &Point, without: Option<&str>) -> String {
        let parts: Vec<String> = self
            .varying
            .iter()
            .filter(|key| Some(key.path.as_str()) != without)
            .map(|key| (key, point.key(&key.path)))
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| match key.path.as_str() {
                "workload" | "trace" | PROGRAM => value.to_owned(),
                "mmu.page_size" => format!("{value} pages"),
                _ => format!("{} {value}", key.short),
            })
            .collect();
        if parts.is_empty() { point.measured.trace.name.clone() } else { parts.join(" · ") }
    }

    /// The key that makes the best horizontal axis: the numeric one with the most values.
    pub fn axis(&self) -> Option<&Varying> {
        let numeric = self.varying.iter().filter(|key| key.is_numeric());
        // The first of equals: `max_by_key` alone would take the last.
        numeric.rev().max_by_key(|key| key.values.len())
    }

    /// The point that `point` is compared with: the one with the baseline's keys and otherwise its own.
    pub fn baseline_of(&self, point: &Point) -> Option<&Point> {
        let wanted = |path: &str, own: &'_ str| -> String {
            let fixed = self.baseline.iter().find(|(key, _)| key == path);
            fixed.map_or_else(|| own.to_owned(), |(_, value)| value.clone())
        };
        self.points.iter().find(|other| {
            other.keys.len() == point.keys.len()
                && point.keys.iter().all(|(path, own)| *other.key(path) == *wanted(path, own))
        })
    }

    /// How much better `point` is than its baseline in the study's metric, as a factor; `None` where
    /// there is no baseline or nothing was measured.
    pub fn speed_up(&self, point: &Point) -> Option<f64> {
        if self.baseline.is_empty() {
            return None;
        }
        let base = self.baseline_of(point)?.measured.get(&self.metric)?.as_f64();
        let own = point.measured.get(&self.metric)?.as_f64();
        let factor = if more_is_better(&self.metric) { own / base } else { base / own };
        factor.is_finite().then_some(factor)
    }

    /// The same of a group's mean.
    pub fn mean_speed_up(&self, mean: &Mean) -> Option<f64> {
        let is_swept = |(path, _): &&key::Key| !["workload", "trace"].contains(&path.as_str());
        let baseline: Vec<_> = self.baseline.iter().filter(is_swept).cloned().collect();
        self.means.speed_up(mean, &baseline, &self.metric)
    }

    /// The baseline in words.
    pub fn baseline_label(&self) -> String {
        let parts =
            self.baseline.iter().map(|(path, value)| format!("{} {value}", key::short(path)));
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Whether a larger value of `metric` is the better one.
pub fn more_is_better(metric: &str) -> bool {
    ["ipc", "hits", "readahead_hits", "row_hits"]
        .contains(&metric.rsplit('.').next().unwrap_or(metric))
}

#[cfg(test)]
mod tests {
    use crate::chart::sample;

    #[test]
    fn the_axis_is_the_numeric_key_with_most_values() {
        let view = sample::view(2, 4, 2);
        assert_eq!(view.axis().map(|key| key.path.as_str()), Some("mmu.tlb.stlb.entries"));
        assert_eq!(view.points.len(), 16);
        assert_eq!(view.points[0].key("mmu.tlb.stlb.entries"), "384");
    }

    #[test]
    fn speed_up_compares_within_the_other_keys() {
        let mut view = sample::view(2, 4, 2);
        view.baseline = vec![("mmu.tlb.stlb.entries".to_owned(), "384".to_owned())];
        for point in &view.points {
            let base = view.baseline_of(point).unwrap();
            assert_eq!(base.key("workload"), point.key("workload"));
            assert_eq!(base.key("mmu.tlb.stlb.entries"), "384");
        }
        assert_eq!(view.speed_up(&view.points[0]), Some(1.0));
    }
}
