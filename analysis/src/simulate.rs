//! The model's halves as the pipeline drives them, and one simulation from start to end.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use model::config::Config;
use model::function::Simulator;
use model::os::settings::Prefault;
use model::outcome::Outcomes;
use model::statistics::Statistics;
use model::time::Timing;
use tracegen::batch::Batch;
use tracegen::next_use::annotate;
use tracegen::source::Source;

use crate::error::Error;
use crate::heat::HeatSample;
use crate::intake::Intake;
use crate::measured::{Measured, RunResult, TraceSummary};
use crate::pipeline::{Drive, FunctionHalf, TimeHalf, drive};
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
    /// Accesses after which it stops.
    pub limit: Option<u64>,
    /// Set when the user wants it to stop.
    pub interrupted: &'a AtomicBool,
    /// Told how far it is; see [`Drive::progress`].
    pub progress: &'a (dyn Fn(Option<(u64, u64)>, u64) + Sync),
}

/// Simulates `config` over everything that the trace `spec` has.
///
/// # Errors
/// The trace cannot be read, the machine cannot do what it asks, or the user wants to stop.
pub fn simulate(
    config: &Config,
    spec: &TraceSpec,
    options: &RunOptions<'_>,
) -> Result<RunResult, Error> {
    let drive = Drive {
        threads: options.jobs,
        limit: options.limit,
        interrupted: options.interrupted,
        progress: options.progress,
    };
    let machines = [vec![config]];
    let (mut measured, heat) = pass(&machines, options.seed, spec, &drive)?;
    // One machine with one time half: one result.
    let measured = measured.pop().and_then(|mut times| times.pop()).unwrap_or_default();
    Ok(RunResult { config: config.clone(), measured, heat })
}

/// One pass of a trace over several machines: each element of `machines` has the configurations of one
/// functional machine, which differ in timing settings alone. Results lie at the same places.
///
/// # Errors
/// As [`simulate`].
pub fn pass(
    machines: &[Vec<&Config>],
    seed: u64,
    spec: &TraceSpec,
    options: &Drive<'_>,
) -> Result<(Vec<Vec<Measured>>, HeatSample), Error> {
    let refused = |error: &dyn std::fmt::Display| Error::Simulation(error.to_string());
    let shifts = future_shifts(machines);
    if shifts.len() > 1 {
        return apart(machines, seed, spec, options);
    }
    let mut functions = Vec::new();
    let mut times: Vec<Vec<Timing>> = Vec::new();
    for configs in machines {
        let Some(config) = configs.first() else { continue };
        functions.push(Simulator::new(config, seed).map_err(|error| refused(&error))?);
        let halves = configs.iter().map(|config| Timing::new(config));
        times.push(halves.collect::<Result<_, _>>().map_err(|error| refused(&error))?);
    }
    prefault(machines, &mut functions, seed, spec, options)?;
    let source = open(shifts.first().copied(), seed, spec, options)?;
    let passed = drive(source, &mut functions, &mut times, options)?;
    let summary = TraceSummary { name: spec.name().to_owned(), ..passed.summary };
    let measured = functions
        .iter()
        .zip(&times)
        .map(|(function, times)| {
            times.iter().map(|time| measure(function, time, &summary)).collect()
        })
        .collect();
    Ok((measured, passed.heat))
}

/// log2 of the page sizes of those machines whose reclaim policy knows the future.
fn future_shifts(machines: &[Vec<&Config>]) -> BTreeSet<u8> {
    let configs = machines.iter().filter_map(|configs| configs.first());
    let seers = configs.filter(|config| config.os.reclaim.needs_next_use());
    // Page sizes are powers of two.
    seers.map(|config| config.mmu.page_size.0.trailing_zeros() as u8).collect()
}

/// One pass for each machine: next uses are known for one page size at a time.
fn apart(
    machines: &[Vec<&Config>],
    seed: u64,
    spec: &TraceSpec,
    options: &Drive<'_>,
) -> Result<(Vec<Vec<Measured>>, HeatSample), Error> {
    let (mut measured, mut heat) = (Vec::new(), HeatSample::default());
    for machine in machines {
        let (mut results, sample) = pass(std::slice::from_ref(machine), seed, spec, options)?;
        measured.append(&mut results);
        heat = sample;
    }
    Ok((measured, heat))
}

/// Opens the trace, with the next use of every page of 2^`future` bytes where that is asked for.
fn open(
    future: Option<u8>,
    seed: u64,
    spec: &TraceSpec,
    options: &Drive<'_>,
) -> Result<Box<dyn Source>, Error> {
    let ahead = options.threads > 1;
    let Some(shift) = future else { return Ok(spec.open(seed, ahead)?) };
    if spec.is_stdin() {
        let message = "`os.reclaim` = \"opt\" reads the trace twice, and standard input can be read only once";
        return Err(Error::Simulation(message.to_owned()));
    }
    let (first, again) = (spec.open(seed, ahead)?, spec.open(seed, ahead)?);
    Ok(Box::new(annotate(first, again, shift)?))
}

/// Maps the pages that the trace touches in the machines that want it, in a pass of its own.
fn prefault(
    machines: &[Vec<&Config>],
    functions: &mut [Simulator],
    seed: u64,
    spec: &TraceSpec,
    options: &Drive<'_>,
) -> Result<(), Error> {
    let wants = |configs: &Vec<&Config>| {
        configs.first().is_some_and(|config| config.os.prefault == Prefault::Accessed)
    };
    let wanting = machines.iter().filter(|configs| !configs.is_empty()).map(wants);
    let mut open: Vec<&mut Simulator> =
        functions.iter_mut().zip(wanting).filter(|(_, wants)| *wants).map(|pair| pair.0).collect();
    if open.is_empty() {
        return Ok(());
    }
    if spec.is_stdin() {
        let message = "`os.prefault` = \"accessed\" reads the trace twice, and standard input can be read only once";
        return Err(Error::Simulation(message.to_owned()));
    }
    let mut intake = Intake::new(spec.open(seed, options.threads > 1)?, options);
    let mut batch = Batch::new();
    let refused = |error: model::function::SimulationError| Error::Simulation(error.to_string());
    while intake.fill(&mut batch)? {
        for simulator in &mut open {
            simulator.prefault(&batch).map_err(refused)?;
        }
    }
    open.into_iter().try_for_each(|simulator| simulator.prefaulted().map_err(refused))
}

fn measure(function: &Simulator, time: &Timing, summary: &TraceSummary) -> Measured {
    let mut statistics = Statistics::default();
    function.report(&mut statistics);
    time.report(&mut statistics);
    let histograms = time.histograms();
    let histograms = histograms.into_iter().map(|(name, from)| (name.to_owned(), from.summary()));
    Measured::new(summary.clone(), &statistics, histograms)
}
