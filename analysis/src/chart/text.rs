//! How wide text is, so that nothing drawn overlaps.

/// Advance widths of the printable ASCII characters, from space on, in 1/2048 of the font size: the
/// `hmtx` table of the embedded DejaVu Sans.
const ADVANCES: [u16; 95] = [
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303,
    1303, 1303, 1303, 1303, 1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048,
    1401, 1405, 1430, 1577, 1294, 1178, 1587, 1540, 604, 604, 1343, 1141, 1767, 1532, 1612, 1235,
    1612, 1423, 1300, 1251, 1499, 1401, 2025, 1403, 1251, 1403, 799, 690, 799, 1716, 1024, 1024,
    1255, 1300, 1126, 1300, 1260, 721, 1300, 1298, 569, 569, 1186, 569, 1995, 1298, 1253, 1300,
    1300, 842, 1067, 803, 1298, 1212, 1675, 1212, 1212, 1075, 1303, 690, 1303, 1716,
];

/// The width of `text` at font size `size`, in pixels, rounded up. Characters outside ASCII count as
/// the widest letter.
pub fn width(text: &str, size: i32) -> i32 {
    let units: i64 = text
        .chars()
        .map(|letter| {
            let index = (letter as usize).checked_sub(0x20);
            i64::from(index.and_then(|index| ADVANCES.get(index)).copied().unwrap_or(2048))
        })
        .sum();
    i32::try_from((units * i64::from(size) + 2047) / 2048).unwrap_or(i32::MAX / 4)
}

/// `text`, shortened with an ellipsis in the middle so that it is at most `room` wide.
pub fn fit(text: &str, size: i32, room: i32) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    for kept in (1..letters.len()).rev() {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        let short: String = letters[..head]
            .iter()
            .chain(['…'].iter())
            .chain(&letters[letters.len() - tail..])
            .collect();
        if width(&short, size) <= room {
            return short;
        }
    }
    "…".to_owned()
}

/// `text` broken at spaces into lines of at most `room`.
pub fn wrap(text: &str, size: i32, room: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fit(word, size, room)),
        }
    }
    lines
}

/// A number for a label: three significant digits, thousands as k, M, G.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    for (scale, suffix) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")] {
        if magnitude >= scale * 0.9995 {
            let scale = if suffix == "k" { 1e3 } else { scale };
            return format!("{}{suffix}", digits(value / scale));
        }
    }
    digits(value)
}

fn digits(value: f64) -> String {
    let magnitude = value.abs();
    let places = match magnitude {
        m if m == 0.0 || m >= 99.95 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.9995 => 2,
        m if m >= 0.0995 => 3,
        _ => 4,
    };
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advances_are_those_of_the_embedded_font() {
        // The tables that TrueType requires: hmtx holds (advance, bearing) a glyph; in this font the
        // glyphs of printable ASCII follow each other from `space` on, which cmap's format 4 says as
        // one segment.
        let font = crate::chart::raster::FONT;
        let u16_at = |at: usize| u16::from_be_bytes([font[at], font[at + 1]]);
        let u32_at = |at: usize| {
            u32::from_be_bytes([font[at], font[at + 1], font[at + 2], font[at + 3]]) as usize
        };
        let tables = usize::from(u16_at(4));
        let hmtx = (0..tables)
            .map(|index| 12 + 16 * index)
            .find(|&at| &font[at..at + 4] == b"hmtx")
            .map(|at| u32_at(at + 8))
            .unwrap();
        let all: Vec<u16> = (0..400).map(|glyph| u16_at(hmtx + 4 * glyph)).collect();
        assert!(all.windows(95).any(|window| window == ADVANCES));
    }

    #[test]
    fn shortened_text_fits() {
        let text = "a rather long label that has no room";
        assert_eq!(fit(text, 12, 1000), text);
        assert!(width(&fit(text, 12, 80), 12) <= 80);
        assert!(wrap(text, 12, 80).iter().all(|line| width(line, 12) <= 80));
    }

    #[test]
    fn numbers_are_short() {
        let cases = [(0.0, "0"), (1.0, "1"), (0.25, "0.25"), (1536.0, "1536"), (12345.0, "12.3k")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(7_654_321.0), "7.65M");
        assert_eq!(number(999_999.0), "1M");
    }
}
