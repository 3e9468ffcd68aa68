//! The arguments that say where a warm-up comes from or goes to.

use std::path::{Path, PathBuf};

use analysis::simulate::Warm;
use clap::Args;

/// Where the warm-up comes from or goes to.
#[derive(Debug, Clone, Args)]
pub struct CheckpointArgs {
    /// Simulates the warm-up without timing it, writes the state at its end there, and goes on as
    /// --from-checkpoint would.
    #[arg(long, value_name = "FILE", requires = "warmup")]
    checkpoint: Option<PathBuf>,
    /// Stops when the checkpoint has been written.
    #[arg(long, requires = "checkpoint", conflicts_with_all = ["sample", "ideal", "output"])]
    checkpoint_only: bool,
    /// Starts from a checkpoint of this machine and trace. Counts are those of a run with its --warmup;
    /// timing settings may be others, and times differ by what was on its way at its end.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["warmup", "checkpoint"])]
    from_checkpoint: Option<PathBuf>,
}

impl CheckpointArgs {
    /// What the library is asked for.
    pub fn warm(&self) -> Warm<'_> {
        match (&self.checkpoint, &self.from_checkpoint) {
            (Some(path), _) => Warm::Write(path),
            (None, Some(path)) => Warm::Read(path),
            (None, None) => Warm::Timed,
        }
    }

    /// The checkpoint, where writing it is all that is asked for.
    pub fn alone(&self) -> Option<&Path> {
        self.checkpoint.as_deref().filter(|_| self.checkpoint_only)
    }
}
