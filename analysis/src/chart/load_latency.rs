//! How long memory takes to answer against how much it moves: a line for each combination of the keys but the
//! one that changes the load.

use super::canvas::{Anchor, Canvas};
use super::scale::Scale;
use super::style::{AXIS, GRID, Head, INK, LABEL, MARGIN, MUTED, SMALL, WIDTH, line_colour};
use super::view::View;
use super::{Chart, ChartError};
use crate::study::point::Point;

/// The statistic of the vertical axis, which a study that wants this chart has as its metric.
const METRIC: &str = "dram.read_ns_mean";

/// Height of the data.
const HEIGHT: i32 = 400;

/// The most lines that colours tell apart.
const LINES: usize = 14;

/// One line: its label, and bandwidth and latency in the order of the load.
type Line = (String, Vec<(f64, f64)>);

/// The mean time of a read over gigabytes per second, for a study whose metric is that time.
pub fn draw(view: &View) -> Result<Vec<Chart>, ChartError> {
    let Some(axis) = view.axis().filter(|_| view.metric == METRIC) else {
        return Ok(Vec::new());
    };
    let all = lines(view, &axis.path);
    let shown = &all[..all.len().min(LINES)];
    let most = |of: fn(&(f64, f64)) -> f64| {
        shown.iter().flat_map(|(_, points)| points).map(of).fold(0.0, f64::max)
    };
    let (widest, longest) = (most(|point| point.0), most(|point| point.1));
    if widest == 0.0 {
        return Ok(Vec::new());
    }
    let title = format!("{}: latency of memory under load", view.name);
    let note = match all.len() {
        count if count > LINES => format!(" The first {LINES} of {count} lines are shown."),
        _ => String::new(),
    };
    let subtitle = format!(
        "Mean time of a read from its arrival at the channel to its last beat, over what memory reads and writes. A mark for each value of {}, in order.{note}",
        axis.short
    );
    let legend: Vec<_> =
        shown.iter().enumerate().map(|(at, (label, _))| (label.clone(), line_colour(at))).collect();
    let head = Head { title: &title, subtitle: &subtitle, legend: &legend };
    let (left, right) = (MARGIN + 62, WIDTH - MARGIN);
    let (top, bottom) = (head.height() + 16, head.height() + 16 + HEIGHT);
    let mut svg = String::new();
    let canvas = Canvas::new(&mut svg, WIDTH, bottom + 66)?;
    head.draw(&canvas)?;
    let x = Scale::linear(widest, left, right);
    let y = Scale::linear(longest, bottom, top);
    axes(&canvas, &x, &y, (left, right, top, bottom))?;
    for (at, (_, points)) in shown.iter().enumerate() {
        let places = points.iter().map(|(rate, time)| (x.place(*rate), y.place(*time)));
        let places: Vec<_> = places.collect();
        for (across, down) in &places {
            canvas.dot(*across, *down, 3, line_colour(at))?;
        }
        canvas.line(places, line_colour(at), 2)?;
    }
    canvas.finish()?;
    Ok(vec![Chart { name: "load-latency".to_owned(), title, svg }])
}

/// The lines of `view`, whose points are in the order of the key `axis`.
fn lines(view: &View, axis: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for point in &view.points {
        let Some(place) = place(point) else { continue };
        let label = view.label(point, Some(axis));
        match lines.iter_mut().find(|(known, _)| *known == label) {
            Some((_, points)) => points.push(place),
            None => lines.push((label, vec![place])),
        }
    }
    lines
}

/// Gigabytes per second and nanoseconds; `None` where memory was not read.
fn place(point: &Point) -> Option<(f64, f64)> {
    let of = |name| point.measured.get(name).map(|value| value.as_f64());
    let rate = of("dram.bytes")? / of("run.ns")?;
    let time = of(METRIC)?;
    (rate.is_finite() && rate > 0.0 && time.is_finite()).then_some((rate, time))
}

fn axes(
    canvas: &Canvas<'_>,
    x: &Scale,
    y: &Scale,
    (left, right, top, bottom): (i32, i32, i32, i32),
) -> Result<(), ChartError> {
    for (value, label) in y.ticks() {
        let at = y.place(value);
        canvas.line(vec![(left, at), (right, at)], GRID, 1)?;
        canvas.text(&label, (left - 8, at), SMALL, Anchor::End, MUTED)?;
    }
    canvas.line(vec![(left, bottom), (right, bottom)], AXIS, 1)?;
    for (value, label) in x.ticks() {
        let at = x.place(value);
        canvas.line(vec![(at, bottom), (at, bottom + 4)], AXIS, 1)?;
        canvas.text(&label, (at, bottom + 15), SMALL, Anchor::Middle, MUTED)?;
    }
    let middle = ((left + right) / 2, bottom + 42);
    canvas.text("bandwidth (GB/s)", middle, LABEL, Anchor::Middle, INK)?;
    canvas.vertical("mean read latency (ns)", (MARGIN, (top + bottom) / 2), LABEL, INK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::sample;

    #[test]
    fn it_is_drawn_for_a_study_of_memory_alone() {
        let mut view = sample::view(2, 8, 2);
        assert!(draw(&view).unwrap().is_empty(), "another metric");
        view.metric = METRIC.to_owned();
        let charts = draw(&view).unwrap();
        assert_eq!(charts.len(), 1);
        sample::assert_text_inside(&charts[0]);
        let svg = &charts[0].svg;
        assert!(svg.contains("bandwidth (GB/s)") && svg.contains("mean read latency (ns)"));
        assert_eq!(svg.matches("<circle").count(), 2 * 8 * 2, "a mark a point");
        let all = lines(&view, "mmu.tlb.stlb.entries");
        assert_eq!(all.len(), 4);
        // 180,000 lines of 64 bytes, 230 ns each.
        let (rate, time) = place(&view.points[0]).unwrap();
        let nanoseconds = view.points[0].measured.real("run.ns");
        assert_eq!((rate, time), (180_000.0 * 64.0 / nanoseconds, 230.0));
    }
}
