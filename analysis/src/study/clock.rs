//! How much processor time a stretch of work has used.

use std::time::Instant;

/// Measures the processor time of all threads of the process that live from its start to the question,
/// such as a workload's that makes a trace; the time of day where the system does not tell.
pub struct CpuClock {
    start: Instant,
    used: Option<u64>,
}

/// Nanoseconds that the threads have run, as Linux counts them (proc_pid_schedstat(5)).
fn used() -> Option<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        // A thread that has just ended has no file any more.
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat"));
        let ran = text.ok().and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        sum += ran.unwrap_or(0);
    }
    Some(sum)
}

impl CpuClock {
    /// Starts measuring.
    pub fn start() -> Self {
        Self { used: used(), start: Instant::now() }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        match (self.used, used()) {
            (Some(before), Some(after)) => after.saturating_sub(before) as f64 * 1e-9,
            _ => self.start.elapsed().as_secs_f64(),
        }
    }
}
