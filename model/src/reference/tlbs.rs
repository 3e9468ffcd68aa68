//! The TLBs.

use std::collections::BTreeMap;

use tracegen::record::ProcessId;

use super::counts::Counts;
use super::sets::{Key, Sets, seed_of};
use crate::cache::settings::Stream;
use crate::mmu::settings::{Lookup, Mmu, Tlb as Settings};
use crate::outcome::WALKED;

/// What a TLB holds of a page.
#[derive(Debug, Clone, Copy)]
pub struct Translation {
    /// Its first frame.
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
    /// The sizes that it holds, as log2 of base pages; none where it holds smaller ones alone.
    holds: Vec<u8>,
    entries: Sets<Translation>,
    /// The sizes that it tries in turn, as log2 of base pages; fewer than two where it does not.
    tries: Vec<u8>,
    /// What instructions expect, by what is left of their address: the size and how sure that is.
    expected: BTreeMap<u64, (u8, u8)>,
    /// Different instructions that it keeps apart; none where nothing is predicted.
    instructions: Option<u64>,
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
            holds: held(tlb, mmu),
            entries: Sets::new(
                tlb.entries.into(),
                tlb.ways.of(tlb.entries).into(),
                &tlb.replacement,
                seed_of(&tlb.name, seed),
            ),
            tries: {
                let base = mmu.base_page().0;
                let mapped = mmu.layout.iter().map(|range| (range.page.0 / base).ilog2() as u8);
                let mut tries: Vec<u8> = mapped.chain([0]).collect();
                tries.sort_unstable();
                tries.dedup();
                tries.retain(|order| {
                    tlb.lookup != Lookup::Parallel && held(tlb, mmu).contains(order)
                });
                tries
            },
            expected: BTreeMap::new(),
            instructions: (tlb.lookup == Lookup::Predicted)
                .then(|| u64::from(tlb.predictor_entries.unwrap_or(128))),
        });
        Self { tlbs: tlbs.collect() }
    }

    /// The program accesses the page `key`, and next when `next` says of its size.
    pub fn foresee(&mut self, key: Key, next: u64) {
        let holding = self.tlbs.iter_mut().filter(|tlb| tlb.holds.contains(&key.order));
        holding.for_each(|tlb| tlb.entries.foresee(key, next));
    }

    /// What follows is done for an access from `site`.
    pub fn note_site(&mut self, site: u64) {
        self.tlbs.iter_mut().for_each(|tlb| tlb.entries.note_site(site));
    }

    /// The TLBs that a page of 2^`order` base pages is looked up in on `stream`, by level.
    pub fn chain(&self, stream: Stream, order: u8) -> Vec<usize> {
        let serving = |tlb: &Tlb| tlb.holds.contains(&order) && tlb.serves.contains(&stream);
        let mut chain: Vec<_> = (0..self.tlbs.len()).filter(|k| serving(&self.tlbs[*k])).collect();
        chain.sort_by_key(|k| self.tlbs[*k].level);
        chain
    }

    /// Whether a TLB is of level 1, and the first for some page above the base page on `stream`.
    pub fn is_first_of_larger(&self, stream: Stream, tlb: u8, orders: &[u8]) -> bool {
        let tlb = usize::from(tlb);
        let mut first = orders.iter().map(|order| self.chain(stream, *order).first().copied());
        self.tlbs.get(tlb).is_some_and(|tlb| tlb.level == 1)
            && first.any(|first| first == Some(tlb))
    }

    /// Whether some TLB holds pages of that order.
    pub fn holds(&self, order: u8) -> bool {
        self.tlbs.iter().any(|tlb| tlb.holds.contains(&order))
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
        let chain = self.chain(stream, key.order);
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

    /// What an event calls the TLB that had a page, after the sizes that it tried first. TLBs above it have
    /// tried too.
    pub fn tried(
        &mut self,
        stream: Stream,
        site: u64,
        order: u8,
        tlb: u8,
        counts: &mut Counts,
    ) -> u8 {
        let mut said = tlb;
        for k in self.chain(stream, order) {
            let found = usize::from(tlb) == k && tlb != WALKED;
            let behind: usize =
                self.tlbs[..k].iter().map(|tlb| tlb.tries.len().saturating_sub(1)).sum();
            let all = self.tlbs.len();
            let tlb = &mut self.tlbs[k];
            if tlb.tries.len() > 1 && tlb.tries.contains(&order) {
                let instruction = site % tlb.instructions.unwrap_or(1);
                let smallest = tlb.tries[0];
                let (first, sure) =
                    tlb.expected.get(&instruction).copied().unwrap_or((smallest, 0));
                let rest = tlb.tries.iter().copied().filter(|other| *other != first);
                let tries: Vec<u8> = [first].into_iter().chain(rest).collect();
                let count = tries.iter().position(|other| *other == order).unwrap_or(0);
                counts.add(&format!("{}.predictions", tlb.name), 1);
                counts.add(&format!("{}.mispredictions", tlb.name), u64::from(count > 0));
                if found && count > 0 {
                    said = (all + behind + count - 1) as u8;
                }
                if tlb.instructions.is_some() {
                    let now = match (count, sure) {
                        (0, _) => (first, (sure + 1).min(3)),
                        (_, 0) => (order, 0),
                        _ => (first, sure - 1),
                    };
                    tlb.expected.insert(instruction, now);
                }
            }
            if found {
                break;
            }
        }
        said
    }

    /// Counts an access that no TLB had.
    pub fn miss(&self, stream: Stream, order: u8, counts: &mut Counts) {
        for k in self.chain(stream, order) {
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
        for k in self.chain(stream, key.order).into_iter().rev() {
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
            let name = format!("{prefix}{plain}");
            counts.accesses(&name, instructions);
            let (all, wrong) = (
                counts.get(&format!("{name}.predictions")),
                counts.get(&format!("{name}.mispredictions")),
            );
            if all > 0.0 {
                counts.set(&format!("{name}.prediction_accuracy"), (all - wrong) / all);
            }
        }
    }
}

/// The sizes that a TLB holds, as log2 of base pages.
fn held(tlb: &Settings, mmu: &Mmu) -> Vec<u8> {
    let base = mmu.base_page().0;
    let sizes = match &tlb.pages {
        Some(pages) => pages.clone(),
        None => mmu.page_sizes(),
    };
    let larger = sizes.iter().filter(|size| size.0 >= base);
    larger.map(|size| (size.0 / base).ilog2() as u8).collect()
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
