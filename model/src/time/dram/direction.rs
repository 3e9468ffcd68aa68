//! Whether a channel serves reads or writes, and the candidates of the one that it serves.

use super::bank::{Bank, NOBODY};
use super::candidates::Key;
use super::channel::{Channel, column};
use super::legal::Legal;
use super::queue::Queue;

impl Channel {
    /// Turns to the direction to be served, after a change of the queue. Returns whether it is another one
    /// than before, for which all candidates have been chosen.
    #[inline]
    pub(super) fn turn(&mut self) -> bool {
        let (reads, writes) = (self.queue.len(false), self.queue.len(true));
        self.choose_draining(writes);
        let serves_writes = self.draining || reads == 0;
        if serves_writes == self.serves_writes || reads + writes == 0 {
            return false;
        }
        self.serves_writes = serves_writes;
        self.choose_all();
        true
    }

    /// Begins or ends the draining of writes when there are so many.
    #[inline]
    pub(super) fn choose_draining(&mut self, writes: usize) {
        let [high, low] = self.watermarks;
        self.draining = writes >= high || (self.draining && writes > low);
    }

    /// Chooses the candidates of all banks anew.
    pub(super) fn choose_all(&mut self) {
        let write = self.serves_writes;
        self.candidates.clear();
        self.queue.banks(write).visit(|index| {
            let bank = &mut self.banks[index];
            let key = choose(bank, index, write, &self.queue, &self.legal, self.bus);
            self.candidates.insert(key);
        });
    }

    /// Chooses the candidate of bank `index` anew, if it has one.
    pub(super) fn choose_anew(&mut self, index: usize) {
        let (bank, write) = (&mut self.banks[index], self.serves_writes);
        if bank.lists[usize::from(write)].first != NOBODY {
            let key = choose(bank, index, write, &self.queue, &self.legal, self.bus);
            self.candidates.replace(key);
        }
    }
}

/// Chooses the candidate of `bank` (number `index`), which has a request of the direction.
fn choose(
    bank: &mut Bank,
    index: usize,
    write: bool,
    queue: &Queue,
    legal: &Legal,
    bus: i32,
) -> Key {
    queue.choose(bank, write);
    let request = queue.get(bank.chosen);
    bank.command = bank.command_for(request.row, column(write));
    let clock = legal.earliest(bank.command, bank).max(bus);
    Key::new(clock, bank.command, request.age, index)
}
