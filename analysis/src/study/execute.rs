//! Computing a plan: passes over traces, spread over threads, each stored when it ends.
//!
//! A thread takes the next pass and drives it; one that finds none, or none that fits into memory beside
//! those under way, helps the others with theirs. An interruption loses the passes under way and keeps
//! what others have stored.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use model::config::Config;

use super::plan::Plan;
use super::point::Point;
use super::schedule::{Pass, passes};
use super::store::{Found, Store};
use crate::error::Error;
use crate::pipeline::Drive;
use crate::simulate::pass;
use crate::team::{Member, team};

/// How long a thread helps before it looks again whether a pass fits into memory.
const WAIT: Duration = Duration::from_millis(20);

/// Who wants to know how it goes.
pub trait Watch: Sync {
    /// So far, points come to `done` thousandths of a point, of `total` points. `share`, from 0 to 1, is how
    /// much of the work that is; points of long traces are more of it.
    fn progress(&self, done: u64, total: u64, share: f64);
    /// Something that the user should know.
    fn message(&self, text: &str);
}

/// How a plan is computed.
pub struct Options<'a> {
    /// Busy threads at most.
    pub jobs: usize,
    /// (index, count): which part of the plan, from (1, count) to (count, count).
    pub shard: (usize, usize),
    /// Bytes of memory that passes under way may take together. A machine that alone needs more is
    /// simulated alone.
    pub memory: u64,
    /// Set when the user wants it to stop.
    pub interrupted: &'a AtomicBool,
    /// Who wants to know.
    pub watch: &'a dyn Watch,
}

/// How much there was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Points that were computed now.
    pub computed: usize,
    /// Points that were there already.
    pub stored: usize,
}

/// Computes the points of the shard that `store` lacks.
///
/// # Errors
/// The first failure of a pass, or the interruption. What other passes have finished is stored.
pub fn execute(plan: &Plan, store: &Store, options: &Options<'_>) -> Result<Done, Error> {
    let mine = plan.shard(options.shard.0, options.shard.1);
    let missing = missing(plan, Some(store), &mine, options.watch)?;
    let passes = passes(plan, &missing, options.memory)?;
    let done = Done { computed: missing.len(), stored: mine.len() - missing.len() };
    if passes.is_empty() {
        return Ok(done);
    }
    let shared = Shared {
        plan,
        store,
        options,
        passes: &passes,
        queue: Mutex::new(Queue::default()),
        progress: passes.iter().map(|_| AtomicU64::new(0)).collect(),
        failure: Mutex::new(None),
        stop: AtomicBool::new(false),
    };
    let mut members = team(options.jobs.max(1));
    let own = members.pop();
    crossbeam::thread::scope(|scope| {
        for member in members {
            scope.spawn(|_| shared.work(member));
        }
        own.into_iter().for_each(|member| shared.work(member));
    })
    .map_err(|_| Error::Simulation("a worker of the study died".to_owned()))?;
    if options.interrupted.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let failure = shared.failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    failure.map_or(Ok(done), Err)
}

/// Those of `mine` that are not in `store`, each machine once.
///
/// # Errors
/// The store cannot be read.
pub fn missing(
    plan: &Plan,
    store: Option<&Store>,
    mine: &[usize],
    watch: &dyn Watch,
) -> Result<Vec<usize>, Error> {
    let mut missing: Vec<usize> = Vec::new();
    for &index in mine {
        let address = plan.points[index].address;
        match store.map_or(Ok(Found::Missing), |store| store.point(address))? {
            Found::Sound(_) => {}
            Found::Missing => missing.push(index),
            Found::Damaged(message) => {
                watch.message(&format!("{message}; the point is computed again"));
                missing.push(index);
            }
        }
    }
    // Two combinations can be one machine; it is computed once.
    let mut known = std::collections::HashSet::new();
    missing.retain(|&index| known.insert(plan.points[index].address));
    Ok(missing)
}

/// Passes that are to come and memory that is in use.
#[derive(Default)]
struct Queue {
    next: usize,
    running: usize,
    memory: u64,
}

/// What a thread may do next.
enum Next {
    Pass(usize),
    /// There is a pass, but not the memory for it.
    Wait,
    Nothing,
}

/// What the workers share.
struct Shared<'a> {
    plan: &'a Plan,
    store: &'a Store,
    options: &'a Options<'a>,
    passes: &'a [Pass],
    queue: Mutex<Queue>,
    /// Thousandths of each pass that are done.
    progress: Vec<AtomicU64>,
    failure: Mutex<Option<Error>>,
    /// Set when a pass has failed: the others need not go on.
    stop: AtomicBool,
}

impl Shared<'_> {
    /// Takes passes until there are none, one fails, or the user wants to stop; then helps.
    fn work(&self, member: Member) {
        loop {
            match self.next() {
                Next::Nothing => break,
                Next::Wait => member.help_for(WAIT),
                Next::Pass(index) => {
                    let pass = &self.passes[index];
                    if let Err(error) = self.compute(index, pass, &member) {
                        self.stop.store(true, Ordering::Relaxed);
                        if let Ok(mut failure) = self.failure.lock() {
                            failure.get_or_insert(error);
                        }
                    }
                    if let Ok(mut queue) = self.queue.lock() {
                        queue.running -= 1;
                        queue.memory -= pass.memory();
                    }
                }
            }
        }
        member.help();
    }

    fn next(&self) -> Next {
        let stopped =
            self.options.interrupted.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed);
        let Ok(mut queue) = self.queue.lock() else { return Next::Nothing };
        let Some(pass) = self.passes.get(queue.next).filter(|_| !stopped) else {
            return Next::Nothing;
        };
        let memory = queue.memory.saturating_add(pass.memory());
        if queue.running > 0 && memory > self.options.memory {
            return Next::Wait;
        }
        let index = queue.next;
        *queue = Queue { next: index + 1, running: queue.running + 1, memory };
        Next::Pass(index)
    }

    fn compute(&self, index: usize, job: &Pass, member: &Member) -> Result<(), Error> {
        let trace = &self.plan.traces[job.trace];
        let config = |&point: &usize| -> &Config { &self.plan.points[point].config };
        let configs: Vec<Vec<&Config>> = job
            .machines
            .iter()
            .map(|machine| machine.points.iter().map(config).collect())
            .collect();
        let limit = self.plan.limit;
        let drive = Drive {
            // The thread that drives the pass decodes; others help with the halves.
            threads: 1,
            region: self.plan.region,
            interrupted: self.options.interrupted,
            progress: &|progress, accesses| {
                let limited = limit.map(|limit| (accesses, limit.max(1)));
                if let Some((done, total)) = limited.or(progress) {
                    self.tell(index, done.min(total) * 1000 / total.max(1));
                }
            },
        };
        let (measured, heat) = pass(&configs, self.plan.seed, &trace.spec, &drive, member)?;
        self.store.put_heat(trace.identity, &heat)?;
        for (machine, results) in job.machines.iter().zip(measured) {
            for (&point, measured) in machine.points.iter().zip(results) {
                let planned = &self.plan.points[point];
                let point = Point {
                    keys: planned.keys.clone(),
                    trace: trace.identity,
                    config: planned.json.to_string(),
                    measured,
                };
                self.store.put_point(planned.address, &point)?;
            }
        }
        self.tell(index, 1000);
        Ok(())
    }

    fn tell(&self, index: usize, thousandths: u64) {
        if self.progress[index].swap(thousandths, Ordering::Relaxed) == thousandths {
            return;
        }
        let (mut done, mut points, mut work, mut all) = (0, 0, 0.0, 0.0);
        for (pass, progress) in self.passes.iter().zip(&self.progress) {
            let (own, share) = (pass.points() as u64, progress.load(Ordering::Relaxed));
            done += own * share;
            points += own;
            let weight = pass.weight(self.plan) as f64;
            work += weight * share as f64 / 1000.0;
            all += weight;
        }
        self.options.watch.progress(done, points, work / f64::max(all, 1.0));
    }
}
