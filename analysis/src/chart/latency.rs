//! How long accesses take: the percentiles of their latency.

use plotters::style::RGBColor;

use super::canvas::Canvas;
use super::rows::Rows;
use super::scale::Scale;
use super::style::{AXIS, Head, PALETTE, WIDTH};
use super::view::View;
use super::{Chart, ChartError};
use crate::measured::Distribution;
use crate::study::point::Point;

const MARKS: [(&str, RGBColor); 5] = [
    ("p50 (median)", PALETTE[0]),
    ("p90", PALETTE[2]),
    ("p99", PALETTE[1]),
    ("p99.9", PALETTE[3]),
    ("max", PALETTE[6]),
];

fn marks(histogram: &Distribution) -> [u64; 5] {
    [histogram.p50, histogram.p90, histogram.p99, histogram.p99_9, histogram.max]
}

/// Percentiles of `access_cycles` on a logarithmic axis, a row a point.
pub fn draw(view: &View) -> Result<Vec<Chart>, ChartError> {
    let of = |point: &Point| -> Option<Distribution> {
        point.measured.histogram("access_cycles").filter(|own| own.count > 0).cloned()
    };
    let all: Vec<Distribution> = view.rows().into_iter().filter_map(of).collect();
    let (Some(low), Some(high)) =
        (all.iter().map(|own| own.min).min(), all.iter().map(|own| own.max).max())
    else {
        return Ok(Vec::new());
    };
    let title = format!("{}: how long accesses take", view.name);
    let subtitle = format!(
        "Latency of accesses in core cycles on a logarithmic axis: the grey line runs from the fastest to the slowest access, each mark is a percentile (p99: 99 % of the accesses take no longer). Marks that coincide lie within each other.{}",
        view.rows_note()
    );
    let legend = MARKS.map(|(name, colour)| (name.to_owned(), colour));
    let head = Head { title: &title, subtitle: &subtitle, legend: &legend };
    let rows = Rows::new(view, head.height() + 4, 16);
    let mut svg = String::new();
    let canvas = Canvas::new(&mut svg, WIDTH, rows.chart_height())?;
    head.draw(&canvas)?;
    let (low, high) = (low.max(1) as f64, high.max(2) as f64 * 1.2);
    let scale = Scale::logarithmic(low * 0.8, high, rows.left, rows.right);
    rows.draw(&canvas, &scale, "access latency (cycles, logarithmic)")?;
    for (point, y) in rows.iter() {
        let Some(histogram) = of(point) else { continue };
        let place = |value: u64| scale.place(value.max(1) as f64);
        canvas.line(vec![(place(histogram.min), y), (place(histogram.max), y)], AXIS, 2)?;
        // Later marks are narrower and lie on top: where percentiles coincide, all of them show.
        for (order, ((_, colour), value)) in MARKS.iter().zip(marks(&histogram)).enumerate() {
            let half = (rows.thickness() / 2).min(8);
            let wide = 19 - 4 * order as i32;
            canvas.rect(place(value) - wide / 2, y - half, wide, 2 * half, *colour)?;
        }
    }
    canvas.finish()?;
    Ok(vec![Chart { name: "access-latency".to_owned(), title, svg }])
}
