//! Main memory.
