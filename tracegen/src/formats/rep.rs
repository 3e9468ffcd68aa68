//! Allocation traces of the CS:APP malloc lab.
//!
//! Four numbers (a suggested heap size, how many block identifiers, how many operations, a weight), then an
//! operation a line: `a id bytes` allocates, `r id bytes` reallocates, `f id` frees (the lab's mdriver.c,
//! read_trace). The operations become allocation and free events; a reallocation is a free and an allocation.
//! There are no accesses and no addresses in such a file: block `id` lies at (`id` + 1) × 4 GiB, which
//! names it and nothing more. What an allocator makes of them, `heap-replay` computes.

use std::collections::HashSet;

use crate::batch::Batch;
use crate::formats::text::{self, Fault, LineFormat};
use crate::record::Event;

/// How far apart the blocks lie.
const APART: u64 = 1 << 32;
/// The most identifiers.
const MOST_IDS: u64 = 1 << 31;

/// Reads the format.
#[derive(Default)]
pub struct Rep {
    /// The numbers of the header that have been read.
    header: Vec<u64>,
    operations: u64,
    live: HashSet<u64>,
}

impl Rep {
    fn ids(&self) -> u64 {
        self.header.get(1).copied().unwrap_or(0)
    }

    fn header(&mut self, line: &[u8], start: usize) -> Result<(), Fault> {
        let what = [
            "the heap size",
            "the number of identifiers",
            "the number of operations",
            "the weight",
        ];
        let what = what.get(self.header.len()).copied().unwrap_or_default();
        let (value, end) = text::decimal(line, start, what)?;
        text::end_of_line(line, end)?;
        if self.header.len() == 1 && value > MOST_IDS {
            return Err(Fault::expected("at most 2^31 identifiers", line, start));
        }
        self.header.push(value);
        Ok(())
    }

    fn operation(&mut self, line: &[u8], start: usize, batch: &mut Batch) -> Result<(), Fault> {
        let letter = line[start];
        if !matches!(letter, b'a' | b'r' | b'f') {
            return Err(Fault::expected("`a id bytes`, `r id bytes` or `f id`", line, start));
        }
        let at = text::skip_blanks(line, start + 1);
        let (id, mut end) = text::decimal(line, at, "a block's identifier")?;
        if id >= self.ids() {
            let what = format!("an identifier below {}", self.ids());
            return Err(Fault::expected(&what, line, at));
        }
        let mut size = 0;
        if letter != b'f' {
            let at = text::skip_blanks(line, end);
            (size, end) = text::decimal(line, at, "a size in bytes")?;
            if size >= APART {
                return Err(Fault::expected("a size below 4 GiB", line, at));
            }
        }
        text::end_of_line(line, end)?;
        let known = if letter == b'f' { self.live.remove(&id) } else { !self.live.insert(id) };
        match (letter, known) {
            (b'a', true) => {
                return Err(Fault::expected("an identifier that is not allocated", line, at));
            }
            (b'f', false) => return Err(Fault::expected("an allocated identifier", line, at)),
            _ => {}
        }
        let addr = (id + 1) * APART;
        if known {
            batch.push_event(0, Event::HeapFree { addr });
        }
        if letter != b'f' {
            batch.push_event(0, Event::HeapMalloc { addr, size });
        }
        self.operations += 1;
        Ok(())
    }
}

impl LineFormat for Rep {
    const MOST: usize = 2;

    fn parse(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let start = text::skip_blanks(line, 0);
        match line.len() - start {
            0 => Ok(()),
            _ if self.header.len() < 4 => self.header(line, start),
            _ => self.operation(line, start, batch),
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        let expected = match self.header.get(2) {
            Some(operations) if self.header.len() == 4 => *operations,
            _ => {
                let message = "expected a header of four numbers, found the end".to_owned();
                return Err(Fault { at: 0, message });
            }
        };
        if self.operations != expected {
            let message = format!("expected {expected} operations, found {}", self.operations);
            return Err(Fault { at: 0, message });
        }
        Ok(())
    }
}

/// Whether the lines of a sample, blank ones left out, are of this format: four numbers, then operations.
pub fn is_likely(lines: &[&[u8]]) -> bool {
    let number = |line: &&[u8]| {
        let start = text::skip_blanks(line, 0);
        text::decimal(line, start, "").is_ok_and(|(_, end)| text::end_of_line(line, end).is_ok())
    };
    let operation = |line: &&[u8]| {
        let start = text::skip_blanks(line, 0);
        let at = text::skip_blanks(line, start + 1);
        matches!(line.get(start), Some(b'a' | b'r' | b'f'))
            && at > start + 1
            && text::decimal(line, at, "").is_ok()
    };
    lines.len() > 4 && lines[..4].iter().all(number) && lines[4..].iter().all(operation)
}
