//! Sets of more ways than are compared at once: the tags of all sets behind one index.

use super::index::Index;
use super::keys::Tag;
use super::store::{Set, Store};

/// The sets of an array behind an index.
#[derive(Debug, Clone)]
pub(super) struct Indexed {
    ways: usize,
    index: Index,
    /// Tags, contexts and marks are by entry, and apart, so that memory which is never used stays
    /// untouched.
    tags: Vec<u64>,
    contexts: Vec<u32>,
    marked: Vec<bool>,
    /// A bit a way, in words that start anew with each set.
    valid: Vec<u64>,
    /// Words of each set in `valid`.
    valid_words: usize,
    /// How many ways of each set are valid.
    count: Vec<u32>,
    /// The policy's word of each set.
    words: Vec<u64>,
}

impl Indexed {
    /// `sets` empty sets of `ways` ways, fewer than 2^31 in all, with this word each.
    pub fn new(sets: usize, ways: usize, word: u64) -> Self {
        let entries = sets * ways;
        let valid_words = ways.div_ceil(64);
        Self {
            ways,
            index: Index::new(entries),
            tags: vec![0; entries],
            contexts: vec![0; entries],
            marked: vec![false; entries],
            valid: vec![0; sets * valid_words],
            valid_words,
            count: vec![0; sets],
            words: vec![word; sets],
        }
    }

    #[inline]
    fn tag_of(&self, entry: usize) -> Tag {
        Tag { tag: self.tags[entry], context: self.contexts[entry] }
    }

    /// The valid ways of a set.
    fn valid(&self, set: usize) -> &[u64] {
        &self.valid[set * self.valid_words..][..self.valid_words]
    }
}

impl Store for Indexed {
    type Set<'a> = Open<'a>;

    #[inline]
    fn set(&mut self, set: usize) -> Open<'_> {
        Open { first: set * self.ways, store: self, set }
    }

    #[inline]
    fn find(&self, set: usize, tag: Tag) -> Option<usize> {
        let first = set * self.ways;
        let is =
            |entry: usize| self.tag_of(entry) == tag && (first..first + self.ways).contains(&entry);
        self.index.find(set, tag, is).map(|entry| entry - first)
    }

    fn tag(&self, set: usize, way: usize) -> Option<Tag> {
        let valid = self.valid(set)[way / 64] >> (way % 64) & 1 != 0;
        valid.then(|| self.tag_of(set * self.ways + way))
    }

    fn is_empty(&self, set: usize) -> bool {
        self.count[set] == 0
    }

    fn marked(&self, set: usize, way: usize) -> bool {
        self.marked[set * self.ways + way]
    }

    #[inline]
    fn prefetch(&self, set: usize, tag: Tag) {
        self.index.prefetch(set, tag);
    }

    #[inline]
    fn stride(&self) -> usize {
        self.ways
    }
}

/// A set in use.
pub(super) struct Open<'a> {
    store: &'a mut Indexed,
    set: usize,
    /// The first way's entry.
    first: usize,
}

impl Set for Open<'_> {
    #[inline]
    fn find(&self, tag: Tag) -> Option<usize> {
        self.store.find(self.set, tag)
    }

    #[inline]
    fn empty(&self) -> Option<usize> {
        if self.store.count[self.set] as usize == self.store.ways {
            return None;
        }
        let words = self.store.valid(self.set).iter().enumerate();
        let mut empty = words.filter(|(_, word)| **word != u64::MAX);
        empty.next().map(|(k, word)| 64 * k + word.trailing_ones() as usize)
    }

    #[inline]
    fn word(&mut self) -> &mut u64 {
        &mut self.store.words[self.set]
    }

    #[inline]
    fn marked(&self, way: usize) -> Option<Tag> {
        let entry = self.first + way;
        self.store.marked[entry].then(|| self.store.tag_of(entry))
    }

    #[inline]
    fn put(&mut self, way: usize, tag: Tag, mark: bool) {
        let (store, entry) = (&mut *self.store, self.first + way);
        let valid = &mut store.valid[self.set * store.valid_words + way / 64];
        if *valid >> (way % 64) & 1 != 0 {
            store.index.remove(entry);
        } else {
            *valid |= 1 << (way % 64);
            store.count[self.set] += 1;
        }
        store.tags[entry] = tag.tag;
        store.contexts[entry] = tag.context;
        store.marked[entry] = mark;
        store.index.insert(self.set, tag, entry);
    }

    #[inline]
    fn mark(&mut self, way: usize, mark: bool) {
        self.store.marked[self.first + way] |= mark;
    }

    fn clear(&mut self, way: usize) {
        let (store, entry) = (&mut *self.store, self.first + way);
        store.index.remove(entry);
        store.marked[entry] = false;
        store.valid[self.set * store.valid_words + way / 64] &= !(1 << (way % 64));
        store.count[self.set] -= 1;
    }
}
