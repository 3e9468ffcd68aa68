//! The picture: a column for each axis, cost above and memory below.

use analysis::chart::canvas::{Anchor, Canvas};
use analysis::chart::scale::Scale;
use analysis::chart::style::{
    AXIS, GRID, Head, INK, LABEL, MARGIN, MUTED, SMALL, WIDTH, line_colour,
};
use analysis::chart::text::number;
use analysis::chart::{Chart, ChartError};

use super::load::Pattern;
use super::measure::Figures;
use super::{Axis, Measured};

const PANEL: i32 = 230;
const GAP: i32 = 24;

/// One row of panels: what it shows of a point.
struct Row {
    label: &'static str,
    of: fn(&Figures) -> f64,
}

const ROWS: [Row; 2] = [
    Row { label: "ns of CPU time an access", of: |figures| figures.ns },
    Row { label: "peak resident MiB", of: |figures| figures.peak_bytes as f64 / 1048576.0 },
];

/// An axis with its title and how its places are written.
type Column = (Axis, &'static str, fn(u64) -> String);

const COLUMNS: [Column; 3] = [
    (Axis::Length, "accesses, over 64 MiB", |accesses| number(accesses as f64)),
    (Axis::Footprint, "memory, 1 Mi accesses", size),
    (Axis::Processes, "processes, 256 MiB together", |processes| processes.to_string()),
];

fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 1 << 30 => format!("{}G", bytes >> 30),
        bytes => format!("{}M", bytes >> 20),
    }
}

/// Draws what was measured.
///
/// # Errors
/// A failure of the drawing backend.
pub fn draw(all: &[Measured]) -> Result<Chart, ChartError> {
    let title = "What grows with the trace, its memory and its processes";
    let subtitle = "Both halves of `skylake` on one thread. Sequential, uniform and zipfian reads of \
                    pages that are mapped before; first-touch: one read of each page, every one a \
                    fault. All scales are logarithmic.";
    let legend: Vec<_> = Pattern::ALL
        .iter()
        .enumerate()
        .map(|(index, pattern)| (pattern.name().to_owned(), line_colour(index)))
        .collect();
    let head = Head { title, subtitle, legend: &legend };
    let top = head.height() + 12;
    let mut svg = String::new();
    let height = top + ROWS.len() as i32 * (PANEL + GAP);
    let canvas = Canvas::new(&mut svg, WIDTH, height)?;
    head.draw(&canvas)?;
    let wide = (WIDTH - 2 * MARGIN - 2 * GAP) / 3;
    for (down, row) in ROWS.iter().enumerate() {
        for (across, column) in COLUMNS.iter().enumerate() {
            let x = MARGIN + across as i32 * (wide + GAP);
            let y = top + down as i32 * (PANEL + GAP);
            panel(&canvas, (x, y), wide, row, column, all)?;
        }
    }
    canvas.finish()?;
    Ok(Chart { name: "scale".to_owned(), title: title.to_owned(), svg })
}

/// The values of a row over all columns, so that panels side by side compare.
fn value_scale(row: &Row, all: &[Measured], bottom: i32, top: i32) -> Scale {
    let values = all.iter().map(|(_, figures)| (row.of)(figures));
    let (low, high) =
        values.fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    Scale::logarithmic(low / 1.3, high * 1.3, bottom, top)
}

fn panel(
    canvas: &Canvas<'_>,
    (x, y): (i32, i32),
    wide: i32,
    row: &Row,
    &(axis, name, label): &Column,
    all: &[Measured],
) -> Result<(), ChartError> {
    let (left, right) = (x + 48, x + wide - 8);
    let (top, bottom) = (y + 26, y + PANEL - 44);
    let scale = value_scale(row, all, bottom, top);
    canvas.text(row.label, (left, y + 10), LABEL, Anchor::Start, INK)?;
    for (value, text) in scale.ticks() {
        let at = scale.place(value);
        canvas.line(vec![(left, at), (right, at)], GRID, 1)?;
        canvas.text(&text, (left - 6, at), SMALL, Anchor::End, MUTED)?;
    }
    canvas.line(vec![(left, bottom), (right, bottom)], AXIS, 1)?;
    let mine: Vec<_> = all.iter().filter(|(point, _)| point.axis == axis).collect();
    let mut places: Vec<u64> = mine.iter().map(|(point, _)| point.place()).collect();
    places.sort_unstable();
    places.dedup();
    let ends = (places.first().copied().unwrap_or(1), places.last().copied().unwrap_or(1));
    let along = Scale::logarithmic(ends.0 as f64, ends.1 as f64, left + 12, right - 14);
    for (index, &place) in places.iter().enumerate() {
        let at = along.place(place as f64);
        canvas.line(vec![(at, bottom), (at, bottom + 4)], AXIS, 1)?;
        // Labels of every other place, and of both ends where their number is odd.
        if places.len() < 7 || index % 2 == 0 {
            canvas.text(&label(place), (at, bottom + 14), SMALL, Anchor::Middle, MUTED)?;
        }
    }
    canvas.text(name, ((left + right) / 2, bottom + 32), SMALL, Anchor::Middle, INK)?;
    for (index, pattern) in Pattern::ALL.into_iter().enumerate() {
        let line: Vec<(i32, i32)> = mine
            .iter()
            .filter(|(point, _)| point.pattern == pattern)
            .map(|(point, figures)| {
                (along.place(point.place() as f64), scale.place((row.of)(figures)))
            })
            .collect();
        if line.is_empty() {
            continue;
        }
        canvas.line(line.clone(), line_colour(index), 2)?;
        for (x, y) in line {
            canvas.dot(x, y, 3, line_colour(index))?;
        }
    }
    Ok(())
}
