//! Swap areas, their slots, and what is read ahead of a fault.

mod readahead;
mod slots;
mod space;

pub use readahead::Readahead;
pub use slots::Slots;
pub use space::SwapSpace;
