//! What can be wrong with a trace or a workload, with the place where it is wrong.

use std::path::PathBuf;

/// An error of reading, writing or making a trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The operating system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file, or `-`.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Text that is not of its format.
    #[error("{path}:{line}:{column}: {message}", path = path.display())]
    Text {
        /// The file, or `-`.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column in bytes, from 1.
        column: u64,
        /// What was expected and what stands there.
        message: String,
    },
    /// Bytes that are not of their format, or fail their checksum.
    #[error("{path}: byte {offset}: {message}", path = path.display())]
    Binary {
        /// The file, or `-`.
        path: PathBuf,
        /// Offset from the file's start.
        offset: u64,
        /// What was expected and what stands there.
        message: String,
    },
    /// Something that the target format cannot say, or a format that cannot be told.
    #[error("{path}: {message}", path = path.display())]
    Format {
        /// The file, or `-`.
        path: PathBuf,
        /// What is wrong and what to do.
        message: String,
    },
    /// A workload or a parameter of one that does not exist or does not fit.
    #[error("{0}")]
    Workload(String),
}
