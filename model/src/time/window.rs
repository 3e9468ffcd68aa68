//! The window of one CPU: dispatch in order, execution as soon as possible, retirement in order.
//!
//! Only outcomes are explicit. The instructions between them flow at full width: an instruction
//! dispatches at the slot after its predecessor, not before the instruction `rob` places older has
//! retired. A first-level hit that is not reported never delays retirement and holds no queue entry.
//!
//! - A load holds an entry of the load queue until it retires, a software prefetch until it has a miss
//!   register, a store one of the store queue from dispatch until its line is there, in order (x86
//!   retires stores to the cache in program order: Intel SDM volume 3, "Memory Ordering").
//! - A fetch begins when its instruction would dispatch, and holds up dispatch until it is answered.
//! - A mispredicted branch holds it up until its condition is known, and the penalty after that.
//! - A mark passes like an instruction that takes no time: it splits a run and changes nothing.
//! - A fault's translation is tried like any other; when everything older has retired, the kernel
//!   takes over, and dispatch resumes when it is done.
//!
//! The simulation is driven by events, because memory answers late; the next outcome's dispatch is the
//! one event that is not in the queue. Nothing looks at a later outcome, so how the stream is cut into
//! batches does not matter. The number of outcomes in flight is bounded by a ring: an outcome enters
//! when the one that last had its place is over, which for anything but a flood of parts of single
//! instructions is always the case.

use std::collections::VecDeque;

use crate::config::{Config, InvalidSetting};
use crate::outcome::{Outcome, OutcomeKind, Reference, ReferenceKind};
use crate::statistics::Histogram;

use super::entry::{Entry, NOBODY, State, UNKNOWN};
use super::events::Events;
use super::latencies::{Latencies, too_long};
use super::pool::Pool;
use super::ports::{Controller, Memory};
use super::stack::{self, Lap, Stack};

/// What was counted about walks, in slots.
#[derive(Debug, Default)]
pub(super) struct WalkTimes {
    /// Walkers at work.
    pub(super) busy: u64,
    /// Walks waiting for a walker.
    pub(super) queued: u64,
}

/// The state of one CPU's window.
#[derive(Debug)]
pub(super) struct Window<M: Memory> {
    pub(super) latencies: Latencies,
    pub(super) controller: Controller<M>,
    pub(super) events: Events,
    pub(super) ring: Vec<Entry>,
    /// Outcomes so far.
    pub(super) next: u64,
    /// Outcomes retired.
    retiring: u64,
    pub(super) now: u64,
    /// The first slot that is free to dispatch in.
    pub(super) free_slot: u64,
    /// The slot of the last dispatch.
    pub(super) last_slot: u64,
    /// Instructions so far.
    pub(super) instructions: u64,
    /// The slot after the last retirement.
    pub(super) retired_at: u64,
    rob: u64,
    /// The oldest outcome that the reorder buffer does not yet force out, and the instruction and
    /// retirement of the one before.
    rob_next: u64,
    rob_anchor: (u64, u64),
    loads: Queue,
    stores: Queue,
    pub(super) mshrs: Vec<Pool>,
    pub(super) walkers: Pool,
    /// References of outcomes in flight, the first one's number, and whose they are.
    pub(super) references: VecDeque<Reference>,
    pub(super) references_from: u64,
    /// The component that is charged if the next outcome is late.
    pub(super) late: u8,
    pub(super) stack: Stack,
    /// Marks that have retired, the oldest first.
    pub(super) laps: VecDeque<Lap>,
    pub(super) walk_times: WalkTimes,
    /// Cycles of an access's part.
    pub(super) access_cycles: Histogram,
    /// Cycles of a walk once it has a walker.
    pub(super) walk_cycles: Histogram,
}

/// A queue whose entries are handed out and given back in program order.
#[derive(Debug)]
struct Queue {
    size: usize,
    outcomes: VecDeque<u64>,
    /// When the last entry was given back.
    released: u64,
}

impl Queue {
    fn new(size: u32) -> Self {
        Self { size: size.max(1) as usize, outcomes: VecDeque::new(), released: 0 }
    }
}

impl<M: Memory> Window<M> {
    /// An empty window over `memory`.
    pub(super) fn new(config: &Config, memory: M) -> Result<Self, InvalidSetting> {
        let latencies = Latencies::new(config)?;
        let clock = latencies.clock;
        let controller = config.dram.controller_latency.picoseconds(config.core.frequency);
        if clock.span(config.dram.controller_latency).is_none() {
            return Err(too_long("dram.controller_latency"));
        }
        // Twice the instructions in flight, since an instruction can have several outcomes; entries
        // are named by 16 bits.
        let places = (config.core.rob.clamp(32, 4096) * 2).next_power_of_two() as usize;
        let first_cache =
            latencies.data.caches.first().map_or(stack::BASE, |index| stack::cache(*index));
        Ok(Self {
            controller: Controller::new(memory, clock, controller, latencies.line),
            events: Events::default(),
            ring: vec![Entry::default(); places],
            next: 0,
            retiring: 0,
            now: 0,
            free_slot: 0,
            last_slot: 0,
            instructions: 0,
            retired_at: 0,
            rob: u64::from(config.core.rob.max(1)),
            rob_next: 0,
            rob_anchor: (0, 0),
            loads: Queue::new(config.core.load_queue),
            stores: Queue::new(config.core.store_queue),
            mshrs: latencies.mshrs.iter().map(|mshrs| Pool::new(*mshrs)).collect(),
            walkers: Pool::new(config.mmu.walker.count),
            references: VecDeque::new(),
            references_from: 0,
            late: first_cache,
            stack: Stack::new(config.cache.len()),
            laps: VecDeque::new(),
            walk_times: WalkTimes::default(),
            access_cycles: Histogram::default(),
            walk_cycles: Histogram::default(),
            latencies,
        })
    }

    /// The place of outcome number `outcome`.
    pub(super) fn slot_of(&self, outcome: u64) -> u16 {
        (outcome & (self.ring.len() as u64 - 1)) as u16
    }

    pub(super) fn entry(&mut self, slot: u16) -> &mut Entry {
        // Slots come from `slot_of` only, which masks with the ring's length.
        &mut self.ring[usize::from(slot)]
    }

    /// The entry of the outcome `distance` back from outcome `of`, unless that is long over: its place
    /// may be a younger one's by now, for which `of` must not wait.
    pub(super) fn back(&self, of: u64, distance: u32) -> Option<u16> {
        let number = of.checked_sub(u64::from(distance)).filter(|_| distance > 0)?;
        let slot = self.slot_of(number);
        (self.ring[usize::from(slot)].number == number).then_some(slot)
    }

    /// Takes in the next outcome. On return it has entered the window; a fetch has been answered, a
    /// mispredicted branch been resolved, and a fault or kernel outcome has retired: `retired_at` is
    /// when the kernel's work may begin.
    pub(super) fn take(&mut self, outcome: &Outcome, references: &[Reference]) {
        let slot = self.make_room();
        self.keep(slot, outcome, references);
        match outcome.kind {
            OutcomeKind::Fetch => self.fetch(slot),
            _ => self.dispatch(slot),
        }
        self.next += 1;
        let hits = (outcome.hits, outcome.fetch_hits);
        for (hits, slots) in [(hits.0, 0), (hits.1, 1)] {
            let cycles = self.latencies.clock.cycles(self.latencies.first_hit[slots]);
            self.access_cycles.add(cycles, u64::from(hits));
        }
        match outcome.kind {
            OutcomeKind::Load | OutcomeKind::Store | OutcomeKind::Prefetch => self.run(slot),
            OutcomeKind::Fetch => {}
            OutcomeKind::Mispredict => self.resolve(slot),
            OutcomeKind::Mark(_) => self.pass(slot),
            OutcomeKind::Fault(_) => {
                self.run(slot);
                self.wait_for(slot, |entry| entry.retired);
            }
            OutcomeKind::Kernel | OutcomeKind::End => {
                self.pass(slot);
                self.wait_for(slot, |entry| entry.retired);
            }
        }
        self.retire();
    }

    /// Lets everything in flight finish.
    pub(super) fn drain(&mut self) {
        while self.step(UNKNOWN) {}
        self.controller.drain();
    }

    /// Processes the next event, if there is one up to `limit`, the slot of the next dispatch.
    pub(super) fn step(&mut self, limit: u64) -> bool {
        loop {
            let time = self.events.next_time();
            if let Some((slot, back)) = self.controller.poll(time.min(limit)) {
                self.events.push(back.max(self.now), slot);
                continue;
            }
            if time > limit {
                return false;
            }
            let Some((time, slot)) = self.events.pop() else { return false };
            self.now = time;
            self.run(slot);
            return true;
        }
    }

    /// Processes events until `what` is known of an entry; returns it. Dispatch is blocked meanwhile.
    fn wait_for(&mut self, slot: u16, what: impl Fn(&Entry) -> u64) -> u64 {
        loop {
            let time = what(&self.ring[usize::from(slot)]);
            // Every entry waits for an event, for a unit that an entry with an event holds, or for an
            // older entry; without events nothing is unknown.
            if time != UNKNOWN || !self.step(UNKNOWN) {
                debug_assert!(time != UNKNOWN, "nothing happens any more");
                return if time == UNKNOWN { self.now } else { time };
            }
        }
    }

    /// Frees the next place of the ring.
    fn make_room(&mut self) -> u16 {
        let slot = self.slot_of(self.next);
        if self.next >= self.ring.len() as u64 {
            while !self.ring[usize::from(slot)].is_over() && self.step(UNKNOWN) {}
            let entry = &self.ring[usize::from(slot)];
            let kept = usize::from(entry.references).min(self.references.len());
            self.references_from += kept as u64;
            self.references.drain(..kept);
            let oldest = self.next - self.ring.len() as u64;
            if self.rob_next <= oldest {
                self.pass_rob(oldest);
            }
        }
        slot
    }

    /// Moves the reorder buffer's mark past an outcome that has retired.
    fn pass_rob(&mut self, outcome: u64) {
        let entry = &self.ring[usize::from(self.slot_of(outcome))];
        self.rob_anchor = (entry.instruction, entry.retired);
        self.rob_next = outcome + 1;
    }

    /// Fills in the entry of an outcome that has not entered the window yet.
    fn keep(&mut self, slot: u16, outcome: &Outcome, references: &[Reference]) {
        self.instructions += u64::from(outcome.instructions);
        let walk_reads =
            references.iter().take_while(|reference| reference.kind == ReferenceKind::Walk).count();
        let demand = references.iter().find(|reference| reference.kind == ReferenceKind::Demand);
        let writes = references.iter().any(writes_memory);
        let kept = if writes || walk_reads > 0 { references } else { &[] };
        let references_at = self.references_from + self.references.len() as u64;
        self.references.extend(kept);
        let late = self.late;
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
            addr: demand.map(|reference| reference.addr).unwrap_or_default(),
            references_at,
            instructions: outcome.instructions,
            line_fill: outcome.line_fill,
            translation_fill: outcome.translation_fill,
            references: kept.len() as u16,
            walk_reads: walk_reads as u16,
            next_waiter: NOBODY,
            walk_waiters: NOBODY,
            fill_waiters: NOBODY,
            kind: outcome.kind,
            state: State::Translate,
            tlb: outcome.tlb,
            served: outcome.served,
            chain: outcome.chain,
            writes,
            late,
            ..Entry::default()
        };
        if !matches!(outcome.kind, OutcomeKind::Mark(_)) {
            self.late = self.default_late();
        }
        self.begin(slot, outcome.ancestor);
    }

    /// The component of a chain of unreported hits.
    fn default_late(&self) -> u8 {
        self.latencies.data.caches.first().map_or(stack::BASE, |index| stack::cache(*index))
    }

    /// Decides whether the entry has to wait for its ancestor. The distance is kept in `step`, which
    /// the walk needs later.
    fn begin(&mut self, slot: u16, ancestor: u32) {
        let older = self.back(self.next, ancestor);
        let entry = self.entry(slot);
        if older.is_some() || entry.chain > 0 {
            entry.state = State::Ancestor;
            entry.step = older.unwrap_or(NOBODY);
        }
    }

    /// When the instruction's slot comes, if nothing but the front end matters. An outcome without
    /// instructions of its own belongs to the instruction before.
    fn front_end(&self, slot: u16) -> u64 {
        match u64::from(self.ring[usize::from(slot)].instructions) {
            0 => self.last_slot,
            instructions => self.free_slot + (instructions - 1),
        }
    }

    /// When the reorder buffer has room for the entry's instruction. Between outcomes instructions
    /// retire at full width, so only the last outcome that is a whole buffer older matters.
    fn reorder_buffer(&mut self, slot: u16) -> u64 {
        let instruction = self.ring[usize::from(slot)].instruction;
        while self.rob_next < self.next {
            let older = self.slot_of(self.rob_next);
            if self.ring[usize::from(older)].instruction + self.rob > instruction {
                break;
            }
            self.wait_for(older, |entry| entry.retired);
            self.pass_rob(self.rob_next);
        }
        let (oldest, retired) = self.rob_anchor;
        match instruction.checked_sub(self.rob) {
            Some(bound) if self.rob_next > 0 => retired + bound.saturating_sub(oldest),
            _ => 0,
        }
    }

    /// When the load or store queue has an entry for it, and the component that it then waited for.
    fn queue(&mut self, slot: u16) -> (u64, u8) {
        let store = match self.ring[usize::from(slot)].kind {
            OutcomeKind::Load | OutcomeKind::Prefetch => false,
            OutcomeKind::Store => true,
            _ => return (0, stack::BASE),
        };
        let queue = if store { &mut self.stores } else { &mut self.loads };
        queue.outcomes.push_back(self.next);
        if queue.outcomes.len() <= queue.size {
            return (0, stack::BASE);
        }
        let Some(oldest) = queue.outcomes.pop_front() else { return (0, stack::BASE) };
        if oldest + self.ring.len() as u64 <= self.next {
            return (0, stack::BASE);
        }
        let older = self.slot_of(oldest);
        let released = self.wait_for(older, |entry| entry.retired.max(entry.holds_queue_until()));
        let queue = if store { &mut self.stores } else { &mut self.loads };
        queue.released = queue.released.max(released);
        (queue.released, stack::source(self.ring[usize::from(older)].served))
    }

    /// Lets the entry in, in order.
    fn dispatch(&mut self, slot: u16) {
        let front = self.front_end(slot).max(self.reorder_buffer(slot));
        let (room, component) = self.queue(slot);
        let at = front.max(room).max(self.now);
        while self.step(at) {}
        self.enter(slot, at);
        if room > front {
            self.entry(slot).late = component;
        }
    }

    /// Lets a fetch be answered, then its instruction in.
    fn fetch(&mut self, slot: u16) {
        let begin = self.front_end(slot).max(self.now);
        while self.step(begin) {}
        self.now = begin;
        self.entry(slot).dispatched = begin;
        self.run(slot);
        let answered = self.wait_for(slot, |entry| entry.fill);
        let at = begin.max(answered).max(self.reorder_buffer(slot)).max(self.now);
        while self.step(at) {}
        self.enter(slot, at);
        let entry = self.entry(slot);
        entry.ready = entry.slot_end();
    }

    fn enter(&mut self, slot: u16, at: u64) {
        self.now = at;
        self.last_slot = at;
        let entry = self.entry(slot);
        entry.dispatched = at;
        if entry.kind == OutcomeKind::Prefetch {
            entry.ready = entry.slot_end();
        }
        let end = entry.slot_end();
        self.free_slot = self.free_slot.max(end);
    }

    /// An outcome that needs nothing but its place in the order.
    fn pass(&mut self, slot: u16) {
        let now = self.now;
        let entry = self.entry(slot);
        let done = entry.slot_end();
        (entry.start, entry.translated, entry.walked, entry.issued) = (now, now, now, now);
        (entry.fill, entry.ready, entry.cursor) = (done, done, done);
        entry.state = State::Fill;
        self.run(slot);
    }

    /// A mispredicted branch: nothing dispatches until its condition is known.
    fn resolve(&mut self, slot: u16) {
        if self.entry(slot).state == State::Ancestor {
            let older = self.entry(slot).step;
            if older != NOBODY {
                self.wait_for(older, |entry| entry.fill);
            }
        }
        let known = self.chain_end(slot);
        let now = self.now;
        let entry = self.entry(slot);
        let done = known.max(entry.slot_end());
        (entry.start, entry.translated, entry.walked, entry.issued) = (done, done, done, done);
        (entry.fill, entry.ready, entry.cursor) = (done, done, done.max(now));
        entry.state = State::Fill;
        self.run(slot);
        self.retire();
        self.free_slot = self.free_slot.max(done + self.latencies.mispredict);
        self.last_slot = self.last_slot.max(done + self.latencies.mispredict);
        self.late = stack::BRANCH;
    }

    /// When the chain of hits between the ancestor and this entry ends. A chain without an ancestor
    /// began with the run of instructions that the outcome ends.
    pub(super) fn chain_end(&mut self, slot: u16) -> u64 {
        let entry = &self.ring[usize::from(slot)];
        if entry.state != State::Ancestor {
            return entry.dispatched;
        }
        let run = u64::from(entry.instructions.max(1)) - 1;
        let begin = match entry.step {
            NOBODY => entry.dispatched.saturating_sub(run),
            older => match self.ring[usize::from(older)].fill {
                UNKNOWN => entry.dispatched,
                fill => fill,
            },
        };
        let hits = u64::from(entry.chain) * self.latencies.first_hit[0];
        entry.dispatched.max(begin + hits)
    }

    /// Retires, in order, what may retire.
    pub(super) fn retire(&mut self) {
        while self.retiring < self.next {
            let slot = usize::from(self.slot_of(self.retiring));
            let entry = &mut self.ring[slot];
            if entry.ready == UNKNOWN {
                return;
            }
            let usual = self.retired_at + u64::from(entry.instructions);
            let at = usual.max(entry.ready);
            entry.retired = at;
            let path = if entry.is_fetch() { &self.latencies.fetch } else { &self.latencies.data };
            self.stack.charge(stack::BASE, u64::from(entry.instructions));
            if at > usual {
                self.stack.charge_stall(entry, path, at - usual);
            }
            self.retired_at = at;
            self.retiring += 1;
            if let OutcomeKind::Mark(mark) = entry.kind {
                let (stack, instructions) = (self.stack.clone(), entry.instruction);
                self.laps.push_back(Lap { mark, stack, instructions });
            }
        }
    }

    /// Lets everything in flight retire. Lines of stores may still be on their way.
    pub(super) fn settle(&mut self) {
        while self.retiring < self.next && self.step(UNKNOWN) {}
        self.retire();
    }

    /// Lets `slots` go by, in which nothing is in flight.
    pub(super) fn skip(&mut self, slots: u64) {
        self.stack.charge(stack::BASE, slots);
        self.resume(self.retired_at + slots);
    }

    /// The kernel had the CPU until `until`; dispatch resumes.
    pub(super) fn resume(&mut self, until: u64) {
        self.retired_at = until;
        self.free_slot = self.free_slot.max(until);
        self.last_slot = self.last_slot.max(until);
    }
}

/// Whether the reference is a write that goes to memory.
pub(super) fn writes_memory(reference: &Reference) -> bool {
    matches!(reference.kind, ReferenceKind::TableWrite | ReferenceKind::Writeback)
        && reference.served == crate::outcome::MEMORY
}
