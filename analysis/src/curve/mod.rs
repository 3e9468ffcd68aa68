//! Miss-ratio curves: the misses of a memory, a TLB or a cache of every size in one pass of a trace.
//!
//! LRU curves come from stack distances ([`exact`]), or from those of a sample ([`sample`]); the reclaim
//! policies' by simulating every size, or small versions of it on a sample ([`policy`]). docs/curves.md says
//! what each number means and how good it is.

pub mod behind;
pub mod document;
pub mod estimate;
pub mod exact;
pub mod geometry;
mod hash;
pub mod keys;
mod measure;
pub mod outputs;
pub mod policy;
mod recency;
pub mod sample;
pub mod sizes;
mod slots;
mod stack;
#[cfg(test)]
mod tests;

use behind::First;
use geometry::Geometry;
use keys::Stream;
use policy::Choice;
use sample::Sampling;

pub use measure::measure;

/// What a curve's sizes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Pages of a memory.
    Page,
    /// Entries of a TLB: pages too.
    Tlb,
    /// Lines of a cache.
    Line,
}

impl Level {
    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Tlb => "tlb",
            Self::Line => "line",
        }
    }
}

/// Set-associative memories to be measured in the same pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shapes {
    /// Numbers of sets.
    pub sets: Vec<u32>,
    /// Every number of ways up to this.
    pub ways: u32,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// What sizes count.
    pub level: Level,
    /// log2 of the bytes of a page or line.
    pub shift: u32,
    /// Which accesses count.
    pub stream: Stream,
    /// Sizes at which the curve is given, ascending; chosen by the footprint where they are left out.
    pub sizes: Option<Vec<u64>>,
    /// The sample, where not every page or line counts.
    pub sampling: Option<Sampling>,
    /// Every geometry too; not of a sample.
    pub shapes: Option<Shapes>,
    /// The level that lies before; not of a sample.
    pub first: Option<First>,
    /// The policies, one curve each. Others than LRU are for [`Level::Page`].
    pub policies: Vec<Choice>,
    /// Seed of the sample.
    pub seed: u64,
}

/// One size of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Entries.
    pub size: u64,
    /// References that miss; rounded where it is an estimate.
    pub misses: u64,
    /// Misses of a reference.
    pub ratio: f64,
    /// The 95 % interval around the ratio where it is an estimate.
    pub interval: Option<[f64; 2]>,
}

/// How a curve came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Stack distances of every reference.
    Exact,
    /// Stack distances of a sample at a fixed rate.
    FixedRate,
    /// Stack distances of a sample of a fixed size.
    FixedSize,
    /// A simulation of every size over every reference.
    Simulation,
    /// Scaled-down simulations over a sample.
    MiniSimulation,
}

impl Method {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::FixedRate => "shards-fixed-rate",
            Self::FixedSize => "shards-fixed-size",
            Self::Simulation => "exact-simulation",
            Self::MiniSimulation => "mini-simulation",
        }
    }

    /// Whether its numbers are the truth and not estimates.
    pub fn is_exact(self) -> bool {
        matches!(self, Self::Exact | Self::Simulation)
    }
}

/// The misses of one policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The policy.
    pub policy: String,
    /// How it came about.
    pub method: Method,
    /// The rate of the sample; the last one where it fell, 1 where there is none.
    pub rate: f64,
    /// Pages or lines that were looked at: all, or those in the sample at its end.
    pub keys: u64,
    /// The sizes asked for.
    pub points: Vec<Point>,
    /// More sizes for a picture; none where each costs a simulation.
    pub fine: Vec<Point>,
}

/// What the level before saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// What it is.
    pub geometry: First,
    /// References.
    pub accesses: u64,
    /// Those that it did not have.
    pub misses: u64,
}

/// Curves of one trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// The trace.
    pub trace: String,
    /// What sizes count.
    pub level: Level,
    /// Bytes of a page or line.
    pub entry: u64,
    /// Which accesses count.
    pub stream: Stream,
    /// References: what a ratio is of.
    pub accesses: u64,
    /// Distinct pages or lines; an estimate where `is_sampled`.
    pub footprint: u64,
    /// The level before.
    pub before: Option<Before>,
    /// A curve a policy.
    pub curves: Vec<Curve>,
    /// The misses of every geometry that was asked for.
    pub geometries: Vec<Geometry>,
}

impl Curves {
    /// Whether any number is an estimate.
    pub fn is_sampled(&self) -> bool {
        self.curves.iter().any(|curve| !curve.method.is_exact())
    }
}
