//! Any reclaim policy over the whole range of memory sizes, by miniature simulation (Waldspurger, Saemundsson,
//! Ahmad and Park, USENIX ATC 2017): a sample of the pages at rate r goes through memories that are r times
//! smaller. The policies are the model's own, told what the model's kernel tells them without a TLB; at a
//! rate of 1 the memories are not scaled and nothing is estimated.
//!
//! As long as a memory has not been full, most policies do not depend on its size. So there is one without
//! end, and each size is a copy of it from the moment on at which it is full: sizes that are never full cost
//! nothing.

use std::collections::HashMap;

use model::os::reclaim::{Page, Policy, Reclaim, ReclaimPolicy, Touch};
use tracegen::batch::Batch;
use tracegen::record::{AccessKind, ProcessId};

use super::estimate::GROUPS;
use super::hash::{limit, mix, rate, salt};
use super::keys::{Running, Stream, last};

/// A frame that no page has.
const ABSENT: u32 = u32::MAX;
/// The most sampled pages.
const MOST: usize = 1 << 30;
/// Uses that are read ahead of, all of them together, before they are taken.
const AHEAD: usize = 32;

/// A policy as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// What results call it.
    pub label: String,
    /// The policy.
    pub setting: ReclaimPolicy,
}

impl Choice {
    /// Reads a policy as a configuration writes it: a name, or a table with parameters.
    ///
    /// # Errors
    /// What is wrong, with the names that there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        struct Wrapper {
            policy: ReclaimPolicy,
        }
        let text = text.trim();
        let value = match text.starts_with('{') {
            true => text.to_owned(),
            false => toml::Value::from(text).to_string(),
        };
        let read: Result<Wrapper, _> = toml::from_str(&format!("policy = {value}"));
        match read {
            Ok(Wrapper { policy }) => Ok(Self { label: text.to_owned(), setting: policy }),
            Err(error) => Err(error.message().to_owned()),
        }
    }

    /// Whether it is exact LRU, which needs no simulation.
    pub fn is_lru(&self) -> bool {
        matches!(self.setting, ReclaimPolicy::Lru(_))
    }
}

/// One memory under a policy.
#[derive(Debug, Clone)]
struct Memory {
    policy: Policy,
    /// The frame of each page, by its slot.
    frames: Vec<u32>,
    /// The slot of the page in each frame.
    pages: Vec<u32>,
    capacity: usize,
    /// Misses by the group of the page.
    misses: [u64; GROUPS],
}

/// A use of a sampled page.
#[derive(Debug, Clone, Copy)]
struct Use {
    slot: u32,
    group: usize,
    page: Page,
    touch: Touch,
}

impl Memory {
    fn new(setting: &ReclaimPolicy, capacity: usize) -> Self {
        Self {
            policy: Policy::new(setting, capacity),
            frames: Vec::new(),
            pages: Vec::new(),
            capacity,
            misses: [0; GROUPS],
        }
    }

    /// Reads what `uses` will read, so that the host waits for all of it at once.
    fn warm(&self, uses: &[Use]) {
        let near = |used: &Use| match self.frames.get(used.slot as usize) {
            Some(&frame) if frame != ABSENT => self.policy.near(frame),
            _ => self.policy.near_page(used.page),
        };
        std::hint::black_box(uses.iter().fold(0, |sum, used| sum ^ near(used)));
    }

    #[inline]
    fn take(&mut self, used: Use) {
        let slot = used.slot as usize;
        match self.frames.get(slot) {
            Some(&frame) if frame != ABSENT => self.policy.touch(frame, used.touch),
            _ => self.fault(used),
        }
    }

    fn fault(&mut self, used: Use) {
        let slot = used.slot as usize;
        self.misses[used.group] += 1;
        if slot >= self.frames.len() {
            self.frames.resize(slot + 1, ABSENT);
        }
        self.policy.admit(used.page);
        let victim = if self.pages.len() < self.capacity { None } else { self.policy.evict() };
        let frame = match victim {
            Some(victim) => {
                let page = std::mem::replace(&mut self.pages[victim.frame as usize], used.slot);
                self.frames[page as usize] = ABSENT;
                victim.frame
            }
            None => {
                self.pages.push(used.slot);
                self.pages.len() as u32 - 1
            }
        };
        self.frames[slot] = frame;
        self.policy.insert(frame, used.page);
        self.policy.touch(frame, Touch { retry: true, ..used.touch });
    }
}

/// The memories of one policy, by ascending capacity: those that are full, and one without end for the others.
/// A policy that fills memory by its size has one for each size from the start.
#[derive(Debug)]
struct Ladder {
    full: Vec<Memory>,
    endless: Memory,
}

impl Ladder {
    fn new(setting: &ReclaimPolicy, capacities: &[usize]) -> Self {
        let sizes = if setting.fills_by_size() { capacities } else { &[] };
        let full = sizes.iter().map(|capacity| Memory::new(setting, *capacity)).collect();
        Self { full, endless: Memory::new(setting, usize::MAX) }
    }

    fn take(&mut self, uses: &[Use], capacities: &[usize]) {
        let full = self.full.len();
        for memory in &mut self.full {
            memory.warm(uses);
            uses.iter().for_each(|used| memory.take(*used));
        }
        if full == capacities.len() {
            return;
        }
        self.endless.warm(uses);
        for used in uses {
            // Those that have become full since.
            for memory in &mut self.full[full..] {
                memory.take(*used);
            }
            if self.full.len() < capacities.len() {
                self.endless.take(*used);
                self.copy_full(capacities);
            }
        }
    }

    fn copy_full(&mut self, capacities: &[usize]) {
        while capacities.get(self.full.len()) == Some(&self.endless.pages.len()) {
            let mut memory = self.endless.clone();
            memory.capacity = memory.pages.len();
            memory.policy.resize(memory.capacity);
            self.full.push(memory);
        }
    }
}

/// The slot of a sampled page, and its group.
type Sampled = (u32, usize);

/// Memories of several sizes under several policies.
#[derive(Debug)]
pub struct MiniSimulation {
    shift: u32,
    stream: Stream,
    running: Running,
    seed: u64,
    limit: u64,
    slots: HashMap<(u64, ProcessId), u32>,
    /// The latest page, and what is sampled of it.
    latest: Option<(ProcessId, u64, Option<Sampled>)>,
    capacities: Vec<usize>,
    ladders: Vec<Ladder>,
    /// Fewer than [`AHEAD`] uses that have not been taken.
    ahead: Vec<Use>,
    references: u64,
}

/// The frames that a memory of `size` pages has in a simulation at `rate`.
pub fn scaled(size: u64, rate: f64) -> usize {
    // Beyond the range of usize it saturates.
    (size as f64 * rate).round() as usize
}

impl MiniSimulation {
    /// Empty memories of `sizes`, which ascend, for pages of 2^`shift` bytes. Each size has a frame at
    /// least at that rate.
    pub fn new(
        policies: &[ReclaimPolicy],
        sizes: &[u64],
        sample: f64,
        (shift, stream): (u32, Stream),
        seed: u64,
    ) -> Self {
        let limit = limit(sample);
        let capacities: Vec<usize> =
            sizes.iter().map(|size| scaled(*size, rate(limit)).max(1)).collect();
        Self {
            shift,
            stream,
            running: Running::default(),
            seed,
            limit,
            slots: HashMap::new(),
            latest: None,
            ladders: policies.iter().map(|policy| Ladder::new(policy, &capacities)).collect(),
            capacities,
            ahead: Vec::with_capacity(AHEAD),
            references: 0,
        }
    }

    /// References so far, sampled or not.
    pub fn references(&self) -> u64 {
        self.references
    }

    /// The rate.
    pub fn rate(&self) -> f64 {
        rate(self.limit)
    }

    /// Sampled pages.
    pub fn keys(&self) -> usize {
        self.slots.len()
    }

    /// Takes the accesses of a batch.
    ///
    /// # Errors
    /// There are more pages than can be told apart.
    pub fn process(&mut self, batch: &Batch) -> Result<(), String> {
        let mut running = std::mem::take(&mut self.running);
        // A page's shift is below 64.
        let mut uses = batch.next_use(self.shift as u8).iter();
        let done = running.sections(batch, |process, range| {
            let salt = salt(self.seed, process);
            for at in range {
                let (addr, kind) = (batch.addr[at], batch.kind[at]);
                for number in addr >> self.shift..=last(addr, batch.size[at], self.shift) {
                    // Uses are numbered over all streams.
                    let next_use = uses.next().copied();
                    if self.stream.has(kind) {
                        let write = kind == AccessKind::Store;
                        self.reference(
                            process,
                            number,
                            salt,
                            Touch { write, retry: false, next_use },
                        );
                    }
                }
            }
            Ok(())
        });
        self.running = running;
        self.flush();
        if self.slots.len() > MOST {
            return Err(
                "the sample holds more pages than can be told apart; take a lower --sample rate"
                    .to_owned(),
            );
        }
        done
    }

    #[inline]
    fn reference(&mut self, process: ProcessId, number: u64, salt: u64, touch: Touch) {
        self.references += 1;
        let sampled = match self.latest {
            Some((before, latest, sampled)) if before == process && latest == number => sampled,
            _ => {
                let sampled = self.find(process, mix(number, salt));
                self.latest = Some((process, number, sampled));
                sampled
            }
        };
        if let Some((slot, group)) = sampled {
            let page = Page::new(process, number);
            self.ahead.push(Use { slot, group, page, touch });
            if self.ahead.len() == AHEAD {
                self.flush();
            }
        }
    }

    /// Takes the uses that have been gathered.
    fn flush(&mut self) {
        let Self { ladders, ahead, capacities, .. } = self;
        ladders.iter_mut().for_each(|ladder| ladder.take(ahead, capacities));
        ahead.clear();
    }

    #[inline]
    fn find(&mut self, process: ProcessId, hash: u64) -> Option<Sampled> {
        if hash > self.limit {
            return None;
        }
        // Fewer than 2^30, which is looked at after every batch.
        let next = self.slots.len() as u32;
        Some((*self.slots.entry((hash, process)).or_insert(next), hash as usize % GROUPS))
    }

    /// For each policy, at each size: the misses of the sampled pages of each group.
    pub fn misses(&self) -> Vec<Vec<[u64; GROUPS]>> {
        let of = |ladder: &Ladder| {
            let memory = |place: usize| ladder.full.get(place).unwrap_or(&ladder.endless).misses;
            (0..self.capacities.len()).map(memory).collect()
        };
        self.ladders.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::exact::Exact;
    use crate::curve::keys::Consumer;
    use tracegen::record::Access;

    fn batch(pages: &[u64]) -> Batch {
        let mut batch = Batch::new();
        for page in pages {
            batch.push_access(Access { addr: page << 12, size: 8, ..Access::default() });
        }
        batch
    }

    fn named(policy: &str) -> ReclaimPolicy {
        ReclaimPolicy::named(policy).unwrap()
    }

    fn faults(setting: ReclaimPolicy, sizes: &[u64], pages: &[u64]) -> Vec<u64> {
        let mut mini = MiniSimulation::new(&[setting], sizes, 1.0, (12, Stream::Data), 1);
        mini.process(&batch(pages)).unwrap();
        assert_eq!(mini.references(), pages.len() as u64);
        mini.misses()[0].iter().map(|groups| groups.iter().sum()).collect()
    }

    /// The textbooks' strings: Belady's anomaly (1969), and Silberschatz, section 10.4.
    #[test]
    fn the_textbook_strings() {
        let belady = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5];
        assert_eq!(faults(named("fifo"), &[1, 3, 4, 5, 6], &belady), [12, 9, 10, 5, 5]);
        let silberschatz = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];
        assert_eq!(faults(named("fifo"), &[3], &silberschatz), [15]);
        assert_eq!(faults(named("lru"), &[3], &silberschatz), [12]);
    }

    /// A memory that is copied when it is full is one that had its size from the start.
    #[test]
    fn lru_is_what_the_stack_says() {
        let mut state = 5u64;
        let pages: Vec<u64> = (0..20_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> (54 + (state >> 30) % 8)
            })
            .collect();
        let sizes = [1, 2, 3, 10, 100, 700, 1000, 1024, 5000];
        let mut exact = Exact::new(None, None);
        exact.take(0, &pages).unwrap();
        assert_eq!(faults(named("lru"), &sizes, &pages), exact.distances().misses(&sizes));
    }

    /// Nor does any other policy tell a copy from a memory that had its size from the start.
    #[test]
    fn every_size_is_as_if_it_were_alone() {
        let pages: Vec<u64> =
            (0..6000u64).map(|n| n * n * n % 1009 % (1 + n % 97) + n % 5).collect();
        let sizes = [1, 2, 5, 20, 60, 90, 200];
        let seers = |setting: &ReclaimPolicy| setting.needs_next_use();
        let all = ReclaimPolicy::all().filter(|setting| !seers(setting));
        let fills = Choice::parse("{ policy = \"s3fifo\", fill_main = true }").unwrap().setting;
        for setting in all.chain([fills]) {
            let alone = sizes.map(|size| {
                let mut memory = Memory::new(&setting, size as usize);
                for number in &pages {
                    let (page, touch) = (Page::new(0, *number), Touch::default());
                    memory.take(Use { slot: *number as u32, group: 0, page, touch });
                }
                memory.misses[0]
            });
            assert_eq!(faults(setting, &sizes, &pages), alone, "{setting:?}");
        }
    }

    #[test]
    fn choices_are_names_or_tables() {
        assert_eq!(Choice::parse("fifo").unwrap().setting, named("fifo"));
        let clock = Choice::parse("{ policy = \"clock\", bits = 2 }").unwrap();
        assert!(matches!(clock.setting, ReclaimPolicy::Clock(setting) if setting.bits == 2));
        assert!(Choice::parse("clok").unwrap_err().contains("did you mean `clock`"));
        assert!(Choice::parse("a\"b").is_err() && Choice::parse("").is_err());
    }
}
