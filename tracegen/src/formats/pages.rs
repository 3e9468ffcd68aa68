//! Page-reference strings: one page number per line, decimal or with `0x`; `#` starts a comment.
//!
//! A line is a one-byte load at page number × 4096.

use crate::batch::Batch;
use crate::error::TraceError;
use crate::formats::PAGE;
use crate::formats::digits;
use crate::formats::losses::Losses;
use crate::formats::output::Output;
use crate::formats::text::{self, Block, Fault, LineFormat, Push};
use crate::record::{Access, AccessKind};
use crate::sink::Sink;

/// Reads the format.
pub struct Pages;

impl LineFormat for Pages {
    #[inline]
    fn parse(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let start = text::skip_blanks(line, 0);
        if matches!(line.get(start), None | Some(b'#')) {
            return Ok(());
        }
        let (page, end) = text::number(line, start, "a page number, decimal or with 0x")?;
        if line.get(text::skip_blanks(line, end)) != Some(&b'#') {
            text::end_of_line(line, end)?;
        }
        let addr = text::page_address(page, line, start)?;
        batch.push_access(Access { addr, size: 1, ..Access::default() });
        Ok(())
    }

    #[inline]
    fn plain(&mut self, text: &[u8], block: &mut Block) -> Option<usize> {
        let line: &[u8; 17] = text.first_chunk()?;
        let (page, digits) = digits::decimal(line.first_chunk()?);
        // Fewer than 16 digits are below 2^52 pages.
        if digits == 0 || digits == 16 || line[digits] != b'\n' {
            return None;
        }
        block.push(Access { addr: page * PAGE, size: 1, ..Access::default() });
        Some(digits + 1)
    }
}

/// Writes the format: the page of each load's, store's and fetch's first byte.
pub struct PagesWriter {
    output: Output,
    losses: Losses,
}

impl PagesWriter {
    /// Writes to `output`.
    pub fn new(output: Output) -> Self {
        Self { output, losses: Losses::default() }
    }
}

impl Sink for PagesWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), TraceError> {
        for index in 0..batch.accesses() {
            let access = batch.access(index);
            if access.kind == AccessKind::Prefetch {
                self.losses.prefetches += 1;
                continue;
            }
            self.output.with(|file| writeln!(file, "{}", access.addr / PAGE))?;
            self.losses.kinds |= access.kind != AccessKind::Load;
            self.losses.sizes |= access.size > 1;
            self.losses.offsets |= !access.addr.is_multiple_of(PAGE);
            self.losses.sites |= access.site != 0;
            self.losses.gaps |= access.gap != 0;
            self.losses.dependences |= access.dep != 0;
            self.losses.cpus |= access.cpu != 0;
        }
        self.losses.asides(batch);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.output.commit()
    }

    fn losses(&self) -> Vec<String> {
        self.losses.phrases()
    }
}
