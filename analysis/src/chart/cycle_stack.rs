//! Where the cycles go: the components of `run.cycles`, which add up to it exactly.

use super::stack::Stack;
use super::view::View;
use super::{Chart, ChartError};

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
    let names = parts.clone();
    let stack = Stack {
        name: "cycle-stack",
        title: format!("{}: where the cycles go", view.name),
        subtitle: format!(
            "Core cycles per access of the trace, by the component that they are charged to; the number at a bar's end is their sum. Shorter is faster.{}",
            view.rows_note()
        ),
        axis: "cycles per access",
        parts,
        value: &|point, part| {
            let cycles = point.measured.real(&format!("cycles.{}", names[part]));
            cycles / point.measured.real("run.accesses").max(1.0)
        },
    };
    Ok(stack.draw(view)?.into_iter().collect())
}
