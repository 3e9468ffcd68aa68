//! The output of `valgrind --tool=lackey --trace-mem=yes`.
//!
//! A line is `I  address,size` (a fetch), ` L address,size` (a load), ` S …` (a store) or ` M …` (a load
//! and then a store to the same place, by one instruction), addresses in hexadecimal, sizes in decimal
//! bytes (valgrind's lackey/lk_main.c). Valgrind's own messages (`==pid==`, `--pid--`, `**pid**`) and
//! blank lines are skipped. Data accesses belong to the instruction that was fetched before them: they
//! carry its address as their site and are of the same instruction. (Only a store on a line of its own
//! that follows a load of the same place does not say so, which tells it from an `M`.)

use crate::batch::Batch;
use crate::error::TraceError;
use crate::formats::digits;
use crate::formats::losses::Losses;
use crate::formats::output::Output;
use crate::formats::text::{self, Block, Fault, LineFormat, Push};
use crate::record::{Access, AccessKind, SAME_INSTRUCTION};
use crate::sink::Sink;

/// Reads the format.
#[derive(Default)]
pub struct Lackey {
    /// The address of the last fetch, once there was one.
    fetched: Option<u64>,
    /// Address and size of the previous line's access, if it was a load.
    loaded: Option<(u64, u32)>,
}

impl LineFormat for Lackey {
    const MOST: usize = 2;

    #[inline]
    fn parse(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let (letter, operands) = match line {
            [b'I', b' ', ..] => (b'I', 2),
            [b' ', letter @ (b'L' | b'S' | b'M'), b' ', ..] => (*letter, 3),
            _ => return other(line),
        };
        let start = text::skip_blanks(line, operands);
        let (addr, comma) = text::hexadecimal(line, start, "a hexadecimal address")?;
        if line.get(comma) != Some(&b',') {
            return Err(Fault::expected("`,` and a size in bytes", line, comma));
        }
        let (size, end) = text::decimal(line, comma + 1, "a size in bytes")?;
        let size = u32::try_from(size)
            .map_err(|_| Fault::expected("a size of at most 32 bits", line, comma + 1))?;
        text::end_of_line(line, end)?;
        if addr.checked_add(u64::from(size.saturating_sub(1))).is_none() {
            return Err(Fault::expected("an access within 64-bit addresses", line, start));
        }
        self.push(letter, addr, size, batch);
        Ok(())
    }

    #[inline]
    fn plain(&mut self, text: &[u8], block: &mut Block) -> Option<usize> {
        const ADDRESS: usize = 3;
        let line: &[u8; 32] = text.first_chunk()?;
        let letter = match line {
            [b'I', b' ', b' ', ..] => b'I',
            [b' ', letter @ (b'L' | b'S' | b'M'), b' ', ..] => *letter,
            _ => return None,
        };
        let (addr, digits) = digits::hexadecimal(line[ADDRESS..].first_chunk()?);
        // At most 3 + 16 bytes so far: a comma, four digits and the line's end lie within the 32.
        let mut at = ADDRESS + digits;
        if digits == 0 || line[at] != b',' {
            return None;
        }
        let mut size = 0;
        for _ in 0..4 {
            at += 1;
            match line[at] {
                digit @ b'0'..=b'9' => size = size * 10 + u32::from(digit - b'0'),
                _ => break,
            }
        }
        at += usize::from(line[at] != b'\n');
        // A line end behind one digit or more.
        if line[at] != b'\n' || !line[at - 1].is_ascii_digit() {
            return None;
        }
        addr.checked_add(u64::from(size.saturating_sub(1)))?;
        self.push(letter, addr, size, block);
        Some(at + 1)
    }
}

impl Lackey {
    #[inline]
    fn push(&mut self, letter: u8, addr: u64, size: u32, to: &mut impl Push) {
        if letter == b'I' {
            self.fetched = Some(addr);
            self.loaded = None;
            let kind = AccessKind::Fetch;
            to.push(Access { kind, addr, size, site: addr, ..Access::default() });
            return;
        }
        let (site, gap) = self.fetched.map_or((0, 0), |site| (site, SAME_INSTRUCTION));
        let load = Access { addr, size, site, gap, ..Access::default() };
        let store = Access { kind: AccessKind::Store, ..load };
        match letter {
            b'L' => to.push(load),
            b'S' if self.loaded == Some((addr, size)) => {
                to.push(Access { gap: 0, ..store });
            }
            b'S' => to.push(store),
            _ => {
                to.push(load);
                to.push(Access { gap: SAME_INSTRUCTION, ..store });
            }
        }
        self.loaded = (letter == b'L').then_some((addr, size));
    }
}

/// A line that is no access: a message of valgrind, or a fault.
fn other(line: &[u8]) -> Result<(), Fault> {
    let message = [b"==", b"--", b"**"].iter().any(|mark| line.starts_with(*mark));
    let at = text::skip_blanks(line, 0);
    if message || at == line.len() {
        return Ok(());
    }
    Err(Fault::expected("`I  address,size`, ` L …`, ` S …` or ` M …`", line, at))
}

/// Writes the format.
pub struct LackeyWriter {
    output: Output,
    /// A load that becomes an `M` if its store follows.
    held: Option<Access>,
    losses: Losses,
}

impl LackeyWriter {
    /// Writes to `output`.
    pub fn new(output: Output) -> Self {
        Self { output, held: None, losses: Losses::default() }
    }

    fn line(&mut self, letters: &str, access: &Access) -> Result<(), TraceError> {
        self.output
            .with(|file| writeln!(file, "{letters} {:08x},{}", access.addr, access.size.max(1)))
    }

    fn release(&mut self) -> Result<(), TraceError> {
        self.held.take().map_or(Ok(()), |load| self.line(" L", &load))
    }

    fn access(&mut self, access: &Access) -> Result<(), TraceError> {
        if let Some(load) = self.held.take() {
            let store = Access { kind: AccessKind::Store, gap: SAME_INSTRUCTION, ..load };
            if *access == store {
                return self.line(" M", &load);
            }
            self.line(" L", &load)?;
        }
        match access.kind {
            AccessKind::Load => self.held = Some(*access),
            AccessKind::Store => self.line(" S", access)?,
            AccessKind::Fetch => self.line("I ", access)?,
            AccessKind::Prefetch => self.losses.prefetches += 1,
        }
        self.losses.cpus |= access.cpu != 0;
        self.losses.dependences |= access.dep != 0;
        self.losses.gaps |= !matches!(access.gap, 0 | SAME_INSTRUCTION);
        Ok(())
    }
}

impl Sink for LackeyWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), TraceError> {
        for index in 0..batch.accesses() {
            self.access(&batch.access(index))?;
        }
        self.losses.asides(batch);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.release()?;
        self.output.commit()
    }

    fn losses(&self) -> Vec<String> {
        self.losses.phrases()
    }
}
