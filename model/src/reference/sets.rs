//! A set-associative structure as a list of sets, each a list of ways.

use std::collections::BTreeMap;

use rand::Rng;
use rand_pcg::Pcg32;
use tracegen::record::ProcessId;

use crate::replacement::Policy;

/// What an entry is found by. The set is `number` modulo the number of sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The page's or line's number.
    pub number: u64,
    /// The process, where that matters.
    pub process: ProcessId,
}

/// A way that holds something.
#[derive(Debug, Clone)]
struct Way<V> {
    key: Key,
    value: V,
    /// When it was put in.
    filled: u64,
    /// When it was put in or found last.
    used: u64,
    /// SRRIP's prediction.
    prediction: u8,
}

/// A set-associative structure.
#[derive(Debug, Clone)]
pub struct Sets<V> {
    sets: Vec<Vec<Option<Way<V>>>>,
    ways: usize,
    policy: Policy,
    /// Counts fills and uses.
    now: u64,
    generator: Pcg32,
    /// Tree pseudo-LRU: for a set and a range of its ways (first, how many), whether the victim is in
    /// the range's upper half.
    upper: BTreeMap<(usize, usize, usize), bool>,
}

/// The seed of the component called `name`: FNV-1a over the name, started from the run's seed.
pub fn seed_of(name: &str, run: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ run;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

impl<V> Sets<V> {
    /// An empty structure; `seed` is its own.
    pub fn new(entries: u64, ways: u64, policy: &Policy, seed: u64) -> Self {
        let ways = ways.max(1) as usize;
        let set = || (0..ways).map(|_| None).collect();
        Self {
            sets: (0..entries as usize / ways).map(|_| set()).collect(),
            ways,
            policy: policy.clone(),
            now: 0,
            generator: Pcg32::new(seed, 0x0a02_bdbf_7bb3_c0a7),
            upper: BTreeMap::new(),
        }
    }

    fn set_of(&self, key: Key) -> usize {
        (key.number % self.sets.len() as u64) as usize
    }

    fn find(&self, key: Key) -> Option<(usize, usize)> {
        let set = self.set_of(key);
        let way = self.sets[set].iter().position(|way| matches!(way, Some(w) if w.key == key))?;
        Some((set, way))
    }

    /// The value of `key`; looking is a use.
    pub fn look_up(&mut self, key: Key) -> Option<&mut V> {
        let (set, place) = self.find(key)?;
        self.now += 1;
        if let Policy::Plru(_) = self.policy {
            self.point_away(set, place, 0, self.ways);
        }
        let way = self.sets[set][place].as_mut()?;
        way.used = self.now;
        way.prediction = 0;
        Some(&mut way.value)
    }

    /// The value of `key`; looking is no use.
    pub fn peek(&mut self, key: Key) -> Option<&mut V> {
        let (set, place) = self.find(key)?;
        self.sets[set][place].as_mut().map(|way| &mut way.value)
    }

    /// Puts in `key`, which is not there; returns what had to go for it. The lowest empty way is filled
    /// first.
    pub fn put(&mut self, key: Key, value: V) -> Option<(Key, V)> {
        let set = self.set_of(key);
        let empty = self.sets[set].iter().position(Option::is_none);
        let place = empty.unwrap_or_else(|| self.victim(set));
        self.now += 1;
        if let Policy::Plru(_) = self.policy {
            self.point_away(set, place, 0, self.ways);
        }
        let now = self.now;
        let prediction = self.distant().saturating_sub(1);
        let way = Way { key, value, filled: now, used: now, prediction };
        self.sets[set][place].replace(way).map(|old| (old.key, old.value))
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: Key) -> Option<V> {
        let (set, place) = self.find(key)?;
        self.sets[set][place].take().map(|way| way.value)
    }

    /// Takes everything out that `what` says.
    pub fn remove_where(&mut self, what: impl Fn(Key) -> bool) {
        for place in self.sets.iter_mut().flatten() {
            if matches!(place, Some(way) if what(way.key)) {
                *place = None;
            }
        }
    }

    /// SRRIP's prediction of a use in the distant future.
    fn distant(&self) -> u8 {
        match &self.policy {
            Policy::Srrip(settings) => (1 << settings.bits) - 1,
            _ => 0,
        }
    }

    /// The way of a full set that has to go.
    fn victim(&mut self, set: usize) -> usize {
        let earliest = |time: fn(&Way<V>) -> u64| {
            let ways = self.sets[set].iter().flatten().map(time).enumerate();
            ways.min_by_key(|(_, time)| *time).map_or(0, |(place, _)| place)
        };
        match &self.policy {
            Policy::Lru(_) => earliest(|way| way.used),
            Policy::Fifo(_) => earliest(|way| way.filled),
            Policy::Random(_) => {
                ((u64::from(self.generator.next_u32()) * self.ways as u64) >> 32) as usize
            }
            Policy::Plru(_) => self.pointed_at(set, 0, self.ways),
            Policy::Srrip(_) => self.most_distant(set),
        }
    }

    /// SRRIP: the first way that is predicted distant; until there is one, all become more so.
    fn most_distant(&mut self, set: usize) -> usize {
        let distant = self.distant();
        loop {
            let mut ways = self.sets[set].iter().flatten();
            if let Some(place) = ways.position(|way| way.prediction == distant) {
                return place;
            }
            self.sets[set].iter_mut().flatten().for_each(|way| way.prediction += 1);
        }
    }

    /// Tree pseudo-LRU: in every range that has `place`, the victim is in the other half.
    fn point_away(&mut self, set: usize, place: usize, first: usize, many: usize) {
        if many < 2 {
            return;
        }
        let middle = first + many / 2;
        self.upper.insert((set, first, many), place < middle);
        self.point_away(set, place, if place < middle { first } else { middle }, many / 2);
    }

    fn pointed_at(&self, set: usize, first: usize, many: usize) -> usize {
        if many < 2 {
            return first;
        }
        let upper = self.upper.get(&(set, first, many)).copied().unwrap_or(false);
        self.pointed_at(set, if upper { first + many / 2 } else { first }, many / 2)
    }
}
