//! Sets of more ways than are compared at once, or with tags of more than a word: the tags of all sets
//! behind one index.

use super::index::Index;
use super::keys::Tag;
use super::ranking::Ranking;
use super::store::{self, Reached, Set};
use super::{Inserted, Name, Replacement};

/// The sets of an array behind an index. Sets are the caller's to keep in range.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Indexed {
    policy: Ranking,
    entries: Entries,
}

/// The entries of all sets.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
struct Entries {
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

impl Entries {
    fn new(sets: usize, ways: usize, word: u64) -> Self {
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

    /// The way of `tag`.
    #[inline]
    fn find(&self, set: usize, tag: Tag) -> Option<usize> {
        let first = set * self.ways;
        let is =
            |entry: usize| self.tag_of(entry) == tag && (first..first + self.ways).contains(&entry);
        self.index.find(set, tag, is).map(|entry| entry - first)
    }
}

impl Indexed {
    /// `sets` empty sets of `ways` ways, fewer than 2^31 in all.
    pub fn new(sets: usize, ways: usize, policy: Ranking) -> Self {
        Self { entries: Entries::new(sets, ways, policy.start()), policy }
    }

    /// The distance of sets in the numbers of their entries.
    pub fn stride(&self) -> usize {
        self.entries.ways
    }

    /// As [`Replacement::written`].
    pub fn written(&mut self) {
        self.policy.written();
    }

    /// As [`Replacement::foresee`], of what has `tag`.
    pub fn foresee(&mut self, set: usize, tag: Tag, next: u64) {
        let (open, policy) = self.open(set);
        policy.foresee(Open::name(set, tag), open.find(tag), next);
    }

    /// As [`Replacement::site`].
    pub fn site(&mut self, site: u64) {
        self.policy.site(site);
    }

    /// The set to be used, and what uses it.
    #[inline]
    fn open(&mut self, set: usize) -> (Open<'_>, &mut Ranking) {
        let Self { entries, policy } = self;
        (Open { first: set * entries.ways, entries, set }, policy)
    }

    /// The entry of `tag`, which is used, and marked if `mark` says so.
    #[inline(never)]
    pub fn lookup(&mut self, set: usize, tag: Tag, mark: bool) -> Option<usize> {
        let (mut open, policy) = self.open(set);
        let way = store::lookup(&mut open, policy, set, tag)?;
        if mark {
            open.mark(way);
        }
        Some(open.first + way)
    }

    /// As [`store::access`].
    #[inline(never)]
    pub fn access(&mut self, set: usize, tag: Tag, mark: bool) -> Reached<Tag> {
        let (mut open, policy) = self.open(set);
        store::access(&mut open, policy, set, tag, mark)
    }

    /// As [`store::write`].
    #[inline(never)]
    pub fn write(&mut self, set: usize, tag: Tag) -> Reached<Tag> {
        let (mut open, policy) = self.open(set);
        store::write(&mut open, policy, set, tag)
    }

    /// As [`store::fill_mark`].
    #[inline(never)]
    pub fn fill(&mut self, set: usize, tag: Tag, mark: bool) -> Reached<Tag> {
        let (mut open, policy) = self.open(set);
        store::fill_mark(&mut open, policy, set, tag, mark)
    }

    /// As [`store::insert`].
    #[inline(never)]
    pub fn insert(&mut self, set: usize, tag: Tag) -> Inserted {
        let (mut open, policy) = self.open(set);
        let (way, reached) = store::insert(&mut open, policy, set, tag);
        Inserted::new(open.first + way, reached)
    }

    /// The entry of `tag`, without a use.
    pub fn find(&self, set: usize, tag: Tag) -> Option<usize> {
        self.entries.find(set, tag).map(|way| set * self.entries.ways + way)
    }

    /// Marks the entry of `tag`, without a use; whether it is there.
    pub fn mark(&mut self, set: usize, tag: Tag) -> bool {
        let (mut open, _) = self.open(set);
        let way = open.find(tag);
        way.inspect(|way| open.mark(*way)).is_some()
    }

    /// Makes the entry of `tag` invalid; whether it was valid, and marked.
    pub fn invalidate(&mut self, set: usize, tag: Tag) -> Option<bool> {
        let (mut open, _) = self.open(set);
        let way = open.find(tag)?;
        let marked = open.unmark(way).is_some();
        open.clear(way);
        Some(marked)
    }

    /// Whether no way of a set is valid.
    pub fn is_empty(&self, set: usize) -> bool {
        self.entries.count[set] == 0
    }

    /// The tag of a way, where that is valid.
    pub fn tag(&self, set: usize, way: usize) -> Option<Tag> {
        let entries = &self.entries;
        let valid = entries.valid(set)[way / 64] >> (way % 64) & 1 != 0;
        valid.then(|| entries.tag_of(set * entries.ways + way))
    }

    /// Whether an entry is marked.
    pub fn marked(&self, entry: usize) -> bool {
        self.entries.marked[entry]
    }

    /// Makes a valid way invalid.
    pub fn clear(&mut self, set: usize, way: usize) {
        self.open(set).0.clear(way);
    }

    /// Puts `tag` into an invalid way, as if that had just been filled; the entry.
    pub fn place(&mut self, set: usize, way: usize, tag: Tag) -> usize {
        let (mut open, policy) = self.open(set);
        policy.entering(Open::name(set, tag));
        policy.fill(open.word(), set, way);
        open.put(way, tag, false);
        open.first + way
    }
}

/// A set in use.
struct Open<'a> {
    entries: &'a mut Entries,
    set: usize,
    /// The first way's entry.
    first: usize,
}

impl Set for Open<'_> {
    type Tag = Tag;

    #[inline]
    fn name(set: usize, Tag { tag, context }: Tag) -> Name {
        Name { set, tag, context }
    }

    #[inline]
    fn find(&self, tag: Tag) -> Option<usize> {
        self.entries.find(self.set, tag)
    }

    #[inline]
    fn empty(&self) -> Option<usize> {
        if self.entries.count[self.set] as usize == self.entries.ways {
            return None;
        }
        let words = self.entries.valid(self.set).iter().enumerate();
        let mut empty = words.filter(|(_, word)| **word != u64::MAX);
        empty.next().map(|(k, word)| 64 * k + word.trailing_ones() as usize)
    }

    #[inline]
    fn word(&mut self) -> &mut u64 {
        &mut self.entries.words[self.set]
    }

    #[inline]
    fn unmark(&mut self, way: usize) -> Option<Tag> {
        let entry = self.first + way;
        let marked = std::mem::take(&mut self.entries.marked[entry]);
        marked.then(|| self.entries.tag_of(entry))
    }

    #[inline]
    fn mark(&mut self, way: usize) {
        self.entries.marked[self.first + way] = true;
    }

    #[inline]
    fn put(&mut self, way: usize, tag: Tag, over: bool) {
        let (entries, entry) = (&mut *self.entries, self.first + way);
        if over {
            entries.index.remove(entry);
        } else {
            entries.valid[self.set * entries.valid_words + way / 64] |= 1 << (way % 64);
            entries.count[self.set] += 1;
        }
        entries.tags[entry] = tag.tag;
        entries.contexts[entry] = tag.context;
        entries.index.insert(self.set, tag, entry);
    }

    fn clear(&mut self, way: usize) {
        let (entries, entry) = (&mut *self.entries, self.first + way);
        entries.index.remove(entry);
        entries.marked[entry] = false;
        entries.valid[self.set * entries.valid_words + way / 64] &= !(1 << (way % 64));
        entries.count[self.set] -= 1;
    }
}
