//! What each record of a batch adds to counters, for whoever breaks a run down.
//!
//! Accesses that are settled where they hit the first levels add to none of the counters that are watched
//! here, so that it is enough to look at these after every other one. Nothing is looked at unless somebody
//! [asks](super::Simulator::watch).

use std::ops::Range;

use super::Simulator;
use crate::outcome::Outcomes;
use crate::scratch::scratch;

/// A record of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The access at this index.
    Access(usize),
    /// The branch or event at this index of the asides.
    Aside(usize),
}

/// What came of a record that was no plain hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The record.
    pub part: Part,
    /// Its outcomes, in the list that they were appended to.
    pub outcomes: Range<usize>,
}

/// The notes of a batch.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub on: bool,
    notes: Vec<Note>,
    /// What each note's record added to every counter, one note's after another's.
    added: Vec<u64>,
    /// The counters after the latest record, and room for the next look.
    before: Vec<u64>,
    now: Vec<u64>,
    /// Outcomes up to there.
    outcomes: usize,
}

// It speaks of one batch and is empty between two.
scratch!(Meter);

impl Meter {
    /// A batch begins whose outcomes are appended to these.
    pub fn begin(&mut self, outcomes: usize) {
        self.notes.clear();
        self.added.clear();
        self.outcomes = outcomes;
    }

    /// The counters are at `now` behind `part`, and there are `outcomes`.
    fn note(&mut self, part: Part, outcomes: usize) {
        let from = std::mem::replace(&mut self.outcomes, outcomes);
        if from == outcomes && self.before == self.now {
            return;
        }
        let added =
            self.now.iter().zip(&self.before).map(|(now, before)| now.saturating_sub(*before));
        self.added.extend(added);
        self.notes.push(Note { part, outcomes: from..outcomes });
        std::mem::swap(&mut self.before, &mut self.now);
    }
}

impl Simulator {
    /// From here on, notes what every record adds to some counters of the one CPU; returns their names, which are those of
    /// statistics.
    pub fn watch(&mut self) -> Vec<String> {
        let mut now = Vec::new();
        self.counters(&mut now);
        self.meter = Meter { on: true, before: now, ..Meter::default() };
        let tlbs = self.cpu.tlbs.tlbs().iter().map(|tlb| format!("{}.misses", tlb.name()));
        let walks = ["walks", "references"].map(|name| format!("walker.{name}"));
        // There are at most 254 caches.
        let caches = (0..self.walks.caches() as u8).flat_map(|index| {
            let name = self.cpu.caches.name(index);
            ["misses", "walk.misses"].map(|what| format!("{name}.{what}"))
        });
        let faults = self.os.fault_counts().map(|(name, _)| format!("os.faults.{name}"));
        tlbs.chain(walks).chain(caches).chain(faults).collect()
    }

    /// What came of the records of the latest batch that were no plain hits, in order, and what each added to
    /// the counters that [`watch`](Self::watch) has named.
    pub fn notes(&self) -> impl Iterator<Item = (&Note, &[u64])> {
        let counters = self.meter.before.len().max(1);
        self.meter.notes.iter().zip(self.meter.added.chunks_exact(counters))
    }

    /// What was done since the latest note belongs to `part`.
    #[inline]
    pub(super) fn metered(&mut self, part: Part, out: &Outcomes) {
        if self.meter.on {
            self.take_note(part, out.list.len());
        }
    }

    #[cold]
    fn take_note(&mut self, part: Part, outcomes: usize) {
        let mut now = std::mem::take(&mut self.meter.now);
        self.counters(&mut now);
        self.meter.now = now;
        self.meter.note(part, outcomes);
    }

    /// The counters, in the order of their names.
    fn counters(&self, into: &mut Vec<u64>) {
        into.clear();
        into.extend(self.cpu.tlbs.tlbs().iter().map(|tlb| tlb.counters().misses));
        into.extend([self.walks.walks, self.walks.references]);
        for index in 0..self.walks.caches() as u8 {
            let counters = self.cpu.caches.counters(index);
            into.extend([counters.misses, counters.walk_misses]);
        }
        into.extend(self.os.fault_counts().map(|(_, count)| count));
    }
}

#[cfg(test)]
mod tests {
    use tracegen::batch::Batch;
    use tracegen::record::{Access, AccessKind, Event};

    use super::super::tests::machine;
    use super::*;
    use crate::statistics::{Statistics, Value};

    const MACHINE: &str = r#"
        [[mmu.tlb]]
        name = "dtlb"
        level = 1
        entries = 4
        ways = 4
        [[cache]]
        name = "l1d"
        level = 1
        serves = ["data"]
        size = "1KiB"
        ways = 4
    "#;

    /// Strides and repeats over a few pages, stores and prefetches among them, with events between.
    fn batch() -> Batch {
        let mut batch = Batch::new();
        for at in 0..600u64 {
            if at % 97 == 5 {
                batch.push_event(0, Event::Munmap { addr: (at % 7) << 12, length: 4096 });
            }
            let kind = match at % 11 {
                0 => AccessKind::Store,
                7 => AccessKind::Prefetch,
                _ => AccessKind::Load,
            };
            let addr = (((at / 3 * 37) % 9) << 12) + (at * 24) % 4096;
            batch.push_access(Access { addr, kind, size: 8, ..Access::default() });
        }
        batch
    }

    #[test]
    fn what_is_noted_adds_up_to_the_statistics() {
        let mut simulator = machine(MACHINE);
        let names = simulator.watch();
        let mut sums = vec![0; names.len()];
        let mut out = Outcomes::default();
        for _ in 0..3 {
            let first = out.list.len();
            simulator.process(&batch(), &mut out).unwrap();
            let mut next = first;
            for (note, added) in simulator.notes() {
                assert_eq!(note.outcomes.start, next, "{note:?}");
                next = note.outcomes.end;
                sums.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
            }
            assert_eq!(next, out.list.len());
        }
        let mut statistics = Statistics::default();
        simulator.report(&mut statistics);
        for (name, sum) in names.iter().zip(&sums) {
            assert_eq!(statistics.get(name), Some(Value::Count(*sum)), "{name}");
        }
        let of = |name: &str| sums[names.iter().position(|own| own == name).unwrap()];
        for name in ["dtlb.misses", "l1d.misses", "walker.walks", "os.faults.anonymous"] {
            assert!(of(name) > 0, "{name}");
        }
    }

    #[test]
    fn watching_changes_no_outcome() {
        let run = |watched: bool| {
            let (mut simulator, mut out) = (machine(MACHINE), Outcomes::default());
            if watched {
                simulator.watch();
            }
            simulator.process(&batch(), &mut out).unwrap();
            simulator.process(&batch(), &mut out).unwrap();
            out
        };
        assert_eq!(run(true), run(false));
    }

    #[test]
    fn a_note_names_the_record_that_missed() {
        let mut simulator = machine(MACHINE);
        let names = simulator.watch();
        let mut batch = Batch::new();
        for addr in [0, 8, 1 << 12, 16] {
            batch.push_access(Access { addr, size: 8, ..Access::default() });
        }
        simulator.process(&batch, &mut Outcomes::default()).unwrap();
        let tlb = names.iter().position(|name| name == "dtlb.misses").unwrap();
        let missed: Vec<_> = simulator
            .notes()
            .filter(|(_, added)| added[tlb] > 0)
            .map(|(note, _)| note.part)
            .collect();
        assert_eq!(missed, [Part::Access(0), Part::Access(2)]);
    }
}
