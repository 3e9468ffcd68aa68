//! What an access does to a set, whichever way the set is kept.

use super::{Name, Replacement};

/// One set of an array, in use.
pub(super) trait Set {
    /// What tells its entries apart.
    type Tag: Copy;
    /// The name of what has `tag` in the set with this number.
    fn name(number: usize, tag: Self::Tag) -> Name;
    /// The way that has `tag`.
    fn find(&self, tag: Self::Tag) -> Option<usize>;
    /// The lowest invalid way.
    fn empty(&self) -> Option<usize>;
    /// The policy's word.
    fn word(&mut self) -> &mut u64;
    /// Takes the mark off a valid way: its tag, where there was one.
    fn unmark(&mut self, way: usize) -> Option<Self::Tag>;
    /// Marks a valid way.
    fn mark(&mut self, way: usize);
    /// Puts `tag` into a way without a mark, which is valid if `over` says so.
    fn put(&mut self, way: usize, tag: Self::Tag, over: bool);
    /// Makes a valid way invalid, and takes its mark off.
    fn clear(&mut self, way: usize);
}

/// How an access to a set went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached<T> {
    /// The tag was there.
    Hit,
    /// It is in a way that was empty.
    Filled,
    /// It is in the way of another.
    Displaced,
    /// It is in the way of another, which was marked and had this tag.
    Marked(T),
}

/// The way of `tag`, which is used.
#[inline(always)]
pub(super) fn lookup<S: Set>(
    set: &mut S,
    policy: &mut impl Replacement,
    number: usize,
    tag: S::Tag,
) -> Option<usize> {
    let way = set.find(tag)?;
    policy.touch(set.word(), number, way);
    Some(way)
}

/// Puts in `tag`, which is not there; the way, and what was there.
#[inline(always)]
pub(super) fn fill<S: Set>(
    set: &mut S,
    policy: &mut impl Replacement,
    number: usize,
    tag: S::Tag,
) -> (usize, Reached<S::Tag>) {
    policy.entering(S::name(number, tag));
    if let Some(way) = set.empty() {
        policy.fill(set.word(), number, way);
        set.put(way, tag, false);
        return (way, Reached::Filled);
    }
    let way = policy.replace(set.word(), number);
    let reached = set.unmark(way).map_or(Reached::Displaced, Reached::Marked);
    set.put(way, tag, true);
    (way, reached)
}

/// As [`fill`], and marks it if `mark` says so.
#[inline(always)]
pub(super) fn fill_mark<S: Set>(
    set: &mut S,
    policy: &mut impl Replacement,
    number: usize,
    tag: S::Tag,
    mark: bool,
) -> Reached<S::Tag> {
    let (way, reached) = fill(set, policy, number, tag);
    if mark {
        set.mark(way);
    }
    reached
}

/// Uses `tag` where it is there, puts it in where it is not, and marks it if `mark` says so.
#[inline(always)]
pub(super) fn access<S: Set>(
    set: &mut S,
    policy: &mut impl Replacement,
    number: usize,
    tag: S::Tag,
    mark: bool,
) -> Reached<S::Tag> {
    let Some(way) = lookup(set, policy, number, tag) else {
        return fill_mark(set, policy, number, tag, mark);
    };
    if mark {
        set.mark(way);
    }
    Reached::Hit
}

/// Marks `tag` where it is there, without a use, and puts it in, marked, where it is not.
#[inline(always)]
pub(super) fn write<S: Set>(
    set: &mut S,
    policy: &mut impl Replacement,
    number: usize,
    tag: S::Tag,
) -> Reached<S::Tag> {
    let Some(way) = set.find(tag) else {
        policy.written();
        return fill_mark(set, policy, number, tag, true);
    };
    set.mark(way);
    Reached::Hit
}

/// Uses `tag` where it is there, and puts it in where it is not; the way.
#[inline(always)]
pub(super) fn insert<S: Set>(
    set: &mut S,
    policy: &mut impl Replacement,
    number: usize,
    tag: S::Tag,
) -> (usize, Reached<S::Tag>) {
    match lookup(set, policy, number, tag) {
        Some(way) => (way, Reached::Hit),
        None => fill(set, policy, number, tag),
    }
}
