//! Computing a plan: passes over traces, spread over threads, each stored when it ends.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use model::config::Config;

use super::plan::Plan;
use super::point::Point;
use super::store::{Found, Store};
use crate::error::Error;
use crate::pipeline::Drive;
use crate::simulate::pass;

/// The most functional machines that one pass carries: their state lies in memory together, and what
/// is not stored is lost when the program is killed.
const MACHINES: usize = 8;

/// Who wants to know how it goes.
pub trait Watch: Sync {
    /// `done` of `total` points are computed, in thousandths of a point.
    fn progress(&self, done: u64, total: u64);
    /// Something that the user should know.
    fn message(&self, text: &str);
}

/// How a plan is computed.
pub struct Options<'a> {
    /// Busy threads at most.
    pub jobs: usize,
    /// (index, count): which part of the plan, from (1, count) to (count, count).
    pub shard: (usize, usize),
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

/// One pass: a trace, and for each functional machine the places of its points in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pass {
    trace: usize,
    machines: Vec<Vec<usize>>,
}

impl Pass {
    fn points(&self) -> usize {
        self.machines.iter().map(Vec::len).sum()
    }
}

/// Computes the points of the shard that `store` lacks.
///
/// # Errors
/// The first failure of a pass, or the interruption. What other passes have finished is stored.
pub fn execute(plan: &Plan, store: &Store, options: &Options<'_>) -> Result<Done, Error> {
    let mine = plan.shard(options.shard.0, options.shard.1);
    let missing = missing(plan, store, &mine, options.watch)?;
    let passes = passes(plan, &missing, options.jobs);
    let done = Done { computed: missing.len(), stored: mine.len() - missing.len() };
    if passes.is_empty() {
        return Ok(done);
    }
    let workers = options.jobs.clamp(1, passes.len());
    let shared = Shared {
        plan,
        store,
        options,
        passes: &passes,
        threads: (options.jobs / workers).max(1),
        next: AtomicUsize::new(0),
        progress: passes.iter().map(|_| AtomicU64::new(0)).collect(),
        failure: Mutex::new(None),
        stop: AtomicBool::new(false),
    };
    crossbeam::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|_| shared.work());
        }
        shared.work();
    })
    .map_err(|_| Error::Simulation("a worker of the study died".to_owned()))?;
    if options.interrupted.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    let failure = shared.failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    failure.map_or(Ok(done), Err)
}

fn missing(
    plan: &Plan,
    store: &Store,
    mine: &[usize],
    watch: &dyn Watch,
) -> Result<Vec<usize>, Error> {
    let mut missing: Vec<usize> = Vec::new();
    for &index in mine {
        let address = plan.points[index].address;
        match store.point(address)? {
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

/// Packs points into passes: points of a group share a functional machine, machines of a trace share
/// its decoding, as far as that leaves work for every thread.
fn passes(plan: &Plan, missing: &[usize], jobs: usize) -> Vec<Pass> {
    let mut machines: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for &index in missing {
        let point = &plan.points[index];
        machines.entry((point.trace, point.group)).or_default().push(index);
    }
    let size = machines.len().div_ceil(jobs.max(1)).clamp(1, MACHINES);
    let mut passes: Vec<Pass> = Vec::new();
    for ((trace, _), points) in machines {
        match passes.last_mut() {
            Some(last) if last.trace == trace && last.machines.len() < size => {
                last.machines.push(points);
            }
            _ => passes.push(Pass { trace, machines: vec![points] }),
        }
    }
    passes
}

/// What the workers share.
struct Shared<'a> {
    plan: &'a Plan,
    store: &'a Store,
    options: &'a Options<'a>,
    passes: &'a [Pass],
    /// Threads for each pass.
    threads: usize,
    next: AtomicUsize,
    /// Thousandths of each pass that are done.
    progress: Vec<AtomicU64>,
    failure: Mutex<Option<Error>>,
    /// Set when a pass has failed: the others need not go on.
    stop: AtomicBool,
}

impl Shared<'_> {
    /// Takes passes until there are none, one fails, or the user wants to stop.
    fn work(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(pass) = self.passes.get(index) else { return };
            let stopped = self.options.interrupted.load(Ordering::Relaxed)
                || self.stop.load(Ordering::Relaxed);
            if stopped {
                return;
            }
            if let Err(error) = self.compute(index, pass) {
                self.stop.store(true, Ordering::Relaxed);
                if let Ok(mut failure) = self.failure.lock() {
                    failure.get_or_insert(error);
                }
                return;
            }
        }
    }

    fn compute(&self, index: usize, job: &Pass) -> Result<(), Error> {
        let trace = &self.plan.traces[job.trace];
        let configs: Vec<Vec<&Config>> = job
            .machines
            .iter()
            .map(|points| points.iter().map(|&point| &self.plan.points[point].config).collect())
            .collect();
        let limit = self.plan.limit;
        let drive = Drive {
            threads: self.threads,
            limit,
            interrupted: self.options.interrupted,
            progress: &|progress, accesses| {
                let limited = limit.map(|limit| (accesses, limit.max(1)));
                if let Some((done, total)) = limited.or(progress) {
                    self.tell(index, done.min(total) * 1000 / total.max(1));
                }
            },
        };
        let (measured, heat) = pass(&configs, self.plan.seed, &trace.spec, &drive)?;
        self.store.put_heat(trace.identity, &heat)?;
        for (points, results) in job.machines.iter().zip(measured) {
            for (&point, measured) in points.iter().zip(results) {
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
        self.progress[index].store(thousandths, Ordering::Relaxed);
        let weigh = |(pass, done): (&Pass, &AtomicU64)| {
            (pass.points() as u64) * done.load(Ordering::Relaxed)
        };
        let done = self.passes.iter().zip(&self.progress).map(weigh).sum();
        let total = self.passes.iter().map(|pass| pass.points() as u64).sum();
        self.options.watch.progress(done, total);
    }
}
