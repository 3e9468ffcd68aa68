//! How cost and memory grow with what is simulated: the length of the trace, the memory that it touches,
//! the processes that it runs.

pub mod chart;
pub mod load;
pub mod measure;

use load::Pattern;
use measure::Figures;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Axis {
    /// Accesses, over 64 MiB.
    Length,
    /// Bytes.
    Footprint,
    /// Address spaces that share [`TOGETHER`] bytes.
    Processes,
}

/// One simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// What it is a point of.
    pub axis: Axis,
    /// How it goes over memory.
    pub pattern: Pattern,
    /// How often.
    pub accesses: u64,
    /// Over how many bytes.
    pub footprint: u64,
    /// In how many processes.
    pub processes: u64,
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What every point on the way to 64 GiB reads: too few accesses to touch all of that.
const READS: u64 = 1 << 20;

/// What all processes touch together.
pub const TOGETHER: u64 = 256 * MIB;

/// The lengths of traces: 1 Mi to 64 Mi accesses.
const LENGTHS: [u64; 4] = [1 << 20, 1 << 22, 1 << 24, 1 << 26];

/// Numbers of processes.
const PROCESSES: [u64; 6] = [1, 4, 16, 64, 256, 1000];

impl Point {
    /// How far it is along its axis.
    pub fn place(&self) -> u64 {
        match self.axis {
            Axis::Length => self.accesses,
            Axis::Footprint => self.footprint,
            Axis::Processes => self.processes,
        }
    }
}

/// Every point, those of a line one after another.
pub fn points() -> Vec<Point> {
    let mut points = Vec::new();
    let base = Point {
        axis: Axis::Length,
        pattern: Pattern::Sequential,
        accesses: READS,
        footprint: 64 * MIB,
        processes: 1,
    };
    for pattern in [Pattern::Sequential, Pattern::Zipf] {
        points.extend(LENGTHS.map(|accesses| Point { pattern, accesses, ..base }));
    }
    let footprints = (0..9).map(|step| MIB << (2 * step));
    for pattern in [Pattern::Uniform, Pattern::Zipf] {
        let base = Point { axis: Axis::Footprint, pattern, ..base };
        points.extend(footprints.clone().map(|footprint| Point { footprint, ..base }));
    }
    // Every page of up to 4 GiB.
    let first = Point { axis: Axis::Footprint, pattern: Pattern::FirstTouch, ..base };
    points.extend(footprints.filter(|&footprint| footprint <= 4 * GIB).map(|footprint| Point {
        footprint,
        accesses: footprint / load::PAGE,
        ..first
    }));
    points.extend(PROCESSES.map(|processes| Point {
        axis: Axis::Processes,
        pattern: Pattern::Uniform,
        footprint: TOGETHER,
        processes,
        ..base
    }));
    points
}

/// A point and what was measured there.
pub type Measured = (Point, Figures);
