//! Counts by the names that results use.

use std::collections::BTreeMap;

/// Every statistic that is not zero, by name.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    values: BTreeMap<String, f64>,
}

impl Counts {
    /// Adds to a count.
    pub fn add(&mut self, name: &str, more: u64) {
        // Counts stay far below 2^53.
        *self.values.entry(name.to_owned()).or_default() += more as f64;
    }

    /// Sets a value; not-a-number, which stands for "nothing was counted", becomes 0.
    pub fn set(&mut self, name: &str, value: f64) {
        self.values.insert(name.to_owned(), if value.is_finite() { value } else { 0.0 });
    }

    /// A value; 0 where nothing was counted.
    pub fn get(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(0.0)
    }

    /// The names of what was counted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Adds the counts of every CPU to those of the machine.
    pub fn add_up(&mut self) {
        for (name, value) in self.values.clone() {
            let own = name.strip_prefix("cpu.").and_then(|rest| rest.split_once('.'));
            if let Some((_, name)) = own {
                *self.values.entry(name.to_owned()).or_default() += value;
            }
        }
    }

    /// Adds accesses and misses per 1000 instructions of a TLB or cache whose hits and misses are there.
    pub fn accesses(&mut self, name: &str, instructions: u64) {
        let (hits, misses) =
            (self.get(&format!("{name}.hits")), self.get(&format!("{name}.misses")));
        self.set(&format!("{name}.accesses"), hits + misses);
        self.set(&format!("{name}.mpki"), misses * 1000.0 / instructions as f64);
    }
}
