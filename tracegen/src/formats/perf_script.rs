//! What `perf script` prints of samples with data addresses: page faults (`perf record -e page-faults -c 1 -d`)
//! and memory accesses (`perf mem record`).
//!
//! ```text
//! ls  2012/2012  [003]  87.596134:  1 page-faults:  561a19c2c1e0  7f70bcb9ab70 _start+0x0 (ld.so)
//! ```
//!
//! A sample is a one-byte load (or a store where the event or the source of its data says so) at its address,
//! from its instruction pointer, on its CPU; a process that perf names becomes a process. Fields
//! that are not printed are left out, except for the address: `perf script -F comm,pid,tid,cpu,time,event,addr,ip`
//! prints all that is used. Lines of call chains are skipped. It is a sparse trace: what lies between the
//! samples is not known, so counts and times are those of the samples.

use std::collections::HashMap;

use crate::batch::Batch;
use crate::formats::text::{self, Fault, LineFormat};
use crate::record::{Access, AccessKind, CpuId, Event, ProcessId};

/// How to print what is read.
const FIELDS: &str = "perf script -F comm,pid,tid,cpu,time,event,addr,ip";
/// The most processes and CPUs that are kept apart.
const MOST_PROCESSES: usize = 1 << 20;
const MOST_CPUS: u64 = 1024;

/// Reads the format.
#[derive(Default)]
pub struct PerfScript {
    processes: HashMap<u64, ProcessId>,
    /// What each CPU runs, where it is not process 0.
    running: HashMap<CpuId, ProcessId>,
    /// Events have been named: lines that name none are call chains.
    named: bool,
}

/// A sample.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sample {
    pid: Option<u64>,
    cpu: CpuId,
    addr: u64,
    ip: u64,
    store: bool,
}

impl LineFormat for PerfScript {
    fn parse(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let words = Words::of(line);
        let Some(first) = words.list.first() else { return Ok(()) };
        if line[first.0] == b'#' {
            return Ok(());
        }
        let Some(sample) = sample(&words, self.named)? else { return Ok(()) };
        self.named |= words.event().is_some();
        let process = match sample.pid {
            None => 0,
            Some(pid) => {
                let next = self.processes.len();
                if next == MOST_PROCESSES && !self.processes.contains_key(&pid) {
                    let message = format!("more than {MOST_PROCESSES} processes");
                    return Err(Fault { at: 0, message });
                }
                *self.processes.entry(pid).or_insert(next as ProcessId)
            }
        };
        let cpu = sample.cpu;
        let running = self.running.entry(cpu).or_insert(0);
        if *running != process {
            *running = process;
            batch.push_event(cpu, Event::Switch { process });
        }
        let kind = if sample.store { AccessKind::Store } else { AccessKind::Load };
        let access = Access { cpu, kind, addr: sample.addr, size: 1, ..Access::default() };
        batch.push_access(Access { site: sample.ip, ..access });
        Ok(())
    }
}

/// The words of a line, by their places.
struct Words<'a> {
    line: &'a [u8],
    list: Vec<(usize, usize)>,
}

impl<'a> Words<'a> {
    fn of(line: &'a [u8]) -> Self {
        let mut list = Vec::new();
        let mut at = text::skip_blanks(line, 0);
        while at < line.len() {
            let rest = &line[at..];
            let length = rest.iter().position(|byte| b" \t".contains(byte)).unwrap_or(rest.len());
            list.push((at, at + length));
            at = text::skip_blanks(line, at + length);
        }
        Self { line, list }
    }

    fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.list.get(index).map(|(start, end)| &self.line[*start..*end])
    }

    fn hexadecimal(&self, index: usize) -> Option<u64> {
        let word = self.get(index)?;
        text::hexadecimal(word, 0, "").ok().filter(|(_, end)| *end == word.len()).map(|(n, _)| n)
    }

    /// The index of the time, as in `87.596134:`.
    fn time(&self) -> Option<usize> {
        (0..self.list.len()).find(|index| {
            self.get(*index).and_then(|word| word.strip_suffix(b":")).is_some_and(|word| {
                word.contains(&b'.')
                    && word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
            })
        })
    }

    /// The index of the event's name, as in `page-faults:`: the first such word behind the time.
    fn event(&self) -> Option<usize> {
        let first = self.time().map_or(0, |time| time + 1);
        (first..self.list.len()).find(|index| {
            self.get(*index).is_some_and(|word| word.len() > 1 && word.ends_with(b":"))
        })
    }
}

/// The sample that a line is; nothing for a line of a call chain. Lines without an event's name are only
/// samples where none has one: `named`.
fn sample(words: &Words, named: bool) -> Result<Option<Sample>, Fault> {
    let event = words.event();
    let first = match event {
        Some(event) => event + 1,
        None if named || words.list.len() > 1 && words.hexadecimal(1).is_none() => return Ok(None),
        None => 0,
    };
    let place = words.list.get(first).map_or(words.line.len(), |(start, _)| *start);
    let lone = || {
        let mut fault =
            Fault::expected("the address of the data, in hexadecimal", words.line, place);
        fault.message.push_str(&format!("; record with -d, and print with `{FIELDS}`"));
        fault
    };
    let addr = words.hexadecimal(first).ok_or_else(lone)?;
    // An instruction pointer alone is followed by a symbol.
    let next = words.get(first + 1);
    if next.is_some_and(|word| !word.starts_with(b"|")) && words.hexadecimal(first + 1).is_none() {
        return Err(lone());
    }
    let mut sample = Sample { addr, ip: pointer(words, first), ..Sample::default() };
    sample.store = memchr::memmem::find(words.line, b"OP STORE").is_some()
        || event
            .and_then(|event| words.get(event))
            .is_some_and(|name| memchr::memmem::find(name, b"store").is_some());
    let mut before = words.time().or(event).unwrap_or(0);
    let cpu = before.checked_sub(1).and_then(|index| words.get(index)).and_then(|word| {
        let inner = word.strip_prefix(b"[")?.strip_suffix(b"]")?;
        text::decimal(inner, 0, "").ok().filter(|(_, end)| *end == inner.len())
    });
    if let Some((cpu, _)) = cpu {
        before -= 1;
        sample.cpu = CpuId::try_from(cpu % MOST_CPUS).unwrap_or(0);
    }
    // `pid/tid`, or a thread alone, which is no process.
    sample.pid = before.checked_sub(1).and_then(|index| words.get(index)).and_then(|word| {
        let (pid, end) = text::decimal(word, 0, "").ok()?;
        (word.get(end) == Some(&b'/')).then_some(pid)
    });
    Ok(Some(sample))
}

/// The instruction pointer: the number before a symbol, or the one behind the address.
fn pointer(words: &Words, first: usize) -> u64 {
    let is_symbol = |word: &[u8]| {
        word.starts_with(b"(")
            || word.starts_with(b"[")
            || memchr::memmem::find(word, b"+0x").is_some()
    };
    let before_symbol = (first + 1..words.list.len()).rev().find_map(|index| {
        words.get(index + 1).filter(|word| is_symbol(word))?;
        words.hexadecimal(index)
    });
    before_symbol.or_else(|| words.hexadecimal(first + 1)).unwrap_or(0)
}

/// Whether a line of a sample is of this format: it has a time and an event.
pub fn is_likely(line: &[u8]) -> bool {
    let words = Words::of(line);
    words.time().is_some() && words.event().is_some()
}
