//! The requests of one direction that a channel can choose from, by bank.
//!
//! First-ready, first-come leaves one candidate a bank: the oldest request for the open row or, where
//! there is none, the oldest request. It changes only with the bank's requests and its row, so a channel
//! compares banks, however many requests there are.

use super::channel::Request;
use super::constraint::Command;
use super::state::Target;

/// No candidate.
const NONE: u32 = u32::MAX;

/// Set in [`Candidate::order`] where the command is not a read or write.
const ROW: u64 = 1 << 63;

/// What is to be done next in a bank, as far as its requests are concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub target: Target,
    pub row: u32,
    pub command: Command,
    /// Among commands that can issue at the same clock the one with the least goes first: reads and
    /// writes before others, older requests before younger ones.
    pub order: u64,
    /// The request's place in its bank's list.
    place: usize,
}

/// The requests of one direction.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    /// What serves a request whose row is open.
    column: Command,
    /// Each bank's requests with their age, oldest first.
    banks: Vec<Vec<(u64, Request)>>,
    /// One for every bank with requests.
    candidates: Vec<Candidate>,
    /// Where each bank's candidate is.
    places: Vec<u32>,
    length: usize,
    /// Requests so far: the next one's age.
    admitted: u64,
}

impl Queue {
    /// An empty queue over `banks` banks.
    pub fn new(column: Command, banks: u32) -> Self {
        Self {
            column,
            banks: vec![Vec::new(); banks as usize],
            candidates: Vec::with_capacity(banks as usize),
            places: vec![NONE; banks as usize],
            length: 0,
            // Order 0 comes before every request.
            admitted: 1,
        }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// What may be done next, in any order.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Takes in a request for a bank whose open row is `open`. Returns the bank's candidate if that has
    /// changed.
    pub fn push(&mut self, request: Request, open: Option<u32>) -> Option<Candidate> {
        let bank = request.target.bank as usize;
        self.length += 1;
        self.banks[bank].push((self.admitted, request));
        self.admitted += 1;
        if self.places[bank] == NONE {
            self.places[bank] = self.candidates.len() as u32;
            let (target, row) = (request.target, request.row);
            let command = self.column;
            self.candidates.push(Candidate { target, row, command, order: 0, place: 0 });
        } else if open != Some(request.row)
            || self.candidates[self.places[bank] as usize].command == self.column
        {
            return None;
        }
        self.choose(request.target.bank, open);
        Some(self.candidates[self.places[bank] as usize])
    }

    /// Chooses the candidate of a bank anew, whose open row is `open`.
    pub fn choose(&mut self, bank: u32, open: Option<u32>) {
        let Some(candidate) = self.candidates.get_mut(self.places[bank as usize] as usize) else {
            return;
        };
        let requests = &self.banks[bank as usize];
        let hit = open.and_then(|row| requests.iter().position(|(_, other)| other.row == row));
        let (place, command, class) = match (hit, open) {
            (Some(place), _) => (place, self.column, 0),
            (None, Some(_)) => (0, Command::Precharge, ROW),
            (None, None) => (0, Command::Activate, ROW),
        };
        // A bank that has a candidate has requests.
        let (age, request) = &requests[place];
        (candidate.row, candidate.command, candidate.place) = (request.row, command, place);
        candidate.order = class | age;
    }

    /// The request that the candidate of `bank` is for.
    pub fn chosen(&mut self, bank: u32) -> Option<&mut Request> {
        let candidate = self.candidates.get(self.places[bank as usize] as usize)?;
        self.banks[bank as usize].get_mut(candidate.place).map(|(_, request)| request)
    }

    /// Takes out the request that the candidate of `bank` is for; the bank's open row is `open`.
    pub fn remove(&mut self, bank: u32, open: Option<u32>) {
        let index = self.places[bank as usize];
        let Some(candidate) = self.candidates.get(index as usize) else { return };
        let requests = &mut self.banks[bank as usize];
        requests.remove(candidate.place);
        self.length -= 1;
        if !requests.is_empty() {
            return self.choose(bank, open);
        }
        self.candidates.swap_remove(index as usize);
        self.places[bank as usize] = NONE;
        if let Some(moved) = self.candidates.get(index as usize) {
            self.places[moved.target.bank as usize] = index;
        }
    }

    /// Every request with its age, in no particular order.
    #[cfg(test)]
    pub fn requests(&self) -> impl Iterator<Item = &(u64, Request)> {
        self.banks.iter().flatten()
    }
}
