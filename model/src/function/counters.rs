//! What the function half counts itself.

use tracegen::record::AccessKind;

use crate::outcome::PEER;
use crate::statistics::{Ratio, Statistics};

/// Accesses as in the trace, before any splitting.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct AccessCounters {
    loads: u64,
    stores: u64,
    fetches: u64,
    prefetches: u64,
    /// Accesses that a protection or segmentation fault ended, and prefetches of absent pages.
    pub skipped: u64,
}

impl AccessCounters {
    /// Counts an access of the trace.
    #[inline]
    pub fn count(&mut self, kind: AccessKind) {
        self.count_row(kind, 1);
    }

    /// Counts `count` accesses of one kind.
    #[inline]
    pub fn count_row(&mut self, kind: AccessKind, count: u64) {
        match kind {
            AccessKind::Load => self.loads += count,
            AccessKind::Store => self.stores += count,
            AccessKind::Fetch => self.fetches += count,
            AccessKind::Prefetch => self.prefetches += count,
        }
    }

    /// Accesses of every kind.
    pub fn all(&self) -> u64 {
        self.loads + self.stores + self.fetches + self.prefetches
    }

    /// Declares `run.*`.
    pub fn report(&self, instructions: u64, out: &mut Statistics) {
        out.count("run.accesses", "accesses", "accesses in the trace, of every kind", self.all());
        out.count("run.loads", "accesses", "loads in the trace", self.loads);
        out.count("run.stores", "accesses", "stores in the trace", self.stores);
        out.count("run.fetches", "accesses", "instruction fetches in the trace", self.fetches);
        out.count(
            "run.prefetches",
            "accesses",
            "software prefetches in the trace",
            self.prefetches,
        );
        out.count(
            "run.instructions",
            "instructions",
            "fetches on CPUs that have any, else accesses and the instructions between them",
            instructions,
        );
        out.count(
            "run.skipped",
            "accesses",
            "accesses that a protection or segmentation fault ended, and prefetches of pages that are not there",
            self.skipped,
        );
    }
}

/// What the page walkers do.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct WalkCounters {
    /// Walks, those that end in a fault included.
    pub walks: u64,
    /// Page-table entries read.
    pub references: u64,
    /// Accessed bits set by walks.
    pub accessed_writes: u64,
    /// Dirty bits set for stores that hit a TLB entry without one.
    pub dirty_writes: u64,
    /// Reads by the cache that served them, in configuration order.
    from: Vec<u64>,
    from_memory: u64,
    /// Those that another CPU's caches served, where there are several.
    from_peers: Option<u64>,
}

impl WalkCounters {
    /// For a machine with `caches` caches a CPU, one of `cpus`.
    pub fn new(caches: usize, cpus: u16) -> Self {
        let from_peers = (cpus > 1).then_some(0);
        Self { from: vec![0; caches], from_peers, ..Self::default() }
    }

    /// How many caches there are.
    pub fn caches(&self) -> usize {
        self.from.len()
    }

    /// Counts a read of an entry that `served` had.
    #[inline]
    pub fn read(&mut self, served: u8) {
        self.references += 1;
        // There are fewer caches than there are numbers with another meaning.
        match (self.from.get_mut(usize::from(served)), &mut self.from_peers) {
            (Some(count), _) => *count += 1,
            (None, Some(count)) if served == PEER => *count += 1,
            _ => self.from_memory += 1,
        }
    }

    /// Declares `walker.*`; `caches` names the caches in configuration order.
    pub fn report<'a>(&self, caches: impl Iterator<Item = &'a str>, out: &mut Statistics) {
        out.count(
            "walker.walks",
            "walks",
            "page walks, those that end in a fault included",
            self.walks,
        );
        out.count(
            "walker.references",
            "reads",
            "page-table entries read by walks",
            self.references,
        );
        out.ratio(
            "walker.references_per_walk",
            "reads",
            "page-table entries read a walk",
            Ratio::of(self.references, self.walks),
        );
        out.count(
            "walker.accessed_writes",
            "writes",
            "accessed bits set by walks",
            self.accessed_writes,
        );
        out.count(
            "walker.dirty_writes",
            "writes",
            "dirty bits set for stores that hit a TLB entry without one",
            self.dirty_writes,
        );
        for (cache, count) in caches.zip(&self.from) {
            out.count(
                format!("walker.from.{cache}"),
                "reads",
                "page-table reads that this cache served",
                *count,
            );
        }
        if let Some(count) = self.from_peers {
            out.count(
                "walker.from.peer",
                "reads",
                "page-table reads that another CPU's caches served",
                count,
            );
        }
        out.count(
            "walker.from.dram",
            "reads",
            "page-table reads that memory served",
            self.from_memory,
        );
    }
}

/// Shootdowns of translations among several CPUs.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Shootdowns {
    /// Times that this CPU interrupted others.
    pub sent: u64,
    /// Times that another interrupted it.
    pub received: u64,
}

impl Shootdowns {
    /// Declares `os.tlb.remote_flush*`, as Linux counts them in /proc/vmstat.
    pub fn report(&self, out: &mut Statistics) {
        out.count(
            "os.tlb.remote_flush",
            "shootdowns",
            "times that other CPUs were interrupted so that they forget translations",
            self.sent,
        );
        out.count(
            "os.tlb.remote_flush_received",
            "interrupts",
            "interrupts of CPUs that were to forget translations",
            self.received,
        );
    }
}
