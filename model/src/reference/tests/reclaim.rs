//! Every reclaim policy and its plain form on streams of many kinds, in memories from one page on: the same
//! victims, found after looking at as many pages.

use crate::os::reclaim::{Page, Policy as Fast, Reclaim, ReclaimPolicy, Touch, Victim};
use crate::reference::reclaim::{self, Policy};

use super::dice::Dice;

/// How many memories a policy is tried in.
const MEMORIES: u64 = 400;

/// Policies with parameters from one end to the other.
const PARAMETERS: [&str; 17] = [
    "{ policy = \"clock\", insert_referenced = false, bits = 3 }",
    "{ policy = \"nfu\", tick = 50 }",
    "{ policy = \"nfu\", tick = 1000000 }",
    "{ policy = \"aging\", bits = 1, tick = 10 }",
    "{ policy = \"aging\", bits = 16, tick = 100 }",
    "{ policy = \"wsclock\", tau = 1 }",
    "{ policy = \"wsclock\", tau = 100 }",
    "{ policy = \"2q\", kin = 0, kout = 0 }",
    "{ policy = \"2q\", kin = 1, kout = 3 }",
    "{ policy = \"2q\", kin = 0.4, kout = 0.7 }",
    "{ policy = \"s3fifo\", small = 0.5, ghost = 2, threshold = 1 }",
    "{ policy = \"s3fifo\", small = 0, ghost = 0, threshold = 3 }",
    "{ policy = \"s3fifo\", small = 1, threshold = 5 }",
    "{ policy = \"s3fifo\", small = 0.4, fill_main = true }",
    "{ policy = \"lirs\", hir = 0 }",
    "{ policy = \"lirs\", hir = 0.3 }",
    "{ policy = \"lirs\", hir = 1 }",
];

/// Every policy as it is without parameters, and those with [`PARAMETERS`].
fn settings() -> impl Iterator<Item = ReclaimPolicy> {
    #[derive(serde::Deserialize)]
    struct Wrapper {
        policy: ReclaimPolicy,
    }
    let read = |text| toml::from_str::<Wrapper>(&format!("policy = {text}")).unwrap().policy;
    ReclaimPolicy::all().chain(PARAMETERS.map(read))
}

/// A memory under a policy and its plain form.
struct Memory {
    fast: Fast,
    plain: Box<dyn Policy>,
    /// The page in each frame.
    frames: Vec<Option<u64>>,
    evictions: u64,
}

impl Memory {
    fn new(setting: ReclaimPolicy, capacity: usize) -> Self {
        Self {
            fast: Fast::new(&setting, capacity),
            plain: reclaim::policy(setting, capacity as u64),
            frames: vec![None; capacity],
            evictions: 0,
        }
    }

    fn held(&self) -> usize {
        self.frames.iter().flatten().count()
    }

    fn resize(&mut self) {
        self.fast.resize(self.held());
        self.plain.resize(self.held() as u64);
    }

    fn evict(&mut self) -> Option<usize> {
        let (victim, plain) = (self.fast.evict(), self.plain.evict());
        let same = plain.map(|(frame, scanned)| Victim { frame: frame as u32, scanned });
        assert_eq!(victim, same, "eviction {}", self.evictions);
        self.evictions += 1;
        let frame = victim?.frame as usize;
        assert!(self.frames[frame].take().is_some(), "frame {frame} is free");
        Some(frame)
    }

    /// Brings `page` in; its frame.
    fn bring_in(&mut self, page: u64) -> usize {
        let name = Page::new(0, page);
        self.fast.admit(name);
        self.plain.admit(name);
        let frame = self.frames.iter().position(Option::is_none).unwrap_or_else(|| {
            self.resize();
            self.evict().expect("a full memory has a victim")
        });
        self.frames[frame] = Some(page);
        self.fast.insert(frame as u32, name);
        self.plain.insert(frame as u64, name);
        frame
    }

    fn touch(&mut self, frame: usize, touch: Touch) {
        self.fast.touch(frame as u32, touch);
        self.plain.touch(frame as u64, touch);
    }

    fn take_out(&mut self, page: u64) {
        match self.frames.iter().position(|held| *held == Some(page)) {
            Some(frame) => {
                self.frames[frame] = None;
                self.fast.remove(frame as u32);
                self.plain.remove(frame as u64);
            }
            None => {
                self.fast.forget(Page::new(0, page));
                self.plain.forget(Page::new(0, page));
            }
        }
    }
}

/// A page of a stream: skewed, uniform, a loop, a scan with a loop in it, or phases.
fn page(kind: u64, now: u64, pages: u64, dice: &mut Dice) -> u64 {
    match kind {
        0 => {
            let most = 1 + dice.below(pages);
            let most = 1 + dice.below(most);
            dice.below(most)
        }
        1 => dice.below(pages),
        2 => now % pages,
        3 if dice.percent(50) => 1000 + now,
        3 => now % (1 + pages / 2),
        _ => dice.below(1 + pages / 3) + now / 97 % 3 * pages / 3,
    }
}

fn run(setting: ReclaimPolicy, case: u64) -> u64 {
    let mut dice = Dice::new(case);
    let capacity = if case.is_multiple_of(3) { 1 + dice.below(4) } else { 1 + dice.below(64) };
    let pages = 1 + dice.below(capacity * 3 + 3);
    let kind = dice.below(5);
    // Half of the memories see faults and hits alone.
    let disturbed = dice.percent(50);
    let mut memory = Memory::new(setting, capacity as usize);
    for now in 0..600 {
        let wanted = page(kind, now, pages, &mut dice);
        match if disturbed { dice.below(40) } else { 40 } {
            0 => memory.take_out(wanted),
            1 => {
                // A page table needs a frame.
                memory.resize();
                memory.evict();
            }
            2 if !memory.frames.contains(&Some(wanted)) => {
                // Read ahead.
                memory.bring_in(wanted);
            }
            3 => {
                let frame = dice.below(capacity);
                memory.fast.dirtied(frame as u32);
                memory.plain.dirtied(frame);
            }
            _ => {}
        }
        let found = memory.frames.iter().position(|held| *held == Some(wanted));
        let frame = found.unwrap_or_else(|| memory.bring_in(wanted));
        let next_use = Some(dice.below(1000)).filter(|next| *next < 900);
        memory.touch(frame, Touch { write: dice.percent(30), retry: found.is_none(), next_use });
        assert_eq!(memory.fast.len(), memory.held(), "after {now}");
    }
    memory.evictions
}

#[test]
fn policies_and_their_plain_forms_agree() {
    for setting in settings() {
        let mut evictions = 0;
        for case in 0..MEMORIES {
            let run = std::panic::catch_unwind(|| run(setting, case));
            evictions += run.unwrap_or_else(|_| panic!("{setting:?}, memory {case}"));
        }
        assert!(evictions > 20_000, "{setting:?}: {evictions}");
    }
}
