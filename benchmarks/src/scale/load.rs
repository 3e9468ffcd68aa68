//! The traces: made while they are used, in constant memory, on a thread of their own.

use std::sync::mpsc::{Receiver, sync_channel};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tracegen::batch::{BATCH_ACCESSES, Batch};
use tracegen::record::{Access, Event};

use super::Point;
use crate::stream::BASE;

/// The page that memory is laid out by.
pub const PAGE: u64 = 4096;

/// Accesses of a process before the next one runs.
const TURN: u64 = 256;

/// How a trace goes over its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// Word after word, again from the start when the end is reached.
    Sequential,
    /// Random words of random pages.
    Uniform,
    /// Random words of pages of which the n-th in popularity is read in proportion to 1/n.
    Zipf,
    /// One word of each page, none mapped before.
    FirstTouch,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Self; 4] = [Self::Sequential, Self::Uniform, Self::Zipf, Self::FirstTouch];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Uniform => "uniform",
            Self::Zipf => "zipf",
            Self::FirstTouch => "first-touch",
        }
    }
}

/// Makes the addresses of one process, from 0.
struct Addresses {
    pattern: Pattern,
    footprint: u64,
    next: u64,
    random: Pcg64Mcg,
}

impl Addresses {
    fn next(&mut self) -> u64 {
        let pages = (self.footprint / PAGE).max(1);
        self.next += 1;
        match self.pattern {
            Pattern::Sequential => (self.next - 1) * 8 % self.footprint,
            Pattern::FirstTouch => (self.next - 1) % pages * PAGE,
            Pattern::Uniform => self.random.random_range(0..self.footprint) & !7,
            Pattern::Zipf => {
                let share: f64 = self.random.random();
                let rank = (pages as f64).powf(share) as u64;
                // Popular pages lie anywhere: an odd factor permutes a power of two.
                let page = rank.wrapping_mul(0x9E37_79B9_7F4A_7C15) % pages.next_power_of_two();
                page % pages * PAGE + self.random.random_range(0..PAGE / 8) * 8
            }
        }
    }
}

/// The trace of `point`, in batches. It starts in the middle of a run: every process is there.
pub fn trace(point: Point) -> Receiver<Batch> {
    let (sender, receiver) = sync_channel(4);
    std::thread::spawn(move || {
        let mut batch = Batch::new();
        let mut addresses = Addresses {
            pattern: point.pattern,
            footprint: point.footprint / point.processes,
            next: 0,
            random: Pcg64Mcg::seed_from_u64(1),
        };
        for access in 0..point.accesses {
            if point.processes > 1 && access % TURN == 0 {
                let process = (access / TURN % point.processes) as u32;
                batch.push_event(0, Event::Switch { process });
            }
            batch.push_access(Access {
                addr: BASE + addresses.next(),
                size: 8,
                gap: 3,
                ..Access::default()
            });
            if batch.accesses() == BATCH_ACCESSES
                && sender.send(std::mem::replace(&mut batch, Batch::new())).is_err()
            {
                return;
            }
        }
        // Nobody is left to tell if nobody listens.
        let _ = sender.send(batch);
    });
    receiver
}
