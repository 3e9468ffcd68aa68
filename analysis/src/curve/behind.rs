//! A first level that others lie behind: it keeps what it hits from them.

use model::replacement::SetIndex;

use super::stack::Stack;

/// Ways that are searched one by one; above that, a fully associative level counts distances instead.
const SEARCHED: u32 = 64;

/// The geometry of a first level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    /// Entries.
    pub entries: u32,
    /// Entries of a set; as many as there are entries where it is fully associative.
    pub ways: u32,
}

/// The most entries of a first level.
pub const MOST_ENTRIES: u32 = 1 << 24;

impl std::str::FromStr for First {
    type Err = String;

    /// Reads `64` (fully associative) or `64x4`.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected ENTRIES or ENTRIESxWAYS, such as 64x4, found `{text}`");
        let (entries, ways) = text.split_once('x').map_or((text, None), |(e, w)| (e, Some(w)));
        let number = |text: &str| text.parse::<u32>().map_err(|_| expected());
        let entries = number(entries)?;
        let ways = ways.map_or(Ok(entries), number)?;
        if entries == 0 || entries > MOST_ENTRIES {
            return Err(format!("expected 1 to {MOST_ENTRIES} entries, found {entries}"));
        }
        if ways == 0 || !entries.is_multiple_of(ways) {
            return Err(format!("{entries} entries are not a multiple of {ways} ways"));
        }
        Ok(Self { entries, ways })
    }
}

/// How a level finds out whether it has something.
#[derive(Debug)]
enum Search {
    /// The slots of each set, the latest first, one more than the slot; 0 where there is none.
    Rows { index: SetIndex, rows: Vec<u32> },
    /// The distance since the latest use.
    Distance(Box<Stack>),
}

/// An LRU level that passes on what it misses.
#[derive(Debug)]
pub struct Filter {
    first: First,
    search: Search,
    misses: u64,
    numbers: Vec<u64>,
    slots: Vec<u32>,
}

impl Filter {
    /// An empty level.
    pub fn new(first: First) -> Self {
        let First { entries, ways } = first;
        let search = match entries / ways.max(1) {
            0 | 1 if ways > SEARCHED => Search::Distance(Box::default()),
            sets => Search::Rows { index: SetIndex::new(sets), rows: vec![0; entries as usize] },
        };
        Self { first, search, misses: 0, numbers: Vec::new(), slots: Vec::new() }
    }

    /// What it is.
    pub fn geometry(&self) -> First {
        self.first
    }

    /// References that it did not have.
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// Uses these pages or lines, whose slots are below `end`, and returns the numbers and slots of those
    /// that it did not have.
    pub fn pass(&mut self, numbers: &[u64], slots: &[u32], end: usize) -> (&[u64], &[u32]) {
        self.numbers.clear();
        self.slots.clear();
        if let Search::Distance(stack) = &mut self.search {
            stack.reserve(end);
        }
        for (&number, &slot) in numbers.iter().zip(slots) {
            if !self.touch(number, slot) {
                self.numbers.push(number);
                self.slots.push(slot);
            }
        }
        self.misses += self.slots.len() as u64;
        (&self.numbers, &self.slots)
    }

    /// Whether it had `slot`, which is its latest afterwards.
    #[inline]
    fn touch(&mut self, number: u64, slot: u32) -> bool {
        match &mut self.search {
            Search::Distance(stack) => {
                stack.touch(slot).is_some_and(|distance| distance < self.first.entries)
            }
            Search::Rows { index, rows } => {
                let ways = self.first.ways as usize;
                let (set, _) = index.split(number);
                let mut carried = slot + 1;
                for entry in &mut rows[set * ways..][..ways] {
                    std::mem::swap(entry, &mut carried);
                    if carried == slot + 1 {
                        return true;
                    }
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::stack::Naive;

    #[test]
    fn a_geometry_is_entries_and_ways() {
        assert_eq!("64x4".parse(), Ok(First { entries: 64, ways: 4 }));
        assert_eq!("96".parse(), Ok(First { entries: 96, ways: 96 }));
        for (text, part) in [
            ("0", "1 to"),
            ("64x5", "multiple"),
            ("64x0", "multiple"),
            ("x4", "such as"),
            ("a", "64x4"),
        ] {
            assert!(text.parse::<First>().unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn misses_pass_and_hits_do_not() {
        for (entries, ways) in [(12, 4), (16, 16), (100, 100), (3, 1), (128, 2)] {
            let mut filter = Filter::new(First { entries, ways });
            let sets = u64::from(entries / ways);
            let mut naive: Vec<Naive<u64>> = (0..sets).map(|_| Naive::default()).collect();
            let mut state = 11u64;
            for _ in 0..5000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let number = state >> (state >> 63 | 56);
                let distance = naive[(number % sets) as usize].touch(number);
                let misses = distance.is_none_or(|distance| distance >= ways);
                let passed = filter.pass(&[number], &[number as u32], 256);
                assert_eq!(passed.0, if misses { vec![number] } else { vec![] });
            }
            assert!(filter.misses() > 0);
        }
    }
}
