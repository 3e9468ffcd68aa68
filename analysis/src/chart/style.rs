//! The look that all charts share: colours, sizes, and the head with its legend.

use plotters::style::RGBColor;

use super::ChartError;
use super::canvas::{Anchor, Canvas};
use super::text::{fit, width, wrap};

/// The width of every chart in pixels.
pub const WIDTH: i32 = 960;
/// Space to the chart's edges.
pub const MARGIN: i32 = 28;
/// Font size of the title.
pub const TITLE: i32 = 20;
/// Font size of everything else that is read first.
pub const LABEL: i32 = 13;
/// Font size of ticks and notes.
pub const SMALL: i32 = 12;

/// Text.
pub const INK: RGBColor = RGBColor(32, 33, 36);
/// Text of second rank.
pub const MUTED: RGBColor = RGBColor(95, 99, 104);
/// Axes.
pub const AXIS: RGBColor = RGBColor(154, 160, 166);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(228, 230, 233);
/// Space between the segments of a stack.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);

/// The palette of Okabe and Ito (Color Universal Design, 2008), which readers with any common colour
/// vision tell apart; its yellow is last because it is weak on white.
pub const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(204, 121, 167),
    RGBColor(64, 64, 64),
    RGBColor(240, 228, 66),
];

/// The colour of the `index`th thing: the palette, then its lighter half-tones.
pub fn colour(index: usize) -> RGBColor {
    let RGBColor(r, g, b) = PALETTE[index % PALETTE.len()];
    let lighten = |part: u8| (u16::from(part) + 255).div_ceil(2).min(255) as u8;
    match (index / PALETTE.len()) % 2 {
        0 => RGBColor(r, g, b),
        _ => RGBColor(lighten(r), lighten(g), lighten(b)),
    }
}

/// The colour of the `index`th line: as [`colour`] without the yellow, which thin lines do not carry.
pub fn line_colour(index: usize) -> RGBColor {
    let strong = PALETTE.len() - 1;
    colour(index % strong + index / strong % 2 * PALETTE.len())
}

/// What stands above a chart's data.
pub struct Head<'a> {
    /// What the chart shows.
    pub title: &'a str,
    /// How to read it, with units.
    pub subtitle: &'a str,
    /// Names and colours.
    pub legend: &'a [(String, RGBColor)],
}

const SWATCH: i32 = 12;
const LEGEND_LINE: i32 = 20;

impl Head<'_> {
    fn subtitle_lines(&self) -> Vec<String> {
        wrap(self.subtitle, LABEL, WIDTH - 2 * MARGIN)
    }

    /// The legend's entries as (x, line, index), broken into lines.
    fn legend_places(&self) -> Vec<(i32, i32, usize)> {
        let (mut x, mut line) = (MARGIN, 0);
        let mut places = Vec::new();
        for (index, (name, _)) in self.legend.iter().enumerate() {
            let needs = SWATCH + 6 + width(name, LABEL) + 18;
            if x > MARGIN && x + needs > WIDTH - MARGIN {
                (x, line) = (MARGIN, line + 1);
            }
            places.push((x, line, index));
            x += needs;
        }
        places
    }

    /// How much height it takes.
    pub fn height(&self) -> i32 {
        let legend = self.legend_places().last().map_or(0, |(_, line, _)| (line + 1) * LEGEND_LINE);
        let gap = if legend > 0 { 8 } else { 0 };
        56 + 18 * self.subtitle_lines().len() as i32 + gap + legend
    }

    /// Draws it at the top.
    ///
    /// # Errors
    /// A failure of the backend.
    pub fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let title = fit(self.title, TITLE, WIDTH - 2 * MARGIN);
        canvas.text(&title, (MARGIN, 30), TITLE, Anchor::Start, INK)?;
        let mut y = 56;
        for line in self.subtitle_lines() {
            canvas.text(&line, (MARGIN, y), LABEL, Anchor::Start, MUTED)?;
            y += 18;
        }
        for (x, line, index) in self.legend_places() {
            let (name, colour) = &self.legend[index];
            let centre = y + 8 + line * LEGEND_LINE;
            canvas.rect(x, centre - SWATCH / 2, SWATCH, SWATCH, *colour)?;
            canvas.text(name, (x + SWATCH + 6, centre), LABEL, Anchor::Start, INK)?;
        }
        Ok(())
    }
}
