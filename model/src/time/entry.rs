//! An outcome on its way through the window.

use crate::address::PhysAddr;
use crate::outcome::OutcomeKind;

use super::route::Route;

/// A time that is not known yet.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// Entries of a window at most: twice the largest reorder buffer.
pub(super) const ENTRIES: usize = 1 << 11;

/// CPUs of a machine at most.
pub(super) const CPUS: usize = 64;

/// The end of a list of waiting entries of one CPU.
pub(super) const NOBODY: u16 = u16::MAX;

/// An entry of any CPU: the CPU's number times [`ENTRIES`], and its place in that one's window.
pub(super) type Anyone = u32;

/// None of them.
pub(super) const NO_ONE: Anyone = Anyone::MAX;

/// What an entry does next, or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    /// Waits for the outcome that its address comes from.
    Ancestor,
    /// Looks up the TLBs.
    Translate,
    /// Waits for another outcome's walk.
    OtherWalk,
    /// Wants a walker.
    Walk,
    /// Has been given a walker.
    Walker,
    /// Has the answer to the last read of its walk.
    EndWalk,
    /// Begins to look for its data.
    Data,
    /// Looks for a line, and wants the miss register of the next stop on its route.
    Lookup,
    /// Has been given that register.
    Register,
    /// Goes to memory.
    Ask,
    /// Waits for memory.
    Memory,
    /// Has found the line.
    Answer,
    /// Waits for another outcome's fill.
    OtherFill,
    /// Waits for what a prefetcher has under way, and keeps its miss registers.
    Held,
    /// Has its data.
    Fill,
    /// Nothing is left to do but to retire.
    #[default]
    Done,
}

/// Whether an outcome waits with its miss registers for the line that a prefetcher has under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Meeting {
    /// It has not come to that.
    #[default]
    Unasked,
    /// It does not.
    Alone,
    /// It does, or did.
    Held,
}

/// An outcome in the window. Times are in slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// Its place among the outcomes of its CPU.
    pub(super) number: u64,
    /// The number of its instruction, counted from 1.
    pub(super) instruction: u64,
    /// When it entered the window.
    pub(super) dispatched: u64,
    /// When its address was known.
    pub(super) start: u64,
    /// When the TLBs had answered.
    pub(super) translated: u64,
    /// When its translation was known.
    pub(super) walked: u64,
    /// When it got its first miss register, or needed none.
    pub(super) issued: u64,
    /// When it went to memory; while it walks, when it got its walker.
    pub(super) asked: u64,
    /// When its own request was answered; later than `asked` only where memory answered.
    pub(super) answered: u64,
    /// When its line was there.
    pub(super) fill: u64,
    /// When it may retire.
    pub(super) ready: u64,
    /// When it retired.
    pub(super) retired: u64,
    /// How far it has got on its own; it need not be simulated before then.
    pub(super) cursor: u64,
    /// The line that it wants.
    pub(super) addr: PhysAddr,
    /// The line that its current request is for.
    pub(super) addr_now: PhysAddr,
    /// The way of its current request.
    pub(super) request: Route,
    /// Where its references begin in the window's list.
    pub(super) references_at: u64,
    /// Instructions since the previous outcome.
    pub(super) instructions: u32,
    pub(super) line_fill: u32,
    pub(super) translation_fill: u32,
    /// References kept for it.
    pub(super) references: u16,
    /// How many of them are the walk's.
    pub(super) walk_reads: u16,
    /// The next of these; before its address is known, the place of its ancestor.
    pub(super) step: u16,
    /// The next in the list of waiting entries that it is on.
    pub(super) next_waiter: u16,
    /// Who waits for its walk.
    pub(super) walk_waiters: u16,
    /// Who waits for its line.
    pub(super) fill_waiters: u16,
    /// The next stop of its current request.
    pub(super) stop: u16,
    pub(super) kind: OutcomeKind,
    pub(super) state: State,
    pub(super) tlb: u8,
    pub(super) served: u8,
    pub(super) chain: u8,
    /// Whether it needs a walker.
    pub(super) walks: bool,
    /// Whether its current request is the walk's.
    pub(super) walking: bool,
    /// Whether it writes to memory when its line is there.
    pub(super) writes: bool,
    /// Whether it is a store that has other CPUs' copies of its line invalidated.
    pub(super) upgrades: bool,
    /// What is known about the prefetch of its line.
    pub(super) meeting: Meeting,
    /// The component that is charged if it entered the window late.
    pub(super) late: u8,
    /// The component of the outcome whose fill it waited for.
    pub(super) tail: u8,
}

impl Entry {
    /// Whether it is a fetch, which has its own TLBs and caches.
    pub(super) fn is_fetch(&self) -> bool {
        self.kind == OutcomeKind::Fetch
    }

    /// How long it holds its load or store queue entry, if longer than until it retires.
    pub(super) fn holds_queue_until(&self) -> u64 {
        match self.kind {
            OutcomeKind::Store => self.fill,
            OutcomeKind::Prefetch => self.issued,
            _ => 0,
        }
    }

    /// When its instruction would retire if it took no time: a slot after it entered.
    pub(super) fn slot_end(&self) -> u64 {
        self.dispatched + u64::from(self.instructions > 0)
    }
}
