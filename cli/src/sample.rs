//! The arguments that say whether a sample of a run is timed.

use analysis::sample::SampleOptions;
use clap::Args;

/// Whether and how a sample is timed.
#[derive(Debug, Clone, Copy, Args)]
pub struct SampleArgs {
    /// Times short units at equal distances and estimates the rest, with a confidence interval; counts
    /// and the kernel's work stay exact.
    #[arg(long)]
    sample: bool,
    /// Instructions of a unit.
    #[arg(long, value_name = "N", requires = "sample", default_value_t = SampleOptions::default().unit,
        value_parser = clap::value_parser!(u32).range(1..))]
    sample_unit: u32,
    /// Instructions that are timed before each unit and not measured.
    #[arg(long, value_name = "N", requires = "sample", default_value_t = SampleOptions::default().warm)]
    sample_warm: u32,
    /// Instructions from the start of one unit to that of the next.
    #[arg(long, value_name = "N", requires = "sample", default_value_t = SampleOptions::default().period)]
    sample_period: u64,
}

impl SampleArgs {
    /// What the library is asked for; nothing where everything is timed.
    pub fn options(&self) -> Option<SampleOptions> {
        self.sample.then_some(SampleOptions {
            unit: self.sample_unit,
            warm: self.sample_warm,
            period: self.sample_period,
        })
    }
}
