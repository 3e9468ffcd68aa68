//! Reclaim policies alone: references of a million pages whose popularity is zipfian, in a memory for an eighth
//! of them that is full. What a reference costs beside its policy is two look-ups in an array. As in miniature
//! simulation, what some references need is read for all of them together.

use std::hint::black_box;

use model::os::reclaim::{Page, Policy, Reclaim, ReclaimPolicy, Touch};
use tracegen::workloads::sample::{Random, Zipf};

use crate::{Case, Round};

const PAGES: u64 = 1 << 20;
const FRAMES: usize = 1 << 17;
/// References that fill the memory.
const BEFORE: usize = 1 << 19;
/// References that are measured.
const DURING: usize = 1 << 17;
/// References whose needs are read together.
const AHEAD: usize = 32;

const NONE: u32 = u32::MAX;

pub(super) fn cases() -> Vec<Case> {
    ReclaimPolicy::NAMES.iter().copied().map(case).collect()
}

fn case(name: &'static str) -> Case {
    Case::new(format!("policy/{name}"), DURING as u64, move || {
        let setting = ReclaimPolicy::named(name).expect("the policy exists");
        let references = references();
        let mut memory = Memory {
            policy: Policy::new(&setting, FRAMES),
            frames: vec![NONE; PAGES as usize],
            pages: Vec::with_capacity(FRAMES),
        };
        let (before, during) = references.split_at(BEFORE);
        memory.run(before);
        let during = during.to_vec();
        let round: Round = Box::new(move || memory.run(&during));
        round
    })
}

/// A page, and when it is referenced next.
type Reference = (u32, Option<u64>);

fn references() -> Vec<Reference> {
    let mut random = Random::new("policy", 1);
    let mut by_rank: Vec<u32> = (0..PAGES as u32).collect();
    random.shuffle(&mut by_rank);
    let zipf = Zipf::new(PAGES, 0.99);
    let pages = (0..BEFORE + DURING).map(|_| by_rank[zipf.draw(&mut random) as usize]);
    let mut references: Vec<Reference> = pages.map(|page| (page, None)).collect();
    let mut next = vec![None; PAGES as usize];
    for (now, (page, next_use)) in references.iter_mut().enumerate().rev() {
        *next_use = next[*page as usize].replace(now as u64);
    }
    references
}

/// A memory of [`FRAMES`] frames.
struct Memory {
    policy: Policy,
    /// The frame of each page.
    frames: Vec<u32>,
    /// The page in each frame.
    pages: Vec<u32>,
}

impl Memory {
    fn run(&mut self, references: &[Reference]) {
        for references in references.chunks(AHEAD) {
            black_box(references.iter().fold(0, |sum, (page, _)| sum ^ self.near(*page)));
            for &(page, next_use) in references {
                let found = self.frames[page as usize];
                let frame = if found == NONE { self.bring_in(page) } else { found };
                self.policy.touch(frame, Touch { write: false, retry: found == NONE, next_use });
            }
        }
        black_box(&self.policy);
    }

    fn near(&self, page: u32) -> u64 {
        match self.frames[page as usize] {
            NONE => self.policy.near_page(Page::new(0, page.into())),
            frame => self.policy.near(frame),
        }
    }

    fn bring_in(&mut self, page: u32) -> u32 {
        let name = Page::new(0, page.into());
        self.policy.admit(name);
        let frame = if self.pages.len() < FRAMES {
            self.pages.push(page);
            self.pages.len() as u32 - 1
        } else {
            let victim = self.policy.evict().expect("memory is full").frame;
            let gone = std::mem::replace(&mut self.pages[victim as usize], page);
            self.frames[gone as usize] = NONE;
            victim
        };
        self.frames[page as usize] = frame;
        self.policy.insert(frame, name);
        frame
    }
}
