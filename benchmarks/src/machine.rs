//! The machines that the cases build, and how they are driven.

use std::hint::black_box;
use std::path::Path;

use analysis::machine;
use model::config::Config;
use model::function::Simulator;
use model::outcome::Outcomes;
use model::time::Timing;
use tracegen::batch::Batch;

use crate::Round;

/// Settings over a machine, as `--set` has them.
pub type Sets<'a> = &'a [(&'a str, &'a str)];

/// The preset `skylake` with `sets`.
pub fn skylake(sets: Sets<'_>) -> Config {
    machine::load("skylake", sets).unwrap_or_else(|error| panic!("{error}"))
}

/// A machine with nothing but what `text` gives it.
pub fn bare(text: &str) -> Config {
    let text = format!("name = \"bare\"\n{text}");
    let none: Sets<'_> = &[];
    machine::load_text("bare", &text, Path::new(""), none).unwrap_or_else(|error| panic!("{error}"))
}

/// The function half of a machine, with room for its outcomes.
pub struct Function {
    simulator: Simulator,
    outcomes: Outcomes,
}

impl Function {
    /// The machine as it starts.
    pub fn new(config: &Config) -> Self {
        let simulator = Simulator::new(config, 1).unwrap_or_else(|error| panic!("{error}"));
        Self { simulator, outcomes: Outcomes::default() }
    }

    /// The machine with the pages of `batches` mapped.
    pub fn prefaulted(config: &Config, batches: &[Batch]) -> Self {
        let mut function = Self::new(config);
        for batch in batches {
            function.simulator.prefault(batch).expect("the pages are noted");
        }
        function.simulator.prefaulted().expect("memory holds the pages");
        function
    }

    /// Takes `batches`.
    pub fn run(&mut self, batches: &[Batch]) {
        for batch in batches {
            self.outcomes.clear();
            let done = self.simulator.process(batch, &mut self.outcomes);
            done.unwrap_or_else(|error| panic!("{error}"));
            black_box(&self.outcomes);
        }
    }

    /// Takes `batches` and keeps what the time half has to know of each.
    pub fn outcomes(&mut self, batches: &[Batch]) -> Vec<Outcomes> {
        let mut all = Vec::new();
        for batch in batches {
            let mut outcomes = Outcomes::default();
            let done = self.simulator.process(batch, &mut outcomes);
            done.unwrap_or_else(|error| panic!("{error}"));
            all.push(outcomes);
        }
        all
    }

    /// A round that takes `batches`.
    pub fn round(mut self, batches: Vec<Batch>) -> Round {
        Box::new(move || self.run(&batches))
    }
}

/// A round in which the time half takes what came of `batches`, on a machine with their pages mapped.
pub fn time_round(config: &Config, batches: &[Batch]) -> Round {
    let outcomes = Function::prefaulted(config, batches).outcomes(batches);
    let mut timing = Timing::new(config).unwrap_or_else(|error| panic!("{error}"));
    Box::new(move || {
        for outcomes in &outcomes {
            timing.process(outcomes);
        }
        timing.finish();
        black_box(&timing);
    })
}
