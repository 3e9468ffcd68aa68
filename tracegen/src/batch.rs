//! A batch: the unit in which records travel from a source to the model.
//!
//! Accesses lie in columns, because the model's hot loops read one or two fields of many accesses;
//! everything rarer (branches, events) lies beside them with its position.

use crate::record::{Access, AccessKind, Branch, CpuId, Event, Record};

/// How many accesses a source puts into a batch, at most.
pub const BATCH_ACCESSES: usize = 4096;

/// What lies between two accesses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Aside {
    /// A branch.
    Branch(Branch),
    /// An event on a CPU.
    Event(CpuId, Event),
}

/// Where counting starts and pauses; state changes with every record either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// What follows is counted. What was counted before is kept where counting had paused, and
    /// forgotten where it had not: it was a warm-up.
    Count,
    /// What follows is not counted.
    Pause,
}

/// When the pieces of memory of one size that a batch touches are touched next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextUses {
    /// log2 of the bytes of a piece.
    pub shift: u8,
    /// For each piece that an access touches the number of the next touch of that piece in the trace
    /// (`u64::MAX`: never), an access's pieces in ascending order. Touches are numbered size by size.
    pub touches: Vec<u64>,
}

/// A run of consecutive records in columns. All columns have one entry an access.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Virtual address of the first byte.
    pub addr: Vec<u64>,
    /// Kind.
    pub kind: Vec<AccessKind>,
    /// Bytes touched.
    pub size: Vec<u32>,
    /// CPU.
    pub cpu: Vec<CpuId>,
    /// Program counter or small identifier.
    pub site: Vec<u64>,
    /// Instructions without an access before it.
    pub gap: Vec<u32>,
    /// Loads back to the load that its address came from; 0 for none.
    pub dep: Vec<u32>,
    /// When what the accesses touch is touched next, for each size that a source was asked for: see
    /// [`crate::next_use`].
    pub next_uses: Vec<NextUses>,
    /// Branches and events, each with the index of the access that it precedes; ascending.
    pub asides: Vec<(u32, Aside)>,
    /// What becomes of counting before the first record.
    pub mark: Option<Mark>,
}

impl Batch {
    /// An empty batch with room for [`BATCH_ACCESSES`].
    pub fn new() -> Self {
        let mut batch = Self::default();
        batch.addr.reserve(BATCH_ACCESSES);
        batch.kind.reserve(BATCH_ACCESSES);
        batch.size.reserve(BATCH_ACCESSES);
        batch.cpu.reserve(BATCH_ACCESSES);
        batch.site.reserve(BATCH_ACCESSES);
        batch.gap.reserve(BATCH_ACCESSES);
        batch.dep.reserve(BATCH_ACCESSES);
        batch
    }

    /// When the pieces of 2^`shift` bytes that the accesses touch are touched next; empty where no source
    /// was asked for that.
    pub fn next_use(&self, shift: u8) -> &[u64] {
        let column = self.next_uses.iter().find(|column| column.shift == shift);
        column.map_or(&[], |column| &column.touches)
    }

    /// Number of accesses.
    pub fn accesses(&self) -> usize {
        self.addr.len()
    }

    /// Number of records: accesses, branches and events.
    pub fn records(&self) -> usize {
        self.addr.len() + self.asides.len()
    }

    /// Whether it holds no record at all.
    pub fn is_empty(&self) -> bool {
        self.records() == 0
    }

    /// Whether a source should stop filling it.
    pub fn is_full(&self) -> bool {
        self.addr.len() >= BATCH_ACCESSES || self.asides.len() >= BATCH_ACCESSES
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.addr.clear();
        self.kind.clear();
        self.size.clear();
        self.cpu.clear();
        self.site.clear();
        self.gap.clear();
        self.dep.clear();
        self.next_uses.clear();
        self.asides.clear();
        self.mark = None;
    }

    /// Cuts it in two and returns what lies behind the first `accesses` accesses and the first `asides`
    /// branches and events, none of which may precede a later access than that. Next uses are not cut:
    /// they are for whole batches.
    ///
    /// # Panics
    /// If it has fewer of either.
    pub fn split_off(&mut self, accesses: usize, asides: usize) -> Self {
        let mut rest = Self {
            addr: self.addr.split_off(accesses),
            kind: self.kind.split_off(accesses),
            size: self.size.split_off(accesses),
            cpu: self.cpu.split_off(accesses),
            site: self.site.split_off(accesses),
            gap: self.gap.split_off(accesses),
            dep: self.dep.split_off(accesses),
            next_uses: Vec::new(),
            asides: self.asides.split_off(asides),
            mark: None,
        };
        for (at, _) in &mut rest.asides {
            // Batches are far below 2^32 accesses.
            *at -= accesses as u32;
        }
        rest
    }

    /// Appends an access.
    #[inline]
    pub fn push_access(&mut self, access: Access) {
        self.addr.push(access.addr);
        self.kind.push(access.kind);
        self.size.push(access.size);
        self.cpu.push(access.cpu);
        self.site.push(access.site);
        self.gap.push(access.gap);
        self.dep.push(access.dep);
    }

    /// Appends a branch.
    pub fn push_branch(&mut self, branch: Branch) {
        self.asides.push((self.addr.len() as u32, Aside::Branch(branch)));
    }

    /// Appends an event.
    pub fn push_event(&mut self, cpu: CpuId, event: Event) {
        self.asides.push((self.addr.len() as u32, Aside::Event(cpu, event)));
    }

    /// Appends any record.
    pub fn push(&mut self, record: Record) {
        match record {
            Record::Access(access) => self.push_access(access),
            Record::Branch(branch) => self.push_branch(branch),
            Record::Event(cpu, event) => self.push_event(cpu, event),
        }
    }

    /// The access at `index`, put together from its columns.
    ///
    /// # Panics
    /// If `index` is not below [`Self::accesses`].
    #[inline]
    pub fn access(&self, index: usize) -> Access {
        Access {
            cpu: self.cpu[index],
            kind: self.kind[index],
            addr: self.addr[index],
            size: self.size[index],
            site: self.site[index],
            gap: self.gap[index],
            dep: self.dep[index],
        }
    }

    /// Every record in order.
    pub fn iter(&self) -> impl Iterator<Item = Record> + '_ {
        let mut asides = self.asides.iter().peekable();
        let mut next = 0;
        std::iter::from_fn(move || {
            if let Some((_, aside)) = asides.next_if(|(at, _)| *at as usize <= next) {
                return Some(match aside {
                    Aside::Branch(branch) => Record::Branch(*branch),
                    Aside::Event(cpu, event) => Record::Event(*cpu, event.clone()),
                });
            }
            (next < self.accesses()).then(|| {
                next += 1;
                Record::Access(self.access(next - 1))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_the_order_they_went_in() {
        let records = vec![
            Record::Event(0, Event::RegionStart),
            Record::Access(Access { addr: 8, size: 8, ..Access::default() }),
            Record::Branch(Branch { site: 3, taken: true, ..Branch::default() }),
            Record::Event(1, Event::Switch { process: 2 }),
            Record::Access(Access {
                addr: 16,
                kind: AccessKind::Store,
                size: 4,
                ..Access::default()
            }),
            Record::Event(0, Event::RegionEnd),
        ];
        let mut batch = Batch::new();
        records.iter().cloned().for_each(|record| batch.push(record));
        assert_eq!(batch.records(), 6);
        assert_eq!(batch.iter().collect::<Vec<_>>(), records);
    }

    #[test]
    fn the_parts_of_a_cut_are_the_whole() {
        let mut whole = Batch::new();
        for at in 0..6 {
            whole.push_event(0, Event::Phase { id: at });
            whole.push_event(0, Event::Phase { id: at + 10 });
            whole.push_access(Access { addr: u64::from(at), gap: at, ..Access::default() });
        }
        for accesses in 0..=6 {
            for asides in [2 * accesses, 2 * accesses + 1, 2 * accesses + 2] {
                let mut head = whole.clone();
                let tail = head.split_off(accesses, asides.min(12));
                assert_eq!((head.accesses(), tail.accesses()), (accesses, 6 - accesses));
                assert!(head.iter().chain(tail.iter()).eq(whole.iter()), "{accesses} {asides}");
            }
        }
    }
}
