//! Comma-separated values: one column holds page numbers or byte addresses.
//!
//! A row is a one-byte load. A first row whose picked field is not a number is a header. The column is
//! the one that is asked for, by its name in the header or by its number from 1; else the only column;
//! else the one that the header calls `address`, `addr` or `page`. Where the unit is not given, a header
//! that speaks of pages means page numbers and anything else means byte addresses. Fields may be quoted
//! (RFC 4180, but not across lines); blank lines and lines that start with `#` are skipped.

use crate::batch::Batch;
use crate::error::TraceError;
use crate::formats::digits;
use crate::formats::losses::Losses;
use crate::formats::output::Output;
use crate::formats::text::{self, Block, Fault, LineFormat, Push};
use crate::formats::{Column, PAGE, Unit};
use crate::record::{Access, AccessKind};
use crate::sink::Sink;

/// Names that a header gives a column of addresses or pages, lower-case.
const ADDRESS_NAMES: [&str; 11] = [
    "address",
    "addr",
    "page",
    "vaddr",
    "virtual_address",
    "page_number",
    "pageno",
    "vpn",
    "lpn",
    "page_id",
    "page_address",
];

/// Reads the format.
pub struct Csv {
    column: Option<Column>,
    unit: Option<Unit>,
    /// Index of the column, once the first row has been seen.
    picked: Option<usize>,
}

impl Csv {
    /// Reads `column` (or the obvious one) in `unit` (or the obvious one).
    pub fn new(column: Option<Column>, unit: Option<Unit>) -> Self {
        Self { column, unit, picked: None }
    }

    /// Settles the column and the unit by the first row; returns whether that row is a header.
    fn settle(&mut self, line: &[u8]) -> Result<bool, Fault> {
        let fields: Vec<(usize, String)> = Fields::new(line)
            .map(|(start, end)| (start, unquoted(&line[start..end]).trim().to_owned()))
            .collect();
        let header = !fields.iter().any(|(_, field)| is_number(field));
        let names: Vec<String> = fields.iter().map(|(_, name)| name.to_lowercase()).collect();
        let index = match &self.column {
            Some(Column::Number(number)) => {
                let index = usize::try_from(*number).unwrap_or(usize::MAX).wrapping_sub(1);
                if index >= fields.len() {
                    let message = format!(
                        "expected at least {number} columns, found {}: columns count from 1",
                        fields.len()
                    );
                    return Err(Fault { at: 0, message });
                }
                index
            }
            Some(Column::Name(name)) => fields
                .iter()
                .position(|(_, field)| header && field == name)
                .or_else(|| names.iter().position(|other| header && *other == name.to_lowercase()))
                .ok_or_else(|| Fault {
                    at: 0,
                    message: format!(
                        "expected a header with a column `{name}`, found {}",
                        list(&fields)
                    ),
                })?,
            None if fields.len() == 1 => 0,
            None => {
                let known = |name: &String| header && ADDRESS_NAMES.contains(&name.as_str());
                let mut candidates = (0..names.len()).filter(|index| known(&names[*index]));
                match (candidates.next(), candidates.next()) {
                    (Some(index), None) => index,
                    _ => {
                        let message = format!(
                            "expected one column, or a header that names the addresses, found {}; \
                             pick one with --column NAME or --column NUMBER",
                            list(&fields)
                        );
                        return Err(Fault { at: 0, message });
                    }
                }
            }
        };
        let name = &names[index];
        let header = !is_number(&fields[index].1) && (header || self.column.is_some());
        let pages = header && ["page", "vpn", "lpn"].iter().any(|word| name.contains(word));
        let addresses = name.contains("addr");
        let guess = if pages && !addresses { Unit::Page } else { Unit::Byte };
        self.unit = self.unit.or(Some(guess));
        self.picked = Some(index);
        Ok(header)
    }
}

impl LineFormat for Csv {
    fn parse(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let line =
            line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.picked.is_none()).unwrap_or(line);
        let first = text::skip_blanks(line, 0);
        if matches!(line.get(first), None | Some(b'#')) {
            return Ok(());
        }
        if self.picked.is_none() && self.settle(line)? {
            return Ok(());
        }
        let column = self.picked.unwrap_or(0);
        let Some((start, end)) = Fields::new(line).nth(column) else {
            let message = format!("expected a column {}, found the end of the line", column + 1);
            return Err(Fault { at: line.len(), message });
        };
        let mut start = text::skip_blanks(line, start);
        let quoted = line.get(start) == Some(&b'"') && start < end;
        if quoted {
            start = text::skip_blanks(line, start + 1);
        }
        let what = match self.unit {
            Some(Unit::Page) => "a page number, decimal or with 0x",
            _ => "a byte address, decimal or with 0x",
        };
        let field = &line[..end.max(start).min(line.len())];
        let (value, stop) = text::number(field, start, what)?;
        let mut rest = text::skip_blanks(field, stop);
        if quoted && field.get(rest) == Some(&b'"') {
            rest = text::skip_blanks(field, rest + 1);
        }
        if rest != field.len() {
            return Err(Fault::expected(what, line, start));
        }
        let addr = match self.unit {
            Some(Unit::Page) => text::page_address(value, line, start)?,
            _ => value,
        };
        batch.push_access(Access { addr, size: 1, ..Access::default() });
        Ok(())
    }

    #[inline]
    fn plain(&mut self, text: &[u8], block: &mut Block) -> Option<usize> {
        let column = self.picked?;
        let mut start = 0;
        for _ in 0..column {
            let comma = memchr::memchr3(b',', b'"', b'\n', &text[start..])? + start;
            if text[comma] != b',' {
                return None;
            }
            start = comma + 1;
        }
        if text.first() == Some(&b'#') {
            return None;
        }
        let field: &[u8; 17] = text[start..].first_chunk()?;
        let (value, digits) = digits::decimal(field.first_chunk()?);
        // Fewer than 16 digits are below 2^52 pages.
        if digits == 0 || digits == 16 {
            return None;
        }
        let end = match field[digits] {
            b'\n' => start + digits,
            b',' => start + digits + memchr::memchr(b'\n', &text[start + digits..])?,
            _ => return None,
        };
        let addr = if self.unit == Some(Unit::Page) { value * PAGE } else { value };
        block.push(Access { addr, size: 1, ..Access::default() });
        Some(end + 1)
    }
}

fn is_number(field: &str) -> bool {
    let line = field.as_bytes();
    text::number(line, 0, "").is_ok_and(|(_, end)| end == line.len())
}

fn list(fields: &[(usize, String)]) -> String {
    const MOST: usize = 12;
    let names: Vec<_> = fields.iter().take(MOST).map(|(_, name)| format!("`{name}`")).collect();
    format!("{}{}", names.join(", "), if fields.len() > MOST { ", …" } else { "" })
}

fn unquoted(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field);
    let text = text.trim();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_owned(),
    }
}

/// The fields of a line, as their ranges.
struct Fields<'a> {
    line: &'a [u8],
    next: Option<usize>,
}

impl<'a> Fields<'a> {
    fn new(line: &'a [u8]) -> Self {
        Self { line, next: Some(0) }
    }
}

impl Iterator for Fields<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let start = self.next?;
        let rest = &self.line[start..];
        let length = match memchr::memchr2(b',', b'"', rest) {
            Some(at) if rest[at] == b',' => at,
            None => rest.len(),
            // Quotes: commas count outside them. A doubled quote closes and opens again.
            Some(_) => {
                let mut inside = false;
                rest.iter()
                    .position(|byte| {
                        inside ^= *byte == b'"';
                        *byte == b',' && !inside
                    })
                    .unwrap_or(rest.len())
            }
        };
        let end = start + length;
        self.next = (end < self.line.len()).then_some(end + 1);
        Some((start, end))
    }
}

/// Writes every access with all its fields, in decimal, under a header.
pub struct CsvWriter {
    output: Output,
    started: bool,
    losses: Losses,
}

impl CsvWriter {
    /// Writes to `output`.
    pub fn new(output: Output) -> Self {
        Self { output, started: false, losses: Losses::default() }
    }

    fn start(&mut self) -> Result<(), TraceError> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        self.output.with(|file| writeln!(file, "address,size,kind,cpu,site,gap,dep"))
    }
}

impl Sink for CsvWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), TraceError> {
        self.start()?;
        for index in 0..batch.accesses() {
            let Access { cpu, kind, addr, size, site, gap, dep } = batch.access(index);
            let kind = match kind {
                AccessKind::Load => "load",
                AccessKind::Store => "store",
                AccessKind::Fetch => "fetch",
                AccessKind::Prefetch => "prefetch",
            };
            self.output
                .with(|file| writeln!(file, "{addr},{size},{kind},{cpu},{site},{gap},{dep}"))?;
        }
        self.losses.asides(batch);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.start()?;
        self.output.commit()
    }

    fn losses(&self) -> Vec<String> {
        self.losses.phrases()
    }
}
