//! From a block's payload to batches.

use crate::batch::{Aside, BATCH_ACCESSES, Batch};
use crate::flt::column::{Cursor, Value, get_varint};
use crate::flt::event::{self, MOST_FIELDS};
use crate::flt::layout::Head;
use crate::flt::predict::{self, Predictor, SLOTS, apply};
use crate::record::{AccessKind, Branch};

/// A block that is being read.
#[derive(Default)]
pub struct Block {
    /// The payload, decompressed.
    pub raw: Vec<u8>,
    accesses: usize,
    /// Accesses that have been read.
    done: usize,
    kind: Cursor,
    size: Cursor,
    cpu: Cursor,
    gap: Cursor,
    dep: Cursor,
    addr: Predicted,
    site: Predicted,
    /// The last address of each slot, where addresses are predicted so.
    last: Vec<u64>,
    asides: Asides,
}

/// A column of differences.
#[derive(Default)]
struct Predicted {
    predictor: Predictor,
    before: u64,
    cursor: Cursor,
}

impl Predicted {
    fn open(bytes: &[u8], at: &mut usize, count: usize) -> Option<Self> {
        let predictor = Predictor::parse(*bytes.get(*at)?)?;
        *at += 1;
        let before = match predictor {
            Predictor::Direct => 0,
            _ => get_varint(bytes, at)?,
        };
        Some(Self { predictor, before, cursor: Cursor::open(bytes, at, count)? })
    }
}

impl Block {
    /// Starts on the block with `head`, whose payload is in [`Self::raw`]. `None` if that is malformed.
    pub fn open(&mut self, head: &Head) -> Option<()> {
        let (raw, at) = (&self.raw[..], &mut 0);
        let count = head.accesses();
        self.accesses = 0;
        self.done = 0;
        self.kind = Cursor::open(raw, at, count)?;
        self.size = Cursor::open(raw, at, count)?;
        self.cpu = Cursor::open(raw, at, count)?;
        self.gap = Cursor::open(raw, at, count)?;
        self.dep = Cursor::open(raw, at, count)?;
        self.addr = Predicted::open(raw, at, count)?;
        self.site = Predicted::open(raw, at, count)?;
        (self.site.predictor != Predictor::Site).then_some(())?;
        self.last.clear();
        self.last.resize(SLOTS, self.addr.before);
        self.asides.open(raw, at, head)?;
        self.accesses = count;
        Some(())
    }

    /// Whether all of it has been read.
    pub fn is_done(&self) -> bool {
        self.done == self.accesses && self.asides.next == self.asides.at.len()
    }

    /// Appends the next records to an empty `batch`. `None` if the payload is malformed.
    pub fn fill(&mut self, batch: &mut Batch) -> Option<()> {
        let wanted = (self.accesses - self.done).min(BATCH_ACCESSES);
        let count = self.asides.fill(&self.raw, self.done, wanted, batch)?;
        self.kind.read(&self.raw, count, &mut batch.kind)?;
        self.size.read(&self.raw, count, &mut batch.size)?;
        self.cpu.read(&self.raw, count, &mut batch.cpu)?;
        self.gap.read(&self.raw, count, &mut batch.gap)?;
        batch.gap.iter_mut().for_each(|gap| *gap = gap.wrapping_sub(1));
        self.dep.read(&self.raw, count, &mut batch.dep)?;
        self.addr.cursor.read(&self.raw, count, &mut batch.addr)?;
        self.site.cursor.read(&self.raw, count, &mut batch.site)?;
        self.restore(batch);
        self.done += count;
        Some(())
    }

    /// Turns the differences of the address and site columns into values.
    fn restore(&mut self, batch: &mut Batch) {
        match (self.addr.predictor, self.site.predictor) {
            (Predictor::Site, Predictor::Previous) => return self.restore_together(batch),
            (Predictor::Site, _) => {
                for ((addr, kind), site) in batch.addr.iter_mut().zip(&batch.kind).zip(&batch.site)
                {
                    let last = &mut self.last[predict::slot(*kind, *site)];
                    *last = apply(*last, *addr);
                    *addr = *last;
                }
            }
            (Predictor::Previous, _) => running(&mut self.addr.before, &mut batch.addr),
            (Predictor::Direct, _) => {}
        }
        if self.site.predictor == Predictor::Previous {
            for ((site, kind), addr) in batch.site.iter_mut().zip(&batch.kind).zip(&batch.addr) {
                let before = if *kind == AccessKind::Fetch { *addr } else { self.site.before };
                self.site.before = apply(before, *site);
                *site = self.site.before;
            }
        }
    }

    /// [`Self::restore`] where a fetch's site needs its address and any other address needs its site.
    fn restore_together(&mut self, batch: &mut Batch) {
        for ((addr, kind), site) in batch.addr.iter_mut().zip(&batch.kind).zip(&mut batch.site) {
            if *kind == AccessKind::Fetch {
                let last = &mut self.last[predict::slot(*kind, 0)];
                *last = apply(*last, *addr);
                *addr = *last;
                *site = apply(*addr, *site);
            } else {
                *site = apply(self.site.before, *site);
                let last = &mut self.last[predict::slot(*kind, *site)];
                *last = apply(*last, *addr);
                *addr = *last;
            }
            self.site.before = *site;
        }
    }
}

/// Replaces differences by the values that they add up to from `before` on.
fn running(before: &mut u64, values: &mut [u64]) {
    for value in values {
        *before = apply(*before, *value);
        *value = *before;
    }
}

/// The branches and events of a block.
#[derive(Default)]
struct Asides {
    at: Vec<u32>,
    cpu: Vec<u16>,
    what: Vec<u8>,
    branch_site: Vec<u64>,
    branch_gap: Vec<u32>,
    branch_dep: Vec<u32>,
    /// The next aside, the next branch, and where the next event's numbers start.
    next: usize,
    next_branch: usize,
    event_at: usize,
}

impl Asides {
    fn open(&mut self, raw: &[u8], at: &mut usize, head: &Head) -> Option<()> {
        let count = head.asides();
        let branches = head.branches as usize;
        (self.next, self.next_branch) = (0, 0);
        whole(raw, at, count, &mut self.at)?;
        let mut sum: u32 = 0;
        for position in &mut self.at {
            sum = sum.checked_add(*position)?;
            *position = sum;
        }
        (sum as usize <= head.accesses()).then_some(())?;
        whole(raw, at, count, &mut self.cpu)?;
        whole(raw, at, count, &mut self.what)?;
        (self.what.iter().filter(|what| **what < 2).count() == branches).then_some(())?;
        let mut sites = Predicted::open(raw, at, branches)?;
        self.branch_site.clear();
        sites.cursor.read(raw, branches, &mut self.branch_site)?;
        if sites.predictor == Predictor::Previous {
            running(&mut sites.before, &mut self.branch_site);
        }
        whole(raw, at, branches, &mut self.branch_gap)?;
        whole(raw, at, branches, &mut self.branch_dep)?;
        self.event_at = *at;
        Some(())
    }

    /// Appends the asides that stand before or right after the next `wanted` accesses, as many as fit, and
    /// returns how many of those accesses come before the next aside that did not.
    fn fill(&mut self, raw: &[u8], done: usize, wanted: usize, batch: &mut Batch) -> Option<usize> {
        while let Some(at) = self.at.get(self.next) {
            let at = (*at as usize).checked_sub(done)?;
            if at > wanted {
                break;
            }
            if batch.asides.len() >= BATCH_ACCESSES {
                return Some(at);
            }
            let aside = self.take(raw)?;
            batch.asides.push((at as u32, aside));
        }
        Some(wanted)
    }

    fn take(&mut self, raw: &[u8]) -> Option<Aside> {
        let (cpu, what) = (*self.cpu.get(self.next)?, *self.what.get(self.next)?);
        self.next += 1;
        if let Some(tag) = what.checked_sub(2) {
            let mut fields = [0; MOST_FIELDS];
            let count = usize::from(*event::FIELDS.get(usize::from(tag))?);
            for field in fields.iter_mut().take(count) {
                *field = get_varint(raw, &mut self.event_at)?;
            }
            return Some(Aside::Event(cpu, event::restore(tag, fields)?));
        }
        let index = self.next_branch;
        self.next_branch += 1;
        Some(Aside::Branch(Branch {
            cpu,
            site: *self.branch_site.get(index)?,
            taken: what == 1,
            gap: *self.branch_gap.get(index)?,
            dep: *self.branch_dep.get(index)?,
        }))
    }
}

/// Reads a whole column.
fn whole<T: Value>(raw: &[u8], at: &mut usize, count: usize, out: &mut Vec<T>) -> Option<()> {
    out.clear();
    Cursor::open(raw, at, count)?.read(raw, count, out)
}
