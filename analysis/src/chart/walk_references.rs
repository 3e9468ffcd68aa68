//! Where page-table entries were found: the walker's reads by the cache that served them.

use super::stack::Stack;
use super::style::colour;
use super::view::View;
use super::{Chart, ChartError};

/// Page-table reads per 1000 accesses by the level that had them, a bar a point.
pub fn draw(view: &View) -> Result<Vec<Chart>, ChartError> {
    let mut parts: Vec<String> = Vec::new();
    for measure in view.points.iter().flat_map(|point| &point.measured.statistics) {
        if let Some(level) = measure.name.strip_prefix("walker.from.")
            && !parts.iter().any(|known| known == level)
        {
            parts.push(level.to_owned());
        }
    }
    let names = parts.clone();
    let stack = Stack {
        name: "walk-references",
        title: format!("{}: where page-table entries are found", view.name),
        subtitle: format!(
            "Reads of page-table entries by the page walker, per 1000 accesses of the trace, by the cache that had the entry, or dram.{}",
            view.rows_note()
        ),
        axis: "page-table reads per 1000 accesses",
        parts,
        colour: &colour,
        value: &|point, part| {
            let reads = point.measured.real(&format!("walker.from.{}", names[part]));
            1000.0 * reads / point.measured.real("run.accesses").max(1.0)
        },
    };
    Ok(stack.draw(view)?.into_iter().collect())
}
