//! Resident memory does not grow with the length of a trace.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

/// Peak resident KiB of a run over `passes` times 64 KiB of 8-byte reads.
fn peak(passes: u64) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_faultline"))
        .args(["run", "--config", "skylake", "--jobs", "2", "--workload", "sequential"])
        .args(["--set", "workload.footprint=64KiB", "--set", &format!("workload.passes={passes}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    assert!(peak > 0, "the run was over before it could be looked at");
    peak
}

#[test]
fn a_trace_twenty_times_as_long_takes_no_more_memory() {
    // 8192 reads a pass: 1 million, and 20 million.
    let (short, long) = (peak(128), peak(2560));
    assert!(long < short + short / 4 + 2048, "{short} KiB grow to {long} KiB");
}
