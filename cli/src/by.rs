//! The arguments that break a run down, and the table of it for reading.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use analysis::breakdown::{Breakdown, By, OTHER_LABEL, REST_LABEL, Symbols};
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::summary::separated;

/// Letters of a name that the table shows.
const NAME: usize = 56;

/// Whether and how a run is broken down.
#[derive(Debug, Clone, Args)]
pub struct ByArgs {
    /// Also says what parts of the run cost: a table whose rows add up to its statistics.
    #[arg(long, value_enum, conflicts_with_all = ["sample", "checkpoint_only"])]
    by: Option<Kind>,
    /// Counted accesses of a part, for --by interval [default: 100000]
    #[arg(long, value_name = "N", requires = "by")]
    interval: Option<NonZeroU64>,
    /// The program that was recorded, whose symbols name the parts of --by symbol
    #[arg(long, value_name = "FILE", requires = "by")]
    program: Option<PathBuf>,
    /// Where the first byte of that program was loaded, where it may be loaded anywhere and the trace does
    /// not say it
    #[arg(long, value_name = "ADDRESS", requires = "program", value_parser = address)]
    load_address: Option<u64>,
    /// Rows that the table shows; the JSON and the files have all.
    #[arg(long, value_name = "N", requires = "by", default_value_t = 20)]
    top: usize,
}

/// What a run is broken down by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The instruction that accesses memory.
    Site,
    /// The function that it is in; takes --program.
    Symbol,
    /// The mapping, the heap, the stack, or the stretch of memory outside all of them.
    Area,
    /// The block of the heap, in traces with annotations of these.
    Object,
    /// The phase, in traces with markers.
    Phase,
    /// So many accesses.
    Interval,
}

/// An address as people write it: decimal, or hexadecimal after 0x.
fn address(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    }
    .map_err(|error| error.to_string())
}

impl ByArgs {
    /// What the library is asked for.
    ///
    /// # Errors
    /// Something is given that is of no use, or lacks, or the program cannot be read.
    pub fn by(&self) -> anyhow::Result<Option<By>> {
        if self.interval.is_some() && self.by != Some(Kind::Interval) {
            anyhow::bail!("--interval is for --by interval");
        }
        if self.program.is_some() && self.by != Some(Kind::Symbol) {
            anyhow::bail!("--program is for --by symbol");
        }
        // The default is coarse enough for a line in a chart, and fine enough to see phases.
        let interval = self.interval.or(NonZeroU64::new(100_000));
        Ok(match self.by {
            None => None,
            Some(Kind::Site) => Some(By::Site),
            Some(Kind::Symbol) => {
                let Some(program) = &self.program else {
                    anyhow::bail!(
                        "--by symbol needs the program that was recorded: --program FILE"
                    );
                };
                Some(By::Symbol(Arc::new(Symbols::read(program, self.load_address)?)))
            }
            Some(Kind::Area) => Some(By::Area),
            Some(Kind::Object) => Some(By::Object),
            Some(Kind::Phase) => Some(By::Phase),
            Some(Kind::Interval) => interval.map(By::Interval),
        })
    }

    /// The table for reading.
    pub fn text(&self, by: &Breakdown) -> String {
        text(by, self.top)
    }
}

/// The columns of `by` that say something, as heads and places: accesses, what misses, cycles and the components
/// that matter.
fn columns(by: &Breakdown) -> Vec<usize> {
    let sum = |at: usize| by.rows.iter().map(|(_, values)| values[at]).sum::<u64>();
    let cycles = by.column("cycles").map_or(0, sum);
    let shown = |at: &usize| {
        let name = by.columns[*at].as_str();
        match name {
            "accesses" | "cycles" | "walker.walks" => true,
            // A fiftieth of all is worth a column.
            _ if name.starts_with("cycles.") => sum(*at) > cycles / 50,
            _ if name == "os.faults.total" => sum(*at) > 0,
            _ => name.ends_with(".misses") && !name.contains(".walk.") && sum(*at) > 0,
        }
    };
    (0..by.columns.len()).filter(shown).collect()
}

/// The first `top` rows of `by`, and the sums of the others.
fn text(by: &Breakdown, top: usize) -> String {
    let shown = columns(by);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let head = shown.iter().map(|at| by.columns[*at].clone());
    let share = by.column("cycles");
    table.add_row([format!("  {}", by.by)].into_iter().chain(head).chain(["".to_owned()]));
    let total = share.map_or(0, |at| by.rows.iter().map(|(_, values)| values[at]).sum::<u64>());
    let mut add = |name: &str, values: &[u64]| {
        let cells = shown.iter().map(|at| separated(values[*at]));
        let part = share.map_or(0.0, |at| values[at] as f64 / (total as f64).max(1.0));
        let part = format!("{:.1} %", 100.0 * part);
        table.add_row([format!("  {}", shortened(name))].into_iter().chain(cells).chain([part]));
    };
    let last = |name: &str| [OTHER_LABEL, REST_LABEL].contains(&name);
    let (ends, rows): (Vec<_>, Vec<_>) = by.rows.iter().partition(|(name, _)| last(name));
    rows.iter().take(top).for_each(|(name, values)| add(name, values));
    if rows.len() > top {
        let mut sums = vec![0; by.columns.len()];
        for (_, values) in &rows[top..] {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        add(&format!("({} more)", rows.len() - top), &sums);
    }
    ends.iter().for_each(|(name, values)| add(name, values));
    for index in 1..shown.len() + 2 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("\nby {}\n{}\n", by.by, table.trim_fmt())
}

/// A name that is not too long.
fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_the_top_and_sums_the_rest() {
        let row = |name: &str, accesses, cycles| (name.to_owned(), vec![accesses, 0, cycles]);
        let by = Breakdown {
            by: "site",
            columns: ["accesses", "dtlb.misses", "cycles"].map(str::to_owned).to_vec(),
            rows: vec![
                row("0x1", 10, 700),
                row(&"x".repeat(100), 2, 200),
                row("0x3", 3, 60),
                row(REST_LABEL, 0, 40),
            ],
            note: None,
        };
        let text = text(&by, 1);
        assert!(text.contains("0x1") && text.contains("70.0 %"), "{text}");
        assert!(text.contains("(2 more)") && text.contains("26.0 %"), "{text}");
        assert!(text.contains(REST_LABEL) && !text.contains("dtlb"), "{text}");
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        assert_eq!(address("0x5555_5000"), Ok(0x5555_5000));
        assert_eq!(address("4096"), Ok(4096));
        assert!(address("here").is_err());
    }
}
