//! How much faster each point is than the baseline.

use super::canvas::{Anchor, Canvas};
use super::rows::Rows;
use super::scale::Scale;
use super::style::{AXIS, Head, INK, MUTED, PALETTE, WIDTH};
use super::view::{View, more_is_better};
use super::{Chart, ChartError};

/// The study's metric against the baseline's, a bar a point; nothing where the study has no baseline.
pub fn draw(view: &View) -> Result<Vec<Chart>, ChartError> {
    let factors = view.rows().into_iter().filter_map(|point| view.speed_up(point));
    let largest = factors.fold(0.0, f64::max);
    if largest == 0.0 {
        return Ok(Vec::new());
    }
    let title = format!("{}: speed-up against the baseline", view.name);
    let ratio = if more_is_better(&view.metric) { "point / baseline" } else { "baseline / point" };
    let subtitle = format!(
        "{} as {ratio}, the baseline being {} with otherwise equal keys. Longer is better; the line is 1×.{}",
        view.metric,
        view.baseline_label(),
        view.rows_note()
    );
    let head = Head { title: &title, subtitle: &subtitle, legend: &[] };
    let rows = Rows::new(view, head.height() + 4, 96);
    let mut svg = String::new();
    let canvas = Canvas::new(&mut svg, WIDTH, rows.chart_height())?;
    head.draw(&canvas)?;
    let scale = Scale::exact(largest.max(1.0), rows.left, rows.right);
    rows.draw(&canvas, &scale, "speed-up (×)")?;
    let thick = rows.thickness();
    for (point, y) in rows.iter() {
        let Some(factor) = view.speed_up(point) else {
            canvas.text("no baseline", (rows.left + 6, y), rows.font(), Anchor::Start, MUTED)?;
            continue;
        };
        let is_base = view.baseline_of(point).is_some_and(|base| base.keys == point.keys);
        // What the label calls 1.00× is neither faster nor slower.
        let equal = (factor - 1.0).abs() < 0.005;
        let colour = if is_base || equal { AXIS } else { PALETTE[usize::from(factor < 1.0) * 3] };
        let end = scale.place(factor);
        canvas.rect(rows.left, y - thick / 2, end - rows.left, thick, colour)?;
        let label = if is_base { "baseline".to_owned() } else { format!("{factor:.2}×") };
        canvas.text(&label, (end + 6, y), rows.font(), Anchor::Start, INK)?;
        let one = scale.place(1.0);
        canvas.line(vec![(one, y - rows.pitch / 2), (one, y + rows.pitch / 2)], INK, 1)?;
    }
    canvas.finish()?;
    Ok(vec![Chart { name: "speed-up".to_owned(), title, svg }])
}
