//! Sets of up to 16 ways: a block each, whose tags are compared at once.
//!
//! A block has 16 bits of every tag, beside the valid and marked ways and the policy's word: one line of
//! the host's memory for 16 ways, half a line for 8. Where tags are longer, the rest of them lies apart
//! and confirms a match; a miss hardly ever reads it.

use super::keys::{Packing, Tag};
use super::lanes;
use super::prefetch::prefetch;
use super::store::{Set, Store};

/// What a set of up to [`WAYS`](Self::WAYS) ways has at hand.
pub(super) trait Block: Clone {
    /// The ways that there is room for.
    const WAYS: usize;
    /// A set with no valid way and this word.
    fn empty(word: u64) -> Self;
    /// The valid ways whose tags have these 16 bits.
    fn equal(&self, bits: u16) -> u32;
    /// The 16 bits of each way's tag.
    fn tags(&self) -> &[u16];
    /// The same, to be changed.
    fn tags_mut(&mut self) -> &mut [u16];
    /// The policy's word, the valid ways, and the marked ones.
    fn state(&self) -> &State;
    /// The same, to be changed.
    fn state_mut(&mut self) -> &mut State;
}

/// What a block has beside its tags.
#[derive(Debug, Clone)]
pub(super) struct State {
    word: u64,
    valid: u16,
    marked: u16,
}

macro_rules! block {
    ($(#[doc = $doc:literal])* $Block:ident, $ways:literal, $align:literal) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
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

            #[inline]
            fn equal(&self, bits: u16) -> u32 {
                lanes::equal(&self.tags, bits) & u32::from(self.state.valid)
            }

            #[inline]
            fn tags(&self) -> &[u16] {
                &self.tags
            }

            #[inline]
            fn tags_mut(&mut self) -> &mut [u16] {
                &mut self.tags
            }

            #[inline]
            fn state(&self) -> &State {
                &self.state
            }

            #[inline]
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
#[derive(Debug, Clone)]
enum Rest {
    /// Nothing: packed tags have up to 16 bits.
    Nothing,
    /// The next 32 bits: packed tags have up to 48.
    Bits(Vec<u32>),
    /// The tags as they are.
    All(Vec<Tag>),
}

impl Rest {
    /// Whether the entry's tag is `tag`, whose first 16 bits are known to be equal.
    #[inline]
    fn confirms(&self, entry: usize, tag: Tag, packed: u64) -> bool {
        match self {
            Self::Nothing => true,
            Self::Bits(rest) => rest[entry] == (packed >> 16) as u32,
            Self::All(tags) => tags[entry] == tag,
        }
    }

    #[inline]
    fn set(&mut self, entry: usize, tag: Tag, packed: u64) {
        match self {
            Self::Nothing => {}
            Self::Bits(rest) => rest[entry] = (packed >> 16) as u32,
            Self::All(tags) => tags[entry] = tag,
        }
    }

    /// The tag whose first 16 bits are `bits`.
    #[inline]
    fn tag(&self, entry: usize, bits: u16, packing: Packing) -> Tag {
        match self {
            Self::Nothing => packing.unpack(bits.into()),
            Self::Bits(rest) => packing.unpack(u64::from(rest[entry]) << 16 | u64::from(bits)),
            Self::All(tags) => tags[entry],
        }
    }
}

/// The sets of an array as blocks.
#[derive(Debug, Clone)]
pub(super) struct Compared<B> {
    blocks: Vec<B>,
    rest: Rest,
    packing: Packing,
    /// All ways.
    full: u16,
}

impl<B: Block> Compared<B> {
    /// `sets` empty sets of `ways` ways, with this word each. There are no more ways than the block has.
    pub fn new(sets: usize, ways: usize, packing: Packing, word: u64) -> Self {
        let entries = sets * B::WAYS;
        let rest = match packing.bits {
            0..=16 => Rest::Nothing,
            17..=48 => Rest::Bits(vec![0; entries]),
            _ => Rest::All(vec![Tag::default(); entries]),
        };
        let full = u16::MAX >> (16 - ways.clamp(1, B::WAYS));
        Self { blocks: vec![B::empty(word); sets], rest, packing, full }
    }
}

/// The first of the ways `equal` whose tag is `tag`.
#[inline]
fn confirmed(mut equal: u32, rest: &Rest, first: usize, tag: Tag, packed: u64) -> Option<usize> {
    while equal != 0 {
        let way = equal.trailing_zeros() as usize;
        if rest.confirms(first + way, tag, packed) {
            return Some(way);
        }
        equal &= equal - 1;
    }
    None
}

impl<B: Block> Store for Compared<B> {
    type Set<'a>
        = Open<'a, B>
    where
        B: 'a;

    #[inline]
    fn set(&mut self, set: usize) -> Open<'_, B> {
        Open {
            block: &mut self.blocks[set],
            rest: &mut self.rest,
            first: set * B::WAYS,
            packing: self.packing,
            full: self.full,
        }
    }

    #[inline]
    fn find(&self, set: usize, tag: Tag) -> Option<usize> {
        let packed = self.packing.pack(tag);
        let equal = self.blocks[set].equal(packed as u16);
        confirmed(equal, &self.rest, set * B::WAYS, tag, packed)
    }

    fn tag(&self, set: usize, way: usize) -> Option<Tag> {
        let block = &self.blocks[set];
        let valid = block.state().valid >> way & 1 != 0;
        valid.then(|| self.rest.tag(set * B::WAYS + way, block.tags()[way], self.packing))
    }

    fn is_empty(&self, set: usize) -> bool {
        self.blocks[set].state().valid == 0
    }

    fn marked(&self, set: usize, way: usize) -> bool {
        self.blocks[set].state().marked >> way & 1 != 0
    }

    #[inline]
    fn prefetch(&self, set: usize, _: Tag) {
        if let Some(block) = self.blocks.get(set) {
            prefetch(block);
        }
    }

    #[inline]
    fn stride(&self) -> usize {
        B::WAYS
    }
}

/// A set in use.
pub(super) struct Open<'a, B> {
    block: &'a mut B,
    rest: &'a mut Rest,
    /// The first way's entry.
    first: usize,
    packing: Packing,
    full: u16,
}

impl<B: Block> Set for Open<'_, B> {
    #[inline]
    fn find(&self, tag: Tag) -> Option<usize> {
        let packed = self.packing.pack(tag);
        confirmed(self.block.equal(packed as u16), self.rest, self.first, tag, packed)
    }

    #[inline]
    fn empty(&self) -> Option<usize> {
        let empty = self.full & !self.block.state().valid;
        (empty != 0).then(|| empty.trailing_zeros() as usize)
    }

    #[inline]
    fn word(&mut self) -> &mut u64 {
        &mut self.block.state_mut().word
    }

    #[inline]
    fn marked(&self, way: usize) -> Option<Tag> {
        let marked = self.block.state().marked >> way & 1 != 0;
        marked.then(|| {
            let bits = self.block.tags()[way];
            self.rest.tag(self.first + way, bits, self.packing)
        })
    }

    #[inline]
    fn put(&mut self, way: usize, tag: Tag, mark: bool) {
        let packed = self.packing.pack(tag);
        self.block.tags_mut()[way] = packed as u16;
        self.rest.set(self.first + way, tag, packed);
        let state = self.block.state_mut();
        state.valid |= 1 << way;
        state.marked = state.marked & !(1 << way) | u16::from(mark) << way;
    }

    #[inline]
    fn mark(&mut self, way: usize, mark: bool) {
        self.block.state_mut().marked |= u16::from(mark) << way;
    }

    fn clear(&mut self, way: usize) {
        let state = self.block.state_mut();
        state.valid &= !(1 << way);
        state.marked &= !(1 << way);
    }
}
