//! Measuring one point, in a process that does nothing else.

use analysis::study::clock::CpuClock;
use model::config::Config;
use model::function::Simulator;
use model::outcome::Outcomes;
use model::statistics::Statistics;
use model::time::Timing;

use super::Point;
use super::load::{PAGE, Pattern, trace};
use crate::machine::skylake;

/// What a simulation took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// CPU time of both halves for an access, on one thread.
    pub ns: f64,
    /// The most memory that the process had resident.
    pub peak_bytes: u64,
    /// Simulated memory that was mapped.
    pub mapped_bytes: u64,
}

/// `skylake` with room for 64 GiB and its tables.
fn machine(pattern: Pattern) -> Config {
    let mapped = if pattern == Pattern::FirstTouch { "none" } else { "accessed" };
    skylake(&[("os.memory", "96GiB"), ("os.prefault", mapped)])
}

/// Simulates `point`, pages mapped before unless their first touch is the point.
pub fn measure(point: Point) -> Figures {
    let config = machine(point.pattern);
    let mut function = Simulator::new(&config, 1).unwrap_or_else(|error| panic!("{error}"));
    let mut time = Timing::new(&config).unwrap_or_else(|error| panic!("{error}"));
    if point.pattern != Pattern::FirstTouch {
        for batch in trace(point) {
            function.prefault(&batch).unwrap_or_else(|error| panic!("{error}"));
        }
        function.prefaulted().unwrap_or_else(|error| panic!("{error}"));
    }
    let mut outcomes = Outcomes::default();
    let start = CpuClock::start();
    for batch in trace(point) {
        outcomes.clear();
        let done = function.process(&batch, &mut outcomes);
        done.unwrap_or_else(|error| panic!("{error}"));
        time.process(&outcomes);
    }
    time.finish();
    let ns = start.seconds() * 1e9 / point.accesses as f64;
    let mut statistics = Statistics::default();
    function.report(&mut statistics);
    let pages = statistics.get("os.pages.resident").map_or(0.0, |value| value.as_f64());
    Figures { ns, peak_bytes: peak_bytes(), mapped_bytes: pages as u64 * PAGE }
}

/// The most memory that this process had resident; 0 where the system does not tell.
fn peak_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
