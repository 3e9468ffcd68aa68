//! Marks by place, with a bit above each word that is not zero.

const BITS: usize = u64::BITS as usize;

/// A set of places. Finding the next one looks at one word in 64.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Marks {
    words: Vec<u64>,
    above: Vec<u64>,
}

impl Marks {
    pub fn host_bytes(&self) -> usize {
        (self.words.capacity() + self.above.capacity()) * size_of::<u64>()
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.words.clear();
        self.above.clear();
    }

    #[inline]
    pub fn contains(&self, place: usize) -> bool {
        self.words.get(place / BITS).is_some_and(|word| word >> (place % BITS) & 1 != 0)
    }

    #[inline]
    pub fn set(&mut self, place: usize) {
        let word = place / BITS;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
            self.above.resize(word / BITS + 1, 0);
        }
        self.words[word] |= 1 << (place % BITS);
        self.above[word / BITS] |= 1 << (word % BITS);
    }

    #[inline]
    pub fn unset(&mut self, place: usize) {
        let word = place / BITS;
        if let Some(bits) = self.words.get_mut(word) {
            *bits &= !(1 << (place % BITS));
            if *bits == 0 {
                self.above[word / BITS] &= !(1 << (word % BITS));
            }
        }
    }

    /// The first place from `from` on.
    pub fn next(&self, from: usize) -> Option<usize> {
        let word = from / BITS;
        let bits = self.words.get(word)? & u64::MAX << (from % BITS);
        if bits != 0 {
            return Some(word * BITS + bits.trailing_zeros() as usize);
        }
        let next = word + 1;
        let mut group = next / BITS;
        let mut bits = self.above.get(group)? & u64::MAX << (next % BITS);
        while bits == 0 {
            group += 1;
            bits = *self.above.get(group)?;
        }
        let word = group * BITS + bits.trailing_zeros() as usize;
        Some(word * BITS + self.words[word].trailing_zeros() as usize)
    }

    /// The last place before `end`.
    pub fn previous(&self, end: usize) -> Option<usize> {
        let last = end.min(self.words.len() * BITS).checked_sub(1)?;
        let highest = |bits: u64| BITS - 1 - bits.leading_zeros() as usize;
        let word = last / BITS;
        let bits = self.words[word] & u64::MAX >> (BITS - 1 - last % BITS);
        if bits != 0 {
            return Some(word * BITS + highest(bits));
        }
        let last = word.checked_sub(1)?;
        let mut group = last / BITS;
        let mut bits = self.above[group] & u64::MAX >> (BITS - 1 - last % BITS);
        while bits == 0 {
            group = group.checked_sub(1)?;
            bits = self.above[group];
        }
        let word = group * BITS + highest(bits);
        Some(word * BITS + highest(self.words[word]))
    }

    /// How many places from `from` on are before `end`.
    pub fn count(&self, from: usize, end: usize) -> u64 {
        let end = end.min(self.words.len() * BITS);
        if from >= end {
            return 0;
        }
        let (first, last) = (from / BITS, (end - 1) / BITS);
        let low = u64::MAX << (from % BITS);
        let high = u64::MAX >> (BITS - 1 - (end - 1) % BITS);
        let count = |bits: u64| u64::from(bits.count_ones());
        if first == last {
            return count(self.words[first] & low & high);
        }
        let between: u64 = self.words[first + 1..last].iter().map(|word| count(*word)).sum();
        count(self.words[first] & low) + between + count(self.words[last] & high)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn places_are_found_as_in_a_tree() {
        let mut state = 3u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for (span, many) in [(70, 30), (5000, 10), (600_000, 12), (600_000, 3000)] {
            let (mut marks, mut tree) = (Marks::default(), BTreeSet::new());
            for _ in 0..many * 20 {
                let place = next(span);
                if tree.len() < many {
                    marks.set(place);
                    tree.insert(place);
                } else if let Some(other) = tree.range(place..).next().copied() {
                    marks.unset(other);
                    tree.remove(&other);
                }
                let (from, end) = (next(span + 10), next(span + 10));
                assert_eq!(marks.contains(from), tree.contains(&from));
                assert_eq!(marks.next(from), tree.range(from..).next().copied());
                assert_eq!(marks.previous(end), tree.range(..end).next_back().copied());
                let between = if from < end { tree.range(from..end).count() } else { 0 };
                assert_eq!(marks.count(from, end), between as u64);
            }
        }
    }
}
