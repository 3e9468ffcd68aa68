//! Sets of up to 16 ways: a block each, whose tags are compared at once.
//!
//! A block has 16 bits of every tag, beside the valid and marked ways and the policy's word: one line of
//! the host's memory for 16 ways, half a line for 8. Where tags are longer, the rest of them lies apart
//! and confirms a match; a miss hardly ever reads it.

use super::store::{self, Reached, Set};
use super::{Inserted, Name, Replacement, lanes};

/// What a set of up to [`WAYS`](Self::WAYS) ways has at hand.
pub(super) trait Block: Clone {
    /// The ways that there is room for: a power of two.
    const WAYS: usize;
    /// A set with no valid way and this word.
    fn empty(word: u64) -> Self;
    /// The valid ways whose tags have these 16 bits.
    fn equal(&self, bits: u16) -> u32;
    /// The 16 bits of a way's tag. `way` is taken modulo [`WAYS`](Self::WAYS).
    fn tag(&self, way: usize) -> u16;
    /// Sets the 16 bits of a way's tag, as above.
    fn set_tag(&mut self, way: usize, bits: u16);
    /// The policy's word, the valid ways, and the marked ones.
    fn state(&self) -> &State;
    /// The same, to be changed.
    fn state_mut(&mut self) -> &mut State;
}

/// What a block has beside its tags.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct State {
    word: u64,
    valid: u16,
    marked: u16,
}

macro_rules! block {
    ($(#[doc = $doc:literal])* $Block:ident, $ways:literal, $align:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
        #[repr(C, align($align))]
        pub(super) struct $Block {
            tags: [u16; $ways],
            state: State,
        }

        impl Block for $Block {
            const WAYS: usize = $ways;

            fn empty(word: u64) -> Self {
                Self { tags: [0; $ways], state: State { word, valid: 0, marked: 0 } }
            }

            #[inline(always)]
            fn equal(&self, bits: u16) -> u32 {
                lanes::equal(&self.tags, bits) & u32::from(self.state.valid)
            }

            #[inline(always)]
            fn tag(&self, way: usize) -> u16 {
                self.tags[way % $ways]
            }

            #[inline(always)]
            fn set_tag(&mut self, way: usize, bits: u16) {
                self.tags[way % $ways] = bits;
            }

            #[inline(always)]
            fn state(&self) -> &State {
                &self.state
            }

            #[inline(always)]
            fn state_mut(&mut self) -> &mut State {
                &mut self.state
            }
        }
    };
}
block!(
    /// Up to 4 ways in 24 bytes.
    Four, 4, 8
);
block!(
    /// Up to 8 ways in 32 bytes.
    Eight, 8, 32
);
block!(
    /// Up to 16 ways in 64 bytes.
    Sixteen, 16, 64
);

/// What of the tags does not fit the blocks, by entry.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
enum Rest {
    /// Nothing: tags have up to 16 bits.
    Nothing,
    /// Tags have up to 48.
    Half(Vec<u32>),
    /// Tags have up to 64.
    Word(Vec<u64>),
}

impl Rest {
    /// Whether the entry's tag is `tag`, whose first 16 bits are known to be equal.
    #[inline(always)]
    fn confirms(&self, entry: usize, tag: u64) -> bool {
        match self {
            Self::Nothing => true,
            Self::Half(rest) => rest[entry] == (tag >> 16) as u32,
            Self::Word(rest) => rest[entry] == tag >> 16,
        }
    }

    #[inline(always)]
    fn set(&mut self, entry: usize, tag: u64) {
        match self {
            Self::Nothing => {}
            Self::Half(rest) => rest[entry] = (tag >> 16) as u32,
            Self::Word(rest) => rest[entry] = tag >> 16,
        }
    }

    /// The tag whose first 16 bits are `bits`.
    fn tag(&self, entry: usize, bits: u16) -> u64 {
        let rest = match self {
            Self::Nothing => 0,
            Self::Half(rest) => rest[entry].into(),
            Self::Word(rest) => rest[entry],
        };
        rest << 16 | u64::from(bits)
    }
}

/// The sets of an array as blocks, under policy `P`. Sets and tags are the caller's to keep in range.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Compared<B, P> {
    blocks: Vec<B>,
    rest: Rest,
    /// All ways.
    full: u16,
    policy: P,
}

impl<B: Block, P: Replacement> Compared<B, P> {
    /// `sets` empty sets of `ways` ways, for tags of up to `bits` bits, at most 64. There are no more ways
    /// than the block has.
    pub fn new(sets: usize, ways: usize, bits: u32, policy: P) -> Self {
        let entries = sets * B::WAYS;
        let rest = match bits {
            0..=16 => Rest::Nothing,
            17..=48 => Rest::Half(vec![0; entries]),
            _ => Rest::Word(vec![0; entries]),
        };
        let full = u16::MAX >> (16 - ways.clamp(1, B::WAYS));
        Self { blocks: vec![B::empty(policy.start()); sets], rest, full, policy }
    }

    /// The distance of sets in the numbers of their entries.
    pub fn stride(&self) -> usize {
        B::WAYS
    }

    /// As [`Replacement::written`].
    pub fn written(&mut self) {
        self.policy.written();
    }

    /// As [`Replacement::foresee`], of what has `tag`.
    pub fn foresee(&mut self, set: usize, tag: u64, next: u64) {
        let (open, policy) = self.open(set);
        policy.foresee(Open::<B>::name(set, tag), open.find(tag), next);
    }

    /// As [`Replacement::site`].
    pub fn site(&mut self, site: u64) {
        self.policy.site(site);
    }

    /// The set to be used, and what uses it.
    #[inline(always)]
    fn open(&mut self, set: usize) -> (Open<'_, B>, &mut P) {
        let Self { blocks, rest, full, policy } = self;
        (Open { block: &mut blocks[set], rest, first: set * B::WAYS, full: *full }, policy)
    }

    /// The entry of `tag`, which is used, and marked if `mark` says so.
    #[inline(never)]
    pub fn lookup(&mut self, set: usize, tag: u64, mark: bool) -> Option<usize> {
        let (mut open, policy) = self.open(set);
        match open.glance(tag) {
            Glance::Found(way) => {
                policy.touch(open.word(), set, way);
                if mark {
                    open.mark(way);
                }
                Some(set * B::WAYS + way)
            }
            Glance::Absent => None,
            Glance::Unclear => self.lookup_on(set, tag, mark),
        }
    }

    #[cold]
    #[inline(never)]
    fn lookup_on(&mut self, set: usize, tag: u64, mark: bool) -> Option<usize> {
        let (mut open, policy) = self.open(set);
        let way = store::lookup(&mut open, policy, set, tag)?;
        if mark {
            open.mark(way);
        }
        Some(set * B::WAYS + way)
    }

    /// As [`store::access`].
    #[inline(never)]
    pub fn access(&mut self, set: usize, tag: u64, mark: bool) -> Reached<u64> {
        let (mut open, policy) = self.open(set);
        match open.glance(tag) {
            Glance::Found(way) => {
                policy.touch(open.word(), set, way);
                if mark {
                    open.mark(way);
                }
                Reached::Hit
            }
            Glance::Absent => self.replace(set, tag, mark),
            Glance::Unclear => self.access_on(set, tag, mark),
        }
    }

    #[cold]
    #[inline(never)]
    fn access_on(&mut self, set: usize, tag: u64, mark: bool) -> Reached<u64> {
        let (mut open, policy) = self.open(set);
        store::access(&mut open, policy, set, tag, mark)
    }

    /// As [`store::write`].
    #[inline(never)]
    pub fn write(&mut self, set: usize, tag: u64) -> Reached<u64> {
        let (mut open, policy) = self.open(set);
        store::write(&mut open, policy, set, tag)
    }

    /// As [`store::fill_mark`].
    #[inline(never)]
    pub fn fill(&mut self, set: usize, tag: u64, mark: bool) -> Reached<u64> {
        self.replace(set, tag, mark)
    }

    /// As [`store::insert`]; the entry.
    #[inline(never)]
    pub fn insert(&mut self, set: usize, tag: u64) -> Inserted {
        let (mut open, policy) = self.open(set);
        match open.glance(tag) {
            Glance::Found(way) => {
                policy.touch(open.word(), set, way);
                Inserted::There(set * B::WAYS + way)
            }
            Glance::Absent if open.empty().is_some() => self.insert_on(set, tag),
            Glance::Absent => {
                policy.entering(Open::<B>::name(set, tag));
                let way = policy.replace(open.word(), set);
                open.unmark(way);
                open.put(way, tag, true);
                Inserted::Displaced(set * B::WAYS + way)
            }
            Glance::Unclear => self.insert_on(set, tag),
        }
    }

    #[cold]
    #[inline(never)]
    fn insert_on(&mut self, set: usize, tag: u64) -> Inserted {
        let (mut open, policy) = self.open(set);
        let (way, reached) = store::insert(&mut open, policy, set, tag);
        Inserted::new(set * B::WAYS + way, reached)
    }

    /// As [`store::fill_mark`].
    #[inline(always)]
    fn replace(&mut self, set: usize, tag: u64, mark: bool) -> Reached<u64> {
        let (mut open, policy) = self.open(set);
        if open.empty().is_some() {
            return self.fill_empty(set, tag, mark);
        }
        policy.entering(Open::<B>::name(set, tag));
        let way = policy.replace(open.word(), set);
        if open.is_marked(way) {
            return self.replace_marked(set, way, tag, mark);
        }
        open.put(way, tag, true);
        if mark {
            open.mark(way);
        }
        Reached::Displaced
    }

    #[cold]
    #[inline(never)]
    fn fill_empty(&mut self, set: usize, tag: u64, mark: bool) -> Reached<u64> {
        let (mut open, policy) = self.open(set);
        store::fill_mark(&mut open, policy, set, tag, mark)
    }

    /// The end of a replacement in `way`, which is marked.
    #[inline(never)]
    fn replace_marked(&mut self, set: usize, way: usize, tag: u64, mark: bool) -> Reached<u64> {
        let (mut open, _) = self.open(set);
        let reached = open.unmark(way).map_or(Reached::Displaced, Reached::Marked);
        open.put(way, tag, true);
        if mark {
            open.mark(way);
        }
        reached
    }

    /// The entry of `tag`, without a use.
    pub fn find(&self, set: usize, tag: u64) -> Option<usize> {
        let first = set * B::WAYS;
        confirmed(self.blocks[set].equal(tag as u16), &self.rest, first, tag).map(|way| first + way)
    }

    /// Marks the entry of `tag`, without a use; whether it is there.
    #[inline(never)]
    pub fn mark(&mut self, set: usize, tag: u64) -> bool {
        let (mut open, _) = self.open(set);
        let way = open.find(tag);
        way.inspect(|way| open.mark(*way)).is_some()
    }

    /// Makes the entry of `tag` invalid; whether it was valid, and marked.
    pub fn invalidate(&mut self, set: usize, tag: u64) -> Option<bool> {
        let (mut open, _) = self.open(set);
        let way = open.find(tag)?;
        let marked = open.unmark(way).is_some();
        open.clear(way);
        Some(marked)
    }

    /// Whether no way of a set is valid.
    pub fn is_empty(&self, set: usize) -> bool {
        self.blocks[set].state().valid == 0
    }

    /// The tag of a way, where that is valid.
    pub fn tag(&self, set: usize, way: usize) -> Option<u64> {
        let block = &self.blocks[set];
        let valid = block.state().valid >> way & 1 != 0;
        valid.then(|| self.rest.tag(set * B::WAYS + way, block.tag(way)))
    }

    /// Whether an entry is marked.
    pub fn marked(&self, entry: usize) -> bool {
        let (set, way) = (entry / B::WAYS, entry % B::WAYS);
        self.blocks[set].state().marked >> way & 1 != 0
    }

    /// Makes a valid way invalid.
    pub fn clear(&mut self, set: usize, way: usize) {
        self.open(set).0.clear(way);
    }

    /// Puts `tag` into an invalid way, as if that had just been filled; the entry.
    pub fn place(&mut self, set: usize, way: usize, tag: u64) -> usize {
        let (mut open, policy) = self.open(set);
        policy.entering(Open::<B>::name(set, tag));
        policy.fill(open.word(), set, way);
        open.put(way, tag, false);
        set * B::WAYS + way
    }
}

/// The first of the ways `equal` whose tag is `tag`.
#[inline(always)]
fn confirmed(mut equal: u32, rest: &Rest, first: usize, tag: u64) -> Option<usize> {
    while equal != 0 {
        let way = equal.trailing_zeros() as usize;
        if rest.confirms(first + way, tag) {
            return Some(way);
        }
        equal &= equal - 1;
    }
    None
}

/// What the first way with the right 16 bits says.
enum Glance {
    /// It is the one.
    Found(usize),
    /// There is none.
    Absent,
    /// It is another; the one may follow.
    Unclear,
}

/// A set in use.
struct Open<'a, B> {
    block: &'a mut B,
    rest: &'a mut Rest,
    /// The first way's entry.
    first: usize,
    full: u16,
}

impl<B: Block> Open<'_, B> {
    /// Looks for `tag` without a loop.
    #[inline(always)]
    fn glance(&self, tag: u64) -> Glance {
        let equal = self.block.equal(tag as u16);
        if equal == 0 {
            return Glance::Absent;
        }
        let way = equal.trailing_zeros() as usize;
        if self.rest.confirms(self.first + way, tag) { Glance::Found(way) } else { Glance::Unclear }
    }

    #[inline(always)]
    fn is_marked(&self, way: usize) -> bool {
        self.block.state().marked >> way & 1 != 0
    }
}

impl<B: Block> Set for Open<'_, B> {
    type Tag = u64;

    #[inline(always)]
    fn name(set: usize, tag: u64) -> Name {
        Name { set, tag, context: 0 }
    }

    #[inline(always)]
    fn find(&self, tag: u64) -> Option<usize> {
        confirmed(self.block.equal(tag as u16), self.rest, self.first, tag)
    }

    #[inline(always)]
    fn empty(&self) -> Option<usize> {
        let empty = self.full & !self.block.state().valid;
        (empty != 0).then(|| empty.trailing_zeros() as usize)
    }

    #[inline(always)]
    fn word(&mut self) -> &mut u64 {
        &mut self.block.state_mut().word
    }

    #[inline(always)]
    fn unmark(&mut self, way: usize) -> Option<u64> {
        let (state, bit) = (self.block.state_mut(), 1 << way);
        if state.marked & bit == 0 {
            return None;
        }
        state.marked &= !bit;
        Some(self.rest.tag(self.first + way, self.block.tag(way)))
    }

    #[inline(always)]
    fn mark(&mut self, way: usize) {
        self.block.state_mut().marked |= 1 << way;
    }

    #[inline(always)]
    fn put(&mut self, way: usize, tag: u64, over: bool) {
        self.block.set_tag(way, tag as u16);
        self.rest.set(self.first + way, tag);
        if !over {
            self.block.state_mut().valid |= 1 << way;
        }
    }

    fn clear(&mut self, way: usize) {
        let state = self.block.state_mut();
        state.valid &= !(1 << way);
        state.marked &= !(1 << way);
    }
}
