//! A set-associative array of keys under any policy.

use super::compared::{Compared, Eight, Four, Sixteen};
use super::indexed::Indexed;
use super::keys::{Geometry, Key, Keys, Tag};
use super::ranking::Ranking;
use super::store::{Displaced, Set, Store, fill};
use super::{Policy, SetIndex, Shape};

/// Why an entry cannot be put where [`SetAssociative::place`] is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There is no such set.
    #[error("there is no set {set}: there are {sets}")]
    Set {
        /// The set asked for.
        set: usize,
        /// How many there are.
        sets: usize,
    },
    /// There is no such way.
    #[error("there is no way {way}: there are {ways}")]
    Way {
        /// The way asked for.
        way: usize,
        /// How many there are.
        ways: usize,
    },
    /// No address that the machine has gives this tag.
    #[error("tag {tag:#x} is larger than any address of the machine gives")]
    Tag {
        /// The tag.
        tag: u64,
    },
    /// The way is taken.
    #[error("set {set} way {way} is taken already")]
    Taken {
        /// The set.
        set: usize,
        /// The way.
        way: usize,
    },
    /// The set has the tag in another way.
    #[error("set {set} has tag {tag:#x} already")]
    Duplicate {
        /// The set.
        set: usize,
        /// The tag.
        tag: u64,
    },
}

/// How an access to an array went that fills what it misses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// The key was there.
    Hit,
    /// It was not, and an empty way has it.
    Filled,
    /// It was not, and it has displaced an entry without a mark.
    Displaced,
    /// It was not, and it has displaced a marked entry whose key has this number.
    Marked(u64),
}

/// Where an entry has been put, as its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// Where the key was already.
    There(usize),
    /// In an empty way.
    Filled(usize),
    /// In the place of another.
    Displaced(usize),
}

/// A set-associative array of keys. What belongs to a key its owner keeps by the number of the key's
/// entry, which stays while the key does and is below [`entries`](Self::entries). One bit is kept here:
/// an entry can be marked.
///
/// Invalid ways are filled first, the lowest one first. Keys are within the [`Geometry`].
#[derive(Debug, Clone)]
pub struct SetAssociative {
    keys: Keys,
    ranking: Ranking,
    sets: usize,
    ways: usize,
    store: Stores,
}

/// The sets, as their size asks for.
#[derive(Debug, Clone)]
enum Stores {
    Four(Compared<Four>),
    Eight(Compared<Eight>),
    Sixteen(Compared<Sixteen>),
    Indexed(Indexed),
}

macro_rules! each {
    ($self:expr, $store:ident => $body:expr) => {
        match $self {
            Stores::Four($store) => $body,
            Stores::Eight($store) => $body,
            Stores::Sixteen($store) => $body,
            Stores::Indexed($store) => $body,
        }
    };
}

impl SetAssociative {
    /// An empty array. `seed` is the structure's own (see [`component_seed`](super::component_seed)).
    ///
    /// # Errors
    /// Where the policy cannot rank that many ways.
    pub fn new(policy: &Policy, geometry: Geometry, seed: u64) -> Result<Self, String> {
        policy.check(geometry.ways)?;
        let keys = Keys::new(geometry);
        let (sets, ways) = (geometry.sets.max(1) as usize, geometry.ways.max(1) as usize);
        let ranking = Ranking::new(policy, Shape { sets, ways }, seed);
        let (packing, word) = (keys.packing, ranking.start());
        let store = match ways {
            1..=4 => Stores::Four(Compared::new(sets, ways, packing, word)),
            5..=8 => Stores::Eight(Compared::new(sets, ways, packing, word)),
            9..=16 => Stores::Sixteen(Compared::new(sets, ways, packing, word)),
            _ => Stores::Indexed(Indexed::new(sets, ways, word)),
        };
        Ok(Self { keys, ranking, sets, ways, store })
    }

    /// How numbers are split into set and tag.
    pub fn index(&self) -> SetIndex {
        self.keys.index
    }

    /// The number of ways.
    pub fn ways(&self) -> usize {
        self.ways
    }

    /// Above the number of every entry.
    pub fn entries(&self) -> usize {
        self.sets * each!(&self.store, store => store.stride())
    }

    /// The entry of `key`, which becomes its set's latest use.
    #[inline]
    pub fn lookup(&mut self, key: Key) -> Option<usize> {
        let (set, tag) = self.keys.split(key);
        let ranking = &mut self.ranking;
        each!(&mut self.store, store => lookup(store, ranking, set, tag, false))
    }

    /// As [`lookup`](Self::lookup); where the key is there, its entry is marked if `mark` says so.
    #[inline]
    pub fn lookup_mark(&mut self, key: Key, mark: bool) -> bool {
        let (set, tag) = self.keys.split(key);
        let ranking = &mut self.ranking;
        each!(&mut self.store, store => lookup(store, ranking, set, tag, mark).is_some())
    }

    /// A look-up of `key` that puts it in where it is not there. A hit is a use. The entry is marked if
    /// `mark` says so.
    #[inline]
    pub fn access(&mut self, key: Key, mark: bool) -> Reached {
        let (set, tag) = self.keys.split(key);
        let ranking = &mut self.ranking;
        let displaced = each!(&mut self.store, store => {
            if lookup(store, ranking, set, tag, mark).is_some() {
                return Reached::Hit;
            }
            fill(store.set(set), ranking, set, tag, mark).1
        });
        self.reached(set, displaced)
    }

    /// Marks `key` without a use where it is there, and puts it in, marked, where it is not.
    #[inline]
    pub fn write(&mut self, key: Key) -> Reached {
        let (set, tag) = self.keys.split(key);
        let ranking = &mut self.ranking;
        let displaced = each!(&mut self.store, store => {
            let mut open = store.set(set);
            if let Some(way) = open.find(tag) {
                open.mark(way, true);
                return Reached::Hit;
            }
            fill(open, ranking, set, tag, true).1
        });
        self.reached(set, displaced)
    }

    /// Puts in `key`, which the caller knows is not there.
    #[inline]
    pub fn fill(&mut self, key: Key, mark: bool) -> Reached {
        let (set, tag) = self.keys.split(key);
        let ranking = &mut self.ranking;
        let displaced =
            each!(&mut self.store, store => fill(store.set(set), ranking, set, tag, mark).1);
        self.reached(set, displaced)
    }

    #[inline]
    fn reached(&self, set: usize, displaced: Displaced) -> Reached {
        match displaced {
            Displaced::Nothing => Reached::Filled,
            Displaced::Clean => Reached::Displaced,
            Displaced::Marked(tag) => Reached::Marked(self.keys.join(set, tag).number),
        }
    }

    /// Puts in `key` where it is not there; a use where it is.
    #[inline]
    pub fn insert(&mut self, key: Key) -> Inserted {
        let (set, tag) = self.keys.split(key);
        let ranking = &mut self.ranking;
        each!(&mut self.store, store => {
            if let Some(entry) = lookup(store, ranking, set, tag, false) {
                return Inserted::There(entry);
            }
            let (way, displaced) = fill(store.set(set), ranking, set, tag, false);
            let entry = set * store.stride() + way;
            match displaced {
                Displaced::Nothing => Inserted::Filled(entry),
                _ => Inserted::Displaced(entry),
            }
        })
    }

    /// The entry of `key`, without a use.
    #[inline]
    pub fn probe(&self, key: Key) -> Option<usize> {
        let (set, tag) = self.keys.split(key);
        each!(&self.store, store => Some(set * store.stride() + store.find(set, tag)?))
    }

    /// Whether the entry of `key` is marked, where it is there; without a use.
    pub fn marked(&self, key: Key) -> Option<bool> {
        let (set, tag) = self.keys.split(key);
        each!(&self.store, store => Some(store.marked(set, store.find(set, tag)?)))
    }

    /// Marks the entry of `key`, without a use; whether it was there.
    #[inline]
    pub fn mark(&mut self, key: Key) -> bool {
        let (set, tag) = self.keys.split(key);
        each!(&mut self.store, store => {
            let mut open = store.set(set);
            let way = open.find(tag);
            way.inspect(|way| open.mark(*way, true)).is_some()
        })
    }

    /// Has the host fetch what a look-up of `key` reads first.
    #[inline]
    pub fn prefetch(&self, key: Key) {
        let (set, tag) = self.keys.split(key);
        each!(&self.store, store => store.prefetch(set, tag));
    }

    /// Makes the way of `key` invalid; whether it was valid.
    pub fn invalidate(&mut self, key: Key) -> bool {
        let (set, tag) = self.keys.split(key);
        each!(&mut self.store, store => {
            let mut open = store.set(set);
            let way = open.find(tag);
            way.inspect(|way| open.clear(*way)).is_some()
        })
    }

    /// Makes every way invalid whose key `keep` does not want; returns how many.
    pub fn retain(&mut self, mut keep: impl FnMut(Key) -> bool) -> u64 {
        let (keys, mut cleared) = (self.keys, 0);
        each!(&mut self.store, store => {
            for set in 0..self.sets {
                if store.is_empty(set) {
                    continue;
                }
                for way in 0..self.ways {
                    if store.tag(set, way).is_some_and(|tag| !keep(keys.join(set, tag))) {
                        store.set(set).clear(way);
                        cleared += 1;
                    }
                }
            }
        });
        cleared
    }

    /// Every valid way: its set, its way, its key and its entry's number, in that order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, Key, usize)> {
        (0..self.sets).flat_map(move |set| (0..self.ways).map(move |way| (set, way))).filter_map(
            |(set, way)| {
                let (tag, stride) =
                    each!(&self.store, store => (store.tag(set, way)?, store.stride()));
                Some((set, way, self.keys.join(set, tag), set * stride + way))
            },
        )
    }

    /// Puts an entry in a set and way of the caller's choice, as if it had just been filled; returns its
    /// number.
    ///
    /// # Errors
    /// Where there is no such place, the place is taken, or no address of the machine has such a tag.
    pub fn place(
        &mut self,
        set: usize,
        way: usize,
        tag: u64,
        context: u32,
    ) -> Result<usize, PlaceError> {
        if set >= self.sets {
            return Err(PlaceError::Set { set, sets: self.sets });
        }
        if way >= self.ways {
            return Err(PlaceError::Way { way, ways: self.ways });
        }
        if !self.keys.exists(set, tag) {
            return Err(PlaceError::Tag { tag });
        }
        let stored = Tag { tag, context };
        let ranking = &mut self.ranking;
        each!(&mut self.store, store => {
            if store.tag(set, way).is_some() {
                return Err(PlaceError::Taken { set, way });
            }
            if store.find(set, stored).is_some() {
                return Err(PlaceError::Duplicate { set, tag });
            }
            let mut open = store.set(set);
            ranking.fill(open.word(), set, way);
            open.put(way, stored, false);
            Ok(set * store.stride() + way)
        })
    }
}

/// The entry of `tag`, which is used, and marked if `mark` says so.
#[inline]
fn lookup<S: Store>(
    store: &mut S,
    ranking: &mut Ranking,
    set: usize,
    tag: Tag,
    mark: bool,
) -> Option<usize> {
    let stride = store.stride();
    let mut open = store.set(set);
    let way = open.find(tag)?;
    ranking.touch(open.word(), set, way);
    open.mark(way, mark);
    Some(set * stride + way)
}
