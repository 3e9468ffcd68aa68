//! Misses against the swept size: a panel a structure, a line for each combination of the other keys.

use super::canvas::{Anchor, Canvas};
use super::scale::Scale;
use super::style::{AXIS, GRID, Head, INK, LABEL, MARGIN, MUTED, SMALL, WIDTH, line_colour};
use super::text::{fit, width};
use super::view::{Varying, View};
use super::{Chart, ChartError};
use crate::study::key::magnitude;
use crate::study::point::Point;

/// The most lines that a panel can tell apart by colour.
const LINES: usize = 14;
const PANEL: i32 = 250;
const GAP: i32 = 40;

/// One line: its label and the points on it.
type Line<'a> = (String, Vec<&'a Point>);

/// A curve for every TLB: what every TLB and nothing else counts is shootdowns.
pub fn tlbs(view: &View) -> Result<Vec<Chart>, ChartError> {
    draw(view, "tlb-misses", "TLB misses", ".shootdowns")
}

/// A curve for every cache: what every cache and nothing else counts is write-backs.
pub fn caches(view: &View) -> Result<Vec<Chart>, ChartError> {
    draw(view, "cache-misses", "cache misses", ".writebacks")
}

fn draw(view: &View, name: &str, what: &str, mark: &str) -> Result<Vec<Chart>, ChartError> {
    let Some(axis) = view.axis() else { return Ok(Vec::new()) };
    let parts = structures(view, mark);
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let all = lines(view, axis);
    let shown = &all[..all.len().min(LINES)];
    let title = format!("{}: {what} by {}", view.name, axis.short);
    let note = match all.len() {
        count if count > LINES => format!(" The first {LINES} of {count} lines are shown."),
        _ => String::new(),
    };
    let subtitle = format!(
        "Misses per 1000 instructions (MPKI), a panel for each structure with at least 0.05.{note}"
    );
    let legend: Vec<_> = match shown {
        [_] => Vec::new(),
        _ => shown
            .iter()
            .enumerate()
            .map(|(at, (label, _))| (label.clone(), line_colour(at)))
            .collect(),
    };
    let head = Head { title: &title, subtitle: &subtitle, legend: &legend };
    let across = parts.len().min(2) as i32;
    let wide = (WIDTH - 2 * MARGIN - (across - 1) * GAP) / across;
    let top = head.height() + 8;
    let down = (parts.len() as i32 + across - 1) / across;
    let mut svg = String::new();
    let canvas = Canvas::new(&mut svg, WIDTH, top + down * (PANEL + GAP) - GAP)?;
    head.draw(&canvas)?;
    for (index, part) in parts.iter().enumerate() {
        let (column, row) = (index as i32 % across, index as i32 / across);
        let at = (MARGIN + column * (wide + GAP), top + row * (PANEL + GAP));
        panel(&canvas, at, wide, part, axis, shown)?;
    }
    canvas.finish()?;
    Ok(vec![Chart { name: name.to_owned(), title, svg }])
}

/// The structures that count `mark` and have a miss anywhere.
fn structures(view: &View, mark: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for measure in view.points.iter().flat_map(|point| &point.measured.statistics) {
        if let Some(part) = measure.name.strip_suffix(mark)
            && !part.contains('.')
            && !parts.iter().any(|known| known == part)
        {
            parts.push(part.to_owned());
        }
    }
    parts.retain(|part| {
        view.points.iter().any(|point| mpki(point, part).is_some_and(|m| m >= 0.05))
    });
    parts
}

fn mpki(point: &Point, part: &str) -> Option<f64> {
    point.measured.get(&format!("{part}.mpki")).map(|value| value.as_f64())
}

/// The points grouped by everything but the axis.
fn lines<'a>(view: &'a View, axis: &Varying) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    for point in &view.points {
        let label = view.label(point, Some(&axis.path));
        match lines.iter_mut().find(|(known, _)| *known == label) {
            Some((_, points)) => points.push(point),
            None => lines.push((label, vec![point])),
        }
    }
    lines
}

/// Values of the axis, by ratio where they span more than a factor of four, else evenly.
fn places(axis: &Varying, from: i32, to: i32) -> Vec<(String, i32)> {
    let sizes: Vec<f64> = axis.values.iter().filter_map(|value| magnitude(value)).collect();
    let (low, high) = sizes
        .iter()
        .fold((f64::MAX, 0.0), |(low, high), &size| (f64::min(low, size), f64::max(high, size)));
    let by_ratio = low > 0.0 && high / low > 4.0;
    let scale = Scale::logarithmic(low, high, from, to);
    let last = (axis.values.len() as i32 - 1).max(1);
    axis.values
        .iter()
        .zip(sizes)
        .enumerate()
        .map(|(index, (value, size))| {
            let even = from + (to - from) * index as i32 / last;
            (value.clone(), if by_ratio { scale.place(size) } else { even })
        })
        .collect()
}

fn panel(
    canvas: &Canvas<'_>,
    (x, y): (i32, i32),
    wide: i32,
    part: &str,
    axis: &Varying,
    lines: &[Line<'_>],
) -> Result<(), ChartError> {
    let (left, right) = (x + 70, x + wide - 14);
    let (top, bottom) = (y + 30, y + PANEL - 50);
    let values = lines.iter().flat_map(|(_, points)| points).filter_map(|point| mpki(point, part));
    let scale = Scale::linear(values.fold(0.0, f64::max), bottom, top);
    canvas.text(part, (left, y + 14), LABEL + 1, Anchor::Start, INK)?;
    for (value, label) in scale.ticks() {
        let at = scale.place(value);
        canvas.line(vec![(left, at), (right, at)], GRID, 1)?;
        canvas.text(&label, (left - 8, at), SMALL, Anchor::End, MUTED)?;
    }
    canvas.line(vec![(left, bottom), (right, bottom)], AXIS, 1)?;
    canvas.vertical("misses / 1000 instr.", (x + 8, (top + bottom) / 2), SMALL, INK)?;
    let places = places(axis, left + 16, right - 16);
    let mut free = i32::MIN;
    for (value, at) in &places {
        canvas.line(vec![(*at, bottom), (*at, bottom + 4)], AXIS, 1)?;
        let half = width(value, SMALL) / 2;
        if at - half > free {
            canvas.text(value, (*at, bottom + 15), SMALL, Anchor::Middle, MUTED)?;
            free = at + half + 6;
        }
    }
    let name = fit(&axis.short, SMALL, wide);
    canvas.text(&name, ((left + right) / 2, bottom + 36), SMALL, Anchor::Middle, INK)?;
    for (index, (_, points)) in lines.iter().enumerate() {
        let place = |point: &&Point| {
            let own = point.key(&axis.path);
            let (_, at) = places.iter().find(|(value, _)| value == own)?;
            Some((*at, scale.place(mpki(point, part)?)))
        };
        let path: Vec<(i32, i32)> = points.iter().filter_map(place).collect();
        canvas.line(path.clone(), line_colour(index), 2)?;
        for (x, y) in path {
            canvas.dot(x, y, 4, line_colour(index))?;
        }
    }
    Ok(())
}
