//! What a study will cost the host. The stretches of a [`Look`] are simulated on some of its machines, and
//! the processor time of each half, for each access, stands for the whole trace.
//!
//! - Pages of the stretches are mapped before, as most of a long trace touches pages that it has touched
//!   before; what first touches cost is measured with the first stretch alone, and multiplied by the
//!   estimated number of pages, unless pages are mapped before the trace starts.
//! - The first stretch warms the machine up and is not measured; a trace that fits the stretches is
//!   simulated as it is.
//! - A machine that is not tried costs what those tried ones cost that share most of its settings, on
//!   average.

use model::config::Config;
use model::function::Simulator;
use model::os::settings::Prefault;
use model::outcome::Outcomes;
use model::statistics::{Statistics, Value};
use model::time::Timing;
use tracegen::batch::Batch;

use super::clock::CpuClock;
use super::key::Key;
use super::look::Look;
use super::plan::Plan;
use super::schedule::Machine;
use crate::error::Error;

/// Machines of a trace that are tried, and time halves of a machine.
const TRIED: usize = 4;

/// CPU seconds of one functional machine over the whole trace.
#[derive(Debug, Clone, Default)]
pub struct MachineCost {
    /// Of the function half, with mapping pages before where the machine does that.
    pub function: f64,
    /// Of each time half, in the order of the machine's points.
    pub times: Vec<f64>,
}

impl MachineCost {
    /// Of all halves.
    pub fn total(&self) -> f64 {
        self.function + self.times.iter().sum::<f64>()
    }
}

/// What `machines`, all of one trace, cost over the whole of it.
///
/// # Errors
/// A machine cannot simulate the trace.
pub fn machines(
    plan: &Plan,
    look: &Look,
    machines: &[&Machine],
) -> Result<Vec<MachineCost>, Error> {
    let keys = |machine: &Machine| machine.points.first().map(|&point| &plan.points[point].keys);
    let mut tried: Vec<(&Machine, Tried)> = Vec::new();
    for index in spread(machines.len()) {
        tried.push((machines[index], Tried::of(plan, look, machines[index])?));
    }
    let cost = |machine: &&Machine| {
        let alike = |(other, _): &(&Machine, Tried)| shared(keys(other), keys(machine));
        let most = tried.iter().map(alike).max();
        let nearest = tried.iter().filter(|tried| Some(alike(tried)) == most);
        mean(&nearest.map(|(_, tried)| tried.cost(plan, machine)).collect::<Vec<_>>())
    };
    Ok(machines.iter().map(cost).collect())
}

/// The mean of costs of one machine.
fn mean(costs: &[MachineCost]) -> MachineCost {
    let part = 1.0 / costs.len().max(1) as f64;
    let Some((first, rest)) = costs.split_first() else { return MachineCost::default() };
    let mut sum = first.clone();
    for cost in rest {
        sum.function += cost.function;
        sum.times.iter_mut().zip(&cost.times).for_each(|(sum, time)| *sum += time);
    }
    sum.times.iter_mut().for_each(|time| *time *= part);
    MachineCost { function: sum.function * part, times: sum.times }
}

/// Up to [`TRIED`] of `count` places, the first, the last, and evenly between.
fn spread(count: usize) -> Vec<usize> {
    let tried = count.min(TRIED);
    (0..tried).map(|at| at * (count - 1) / (tried - 1).max(1)).collect()
}

/// How many values two points have in common.
fn shared(a: Option<&Vec<Key>>, b: Option<&Vec<Key>>) -> usize {
    let (Some(a), Some(b)) = (a, b) else { return 0 };
    a.iter().zip(b).filter(|(x, y)| x == y).count()
}

/// A machine that was tried: seconds over the whole trace.
struct Tried {
    function: f64,
    /// By the point that was tried.
    times: Vec<(usize, f64)>,
}

impl Tried {
    fn of(plan: &Plan, look: &Look, machine: &Machine) -> Result<Self, Error> {
        let points: Vec<usize> =
            spread(machine.points.len()).into_iter().map(|at| machine.points[at]).collect();
        let configs: Vec<&Config> =
            points.iter().map(|&point| &plan.points[point].config).collect();
        let Some(config) = configs.first() else {
            return Ok(Self { function: 0.0, times: Vec::new() });
        };
        let mapped = config.os.prefault == Prefault::Accessed;
        let warming = usize::from(!look.complete && look.stretches.len() > 1);
        let map = mapped || !look.complete;
        let warm = Run::over(&configs, plan.seed, &look.stretches, warming, map)?;
        let accesses = look.accesses as f64;
        let mut tried = Self {
            function: warm.function * accesses,
            times: points
                .iter()
                .zip(&warm.times)
                .map(|(&at, time)| (at, time * accesses))
                .collect(),
        };
        if mapped {
            tried.function += warm.note * accesses + warm.map * look.pages as f64;
        } else if !look.complete {
            // First touches are faults.
            let first = &look.stretches[..look.stretches.len().min(1)];
            let cold = Run::over(&configs, plan.seed, first, 0, false)?;
            let part = look.pages as f64 * cold.accesses / cold.faults.max(1.0);
            tried.function += (cold.function - warm.function).max(0.0) * part;
            for ((_, seconds), (cold, warm)) in
                tried.times.iter_mut().zip(cold.times.iter().zip(&warm.times))
            {
                *seconds += (cold - warm).max(0.0) * part;
            }
        }
        Ok(tried)
    }

    /// What `machine`, which is this or one like it, costs.
    fn cost(&self, plan: &Plan, machine: &Machine) -> MachineCost {
        let keys = |point: usize| Some(&plan.points[point].keys);
        let time = |&point: &usize| {
            let alike = |(other, _): &&(usize, f64)| shared(keys(*other), keys(point));
            self.times.iter().max_by_key(alike).map_or(0.0, |(_, seconds)| *seconds)
        };
        MachineCost { function: self.function, times: machine.points.iter().map(time).collect() }
    }
}

/// Seconds that a simulation of some stretches took.
#[derive(Default)]
struct Run {
    accesses: f64,
    faults: f64,
    /// For each access.
    function: f64,
    /// For each access, by configuration.
    times: Vec<f64>,
    /// For each access: noting the pages that are to be mapped.
    note: f64,
    /// For each page: mapping it.
    map: f64,
}

impl Run {
    /// Simulates `stretches`; the first `warming` are not measured.
    fn over(
        configs: &[&Config],
        seed: u64,
        stretches: &[Vec<Batch>],
        warming: usize,
        mapped: bool,
    ) -> Result<Self, Error> {
        let refused = |error: &dyn std::fmt::Display| Error::Simulation(error.to_string());
        let Some(config) = configs.first() else { return Ok(Self::default()) };
        let mut run = Self::default();
        let mut function = Simulator::new(config, seed).map_err(|error| refused(&error))?;
        if mapped {
            run.map(&mut function, stretches)?;
        }
        let (mut outcomes, mut measured) = (vec![Outcomes::default(); stretches.len()], 0.0);
        let mut clock = CpuClock::start();
        for (index, (stretch, outcomes)) in stretches.iter().zip(&mut outcomes).enumerate() {
            if index == warming {
                clock = CpuClock::start();
            }
            for batch in stretch {
                measured += if index >= warming { batch.accesses() as f64 } else { 0.0 };
                function.process(batch, outcomes).map_err(|error| refused(&error))?;
            }
        }
        run.accesses = f64::max(measured, 1.0);
        run.function = clock.seconds() / run.accesses;
        run.faults = faults(&function);
        for config in configs {
            let mut time = Timing::new(config).map_err(|error| refused(&error))?;
            for (index, outcomes) in outcomes.iter().enumerate() {
                if index == warming {
                    clock = CpuClock::start();
                }
                time.process(outcomes);
            }
            run.times.push(clock.seconds() / run.accesses);
        }
        Ok(run)
    }

    /// Maps what the stretches touch.
    fn map(&mut self, function: &mut Simulator, stretches: &[Vec<Batch>]) -> Result<(), Error> {
        let refused =
            |error: model::function::SimulationError| Error::Simulation(error.to_string());
        let (clock, mut accesses) = (CpuClock::start(), 0);
        let mut pages = std::collections::HashSet::new();
        for batch in stretches.iter().flatten() {
            accesses += batch.accesses();
            function.prefault(batch).map_err(refused)?;
        }
        self.note = clock.seconds() / accesses.max(1) as f64;
        for addr in stretches.iter().flatten().flat_map(|batch| &batch.addr) {
            pages.insert(addr >> 12);
        }
        let clock = CpuClock::start();
        function.prefaulted().map_err(refused)?;
        self.map = clock.seconds() / pages.len().max(1) as f64;
        Ok(())
    }
}

fn faults(function: &Simulator) -> f64 {
    let mut statistics = Statistics::default();
    function.report(&mut statistics);
    statistics.get("os.faults.total").map_or(0.0, Value::as_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_the_last_and_some_between_are_tried() {
        assert_eq!(spread(0), Vec::<usize>::new());
        assert_eq!(spread(1), [0]);
        assert_eq!(spread(3), [0, 1, 2]);
        assert_eq!(spread(64), [0, 21, 42, 63]);
    }

    #[test]
    fn machines_that_are_equally_near_count_alike() {
        let cost = |function, time| MachineCost { function, times: vec![time, 1.0] };
        let mean = mean(&[cost(1.0, 2.0), cost(3.0, 6.0)]);
        assert_eq!((mean.function, mean.times), (2.0, vec![4.0, 1.0]));
    }
}
