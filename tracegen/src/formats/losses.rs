//! What a text format could not say of the records it was given.

use crate::batch::{Aside, Batch};

/// Counts of records that were left out, and kinds of detail that were.
#[derive(Debug, Clone, Default)]
pub struct Losses {
    /// Events left out.
    pub events: u64,
    /// Branches left out.
    pub branches: u64,
    /// Software prefetches left out.
    pub prefetches: u64,
    /// Some access was not of CPU 0.
    pub cpus: bool,
    /// Some access depended on a load.
    pub dependences: bool,
    /// Some access had instructions before it.
    pub gaps: bool,
    /// Some access had a site.
    pub sites: bool,
    /// Some access was not of the size that the format implies.
    pub sizes: bool,
    /// Some access was not of the kind that the format implies.
    pub kinds: bool,
    /// Some address was not the one that the format implies.
    pub offsets: bool,
}

impl Losses {
    /// Counts the branches and events of `batch`.
    pub fn asides(&mut self, batch: &Batch) {
        for (_, aside) in &batch.asides {
            match aside {
                Aside::Branch(_) => self.branches += 1,
                Aside::Event(..) => self.events += 1,
            }
        }
    }

    /// One phrase for each loss.
    pub fn phrases(&self) -> Vec<String> {
        let counts =
            [(self.events, "events"), (self.branches, "branches"), (self.prefetches, "prefetches")]
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}"));
        let details = [
            (self.kinds, "the kinds of the accesses"),
            (self.sizes, "the sizes of the accesses"),
            (self.offsets, "the offsets in the pages"),
            (self.sites, "the sites"),
            (self.gaps, "the instructions between accesses"),
            (self.dependences, "the dependences between accesses"),
            (self.cpus, "the CPUs"),
        ];
        let details =
            details.into_iter().filter(|(lost, _)| *lost).map(|(_, what)| what.to_owned());
        counts.chain(details).collect()
    }
}
