//! Runs of which a sample is timed: how the sample is taken, and how sure its estimate is.

use bincode::{Decode, Encode};
use model::outcome::Outcomes;
use model::replacement::component_seed;
use model::statistics::{Histogram, Statistics};
use model::time::Timing;
use model::time::sampled::{SampledTiming, Sampling, Units};
use serde_json::{Value as Json, json};

use crate::error::Error;
use crate::measured::{Measured, Number};
use crate::pipeline::TimeHalf;

/// How a sample is taken. Lengths are in instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleOptions {
    /// A unit that is measured.
    pub unit: u32,
    /// What is timed and not measured before each.
    pub warm: u32,
    /// From the start of one unit to that of the next.
    pub period: u64,
}

impl Default for SampleOptions {
    /// Less than a tenth of the instructions is timed, the window behind each unit included.
    fn default() -> Self {
        Self { unit: 1000, warm: 2000, period: 40_000 }
    }
}

impl SampleOptions {
    /// With the place of the first unit, which the run's seed decides. The machine's reorder buffer
    /// holds `rob` instructions.
    ///
    /// # Errors
    /// The period does not hold a unit, what warms it up, and the window behind it.
    pub fn sampling(&self, seed: u64, rob: u32) -> Result<Sampling, Error> {
        let timed = u64::from(self.unit) + u64::from(self.warm) + u64::from(rob);
        if self.unit == 0 || self.period < timed {
            let message = format!(
                "{} instructions of a unit, {} before it and {rob} in the window behind it do not fit a period of {}",
                self.unit, self.warm, self.period
            );
            return Err(Error::Simulation(message));
        }
        let offset = component_seed("sample", seed) % (self.period - timed + 1);
        Ok(Sampling { unit: self.unit, warm: self.warm, period: self.period, offset })
    }
}

/// What a result says of the sample that it was estimated from.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Sample {
    /// Units that were measured.
    pub units: u64,
    /// Instructions of each.
    pub unit: u64,
    /// Instructions timed before each.
    pub warm: u64,
    /// Instructions from the start of one to that of the next.
    pub period: u64,
    /// Instructions that were measured.
    pub measured_instructions: u64,
    /// Outcomes of the function half that were timed.
    pub timed_outcomes: u64,
    /// All of them.
    pub outcomes: u64,
    /// Mean cycles an instruction of the units, without the kernel's.
    pub cpi_mean: f64,
    /// Between these lies `run.cycles` with 95 % confidence.
    pub ci95: (u64, u64),
    /// Half the interval's width, in parts of `run.cycles`.
    pub relative_error: f64,
}

impl Sample {
    /// What the units of `time` say of `measured`, which was estimated from them.
    ///
    /// # Errors
    /// There are fewer than two, which say nothing.
    pub fn of(
        time: &SampledTiming,
        options: &SampleOptions,
        measured: &Measured,
    ) -> Result<Self, Error> {
        let units = time.units();
        if units.count < 2 {
            let message = format!(
                "{} instructions have {} units of a sample, and an estimate needs two; a shorter --sample-period takes more",
                units.all_instructions, units.count
            );
            return Err(Error::Simulation(message));
        }
        let count = |name: &str| match measured.get(name) {
            Some(Number::Count(count)) => count,
            _ => 0,
        };
        let cycles = count("run.cycles");
        let kernel: u64 = ["fault_minor", "fault_major", "swap", "kernel"]
            .iter()
            .map(|part| count(&format!("cycles.{part}")))
            .sum();
        let half = relative_half_width(units) * cycles.saturating_sub(kernel) as f64;
        let slots = units.count as f64 * f64::from(options.unit) * time.width() as f64;
        Ok(Self {
            units: units.count,
            unit: options.unit.into(),
            warm: options.warm.into(),
            period: options.period,
            measured_instructions: units.instructions,
            timed_outcomes: units.outcomes.0,
            outcomes: units.outcomes.1,
            cpi_mean: units.sum as f64 / slots,
            // Cycles are far below 2^53.
            ci95: ((cycles as f64 - half).max(0.0) as u64, (cycles as f64 + half).ceil() as u64),
            relative_error: if cycles == 0 { 0.0 } else { half / cycles as f64 },
        })
    }

    /// As results have it.
    pub fn json(&self) -> Json {
        json!({
            "units": self.units,
            "unit": self.unit,
            "warm": self.warm,
            "period": self.period,
            "measured_instructions": self.measured_instructions,
            "timed_outcomes": self.timed_outcomes,
            "outcomes": self.outcomes,
            "cpi_mean": self.cpi_mean,
            "ci95": [self.ci95.0, self.ci95.1],
            "relative_error": self.relative_error,
        })
    }

    /// Reads back what [`Self::json`] wrote.
    pub fn from_json(json: &Json) -> Option<Self> {
        let count = |name: &str| json.get(name)?.as_u64();
        let bounds = json.get("ci95")?;
        Some(Self {
            units: count("units")?,
            unit: count("unit")?,
            warm: count("warm")?,
            period: count("period")?,
            measured_instructions: count("measured_instructions")?,
            timed_outcomes: count("timed_outcomes")?,
            outcomes: count("outcomes")?,
            cpi_mean: json.get("cpi_mean")?.as_f64()?,
            ci95: (bounds.get(0)?.as_u64()?, bounds.get(1)?.as_u64()?),
            relative_error: json.get("relative_error")?.as_f64()?,
        })
    }

    /// In a sentence.
    pub fn sentence(&self) -> String {
        format!(
            "sampled: {} units of {} instructions were timed; with 95 % confidence, run.cycles lies between {} and {} (±{:.2} %)",
            self.units,
            self.unit,
            self.ci95.0,
            self.ci95.1,
            100.0 * self.relative_error
        )
    }
}

/// Half the width of the 95 % confidence interval of the units' mean, in parts of the mean.
fn relative_half_width(units: &Units) -> f64 {
    let count = u128::from(units.count);
    if units.sum == 0 || count < 2 {
        return 0.0;
    }
    let deviations = (count * units.squares).saturating_sub(units.sum * units.sum);
    let variance = deviations as f64 / (count * (count - 1)) as f64;
    let mean = units.sum as f64 / count as f64;
    student_95(units.count - 1) * (variance / count as f64).sqrt() / mean
}

/// The 97.5 % point of Student's t distribution, to three digits: a table where there are few degrees of
/// freedom, and the expansion around the normal distribution's point (Abramowitz and Stegun 26.7.5), which
/// needs no more than arithmetic and so is the same on every platform.
fn student_95(freedom: u64) -> f64 {
    const FEW: [f64; 9] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
    const Z: f64 = 1.959_963_985;
    match freedom {
        0 => f64::INFINITY,
        1..=9 => FEW[freedom as usize - 1],
        _ => {
            let v = freedom as f64;
            let (z2, z) = (Z * Z, Z);
            let first = z * (z2 + 1.0) / 4.0;
            let second = z * ((5.0 * z2 + 16.0) * z2 + 3.0) / 96.0;
            let third = z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / 384.0;
            z + first / v + second / (v * v) + third / (v * v * v)
        }
    }
}

/// A time half whose results can be told.
pub trait Timed: TimeHalf {
    /// Declares its statistics.
    fn report(&self, out: &mut Statistics);
    /// Its distributions by name.
    fn histograms(&self) -> Vec<(&'static str, Histogram)>;
    /// The machine's own time half, where it times everything.
    fn whole(&mut self) -> Option<&mut Timing>;
}

impl Timed for Timing {
    fn report(&self, out: &mut Statistics) {
        Self::report(self, out);
    }

    fn histograms(&self) -> Vec<(&'static str, Histogram)> {
        Self::histograms(self)
    }

    fn whole(&mut self) -> Option<&mut Timing> {
        Some(self)
    }
}

impl Timed for SampledTiming {
    fn report(&self, out: &mut Statistics) {
        Self::report(self, out);
    }

    fn histograms(&self) -> Vec<(&'static str, Histogram)> {
        Self::histograms(self)
    }

    fn whole(&mut self) -> Option<&mut Timing> {
        None
    }
}

impl TimeHalf for SampledTiming {
    fn process(&mut self, outcomes: &Outcomes) {
        Self::process(self, outcomes);
    }

    fn finish(&mut self) {
        Self::finish(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, StudentsT};

    #[test]
    fn students_point_is_right_to_three_digits() {
        for freedom in (1..200).chain([1000, 100_000]) {
            let exact = StudentsT::new(0.0, 1.0, freedom as f64).unwrap().inverse_cdf(0.975);
            let error = student_95(freedom) - exact;
            assert!(error.abs() < 1e-3, "{freedom}: {error}");
        }
    }

    /// By hand: 2, 4, 4, 6 have mean 4 and variance 8/3; t at three degrees is 3.182.
    #[test]
    fn the_interval_is_the_textbooks() {
        let units = Units { count: 4, sum: 16, squares: 72, ..Units::default() };
        let expected = 3.182 * (8.0f64 / 3.0 / 4.0).sqrt() / 4.0;
        assert!((relative_half_width(&units) - expected).abs() < 1e-12);
    }

    #[test]
    fn a_sample_reads_back_from_its_json() {
        let sample = Sample {
            units: 7,
            unit: 1000,
            warm: 2000,
            period: 30_000,
            measured_instructions: 7000,
            timed_outcomes: 5,
            outcomes: 50,
            cpi_mean: 1.25,
            ci95: (90, 110),
            relative_error: 0.1,
        };
        let text = sample.json().to_string();
        assert_eq!(Sample::from_json(&serde_json::from_str(&text).unwrap()), Some(sample));
    }

    #[test]
    fn what_does_not_fit_its_period_is_refused() {
        let options = SampleOptions { period: 3223, ..SampleOptions::default() };
        assert!(options.sampling(1, 224).unwrap_err().to_string().contains("3223"));
        let sampling = SampleOptions::default().sampling(1, 224).unwrap();
        assert!(sampling.offset <= 37_000);
        assert!(SampleOptions { unit: 0, ..SampleOptions::default() }.sampling(1, 224).is_err());
    }
}
