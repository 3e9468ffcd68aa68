//! The swap area's slots and what is read ahead of a fault.

mod readahead;
mod slots;

pub use readahead::Readahead;
pub use slots::Slots;
