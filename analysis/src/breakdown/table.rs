//! The table that comes of a break-down.

use std::cmp::Reverse;

use serde_json::{Map, Value as Json};

use super::counts::Counts;
use super::keys::Labels;
use super::rows::{OTHER, REST};
use crate::measured::{Measured, Number};
use crate::study::table::Table;

/// What the row of everything that belongs to no record is called.
pub const REST_LABEL: &str = "(rest)";
/// What the row of everything for which there are too many rows is called.
pub const OTHER_LABEL: &str = "(other)";

/// The columns before those that the function half notes.
const ACCESSES: [&str; 5] = ["accesses", "loads", "stores", "fetches", "prefetches"];

/// A run broken down: rows that add up to its statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct Breakdown {
    /// What by; the name of the first column.
    pub by: &'static str,
    /// The other columns: `accesses`, `loads`, `stores`, `fetches` and `prefetches`, which add up to those of
    /// `run.…`, then statistics by their own names, then `cycles`, which adds up to `run.cycles`, and its
    /// components.
    pub columns: Vec<String>,
    /// The rows: those that take most cycles first, or in the order of the run where they are of phases and
    /// intervals. The last is the rest.
    pub rows: Vec<(String, Vec<u64>)>,
    /// Something that the reader should know.
    pub note: Option<String>,
}

/// What the halves know of rows.
pub struct Parts<'a> {
    /// What is counted.
    pub counts: &'a Counts,
    /// The statistics that the function half notes.
    pub noted: &'a [String],
    /// Slots by row and component.
    pub slots: &'a [Vec<u64>],
    /// The components.
    pub components: &'a [String],
    /// Slots of a cycle.
    pub width: u64,
}

impl Breakdown {
    /// The table of what a run by `by` has counted and `measured`.
    pub fn new(by: &'static str, labels: Labels, parts: &Parts<'_>, measured: &Measured) -> Self {
        let noted = parts.noted.len();
        // Accesses by kind, what is noted, slots by component.
        let width = ACCESSES.len() - 1 + noted + parts.components.len();
        let rest = labels.labels.len() + 1;
        let mut sums = vec![vec![0u64; width]; rest + 1];
        let goes_to = |row: usize| match row {
            row if row == REST as usize => Some(rest),
            row if row == OTHER as usize => Some(rest - 1),
            row => labels.parts.get(row - 2).copied(),
        };
        let add = |into: &mut [u64], from: &mut dyn Iterator<Item = u64>| {
            into.iter_mut().zip(from).for_each(|(sum, more)| *sum += more);
        };
        let first_component = width - parts.components.len();
        for (row, counts) in parts.counts.rows().enumerate() {
            let Some(into) = goes_to(row).map(|row| &mut sums[row]) else { continue };
            add(into, &mut counts.kinds.iter().chain(counts.noted).copied());
            // The first component is the base: instructions retire at full width in it.
            into[first_component] += counts.instructions;
        }
        for (row, slots) in parts.slots.iter().enumerate() {
            let Some(into) = goes_to(row).map(|row| &mut sums[row]) else { continue };
            add(&mut into[first_component..], &mut slots.iter().copied());
        }
        let head =
            ACCESSES.iter().map(|name| (*name).to_owned()).chain(parts.noted.iter().cloned());
        let cycles = parts.components.iter().map(|name| format!("cycles.{name}"));
        let columns: Vec<String> =
            head.chain(["cycles".to_owned()]).chain(cycles.clone()).collect();
        // Of every cycle that rows share, what is left when they are rounded down is the rest's.
        let mut left: Vec<u64> = cycles
            .map(|name| match measured.get(&name) {
                Some(Number::Count(cycles)) => cycles,
                _ => 0,
            })
            .collect();
        let names = labels.labels.into_iter().chain([OTHER_LABEL, REST_LABEL].map(str::to_owned));
        let mut rows = Vec::new();
        for (at, (name, sums)) in names.zip(sums).enumerate() {
            let (counted, slots) = sums.split_at(first_component);
            let mut cycles: Vec<u64> =
                slots.iter().map(|slots| slots / parts.width.max(1)).collect();
            if at == rest {
                cycles.clone_from(&left);
            }
            left.iter_mut()
                .zip(&cycles)
                .for_each(|(left, cycles)| *left = left.saturating_sub(*cycles));
            let accesses: u64 = counted[..ACCESSES.len() - 1].iter().sum();
            let total = cycles.iter().sum();
            let values = [accesses].into_iter().chain(counted.iter().copied());
            let values: Vec<u64> = values.chain([total]).chain(cycles).collect();
            if at == rest || values.iter().any(|value| *value > 0) {
                rows.push((name, values));
            }
        }
        let mut table = Self { by, columns, rows, note: labels.note };
        if !matches!(by, "phase" | "interval") {
            table.sort();
        }
        table
    }

    /// The place of the column called `name`.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|own| own == name)
    }

    /// Rows with the most cycles first, then those with the most accesses; those of no part of the program
    /// last.
    fn sort(&mut self) {
        let place = |name: &str| self.columns.iter().position(|own| own == name).unwrap_or(0);
        let (cycles, accesses) = (place("cycles"), place("accesses"));
        let last = |label: &str| [OTHER_LABEL, REST_LABEL].iter().position(|last| *last == label);
        self.rows.sort_by(|(a, one), (b, two)| {
            let key = |label: &str, row: &[u64]| {
                (last(label), Reverse(row[cycles]), Reverse(row[accesses]))
            };
            key(a, one).cmp(&key(b, two))
        });
    }

    /// A list of rows, each with its columns by name.
    pub fn json(&self) -> Json {
        let row = |(label, values): &(String, Vec<u64>)| {
            let mut object = Map::new();
            object.insert(self.by.to_owned(), label.clone().into());
            let values = self.columns.iter().zip(values);
            object.extend(values.map(|(name, value)| (name.clone(), (*value).into())));
            Json::Object(object)
        };
        Json::Array(self.rows.iter().map(row).collect())
    }

    /// The table as Parquet.
    ///
    /// # Errors
    /// What the writer says.
    pub fn parquet(&self) -> Result<Vec<u8>, parquet::errors::ParquetError> {
        let row = |(label, values): &(String, Vec<u64>)| {
            let values = values.iter().map(|value| Some(Number::Count(*value))).collect();
            (vec![label.clone()], values)
        };
        let rows = self.rows.iter().map(row).collect();
        Table::of(vec![self.by.to_owned()], self.columns.clone(), rows).parquet()
    }
}
