//! Results as numbers with names. A component declares each of its statistics where it counts it, with
//! its unit and what it means; tables, CSV headers, chart labels and the manual come from there.

mod histogram;

pub use histogram::{Histogram, Summary};

/// A statistic's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Something counted.
    Count(u64),
    /// A ratio or mean. Computed last, from counts, with plain IEEE operations.
    Real(f64),
}

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
    /// Declares a count.
    pub fn count(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        doc: &'static str,
        value: u64,
    ) {
        self.entries.push(Statistic { name: name.into(), unit, doc, value: Value::Count(value) });
    }

    /// Declares a ratio or mean. Not-a-number (nothing was counted) becomes 0.
    pub fn real(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        doc: &'static str,
        value: f64,
    ) {
        let value = if value.is_finite() { value } else { 0.0 };
        self.entries.push(Statistic { name: name.into(), unit, doc, value: Value::Real(value) });
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

impl Value {
    /// The value as a real number.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Real(real) => real,
        }
    }
}
