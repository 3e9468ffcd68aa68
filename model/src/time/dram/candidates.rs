//! What may be done next: one candidate for every bank with requests of the direction being served.
//!
//! First-ready, first-come leaves a bank one candidate, whose command follows from its row: a column
//! command for the oldest request for the open row or, where there is none, a precharge or an activation
//! for the oldest of all. There are as many to compare as there are such banks, however many requests.

use super::constraint::Command;

/// Bits of [`Key`] for the bank: as many as the settings allow.
const BANK_BITS: u32 = 12;

/// In place of an age: the command closes a row after use.
const CLOSING: u32 = (1 << (31 - BANK_BITS)) - 1;

/// The age of the youngest request that can be told apart; ages begin at 1.
pub(super) const LAST_AGE: u32 = CLOSING - 1;

/// A command that could be next, as one number: the least of them is next.
///
/// From the top, 32 bits each: the clock (since the channel's epoch), and the order among commands that
/// can issue at the same clock. That is one bit for whether the command opens or closes a row, since
/// reads and writes go first; the age of the request, the older the less; and the bank. Age 0 is a step
/// towards a refresh, and the greatest one closes a row after use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(u64);

impl Key {
    /// Nothing to do: after everything else.
    pub const NONE: Self = Self((i32::MAX as u64) << 32 | u32::MAX as u64);

    /// A `command` to `bank` for a request of `age` at `clock`, which is not before the epoch.
    #[inline]
    pub fn new(clock: i32, command: Command, age: u32, bank: usize) -> Self {
        let row = matches!(command, Command::Activate | Command::Precharge);
        let order = u32::from(row) << 31 | age << BANK_BITS | bank as u32;
        Self(u64::from(order)).at(clock)
    }

    /// The same command at `clock`.
    #[inline]
    pub fn at(self, clock: i32) -> Self {
        Self((clock as u64) << 32 | u64::from(self.0 as u32))
    }

    /// A step of `bank` towards a refresh, at `clock`.
    pub fn refresh(clock: i32, bank: usize) -> Self {
        Self(bank as u64).at(clock)
    }

    /// The row of `bank` is closed after use, at `clock`.
    pub fn closing(clock: i32, bank: usize) -> Self {
        Self::new(clock, Command::Precharge, CLOSING, bank)
    }

    /// Every command before `clock` is less, no other.
    pub fn before(clock: i32) -> Self {
        Self(0).at(clock)
    }

    /// `i32::MAX` for none.
    #[inline]
    pub fn clock(self) -> i32 {
        (self.0 >> 32) as i32
    }

    #[inline]
    pub fn bank(self) -> usize {
        self.0 as usize & ((1 << BANK_BITS) - 1)
    }

    /// Whether it serves no request: a step towards a refresh, or a row closed after use.
    #[inline]
    pub fn serves_nobody(self) -> bool {
        // Both lie side by side when the order wraps.
        (self.0 as u32 >> BANK_BITS).wrapping_add(1) & (2 * CLOSING + 1) <= 1
    }

    /// Whether it closes a row after use.
    pub fn is_closing(self) -> bool {
        self.0 as u32 >> BANK_BITS == 2 * CLOSING + 1
    }
}

/// The candidates of a channel.
///
/// Their keys are kept in order, none too late: commands only ever put others off. Whether the first is
/// too early is found out when it comes up.
#[derive(Debug, Clone)]
pub(super) struct Candidates {
    /// The first at the end.
    keys: Vec<Key>,
}

impl Candidates {
    /// None.
    pub fn new() -> Self {
        Self { keys: Vec::new() }
    }

    pub fn clear(&mut self) {
        self.keys.clear();
    }

    /// Takes in a candidate.
    #[inline]
    pub fn insert(&mut self, key: Key) {
        self.keys.push(key);
        settle(&mut self.keys);
    }

    /// Replaces the candidate of a bank by another of the same bank.
    #[inline]
    pub fn replace(&mut self, key: Key) {
        match self.keys.last_mut() {
            Some(first) if first.bank() == key.bank() => *first = key,
            _ => return self.replace_any(key),
        }
        settle(&mut self.keys);
    }

    #[cold]
    fn replace_any(&mut self, key: Key) {
        self.remove(key.bank());
        self.insert(key);
    }

    /// Takes out the candidate of a bank.
    #[inline]
    pub fn remove(&mut self, bank: usize) {
        if self.keys.last().is_some_and(|key| key.bank() == bank) {
            self.keys.pop();
        } else if let Some(place) = self.keys.iter().rposition(|key| key.bank() == bank) {
            self.keys.remove(place);
        }
    }

    /// The first of all candidates, when `exact` says when a bank can have its command.
    #[inline]
    pub fn first(&mut self, exact: impl Fn(Key) -> Key) -> Key {
        match self.keys.last() {
            Some(&first) if exact(first) == first => first,
            Some(_) => self.settle_first(exact),
            None => Key::NONE,
        }
    }

    /// As [`Self::first`], where the first is too early: brings all up to date that could be the first.
    #[inline(never)]
    fn settle_first(&mut self, exact: impl Fn(Key) -> Key) -> Key {
        let (mut place, mut first) = (self.keys.len(), Key::NONE);
        while let Some(key) = self.keys[..place].last_mut().filter(|key| **key < first) {
            *key = exact(*key);
            first = first.min(*key);
            place -= 1;
        }
        // What held them up usually held up all of them: hardly one changes its place.
        for place in place..self.keys.len() {
            settle(&mut self.keys[..=place]);
        }
        first
    }

    /// The keys in no particular order; each may be too early.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.keys.iter().copied()
    }
}

/// Moves the last of `keys`, which are in order but for it, to its place.
#[inline]
fn settle(keys: &mut [Key]) {
    for place in (1..keys.len()).rev() {
        if keys[place - 1] > keys[place] {
            break;
        }
        keys.swap(place - 1, place);
    }
}
