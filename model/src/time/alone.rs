//! The one CPU of a machine: each outcome is followed until the next may come.
//!
//! The next outcome's dispatch is the one event that is not in the queue.

use crate::outcome::{Outcome, OutcomeKind, Reference};

use super::access::Shared;
use super::entry::UNKNOWN;
use super::ports::Memory;
use super::window::{Awaited, Wait, Window};

/// Lets time pass until what is awaited is known.
struct Passing<'a, M: Memory>(&'a mut Shared<M>);

impl<M: Memory> Wait for Passing<'_, M> {
    #[inline]
    fn until(&mut self, window: &mut Window, awaited: Awaited) -> Option<u64> {
        Some(wait_for(window, self.0, awaited))
    }

    #[inline]
    fn now(&self) -> u64 {
        self.0.now
    }
}

/// Takes in the next outcome. On return it has entered the window; a fetch has been answered, a
/// mispredicted branch been resolved, and a fault or kernel outcome has retired: `retired_at` is
/// when the kernel's work may begin.
pub(super) fn take<M: Memory>(
    window: &mut Window,
    shared: &mut Shared<M>,
    outcome: &Outcome,
    references: &[Reference],
) {
    let Some(slot) = window.make_room(&mut Passing(shared)) else { return };
    window.keep(&shared.latencies, slot, outcome, references);
    if outcome.kind == OutcomeKind::Fetch {
        fetch(window, shared, slot);
    } else {
        dispatch(window, shared, slot);
    }
    let drains = window.begin(shared, slot, outcome);
    if outcome.kind == OutcomeKind::Mispredict
        && window.condition(slot, &mut Passing(shared)).is_some()
    {
        window.resolve(shared, slot);
    }
    if drains {
        wait_for(window, shared, Awaited::Retired(slot));
    }
    window.retire(shared);
}

/// Takes in an outcome that costs nothing but its instructions.
pub(super) fn pass_over<M: Memory>(window: &mut Window, shared: &mut Shared<M>, outcome: &Outcome) {
    let Some(slot) = window.make_room(&mut Passing(shared)) else { return };
    window.keep(&shared.latencies, slot, &outcome.without_effect(), &[]);
    dispatch(window, shared, slot);
    window.count_in(outcome);
    window.pass(shared, slot);
    window.retire(shared);
}

/// Lets an entry in, in order.
#[inline]
fn dispatch<M: Memory>(window: &mut Window, shared: &mut Shared<M>, slot: u16) {
    if let Some(entrance) = window.entrance(slot, &mut Passing(shared)) {
        simulate(window, shared, entrance.at, Awaited::Nothing);
        window.admit(shared, slot, &entrance);
    }
}

/// Lets a fetch be answered, then its instruction in.
fn fetch<M: Memory>(window: &mut Window, shared: &mut Shared<M>, slot: u16) {
    let begin = window.fetch_begin(slot, shared.now);
    simulate(window, shared, begin, Awaited::Nothing);
    window.begin_fetch(shared, slot, begin);
    if let Some(at) = window.fetched(slot, begin, &mut Passing(shared)) {
        simulate(window, shared, at, Awaited::Nothing);
        window.end_fetch(shared, slot, at);
    }
}

/// Processes events up to `limit`, the slot of the next dispatch, or until what is awaited is known.
pub(super) fn simulate<M: Memory>(
    window: &mut Window,
    shared: &mut Shared<M>,
    limit: u64,
    awaited: Awaited,
) {
    while window.time_of(awaited) == UNKNOWN {
        let time = shared.events.next_time();
        if let Some((entry, back)) = shared.controller.poll(time.min(limit)) {
            let now = shared.now;
            shared.events.push(now, back.max(now), entry);
            continue;
        }
        if time > limit {
            return;
        }
        let Some(entry) = shared.events.pop() else { return };
        shared.now = time;
        // The first CPU's entries are named by their places.
        window.run(shared, entry as u16);
    }
}

/// Processes events until what is awaited is known; returns it. Dispatch is blocked meanwhile.
#[inline]
pub(super) fn wait_for<M: Memory>(
    window: &mut Window,
    shared: &mut Shared<M>,
    awaited: Awaited,
) -> u64 {
    if let Some(time) = window.known(awaited) {
        return time;
    }
    simulate(window, shared, UNKNOWN, awaited);
    // Every entry waits for an event, for a unit that an entry with an event holds, or for an
    // older entry; without events nothing is unknown.
    let time = window.known(awaited);
    debug_assert!(time.is_some(), "nothing happens any more");
    time.unwrap_or(shared.now)
}
