//! What is counted in every row before time plays a part.

use tracegen::batch::{Batch, Mark};
use tracegen::record::AccessKind;

/// Counts of every row that come from the batch itself: accesses by kind, and instructions.
pub const OWN: usize = 5;
/// Where a row's instructions are among them.
const INSTRUCTIONS: usize = 4;

/// The counts of rows.
#[derive(Debug)]
pub struct Counts {
    /// A row's loads, stores, fetches, prefetches and instructions, then what the function half notes.
    counts: Vec<u64>,
    width: usize,
    counting: bool,
    /// By CPU of the trace, whether it has fetched: then fetches alone are instructions.
    fetched: Vec<bool>,
}

/// A row's part of [`Counts`].
#[derive(Debug, Clone, Copy)]
pub struct RowCounts<'a> {
    /// Loads, stores, fetches and prefetches.
    pub kinds: &'a [u64],
    /// Instructions, those between its accesses and the records before included.
    pub instructions: u64,
    /// What the function half notes.
    pub noted: &'a [u64],
}

impl Counts {
    /// Nothing, for rows of which so many counters are noted.
    pub fn new(noted: usize) -> Self {
        Self { counts: Vec::new(), width: OWN + noted, counting: true, fetched: Vec::new() }
    }

    /// Counting starts or pauses.
    pub fn mark(&mut self, mark: Mark) {
        if mark == Mark::Count && self.counting {
            self.counts.fill(0);
        }
        self.counting = mark == Mark::Count;
    }

    /// The counts of `row`.
    #[inline]
    fn row(&mut self, row: u32) -> &mut [u64] {
        let start = row as usize * self.width;
        if self.counts.len() < start + self.width {
            self.counts.resize(start + self.width, 0);
        }
        &mut self.counts[start..start + self.width]
    }

    /// Counts every record of `batch`, of which accesses belong to `rows`, and branches to `asides`.
    pub fn records(&mut self, batch: &Batch, rows: &[u32], asides: &[u32]) {
        use tracegen::batch::Aside;
        for (at, row) in rows.iter().enumerate() {
            let kind = batch.kind[at];
            let instructions = self.instructions(batch.cpu[at], kind, batch.gap[at]);
            if self.counting {
                let counts = self.row(*row);
                counts[kind as usize] += 1;
                counts[INSTRUCTIONS] += u64::from(instructions);
            }
        }
        for ((_, aside), row) in batch.asides.iter().zip(asides) {
            if let Aside::Branch(branch) = aside
                && self.counting
                && !self.has_fetched(branch.cpu)
            {
                self.row(*row)[INSTRUCTIONS] += u64::from(branch.gap);
            }
        }
    }

    fn has_fetched(&self, cpu: u16) -> bool {
        self.fetched.get(usize::from(cpu)).copied().unwrap_or(false)
    }

    /// How many instructions an access stands for, with those before it.
    #[inline]
    fn instructions(&mut self, cpu: u16, kind: AccessKind, gap: u32) -> u32 {
        if kind == AccessKind::Fetch {
            let cpu = usize::from(cpu);
            if self.fetched.len() <= cpu {
                self.fetched.resize(cpu + 1, false);
            }
            self.fetched[cpu] = true;
            return 1;
        }
        if self.has_fetched(cpu) { 0 } else { gap.wrapping_add(1) }
    }

    /// Adds what the function half has noted of a record of `row`.
    pub fn noted(&mut self, row: u32, added: &[u64]) {
        if self.counting {
            self.row(row)[OWN..].iter_mut().zip(added).for_each(|(count, added)| *count += added);
        }
    }

    /// Every row's counts, up to the last row that has any.
    pub fn rows(&self) -> impl Iterator<Item = RowCounts<'_>> {
        self.counts.chunks_exact(self.width).map(|row| RowCounts {
            kinds: &row[..INSTRUCTIONS],
            instructions: row[INSTRUCTIONS],
            noted: &row[OWN..],
        })
    }
}
