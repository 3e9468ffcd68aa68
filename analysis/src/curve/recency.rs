//! Which instants are some page's or line's latest use, and how many of them follow a given one.
//!
//! A bit an instant says whether what was used then has not been used since. Counts of the bits lie over
//! them in a tree: 64 words of 64 bits are a group, and each node above a group has 16 children. Setting
//! or clearing a bit adds to one number a level; counting what follows adds up the later siblings on each
//! level, all of them at once under a mask, and stops at the level where the end of time is a descendant
//! too. Everything but the bits themselves stays in the host's first- or second-level cache.

/// log2 of the instants of a group.
const GROUP_BITS: u32 = 12;
/// Words of a group.
const WORDS: usize = 64;
/// log2 of the children of a node.
const FAN_BITS: u32 = 4;
/// Children of a node.
const FAN: usize = 1 << FAN_BITS;

/// From `LATER - 1 - i` on: a mask of the entries after the `i`th.
const WORD_MASKS: [u16; 2 * WORDS] = {
    let mut masks = [0; 2 * WORDS];
    let mut at = WORDS;
    while at < 2 * WORDS {
        masks[at] = u16::MAX;
        at += 1;
    }
    masks
};
const FAN_MASKS: [u32; 2 * FAN] = {
    let mut masks = [0; 2 * FAN];
    let mut at = FAN;
    while at < 2 * FAN {
        masks[at] = u32::MAX;
        at += 1;
    }
    masks
};

/// A set of instants, each a number below the capacity.
#[derive(Debug, Clone, Default)]
pub struct Instants {
    words: Vec<u64>,
    /// Bits set in each word, a group at a time. 16 bits hold the sum of a group, so that nothing has to
    /// be widened.
    groups: Vec<[u16; WORDS]>,
    /// Bits set in each group, then in each node of the level below.
    levels: Vec<Vec<[u32; FAN]>>,
}

#[inline]
fn add_words(counts: &[u16; WORDS], after: usize) -> u32 {
    let masks = &WORD_MASKS[WORDS - 1 - after..][..WORDS];
    counts.iter().zip(masks).map(|(count, mask)| count & mask).fold(0, u16::wrapping_add).into()
}

#[inline]
fn add_children(counts: &[u32; FAN], after: usize) -> u32 {
    let masks = &FAN_MASKS[FAN - 1 - after..][..FAN];
    counts.iter().zip(masks).map(|(count, mask)| count & mask).fold(0, u32::wrapping_add)
}

impl Instants {
    /// An empty set for instants below `capacity`, or some more.
    pub fn new(capacity: u32) -> Self {
        let groups = (capacity as usize).div_ceil(1 << GROUP_BITS).max(1);
        let mut levels = Vec::new();
        let mut nodes = groups;
        while nodes > 1 {
            nodes = nodes.div_ceil(FAN);
            levels.push(vec![[0; FAN]; nodes]);
        }
        Self { words: vec![0; groups * WORDS], groups: vec![[0; WORDS]; groups], levels }
    }

    /// Adds `instant`, which is not in the set.
    #[inline]
    pub fn insert(&mut self, instant: u32) {
        self.words[(instant >> 6) as usize] |= 1 << (instant & 63);
        let group = (instant >> GROUP_BITS) as usize;
        self.groups[group][(instant >> 6) as usize % WORDS] += 1;
        let mut node = group;
        for level in &mut self.levels {
            level[node >> FAN_BITS][node % FAN] += 1;
            node >>= FAN_BITS;
        }
    }

    /// Takes `instant`, which is in the set, out.
    #[inline]
    pub fn remove(&mut self, instant: u32) {
        self.words[(instant >> 6) as usize] &= !(1 << (instant & 63));
        let group = (instant >> GROUP_BITS) as usize;
        self.groups[group][(instant >> 6) as usize % WORDS] -= 1;
        let mut node = group;
        for level in &mut self.levels {
            level[node >> FAN_BITS][node % FAN] -= 1;
            node >>= FAN_BITS;
        }
    }

    /// Something of what [`after`](Self::after) reads for the instant before `next`, to have it read.
    #[inline]
    pub fn near(&self, next: u32) -> u64 {
        let word = (next.saturating_sub(1) >> 6) as usize;
        self.words[word] ^ u64::from(self.groups[word / WORDS][0])
    }

    /// How many instants of the set are after `instant`, where none is at or after `end`.
    #[inline]
    pub fn after(&self, instant: u32, end: u32) -> u32 {
        let word = (instant >> 6) as usize;
        let mut count = (self.words[word] >> (instant & 63) >> 1).count_ones();
        let group = (instant >> GROUP_BITS) as usize;
        count += add_words(&self.groups[group], word % WORDS);
        let (mut node, mut last) = (group, (end >> GROUP_BITS) as usize);
        for level in &self.levels {
            if node == last {
                break;
            }
            count += add_children(&level[node >> FAN_BITS], node % FAN);
            (node, last) = (node >> FAN_BITS, last >> FAN_BITS);
        }
        count
    }

    /// How many instants of the set come before the first of each word.
    pub fn ranks(&self) -> Vec<u32> {
        let mut before = 0;
        let rank = |word: &u64| {
            let own = before;
            before += word.count_ones();
            own
        };
        self.words.iter().map(rank).collect()
    }

    /// The rank of `instant`, which is in the set, among its instants; `ranks` are the set's.
    #[inline]
    pub fn rank(&self, ranks: &[u32], instant: u32) -> u32 {
        let word = (instant >> 6) as usize;
        ranks[word] + (self.words[word] & ((1 << (instant & 63)) - 1)).count_ones()
    }

    /// Fills the empty set with the instants 0 to `count` − 1.
    pub fn fill(&mut self, count: u32) {
        let full = (count >> 6) as usize;
        self.words[..full].fill(u64::MAX);
        if !count.is_multiple_of(64) {
            self.words[full] = (1 << (count % 64)) - 1;
        }
        for (group, words) in self.groups.iter_mut().zip(self.words.chunks(WORDS)) {
            for (count, word) in group.iter_mut().zip(words) {
                *count = word.count_ones() as u16;
            }
        }
        let sum = |group: &[u16; WORDS]| group.iter().map(|count| u32::from(*count)).sum();
        let mut below: Vec<u32> = self.groups.iter().map(sum).collect();
        for level in &mut self.levels {
            for (node, counts) in level.iter_mut().zip(below.chunks(FAN)) {
                node[..counts.len()].copy_from_slice(counts);
            }
            below = level.iter().map(|node| node.iter().sum()).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a plain list, with capacities on both sides of every level's end.
    #[test]
    fn counts_what_follows() {
        let mut state = 7u64;
        let mut next = |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 33) % u64::from(below)) as u32
        };
        for capacity in [1, 64, 65, 4096, 4097, 65_536, 65_537, 1_100_000] {
            let mut set = Instants::new(capacity);
            let mut plain = std::collections::BTreeSet::new();
            for _ in 0..300 {
                let instant = next(capacity);
                if plain.insert(instant) {
                    set.insert(instant);
                }
                let instant = next(capacity);
                if plain.remove(&instant) {
                    set.remove(instant);
                }
                let at = next(capacity);
                let expected = plain.range(at..).filter(|other| **other > at).count() as u32;
                assert_eq!(set.after(at, capacity), expected, "{capacity}, {at}");
            }
            let ranks = set.ranks();
            for (rank, instant) in plain.iter().enumerate() {
                assert_eq!(set.rank(&ranks, *instant), rank as u32);
            }
        }
    }

    #[test]
    fn filling_is_inserting_all() {
        for count in [0, 1, 63, 64, 4096, 5000, 70_000] {
            let (mut filled, mut inserted) = (Instants::new(100_000), Instants::new(100_000));
            filled.fill(count);
            (0..count).for_each(|instant| inserted.insert(instant));
            assert_eq!(filled.words, inserted.words);
            assert_eq!(filled.groups, inserted.groups);
            assert_eq!(filled.levels, inserted.levels);
        }
    }
}
