//! One finished point of a study.

use bincode::{Decode, Encode};

use super::key::Key;
use crate::measured::Measured;

/// A point's keys and what was measured there.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Point {
    /// The trace or workload, then every swept path with its value.
    pub keys: Vec<Key>,
    /// The trace's identity in the store; its heat map lies under this name.
    pub trace: u128,
    /// The resolved machine as JSON.
    pub config: String,
    /// The results.
    pub measured: Measured,
}

impl Point {
    /// The value of the key `path`; empty where the point has no such key.
    pub fn key(&self, path: &str) -> &str {
        self.keys.iter().find(|(own, _)| own == path).map_or("", |(_, value)| value)
    }
}
