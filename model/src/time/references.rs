//! References of the outcomes in flight.

use crate::address::PhysAddr;
use crate::outcome::{Reference, ReferenceKind};

/// References by their numbers, which rise; the oldest are forgotten first.
#[derive(Debug, Clone)]
pub(super) struct References {
    /// A reference's place is its number modulo the length, a power of two.
    places: Vec<Reference>,
    oldest: u64,
    next: u64,
}

const NOTHING: Reference = Reference { addr: PhysAddr(0), kind: ReferenceKind::Walk, served: 0 };

impl References {
    /// None.
    pub(super) fn new() -> Self {
        Self { places: vec![NOTHING; 64], oldest: 0, next: 0 }
    }

    /// The number of the next one to be kept.
    #[inline]
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    #[inline]
    fn place(&self, number: u64) -> usize {
        number as usize & (self.places.len() - 1)
    }

    /// Keeps one more.
    #[inline]
    pub(super) fn keep(&mut self, reference: Reference) {
        if self.next - self.oldest == self.places.len() as u64 {
            self.grow();
        }
        let place = self.place(self.next);
        self.places[place] = reference;
        self.next += 1;
    }

    #[cold]
    fn grow(&mut self) {
        let kept: Vec<_> = (self.oldest..self.next).map(|number| self.get(number)).collect();
        self.places.resize(2 * self.places.len(), NOTHING);
        for (number, reference) in (self.oldest..self.next).zip(kept) {
            let place = self.place(number);
            self.places[place] = reference;
        }
    }

    /// Forgets the `count` oldest ones.
    #[inline]
    pub(super) fn forget(&mut self, count: u16) {
        self.oldest = (self.oldest + u64::from(count)).min(self.next);
    }

    /// One that is kept.
    #[inline]
    pub(super) fn get(&self, number: u64) -> Reference {
        self.places[self.place(number)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_while_it_grows_and_forgets() {
        let mut references = References::new();
        for number in 0..1000u64 {
            assert_eq!(references.next(), number);
            references.keep(Reference { addr: PhysAddr(number), ..NOTHING });
            if number % 3 == 0 {
                references.forget(1);
            }
            for kept in number / 3 + 1..=number {
                assert_eq!(references.get(kept).addr, PhysAddr(kept));
            }
        }
        assert!(references.places.len() <= 1024);
    }
}
