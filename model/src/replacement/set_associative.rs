//! A set-associative array of keys under any policy.

use super::compared::{Block, Compared, Eight, Four, Sixteen};
use super::indexed::Indexed;
use super::keys::{Geometry, Key, Keys, Tag};
use super::ranking::Ranking;
use super::{Policy, Replacement, SetIndex, Shape, lru, plru, store};

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

impl Inserted {
    #[inline(always)]
    pub(super) fn new<T>(entry: usize, reached: store::Reached<T>) -> Self {
        match reached {
            store::Reached::Hit => Self::There(entry),
            store::Reached::Filled => Self::Filled(entry),
            store::Reached::Displaced | store::Reached::Marked(_) => Self::Displaced(entry),
        }
    }
}

/// A set-associative array of keys. What belongs to a key its owner keeps by the number of the key's
/// entry, which stays while the key does and is below [`entries`](Self::entries). One bit is kept here:
/// an entry can be marked.
///
/// Invalid ways are filled first, the lowest one first. Keys are within the [`Geometry`].
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct SetAssociative {
    store: Store,
    keys: Keys,
    sets: usize,
    ways: usize,
}

/// The sets, by how many ways they have and what is worth an array of its own: least recently used in
/// general, and tree pseudo-LRU in sets of the size that first-level caches have. All others share arrays.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
#[repr(u8)]
enum Store {
    LruFour(Compared<Four, lru::Few>),
    LruEight(Compared<Eight, lru::Few>),
    LruSixteen(Compared<Sixteen, lru::Few>),
    PlruEight(Compared<Eight, plru::Few>),
    Four(Compared<Four, Ranking>),
    Eight(Compared<Eight, Ranking>),
    Sixteen(Compared<Sixteen, Ranking>),
    Indexed(Indexed),
}

/// Evaluates an expression for the store, whichever it is; one of its own for the indexed one, which takes
/// tags as they are where blocks take them as a word.
macro_rules! each {
    ($store:expr, $blocks:ident => $body:expr, $indexed:ident => $other:expr) => {
        match $store {
            Store::LruFour($blocks) => $body,
            Store::LruEight($blocks) => $body,
            Store::LruSixteen($blocks) => $body,
            Store::PlruEight($blocks) => $body,
            Store::Four($blocks) => $body,
            Store::Eight($blocks) => $body,
            Store::Sixteen($blocks) => $body,
            Store::Indexed($indexed) => $other,
        }
    };
    ($store:expr, $any:ident => $body:expr) => {
        each!($store, $any => $body, $any => $body)
    };
}

impl Store {
    fn new(policy: &Policy, shape: Shape, bits: u32, seed: u64) -> Self {
        let Shape { sets, ways } = shape;
        let ranking = || Ranking::new(policy, shape, seed);
        if bits > u64::BITS || ways > Sixteen::WAYS {
            return Self::Indexed(Indexed::new(sets, ways, ranking()));
        }
        match policy {
            Policy::Lru(settings) => {
                let policy = lru::Few::new(settings, shape, seed);
                match ways {
                    ..=4 => Self::LruFour(Compared::new(sets, ways, bits, policy)),
                    5..=8 => Self::LruEight(Compared::new(sets, ways, bits, policy)),
                    _ => Self::LruSixteen(Compared::new(sets, ways, bits, policy)),
                }
            }
            Policy::Plru(settings) if (5..=8).contains(&ways) => {
                let policy = plru::Few::new(settings, shape, seed);
                Self::PlruEight(Compared::new(sets, ways, bits, policy))
            }
            _ => match ways {
                ..=4 => Self::Four(Compared::new(sets, ways, bits, ranking())),
                5..=8 => Self::Eight(Compared::new(sets, ways, bits, ranking())),
                _ => Self::Sixteen(Compared::new(sets, ways, bits, ranking())),
            },
        }
    }
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
        let store = Store::new(policy, Shape { sets, ways }, keys.tag_bits, seed);
        Ok(Self { store, keys, sets, ways })
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

    /// The program accesses `key`, and does so next at `next`, or never (`u64::MAX`): a policy that
    /// [asks for it](Policy::asks_next_use) has to be told before every access, whether or not that comes
    /// here.
    pub fn foresee(&mut self, key: Key, next: u64) {
        let (set, tag) = self.keys.split(key);
        let word = self.keys.pack(tag);
        each!(&mut self.store,
            blocks => blocks.foresee(set, word, next),
            indexed => indexed.foresee(set, tag, next));
    }

    /// What follows until the next call is done for an access from `site`: a policy that
    /// [asks for it](Policy::asks_site) has to be told.
    pub fn site(&mut self, site: u64) {
        each!(&mut self.store, store => store.site(site));
    }

    /// What is put in next comes from the level above, which has displaced it: no access asked for it.
    /// [`write`](Self::write) implies it.
    pub fn written(&mut self) {
        each!(&mut self.store, store => store.written());
    }

    /// The entry of `key`, which becomes its set's latest use and is marked if `mark` says so.
    #[inline]
    pub fn lookup(&mut self, key: Key, mark: bool) -> Option<usize> {
        let (set, tag) = self.keys.split(key);
        let word = self.keys.pack(tag);
        each!(&mut self.store,
            blocks => blocks.lookup(set, word, mark),
            indexed => indexed.lookup(set, tag, mark))
    }

    /// A look-up of `key` that puts it in where it is not there. A hit is a use. The entry is marked if
    /// `mark` says so.
    #[inline]
    pub fn access(&mut self, key: Key, mark: bool) -> Reached {
        let (set, tag) = self.keys.split(key);
        let word = self.keys.pack(tag);
        let reached = each!(&mut self.store,
            blocks => blocks.access(set, word, mark),
            indexed => return self.keys.reached_tag(set, indexed.access(set, tag, mark)));
        self.keys.reached(set, reached)
    }

    /// Marks `key` without a use where it is there, and puts it in, marked, where it is not.
    #[inline]
    pub fn write(&mut self, key: Key) -> Reached {
        let (set, tag) = self.keys.split(key);
        let word = self.keys.pack(tag);
        let reached = each!(&mut self.store,
            blocks => blocks.write(set, word),
            indexed => return self.keys.reached_tag(set, indexed.write(set, tag)));
        self.keys.reached(set, reached)
    }

    /// Puts in `key`, which the caller knows is not there, and marks it if `mark` says so.
    #[inline]
    pub fn fill(&mut self, key: Key, mark: bool) -> Reached {
        let (set, tag) = self.keys.split(key);
        let word = self.keys.pack(tag);
        let reached = each!(&mut self.store,
            blocks => blocks.fill(set, word, mark),
            indexed => return self.keys.reached_tag(set, indexed.fill(set, tag, mark)));
        self.keys.reached(set, reached)
    }

    /// Puts in `key` where it is not there; a use where it is.
    #[inline]
    pub fn insert(&mut self, key: Key) -> Inserted {
        let (set, tag) = self.keys.split(key);
        let word = self.keys.pack(tag);
        each!(&mut self.store,
            blocks => blocks.insert(set, word),
            indexed => indexed.insert(set, tag))
    }

    /// The entry of `key`, without a use.
    #[inline]
    pub fn probe(&self, key: Key) -> Option<usize> {
        let (set, tag) = self.keys.split(key);
        let word = self.keys.pack(tag);
        each!(&self.store, blocks => blocks.find(set, word), indexed => indexed.find(set, tag))
    }

    /// Whether the entry of `key` is marked, where it is there; without a use.
    pub fn marked(&self, key: Key) -> Option<bool> {
        let entry = self.probe(key)?;
        Some(each!(&self.store, store => store.marked(entry)))
    }

    /// Marks the entry of `key`, without a use; whether it was there.
    #[inline]
    pub fn mark(&mut self, key: Key) -> bool {
        let (set, tag) = self.keys.split(key);
        let word = self.keys.pack(tag);
        each!(&mut self.store, blocks => blocks.mark(set, word), indexed => indexed.mark(set, tag))
    }

    /// Makes the way of `key` invalid; where it was valid, whether it was marked.
    pub fn invalidate(&mut self, key: Key) -> Option<bool> {
        let (set, tag) = self.keys.split(key);
        let word = self.keys.pack(tag);
        each!(&mut self.store,
            blocks => blocks.invalidate(set, word),
            indexed => indexed.invalidate(set, tag))
    }

    /// The tag of a way, where that is valid.
    fn tag(&self, set: usize, way: usize) -> Option<Tag> {
        each!(&self.store,
            blocks => blocks.tag(set, way).map(|word| self.keys.unpack(word)),
            indexed => indexed.tag(set, way))
    }

    /// Makes every way invalid whose key `keep` does not want; returns how many.
    pub fn retain(&mut self, mut keep: impl FnMut(Key) -> bool) -> u64 {
        let mut cleared = 0;
        for set in 0..self.sets {
            if each!(&self.store, store => store.is_empty(set)) {
                continue;
            }
            for way in 0..self.ways {
                if self.tag(set, way).is_some_and(|tag| !keep(self.keys.join(set, tag))) {
                    each!(&mut self.store, store => store.clear(set, way));
                    cleared += 1;
                }
            }
        }
        cleared
    }

    /// Every valid way: its set, its way, its key and its entry's number, in that order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, Key, usize)> {
        let stride = each!(&self.store, store => store.stride());
        let places = (0..self.sets).flat_map(|set| (0..self.ways).map(move |way| (set, way)));
        places.filter_map(move |(set, way)| {
            let key = self.keys.join(set, self.tag(set, way)?);
            Some((set, way, key, set * stride + way))
        })
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
        if self.tag(set, way).is_some() {
            return Err(PlaceError::Taken { set, way });
        }
        let stored = Tag { tag, context };
        let key = self.keys.join(set, stored);
        if self.probe(key).is_some() {
            return Err(PlaceError::Duplicate { set, tag });
        }
        let word = self.keys.pack(stored);
        Ok(each!(&mut self.store,
            blocks => blocks.place(set, way, word),
            indexed => indexed.place(set, way, stored)))
    }
}

impl Keys {
    /// What has been reached in `set`, with the number of a key instead of a tag's word.
    #[inline(always)]
    fn reached(&self, set: usize, reached: store::Reached<u64>) -> Reached {
        match reached {
            store::Reached::Hit => Reached::Hit,
            store::Reached::Filled => Reached::Filled,
            store::Reached::Displaced => Reached::Displaced,
            store::Reached::Marked(word) => {
                Reached::Marked(self.join(set, self.unpack(word)).number)
            }
        }
    }

    /// The same, instead of a tag.
    fn reached_tag(&self, set: usize, reached: store::Reached<Tag>) -> Reached {
        match reached {
            store::Reached::Hit => Reached::Hit,
            store::Reached::Filled => Reached::Filled,
            store::Reached::Displaced => Reached::Displaced,
            store::Reached::Marked(tag) => Reached::Marked(self.join(set, tag).number),
        }
    }
}
