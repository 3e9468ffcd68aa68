//! A function half whose outcomes say which row they are charged to.

use model::config::Config;
use model::function::Simulator;
use model::function::meter::Part;
use model::outcome::Outcomes;
use model::time::Timing;
use tracegen::batch::Batch;

use super::counts::Counts;
use super::keys::Finder;
use super::rows::REST;
use super::table::{Breakdown, Parts};
use crate::measured::Measured;
use crate::pipeline::FunctionHalf;

/// A function half, and what it does in every row.
pub struct Broken {
    /// The function half itself.
    pub function: Simulator,
    finder: Finder,
    counts: Counts,
    noted: Vec<String>,
}

impl Broken {
    /// `function` from here on; `finder` knows the rows of what comes.
    pub fn new(mut function: Simulator, finder: Finder) -> Self {
        let noted = function.watch();
        Self { function, finder, counts: Counts::new(noted.len()), noted }
    }

    /// The table of the run on the machine `config`, of which `time` is the time half, that has `measured`.
    pub fn table(
        self,
        by: &'static str,
        config: &Config,
        time: Option<&Timing>,
        measured: &Measured,
    ) -> Breakdown {
        let slots = time.map_or(Vec::new(), Timing::attributed);
        let parts = Parts {
            counts: &self.counts,
            noted: &self.noted,
            slots: &slots,
            components: &Timing::components(config),
            width: time.map_or(1, Timing::width),
        };
        Breakdown::new(by, self.finder.finish(), &parts, measured)
    }
}

impl FunctionHalf for Broken {
    fn process(&mut self, batch: &Batch, outcomes: &mut Outcomes) -> Result<(), String> {
        if let Some(mark) = batch.mark {
            self.counts.mark(mark);
        }
        self.function.process(batch, outcomes).map_err(|error| error.to_string())?;
        self.finder.find(batch);
        let Finder { accesses, asides, .. } = &self.finder;
        self.counts.records(batch, accesses, asides);
        outcomes.rows.resize(outcomes.list.len(), REST);
        for (note, added) in self.function.notes() {
            let row = match note.part {
                Part::Access(at) => accesses[at],
                Part::Aside(at) => asides[at],
            };
            outcomes.rows[note.outcomes.clone()].fill(row);
            self.counts.noted(row, added);
        }
        Ok(())
    }

    fn finish(&mut self, outcomes: &mut Outcomes) {
        self.function.finish(outcomes);
        outcomes.rows.resize(outcomes.list.len(), REST);
    }
}
