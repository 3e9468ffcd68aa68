//! The traditional input format of the Dinero cache simulators.
//!
//! A line is a label (0 read, 1 write, 2 instruction fetch) and a hexadecimal address; what follows is
//! ignored. The format has no sizes: Dinero IV takes every access as the aligned four-byte word around
//! its address (dinfmt.c), so an access here reaches from its address to the end of that word, which
//! touches the same words and lines and keeps the address. Data accesses belong to the instruction that
//! was fetched before them, where the trace has fetches.

use crate::batch::Batch;
use crate::error::TraceError;
use crate::formats::digits;
use crate::formats::losses::Losses;
use crate::formats::output::Output;
use crate::formats::text::{self, Block, Fault, LineFormat, Push};
use crate::record::{Access, AccessKind, SAME_INSTRUCTION};
use crate::sink::Sink;

/// Bytes from `addr` to the end of its four-byte word.
fn rest_of_word(addr: u64) -> u32 {
    4 - (addr & 3) as u32
}

/// Reads the format.
#[derive(Default)]
pub struct Din {
    /// The address of the last fetch, once there was one.
    fetched: Option<u64>,
}

impl LineFormat for Din {
    #[inline]
    fn parse(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let start = text::skip_blanks(line, 0);
        let kind = match line.get(start) {
            Some(b'0') => AccessKind::Load,
            Some(b'1') => AccessKind::Store,
            Some(b'2') => AccessKind::Fetch,
            None => return Ok(()),
            Some(_) => {
                return Err(Fault::expected("0 (read), 1 (write) or 2 (fetch)", line, start));
            }
        };
        let at = text::skip_blanks(line, start + 1);
        if at == start + 1 && at < line.len() {
            return Err(Fault::expected("0 (read), 1 (write) or 2 (fetch)", line, start));
        }
        let (addr, end) = text::hexadecimal(line, at, "a hexadecimal address")?;
        if !matches!(line.get(end), None | Some(b' ' | b'\t')) {
            return Err(Fault::expected("a hexadecimal address", line, at));
        }
        self.push(kind, addr, batch);
        Ok(())
    }

    #[inline]
    fn plain(&mut self, text: &[u8], block: &mut Block) -> Option<usize> {
        let line: &[u8; 24] = text.first_chunk()?;
        let kind = match line {
            [b'0', b' ', ..] => AccessKind::Load,
            [b'1', b' ', ..] => AccessKind::Store,
            [b'2', b' ', ..] => AccessKind::Fetch,
            _ => return None,
        };
        let (addr, digits) = digits::hexadecimal(line[2..].first_chunk()?);
        if digits == 0 || line[2 + digits] != b'\n' {
            return None;
        }
        self.push(kind, addr, block);
        Some(2 + digits + 1)
    }
}

impl Din {
    #[inline]
    fn push(&mut self, kind: AccessKind, addr: u64, to: &mut impl Push) {
        if kind == AccessKind::Fetch {
            self.fetched = Some(addr);
        }
        let (site, gap) = match (kind, self.fetched) {
            (AccessKind::Fetch, _) => (addr, 0),
            (_, Some(site)) => (site, SAME_INSTRUCTION),
            (_, None) => (0, 0),
        };
        let size = rest_of_word(addr);
        to.push(Access { kind, addr, size, site, gap, ..Access::default() });
    }
}

/// Writes the format.
pub struct DinWriter {
    output: Output,
    losses: Losses,
}

impl DinWriter {
    /// Writes to `output`.
    pub fn new(output: Output) -> Self {
        Self { output, losses: Losses::default() }
    }
}

impl Sink for DinWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), TraceError> {
        for index in 0..batch.accesses() {
            let access = batch.access(index);
            let label = match access.kind {
                AccessKind::Load => 0,
                AccessKind::Store => 1,
                AccessKind::Fetch => 2,
                AccessKind::Prefetch => {
                    self.losses.prefetches += 1;
                    continue;
                }
            };
            self.output.with(|file| writeln!(file, "{label} {:x}", access.addr))?;
            self.losses.sizes |= access.size != rest_of_word(access.addr);
            self.losses.cpus |= access.cpu != 0;
            self.losses.dependences |= access.dep != 0;
            self.losses.gaps |= !matches!(access.gap, 0 | SAME_INSTRUCTION);
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
