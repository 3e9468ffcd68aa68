//! What a study still has to do and what that will cost, for a reader who has not started it yet.

use serde::Serialize;

use super::cost::{MachineCost, machines};
use super::key::Key;
use super::look::Look;
use super::plan::Plan;
use super::schedule::{Pass, passes};
use crate::error::Error;

/// CPU seconds that the tables, the charts and the report take, at least.
const OUTPUTS: f64 = 0.2;
/// CPU seconds that storing a point and its row in the tables take.
const POINT: f64 = 0.002;

/// The work of a study, or of a part of it.
#[derive(Debug, Clone, Serialize)]
pub struct Graph {
    /// The study's name.
    pub study: String,
    /// Points of this part.
    pub points: usize,
    /// Those that are stored already.
    pub stored: usize,
    /// Busy threads at most.
    pub jobs: usize,
    /// Bytes that passes under way may take together.
    pub memory_bound_bytes: u64,
    /// The traces that have something to do.
    pub traces: Vec<TraceNode>,
    /// The passes over them, in the order in which they start.
    pub passes: Vec<PassNode>,
    /// CPU seconds of tables, charts and the report.
    pub outputs_cpu_seconds: f64,
    /// CPU seconds of all.
    pub cpu_seconds: f64,
    /// Seconds until all is done, on `jobs` threads that have a core each.
    pub wall_seconds: f64,
    /// The most bytes that passes under way take.
    pub memory_bytes: u64,
}

/// A trace.
#[derive(Debug, Clone, Serialize)]
pub struct TraceNode {
    /// Its name in results.
    pub name: String,
    /// Accesses, up to the study's limit; a workload's are what it expects.
    pub accesses: u64,
    /// Distinct pages of 4 KiB that it touches, estimated.
    pub pages: u64,
}

/// One pass of a trace through some functional machines.
#[derive(Debug, Clone, Serialize)]
pub struct PassNode {
    /// Index into [`Graph::traces`].
    pub trace: usize,
    /// CPU seconds of reading and decoding.
    pub read_cpu_seconds: f64,
    /// CPU seconds of all of it.
    pub cpu_seconds: f64,
    /// Bytes of all its machines.
    pub memory_bytes: u64,
    /// The functional machines.
    pub machines: Vec<FunctionNode>,
}

/// A functional machine.
#[derive(Debug, Clone, Serialize)]
pub struct FunctionNode {
    /// The swept values that all its points share.
    pub keys: Vec<Key>,
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// Bytes, with its time halves.
    pub memory_bytes: u64,
    /// The timing machines that hear its outcomes.
    pub times: Vec<TimeNode>,
}

/// A timing machine.
#[derive(Debug, Clone, Serialize)]
pub struct TimeNode {
    /// CPU seconds.
    pub cpu_seconds: f64,
    /// The keys of the point that it feeds.
    pub point: Vec<Key>,
}

impl Graph {
    /// The graph of those points of `mine` that are `missing`.
    ///
    /// # Errors
    /// A trace cannot be read or a machine cannot simulate it.
    pub fn of(
        plan: &Plan,
        mine: usize,
        missing: &[usize],
        jobs: usize,
        memory: u64,
    ) -> Result<Self, Error> {
        let all = passes(plan, missing, memory)?;
        let mut graph = Self {
            study: plan.name.clone(),
            points: mine,
            stored: mine - missing.len(),
            jobs,
            memory_bound_bytes: memory,
            traces: Vec::new(),
            passes: Vec::new(),
            outputs_cpu_seconds: OUTPUTS + POINT * mine as f64,
            cpu_seconds: 0.0,
            wall_seconds: 0.0,
            memory_bytes: running_memory(&all, jobs, memory),
        };
        let mut by_pass: Vec<(usize, PassNode)> = Vec::new();
        for (index, planned) in plan.traces.iter().enumerate() {
            let of_trace = all.iter().enumerate().filter(|(_, pass)| pass.trace == index);
            let of_trace: Vec<(usize, &Pass)> = of_trace.collect();
            if of_trace.is_empty() {
                continue;
            }
            let look = Look::at(plan, planned)?;
            let every: Vec<_> = of_trace.iter().flat_map(|(_, pass)| &pass.machines).collect();
            let mut costs = machines(plan, &look, &every)?.into_iter();
            for (at, pass) in of_trace {
                let read = look.read_seconds * look.accesses as f64;
                let costs: Vec<MachineCost> = costs.by_ref().take(pass.machines.len()).collect();
                by_pass.push((at, node(plan, pass, graph.traces.len(), read, &costs)));
            }
            let name = planned.spec.name().to_owned();
            graph.traces.push(TraceNode { name, accesses: look.accesses, pages: look.pages });
        }
        by_pass.sort_by_key(|(at, _)| *at);
        graph.passes = by_pass.into_iter().map(|(_, node)| node).collect();
        graph.add_up();
        Ok(graph)
    }

    fn add_up(&mut self) {
        let passes: f64 = self.passes.iter().map(|pass| pass.cpu_seconds).sum();
        self.cpu_seconds = passes + self.outputs_cpu_seconds;
        // A half goes through its trace in order, on one thread at a time.
        let halves = self.passes.iter().flat_map(|pass| &pass.machines).flat_map(|machine| {
            let times = machine.times.iter().map(|time| time.cpu_seconds);
            times.chain([machine.cpu_seconds])
        });
        let longest = halves.fold(0.0, f64::max);
        let spread = (passes / self.jobs.max(1) as f64).max(longest);
        self.wall_seconds = if self.jobs > 1 { spread } else { passes } + self.outputs_cpu_seconds;
    }
}

fn node(plan: &Plan, pass: &Pass, trace: usize, read: f64, costs: &[MachineCost]) -> PassNode {
    let machines = pass.machines.iter().zip(costs).map(|(machine, cost)| {
        let keys = |&point: &usize| plan.points[point].keys.clone();
        let times = machine.points.iter().zip(&cost.times);
        FunctionNode {
            keys: common(plan, &machine.points),
            cpu_seconds: cost.function,
            memory_bytes: machine.memory,
            times: times
                .map(|(point, &cpu_seconds)| TimeNode { cpu_seconds, point: keys(point) })
                .collect(),
        }
    });
    PassNode {
        trace,
        read_cpu_seconds: read,
        cpu_seconds: read + costs.iter().map(MachineCost::total).sum::<f64>(),
        memory_bytes: pass.memory(),
        machines: machines.collect(),
    }
}

/// The keys that some points have in common.
fn common(plan: &Plan, points: &[usize]) -> Vec<Key> {
    let Some(first) = points.first().map(|&point| &plan.points[point].keys) else {
        return Vec::new();
    };
    let shared = |key: &&Key| points.iter().all(|&point| plan.points[point].keys.contains(key));
    first.iter().filter(shared).cloned().collect()
}

/// The most bytes of `jobs` passes that follow each other, as far as the bound lets them run at once.
fn running_memory(passes: &[Pass], jobs: usize, bound: u64) -> u64 {
    let together = |window: &[Pass]| {
        let all = window.iter().fold(0u64, |sum, pass| sum.saturating_add(pass.memory()));
        let one = window.iter().map(Pass::memory).max().unwrap_or(0);
        all.min(bound.max(one))
    };
    passes.windows(jobs.clamp(1, passes.len().max(1))).map(together).max().unwrap_or(0)
}
