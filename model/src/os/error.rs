//! What can go wrong in the operating system's half of the model.

use thiserror::Error;

/// Why the operating system cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OsError {
    /// A setting describes a machine that cannot exist.
    #[error("{key}: {message}")]
    Setting {
        /// The configuration key, dotted.
        key: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// No frame is free and none can be freed.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// The trace contains something that the model does not know yet.
    #[error("{0} is not modelled yet")]
    NotModelled(String),
    /// An event contradicts the state that the trace has built.
    #[error("event {event}: {message}")]
    Event {
        /// The event's name.
        event: &'static str,
        /// The contradiction.
        message: String,
    },
}
