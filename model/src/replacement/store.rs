//! What the arrays do, whichever way they keep their sets.

use super::keys::Tag;
use super::ranking::Ranking;

/// The sets of an array: the tags, which ways are valid, which are marked, and the policy's word.
pub(super) trait Store {
    /// One set.
    type Set<'a>: Set
    where
        Self: 'a;

    /// The set to be used or changed. `set` is below the number of sets.
    fn set(&mut self, set: usize) -> Self::Set<'_>;

    /// The way that has `tag`.
    fn find(&self, set: usize, tag: Tag) -> Option<usize>;

    /// The tag of a way, where that is valid.
    fn tag(&self, set: usize, way: usize) -> Option<Tag>;

    /// Whether no way of a set is valid.
    fn is_empty(&self, set: usize) -> bool;

    /// Whether a valid way is marked.
    fn marked(&self, set: usize, way: usize) -> bool;

    /// Has the host fetch what a look-up of `tag` reads first.
    fn prefetch(&self, set: usize, tag: Tag);

    /// The distance of sets in the numbers of their entries.
    fn stride(&self) -> usize;
}

/// One set of an array.
pub(super) trait Set {
    /// The way that has `tag`.
    fn find(&self, tag: Tag) -> Option<usize>;
    /// The lowest invalid way.
    fn empty(&self) -> Option<usize>;
    /// The policy's word.
    fn word(&mut self) -> &mut u64;
    /// The tag of a valid way, where that is marked.
    fn marked(&self, way: usize) -> Option<Tag>;
    /// Makes `way` valid with this tag and mark.
    fn put(&mut self, way: usize, tag: Tag, mark: bool);
    /// Marks a valid way if `mark` says so.
    fn mark(&mut self, way: usize, mark: bool);
    /// Makes a valid way invalid.
    fn clear(&mut self, way: usize);
}

/// What putting in an entry did to the way that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Displaced {
    /// It was empty.
    Nothing,
    /// It had another entry.
    Clean,
    /// It had a marked entry, with this tag.
    Marked(Tag),
}

/// Puts in `tag`, which is not there; the way, and what was there.
#[inline]
pub(super) fn fill(
    mut set: impl Set,
    ranking: &mut Ranking,
    number: usize,
    tag: Tag,
    mark: bool,
) -> (usize, Displaced) {
    let (way, displaced) = match set.empty() {
        Some(way) => {
            ranking.fill(set.word(), number, way);
            (way, Displaced::Nothing)
        }
        None => {
            let way = ranking.replace(set.word(), number);
            (way, set.marked(way).map_or(Displaced::Clean, Displaced::Marked))
        }
    };
    set.put(way, tag, mark);
    (way, displaced)
}
