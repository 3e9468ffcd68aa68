//! Which format a stream has, by its first bytes; its name decides only where they do not.

use crate::error::TraceError;
use crate::formats::stream::Stream;
use crate::formats::text;
use crate::formats::{Format, Input, champsim, damon, drmemtrace, perf_script, rep};

/// How many bytes the guess looks at.
const SAMPLE: usize = 16 << 10;

/// The format of `stream`.
///
/// # Errors
/// The stream cannot be read, or its format cannot be told: the message says what to give.
pub fn guess(stream: &mut Stream) -> Result<Format, TraceError> {
    let input = stream.input().clone();
    let hint = hint(&input);
    let sample = stream.peek(SAMPLE)?;
    if sample.starts_with(&crate::flt::MAGIC) {
        return Ok(Format::Flt);
    }
    if drmemtrace::is_likely(sample) {
        return Ok(Format::Drmemtrace);
    }
    if sample.is_empty() {
        // Nothing is a trace of no records in every text format.
        return Ok(hint.filter(|format| format.is_text()).unwrap_or(Format::Pages));
    }
    let candidates = candidates(sample);
    if candidates.is_empty() && champsim::is_likely(sample) {
        return Ok(Format::Champsim);
    }
    match (candidates.as_slice(), hint) {
        // A csv file of one column and no header looks like page numbers.
        ([Format::Pages], Some(Format::Csv)) => Ok(Format::Csv),
        ([only], _) => Ok(*only),
        (several, Some(hint)) if several.contains(&hint) => Ok(hint),
        ([], Some(hint)) => Ok(hint),
        (several, _) => Err(undecided(&input, several)),
    }
}

fn undecided(input: &Input, candidates: &[Format]) -> TraceError {
    let names: Vec<_> = candidates.iter().map(|format| format.name()).collect();
    let what = if names.is_empty() {
        "is of no format that its content tells".to_owned()
    } else {
        format!("may be {}", names.join(" or "))
    };
    let all: Vec<_> = Format::ALL.iter().map(|format| format.name()).collect();
    TraceError::Format {
        path: input.path(),
        message: format!(
            "the trace {what}; say which with --from or --trace-format, one of {}",
            all.join(", ")
        ),
    }
}

/// The format that the input's name suggests, compression suffixes aside.
fn hint(input: &Input) -> Option<Format> {
    let Input::Path(path) = input else { return None };
    Format::of_suffix(path)
}

/// The text formats that the telling lines of `sample` fit.
fn candidates(sample: &[u8]) -> Vec<Format> {
    // The last line may be cut off; it counts only if it is the only one.
    let whole = memchr::memrchr(b'\n', sample).map_or(sample, |end| &sample[..end]);
    let lines: Vec<&[u8]> = whole
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| {
            let start = text::skip_blanks(line, 0);
            start < line.len() && line[start] != b'#' && !line.starts_with(b"==")
        })
        .collect();
    if lines.is_empty() || whole.contains(&0) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if lines.iter().any(|line| is_lackey(line)) {
        return vec![Format::Lackey];
    }
    if rep::is_likely(&lines) {
        return vec![Format::Rep];
    }
    if lines.iter().any(|line| damon::is_likely(line)) {
        return vec![Format::Damon];
    }
    if lines.iter().all(|line| perf_script::is_likely(line) || line.starts_with(b"\t"))
        && lines.iter().any(|line| perf_script::is_likely(line))
    {
        return vec![Format::PerfScript];
    }
    // A first line may be a header of a csv file; the others tell.
    let telling = if lines.len() > 1 { &lines[1..] } else { &lines[..] };
    if lines.iter().all(|line| is_din(line)) {
        found.push(Format::Din);
    }
    if lines.iter().all(|line| is_page(line)) {
        found.push(Format::Pages);
    }
    if telling.iter().all(|line| line.contains(&b','))
        || (!is_page(lines[0]) && telling.iter().all(|line| is_page(line)))
    {
        found.push(Format::Csv);
    }
    found
}

fn is_lackey(line: &[u8]) -> bool {
    matches!(line, [b'I', b' ', ..] | [b' ', b'L' | b'S' | b'M', b' ', ..]) && line.contains(&b',')
}

fn is_din(line: &[u8]) -> bool {
    let start = text::skip_blanks(line, 0);
    let [b'0'..=b'2', b' ' | b'\t', ..] = line[start..] else { return false };
    text::hexadecimal(line, text::skip_blanks(line, start + 1), "").is_ok()
}

fn is_page(line: &[u8]) -> bool {
    let start = text::skip_blanks(line, 0);
    let Ok((_, end)) = text::number(line, start, "") else { return false };
    matches!(line.get(text::skip_blanks(line, end)), None | Some(b'#'))
}
