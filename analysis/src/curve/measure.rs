//! The pass over a trace that curves come from.

use model::os::reclaim::ReclaimPolicy;
use model::outcome::Outcomes;
use tracegen::batch::Batch;
use tracegen::next_use::annotate;
use tracegen::source::Source;

use super::estimate::{GROUPS, half_width};
use super::exact::Exact;
use super::geometry::Geometries;
use super::keys::Cutter;
use super::policy::{Choice, MiniSimulation};
use super::sample::Sampled;
use super::sizes::{FINE, OCTAVES, PER_OCTAVE, covering, grid, up_to};
use super::{Before, Curve, Curves, Method, Point, Spec};
use crate::error::Error;
use crate::pipeline::{Drive, FunctionHalf, TimeHalf, drive};
use crate::region::Regional;
use crate::trace::TraceSpec;

/// Frames that a default size has at least in a miniature simulation.
const LEAST_FRAMES: f64 = 8.0;

/// What LRU comes from.
enum Lru {
    Exact(Box<Exact>),
    Sampled(Box<Sampled>),
}

/// Everything that takes the batches.
struct Pass {
    cutter: Cutter,
    lru: Option<Lru>,
    mini: Option<MiniSimulation>,
}

impl FunctionHalf for Pass {
    fn process(&mut self, batch: &Batch, _: &mut Outcomes) -> Result<(), String> {
        if let Some(mini) = &mut self.mini {
            mini.process(batch)?;
        }
        match &mut self.lru {
            Some(Lru::Exact(exact)) => self.cutter.cut(batch, exact.as_mut()),
            Some(Lru::Sampled(sampled)) => self.cutter.cut(batch, sampled.as_mut()),
            None => Ok(()),
        }
    }

    fn finish(&mut self, _: &mut Outcomes) {}
}

/// Curves have no second half.
struct Untimed;

impl TimeHalf for Untimed {
    fn process(&mut self, _: &Outcomes) {}
    fn finish(&mut self) {}
}

/// Measures the curves that `spec` asks for over everything that `trace` has. With more than one thread,
/// the trace is read on one of its own.
///
/// # Errors
/// The trace cannot be read, what is asked for does not go together, or the user wants to stop.
pub fn measure(spec: &Spec, trace: &TraceSpec, options: &Drive<'_>) -> Result<Curves, Error> {
    check(spec)?;
    let source = open(spec, trace, options)?;
    let sizes = Sizes::of(spec);
    let mut pass = Pass::new(spec, &sizes);
    // The third stage has nothing to do, and is no busy thread.
    let threads = if options.threads > 1 { 3 } else { 1 };
    let options = Drive { threads, ..*options };
    drive(source, &mut pass, &mut Untimed, &options)?;
    Ok(pass.curves(spec, trace.name(), &sizes))
}

/// Refuses what does not go together.
fn check(spec: &Spec) -> Result<(), Error> {
    let refused = |message: &str| Err(Error::Simulation(message.to_owned()));
    let simulated = spec.policies.iter().any(|choice| !choice.is_lru());
    let sampling = spec.sampling;
    if spec.policies.is_empty() {
        return refused("no policy is given");
    }
    if let Some(sampling) = sampling
        && !(sampling.rate > 0.0 && sampling.rate <= 1.0)
    {
        return refused("a sampling rate is above 0 and at most 1");
    }
    if simulated && spec.level != super::Level::Page {
        return refused("policies other than lru are those of memory: they need --level page");
    }
    if sampling.is_some() && (spec.shapes.is_some() || spec.first.is_some()) {
        return refused("--geometry and --behind count every access; they do not go with a sample");
    }
    if spec.shapes.is_some() && spec.level == super::Level::Page {
        return refused("memory has no sets: --geometry needs --level tlb or line");
    }
    if spec.first.is_some() && spec.level == super::Level::Page {
        return refused("--behind needs --level tlb or line");
    }
    if simulated && sampling.is_some_and(|sampling| sampling.size.is_some()) {
        return refused(
            "memories are scaled by a rate that stays: policies other than lru need --sample RATE, not --sample-size",
        );
    }
    if let Some(sizes) = &spec.sizes
        && let (true, Some(sampling)) = (simulated, sampling)
        && let Some(small) = sizes.iter().find(|size| (**size as f64) * sampling.rate < 1.0)
    {
        let least = (1.0 / sampling.rate).ceil();
        return refused(&format!(
            "at a rate of {} a memory of {small} pages has no frame left; the least is {least}",
            sampling.rate
        ));
    }
    Ok(())
}

/// Opens the trace, with the next use of every page where a policy wants to know it.
fn open(spec: &Spec, trace: &TraceSpec, options: &Drive<'_>) -> Result<Box<dyn Source>, Error> {
    let ahead = options.threads > 1;
    if !spec.policies.iter().any(|choice| choice.setting.needs_next_use()) {
        return Ok(Box::new(Regional::new(
            trace.open(spec.seed, ahead)?,
            options.region,
            trace.name(),
        )));
    }
    if trace.is_stdin() {
        let message =
            "policy `opt` reads the trace twice, and standard input can be read only once";
        return Err(Error::Simulation(message.to_owned()));
    }
    let (first, again) = (trace.open(spec.seed, ahead)?, trace.open(spec.seed, ahead)?);
    let again = Regional::new(again, options.region, trace.name());
    // A page's shift is below 64.
    Ok(Box::new(annotate(first, again, &[spec.shift as u8])?))
}

/// The sizes that are counted, all of them fixed before the footprint is known.
struct Sizes {
    /// Those of LRU that is sampled: what is asked for and what a picture shows.
    sampled: Vec<u64>,
    /// Those of other policies.
    simulated: Vec<u64>,
}

impl Sizes {
    fn of(spec: &Spec) -> Self {
        let mut sampled = grid(FINE);
        sampled.extend(spec.sizes.iter().flatten());
        sampled.sort_unstable();
        sampled.dedup();
        let rate = spec.sampling.map_or(1.0, |sampling| sampling.rate);
        let least = if rate < 1.0 { LEAST_FRAMES / rate } else { 1.0 };
        let simulated = spec.sizes.clone().unwrap_or_else(|| {
            grid(OCTAVES).into_iter().filter(|size| *size as f64 >= least).collect()
        });
        Self { sampled, simulated }
    }
}

/// A point of `misses` of `accesses`, known to within `half` on either side.
fn point(size: u64, misses: f64, half: Option<f64>, accesses: u64) -> Point {
    let all = accesses as f64;
    let ratio = |misses: f64| if accesses == 0 { 0.0 } else { (misses / all).clamp(0.0, 1.0) };
    Point {
        size,
        misses: misses.round().clamp(0.0, all) as u64,
        ratio: ratio(misses),
        interval: half.map(|half| [ratio(misses - half), ratio(misses + half)]),
    }
}

impl Pass {
    fn new(spec: &Spec, sizes: &Sizes) -> Self {
        let lru = spec.policies.iter().any(Choice::is_lru).then(|| match spec.sampling {
            Some(sampling) => {
                Lru::Sampled(Box::new(Sampled::new(sampling, &sizes.sampled, spec.seed)))
            }
            None => {
                let shapes = spec.shapes.as_ref();
                let geometries = shapes.map(|shapes| Geometries::new(&shapes.sets, shapes.ways));
                Lru::Exact(Box::new(Exact::new(spec.first, geometries)))
            }
        });
        let others: Vec<ReclaimPolicy> = spec
            .policies
            .iter()
            .filter(|choice| !choice.is_lru())
            .map(|choice| choice.setting)
            .collect();
        let rate = spec.sampling.map_or(1.0, |sampling| sampling.rate);
        let mini = (!others.is_empty()).then(|| {
            MiniSimulation::new(
                &others,
                &sizes.simulated,
                rate,
                (spec.shift, spec.stream),
                spec.seed,
            )
        });
        Self { cutter: Cutter::new(spec.shift, spec.stream), lru, mini }
    }

    fn curves(&self, spec: &Spec, trace: &str, sizes: &Sizes) -> Curves {
        let references = match &self.mini {
            Some(mini) => mini.references(),
            None => self.cutter.references(),
        };
        let mut curves = Curves {
            trace: trace.to_owned(),
            level: spec.level,
            entry: 1 << spec.shift,
            stream: spec.stream,
            accesses: references,
            footprint: 0,
            before: None,
            curves: Vec::new(),
            geometries: Vec::new(),
        };
        if let Some(mini) = &self.mini {
            curves.footprint = (mini.keys() as f64 / mini.rate()).round() as u64;
        }
        match &self.lru {
            Some(Lru::Exact(exact)) => {
                curves.footprint = exact.distances().footprint();
                if let Some(filter) = exact.filter() {
                    let (accesses, misses) = (references, filter.misses());
                    curves.before = Some(Before { geometry: filter.geometry(), accesses, misses });
                    curves.accesses = misses;
                }
                curves.geometries = exact.geometries().map(Geometries::misses).unwrap_or_default();
            }
            Some(Lru::Sampled(sampled)) => {
                curves.footprint = sampled.estimates().footprint.round() as u64;
            }
            None => {}
        }
        let mut simulated =
            self.mini.as_ref().map(MiniSimulation::misses).unwrap_or_default().into_iter();
        for choice in &spec.policies {
            let curve = match (&self.lru, &self.mini) {
                (Some(Lru::Exact(exact)), _) if choice.is_lru() => {
                    exact_curve(exact, spec, &curves)
                }
                (Some(Lru::Sampled(sampled)), _) if choice.is_lru() => {
                    sampled_curve(sampled, spec, sizes, references)
                }
                (_, Some(mini)) => {
                    let misses = simulated.next().unwrap_or_default();
                    simulated_curve(mini, &misses, spec, &sizes.simulated, curves.footprint)
                }
                _ => continue,
            };
            curves.curves.push(Curve { policy: choice.label.clone(), ..curve });
        }
        curves
    }
}

fn exact_curve(exact: &Exact, spec: &Spec, curves: &Curves) -> Curve {
    let distances = exact.distances();
    let at = |sizes: &[u64]| -> Vec<Point> {
        let misses = distances.misses(sizes);
        let pairs = sizes.iter().zip(misses);
        pairs.map(|(size, misses)| point(*size, misses as f64, None, curves.accesses)).collect()
    };
    let footprint = curves.footprint;
    let sizes = spec.sizes.clone().unwrap_or_else(|| up_to(&grid(PER_OCTAVE), footprint));
    Curve {
        policy: String::new(),
        method: Method::Exact,
        rate: 1.0,
        keys: footprint,
        points: at(&sizes),
        fine: at(&up_to(&grid(FINE), footprint)),
    }
}

fn sampled_curve(sampled: &Sampled, spec: &Spec, sizes: &Sizes, accesses: u64) -> Curve {
    let estimates = sampled.estimates();
    let all: Vec<Point> = sizes
        .sampled
        .iter()
        .zip(&estimates.misses)
        .map(|(size, (misses, half))| point(*size, *misses, Some(*half), accesses))
        .collect();
    let wanted = |sizes: &[u64]| -> Vec<Point> {
        all.iter().filter(|point| sizes.binary_search(&point.size).is_ok()).copied().collect()
    };
    let fine = grid(FINE);
    let default = grid(PER_OCTAVE);
    let default = &default[..covering(&default, estimates.footprint)];
    let method = match spec.sampling.is_some_and(|sampling| sampling.size.is_some()) {
        true => Method::FixedSize,
        false => Method::FixedRate,
    };
    Curve {
        policy: String::new(),
        method,
        rate: estimates.rate,
        keys: estimates.keys as u64,
        points: wanted(spec.sizes.as_deref().unwrap_or(default)),
        fine: wanted(&fine[..covering(&fine, estimates.footprint)]),
    }
}

fn simulated_curve(
    mini: &MiniSimulation,
    misses: &[[u64; GROUPS]],
    spec: &Spec,
    sizes: &[u64],
    footprint: u64,
) -> Curve {
    let (rate, accesses) = (mini.rate(), mini.references());
    let exact = rate >= 1.0;
    let shown = match &spec.sizes {
        Some(sizes) => sizes.len(),
        None => covering(sizes, footprint as f64),
    };
    let points = sizes.iter().zip(misses).take(shown).map(|(size, groups)| {
        let total = groups.iter().sum::<u64>() as f64 / rate;
        let scaled = groups.map(|misses| misses as f64 / rate * GROUPS as f64);
        point(*size, total, (!exact).then(|| half_width(&scaled, rate)), accesses)
    });
    Curve {
        policy: String::new(),
        method: if exact { Method::Simulation } else { Method::MiniSimulation },
        rate,
        keys: mini.keys() as u64,
        points: points.collect(),
        fine: Vec::new(),
    }
}
