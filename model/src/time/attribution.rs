//! What each row of a break-down costs: every stall is charged a second time, to the row of the outcome that
//! caused it.
//!
//! The outcome that retires late has caused a stall, but for the part in which it could not enter the window:
//! the mispredicted branch has caused that, or the outcome whose entry of the load or store queue it waited
//! for. Instructions at full width are nobody's here: whoever counts a row's instructions knows their slots.

use std::collections::VecDeque;

use tracegen::batch::Mark;

use super::entry::Entry;
use super::stack::{Ends, Stack};

/// The row of what no row is given for.
pub(super) const REST: u32 = 0;

/// What rows cost, and whose the outcomes of the one CPU's window are.
#[derive(Debug)]
pub(super) struct Attribution {
    /// The rows of outcomes that have not entered yet.
    expected: VecDeque<u32>,
    /// By place in the window: whose the outcome is, and who is to blame if it enters late.
    rows: Vec<u32>,
    blamed: Vec<u32>,
    /// Who is to blame if the next one enters late; nobody but itself if there is none.
    next_blamed: Option<u32>,
    counting: bool,
    /// What each row was charged.
    stacks: Vec<Stack>,
    caches: usize,
}

impl Attribution {
    /// For a window of `places` and a machine with `caches` caches.
    pub(super) fn new(places: usize, caches: usize) -> Self {
        Self {
            expected: VecDeque::new(),
            rows: vec![REST; places],
            blamed: vec![REST; places],
            next_blamed: None,
            counting: true,
            stacks: Vec::new(),
            caches,
        }
    }

    /// The next `outcomes` are of these rows; those beyond the list's end are of none.
    pub(super) fn expect(&mut self, rows: &[u32], outcomes: usize) {
        let rows = rows.iter().copied().chain(std::iter::repeat(REST));
        self.expected.extend(rows.take(outcomes));
    }

    /// The next outcome takes the place `slot`. A `mark` passes on whom it found to blame.
    #[cold]
    pub(super) fn enter(&mut self, slot: u16, mark: bool) {
        let row = self.expected.pop_front().unwrap_or(REST);
        self.rows[usize::from(slot)] = row;
        self.blamed[usize::from(slot)] = self.next_blamed.unwrap_or(row);
        if !mark {
            self.next_blamed = None;
        }
    }

    /// The outcome at `slot` is a mispredicted branch: what follows enters late because of it.
    pub(super) fn mispredicted(&mut self, slot: u16) {
        self.next_blamed = Some(self.row(slot));
    }

    /// The outcome at `slot` enters late because of the one at `older`.
    pub(super) fn waited(&mut self, slot: u16, older: u16) {
        self.blamed[usize::from(slot)] = self.row(older);
    }

    /// Whose the outcome at `slot` is.
    pub(super) fn row(&self, slot: u16) -> u32 {
        self.rows[usize::from(slot)]
    }

    /// The outcome at `slot` retires `slots` late.
    #[cold]
    pub(super) fn stall(&mut self, slot: usize, entry: &Entry, ends: Ends, slots: u64) {
        let (row, blamed) = (self.rows[slot], self.blamed[slot]);
        if let Some(stack) = self.stack(row) {
            let late = stack.charge_way(entry, ends, slots);
            if let Some(stack) = self.stack(blamed).filter(|_| late > 0) {
                stack.charge(entry.late, late);
            }
        }
    }

    /// `row` was charged `part` beside its stalls.
    pub(super) fn charge(&mut self, row: u32, part: &Stack) {
        if let Some(stack) = self.stack(row) {
            stack.add(part);
        }
    }

    /// A mark retires.
    pub(super) fn pass(&mut self, mark: Mark) {
        if mark == Mark::Count && self.counting {
            self.stacks.iter_mut().for_each(Stack::clear);
        }
        self.counting = mark == Mark::Count;
    }

    /// The slots of every row by component, up to the last row that was charged.
    pub(super) fn slots(&self) -> impl Iterator<Item = Vec<u64>> {
        self.stacks.iter().map(|stack| stack.of_one_cpu().collect())
    }

    /// Where `row` is charged; nowhere while nothing counts.
    fn stack(&mut self, row: u32) -> Option<&mut Stack> {
        let (row, caches) = (row as usize, self.caches);
        if self.counting && self.stacks.len() <= row {
            self.stacks.resize_with(row + 1, || Stack::new(caches));
        }
        self.stacks.get_mut(row).filter(|_| self.counting)
    }
}
