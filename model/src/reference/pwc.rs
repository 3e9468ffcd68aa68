//! The paging-structure caches.

use tracegen::record::ProcessId;

use super::counts::Counts;
use super::sets::{Key, Sets, seed_of};
use super::shape::Shape;
use crate::mmu::settings::Mmu;

#[derive(Debug)]
struct Pwc {
    /// The level of the entries that it holds, 1 being the last.
    level: u8,
    /// log2 of the bytes that such an entry covers.
    shift: u32,
    entries: Sets<()>,
}

/// All paging-structure caches, the deepest level first.
#[derive(Debug)]
pub struct Pwcs {
    pwcs: Vec<Pwc>,
    prefix: String,
}

impl Pwcs {
    /// Empty caches, whose counts have names that start with `prefix`.
    pub fn new(mmu: &Mmu, shape: &Shape, prefix: &str, seed: u64) -> Self {
        let mut pwcs: Vec<_> = mmu
            .pwc
            .iter()
            .map(|pwc| Pwc {
                level: pwc.level,
                // An entry below the leaf's level is never read, and never put in.
                shift: shape.level(pwc.level).map_or(0, |level| level.shift),
                entries: Sets::new(
                    pwc.entries.into(),
                    pwc.ways.of(pwc.entries).into(),
                    &pwc.replacement,
                    seed_of(&format!("pwc.{}", pwc.level), seed),
                ),
            })
            .collect();
        pwcs.sort_by_key(|pwc| pwc.level);
        Self { pwcs, prefix: prefix.to_owned() }
    }

    /// The program accesses `addr`, and next what an entry covers when `next` says.
    pub fn foresee(&mut self, process: ProcessId, addr: u64, next: impl Fn(u8) -> u64) {
        for pwc in &mut self.pwcs {
            let key = Key { number: addr >> pwc.shift, process, order: 0 };
            // At most 63.
            pwc.entries.foresee(key, next(pwc.shift as u8));
        }
    }

    /// What follows is done for an access from `site`.
    pub fn note_site(&mut self, site: u64) {
        self.pwcs.iter_mut().for_each(|pwc| pwc.entries.note_site(site));
    }

    /// The deepest level that has an entry for `addr`: a walk reads the levels below it.
    pub fn look_up(&mut self, process: ProcessId, addr: u64, counts: &mut Counts) -> Option<u8> {
        for pwc in &mut self.pwcs {
            let Pwc { level, shift, entries } = pwc;
            if entries.look_up(Key { number: addr >> *shift, process, order: 0 }).is_some() {
                counts.add(&format!("{}pwc.{level}.hits", self.prefix), 1);
                return Some(*level);
            }
            counts.add(&format!("{}pwc.{level}.misses", self.prefix), 1);
        }
        None
    }

    /// A walk for `addr` has read an entry of `level` that points to a table.
    pub fn fill(&mut self, process: ProcessId, addr: u64, level: u8) {
        for pwc in self.pwcs.iter_mut().filter(|pwc| pwc.level == level) {
            let key = Key { number: addr >> pwc.shift, process, order: 0 };
            if pwc.entries.look_up(key).is_none() {
                pwc.entries.put(key, (), true);
            }
        }
    }

    /// The entry of `level` for `addr` points to a table no more.
    pub fn forget(&mut self, process: ProcessId, addr: u64, level: u8) {
        for pwc in self.pwcs.iter_mut().filter(|pwc| pwc.level == level) {
            pwc.entries.remove(Key { number: addr >> pwc.shift, process, order: 0 });
        }
    }

    /// Drops every entry of a process, or of all.
    pub fn flush(&mut self, process: Option<ProcessId>) {
        for pwc in &mut self.pwcs {
            pwc.entries.remove_where(|key| process.is_none_or(|process| key.process == process));
        }
    }
}
