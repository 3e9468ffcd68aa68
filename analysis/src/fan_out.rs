//! A pass of one trace through several machines: a batch is decoded once, every function half takes it
//! while it is in the host's cache, and the outcomes of each fan out to all its time halves.
//!
//! Alone, a thread takes one batch through one machine after another. Outcomes are kept until there are
//! enough of them that bringing a time half's state into the cache is worth it. Where a
//! [`Member`] of a team has idle helpers, the pass goes in steps instead: within one, the source fills the
//! next batches, the function halves take the previous ones, and the time halves the outcomes before
//! those. All of these are independent, so that threads take them as they come. Where the stream is cut
//! makes no difference to a half, and each sees all of it in order: the results are the same.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use model::outcome::Outcomes;
use tracegen::batch::Batch;
use tracegen::source::Source;

use crate::error::Error;
use crate::intake::Intake;
use crate::pipeline::{Drive, FunctionHalf, Passed, TimeHalf};
use crate::team::{Member, Work};

/// Outcomes that go to a time half at once.
const OUTCOMES: usize = 2048;

/// The most batches of a step.
const BATCHES: usize = 16;

/// A step that is shorter than this spends too much on waiting for its end; the next has more batches.
const SHORT: Duration = Duration::from_millis(2);

/// One function half with the time halves that hear its outcomes.
pub struct Machine<F, T> {
    /// What happens.
    pub function: F,
    /// What it costs, by configuration.
    pub times: Vec<T>,
}

/// Sends everything that `source` has through `machines` and returns them with what was learnt about the
/// trace.
///
/// # Errors
/// The source's, a machine's, or the interruption.
pub fn fan_out<F, T>(
    source: impl Source,
    machines: Vec<Machine<F, T>>,
    drive: &Drive<'_>,
    member: &Member,
) -> Result<(Passed, Vec<Machine<F, T>>), Error>
where
    F: FunctionHalf + 'static,
    T: TimeHalf + 'static,
{
    let mut pass = Pass::new(machines, member);
    let mut intake = Intake::new(source, drive);
    while !(pass.ended && pass.in_flight == 0) {
        if pass.in_flight > 0 || member.has_help() {
            pass.step(&mut intake)?;
        } else {
            pass.alone(&mut intake)?;
        }
    }
    Ok((intake.into_passed(), pass.finish()?))
}

/// A half and how long its latest task took.
struct Lane<H> {
    /// Empty once the pass has ended.
    half: Mutex<Option<H>>,
    nanoseconds: AtomicU64,
}

impl<H> Lane<H> {
    fn new(half: H) -> Self {
        Self { half: Mutex::new(Some(half)), nanoseconds: AtomicU64::new(0) }
    }

    /// Does `work` with the half; nobody else has it meanwhile. Nothing is done with one that whoever
    /// had it last has panicked over; the end of the pass tells.
    fn with<R>(&self, work: impl FnOnce(&mut H) -> R) -> Option<R> {
        let start = Instant::now();
        let done = self.half.lock().ok()?.as_mut().map(work);
        let spent = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.store(spent, Ordering::Relaxed);
        done
    }

    fn take(&self) -> Option<H> {
        self.half.lock().ok()?.take()
    }
}

/// What is locked here is sound at every moment.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Batches of a step; those behind the first `filled` are room for later ones.
#[derive(Default)]
struct Chunk {
    batches: Vec<Batch>,
    filled: usize,
}

impl Chunk {
    /// Takes up to `count` batches; `false` at the end of the trace.
    fn fill(&mut self, intake: &mut Intake<'_, impl Source>, count: usize) -> Result<bool, Error> {
        self.filled = 0;
        for index in 0..count {
            if index == self.batches.len() {
                self.batches.push(Batch::new());
            }
            if !intake.fill(&mut self.batches[index])? {
                return Ok(false);
            }
            self.filled += 1;
        }
        Ok(true)
    }
}

/// What a pass and its helpers share. Of each pair, one is written in the even steps, one in the odd.
struct Shared<F, T> {
    functions: Vec<Lane<F>>,
    /// Time halves with the index of their function half.
    times: Vec<(usize, Lane<T>)>,
    batches: [RwLock<Chunk>; 2],
    outcomes: Vec<[RwLock<Outcomes>; 2]>,
    /// What went wrong, by function half.
    failures: Mutex<Vec<(usize, String)>>,
}

impl<F: FunctionHalf, T: TimeHalf> Shared<F, T> {
    /// Sends `batches` through a function half; its outcomes are added to those of `side`.
    fn function(&self, index: usize, side: usize, batches: &[Batch]) {
        let Ok(mut outcomes) = self.outcomes[index][side].write() else { return };
        let process =
            |half: &mut F| batches.iter().try_for_each(|batch| half.process(batch, &mut outcomes));
        if let Some(Err(message)) = self.functions[index].with(process) {
            locked(&self.failures).push((index, message));
        }
    }

    fn time(&self, index: usize, side: usize) {
        let (function, lane) = &self.times[index];
        if let Ok(outcomes) = self.outcomes[*function][side].read() {
            lane.with(|half| half.process(&outcomes));
        }
    }

    /// Sends the outcomes of one function half to its time halves and empties them.
    fn times_of(&self, function: usize, side: usize) {
        for (index, (own, _)) in self.times.iter().enumerate() {
            if *own == function {
                self.time(index, side);
            }
        }
        if let Ok(mut outcomes) = self.outcomes[function][side].write() {
            outcomes.clear();
        }
    }
}

impl<F: FunctionHalf, T: TimeHalf> Work for Shared<F, T> {
    /// Tasks are numbered: the function halves, the time halves, the time halves' ends.
    fn run(&self, turn: usize, task: usize) {
        let (side, functions, times) = (turn % 2, self.functions.len(), self.times.len());
        if task < functions {
            if let Ok(mut outcomes) = self.outcomes[task][side].write() {
                outcomes.clear();
            }
            if let Ok(chunk) = self.batches[side].read() {
                self.function(task, side, &chunk.batches[..chunk.filled]);
            }
        } else if task < functions + times {
            self.time(task - functions, 1 - side);
        } else {
            let index = task - functions - times;
            self.time(index, 1 - side);
            self.times[index].1.with(TimeHalf::finish);
        }
    }
}

/// A pass under way. In step `turn`, batches and outcomes of side `turn` % 2 are what the function halves
/// read and write; the source writes, and the time halves read, the other side.
struct Pass<'a, F, T> {
    shared: Arc<Shared<F, T>>,
    member: &'a Member,
    turn: usize,
    /// Batches of the next step.
    count: usize,
    /// Batches that wait for the function halves.
    in_flight: usize,
    ended: bool,
    /// The batch of a thread that is alone.
    batch: Batch,
}

impl<'a, F: FunctionHalf + 'static, T: TimeHalf + 'static> Pass<'a, F, T> {
    fn new(machines: Vec<Machine<F, T>>, member: &'a Member) -> Self {
        let mut shared = Shared {
            functions: Vec::new(),
            times: Vec::new(),
            batches: Default::default(),
            outcomes: Vec::new(),
            failures: Mutex::new(Vec::new()),
        };
        for (index, machine) in machines.into_iter().enumerate() {
            shared.functions.push(Lane::new(machine.function));
            shared.times.extend(machine.times.into_iter().map(|time| (index, Lane::new(time))));
            shared.outcomes.push(Default::default());
        }
        let (shared, batch) = (Arc::new(shared), Batch::new());
        Self { shared, member, turn: 0, count: 1, in_flight: 0, ended: false, batch }
    }

    /// The side whose outcomes the time halves have yet to hear.
    fn waiting(&self) -> usize {
        1 - self.turn % 2
    }

    /// Takes the next batch through one machine after another.
    fn alone(&mut self, intake: &mut Intake<'_, impl Source>) -> Result<(), Error> {
        if !intake.fill(&mut self.batch)? {
            self.ended = true;
            return Ok(());
        }
        let side = self.waiting();
        for index in 0..self.shared.functions.len() {
            self.shared.function(index, side, std::slice::from_ref(&self.batch));
            let outcomes = self.shared.outcomes[index][side].read();
            if outcomes.is_ok_and(|outcomes| outcomes.list.len() >= OUTCOMES) {
                self.shared.times_of(index, side);
            }
        }
        self.check()
    }

    /// One step of every half. Without helpers, it takes no batch in, so that the next are taken alone.
    fn step(&mut self, intake: &mut Intake<'_, impl Source>) -> Result<(), Error> {
        let start = Instant::now();
        let mut tasks: Vec<usize> =
            (0..self.shared.functions.len() + self.shared.times.len()).collect();
        tasks.sort_by_cached_key(|&task| Reverse(self.cost(task)));
        let count = if self.ended || !self.member.has_help() { 0 } else { self.count };
        let next = &self.shared.batches[1 - self.turn % 2];
        let work: Arc<dyn Work> = Arc::<Shared<F, T>>::clone(&self.shared);
        let filled = self.member.step(work, self.turn, tasks, || {
            let mut next = next.write().unwrap_or_else(PoisonError::into_inner);
            next.fill(intake, count).map(|more| (more, next.filled))
        });
        let (more, in_flight) = filled?;
        self.turn += 1;
        self.ended |= !more;
        self.in_flight = in_flight;
        if start.elapsed() < SHORT {
            self.count = (self.count * 2).min(BATCHES);
        }
        self.check()
    }

    /// Nanoseconds that a task took the last time. What was not measured yet comes first.
    fn cost(&self, task: usize) -> u64 {
        let lane = match task.checked_sub(self.shared.functions.len()) {
            Some(time) => &self.shared.times[time].1.nanoseconds,
            None => &self.shared.functions[task].nanoseconds,
        };
        match lane.load(Ordering::Relaxed) {
            0 => u64::MAX,
            spent => spent,
        }
    }

    fn check(&self) -> Result<(), Error> {
        match locked(&self.shared.failures).iter().min() {
            Some((_, message)) => Err(Error::Simulation(message.clone())),
            None => Ok(()),
        }
    }

    /// Tells every half that the trace has ended, and takes them back.
    fn finish(self) -> Result<Vec<Machine<F, T>>, Error> {
        let (shared, side) = (&self.shared, self.waiting());
        for (lane, outcomes) in shared.functions.iter().zip(&shared.outcomes) {
            if let Ok(mut outcomes) = outcomes[side].write() {
                lane.with(|half| half.finish(&mut outcomes));
            }
        }
        let first = shared.functions.len() + shared.times.len();
        let ends = (first..first + shared.times.len()).collect();
        let work: Arc<dyn Work> = Arc::<Shared<F, T>>::clone(shared);
        self.member.step(work, self.turn, ends, || ());
        let gone = || Error::Simulation("a worker of the study died".to_owned());
        let mut machines = Vec::new();
        for lane in &shared.functions {
            let function = lane.take().ok_or_else(gone)?;
            machines.push(Machine { function, times: Vec::new() });
        }
        for (function, lane) in &shared.times {
            machines[*function].times.push(lane.take().ok_or_else(gone)?);
        }
        Ok(machines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Region;
    use crate::team::team;
    use crate::testing::{Counting, Echo, Keep};
    use std::sync::atomic::AtomicBool;

    type Ran = Result<(Passed, Vec<Machine<Echo, Keep>>), Error>;

    /// Two machines, with one and three time halves, on `threads` threads. Helpers come after `delay`.
    fn run(threads: usize, delay: Duration, fails: Option<u64>, stop: bool) -> Ran {
        let interrupted = AtomicBool::new(stop);
        let machine = |times, fails| Machine {
            function: Echo { fails },
            times: (0..times).map(|_| Keep::default()).collect(),
        };
        let machines = vec![machine(1, None), machine(3, fails)];
        let slow = |_, accesses: u64| {
            if accesses.is_multiple_of(7) {
                std::thread::sleep(delay / 50);
            }
        };
        let drive = Drive {
            threads,
            region: Region::default(),
            interrupted: &interrupted,
            progress: &slow,
        };
        let mut members = team(threads);
        let owner = members.pop().unwrap();
        std::thread::scope(|scope| {
            for member in members {
                scope.spawn(move || {
                    std::thread::sleep(delay);
                    // Comes, goes, and comes again.
                    member.help_for(Duration::from_millis(1));
                    std::thread::sleep(delay / 4);
                    member.help();
                });
            }
            let ran = fan_out(Counting::new(9000), machines, &drive, &owner);
            drop(owner);
            ran
        })
    }

    #[test]
    fn every_time_half_sees_everything_in_order_whoever_helps() {
        for threads in 1..=4 {
            for delay in [0, 1, 4].map(Duration::from_millis) {
                let (passed, machines) = run(threads, delay, None, false).unwrap();
                assert_eq!(passed.summary.loads, 9000);
                assert_eq!(passed.heat.accesses, 9000);
                let counts: Vec<_> = machines.iter().map(|machine| machine.times.len()).collect();
                assert_eq!(counts, [1, 3]);
                let times = machines.iter().flat_map(|machine| &machine.times);
                times.for_each(|time| time.assert_complete(9000));
            }
        }
    }

    #[test]
    fn failures_and_interruptions_end_the_pass() {
        for threads in 1..=3 {
            let failed = run(threads, Duration::ZERO, Some(4321), false).map(|_| ()).unwrap_err();
            assert_eq!(failed.to_string(), "it broke");
            let stopped = run(threads, Duration::ZERO, None, true).map(|_| ()).unwrap_err();
            assert!(matches!(stopped, Error::Interrupted));
        }
    }
}
