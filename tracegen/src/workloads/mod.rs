//! Workloads, one algorithm a file.
//!
//! A workload is a real algorithm that computes over modelled memory, emits its own accesses and
//! verifies its result. [`open`] starts one as a [`Source`](crate::source::Source); [`registry`] names
//! them all. A new workload is a file with an [`Entry`] and a line in the registry.

mod bfs;
mod chase;
mod counters;
mod gemm;
mod gups;
mod heap_choice;
mod heap_replay;
mod kv;
mod larson;
mod parameter;
pub mod sample;
mod sequential;
mod source;
mod stream;
mod uniform;
mod zipf;

pub use parameter::{Default, Kind, Parameter, Settings, Value};
pub use source::WorkloadSource;

use crate::error::TraceError;
use crate::memory::{Memory, Recording};

/// Every workload.
static REGISTRY: &[&Entry] = &[
    &gups::ENTRY,
    &stream::ENTRY,
    &chase::ENTRY,
    &counters::ENTRY,
    &bfs::ENTRY,
    &gemm::ENTRY,
    &kv::ENTRY,
    &heap_replay::ENTRY,
    &larson::ENTRY,
    &sequential::ENTRY,
    &uniform::ENTRY,
    &zipf::ENTRY,
];

/// What every workload has besides its own parameters.
static COMMON: &[Parameter] = &[
    Parameter {
        name: "seed",
        kind: Kind::Integer { min: 0, max: u64::MAX },
        default: Default::Value("1"),
        doc: "Seed of every random choice",
    },
    Parameter {
        name: "record_setup",
        kind: Kind::Boolean,
        default: Default::Value("false"),
        doc: "Record the initialisation too; the region of interest starts after it",
    },
    Parameter {
        name: "record_check",
        kind: Kind::Boolean,
        default: Default::Value("false"),
        doc: "Record the verification too; the region of interest ends before it",
    },
    Parameter {
        name: "address_bits",
        kind: Kind::Integer { min: 24, max: 56 },
        default: Default::Value("47"),
        doc: "The program's address space has 2^address_bits bytes (x86-64 47, sv39 38, 32-bit 31)",
    },
];

/// A workload's entry in the registry.
pub struct Entry {
    /// Its name on the command line and in studies.
    pub name: &'static str,
    /// What it computes, in a line.
    pub description: &'static str,
    /// Its own parameters.
    pub parameters: &'static [Parameter],
    /// Makes it from its settings.
    build: fn(&mut Settings) -> Result<Box<dyn Workload>, TraceError>,
}

impl Entry {
    /// Its own parameters and those that every workload has.
    pub fn all_parameters(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.parameters.iter().chain(COMMON)
    }
}

/// An algorithm that is ready to run.
pub trait Workload: Send {
    /// Computes over `memory`, enters its stages, and verifies the result.
    ///
    /// # Errors
    /// The memory that it needs is not there, or the result is wrong.
    fn run(self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError>;

    /// About how many records it makes, where that is known beforehand.
    fn records(&self) -> Option<u64> {
        None
    }
}

/// One thing that an algorithm found out.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A count.
    Integer(u64),
    /// A measure.
    Float(f64),
    /// A name.
    Text(String),
}

impl From<u64> for Fact {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<usize> for Fact {
    fn from(value: usize) -> Self {
        Self::Integer(value as u64)
    }
}

impl From<f64> for Fact {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// What an algorithm computed, in the order in which it says so.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts(Vec<(&'static str, Fact)>);

impl Facts {
    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Fact>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// The fact called `name`.
    pub fn get(&self, name: &str) -> Option<&Fact> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Every fact.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Fact)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

/// Every workload, in the order in which they are listed.
pub fn registry() -> &'static [&'static Entry] {
    REGISTRY
}

/// The parameters that every workload has besides its own.
pub fn common_parameters() -> &'static [Parameter] {
    COMMON
}

/// Starts the workload `name` with the given parameters, each spelled as in TOML (`1GiB` and `"1GiB"`,
/// `10_000_000`, `0.99`, `true`); the rest have their defaults. A later setting of the same parameter
/// wins.
///
/// `ahead` is how many batches the workload may compute before they are asked for, on its own thread;
/// with 0 it computes only while the consumer waits, so that the two never run at once. The records do
/// not depend on it.
///
/// # Errors
/// There is no such workload or parameter, or a value is not of its type or out of its range; the
/// message names the nearest valid one.
pub fn open(
    name: &str,
    settings: &[(String, String)],
    ahead: usize,
) -> Result<WorkloadSource, TraceError> {
    let entry = REGISTRY.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let near = parameter::nearest(name, REGISTRY.iter().map(|entry| entry.name));
        TraceError::Workload(format!("there is no workload {name:?}{near}"))
    })?;
    let mut resolved = Settings::resolve(entry, settings)?;
    let workload = (entry.build)(&mut resolved)?;
    let recording = Recording {
        setup: resolved.boolean("record_setup")?,
        check: resolved.boolean("record_check")?,
    };
    WorkloadSource::start(workload, resolved, recording, ahead)
}

/// The error of a workload whose result is wrong.
fn wrong(workload: &str, what: impl std::fmt::Display) -> TraceError {
    TraceError::Workload(format!("{workload}: the check failed: {what}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use xxhash_rust::xxh3::Xxh3;

    use super::*;
    use crate::batch::Batch;
    use crate::record::{Access, Branch, Event, Record};
    use crate::source::Source;

    /// A finished run.
    pub struct Run {
        pub records: Vec<Record>,
        pub accesses: Vec<Access>,
        pub branches: Vec<Branch>,
        pub events: Vec<Event>,
        pub facts: Facts,
        /// `name = value, …`
        pub parameters: String,
    }

    impl Run {
        /// The integer fact `name`.
        pub fn count(&self, name: &str) -> u64 {
            match self.facts.get(name) {
                Some(Fact::Integer(value)) => *value,
                other => panic!("{name} is {other:?}"),
            }
        }
    }

    /// Runs a workload to its end.
    pub fn run(name: &str, set: &[(&str, &str)]) -> Result<Run, TraceError> {
        let set: Vec<_> = set.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut source = open(name, &set, 1)?;
        let (mut batch, mut records) = (Batch::new(), Vec::new());
        while source.fill(&mut batch)? {
            records.extend(batch.iter());
        }
        assert_eq!(source.records(), records.len() as u64);
        let (mut accesses, mut branches, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for record in &records {
            match record {
                Record::Access(access) => accesses.push(*access),
                Record::Branch(branch) => branches.push(*branch),
                Record::Event(_, event) => events.push(event.clone()),
            }
        }
        let parameters: Vec<String> =
            source.settings().iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let facts = source.facts().unwrap().clone();
        Ok(Run { records, accesses, branches, events, facts, parameters: parameters.join(", ") })
    }

    /// A hash of every record, the same on every platform.
    pub fn fingerprint(name: &str, set: &[(&str, &str)]) -> u64 {
        let mut hash = Xxh3::new();
        for record in run(name, set).unwrap().records {
            hash.update(format!("{record:?}").as_bytes());
        }
        hash.digest()
    }

    #[test]
    fn the_same_seed_gives_the_same_records_and_another_one_others() {
        let rep = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&rep, "1 2 4 1\na 0 100\na 1 5000\nr 0 600\nf 1\n").unwrap();
        let rep = rep.path().to_str().unwrap();
        let small: &[(&str, &[(&str, &str)])] = &[
            ("gups", &[("table", "4KiB")]),
            ("stream", &[("size", "1KiB")]),
            ("chase", &[("footprint", "4KiB")]),
            ("counters", &[("increments", "100")]),
            ("bfs", &[("scale", "6")]),
            ("gemm", &[("n", "8")]),
            ("kv", &[("keys", "100"), ("operations", "100")]),
            ("heap-replay", &[("rep", rep)]),
            ("larson", &[("slots", "50"), ("operations", "300")]),
            ("sequential", &[("footprint", "4KiB")]),
            ("uniform", &[("footprint", "1MiB"), ("reads", "100")]),
            ("zipf", &[("footprint", "1MiB"), ("reads", "100")]),
        ];
        assert_eq!(small.len(), registry().len(), "every workload is here");
        for (name, set) in small {
            let with_seed = |seed| fingerprint(name, &[set, &[("seed", seed)][..]].concat());
            assert_eq!(with_seed("1"), fingerprint(name, set), "{name}: 1 is the default");
            let random =
                !matches!(*name, "stream" | "sequential" | "gemm" | "heap-replay" | "counters");
            assert_eq!(with_seed("1") != with_seed("2"), random, "{name}");
        }
    }

    #[test]
    fn names_are_unique_and_documented() {
        for entry in registry() {
            assert_eq!(registry().iter().filter(|other| other.name == entry.name).count(), 1);
            assert!(!entry.description.is_empty());
            for parameter in entry.all_parameters() {
                assert!(!parameter.doc.is_empty());
                let same = entry.all_parameters().filter(|other| other.name == parameter.name);
                assert_eq!(same.count(), 1, "{}.{}", entry.name, parameter.name);
            }
        }
    }
}
