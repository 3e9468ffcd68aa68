//! A set of a channel's banks, a bit each.

/// Some of the banks of a channel.
#[derive(Debug, Clone)]
pub(super) struct BankSet {
    /// Those of the first 64, which usually are all there are.
    first: u64,
    rest: Box<[u64]>,
}

impl BankSet {
    /// The empty set, for up to `banks` banks.
    pub fn new(banks: u32) -> Self {
        Self { first: 0, rest: vec![0; banks.saturating_sub(1) as usize / 64].into() }
    }

    #[inline]
    fn word(&mut self, bank: usize) -> &mut u64 {
        if bank < 64 { &mut self.first } else { &mut self.rest[bank / 64 - 1] }
    }

    #[inline]
    pub fn insert(&mut self, bank: usize) {
        *self.word(bank) |= 1 << (bank % 64);
    }

    #[inline]
    pub fn remove(&mut self, bank: usize) {
        *self.word(bank) &= !(1 << (bank % 64));
    }

    /// Calls `visit` for each bank in the set, in order.
    #[inline]
    pub fn visit(&self, mut visit: impl FnMut(usize)) {
        for (index, &word) in std::iter::once(&self.first).chain(&self.rest).enumerate() {
            let mut left = word;
            while left != 0 {
                visit(index * 64 + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banks_come_and_go() {
        let mut set = BankSet::new(129);
        let members = |set: &BankSet| {
            let mut members = Vec::new();
            set.visit(|bank| members.push(bank));
            members
        };
        [128, 0, 63, 64, 5].into_iter().for_each(|bank| set.insert(bank));
        assert_eq!(members(&set), [0, 5, 63, 64, 128]);
        [0, 64].into_iter().for_each(|bank| set.remove(bank));
        assert_eq!(members(&set), [5, 63, 128]);
    }
}
