//! Miss ratio over size: a line a policy or a number of ways, on a logarithmic axis, with a band where it
//! is an estimate.

use model::units::ByteSize;
use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas};
use super::scale::Scale;
use super::style::{AXIS, GRID, Head, INK, LABEL, MARGIN, MUTED, SMALL, WIDTH, line_colour};
use super::text::number;
use super::{Chart, ChartError};
use crate::curve::document::unit;
use crate::curve::{Curve, Curves, Level, Point};

/// Height of the data.
const HEIGHT: i32 = 400;
/// Labels of sizes, at most.
const TICKS: u32 = 11;
/// Points that are marked one by one, at most.
const MARKS: usize = 32;
/// What a sample cannot resolve.
const BLURRED: RGBColor = RGBColor(242, 243, 245);

/// One line.
struct Series {
    name: String,
    /// Size, miss ratio, and the interval around it.
    points: Vec<(f64, f64, Option<[f64; 2]>)>,
    marked: Vec<(f64, f64)>,
}

/// The chart of `curves`.
///
/// # Errors
/// A failure of the backend.
pub fn draw(curves: &Curves) -> Result<Chart, ChartError> {
    let series = series(curves);
    let what = match curves.level {
        Level::Page => "memory",
        Level::Tlb => "TLB",
        Level::Line => "cache",
    };
    let title = format!("{}: miss ratio by {what} size", curves.trace);
    let subtitle = subtitle(curves);
    let legend: Vec<(String, RGBColor)> =
        series.iter().enumerate().map(|(at, one)| (one.name.clone(), line_colour(at))).collect();
    let head = Head { title: &title, subtitle: &subtitle, legend: &legend };
    let (left, right) = (MARGIN + 62, WIDTH - MARGIN);
    let (top, bottom) = (head.height() + 16, head.height() + 16 + HEIGHT);
    let mut svg = String::new();
    let canvas = Canvas::new(&mut svg, WIDTH, bottom + 84)?;
    head.draw(&canvas)?;
    let all = || series.iter().flat_map(|one| &one.points);
    let (low, high) = all()
        .map(|point| point.0)
        .fold((f64::MAX, 1.0f64), |(low, high), size| (low.min(size), high.max(size)));
    let x = Scale::logarithmic(low.min(high), high, left, right);
    let most = all().map(|(_, ratio, ends)| ends.map_or(*ratio, |ends| ends[1].max(*ratio)));
    let y = Scale::linear(most.fold(0.0, f64::max), bottom, top);
    blurred(&canvas, curves, &x, low, (left, top, bottom))?;
    axes(&canvas, curves, &x, &y, (left, right, top, bottom))?;
    for (at, one) in series.iter().enumerate() {
        line(&canvas, one, &x, &y, line_colour(at))?;
    }
    canvas.finish()?;
    Ok(Chart { name: "curve".to_owned(), title, svg })
}

/// How the numbers came about and what they are of.
fn subtitle(curves: &Curves) -> String {
    let exact = curves.curves.iter().all(|curve| curve.method.is_exact());
    let sampled = curves.curves.iter().find(|curve| !curve.method.is_exact());
    let how = match sampled {
        _ if exact => "Exact: every reference is counted.".to_owned(),
        Some(curve) => format!(
            "Sampled: {} of about {} {}; the bands are 95 % confidence intervals.",
            number(curve.keys as f64),
            number(curves.footprint as f64),
            unit(curves)
        ),
        None => String::new(),
    };
    let behind = curves.before.map_or(String::new(), |before| {
        format!(
            " Behind a first level of {} entries and {} ways, which let {} of {} references through.",
            before.geometry.entries,
            before.geometry.ways,
            number(before.misses as f64),
            number(before.accesses as f64)
        )
    });
    format!(
        "Misses per reference ({} references, {} {} touched), first touches included. {how}{behind}",
        number(curves.accesses as f64),
        number(curves.footprint as f64),
        unit(curves),
    )
}

fn series(curves: &Curves) -> Vec<Series> {
    let plain = |point: &Point| (point.size as f64, point.ratio, point.interval);
    let of = |curve: &Curve| {
        let line = if curve.fine.is_empty() { &curve.points } else { &curve.fine };
        let marks = curve.points.len() <= MARKS;
        Series {
            name: name(curve, curves),
            points: line.iter().map(plain).collect(),
            marked: match marks {
                true => curve.points.iter().map(|point| (point.size as f64, point.ratio)).collect(),
                false => Vec::new(),
            },
        }
    };
    let mut all: Vec<Series> = curves.curves.iter().map(of).collect();
    let most = curves.geometries.iter().map(|one| one.ways).max().unwrap_or(0);
    let shown = |ways: &u32| ways.is_power_of_two() || *ways == most;
    for ways in (1..=most).filter(shown) {
        let of_ways = curves.geometries.iter().filter(|one| one.ways == ways);
        let points: Vec<(f64, f64, Option<[f64; 2]>)> = of_ways
            .map(|one| {
                let entries = f64::from(one.sets) * f64::from(one.ways);
                (entries, one.misses as f64 / curves.accesses.max(1) as f64, None)
            })
            .collect();
        let marked = points.iter().map(|(size, ratio, _)| (*size, *ratio)).collect();
        let label = if ways == 1 { "1 way".to_owned() } else { format!("{ways} ways") };
        all.push(Series { name: label, points, marked });
    }
    all
}

/// The name of a curve, with how it came about where not all are exact.
fn name(curve: &Curve, curves: &Curves) -> String {
    let policy = match curve.policy.as_str() {
        "lru" if curves.geometries.is_empty() => "LRU",
        "lru" => "LRU, fully associative",
        other => other,
    };
    match curve.method.is_exact() {
        true => format!("{policy} (exact)"),
        false => format!("{policy} (sampled at {})", number(curve.rate)),
    }
}

/// Greys the sizes that are less than one sampled entry.
fn blurred(
    canvas: &Canvas<'_>,
    curves: &Curves,
    x: &Scale,
    low: f64,
    (left, top, bottom): (i32, i32, i32),
) -> Result<(), ChartError> {
    let sampled = curves.curves.iter().filter(|curve| !curve.method.is_exact());
    let rate = sampled.map(|curve| curve.rate).fold(1.0, f64::min);
    let end = x.place(1.0 / rate);
    if rate >= 1.0 || 1.0 / rate <= low {
        return Ok(());
    }
    canvas.rect(left, top, end - left, bottom - top, BLURRED)?;
    if end - left > 150 {
        let place = ((left + end) / 2, bottom - 14);
        canvas.text("less than one sampled entry", place, 10, Anchor::Middle, MUTED)?;
    }
    Ok(())
}

fn axes(
    canvas: &Canvas<'_>,
    curves: &Curves,
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
    let powers: Vec<u32> = (0..58).filter(|power| x.holds((1u64 << power) as f64)).collect();
    let step = (powers.len() as u32).div_ceil(TICKS).max(1);
    for power in powers.into_iter().filter(|power| power.is_multiple_of(step)) {
        let size = 1u64 << power;
        let at = x.place(size as f64);
        canvas.line(vec![(at, bottom), (at, bottom + 4)], AXIS, 1)?;
        canvas.text(&binary(size), (at, bottom + 15), SMALL, Anchor::Middle, MUTED)?;
        let covers = ByteSize(size.saturating_mul(curves.entry)).to_string();
        canvas.text(&covers, (at, bottom + 31), 10, Anchor::Middle, MUTED)?;
    }
    let label = format!("size in {}, and what they cover (logarithmic)", unit(curves));
    canvas.text(&label, ((left + right) / 2, bottom + 58), LABEL, Anchor::Middle, INK)?;
    canvas.vertical("miss ratio (misses per reference)", (MARGIN, (top + bottom) / 2), LABEL, INK)
}

/// A power of two with a binary suffix.
fn binary(value: u64) -> String {
    match value {
        0..=8191 => value.to_string(),
        _ => ByteSize(value).to_string().trim_end_matches('B').to_owned(),
    }
}

fn line(
    canvas: &Canvas<'_>,
    series: &Series,
    x: &Scale,
    y: &Scale,
    colour: RGBColor,
) -> Result<(), ChartError> {
    let ends: Vec<(f64, [f64; 2])> =
        series.points.iter().filter_map(|(size, _, ends)| Some((*size, (*ends)?))).collect();
    if !ends.is_empty() {
        let lower = ends.iter().map(|(size, ends)| (x.place(*size), y.place(ends[0])));
        let upper = ends.iter().rev().map(|(size, ends)| (x.place(*size), y.place(ends[1])));
        canvas.area(lower.chain(upper).collect(), colour)?;
    }
    let path = series.points.iter().map(|(size, ratio, _)| (x.place(*size), y.place(*ratio)));
    canvas.line(path.collect(), colour, 2)?;
    for (size, ratio) in &series.marked {
        canvas.dot(x.place(*size), y.place(*ratio), 3, colour)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::sample::assert_text_inside;
    use crate::curve::behind::First;
    use crate::curve::geometry::Geometry;
    use crate::curve::keys::Stream;
    use crate::curve::{Before, Method};

    fn curves(sizes: u32, method: Method) -> Curves {
        let point = |power: u32| {
            let ratio = 1.0 / f64::from(power + 1);
            let interval = (!method.is_exact()).then_some([ratio * 0.9, ratio * 1.1]);
            Point { size: 1 << power, misses: 1000 >> power.min(9), ratio, interval }
        };
        let points: Vec<Point> = (0..sizes).map(point).collect();
        let curve = |policy: &str| Curve {
            policy: policy.to_owned(),
            method,
            rate: if method.is_exact() { 1.0 } else { 0.01 },
            keys: 2600,
            points: points.clone(),
            fine: Vec::new(),
        };
        Curves {
            trace: "a/rather/long/path/of/a/trace/that/somebody/has/recorded.flt".to_owned(),
            level: Level::Tlb,
            entry: 4096,
            stream: Stream::Data,
            accesses: 123_456_789,
            footprint: 262_144,
            before: Some(Before {
                geometry: First { entries: 64, ways: 4 },
                accesses: 9,
                misses: 3,
            }),
            curves: vec![curve("lru"), curve("second-chance")],
            geometries: vec![Geometry { sets: 4, ways: 2, misses: 7 }],
        }
    }

    #[test]
    fn texts_lie_inside_whatever_the_range() {
        for sizes in [0, 1, 2, 9, 18, 40, 58] {
            for method in [Method::Exact, Method::FixedRate] {
                assert_text_inside(&draw(&curves(sizes, method)).unwrap());
            }
        }
    }

    #[test]
    fn it_says_what_is_exact_and_what_is_sampled() {
        let svg = draw(&curves(18, Method::Exact)).unwrap().svg;
        assert!(svg.contains("(exact)") && svg.contains("Exact:"));
        assert!(!svg.contains("polygon") && !svg.contains("ampled"));
        let svg = draw(&curves(18, Method::FixedRate)).unwrap().svg;
        assert!(svg.contains("(sampled at 0.01)") && svg.contains("Sampled:"));
        assert!(svg.contains("polygon") && svg.contains("less than one sampled entry"));
    }

    #[test]
    fn sizes_are_binary() {
        let all = [1u64, 4096, 8192, 1 << 20, 1 << 30].map(binary);
        assert_eq!(all, ["1", "4096", "8Ki", "1Mi", "1Gi"]);
    }
}
