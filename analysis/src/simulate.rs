//! The model's halves as the pipeline drives them, and one simulation from start to end.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use model::config::Config;
use model::function::Simulator;
use model::os::settings::Prefault;
use model::outcome::Outcomes;
use model::statistics::Statistics;
use model::time::Timing;
use model::time::sampled::SampledTiming;
use tracegen::batch::Batch;
use tracegen::next_use::annotate;
use tracegen::source::Source;

use crate::breakdown::{Broken, By, Finder};
use crate::checkpoint::{self, Checkpoint, Origin};
use crate::error::Error;
use crate::fan_out::{Machine, fan_out};
use crate::heat::HeatSample;
use crate::ideals::WithIdeals;
use crate::intake::Intake;
use crate::measured::{Measured, RunResult, TraceSummary};
use crate::pipeline::{self, Drive, FunctionHalf, TimeHalf};
use crate::region::{Region, Regional};
use crate::sample::{Sample, SampleOptions, Timed};
use crate::team::Member;
use crate::trace::TraceSpec;

impl FunctionHalf for Simulator {
    fn process(&mut self, batch: &Batch, outcomes: &mut Outcomes) -> Result<(), String> {
        Self::process(self, batch, outcomes).map_err(|error| error.to_string())
    }

    fn finish(&mut self, outcomes: &mut Outcomes) {
        Self::finish(self, outcomes);
    }
}

impl TimeHalf for Timing {
    fn process(&mut self, outcomes: &Outcomes) {
        Self::process(self, outcomes);
    }

    fn finish(&mut self) {
        Self::finish(self);
    }
}

/// How a simulation is run.
pub struct RunOptions<'a> {
    /// Busy threads at most; the result does not depend on it.
    pub jobs: usize,
    /// Seed of the machine's random choices.
    pub seed: u64,
    /// Which part of the trace counts, and where it stops.
    pub region: Region,
    /// How a sample is timed, where that is to be enough.
    pub sample: Option<SampleOptions>,
    /// Whether the run is also timed with each component perfect. A sample is not.
    pub ideal: bool,
    /// What the run is broken down by, where it is. A sample is not.
    pub by: Option<&'a By>,
    /// Where the warm-up comes from or goes to.
    pub warm: Warm<'a>,
    /// Set when the user wants it to stop.
    pub interrupted: &'a AtomicBool,
    /// Told how far it is; see [`Drive::progress`].
    pub progress: &'a (dyn Fn(Option<(u64, u64)>, u64) + Sync),
}

/// What becomes of a warm-up.
#[derive(Debug, Clone, Copy, Default)]
pub enum Warm<'a> {
    /// It is simulated and timed.
    #[default]
    Timed,
    /// It is simulated without being timed, and the state at its end is written to this file. The time half
    /// starts there.
    Write(&'a Path),
    /// This checkpoint has it. The time half starts there, and [`RunOptions::region`] has no warm-up of
    /// its own.
    Read(&'a Path),
}

/// Simulates `config` over everything that the trace `spec` has.
///
/// # Errors
/// The trace cannot be read, the machine cannot do what it asks, the checkpoint is none for it, or the
/// user wants to stop.
pub fn simulate(
    config: &Config,
    spec: &TraceSpec,
    options: &RunOptions<'_>,
) -> Result<RunResult, Error> {
    let refused = |error: &dyn std::fmt::Display| Error::Simulation(error.to_string());
    if options.by.is_some() && config.core.count > 1 {
        return Err(Error::Simulation(format!(
            "core.count = {}: a run of several CPUs is not broken down (--by), since its cycles are those of \
             the CPU that ends last and rows could not add up to them",
            config.core.count
        )));
    }
    if let Some(sample) = &options.sample {
        if options.by.is_some() {
            return Err(Error::Simulation("a sample is not broken down".to_owned()));
        }
        let sampling = sample.sampling(options.seed, config.core.rob)?;
        let mut time = SampledTiming::new(config, sampling).map_err(|error| refused(&error))?;
        let mut result = run(config, spec, options, &mut time)?;
        result.measured.sample = Some(Sample::of(&time, sample, &result.measured)?);
        return Ok(result);
    }
    if options.ideal {
        let mut time = WithIdeals::new(config).map_err(|error| refused(&error))?;
        return run(config, spec, options, &mut time);
    }
    let mut time = Timing::new(config).map_err(|error| refused(&error))?;
    run(config, spec, options, &mut time)
}

/// Writes the state of `config` at the end of the warm-up of `spec` to `path`, and does no more.
///
/// # Errors
/// As [`simulate`], or the file cannot be written.
pub fn write_checkpoint(
    config: &Config,
    spec: &TraceSpec,
    options: &RunOptions<'_>,
    path: &Path,
) -> Result<(), Error> {
    let drive = drive_of(options, options.region);
    warm_up(config, spec, options.seed, &drive, Some(path), None).map(drop)
}

fn drive_of<'a>(options: &RunOptions<'a>, region: Region) -> Drive<'a> {
    let RunOptions { jobs, interrupted, progress, .. } = *options;
    Drive { threads: jobs, region, interrupted, progress }
}

/// Simulates `config` with `time` as its time half.
fn run(
    config: &Config,
    spec: &TraceSpec,
    options: &RunOptions<'_>,
    time: &mut impl Timed,
) -> Result<RunResult, Error> {
    let seed = options.seed;
    let mut finder = options.by.map(Finder::new);
    let checkpoint = match options.warm {
        Warm::Read(path) => Some(Checkpoint::read(path)?),
        Warm::Timed | Warm::Write(_) => None,
    };
    let warmup = checkpoint.as_ref().map_or(options.region.warmup, Checkpoint::warmup);
    let region = Region { warmup, ..options.region };
    let drive = drive_of(options, region);
    let (mut function, intake) = match (&checkpoint, options.warm) {
        (Some(checkpoint), _) => {
            let function = checkpoint.function(config, &Origin::of(config, spec, seed, region)?)?;
            let mut intake = intake_of(&function, spec, seed, &drive)?;
            pass_over(&mut intake, warmup, |batch| {
                finder.iter_mut().for_each(|finder| finder.find(batch));
                Ok(())
            })?;
            (function, intake)
        }
        (None, Warm::Write(path)) => {
            warm_up(config, spec, seed, &drive, Some(path), finder.as_mut())?
        }
        (None, _) => warm_up(config, spec, seed, &drive, None, None)?,
    };
    let Some(finder) = finder else {
        let passed = pipeline::drive_on(intake, &mut function, time, options.jobs)?;
        let summary = TraceSummary { name: spec.name().to_owned(), ..passed.summary };
        let measured = measure(&function, time, &summary);
        return Ok(RunResult { config: config.clone(), measured, heat: passed.heat, by: None });
    };
    let mut broken = Broken::new(function, finder);
    time.whole().iter_mut().for_each(|time| time.attribute());
    let passed = pipeline::drive_on(intake, &mut broken, time, options.jobs)?;
    let summary = TraceSummary { name: spec.name().to_owned(), ..passed.summary };
    let measured = measure(&broken.function, time, &summary);
    let by = options.by.map_or("", By::name);
    let by = broken.table(by, config, time.whole().map(|time| &*time), &measured);
    Ok(RunResult { config: config.clone(), measured, heat: passed.heat, by: Some(by) })
}

type TraceIntake<'a> = Intake<'a, Box<dyn Source>>;

/// The function half of `config` and the trace, before the first access; where there is a checkpoint to
/// write to `path`, at the end of the warm-up, when that has been done. `finder` is shown the warm-up then.
fn warm_up<'a>(
    config: &Config,
    spec: &TraceSpec,
    seed: u64,
    drive: &'a Drive<'a>,
    path: Option<&Path>,
    mut finder: Option<&mut Finder>,
) -> Result<(Simulator, TraceIntake<'a>), Error> {
    let refused = |error: model::function::SimulationError| Error::Simulation(error.to_string());
    // Better said now than after the warm-up.
    let origin = path.map(|_| Origin::of(config, spec, seed, drive.region)).transpose()?;
    let mut function = Simulator::new(config, seed).map_err(refused)?;
    prefault(&[vec![config]], &mut [&mut function], seed, spec, drive)?;
    let mut intake = intake_of(&function, spec, seed, drive)?;
    if let (Some(path), Some(origin)) = (path, origin) {
        let mut outcomes = Outcomes::default();
        pass_over(&mut intake, drive.region.warmup, |batch| {
            // Nobody asks what it costs.
            outcomes.clear();
            finder.iter_mut().for_each(|finder| finder.find(batch));
            function.process(batch, &mut outcomes).map_err(refused)
        })?;
        checkpoint::write(path, &origin, &function)?;
    }
    Ok((function, intake))
}

fn intake_of<'a>(
    function: &Simulator,
    spec: &TraceSpec,
    seed: u64,
    drive: &'a Drive<'a>,
) -> Result<TraceIntake<'a>, Error> {
    let futures = function.next_use_shifts().iter().copied().collect();
    Ok(Intake::new(open(futures, seed, spec, drive)?, drive))
}

/// Takes the first `count` accesses from `intake`, and what lies between them. The end of the warm-up is
/// where a batch ends.
fn pass_over(
    intake: &mut TraceIntake<'_>,
    count: u64,
    mut take: impl FnMut(&Batch) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut batch = Batch::new();
    while intake.accesses() < count && intake.fill(&mut batch)? {
        take(&batch)?;
    }
    Ok(())
}

/// The function half of `configs`, which differ in timing settings alone, with a time half for each.
fn build(configs: &[&Config], seed: u64) -> Result<Machine<Simulator, Timing>, Error> {
    let refused = |error: &dyn std::fmt::Display| Error::Simulation(error.to_string());
    let none = || Error::Simulation("a pass without a machine".to_owned());
    let config = configs.first().ok_or_else(none)?;
    let function = Simulator::new(config, seed).map_err(|error| refused(&error))?;
    let times = configs.iter().map(|config| Timing::new(config));
    let times = times.collect::<Result<_, _>>().map_err(|error| refused(&error))?;
    Ok(Machine { function, times })
}

/// One pass of a trace over several machines, with the help of whoever in the team has nothing to do: each
/// element of `machines` has the configurations of one functional machine, which differ in timing
/// settings alone. Results lie at the same places.
///
/// # Errors
/// As [`simulate`].
pub fn pass(
    machines: &[Vec<&Config>],
    seed: u64,
    spec: &TraceSpec,
    options: &Drive<'_>,
    member: &Member,
) -> Result<(Vec<Vec<Measured>>, HeatSample), Error> {
    let built = machines.iter().map(|configs| build(configs, seed));
    let mut built = built.collect::<Result<Vec<_>, _>>()?;
    let mut functions: Vec<_> = built.iter_mut().map(|machine| &mut machine.function).collect();
    prefault(machines, &mut functions, seed, spec, options)?;
    let shifts: BTreeSet<u8> =
        functions.iter().flat_map(|function| function.next_use_shifts()).copied().collect();
    let source = open(shifts.into_iter().collect(), seed, spec, options)?;
    let (passed, built) = fan_out(source, built, options, member)?;
    let summary = TraceSummary { name: spec.name().to_owned(), ..passed.summary };
    let results = |machine: &Machine<Simulator, Timing>| {
        machine.times.iter().map(|time| measure(&machine.function, time, &summary)).collect()
    };
    Ok((built.iter().map(results).collect(), passed.heat))
}

/// Opens the trace, with the next use of everything of 2^shift bytes for every shift of `futures`.
fn open(
    futures: Vec<u8>,
    seed: u64,
    spec: &TraceSpec,
    options: &Drive<'_>,
) -> Result<Box<dyn Source>, Error> {
    // Two threads have the two halves to do.
    let ahead = options.threads > 2;
    if futures.is_empty() {
        return regional(seed, ahead, spec, options);
    }
    if spec.is_stdin() {
        let message =
            "a policy \"opt\" reads the trace twice, and standard input can be read only once";
        return Err(Error::Simulation(message.to_owned()));
    }
    let (first, again) = (spec.open(seed, ahead)?, regional(seed, ahead, spec, options)?);
    Ok(Box::new(annotate(first, again, &futures)?))
}

/// Opens the trace, cut where counting starts, pauses and stops.
fn regional(
    seed: u64,
    ahead: bool,
    spec: &TraceSpec,
    options: &Drive<'_>,
) -> Result<Box<dyn Source>, Error> {
    Ok(Box::new(Regional::new(spec.open(seed, ahead)?, options.region, spec.name())))
}

/// Maps the pages that the trace touches in the machines that want it, in a pass of its own.
fn prefault(
    machines: &[Vec<&Config>],
    functions: &mut [&mut Simulator],
    seed: u64,
    spec: &TraceSpec,
    options: &Drive<'_>,
) -> Result<(), Error> {
    let wants = |configs: &Vec<&Config>| {
        configs.first().is_some_and(|config| config.os.prefault == Prefault::Accessed)
    };
    let wanting = machines.iter().map(wants);
    let mut open: Vec<&mut Simulator> = functions
        .iter_mut()
        .zip(wanting)
        .filter(|(_, wants)| *wants)
        .map(|pair| &mut **pair.0)
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    if spec.is_stdin() {
        let message = "`os.prefault` = \"accessed\" reads the trace twice, and standard input can be read only once";
        return Err(Error::Simulation(message.to_owned()));
    }
    // What is told is how far the simulation is.
    let quiet = Drive { progress: &|_, _| (), ..*options };
    let mut intake = Intake::new(regional(seed, options.threads > 2, spec, options)?, &quiet);
    let mut batch = Batch::new();
    let refused = |error: model::function::SimulationError| Error::Simulation(error.to_string());
    while intake.fill(&mut batch)? {
        for simulator in &mut open {
            simulator.prefault(&batch).map_err(refused)?;
        }
    }
    open.into_iter().try_for_each(|simulator| simulator.prefaulted().map_err(refused))
}

fn measure(function: &Simulator, time: &impl Timed, summary: &TraceSummary) -> Measured {
    let mut statistics = Statistics::default();
    function.report(&mut statistics);
    time.report(&mut statistics);
    let histograms = time.histograms();
    let histograms = histograms.into_iter().map(|(name, from)| (name.to_owned(), from.summary()));
    Measured::new(summary.clone(), &statistics, histograms)
}
