//! Results as numbers with names. A component declares each of its statistics where it counts it, with
//! its unit and what it means; tables, CSV headers, chart labels and the manual come from there.

mod histogram;
mod tally;
mod value;

pub use histogram::{Histogram, Summary};
pub use tally::Tally;
pub use value::{Ratio, Value};

/// One statistic.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistic {
    /// Dotted name, such as `dtlb.misses`.
    pub name: String,
    /// Unit, such as `pages`; empty for a plain ratio.
    pub unit: &'static str,
    /// What it means, in a line.
    pub doc: &'static str,
    /// Its value.
    pub value: Value,
}

/// All statistics of a run, in the order of declaration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    entries: Vec<Statistic>,
}

impl Statistics {
    /// Declares something counted.
    pub fn count(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        doc: &'static str,
        value: u64,
    ) {
        self.declare(name, unit, doc, Value::Count(value));
    }

    /// Declares a state.
    pub fn level(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        doc: &'static str,
        value: u64,
    ) {
        self.declare(name, unit, doc, Value::Level(value));
    }

    /// Declares the highest value that a state had. Its component restarts it where counting starts.
    pub fn peak(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        doc: &'static str,
        value: u64,
    ) {
        self.declare(name, unit, doc, Value::Peak(value));
    }

    /// Declares a ratio or mean of counts.
    pub fn ratio(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        doc: &'static str,
        value: Ratio,
    ) {
        self.declare(name, unit, doc, Value::Ratio(value));
    }

    fn declare(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        doc: &'static str,
        value: Value,
    ) {
        self.entries.push(Statistic { name: name.into(), unit, doc, value });
    }

    /// Adds the statistics of `other` behind these.
    pub fn append(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
    }

    /// The same statistics under other names.
    pub fn named(mut self, name: impl Fn(&str) -> String) -> Self {
        for entry in &mut self.entries {
            entry.name = name(&entry.name);
        }
        self
    }

    /// The same statistics with other values.
    pub fn map(mut self, value: impl Fn(&Statistic) -> Value) -> Self {
        for entry in &mut self.entries {
            entry.value = value(entry);
        }
        self
    }

    /// The same statistics under other names.
    pub fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        for entry in &mut self.entries {
            entry.name = name(&entry.name);
        }
        self
    }

    /// Every statistic, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Statistic> {
        self.entries.iter()
    }

    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<Value> {
        self.entries.iter().find(|entry| entry.name == name).map(|entry| entry.value)
    }
}
