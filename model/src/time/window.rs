//! The window of one CPU: dispatch in order, execution as soon as possible, retirement in order.
//!
//! Only outcomes are explicit. The instructions between them flow at full width: an instruction
//! dispatches at the slot after its predecessor, not before the instruction `rob` places older has
//! retired. A first-level hit that is not reported never delays retirement and holds no queue entry.
//!
//! - A load holds an entry of the load queue until it retires, a software prefetch until it has a miss
//!   register, a store one of the store queue from dispatch until its line is there, in order (x86
//!   retires stores to the cache in program order: Intel SDM volume 3, "Memory Ordering").
//! - What the prefetcher of a cache fetches holds no entry of a queue; it asks when the access that made it
//!   ask has its translation, and takes miss registers from its cache on downwards.
//! - A fetch begins when its instruction would dispatch, and holds up dispatch until it is answered.
//! - A mispredicted branch holds it up until its condition is known, and the penalty after that.
//! - A mark passes like an instruction that takes no time: it splits a run and changes nothing.
//! - A fault's translation is tried like any other; when everything older has retired, the kernel
//!   takes over, and dispatch resumes when it is done.
//!
//! The simulation is driven by events, because memory answers late; the next outcome's dispatch is the
//! one event that is not in the queue. What an outcome has to wait for until then is asked of a [`Wait`], which
//! lets time pass or says that it is not known yet, and is then asked again. Nothing looks at a later outcome,
//! so how the stream is cut into batches does not matter. The number of outcomes in flight is bounded by a ring: an outcome enters
//! when the one that last had its place is over, which for anything but a flood of parts of single
//! instructions is always the case.

use std::collections::VecDeque;

use crate::address::PhysAddr;
use crate::config::Config;
use crate::outcome::{MEMORY, Outcome, OutcomeKind, Reference, ReferenceKind, WALKED};

use super::access::{Next, Shared, Units};
use super::attribution::Attribution;
use super::dispatch::Queue;
use super::entry::{ENTRIES, Entry, NOBODY, State, UNKNOWN};
use super::latencies::Latencies;
use super::ports::Memory;
use super::stack::{self, Lap, Stack};

/// What is waited for; mostly of the entry at a place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Awaited {
    Nothing,
    /// The retirement of everyone.
    Empty,
    /// Its retirement.
    Retired(u16),
    /// Its line.
    Filled(u16),
    /// That it gives back its load or store queue entry.
    Released(u16),
    /// That nothing about it can change any more.
    Over(u16),
}

/// How what is awaited becomes known.
pub(super) trait Wait {
    /// When it is, if that is known by now.
    fn until(&mut self, window: &mut Window, awaited: Awaited) -> Option<u64>;
    /// The present.
    fn now(&self) -> u64;
}

/// The state of one CPU's window.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) units: Units,
    pub(super) ring: Vec<Entry>,
    /// Outcomes so far.
    pub(super) next: u64,
    /// The oldest outcome whose place is not a younger one's yet.
    oldest: u64,
    /// Outcomes retired.
    pub(super) retiring: u64,
    /// The first slot that is free to dispatch in.
    pub(super) free_slot: u64,
    /// The slot of the last dispatch.
    pub(super) last_slot: u64,
    /// Instructions so far.
    pub(super) instructions: u64,
    /// The slot after the last retirement.
    pub(super) retired_at: u64,
    pub(super) rob: u64,
    /// The oldest outcome that the reorder buffer does not yet force out, and the instruction and
    /// retirement of the one before.
    pub(super) rob_next: u64,
    pub(super) rob_anchor: (u64, u64),
    pub(super) loads: Queue,
    pub(super) stores: Queue,
    /// The component that is charged if the next outcome is late.
    pub(super) late: u8,
    pub(super) stack: Stack,
    /// Marks that have retired, the oldest first.
    pub(super) laps: VecDeque<Lap>,
    /// Unreported hits that are not in the distribution of access times yet: data, then fetches.
    hits: [u64; 2],
    /// Whose the stalls are, where that is asked.
    pub(super) attribution: Option<Box<Attribution>>,
}

impl Window {
    /// The empty window of a CPU.
    pub(super) fn new<M: Memory>(config: &Config, shared: &Shared<M>, cpu: usize) -> Self {
        // Twice the instructions in flight, since an instruction can have several outcomes.
        let places =
            (config.core.rob.clamp(32, ENTRIES as u32 / 2) * 2).next_power_of_two() as usize;
        Self {
            ring: vec![Entry::default(); places],
            next: 0,
            oldest: 0,
            retiring: 0,
            free_slot: 0,
            last_slot: 0,
            instructions: 0,
            retired_at: 0,
            rob: u64::from(config.core.rob.max(1)),
            rob_next: 0,
            rob_anchor: (0, 0),
            loads: Queue::new(config.core.load_queue),
            stores: Queue::new(config.core.store_queue),
            late: shared.latencies.ends[0].first,
            stack: Stack::new(config.cache.len()),
            laps: VecDeque::new(),
            hits: [0, 0],
            attribution: None,
            units: Units::new(config, cpu),
        }
    }

    /// The place of outcome number `outcome`.
    #[inline]
    pub(super) fn slot_of(&self, outcome: u64) -> u16 {
        (outcome & (self.ring.len() as u64 - 1)) as u16
    }

    #[inline]
    pub(super) fn entry(&mut self, slot: u16) -> &mut Entry {
        // Slots come from `slot_of` only, which masks with the ring's length.
        &mut self.ring[usize::from(slot)]
    }

    /// The entry of the outcome `distance` back from outcome `of`, unless that is long over: its place
    /// may be a younger one's by now, for which `of` must not wait.
    #[inline]
    pub(super) fn back(&self, of: u64, distance: u32) -> Option<u16> {
        let number = of.checked_sub(u64::from(distance))?;
        (distance > 0 && number >= self.oldest).then(|| self.slot_of(number))
    }

    /// Lets an outcome that has been admitted begin; true if nothing may follow before it has retired.
    #[inline(always)]
    pub(super) fn begin<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        slot: u16,
        outcome: &Outcome,
    ) -> bool {
        self.count_in(outcome);
        match outcome.kind {
            OutcomeKind::Load
            | OutcomeKind::Store
            | OutcomeKind::Prefetch
            | OutcomeKind::HardwarePrefetch { .. } => self.start(shared, slot),
            OutcomeKind::Fetch | OutcomeKind::Mispredict => {}
            OutcomeKind::Mark(_) => self.pass(shared, slot),
            OutcomeKind::Fault(_) => {
                self.start(shared, slot);
                return true;
            }
            OutcomeKind::Kernel | OutcomeKind::End => {
                self.pass(shared, slot);
                return true;
            }
        }
        false
    }

    /// An outcome is part of the window.
    #[inline]
    pub(super) fn count_in(&mut self, outcome: &Outcome) {
        self.next += 1;
        self.hits[0] += u64::from(outcome.hits);
        self.hits[1] += u64::from(outcome.fetch_hits);
    }

    /// Adds the unreported hits of what was taken in to the distribution.
    pub(super) fn count_hits<M: Memory>(&mut self, shared: &Shared<M>) {
        let latencies = &shared.latencies;
        for (hits, slots) in std::mem::take(&mut self.hits).into_iter().zip(latencies.first_hit) {
            self.units.access_cycles.add(latencies.clock.cycles(slots), hits);
        }
    }

    /// Lets `slots` go by, in which nothing is in flight.
    pub(super) fn skip(&mut self, slots: u64) {
        self.stack.charge(stack::BASE, slots);
        self.resume(self.retired_at + slots);
    }

    /// What is awaited, if it is known.
    #[inline(always)]
    pub(super) fn known(&self, awaited: Awaited) -> Option<u64> {
        let time = self.time_of(awaited);
        (time != UNKNOWN).then_some(time)
    }

    #[inline(always)]
    pub(super) fn time_of(&self, awaited: Awaited) -> u64 {
        let entry = |slot: u16| &self.ring[usize::from(slot)];
        match awaited {
            Awaited::Nothing => UNKNOWN,
            Awaited::Empty if self.retiring < self.next => UNKNOWN,
            Awaited::Empty => self.retired_at,
            Awaited::Retired(slot) => entry(slot).retired,
            Awaited::Filled(slot) => entry(slot).fill,
            Awaited::Released(slot) => entry(slot).retired.max(entry(slot).holds_queue_until()),
            Awaited::Over(slot) if entry(slot).state != State::Done => UNKNOWN,
            Awaited::Over(slot) => entry(slot).retired,
        }
    }

    /// Frees the next place of the ring.
    #[inline]
    pub(super) fn make_room(&mut self, wait: &mut impl Wait) -> Option<u16> {
        let slot = self.slot_of(self.next);
        if self.next >= self.ring.len() as u64 {
            wait.until(self, Awaited::Over(slot))?;
            self.units.references.forget(self.ring[usize::from(slot)].references);
            let oldest = self.next - self.ring.len() as u64;
            if self.rob_next <= oldest {
                self.pass_rob(oldest);
            }
            self.oldest = oldest + 1;
        }
        Some(slot)
    }

    /// Fills in the entry of an outcome that has not entered the window yet.
    #[inline]
    pub(super) fn keep(
        &mut self,
        latencies: &Latencies,
        slot: u16,
        outcome: &Outcome,
        references: &[Reference],
    ) {
        self.instructions += u64::from(outcome.instructions);
        let references_at = self.units.references.next();
        let kept = self.keep_references(latencies.walks, references);
        let older = self.back(self.next, outcome.ancestor);
        let waits = older.is_some() || outcome.chain > 0;
        // The walk that a younger outcome's hit may have to wait for is not its own.
        let walks = kept.walk_reads > 0 || (outcome.tlb == WALKED && outcome.translation_fill == 0);
        let walks = walks && latencies.walks;
        let late = self.late;
        let mark = matches!(outcome.kind, OutcomeKind::Mark(_));
        if !mark {
            self.late = latencies.ends[0].first;
        }
        if let Some(attribution) = &mut self.attribution {
            attribution.enter(slot, mark);
        }
        let instruction = self.instructions;
        let number = self.next;
        *self.entry(slot) = Entry {
            number,
            instruction,
            start: UNKNOWN,
            translated: UNKNOWN,
            walked: UNKNOWN,
            issued: UNKNOWN,
            fill: UNKNOWN,
            ready: UNKNOWN,
            retired: UNKNOWN,
            addr: kept.demand,
            references_at,
            instructions: outcome.instructions,
            line_fill: outcome.line_fill,
            translation_fill: outcome.translation_fill,
            references: kept.walk_reads + kept.writes,
            walk_reads: kept.walk_reads,
            // Before its address is known, its ancestor.
            step: older.unwrap_or(NOBODY),
            next_waiter: NOBODY,
            walk_waiters: NOBODY,
            fill_waiters: NOBODY,
            kind: outcome.kind,
            state: if waits { State::Ancestor } else { State::Translate },
            tlb: outcome.tlb,
            served: outcome.served,
            chain: outcome.chain,
            walks,
            writes: kept.writes > 0,
            upgrades: kept.upgrades,
            late,
            ..Entry::default()
        };
    }

    /// Keeps the references that the outcome still needs when it has entered.
    #[inline]
    fn keep_references(&mut self, walks: bool, references: &[Reference]) -> Kept {
        let mut kept = Kept::default();
        for reference in references {
            match reference.kind {
                ReferenceKind::Walk if !walks => {}
                ReferenceKind::Walk => {
                    self.units.references.keep(*reference);
                    kept.walk_reads += 1;
                }
                ReferenceKind::Demand => kept.demand = reference.addr,
                ReferenceKind::Upgrade => kept.upgrades = true,
                ReferenceKind::TableWrite | ReferenceKind::Writeback | ReferenceKind::Write => {
                    if reference.served == MEMORY {
                        self.units.references.keep(*reference);
                        kept.writes += 1;
                    }
                }
            }
        }
        kept
    }

    /// Carries an entry on until it has to wait.
    #[inline(always)]
    pub(super) fn run<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16) {
        loop {
            let goes_on = match self.units.go_on(shared, &mut self.ring[usize::from(slot)], slot) {
                Next::Wait => false,
                Next::OtherWalk => self.other_walk(slot),
                Next::Translated => self.translated(shared, slot),
                Next::Prefetched => self.prefetched(slot),
                Next::OtherFill => self.other_fill(slot),
                Next::Filled => self.filled(shared, slot),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Retires, in order, what may retire.
    pub(super) fn retire<M: Memory>(&mut self, shared: &Shared<M>) {
        while self.retiring < self.next {
            let slot = usize::from(self.slot_of(self.retiring));
            let entry = &mut self.ring[slot];
            if entry.ready == UNKNOWN {
                return;
            }
            let usual = self.retired_at + u64::from(entry.instructions);
            let at = usual.max(entry.ready);
            entry.retired = at;
            self.stack.charge(stack::BASE, u64::from(entry.instructions));
            if at > usual {
                let ends = shared.latencies.ends[usize::from(entry.is_fetch())];
                self.stack.charge_stall(entry, ends, at - usual);
                if let Some(attribution) = &mut self.attribution {
                    attribution.stall(slot, entry, ends, at - usual);
                }
            }
            self.retired_at = at;
            self.retiring += 1;
            if let OutcomeKind::Mark(mark) = entry.kind {
                let (stack, instructions) = (self.stack.clone(), entry.instruction);
                self.laps.push_back(Lap { mark, stack, instructions });
                if let Some(attribution) = &mut self.attribution {
                    attribution.pass(mark);
                }
            }
        }
    }

    /// Charges what the stack has more than `before` to the row of the latest outcome.
    pub(super) fn charge_latest(&mut self, before: &Stack) {
        let latest = self.slot_of(self.next.wrapping_sub(1));
        if let Some(attribution) = &mut self.attribution {
            attribution.charge(attribution.row(latest), &self.stack.since(before));
        }
    }

    /// Whether an entry is the next to retire.
    #[inline]
    pub(super) fn retires_next(&self, slot: u16) -> bool {
        slot == self.slot_of(self.retiring)
    }
}

impl Outcome {
    /// The same instructions, of which nothing is known but that they pass.
    pub(super) fn without_effect(&self) -> Self {
        Self { chain: 0, ancestor: 0, references: 0, ..*self }
    }
}

/// What an outcome's references come to.
#[derive(Default)]
struct Kept {
    walk_reads: u16,
    demand: PhysAddr,
    writes: u16,
    upgrades: bool,
}
