//! Batches on their way: from a source through the function half of a machine to its time half. On
//! one thread or in stages on several, with the same result.

use std::sync::atomic::AtomicBool;

use crossbeam::channel::{Receiver, Sender, bounded};
use model::outcome::Outcomes;
use tracegen::batch::Batch;
use tracegen::source::Source;

use crate::error::Error;
use crate::heat::HeatSample;
use crate::intake::Intake;
use crate::measured::TraceSummary;
use crate::region::Region;

/// What happens to every access.
pub trait FunctionHalf: Send {
    /// Takes a batch and appends what came of it to `outcomes`.
    ///
    /// # Errors
    /// Something that the machine cannot do, in words.
    fn process(&mut self, batch: &Batch, outcomes: &mut Outcomes) -> Result<(), String>;

    /// The trace has ended.
    fn finish(&mut self, outcomes: &mut Outcomes);
}

/// What it costs.
pub trait TimeHalf: Send {
    /// Takes what came of a batch.
    fn process(&mut self, outcomes: &Outcomes);

    /// Nothing more comes.
    fn finish(&mut self);
}

/// How a pass is driven.
pub struct Drive<'a> {
    /// Busy threads at most.
    pub threads: usize,
    /// Which part of the trace counts, and where the pass stops: how its source is opened.
    pub region: Region,
    /// Set when the user wants it to stop.
    pub interrupted: &'a AtomicBool,
    /// Told after every batch how far the source is, where it knows, and how many accesses went by.
    pub progress: &'a (dyn Fn(Option<(u64, u64)>, u64) + Sync),
}

/// What a pass learns about its trace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Passed {
    /// Counts of records.
    pub summary: TraceSummary,
    /// Where it goes over time.
    pub heat: HeatSample,
}

/// Batches that are in a channel at once: enough that no stage waits for another's hiccup.
const DEPTH: usize = 8;

/// Sends everything that `source` has through `function`, and the outcomes to `time`.
///
/// # Errors
/// The source's, the machine's, or the interruption. The halves are of no use then.
pub fn drive<F: FunctionHalf, T: TimeHalf>(
    source: impl Source,
    function: &mut F,
    time: &mut T,
    drive: &Drive<'_>,
) -> Result<Passed, Error> {
    drive_on(Intake::new(source, drive), function, time, drive.threads)
}

/// As [`drive`], from where `intake` is.
///
/// # Errors
/// As there.
pub fn drive_on<F: FunctionHalf, T: TimeHalf>(
    intake: Intake<'_, impl Source>,
    function: &mut F,
    time: &mut T,
    threads: usize,
) -> Result<Passed, Error> {
    match threads {
        0 | 1 => alone(intake, function, time),
        2 => in_two(intake, function, time),
        _ => in_three(intake, function, time),
    }
}

/// Runs the function half over `batch`, or over the end of the trace.
fn function_over<F: FunctionHalf>(
    function: &mut F,
    batch: Option<&Batch>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    outcomes.clear();
    match batch {
        Some(batch) => function.process(batch, outcomes).map_err(Error::Simulation)?,
        None => function.finish(outcomes),
    }
    Ok(())
}

fn alone<F: FunctionHalf, T: TimeHalf>(
    mut intake: Intake<'_, impl Source>,
    function: &mut F,
    time: &mut T,
) -> Result<Passed, Error> {
    let (mut batch, mut outcomes) = (Batch::new(), Outcomes::default());
    while intake.fill(&mut batch)? {
        function_over(function, Some(&batch), &mut outcomes)?;
        time.process(&outcomes);
    }
    function_over(function, None, &mut outcomes)?;
    time.process(&outcomes);
    time.finish();
    Ok(intake.into_passed())
}

/// A channel forwards and one back, by which what was used returns to be used again.
struct Loop<T> {
    forward: (Sender<T>, Receiver<T>),
    back: (Sender<T>, Receiver<T>),
}

impl<T> Loop<T> {
    fn new(fresh: impl Fn() -> T) -> Self {
        let all = Self { forward: bounded(DEPTH), back: bounded(DEPTH) };
        for _ in 0..DEPTH {
            // There is room, and both ends are alive.
            let _ = all.back.0.send(fresh());
        }
        all
    }
}

/// The time half's stage: takes outcomes until there are no more.
fn time_stage<T: TimeHalf>(time: &mut T, incoming: &Receiver<Outcomes>, used: &Sender<Outcomes>) {
    for outcomes in incoming {
        time.process(&outcomes);
        // Nobody wants it back once the trace has ended.
        let _ = used.send(outcomes);
    }
    time.finish();
}

/// Sends the outcomes of `batch` on their way; `false` if nobody takes them any more.
fn forward<F: FunctionHalf>(
    function: &mut F,
    batch: Option<&Batch>,
    fresh: &Receiver<Outcomes>,
    outgoing: &Sender<Outcomes>,
) -> Result<bool, Error> {
    let Ok(mut outcomes) = fresh.recv() else { return Ok(false) };
    function_over(function, batch, &mut outcomes)?;
    Ok(outgoing.send(outcomes).is_ok())
}

fn in_two<F: FunctionHalf, T: TimeHalf>(
    mut intake: Intake<'_, impl Source>,
    function: &mut F,
    time: &mut T,
) -> Result<Passed, Error> {
    let outcomes = Loop::new(Outcomes::default);
    let (outgoing, incoming) = outcomes.forward;
    let (used, fresh) = outcomes.back;
    std::thread::scope(|scope| {
        scope.spawn(move || time_stage(time, &incoming, &used));
        // Moved here, so that an early return closes the channel and ends the other stage.
        let outgoing = outgoing;
        let mut batch = Batch::new();
        while intake.fill(&mut batch)? && forward(function, Some(&batch), &fresh, &outgoing)? {}
        forward(function, None, &fresh, &outgoing)?;
        Ok(intake.into_passed())
    })
}

fn in_three<F: FunctionHalf, T: TimeHalf>(
    mut intake: Intake<'_, impl Source>,
    function: &mut F,
    time: &mut T,
) -> Result<Passed, Error> {
    let batches = Loop::new(Batch::new);
    let outcomes = Loop::new(Outcomes::default);
    let (filled, to_process) = batches.forward;
    let (processed, to_fill) = batches.back;
    let (outgoing, incoming) = outcomes.forward;
    let (used, fresh) = outcomes.back;
    std::thread::scope(|scope| {
        scope.spawn(move || time_stage(time, &incoming, &used));
        let function_stage = scope.spawn(move || -> Result<(), Error> {
            for batch in &to_process {
                if !forward(function, Some(&batch), &fresh, &outgoing)? {
                    return Ok(());
                }
                // Nobody wants it back once the trace has ended.
                let _ = processed.send(batch);
            }
            forward(function, None, &fresh, &outgoing).map(|_| ())
        });
        let taken = intake_stage(&mut intake, &to_fill, &filled);
        drop(filled);
        let done = match function_stage.join() {
            Ok(done) => done,
            Err(payload) => std::panic::resume_unwind(payload),
        };
        // What stopped the source came first: the stages behind it then ended as at a trace's end.
        taken.and(done).map(|()| intake.into_passed())
    })
}

fn intake_stage(
    intake: &mut Intake<'_, impl Source>,
    to_fill: &Receiver<Batch>,
    filled: &Sender<Batch>,
) -> Result<(), Error> {
    while let Ok(mut batch) = to_fill.recv() {
        if !intake.fill(&mut batch)? || filled.send(batch).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Regional;
    use crate::testing::{Counting, Echo, Keep};

    type Ran = Result<(Passed, Keep), Error>;

    fn run(threads: usize, limit: Option<u64>, fails: Option<u64>, stop: bool) -> Ran {
        let interrupted = AtomicBool::new(stop);
        let (mut function, mut time) = (Echo { fails }, Keep::default());
        let region = Region { limit, ..Region::default() };
        let drive_it = Drive { threads, region, interrupted: &interrupted, progress: &|_, _| () };
        let source = Regional::new(Counting::new(2000), region, "counting");
        let passed = drive(source, &mut function, &mut time, &drive_it)?;
        Ok((passed, time))
    }

    #[test]
    fn the_time_half_sees_everything_in_order_on_any_number_of_threads() {
        for threads in 1..=4 {
            let (passed, time) = run(threads, None, None, false).unwrap();
            assert_eq!(passed.summary.loads, 2000);
            assert_eq!(passed.heat.accesses, 2000);
            time.assert_complete(2000);
        }
    }

    #[test]
    fn the_limit_cuts_between_accesses() {
        for threads in 1..=3 {
            for limit in [0, 1, 100, 2000, 9999] {
                let (passed, time) = run(threads, Some(limit), None, false).unwrap();
                assert_eq!(passed.summary.loads, limit.min(2000));
                time.assert_complete(limit.min(2000));
            }
        }
    }

    #[test]
    fn failures_and_interruptions_end_every_stage() {
        for threads in 1..=3 {
            let failed = run(threads, None, Some(1234), false).map(|_| ()).unwrap_err();
            assert_eq!(failed.to_string(), "it broke");
            let stopped = run(threads, None, None, true).map(|_| ()).unwrap_err();
            assert!(matches!(stopped, Error::Interrupted));
        }
    }
}
