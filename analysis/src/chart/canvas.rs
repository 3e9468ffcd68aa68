//! The drawing surface: plotters' SVG backend in pixels, with the few strokes that charts need.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ChartError;

/// The family that every text names: the embedded font first, for a browser what is like it.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// plotters' SVG backend divides a font size by this before it writes it.
const BACKEND_FONT_RATIO: f64 = 1.24;

/// Where text lies relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The text starts there.
    Start,
    /// The text is centred there.
    Middle,
    /// The text ends there.
    End,
}

/// An SVG under way. Coordinates are pixels from the top left.
pub struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl<'a> Canvas<'a> {
    /// A white surface whose SVG goes to `target` when the canvas is finished.
    ///
    /// # Errors
    /// A failure of the backend.
    pub fn new(target: &'a mut String, width: i32, height: i32) -> Result<Self, ChartError> {
        let size = (width.unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(target, size).into_drawing_area();
        area.fill(&WHITE)?;
        Ok(Self { area })
    }

    /// A filled rectangle from `(x, y)`; nothing where it has no extent.
    ///
    /// # Errors
    /// A failure of the backend, as everywhere below.
    pub fn rect(&self, x: i32, y: i32, w: i32, h: i32, colour: RGBColor) -> Result<(), ChartError> {
        if w <= 0 || h <= 0 {
            return Ok(());
        }
        Ok(self.area.draw(&Rectangle::new([(x, y), (x + w, y + h)], colour.filled()))?)
    }

    /// A polyline.
    pub fn line(
        &self,
        points: Vec<(i32, i32)>,
        colour: RGBColor,
        stroke: u32,
    ) -> Result<(), ChartError> {
        Ok(self.area.draw(&PathElement::new(points, colour.stroke_width(stroke)))?)
    }

    /// A polygon that what lies below shows through.
    ///
    /// # Errors
    /// A failure of the backend.
    pub fn area(&self, points: Vec<(i32, i32)>, colour: RGBColor) -> Result<(), ChartError> {
        Ok(self.area.draw(&Polygon::new(points, colour.mix(0.2)))?)
    }

    /// A filled dot.
    pub fn dot(&self, x: i32, y: i32, radius: i32, colour: RGBColor) -> Result<(), ChartError> {
        Ok(self.area.draw(&Circle::new((x, y), radius, colour.filled()))?)
    }

    /// A line of text, vertically centred on `y`.
    pub fn text(
        &self,
        text: &str,
        (x, y): (i32, i32),
        size: i32,
        anchor: Anchor,
        colour: RGBColor,
    ) -> Result<(), ChartError> {
        // The backend centres on lower-case letters; most labels are digits, which are taller.
        self.styled(text, (x, y + 1), size, anchor, colour, FontTransform::None)
    }

    /// Text that reads upwards, centred on the point.
    pub fn vertical(
        &self,
        text: &str,
        (x, y): (i32, i32),
        size: i32,
        colour: RGBColor,
    ) -> Result<(), ChartError> {
        self.styled(text, (x, y), size, Anchor::Middle, colour, FontTransform::Rotate270)
    }

    fn styled(
        &self,
        text: &str,
        at: (i32, i32),
        size: i32,
        anchor: Anchor,
        colour: RGBColor,
        transform: FontTransform,
    ) -> Result<(), ChartError> {
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = TextStyle::from((FAMILY, f64::from(size) * BACKEND_FONT_RATIO))
            .color(&colour)
            .pos(Pos::new(horizontal, VPos::Center))
            .transform(transform);
        Ok(self.area.draw(&Text::new(text.to_owned(), at, style))?)
    }

    /// Completes the SVG.
    ///
    /// # Errors
    /// A failure of the backend.
    pub fn finish(self) -> Result<(), ChartError> {
        Ok(self.area.present()?)
    }
}
