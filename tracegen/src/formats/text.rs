//! What the text formats share: lines in bounded memory, places of errors, numbers as bytes.

use crate::batch::{BATCH_ACCESSES, Batch};
use crate::error::TraceError;
use crate::formats::stream::Stream;
use crate::metadata::Metadata;
use crate::record::{Access, AccessKind};
use crate::source::Source;

/// The longest line that is read, and the size of the buffer that lines are cut from.
const LONGEST_LINE: usize = 256 << 10;

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Index of the byte where it is wrong, from 0.
    pub at: usize,
    /// What was expected and what stands there.
    pub message: String,
}

impl Fault {
    /// `expected` should stand at `at` of `line`.
    pub fn expected(expected: &str, line: &[u8], at: usize) -> Self {
        Self { at, message: format!("expected {expected}, found {}", found(line, at)) }
    }
}

/// The word of `line` that starts at `at`, for a message.
fn found(line: &[u8], at: usize) -> String {
    const LONGEST: usize = 32;
    let rest = line.get(at..).unwrap_or_default();
    let end = rest.iter().position(|byte| b" \t,".contains(byte)).unwrap_or(rest.len());
    match rest {
        [] => "the end of the line".to_owned(),
        [separator, ..] if end == 0 => format!("`{}`", char::from(*separator).escape_default()),
        _ => {
            let text = String::from_utf8_lossy(&rest[..end.min(LONGEST)]);
            format!("`{}{}`", text.escape_debug(), if end > LONGEST { "…" } else { "" })
        }
    }
}

/// A text format: what one line means.
pub trait LineFormat: Send {
    /// The most accesses that a line can stand for.
    const MOST: usize = 1;

    /// Appends what `line`, which has no line end, stands for.
    ///
    /// # Errors
    /// The line is not of the format.
    fn parse(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), Fault>;

    /// Appends what the line at the front of `text` stands for, accesses of CPU 0 without a dependence, if it
    /// is of the plainest form that the format has, and returns its length with its line end.
    /// Whatever it returns nothing for, [`Self::parse`] gets: the two must agree.
    fn plain(&mut self, text: &[u8], block: &mut Block) -> Option<usize> {
        let _ = (text, block);
        None
    }

    /// The trace is over.
    ///
    /// # Errors
    /// It should not be.
    fn end(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// Where accesses go.
pub trait Push {
    /// Appends an access.
    fn push(&mut self, access: Access);
}

impl Push for Batch {
    #[inline]
    fn push(&mut self, access: Access) {
        self.push_access(access);
    }
}

/// Accesses of CPU 0 without a dependence, on their way to a batch. Its columns never grow: an access costs a
/// store for each and no test.
pub struct Block {
    addr: Box<[u64; BATCH_ACCESSES]>,
    kind: Box<[AccessKind; BATCH_ACCESSES]>,
    size: Box<[u32; BATCH_ACCESSES]>,
    site: Box<[u64; BATCH_ACCESSES]>,
    gap: Box<[u32; BATCH_ACCESSES]>,
    count: usize,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            addr: Box::new([0; BATCH_ACCESSES]),
            kind: Box::new([AccessKind::Load; BATCH_ACCESSES]),
            size: Box::new([0; BATCH_ACCESSES]),
            site: Box::new([0; BATCH_ACCESSES]),
            gap: Box::new([0; BATCH_ACCESSES]),
            count: 0,
        }
    }
}

impl Block {
    /// Moves everything to the end of `batch`.
    fn flush(&mut self, batch: &mut Batch) {
        let count = std::mem::take(&mut self.count);
        batch.addr.extend_from_slice(&self.addr[..count]);
        batch.kind.extend_from_slice(&self.kind[..count]);
        batch.size.extend_from_slice(&self.size[..count]);
        batch.site.extend_from_slice(&self.site[..count]);
        batch.gap.extend_from_slice(&self.gap[..count]);
        batch.cpu.resize(batch.addr.len(), 0);
        batch.dep.resize(batch.addr.len(), 0);
    }
}

impl Push for Block {
    #[inline]
    fn push(&mut self, access: Access) {
        // A block never has more than a batch has room for; the remainder spares a test.
        let at = self.count % BATCH_ACCESSES;
        self.addr[at] = access.addr;
        self.kind[at] = access.kind;
        self.size[at] = access.size;
        self.site[at] = access.site;
        self.gap[at] = access.gap;
        self.count += 1;
    }
}

/// A trace in a text format.
pub struct TextSource<F> {
    lines: Lines,
    format: F,
    block: Block,
    metadata: Option<Metadata>,
}

impl<F: LineFormat> TextSource<F> {
    /// Reads `stream` as `format` says.
    pub fn new(stream: Stream, format: F) -> Self {
        Self { lines: Lines::new(stream), format, block: Block::default(), metadata: None }
    }

    /// The same trace, which says `metadata` of itself.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata: Some(metadata), ..self }
    }
}

impl<F: LineFormat> TextSource<F> {
    /// Puts plain lines into the block as long as there are any, at most `room` accesses.
    fn plain_lines(&mut self, room: usize) {
        let mut text = &self.lines.buffer[self.lines.start..self.lines.end];
        let whole = text.len();
        while self.block.count + F::MOST <= room
            && let Some(length) = self.format.plain(text, &mut self.block)
        {
            text = &text[length..];
            self.lines.number += 1;
        }
        self.lines.start += whole - text.len();
    }
}

impl<F: LineFormat> Source for TextSource<F> {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        batch.clear();
        while has_room::<F>(batch) {
            self.plain_lines(BATCH_ACCESSES - batch.accesses());
            self.block.flush(batch);
            if !has_room::<F>(batch) {
                break;
            }
            let lines = &mut self.lines;
            let Some(line) = lines.next()? else {
                self.format.end().map_err(|fault| self.lines.fault(fault))?;
                break;
            };
            if let Err(fault) = self.format.parse(line, batch) {
                return Err(self.lines.fault(fault));
            }
        }
        Ok(!batch.is_empty())
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.lines.stream.progress()
    }

    fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }
}

/// Whether another line's records fit.
fn has_room<F: LineFormat>(batch: &Batch) -> bool {
    batch.accesses() + F::MOST <= BATCH_ACCESSES && batch.asides.len() + F::MOST <= BATCH_ACCESSES
}

/// Lines of a stream.
struct Lines {
    stream: Stream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    number: u64,
}

impl Lines {
    fn new(stream: Stream) -> Self {
        Self { stream, buffer: vec![0; LONGEST_LINE], start: 0, end: 0, number: 0 }
    }

    /// The next line without its line end (LF or CR LF); `None` at the end.
    fn next(&mut self) -> Result<Option<&[u8]>, TraceError> {
        let mut searched = self.start;
        let (length, skip) = loop {
            match memchr::memchr(b'\n', &self.buffer[searched..self.end]) {
                Some(at) => break (searched + at - self.start, 1),
                None => {
                    searched = self.end - self.start;
                    if !self.refill()? {
                        if self.start == self.end {
                            return Ok(None);
                        }
                        break (self.end - self.start, 0);
                    }
                }
            }
        };
        let line = &self.buffer[self.start..self.start + length];
        self.start += length + skip;
        self.number += 1;
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Moves the unfinished line to the buffer's front and reads on; `false` at the end.
    fn refill(&mut self) -> Result<bool, TraceError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.number += 1;
            return Err(self.fault(Fault {
                at: 0,
                message: format!(
                    "expected a line of at most {LONGEST_LINE} bytes, found a longer one"
                ),
            }));
        }
        let read = self.stream.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read > 0)
    }

    /// `fault` of the line that was read last.
    fn fault(&self, fault: Fault) -> TraceError {
        TraceError::Text {
            path: self.stream.input().path(),
            line: self.number,
            column: fault.at as u64 + 1,
            message: fault.message,
        }
    }
}

/// The index of the first byte from `at` on that is neither a space nor a tab.
pub fn skip_blanks(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// The hexadecimal number at `at`, with or without `0x`, and the index after it.
///
/// # Errors
/// There is none, or it needs more than 64 bits; `what` is what it should have been.
pub fn hexadecimal(line: &[u8], at: usize, what: &str) -> Result<(u64, usize), Fault> {
    let digits = match line.get(at..) {
        Some([b'0', b'x' | b'X', ..]) => at + 2,
        _ => at,
    };
    let mut value: u64 = 0;
    let mut end = digits;
    while let Some(digit) = line.get(end).and_then(|byte| char::from(*byte).to_digit(16)) {
        if value >> 60 != 0 {
            return Err(Fault::expected(&format!("{what} of at most 64 bits"), line, at));
        }
        value = value << 4 | u64::from(digit);
        end += 1;
    }
    if end == digits { Err(Fault::expected(what, line, at)) } else { Ok((value, end)) }
}

/// The decimal number at `at` and the index after it.
///
/// # Errors
/// As [`hexadecimal`].
pub fn decimal(line: &[u8], at: usize, what: &str) -> Result<(u64, usize), Fault> {
    let mut value: u64 = 0;
    let mut end = at;
    while let Some(digit) = line.get(end).filter(|byte| byte.is_ascii_digit()) {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit - b'0')))
            .ok_or_else(|| Fault::expected(&format!("{what} of at most 64 bits"), line, at))?;
        end += 1;
    }
    if end == at { Err(Fault::expected(what, line, at)) } else { Ok((value, end)) }
}

/// The number at `at`, decimal or with `0x`, and the index after it.
///
/// # Errors
/// As [`hexadecimal`].
pub fn number(line: &[u8], at: usize, what: &str) -> Result<(u64, usize), Fault> {
    match line.get(at..) {
        Some([b'0', b'x' | b'X', ..]) => hexadecimal(line, at, what),
        _ => decimal(line, at, what),
    }
}

/// Nothing but blanks may stand from `at` on.
///
/// # Errors
/// Something does.
pub fn end_of_line(line: &[u8], at: usize) -> Result<(), Fault> {
    let rest = skip_blanks(line, at);
    if rest == line.len() {
        Ok(())
    } else {
        Err(Fault::expected("the end of the line", line, rest))
    }
}

/// The first address of page `number` (4 KiB pages, as the trace formats count them).
///
/// # Errors
/// The page lies beyond 64-bit addresses.
pub fn page_address(number: u64, line: &[u8], at: usize) -> Result<u64, Fault> {
    number
        .checked_mul(crate::formats::PAGE)
        .ok_or_else(|| Fault::expected("a page number below 2^52", line, at))
}
