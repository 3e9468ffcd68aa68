//! What can go wrong in a study or a run.

use std::path::{Path, PathBuf};

use tracegen::error::TraceError;

use crate::chart::ChartError;
use crate::machine::MachineError;

/// Why a run, a study or a report did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A study that is not one; the message shows the place.
    #[error("{0}")]
    Study(String),
    /// A machine that cannot be had.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A trace that cannot be read, or a workload that cannot run.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A machine and a trace that do not go together.
    #[error("{0}")]
    Simulation(String),
    /// A chart that cannot be drawn.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// The file system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// A checkpoint that cannot be written, or started from.
    #[error("{path}: {message}", path = path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Results that cannot be written or read back.
    #[error("{path}: {message}", path = path.display())]
    Results {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The user asked to stop; what was finished is kept.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The file system's refusal at `path`.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Results at `path` that something is wrong with.
    pub fn results(path: &Path, message: impl std::fmt::Display) -> Self {
        Self::Results { path: path.to_owned(), message: message.to_string() }
    }
}
