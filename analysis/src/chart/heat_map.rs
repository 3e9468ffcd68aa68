//! Which pages a trace touches, and when: pages upwards, time to the right. Regions that nothing
//! touches are left out of the vertical axis, however large they are.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas};
use super::style::{AXIS, Head, INK, LABEL, MARGIN, MUTED, SMALL, WIDTH};
use super::text::{fit, number};
use super::view::View;
use super::{Chart, ChartError};
use crate::heat::HeatSample;

/// Cells from left to right.
const COLUMNS: usize = 160;
/// Cells from bottom to top, at most.
const LINES: usize = 96;
const CELL_W: i32 = 5;
const CELL_H: i32 = 4;
/// Untouched pages that are kept between two touched ones; a longer gap starts a new region.
const NEAR: u64 = 64;

/// Light to dark in steps of equal lightness; single-hued, so that it reads in grey too.
const SHADES: [RGBColor; 7] = [
    RGBColor(214, 230, 244),
    RGBColor(171, 207, 230),
    RGBColor(117, 178, 214),
    RGBColor(69, 145, 196),
    RGBColor(30, 109, 174),
    RGBColor(8, 73, 135),
    RGBColor(5, 38, 84),
];

/// Touched pages without the large gaps between them.
struct Regions {
    /// (first page, pages, pages of all regions before it).
    list: Vec<(u64, u64, u64)>,
    pages: u64,
}

impl Regions {
    fn new(sample: &HeatSample) -> Self {
        let mut touched = sample.pages.clone();
        touched.sort_unstable();
        touched.dedup();
        let mut list: Vec<(u64, u64, u64)> = Vec::new();
        let mut pages = 0;
        // A sample sees a few of many pages: what counts as near grows with what is seen.
        let extent = touched.last().zip(touched.first()).map_or(0, |(last, first)| last - first);
        let near = NEAR.max(extent / (touched.len() as u64).max(1) / 64).min(1 << 16);
        for page in touched {
            match list.last_mut() {
                Some((first, count, _)) if page - *first - *count < near => {
                    pages += page - *first + 1 - *count;
                    *count = page - *first + 1;
                }
                _ => {
                    list.push((page, 1, pages));
                    pages += 1;
                }
            }
        }
        Self { list, pages }
    }

    /// The page's place without the gaps.
    fn place(&self, page: u64) -> u64 {
        let index = self.list.partition_point(|(first, _, _)| *first <= page);
        let region = index.checked_sub(1).and_then(|index| self.list.get(index));
        region.map_or(0, |(first, _, before)| before + (page - first))
    }
}

/// A heat map a trace.
pub fn draw(view: &View) -> Result<Vec<Chart>, ChartError> {
    let several = view.heat.len() > 1;
    let mut charts = Vec::new();
    for (index, (name, sample)) in view.heat.iter().enumerate() {
        if sample.pages.is_empty() {
            continue;
        }
        let file = if several { format!("heat-map-{}", index + 1) } else { "heat-map".to_owned() };
        charts.push(one(file, name, sample)?);
    }
    Ok(charts)
}

fn one(file: String, name: &str, sample: &HeatSample) -> Result<Chart, ChartError> {
    let regions = Regions::new(sample);
    let lines = LINES.min(usize::try_from(regions.pages).unwrap_or(LINES)).max(1);
    let (counts, most) = count(sample, &regions, lines);
    let title = format!("{name}: pages touched over time");
    let every = match sample.stride {
        1 => "every data access".to_owned(),
        stride => format!("every {}th data access", number(stride as f64)),
    };
    let subtitle = format!(
        "Each column is 1/{COLUMNS} of the trace, each line about {} pages of 4 KiB; the darker, the more accesses ({every} counted, logarithmic shades). Untouched address ranges are left out: white lines part the regions.",
        number((regions.pages as f64 / lines as f64).ceil())
    );
    let step = most.max(1) as f64;
    let legend: Vec<(String, RGBColor)> = SHADES
        .iter()
        .enumerate()
        .filter(|(shade, _)| *shade % 3 == 0)
        .map(|(shade, colour)| {
            let share = step.powf(shade as f64 / (SHADES.len() - 1) as f64);
            (format!("{} accesses", number((share * sample.stride as f64).round())), *colour)
        })
        .collect();
    let head = Head { title: &title, subtitle: &subtitle, legend: &legend };
    let cell_h = if lines < 24 {
        16
    } else if lines < 60 {
        7
    } else {
        CELL_H
    };
    let (left, top) = (WIDTH - MARGIN - COLUMNS as i32 * CELL_W, head.height() + 12);
    let bottom = top + lines as i32 * cell_h;
    let mut svg = String::new();
    let canvas = Canvas::new(&mut svg, WIDTH, bottom + 62)?;
    head.draw(&canvas)?;
    cells(&canvas, &counts, most, (left, bottom), cell_h)?;
    axes(&canvas, sample, &regions, lines, (left, top, bottom), cell_h)?;
    canvas.finish()?;
    Ok(Chart { name: file, title, svg })
}

/// Accesses by line and column, and the most of any cell.
fn count(sample: &HeatSample, regions: &Regions, lines: usize) -> (Vec<[u32; COLUMNS]>, u32) {
    let mut counts = vec![[0u32; COLUMNS]; lines];
    let samples = sample.pages.len().max(1);
    for (index, &page) in sample.pages.iter().enumerate() {
        let line =
            u128::from(regions.place(page)) * lines as u128 / u128::from(regions.pages.max(1));
        let cell =
            counts.get_mut(line as usize).and_then(|row| row.get_mut(index * COLUMNS / samples));
        if let Some(cell) = cell {
            *cell += 1;
        }
    }
    let most = counts.iter().flatten().copied().max().unwrap_or(0);
    (counts, most)
}

fn shade(count: u32, most: u32) -> Option<usize> {
    let top = (SHADES.len() - 1) as f64;
    let share = f64::from(count).ln() / f64::from(most.max(2)).ln();
    (count > 0).then(|| (share * top).round().clamp(0.0, top) as usize)
}

fn cells(
    canvas: &Canvas<'_>,
    counts: &[[u32; COLUMNS]],
    most: u32,
    (left, bottom): (i32, i32),
    cell_h: i32,
) -> Result<(), ChartError> {
    for (line, row) in counts.iter().enumerate() {
        let y = bottom - (line as i32 + 1) * cell_h;
        let mut start = 0;
        // Neighbours of one shade are one rectangle: the file stays small.
        while start < COLUMNS {
            let own = shade(row[start], most);
            let run = row[start..].iter().take_while(|count| shade(**count, most) == own).count();
            if let Some(shade) = own {
                let x = left + start as i32 * CELL_W;
                canvas.rect(x, y, run as i32 * CELL_W, cell_h, SHADES[shade])?;
            }
            start += run;
        }
    }
    Ok(())
}

fn axes(
    canvas: &Canvas<'_>,
    sample: &HeatSample,
    regions: &Regions,
    lines: usize,
    (left, top, bottom): (i32, i32, i32),
    cell_h: i32,
) -> Result<(), ChartError> {
    let right = left + COLUMNS as i32 * CELL_W;
    canvas.line(vec![(left, top), (left, bottom), (right, bottom)], AXIS, 1)?;
    for quarter in 0..=4 {
        let x = left + (right - left) * quarter / 4;
        canvas.line(vec![(x, bottom), (x, bottom + 4)], AXIS, 1)?;
        let at = sample.accesses as f64 * f64::from(quarter) / 4.0;
        let anchor = if quarter == 4 { Anchor::End } else { Anchor::Middle };
        canvas.text(&number(at), (x, bottom + 15), SMALL, anchor, MUTED)?;
    }
    let middle = ((left + right) / 2, bottom + 38);
    canvas.text("time (data accesses since the start)", middle, LABEL, Anchor::Middle, INK)?;
    canvas.vertical(
        "virtual address of the page",
        (MARGIN - 10, (top + bottom) / 2),
        LABEL,
        INK,
    )?;
    let mut free = i32::MAX;
    for &(first, _, before) in &regions.list {
        let line = u128::from(before) * lines as u128 / u128::from(regions.pages.max(1));
        let y = bottom - line as i32 * cell_h;
        if before > 0 {
            canvas.line(vec![(left, y), (right, y)], super::style::PAPER, 1)?;
        }
        if y < free {
            let text = fit(&format!("0x{:x}", first << 12), 10, left - MARGIN - 6);
            canvas.text(&text, (left - 6, y - 5), 10, Anchor::End, MUTED)?;
            canvas.line(vec![(left - 4, y), (left, y)], AXIS, 1)?;
            free = y - 13;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_between_regions_take_no_room() {
        let pages = vec![10, 11, 12, 1 << 40, (1 << 40) + 1];
        let regions = Regions::new(&HeatSample { stride: 1, accesses: 5, pages });
        // The sample's own spread decides what is near, up to 2^16 pages.
        assert_eq!(regions.list.len(), 2);
        assert_eq!(regions.pages, 5);
        assert_eq!((regions.place(12), regions.place(1 << 40)), (2, 3));
    }
}
