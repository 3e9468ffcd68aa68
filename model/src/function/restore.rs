//! A simulator's state as something to keep: it is encoded as a whole and decoded as a whole.

use super::{MAX_TRACE_CPUS, SimulationError, Simulator};
use crate::config::Config;

impl Simulator {
    /// Whether the trace has started and no mark has been passed, so that everything there is to keep is
    /// state: what has been counted so far counts for nothing.
    pub fn is_warming(&self) -> bool {
        self.noted.is_empty() && self.tally.is_untouched()
    }

    /// A simulator that was decoded, for a machine and a seed that must be those of the one that was
    /// encoded.
    ///
    /// # Errors
    /// It is of another machine.
    pub fn restored(self, config: &Config, seed: u64) -> Result<Self, SimulationError> {
        let fresh = Self::new(config, seed)?;
        let fits = self.shape() == fresh.shape()
            && self.os.geometry() == fresh.os.geometry()
            && self.lanes.len() <= MAX_TRACE_CPUS;
        if fits { Ok(self) } else { Err(SimulationError::OtherMachine) }
    }

    /// What the configuration alone decides.
    fn shape(&self) -> impl PartialEq + use<> {
        (
            (self.translates, self.simulates_fetches, self.crossing, self.next_use_shifts.clone()),
            (self.base_page, self.page_shift, self.untranslated, self.entry_bytes),
            (self.first_tlbs, self.first_caches, self.line_shifts, self.cpus()),
        )
    }
}
