//! How much processor time a thread has used.

use std::time::Instant;

/// Measures the processor time of the thread that starts it; the time of day where the system does not
/// tell.
pub struct CpuClock {
    start: Instant,
    used: Option<u64>,
}

/// Nanoseconds that this thread has run, as Linux counts them (proc_pid_schedstat(5)).
fn used() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
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
