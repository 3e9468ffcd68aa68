//! Text as shapes: a picture whose text is drawn from the embedded font needs no text engine to become
//! pixels. Letters stand next to each other by their advance widths, as [`super::text::width`] counts
//! them.

use std::fmt::Write;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::ChartError;
use super::raster::FONT;

/// Replaces every text element of an SVG that a [`super::canvas::Canvas`] wrote by the shapes of its
/// letters.
///
/// # Errors
/// A text element that is not as a canvas writes it.
pub fn outlined(svg: &str) -> Result<String, ChartError> {
    let face = Face::parse(FONT, 0).map_err(|error| ChartError(error.to_string()))?;
    let mut out = String::with_capacity(svg.len() * 4);
    let mut rest = svg;
    while let Some((before, from)) = rest.split_once("<text ") {
        out.push_str(before);
        let element = from.split_once("</text>");
        let (tag, content, after) = element
            .and_then(|(element, after)| {
                let (tag, content) = element.split_once('>')?;
                Some((tag, content, after))
            })
            .ok_or_else(|| ChartError("a text element without an end".to_owned()))?;
        let text = Text::of(tag, &plain(content.trim()))?;
        text.draw(&face, &mut out);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The characters that XML's five named references stand for.
fn plain(content: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .into_iter()
    .fold(content.to_owned(), |text, (reference, letter)| text.replace(reference, letter))
}

/// A text element.
struct Text<'a> {
    text: String,
    x: f64,
    baseline: f64,
    size: f64,
    anchor: &'a str,
    fill: &'a str,
    transform: Option<&'a str>,
}

impl<'a> Text<'a> {
    fn of(tag: &'a str, text: &str) -> Result<Self, ChartError> {
        let lacks =
            |name: &str| ChartError(format!("a text element without `{name}`: <text {tag}>"));
        let attribute = |name: &str| {
            let from = tag.split_once(&format!("{name}=\"")).map(|(_, from)| from);
            from.and_then(|from| from.split_once('"')).map(|(value, _)| value)
        };
        let number = |name: &str| {
            let value = attribute(name).and_then(|value| value.trim_end_matches("ex").parse().ok());
            value.ok_or_else(|| lacks(name))
        };
        // The first attribute has no other before it that its name could be the end of.
        let x = tag.strip_prefix("x=\"").and_then(|from| from.split_once('"'));
        let x = x.and_then(|(value, _)| value.parse().ok()).ok_or_else(|| lacks("x"))?;
        let size: f64 = number("font-size")?;
        // An ex is half of the font size (CSS Values 3, 5.1.1).
        let shift: f64 = number(" dy")? * size / 2.0;
        let y: f64 = number(" y")?;
        Ok(Self {
            text: text.to_owned(),
            x,
            baseline: y + shift,
            size,
            anchor: attribute("text-anchor").ok_or_else(|| lacks("text-anchor"))?,
            fill: attribute("fill").ok_or_else(|| lacks("fill"))?,
            transform: attribute("transform"),
        })
    }

    fn draw(&self, face: &Face<'_>, out: &mut String) {
        let scale = self.size / f64::from(face.units_per_em());
        let letters: Vec<(GlyphId, f64)> = self
            .text
            .chars()
            .map(|letter| {
                // Glyph 0 is the font's sign for a letter that it lacks.
                let glyph = face.glyph_index(letter).unwrap_or_default();
                (glyph, f64::from(face.glyph_hor_advance(glyph).unwrap_or(0)) * scale)
            })
            .collect();
        let width: f64 = letters.iter().map(|(_, advance)| advance).sum();
        let mut pen = Pen { out, x: self.x, baseline: self.baseline, scale };
        pen.x -= match self.anchor {
            "middle" => width / 2.0,
            "end" => width,
            _ => 0.0,
        };
        // Writing to a string does not fail.
        let _ = write!(pen.out, "<path fill=\"{}\"", self.fill);
        if let Some(transform) = self.transform {
            let _ = write!(pen.out, " transform=\"{transform}\"");
        }
        pen.out.push_str(" d=\"");
        for (glyph, advance) in letters {
            face.outline_glyph(glyph, &mut pen);
            pen.x += advance;
        }
        pen.out.push_str("\"/>");
    }
}

/// Writes a letter's outline as path data, from font units upwards to pixels downwards.
struct Pen<'a> {
    out: &'a mut String,
    x: f64,
    baseline: f64,
    scale: f64,
}

impl Pen<'_> {
    fn go(&mut self, command: char, points: &[(f32, f32)]) {
        self.out.push(command);
        for &(x, y) in points {
            let x = self.x + f64::from(x) * self.scale;
            let y = self.baseline - f64::from(y) * self.scale;
            // Writing to a string does not fail.
            let _ = write!(self.out, "{x:.3} {y:.3} ");
        }
    }
}

impl OutlineBuilder for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.go('M', &[(x, y)]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.go('L', &[(x, y)]);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.go('Q', &[(x1, y1), (x, y)]);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.go('C', &[(x1, y1), (x2, y2), (x, y)]);
    }

    fn close(&mut self) {
        self.out.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::sample;
    use crate::chart::{draw_all, text};

    /// The least and greatest x of the path data in `svg`.
    fn extent(svg: &str) -> (f64, f64) {
        let (_, data) = svg.split_once(" d=\"").unwrap();
        let numbers = data.split_once('"').unwrap().0.replace(|c: char| c.is_alphabetic(), " ");
        let numbers: Vec<f64> = numbers.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let xs = numbers.iter().step_by(2);
        xs.fold((f64::MAX, f64::MIN), |(low, high), &x| (low.min(x), high.max(x)))
    }

    fn drawn(anchor: &str, content: &str) -> String {
        let tag = format!(
            "<svg><text x=\"100\" y=\"50\" dy=\"0.5ex\" text-anchor=\"{anchor}\" font-size=\"20\" \
             opacity=\"1\" fill=\"#000000\">\n{content}\n</text><rect/></svg>"
        );
        outlined(&tag).unwrap()
    }

    #[test]
    fn letters_stand_where_their_anchor_says_and_are_as_wide_as_they_count() {
        let width = f64::from(text::width("HIH", 20));
        for (anchor, low) in
            [("start", 100.0), ("middle", 100.0 - width / 2.0), ("end", 100.0 - width)]
        {
            let (from, to) = extent(&drawn(anchor, "HIH"));
            // Letters have a little room on both sides.
            assert!(
                (from - low).abs() < 4.0 && (to - low - width).abs() < 4.0,
                "{anchor} {from} {to}"
            );
        }
    }

    #[test]
    fn references_are_letters_and_unknown_letters_are_shown() {
        assert_eq!(drawn("start", "a&amp;lt;&lt;&apos;"), drawn("start", "a&amp;lt;<'"));
        assert_ne!(drawn("start", "&amp;"), drawn("start", "&amp;amp;"));
        assert!(drawn("start", "\u{4E2D}").contains('Z'));
    }

    #[test]
    fn no_text_is_left_in_any_chart() {
        for chart in draw_all(&sample::view(2, 4, 2)).unwrap() {
            let shapes = outlined(&chart.svg).unwrap();
            assert!(!shapes.contains("<text") && shapes.contains("<path fill"), "{}", chart.name);
        }
    }

    #[test]
    fn other_text_elements_are_refused() {
        for wrong in ["<text x=\"1\">a</text>", "<text x=\"1\" y=\"2\"", "<text y=\"1\">a</text>"] {
            assert!(outlined(wrong).is_err(), "{wrong}");
        }
    }
}
