//! Stacked bars, a row a point: shares of a whole whose size matters too.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas};
use super::rows::Rows;
use super::scale::Scale;
use super::style::{Head, INK, PAPER};
use super::text::{number, width};
use super::view::View;
use super::{Chart, ChartError};
use crate::study::point::Point;

/// A chart of stacked bars.
pub struct Stack<'a> {
    /// File name without a suffix.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub subtitle: String,
    /// The axis with its unit.
    pub axis: &'a str,
    /// Names of the parts, the first one leftmost.
    pub parts: Vec<String>,
    /// The colour of part `index`: the same in every chart of its kind.
    pub colour: &'a dyn Fn(usize) -> RGBColor,
    /// The size of part `index` at a point.
    pub value: &'a dyn Fn(&Point, usize) -> f64,
}

impl Stack<'_> {
    /// Draws it, or nothing where every part is empty.
    ///
    /// # Errors
    /// A failure of the backend.
    pub fn draw(&self, view: &View) -> Result<Option<Chart>, ChartError> {
        let total = |point: &Point| -> f64 {
            (0..self.parts.len()).map(|index| (self.value)(point, index)).sum()
        };
        let largest = view.rows().into_iter().map(total).fold(0.0, f64::max);
        // A part that no reader could see would only lengthen the legend.
        let visible = |index: &usize| {
            view.rows().iter().any(|point| (self.value)(point, *index) > largest / 1000.0)
        };
        let parts: Vec<usize> = (0..self.parts.len()).filter(visible).collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let legend: Vec<(String, RGBColor)> =
            parts.iter().map(|&part| (self.parts[part].clone(), (self.colour)(part))).collect();
        let head = Head { title: &self.title, subtitle: &self.subtitle, legend: &legend };
        let rows = Rows::new(view, head.height() + 4, 64);
        let mut svg = String::new();
        let canvas = Canvas::new(&mut svg, super::style::WIDTH, rows.chart_height())?;
        head.draw(&canvas)?;
        let scale = Scale::exact(largest, rows.left, rows.right);
        rows.draw(&canvas, &scale, self.axis)?;
        let colours: Vec<RGBColor> = legend.iter().map(|(_, colour)| *colour).collect();
        for (point, y) in rows.iter() {
            let values: Vec<f64> = parts.iter().map(|&part| (self.value)(point, part)).collect();
            bar(&canvas, &rows, &scale, y, &values, &colours)?;
            let label = (scale.place(total(point)) + 6, y);
            canvas.text(&number(total(point)), label, rows.font(), Anchor::Start, INK)?;
        }
        canvas.finish()?;
        Ok(Some(Chart { name: self.name.to_owned(), title: self.title.clone(), svg }))
    }
}

fn bar(
    canvas: &Canvas<'_>,
    rows: &Rows<'_>,
    scale: &Scale,
    y: i32,
    values: &[f64],
    colours: &[RGBColor],
) -> Result<(), ChartError> {
    let thick = rows.thickness();
    let mut sum = 0.0;
    for (value, &colour) in values.iter().zip(colours) {
        let (from, to) = (scale.place(sum), scale.place(sum + value));
        sum += value;
        canvas.rect(from, y - thick / 2, to - from, thick, colour)?;
        if to - from > 3 {
            canvas.rect(to - 1, y - thick / 2, 1, thick, PAPER)?;
        }
        let label = number(*value);
        if rows.pitch >= 20 && to - from > width(&label, 11) + 10 {
            let ink = readable_on(colour);
            canvas.text(&label, ((from + to) / 2, y), 11, Anchor::Middle, ink)?;
        }
    }
    Ok(())
}

/// Dark or light text, whichever reads better on `ground` (ITU-R BT.601 luma).
fn readable_on(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let luma = (299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) / 1000;
    if luma > 125 { INK } else { PAPER }
}
