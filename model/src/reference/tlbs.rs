//! The TLBs. Every mapping has the base page's size, so that TLBs for other sizes stay empty.

use tracegen::record::ProcessId;

use super::counts::Counts;
use super::sets::{Key, Sets, seed_of};
use crate::cache::settings::Stream;
use crate::mmu::settings::Mmu;

/// What a TLB holds of a page.
#[derive(Debug, Clone, Copy)]
pub struct Translation {
    /// Its frame.
    pub frame: u64,
    /// Stores are allowed.
    pub writable: bool,
    /// Fetches are allowed.
    pub executable: bool,
    /// The page-table entry's dirty bit is known to be set.
    pub dirty: bool,
}

#[derive(Debug)]
struct Tlb {
    /// Its name, and that of its counts.
    plain: String,
    name: String,
    level: u8,
    serves: Vec<Stream>,
    /// Whether it is for pages of the base size.
    holds: bool,
    entries: Sets<Translation>,
}

/// All TLBs, in the configuration's order.
#[derive(Debug)]
pub struct Tlbs {
    tlbs: Vec<Tlb>,
}

impl Tlbs {
    /// Empty TLBs, whose counts have names that start with `prefix`.
    pub fn new(mmu: &Mmu, prefix: &str, seed: u64) -> Self {
        let tlbs = mmu.tlb.iter().map(|tlb| Tlb {
            plain: tlb.name.clone(),
            name: format!("{prefix}{}", tlb.name),
            level: tlb.level,
            serves: tlb.serves.clone(),
            holds: tlb.pages.as_ref().is_none_or(|pages| pages.contains(&mmu.base_page())),
            entries: Sets::new(
                tlb.entries.into(),
                tlb.ways.of(tlb.entries).into(),
                &tlb.replacement,
                seed_of(&tlb.name, seed),
            ),
        });
        Self { tlbs: tlbs.collect() }
    }

    /// The program accesses the page `key`, and next when `next` says of its size.
    pub fn foresee(&mut self, key: Key, next: u64) {
        self.tlbs.iter_mut().filter(|tlb| tlb.holds).for_each(|tlb| tlb.entries.foresee(key, next));
    }

    /// What follows is done for an access from `site`.
    pub fn note_site(&mut self, site: u64) {
        self.tlbs.iter_mut().for_each(|tlb| tlb.entries.note_site(site));
    }

    /// The TLBs that an access of `stream` is looked up in, by level.
    pub fn chain(&self, stream: Stream) -> Vec<usize> {
        let serving = |tlb: &Tlb| tlb.holds && tlb.serves.contains(&stream);
        let mut chain: Vec<_> = (0..self.tlbs.len()).filter(|k| serving(&self.tlbs[*k])).collect();
        chain.sort_by_key(|k| self.tlbs[*k].level);
        chain
    }

    /// Whether any TLB serves `stream`, of whatever size.
    pub fn serves(&self, stream: Stream) -> bool {
        self.tlbs.iter().any(|tlb| tlb.serves.contains(&stream))
    }

    /// Looks a page up, level by level. Levels that missed get what a lower one had. Where all missed,
    /// nothing is counted: see [`miss`](Self::miss).
    pub fn look_up(
        &mut self,
        stream: Stream,
        key: Key,
        counts: &mut Counts,
    ) -> Option<(usize, Translation)> {
        let chain = self.chain(stream);
        for (place, k) in chain.iter().enumerate() {
            let Some(found) = self.tlbs[*k].entries.look_up(key).copied() else { continue };
            counts.add(&format!("{}.hits", self.tlbs[*k].name), 1);
            for above in chain[..place].iter().rev() {
                counts.add(&format!("{}.misses", self.tlbs[*above].name), 1);
                self.tlbs[*above].fill(key, found, counts);
            }
            return Some((*k, found));
        }
        None
    }

    /// Counts an access that no TLB had.
    pub fn miss(&self, stream: Stream, counts: &mut Counts) {
        for k in self.chain(stream) {
            counts.add(&format!("{}.misses", self.tlbs[k].name), 1);
        }
    }

    /// Puts a translation into every level, the lowest first.
    pub fn fill(
        &mut self,
        stream: Stream,
        key: Key,
        translation: Translation,
        counts: &mut Counts,
    ) {
        for k in self.chain(stream).into_iter().rev() {
            self.tlbs[k].fill(key, translation, counts);
        }
    }

    /// The page has been written to.
    pub fn set_dirty(&mut self, key: Key) {
        for translation in self.tlbs.iter_mut().filter_map(|tlb| tlb.entries.peek(key)) {
            translation.dirty = true;
        }
    }

    /// Drops a page.
    pub fn forget_page(&mut self, key: Key, counts: &mut Counts) {
        for tlb in &mut self.tlbs {
            if tlb.entries.remove(key).is_some() {
                counts.add(&format!("{}.shootdowns", tlb.name), 1);
            }
        }
    }

    /// Drops the pages of processes that `which` says.
    pub fn flush(&mut self, which: impl Fn(ProcessId) -> bool, counts: &mut Counts) {
        for tlb in &mut self.tlbs {
            tlb.entries.remove_where(|key| which(key.process));
            counts.add(&format!("{}.flushes", tlb.name), 1);
        }
    }

    /// Adds what follows from the counts.
    pub fn report(&self, prefix: &str, instructions: u64, counts: &mut Counts) {
        for Tlb { plain, .. } in &self.tlbs {
            counts.accesses(&format!("{prefix}{plain}"), instructions);
        }
    }
}

impl Tlb {
    fn fill(&mut self, key: Key, translation: Translation, counts: &mut Counts) {
        if let Some(there) = self.entries.look_up(key) {
            *there = translation;
        } else if self.entries.put(key, translation, true).is_some() {
            counts.add(&format!("{}.evictions", self.name), 1);
        }
    }
}
