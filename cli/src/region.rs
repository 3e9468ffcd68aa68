//! The arguments that say which part of a trace counts.

use analysis::region::{Markers, Region};
use clap::{Args, ValueEnum};

/// Which part of a trace counts.
#[derive(Debug, Clone, Copy, Args)]
pub struct RegionArgs {
    /// Accesses at the start that change state and count in no statistic.
    #[arg(long, value_name = "N", default_value_t = 0)]
    warmup: u64,
    /// What a trace's region-of-interest markers do.
    #[arg(long, value_enum, default_value_t)]
    region: RegionMarkers,
    /// Stops after that many counted accesses.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// [`Markers`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum RegionMarkers {
    /// Only what lies between start and end counts, in a trace that has markers.
    #[default]
    Auto,
    /// Nothing: the whole trace counts.
    Ignore,
}

impl RegionArgs {
    /// What the library is asked for.
    pub fn region(&self) -> Region {
        let markers = match self.region {
            RegionMarkers::Auto => Markers::Auto,
            RegionMarkers::Ignore => Markers::Ignore,
        };
        Region { warmup: self.warmup, markers, limit: self.limit }
    }
}
