//! Batches on their way: from a source through the function halves of some machines, and from each of
//! those to its time halves. On one thread or in stages on several, with the same result.

use std::sync::atomic::AtomicBool;

use crossbeam::channel::{Receiver, Sender, bounded};
use model::outcome::Outcomes;
use tracegen::batch::Batch;
use tracegen::source::Source;

use crate::error::Error;
use crate::heat::HeatSample;
use crate::intake::Intake;
use crate::measured::TraceSummary;

/// What happens to every access.
pub trait FunctionHalf: Send {
    /// Takes a batch and appends what came of it to `outcomes`, which is empty.
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
    /// Accesses after which the pass stops.
    pub limit: Option<u64>,
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

/// Sends everything that `source` has through `functions`, and the outcomes of each to the time halves
/// at the same index of `times`.
///
/// # Errors
/// The source's, a machine's, or the interruption. The halves are of no use then.
pub fn drive<F: FunctionHalf, T: TimeHalf>(
    source: impl Source,
    functions: &mut [F],
    times: &mut [Vec<T>],
    drive: &Drive<'_>,
) -> Result<Passed, Error> {
    match drive.threads {
        0 | 1 => alone(source, functions, times, drive),
        2 => in_two(source, functions, times, drive),
        _ => in_three(source, functions, times, drive),
    }
}

/// Runs every function half over `batch`, or over the end of the trace.
fn functions_over<F: FunctionHalf>(
    functions: &mut [F],
    batch: Option<&Batch>,
    outcomes: &mut [Outcomes],
) -> Result<(), Error> {
    for (function, outcomes) in functions.iter_mut().zip(outcomes) {
        outcomes.clear();
        match batch {
            Some(batch) => function.process(batch, outcomes).map_err(Error::Simulation)?,
            None => function.finish(outcomes),
        }
    }
    Ok(())
}

fn times_over<T: TimeHalf>(times: &mut [Vec<T>], outcomes: &[Outcomes]) {
    for (times, outcomes) in times.iter_mut().zip(outcomes) {
        times.iter_mut().for_each(|time| time.process(outcomes));
    }
}

fn finish_times<T: TimeHalf>(times: &mut [Vec<T>]) {
    times.iter_mut().flatten().for_each(TimeHalf::finish);
}

fn alone<F: FunctionHalf, T: TimeHalf>(
    source: impl Source,
    functions: &mut [F],
    times: &mut [Vec<T>],
    drive: &Drive<'_>,
) -> Result<Passed, Error> {
    let mut intake = Intake::new(source, drive);
    let (mut batch, mut outcomes) = (Batch::new(), vec![Outcomes::default(); functions.len()]);
    while intake.fill(&mut batch)? {
        functions_over(functions, Some(&batch), &mut outcomes)?;
        times_over(times, &outcomes);
    }
    functions_over(functions, None, &mut outcomes)?;
    times_over(times, &outcomes);
    finish_times(times);
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

/// The time halves' stage: takes outcomes until there are no more.
fn time_stage<T: TimeHalf>(
    times: &mut [Vec<T>],
    incoming: &Receiver<Vec<Outcomes>>,
    used: &Sender<Vec<Outcomes>>,
) {
    for outcomes in incoming {
        times_over(times, &outcomes);
        // Nobody wants it back once the trace has ended.
        let _ = used.send(outcomes);
    }
    finish_times(times);
}

/// Sends the outcomes of `batch` on their way; `false` if nobody takes them any more.
fn forward<F: FunctionHalf>(
    functions: &mut [F],
    batch: Option<&Batch>,
    fresh: &Receiver<Vec<Outcomes>>,
    outgoing: &Sender<Vec<Outcomes>>,
) -> Result<bool, Error> {
    let Ok(mut outcomes) = fresh.recv() else { return Ok(false) };
    functions_over(functions, batch, &mut outcomes)?;
    Ok(outgoing.send(outcomes).is_ok())
}

fn in_two<F: FunctionHalf, T: TimeHalf>(
    source: impl Source,
    functions: &mut [F],
    times: &mut [Vec<T>],
    drive: &Drive<'_>,
) -> Result<Passed, Error> {
    let outcomes = Loop::new(|| vec![Outcomes::default(); functions.len()]);
    let (outgoing, incoming) = outcomes.forward;
    let (used, fresh) = outcomes.back;
    std::thread::scope(|scope| {
        scope.spawn(move || time_stage(times, &incoming, &used));
        // Moved here, so that an early return closes the channel and ends the other stage.
        let outgoing = outgoing;
        let mut intake = Intake::new(source, drive);
        let mut batch = Batch::new();
        while intake.fill(&mut batch)? && forward(functions, Some(&batch), &fresh, &outgoing)? {}
        forward(functions, None, &fresh, &outgoing)?;
        Ok(intake.into_passed())
    })
}

fn in_three<F: FunctionHalf, T: TimeHalf>(
    source: impl Source,
    functions: &mut [F],
    times: &mut [Vec<T>],
    drive: &Drive<'_>,
) -> Result<Passed, Error> {
    let batches = Loop::new(Batch::new);
    let outcomes = Loop::new(|| vec![Outcomes::default(); functions.len()]);
    let (filled, to_process) = batches.forward;
    let (processed, to_fill) = batches.back;
    let (outgoing, incoming) = outcomes.forward;
    let (used, fresh) = outcomes.back;
    std::thread::scope(|scope| {
        scope.spawn(move || time_stage(times, &incoming, &used));
        let function_stage = scope.spawn(move || -> Result<(), Error> {
            for batch in &to_process {
                if !forward(functions, Some(&batch), &fresh, &outgoing)? {
                    return Ok(());
                }
                // Nobody wants it back once the trace has ended.
                let _ = processed.send(batch);
            }
            forward(functions, None, &fresh, &outgoing).map(|_| ())
        });
        let mut intake = Intake::new(source, drive);
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
    use model::outcome::Outcome;
    use tracegen::error::TraceError;
    use tracegen::record::{Access, Event};

    /// Accesses 0, 1, 2… in batches of varying size, an event between them.
    struct Counting {
        next: u64,
        total: u64,
    }

    impl Source for Counting {
        fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
            batch.clear();
            let size = 1 + self.next % 37;
            for _ in 0..size.min(self.total - self.next) {
                batch.push_access(Access { addr: self.next << 12, ..Access::default() });
                self.next += 1;
            }
            batch.push_event(0, Event::Exec);
            Ok(batch.accesses() > 0)
        }
    }

    /// Passes every address on as an outcome's site; fails at `fails`.
    struct Echo {
        fails: Option<u64>,
    }

    impl FunctionHalf for Echo {
        fn process(&mut self, batch: &Batch, outcomes: &mut Outcomes) -> Result<(), String> {
            for &addr in &batch.addr {
                if Some(addr >> 12) == self.fails {
                    return Err("it broke".to_owned());
                }
                outcomes.list.push(Outcome { site: addr >> 12, ..Outcome::default() });
            }
            Ok(())
        }
        fn finish(&mut self, outcomes: &mut Outcomes) {
            outcomes.list.push(Outcome { site: u64::MAX, ..Outcome::default() });
        }
    }

    #[derive(Default)]
    struct Keep {
        sites: Vec<u64>,
        finished: bool,
    }

    impl TimeHalf for Keep {
        fn process(&mut self, outcomes: &Outcomes) {
            self.sites.extend(outcomes.list.iter().map(|outcome| outcome.site));
        }
        fn finish(&mut self) {
            self.finished = true;
        }
    }

    type Ran = Result<(Passed, Vec<Vec<Keep>>), Error>;

    fn run(threads: usize, limit: Option<u64>, fails: Option<u64>, stop: bool) -> Ran {
        let interrupted = AtomicBool::new(stop);
        let mut functions = [Echo { fails: None }, Echo { fails }];
        let mut times = vec![vec![Keep::default()], vec![Keep::default(), Keep::default()]];
        let drive_it = Drive { threads, limit, interrupted: &interrupted, progress: &|_, _| () };
        let source = Counting { next: 0, total: 2000 };
        let passed = drive(source, &mut functions, &mut times, &drive_it)?;
        Ok((passed, times))
    }

    #[test]
    fn every_time_half_sees_everything_in_order_on_any_number_of_threads() {
        for threads in 1..=4 {
            let (passed, times) = run(threads, None, None, false).unwrap();
            assert_eq!(passed.summary.loads, 2000);
            assert_eq!(passed.heat.accesses, 2000);
            let expected: Vec<u64> = (0..2000).chain([u64::MAX]).collect();
            for time in times.iter().flatten() {
                assert_eq!(time.sites, expected);
                assert!(time.finished);
            }
        }
    }

    #[test]
    fn the_limit_cuts_between_accesses() {
        for threads in 1..=3 {
            for limit in [0, 1, 100, 2000, 9999] {
                let (passed, times) = run(threads, Some(limit), None, false).unwrap();
                assert_eq!(passed.summary.loads, limit.min(2000));
                assert_eq!(times[1][1].sites.len() as u64, limit.min(2000) + 1);
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
