//! From missing points to passes: what is simulated together.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::look::Look;
use super::memory;
use super::plan::Plan;
use crate::error::Error;

/// The most functional machines that one pass carries: their state lies in memory together, and what
/// is not stored is lost when the program is killed.
pub const MACHINES: usize = 8;

/// A functional machine of a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The places of its points in the plan; each is a time half.
    pub points: Vec<usize>,
    /// Bytes of its state and its time halves'.
    pub memory: u64,
}

/// One pass of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Index into [`Plan::traces`].
    pub trace: usize,
    /// What the trace goes through.
    pub machines: Vec<Machine>,
}

impl Pass {
    /// How many points it feeds.
    pub fn points(&self) -> usize {
        self.machines.iter().map(|machine| machine.points.len()).sum()
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> u64 {
        self.machines.iter().fold(0, |sum, machine| sum.saturating_add(machine.memory))
    }

    /// Work, for comparing passes: accesses × halves.
    pub fn weight(&self, plan: &Plan) -> u64 {
        let accesses = plan.traces[self.trace].accesses_within(plan.limit).unwrap_or(1 << 20);
        accesses.max(1).saturating_mul((self.machines.len() + self.points()) as u64)
    }
}

/// Packs points into passes: points of a group share a functional machine, machines of a trace share its
/// decoding, as far as `bound` bytes of memory and [`MACHINES`] allow. A machine that does not fit has a
/// pass of its own. The longest pass comes first, so that no thread is left with it at the end.
///
/// # Errors
/// A trace cannot be read.
pub fn passes(plan: &Plan, missing: &[usize], bound: u64) -> Result<Vec<Pass>, Error> {
    let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for &index in missing {
        let point = &plan.points[index];
        groups.entry((point.trace, point.group)).or_default().push(index);
    }
    let pages = pages(plan, groups.values(), bound)?;
    let mut passes: Vec<Pass> = Vec::new();
    for ((trace, _), points) in groups {
        for machine in machines(plan, pages[trace], &points, bound) {
            match passes.last_mut() {
                Some(last)
                    if last.trace == trace
                        && last.machines.len() < MACHINES
                        && last.memory().saturating_add(machine.memory) <= bound =>
                {
                    last.machines.push(machine);
                }
                _ => passes.push(Pass { trace, machines: vec![machine] }),
            }
        }
    }
    passes.sort_by_key(|pass| Reverse(pass.weight(plan)));
    Ok(passes)
}

/// How many pages each trace touches: as many as it has accesses for, where even that leaves room for
/// [`MACHINES`] machines, else what a [`Look`] at it says.
fn pages<'a>(
    plan: &Plan,
    groups: impl Iterator<Item = &'a Vec<usize>>,
    bound: u64,
) -> Result<Vec<Option<u64>>, Error> {
    let mut pages: Vec<Option<u64>> =
        plan.traces.iter().map(|trace| trace.pages_within(plan.limit)).collect();
    let mut looked = vec![false; pages.len()];
    for points in groups {
        let Some(point) = points.first().map(|&first| &plan.points[first]) else { continue };
        let most = memory::function(&point.config, pages[point.trace])
            .saturating_add(memory::time().saturating_mul(points.len() as u64));
        if !looked[point.trace] && most.saturating_mul(MACHINES as u64) > bound {
            let look = Look::at(plan, &plan.traces[point.trace])?;
            let known = pages[point.trace].unwrap_or(u64::MAX);
            (pages[point.trace], looked[point.trace]) = (Some(look.pages.min(known)), true);
        }
    }
    Ok(pages)
}

/// The machine of a group's points, or several where its time halves do not fit together.
fn machines(plan: &Plan, pages: Option<u64>, points: &[usize], bound: u64) -> Vec<Machine> {
    let Some(first) = points.first() else { return Vec::new() };
    let own = memory::function(&plan.points[*first].config, pages);
    let room = bound.saturating_sub(own) / memory::time();
    let count = usize::try_from(room).unwrap_or(usize::MAX).max(1);
    let machine = |points: &[usize]| Machine {
        points: points.to_vec(),
        memory: own.saturating_add(memory::time().saturating_mul(points.len() as u64)),
    };
    points.chunks(count).map(machine).collect()
}
