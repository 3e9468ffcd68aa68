//! The requests that a channel can choose from: a place each, linked into a list for every bank and
//! direction.

use super::RequestId;
use super::bank::{Bank, NOBODY};
use super::candidates::LAST_AGE;
use super::set::BankSet;

/// A read or write of one line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Request {
    pub id: RequestId,
    /// The clock edge at which it reached the channel.
    pub arrival: u64,
    pub row: u32,
    /// Orders the requests in the queue by when they entered it.
    pub age: u32,
    /// Over all ranks.
    pub bank: u16,
    /// The next younger one of its bank and direction, or the next free place.
    next: u16,
    pub write: bool,
    /// Whether a command was issued for it.
    pub started: bool,
    /// Bursts that are still to be issued.
    pub left: u8,
}

impl Request {
    /// A request that is not in the queue yet.
    pub fn new(id: RequestId, arrival: u64, write: bool, bank: u32, row: u32, bursts: u8) -> Self {
        // The settings' ranges keep the number of banks below 2^16.
        let bank = bank as u16;
        Self { id, arrival, row, age: 0, bank, next: NOBODY, write, started: false, left: bursts }
    }
}

/// A channel's queue.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    requests: Vec<Request>,
    /// The first of the free places that were used before.
    free: u16,
    /// Reads, and writes.
    lengths: [usize; 2],
    /// The banks that have reads, and those that have writes.
    banks: [BankSet; 2],
    /// Reads and writes together that it has room for.
    capacity: usize,
    /// That of the next request.
    age: u32,
}

impl Queue {
    /// An empty queue for `capacity` requests (below 2^16) to `banks` banks.
    pub fn new(capacity: u32, banks: u32) -> Self {
        Self {
            requests: Vec::new(),
            free: NOBODY,
            lengths: [0; 2],
            banks: [BankSet::new(banks), BankSet::new(banks)],
            capacity: capacity as usize,
            age: 1,
        }
    }

    /// How many reads or writes are in it.
    #[inline]
    pub fn len(&self, write: bool) -> usize {
        self.lengths[usize::from(write)]
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.lengths == [0; 2]
    }

    #[inline]
    pub fn is_full(&self) -> bool {
        self.lengths[0] + self.lengths[1] >= self.capacity
    }

    /// Whether it has room for one request only.
    #[inline]
    pub fn has_one_place(&self) -> bool {
        self.capacity == 1
    }

    /// The banks with reads or writes.
    pub fn banks(&self, write: bool) -> &BankSet {
        &self.banks[usize::from(write)]
    }

    /// The request in `place`, which is one that a bank names.
    #[inline]
    pub fn get(&self, place: u16) -> &Request {
        &self.requests[usize::from(place)]
    }

    /// As [`Self::get`].
    #[inline]
    pub fn get_mut(&mut self, place: u16) -> &mut Request {
        &mut self.requests[usize::from(place)]
    }

    /// Takes in `request` for `bank`, as its youngest. Returns the place of the one before it in its
    /// direction, [`NOBODY`] if there is none.
    #[inline]
    pub fn push(&mut self, bank: &mut Bank, request: Request) -> u16 {
        let write = usize::from(request.write);
        let request = Request { age: self.age, next: NOBODY, ..request };
        self.age += 1;
        self.lengths[write] += 1;
        let mut place = self.free;
        if let Some(free) = self.requests.get_mut(usize::from(place)) {
            self.free = free.next;
            *free = request;
        } else {
            place = self.requests.len() as u16;
            self.requests.push(request);
        }
        let list = &mut bank.lists[write];
        let before = std::mem::replace(&mut list.last, place);
        match self.requests.get_mut(usize::from(before)) {
            Some(before) => before.next = place,
            None => {
                list.first = place;
                self.banks[write].insert(usize::from(request.bank));
            }
        }
        before
    }

    /// Chooses the request that `bank` serves next in a direction in which it has one: the oldest for the
    /// open row or, where there is none, the oldest.
    #[inline]
    pub fn choose(&self, bank: &mut Bank, write: bool) {
        let oldest = bank.lists[usize::from(write)].first;
        self.choose_from(bank, oldest, NOBODY, oldest);
    }

    /// As [`Self::choose`], where `oldest` is the first request, and none before the one in `place`, which
    /// follows that in `before`, is for the open row.
    #[inline]
    fn choose_from(&self, bank: &mut Bank, oldest: u16, before: u16, place: u16) {
        let (mut before, mut place) = (before, place);
        while let Some(request) = self.requests.get(usize::from(place)) {
            if request.row == bank.row {
                (bank.chosen, bank.before) = (place, before);
                return;
            }
            (before, place) = (place, request.next);
        }
        (bank.chosen, bank.before) = (oldest, NOBODY);
    }

    /// Takes out the chosen request of `bank` (number `index`), whose row is open, and chooses the next one.
    /// Returns whether there is one.
    #[inline]
    pub fn take(&mut self, bank: &mut Bank, index: usize, write: bool) -> bool {
        let (place, before) = (bank.chosen, bank.before);
        let request = &mut self.requests[usize::from(place)];
        let next = std::mem::replace(&mut request.next, self.free);
        self.free = place;
        self.lengths[usize::from(write)] -= 1;
        let list = &mut bank.lists[usize::from(write)];
        if next == NOBODY {
            list.last = before;
        }
        match self.requests.get_mut(usize::from(before)) {
            Some(before) => before.next = next,
            None => list.first = next,
        }
        let oldest = list.first;
        if oldest == NOBODY {
            self.banks[usize::from(write)].remove(index);
            return false;
        }
        self.choose_from(bank, oldest, before, next);
        true
    }

    /// Whether a request of `bank` is for its open row.
    pub fn wants_row(&self, bank: &Bank) -> bool {
        bank.lists.iter().any(|list| {
            let mut place = list.first;
            while let Some(request) = self.requests.get(usize::from(place)) {
                if request.row == bank.row {
                    return true;
                }
                place = request.next;
            }
            false
        })
    }

    /// Whether no request can be told to be younger than those before any more: see [`Self::renumber`].
    #[inline]
    pub fn ages_are_spent(&self) -> bool {
        self.age > LAST_AGE
    }

    /// Numbers the ages anew from 1 on. Every choice has to be made again afterwards.
    pub fn renumber(&mut self, banks: &[Bank]) {
        let mut places = Vec::new();
        for list in banks.iter().flat_map(|bank| bank.lists) {
            let mut place = list.first;
            while let Some(request) = self.requests.get(usize::from(place)) {
                places.push(place);
                place = request.next;
            }
        }
        places.sort_unstable_by_key(|place| self.requests[usize::from(*place)].age);
        self.age = 1;
        for place in places {
            self.requests[usize::from(place)].age = self.age;
            self.age += 1;
        }
    }

    /// The requests of `bank` in a direction.
    #[cfg(test)]
    pub fn of(&self, bank: &Bank, write: bool) -> impl Iterator<Item = Request> {
        let place = |place| self.requests.get(usize::from(place));
        let first = place(bank.lists[usize::from(write)].first);
        std::iter::successors(first, move |request| place(request.next)).copied()
    }

    /// Leaves so many ages.
    #[cfg(test)]
    pub fn wear_out(&mut self, left: u32) {
        self.age = LAST_AGE + 1 - left;
    }
}
