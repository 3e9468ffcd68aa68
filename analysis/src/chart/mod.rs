//! Charts: each is drawn once, as SVG, and rasterised from there, so that both files show the same.
//!
//! A chart is a function from a [`view::View`] to the pictures that it makes sense to draw for it,
//! none where the study has nothing of the kind. Adding one is one file and one line in [`CHARTS`].

pub mod canvas;
pub mod cycle_stack;
pub mod heat_map;
pub mod latency;
pub mod load_latency;
pub mod miss_curve;
pub mod outline;
pub mod raster;
mod rows;
#[cfg(test)]
pub mod sample;
pub mod scale;
pub mod size_curve;
pub mod speed_up;
mod stack;
pub mod style;
pub mod text;
pub mod view;
pub mod walk_references;

use view::View;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// File name without a suffix.
    pub name: String,
    /// The title that it shows.
    pub title: String,
    /// The picture.
    pub svg: String,
}

/// A chart that could not be drawn; says why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("drawing a chart: {0}")]
pub struct ChartError(pub String);

impl<E: std::error::Error + Send + Sync> From<plotters::drawing::DrawingAreaErrorKind<E>>
    for ChartError
{
    fn from(error: plotters::drawing::DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

/// A kind of chart.
type Draw = fn(&View) -> Result<Vec<Chart>, ChartError>;

/// Every kind of chart, in the order of a report.
const CHARTS: [Draw; 8] = [
    speed_up::draw,
    cycle_stack::draw,
    miss_curve::tlbs,
    walk_references::draw,
    miss_curve::caches,
    latency::draw,
    load_latency::draw,
    heat_map::draw,
];

/// Every chart that `view` has something to show in.
///
/// # Errors
/// A failure of the drawing backend.
pub fn draw_all(view: &View) -> Result<Vec<Chart>, ChartError> {
    let mut charts = Vec::new();
    for draw in CHARTS {
        charts.extend(draw(view)?);
    }
    Ok(charts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chart_is_svg_with_its_title_and_units() {
        let units = [
            ("speed-up", "speed-up (×)"),
            ("cycle-stack", "cycles per access"),
            ("tlb-misses", "misses / 1000 instr."),
            ("walk-references", "page-table reads per 1000 accesses"),
            ("cache-misses", "misses / 1000 instr."),
            ("access-latency", "access latency (cycles, logarithmic)"),
            ("heat-map", "time (data accesses since the start)"),
        ];
        let charts = draw_all(&sample::view(2, 4, 2)).unwrap();
        let names: Vec<_> = charts.iter().map(|chart| chart.name.as_str()).collect();
        assert_eq!(names, units.map(|(name, _)| name));
        for (chart, (_, unit)) in charts.iter().zip(units) {
            assert!(chart.svg.contains(&chart.title), "{}", chart.name);
            assert!(chart.svg.contains(unit), "{}", chart.name);
            let png = raster::png(&chart.svg, 2.0).unwrap();
            assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "{}", chart.name);
        }
    }

    #[test]
    fn text_stays_inside_the_picture() {
        for (traces, sizes, pages) in [(1, 1, 1), (2, 4, 2), (4, 8, 2), (8, 12, 2)] {
            for chart in draw_all(&sample::view(traces, sizes, pages)).unwrap() {
                sample::assert_text_inside(&chart);
            }
        }
    }

    #[test]
    fn a_single_run_and_no_run_have_charts_that_make_sense() {
        let single = draw_all(&sample::view(1, 1, 1)).unwrap();
        let names: Vec<_> = single.iter().map(|chart| chart.name.as_str()).collect();
        assert_eq!(names, ["cycle-stack", "walk-references", "access-latency", "heat-map"]);
        assert!(draw_all(&View::new("empty", Vec::new())).unwrap().is_empty());
    }
}
