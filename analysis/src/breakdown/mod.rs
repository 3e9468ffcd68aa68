//! What parts of a program cost: the counts of a run broken down by site, symbol, area, object, phase or
//! interval.
//!
//! ```text
//! batch ──► function half ──► outcomes, with the row of each ──► time half: stalls by row
//!   │            └──► notes: what each record added to counters ──┐
//!   └──► keys: the row of each record ──► accesses by row ────────┴──► table
//! ```
//! Every record belongs to one row ([`keys`]). Accesses are counted from the batch; most of them are plain hits
//! that nobody else hears of. For every record that was more, the function half notes what it added to the
//! counters of misses, walks and faults (`model::function::meter`) and which outcomes are its own. Those carry
//! their row to the time half, which charges each stall to the row of the outcome that caused it. Where a part of
//! the run counts, rows follow the same marks. So rows add up to the run's statistics, exactly; what belongs to
//! no record (a system call, rounding) is in a row of its own, the [rest](REST_LABEL).

mod areas;
mod blocks;
mod counts;
mod half;
mod keys;
mod ranges;
mod rows;
mod symbols;
mod table;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::sync::Arc;

pub use half::Broken;
pub use keys::Finder;
pub use symbols::Symbols;
pub use table::{Breakdown, OTHER_LABEL, REST_LABEL};

/// What a run is broken down by.
#[derive(Debug, Clone)]
pub enum By {
    /// The instruction that makes an access.
    Site,
    /// The function that it is in.
    Symbol(Arc<Symbols>),
    /// The area of the address space that is accessed; outside those that events make, the stretch of memory.
    Area,
    /// The block of the heap that is accessed.
    Object,
    /// The phase that a marker has begun.
    Phase,
    /// So many counted accesses.
    Interval(NonZeroU64),
}

impl By {
    /// What it is called, and its column.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Symbol(_) => "symbol",
            Self::Area => "area",
            Self::Object => "object",
            Self::Phase => "phase",
            Self::Interval(_) => "interval",
        }
    }
}
