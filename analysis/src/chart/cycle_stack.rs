//! Where the cycles go: the components of `run.cycles`, which add up to it exactly.

use super::stack::Stack;
use super::style::colour;
use super::view::View;
use super::{Chart, ChartError};

/// The components but caches, in the order in which an access meets them; caches stand at [`CACHES`].
const ORDER: [&str; 11] = [
    "base",
    "branch",
    "tlb",
    "walk",
    "peer",
    "dram",
    "fault_minor",
    "fault_major",
    "swap",
    "kernel",
    "idle",
];

/// The place of caches in the order.
const CACHES: usize = 11;

/// The palette's colours of [`ORDER`].
const COLOURS: [usize; 11] = [0, 7, 2, 3, 8, 4, 5, 13, 11, 6, 14];

/// The palette's colours of caches, by level.
const CACHE_COLOURS: [usize; 4] = [1, 9, 15, 10];

/// The place of a component among its kind, caches being all alike.
fn place(component: &str) -> usize {
    ORDER.iter().position(|known| *known == component).unwrap_or(CACHES)
}

/// Where a place stands from left to right: caches lie between walks and what is behind them.
fn rank(place: usize) -> usize {
    match place {
        CACHES => 4,
        4.. => place + 1,
        _ => place,
    }
}

/// Cycles per access by component, a bar a point.
pub fn draw(view: &View) -> Result<Vec<Chart>, ChartError> {
    let mut parts: Vec<String> = Vec::new();
    for measure in view.points.iter().flat_map(|point| &point.measured.statistics) {
        if let Some(component) = measure.name.strip_prefix("cycles.")
            && !parts.iter().any(|known| known == component)
        {
            parts.push(component.to_owned());
        }
    }
    // Caches keep their order, between what comes before and after them on an access's way.
    parts.sort_by_key(|part| rank(place(part)));
    let names = parts.clone();
    let first_cache = names.iter().position(|part| place(part) == CACHES).unwrap_or(0);
    let stack = Stack {
        name: "cycle-stack",
        title: format!("{}: where the cycles go", view.name),
        subtitle: format!(
            "Core cycles per access of the trace, by the component that they are charged to; the number at a bar's end is their sum. Shorter is faster.{}",
            view.rows_note()
        ),
        axis: "cycles per access",
        parts,
        colour: &|part| match place(&names[part]) {
            CACHES => colour(CACHE_COLOURS[(part - first_cache) % CACHE_COLOURS.len()]),
            place => colour(COLOURS[place]),
        },
        value: &|point, part| {
            let cycles = point.measured.real(&format!("cycles.{}", names[part]));
            cycles / point.measured.real("run.accesses").max(1.0)
        },
    };
    Ok(stack.draw(view)?.into_iter().collect())
}
