//! A set-associative structure as a list of sets, each a list of ways.

use std::collections::{BTreeMap, BTreeSet};

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
    /// log2 of the page in base pages, where that matters.
    pub order: u8,
}

/// A way that holds something.
#[derive(Debug, Clone)]
struct Way<V> {
    key: Key,
    value: V,
    /// When it was put in.
    filled: u64,
    /// When it was put in or found last; below zero for what was put in as the least recent.
    used: i64,
    /// How often it was put in or found, and when it was last.
    uses: (u64, u64),
    /// Whether it has been found.
    found: bool,
    /// RRIP's prediction.
    prediction: u8,
    /// SHiP's signature.
    signature: Option<u64>,
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
    /// the range's upper part.
    upper: BTreeMap<(usize, usize, usize), bool>,
    /// Bit pseudo-LRU and NRU: the ways of a set that have their bit set.
    bits: BTreeSet<(usize, usize)>,
    /// DIP and DRRIP: whether a leading set leads for the second policy, and how far ahead that is.
    leaders: BTreeMap<usize, bool>,
    ahead: i64,
    /// SHiP: the counters of the signatures that have one other than 1, and the site of the access.
    counters: BTreeMap<u64, u64>,
    site: u64,
    /// OPT: when what has been accessed is accessed next, where it is.
    next: Vec<(Key, u64)>,
}

/// The seed of the component called `name`: FNV-1a over the name, started from the run's seed.
pub fn seed_of(name: &str, run: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ run;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

/// The sets that lead, and whether for the second policy: of every `size` sets, the one whose place is
/// the number of the group leads for the first, and its mirror image for the second.
fn leaders(sets: usize, most: usize) -> BTreeMap<usize, bool> {
    let groups = most.min(sets / 4).max(1);
    let size = sets / groups;
    let mut leaders = BTreeMap::new();
    for group in 0..groups {
        let (place, mut mirror) = (group % size, size - 1 - group % size);
        if mirror == place && size > 1 {
            mirror += 1;
        }
        leaders.insert(group * size + mirror, true);
        leaders.insert(group * size + place, false);
    }
    leaders
}

impl<V> Sets<V> {
    /// An empty structure; `seed` is its own.
    pub fn new(entries: u64, ways: u64, policy: &Policy, seed: u64) -> Self {
        let ways = ways.max(1) as usize;
        let many = entries as usize / ways;
        let set = || (0..ways).map(|_| None).collect();
        Self {
            sets: (0..many).map(|_| set()).collect(),
            ways,
            policy: policy.clone(),
            now: 0,
            generator: Pcg32::new(seed, 0x0a02_bdbf_7bb3_c0a7),
            upper: BTreeMap::new(),
            bits: BTreeSet::new(),
            leaders: match policy {
                Policy::Dip(settings) => leaders(many, settings.leaders as usize),
                Policy::Drrip(settings) => leaders(many, settings.leaders as usize),
                _ => BTreeMap::new(),
            },
            ahead: 0,
            counters: BTreeMap::new(),
            site: 0,
            next: Vec::new(),
        }
    }

    /// What follows is done for an access from `site`.
    pub fn note_site(&mut self, site: u64) {
        self.site = site;
    }

    /// The program accesses `key`, and next when `next` says.
    pub fn foresee(&mut self, key: Key, next: u64) {
        if let Policy::Opt(_) = self.policy {
            self.next.retain(|(other, _)| *other != key);
            self.next.push((key, next));
        }
    }

    /// When `key` is accessed next.
    fn next_access(&self, key: Key) -> u64 {
        let known = self.next.iter().find(|(other, _)| *other == key);
        known.map_or(u64::MAX, |(_, next)| *next)
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
        self.reached(set, place);
        let signature = self.sets[set][place].as_ref().and_then(|way| way.signature);
        self.train(signature, true);
        let way = self.sets[set][place].as_mut()?;
        way.used = self.now as i64;
        way.uses = (way.uses.0 + 1, self.now);
        way.found = true;
        way.prediction = 0;
        Some(&mut way.value)
    }

    /// The value of `key`; looking is no use.
    pub fn peek(&mut self, key: Key) -> Option<&mut V> {
        let (set, place) = self.find(key)?;
        self.sets[set][place].as_mut().map(|way| &mut way.value)
    }

    /// Puts in `key`, which is not there; returns what had to go for it. The lowest empty way is filled
    /// first. `asked`: an access asked for it, and it is not what the level above writes back.
    pub fn put(&mut self, key: Key, value: V, asked: bool) -> Option<(Key, V)> {
        let set = self.set_of(key);
        let empty = self.sets[set].iter().position(Option::is_none);
        let place = empty.unwrap_or_else(|| self.victim(set));
        self.now += 1;
        self.reached(set, place);
        if let Some(Way { signature, found: false, .. }) = self.sets[set][place] {
            self.train(signature, false);
        }
        let signature = if asked { self.signature() } else { None };
        let (recent, prediction) = self.welcome(set, signature, asked);
        let now = self.now as i64;
        let way = Way {
            key,
            value,
            filled: self.now,
            used: if recent { now } else { -now },
            uses: (1, self.now),
            found: false,
            prediction,
            signature,
        };
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

    /// Every way that holds something: its set, its place and its key.
    #[cfg(test)]
    pub fn held(&self) -> Vec<(usize, usize, Key)> {
        let places = |set: usize| (0..self.ways).map(move |place| (set, place));
        let all = (0..self.sets.len()).flat_map(places);
        all.filter_map(|(set, place)| Some((set, place, self.sets[set][place].as_ref()?.key)))
            .collect()
    }

    /// RRIP's prediction of a use in the distant future.
    fn distant(&self) -> u8 {
        let bits = match &self.policy {
            Policy::Srrip(settings) => settings.bits,
            Policy::Brrip(settings) => settings.bits,
            Policy::Drrip(settings) => settings.bits,
            Policy::Ship(settings) => settings.bits,
            _ => 1,
        };
        (1 << bits) - 1
    }

    /// The way of a full set that has to go.
    fn victim(&mut self, set: usize) -> usize {
        let earliest = |time: fn(&Way<V>) -> i64| {
            let ways = self.sets[set].iter().flatten().map(time).enumerate();
            ways.min_by_key(|(_, time)| *time).map_or(0, |(place, _)| place)
        };
        match &self.policy {
            Policy::Lru(_) | Policy::Lip(_) | Policy::Bip(_) | Policy::Dip(_) => {
                earliest(|way| way.used)
            }
            Policy::Fifo(_) => earliest(|way| way.filled as i64),
            Policy::Random(_) => {
                ((u64::from(self.generator.next_u32()) * self.ways as u64) >> 32) as usize
            }
            Policy::Plru(_) => self.pointed_at(set, 0, self.ways),
            Policy::BitPlru(_) | Policy::Nru(_) => self.without_bit(set),
            Policy::Lfu(_) => {
                let ways = self.sets[set].iter().flatten().map(|way| way.uses).enumerate();
                ways.min_by_key(|(_, uses)| *uses).map_or(0, |(place, _)| place)
            }
            Policy::Srrip(_) | Policy::Brrip(_) | Policy::Drrip(_) | Policy::Ship(_) => {
                self.most_distant(set)
            }
            Policy::Opt(_) => {
                let ways = self.sets[set].iter().flatten().map(|way| self.next_access(way.key));
                let last = ways.clone().max();
                ways.map(Some).position(|next| next == last).unwrap_or(0)
            }
        }
    }

    /// What the bits of a set become when `place` is found or filled.
    fn reached(&mut self, set: usize, place: usize) {
        match self.policy {
            Policy::Plru(_) => self.point_away(set, place, 0, self.ways),
            Policy::Nru(_) => {
                self.bits.insert((set, place));
            }
            Policy::BitPlru(_) => {
                self.bits.insert((set, place));
                if (0..self.ways).all(|place| self.bits.contains(&(set, place))) {
                    self.bits.retain(|(other, way)| *other != set || *way == place);
                }
            }
            _ => {}
        }
    }

    /// How what is put into a set ranks: whether as the most recent, and its prediction.
    fn welcome(&mut self, set: usize, signature: Option<u64>, asked: bool) -> (bool, u8) {
        let (distant, policy) = (self.distant(), self.policy.clone());
        match policy {
            Policy::Lip(_) => (false, 0),
            Policy::Bip(settings) => (self.one_in(settings.throttle), 0),
            Policy::Dip(settings) => {
                let second = self.second(set, settings.psel_bits, asked);
                (!second || self.one_in(settings.throttle), 0)
            }
            Policy::Brrip(settings) => (true, distant - u8::from(self.one_in(settings.throttle))),
            Policy::Drrip(settings) => {
                let second = self.second(set, settings.psel_bits, asked);
                (true, distant - u8::from(!second || self.one_in(settings.throttle)))
            }
            Policy::Ship(_) => {
                let hopeless = signature.is_some_and(|signature| self.counter(signature) == 0);
                (true, distant - u8::from(!hopeless))
            }
            _ => (true, distant - 1),
        }
    }

    /// True by chance, once in so many times.
    fn one_in(&mut self, many: u32) -> bool {
        (u64::from(self.generator.next_u32()) * u64::from(many)) >> 32 == 0
    }

    /// Whether a set that misses follows the second policy. A miss in a leader's set brings the other
    /// policy forward; there are as many steps as a counter of `bits` bits has.
    fn second(&mut self, set: usize, bits: u8, asked: bool) -> bool {
        let half = 1i64 << (bits - 1);
        match self.leaders.get(&set) {
            None => self.ahead > 0,
            Some(second) => {
                let step = if *second { -1 } else { 1 };
                if asked {
                    self.ahead = (self.ahead + step).clamp(1 - half, half);
                }
                *second
            }
        }
    }

    /// SHiP's signature of the access: the site in parts of as many bits as number the counters, by
    /// exclusive or.
    fn signature(&self) -> Option<u64> {
        let Policy::Ship(settings) = &self.policy else { return None };
        let many = u64::from(settings.counters);
        if many == 1 {
            return Some(0);
        }
        let (mut site, mut signature) = (self.site, 0);
        while site > 0 {
            signature ^= site % many;
            site /= many;
        }
        Some(signature)
    }

    fn counter(&self, signature: u64) -> u64 {
        self.counters.get(&signature).copied().unwrap_or(1)
    }

    /// SHiP: what was brought in under `signature` has been found, or goes without that.
    fn train(&mut self, signature: Option<u64>, found: bool) {
        let (Some(signature), Policy::Ship(settings)) = (signature, &self.policy) else { return };
        let (count, most) = (self.counter(signature), (1 << settings.counter_bits) - 1);
        let count = if found { (count + 1).min(most) } else { count.saturating_sub(1) };
        self.counters.insert(signature, count);
    }

    /// The first way without its bit. With NRU all lose theirs where there is none.
    fn without_bit(&mut self, set: usize) -> usize {
        let bare = |bits: &BTreeSet<_>| (0..self.ways).find(|place| !bits.contains(&(set, *place)));
        if let Some(place) = bare(&self.bits) {
            return place;
        }
        self.bits.retain(|(other, _)| *other != set);
        0
    }

    /// RRIP: the first way that is predicted distant; until there is one, all become more so.
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

    /// Tree pseudo-LRU: in every range that has `place`, the victim is in the other part. The lower part
    /// has one way more where there is an odd number of them.
    fn point_away(&mut self, set: usize, place: usize, first: usize, many: usize) {
        if many < 2 {
            return;
        }
        let lower = many - many / 2;
        let is_lower = place < first + lower;
        self.upper.insert((set, first, many), is_lower);
        match is_lower {
            true => self.point_away(set, place, first, lower),
            false => self.point_away(set, place, first + lower, many - lower),
        }
    }

    fn pointed_at(&self, set: usize, first: usize, many: usize) -> usize {
        if many < 2 {
            return first;
        }
        let lower = many - many / 2;
        match self.upper.get(&(set, first, many)) {
            Some(true) => self.pointed_at(set, first + lower, many - lower),
            _ => self.pointed_at(set, first, lower),
        }
    }
}
