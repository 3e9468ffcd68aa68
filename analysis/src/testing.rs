//! Sources and halves whose every step is known, for the tests of what drives them.

use model::outcome::{Outcome, Outcomes};
use tracegen::batch::Batch;
use tracegen::error::TraceError;
use tracegen::record::{Access, Event};
use tracegen::source::Source;

use crate::pipeline::{FunctionHalf, TimeHalf};

/// Accesses 0, 1, 2… in batches of varying size, an event between them.
pub struct Counting {
    next: u64,
    total: u64,
}

impl Counting {
    pub fn new(total: u64) -> Self {
        Self { next: 0, total }
    }
}

impl Source for Counting {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        batch.clear();
        let size = 1 + self.next % 37;
        for _ in 0..size.min(self.total - self.next) {
            batch.push_access(Access { addr: self.next << 12, ..Access::default() });
            self.next += 1;
        }
        batch.push_event(0, Event::Exec);
        Ok(batch.accesses() > 0)
    }
}

/// Passes every address on as an outcome's site; fails at `fails`.
pub struct Echo {
    pub fails: Option<u64>,
}

impl FunctionHalf for Echo {
    fn process(&mut self, batch: &Batch, outcomes: &mut Outcomes) -> Result<(), String> {
        for &addr in &batch.addr {
            if Some(addr >> 12) == self.fails {
                return Err("it broke".to_owned());
            }
            outcomes.list.push(Outcome { site: addr >> 12, ..Outcome::default() });
        }
        Ok(())
    }

    fn finish(&mut self, outcomes: &mut Outcomes) {
        outcomes.list.push(Outcome { site: u64::MAX, ..Outcome::default() });
    }
}

/// Keeps what it sees.
#[derive(Default)]
pub struct Keep {
    sites: Vec<u64>,
    finished: bool,
}

impl TimeHalf for Keep {
    fn process(&mut self, outcomes: &Outcomes) {
        self.sites.extend(outcomes.list.iter().map(|outcome| outcome.site));
    }

    fn finish(&mut self) {
        self.finished = true;
    }
}

impl Keep {
    /// It has seen the first `accesses` of [`Counting`] in order, and the end.
    pub fn assert_complete(&self, accesses: u64) {
        assert!(self.sites.iter().copied().eq((0..accesses).chain([u64::MAX])));
        assert!(self.finished);
    }
}
