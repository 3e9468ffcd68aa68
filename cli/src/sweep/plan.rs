//! `sweep --plan`: the work of a study and its cost, as text.

use std::fmt::Write;

use analysis::study::graph::{FunctionNode, Graph, PassNode, TraceNode};
use analysis::study::key::{Key, short};

/// Time halves of a machine that are listed one by one.
const LISTED: usize = 8;

/// The graph for reading.
pub fn text(graph: &Graph) -> String {
    let Graph { study, points, stored, jobs, .. } = graph;
    let mut out = String::new();
    line(&mut out, 0, &format!("{study}: {points} points, {stored} of them stored already"));
    for (number, pass) in graph.passes.iter().enumerate() {
        if let Some(trace) = graph.traces.get(pass.trace) {
            describe(&mut out, number + 1, pass, trace);
        }
    }
    let outputs = seconds(graph.outputs_cpu_seconds);
    line(&mut out, 0, &format!("tables, charts and report: {outputs} of CPU time"));
    let total = format!(
        "estimate: {} of CPU time, {} with --jobs {jobs}, {} of memory (--memory allows {})",
        seconds(graph.cpu_seconds),
        seconds(graph.wall_seconds),
        bytes(graph.memory_bytes),
        bytes(graph.memory_bound_bytes)
    );
    line(&mut out, 0, &total);
    out
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{:indent$}{text}", "", indent = 2 * depth);
}

fn describe(out: &mut String, number: usize, pass: &PassNode, trace: &TraceNode) {
    let TraceNode { name, accesses, pages } = trace;
    let head = format!(
        "pass {number}: {name}, about {accesses} accesses to {pages} pages, read once in {}; in all {}, {}",
        seconds(pass.read_cpu_seconds),
        seconds(pass.cpu_seconds),
        bytes(pass.memory_bytes)
    );
    line(out, 0, &head);
    for machine in &pass.machines {
        let cost = seconds(machine.cpu_seconds);
        let memory = bytes(machine.memory_bytes);
        let what = values(&machine.keys);
        line(out, 1, &format!("function half: {what}: {cost}, {memory}"));
        times(out, machine);
    }
}

fn times(out: &mut String, machine: &FunctionNode) {
    for time in machine.times.iter().take(LISTED) {
        let own: Vec<Key> =
            time.point.iter().filter(|key| !machine.keys.contains(key)).cloned().collect();
        let what = if own.is_empty() { "the point".to_owned() } else { values(&own) };
        line(out, 2, &format!("time half: {what}: {}", seconds(time.cpu_seconds)));
    }
    let rest = machine.times.get(LISTED..).unwrap_or_default();
    if !rest.is_empty() {
        let cost = seconds(rest.iter().map(|time| time.cpu_seconds).sum());
        let count = rest.len();
        line(out, 2, &format!("{count} more time halves: {cost} (--format json lists them)"));
    }
}

fn values(keys: &[Key]) -> String {
    let parts: Vec<String> =
        keys.iter().map(|(path, value)| format!("{} {value}", short(path))).collect();
    parts.join(" · ")
}

fn seconds(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        _ if seconds < 90.0 => format!("{seconds:.1} s"),
        _ if seconds < 5400.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes as f64 / f64::from(1 << 20) {
        mebibytes if mebibytes < 1024.0 => format!("{mebibytes:.0} MiB"),
        mebibytes => format!("{:.1} GiB", mebibytes / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_readable_units() {
        assert_eq!(seconds(0.0123), "12 ms");
        assert_eq!(seconds(12.34), "12.3 s");
        assert_eq!(seconds(600.0), "10 min");
        assert_eq!(seconds(7200.0), "2.0 h");
        assert_eq!((bytes(5 << 20), bytes(3 << 29)), ("5 MiB".to_owned(), "1.5 GiB".to_owned()));
    }
}
