//! System calls whose arguments the trace has, as events.

use std::collections::HashMap;

use super::entry::filetype;
use crate::record::{Advice, Backing, Event, Protection};

/// The first identifier of a system call (`TRACE_FUNC_ID_SYSCALL_BASE`), by the bytes of an address.
const BASE: u64 = 1 << 32;
const NARROW_BASE: u64 = 1 << 16;
/// Linux returns errors as small negative numbers.
const MOST_ERROR: i64 = 4095;
/// mmap has six arguments.
const MOST_ARGUMENTS: usize = 6;
/// The most descriptors whose files are told apart.
const MOST_FILES: usize = 1 << 16;

const MAP_SHARED: u64 = 1;
const MAP_ANONYMOUS: u64 = 0x20;

/// A system call that says something of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Mmap,
    /// mmap with its offset in pages of 4 KiB.
    Mmap2,
    Munmap,
    Mprotect,
    Madvise,
    Brk,
}

/// What the numbers of the system calls mean on the processor of a file (Linux's unistd.h).
fn call(filetype: u64, number: u64) -> Option<Call> {
    let table: [(u64, Call); 5] = if filetype & filetype::AARCH64 != 0 {
        [
            (222, Call::Mmap),
            (215, Call::Munmap),
            (226, Call::Mprotect),
            (233, Call::Madvise),
            (214, Call::Brk),
        ]
    } else if filetype & (filetype::ARM32 | filetype::X86_32) != 0 {
        let madvise = if filetype & filetype::ARM32 != 0 { 220 } else { 219 };
        [
            (192, Call::Mmap2),
            (91, Call::Munmap),
            (125, Call::Mprotect),
            (madvise, Call::Madvise),
            (45, Call::Brk),
        ]
    } else {
        [
            (9, Call::Mmap),
            (11, Call::Munmap),
            (10, Call::Mprotect),
            (28, Call::Madvise),
            (12, Call::Brk),
        ]
    };
    table.into_iter().find(|(known, _)| *known == number).map(|(_, call)| call)
}

/// The system calls of a thread.
#[derive(Default)]
pub struct Calls {
    /// The call that the latest identifier names.
    current: Option<Call>,
    arguments: Vec<u64>,
    result: Option<u64>,
    /// The file of each descriptor.
    files: HashMap<u64, u32>,
    /// How many files of this thread have a number.
    count: u32,
}

impl Calls {
    /// A function or system call is named, before it or after it.
    pub fn named(&mut self, id: u64, address_bytes: u16, filetype: u64) {
        let base = if address_bytes == 8 { BASE } else { NARROW_BASE };
        let named = id.checked_sub(base).and_then(|number| call(filetype, number));
        if named.is_none() || named != self.current {
            self.arguments.clear();
        }
        self.current = named;
        self.result = None;
    }

    /// One of its arguments.
    pub fn argument(&mut self, value: u64) {
        if self.current.is_some() && self.arguments.len() < MOST_ARGUMENTS {
            self.arguments.push(value);
        }
    }

    /// What it returned.
    pub fn returned(&mut self, value: u64) {
        self.result = self.current.map(|_| value);
    }

    /// Whether it has returned, and not been asked for.
    pub fn is_over(&self) -> bool {
        self.result.is_some()
    }

    /// What the call that is over did, which `failed` or not. `shard` tells threads' files apart.
    pub fn event(&mut self, failed: bool, shard: u32) -> Option<Event> {
        let (call, result) = (self.current.take()?, self.result.take()?);
        let arguments = std::mem::take(&mut self.arguments);
        if failed || (-MOST_ERROR..0).contains(&result.cast_signed()) {
            return None;
        }
        let argument = |index: usize| arguments.get(index).copied();
        let (addr, length) = (argument(0), argument(1).filter(|length| *length > 0));
        Some(match call {
            Call::Brk => Event::Brk { end: result },
            Call::Munmap => Event::Munmap { addr: addr?, length: length? },
            Call::Mprotect => {
                let protection = protection(argument(2)?);
                Event::Mprotect { addr: addr?, length: length?, protection }
            }
            Call::Madvise => {
                Event::Madvise { addr: addr?, length: length?, advice: advice(argument(2)?)? }
            }
            Call::Mmap | Call::Mmap2 => {
                let flags = argument(3).unwrap_or(MAP_ANONYMOUS);
                let unit = if call == Call::Mmap2 { 4096 } else { 1 };
                let offset = argument(5).unwrap_or(0).saturating_mul(unit);
                let backing = match argument(4) {
                    Some(descriptor) if flags & MAP_ANONYMOUS == 0 => Backing::File {
                        file: self.file(descriptor, addr == Some(0), shard),
                        offset,
                    },
                    _ => Backing::Anonymous,
                };
                Event::Mmap {
                    addr: result,
                    length: length?,
                    protection: argument(2).map_or(Protection::READ_WRITE, protection),
                    shared: flags & MAP_SHARED != 0,
                    backing,
                }
            }
        })
    }

    /// The number of the file behind `descriptor`, another one than before if this is the first mapping of it.
    fn file(&mut self, descriptor: u64, first: bool, shard: u32) -> u32 {
        if self.files.len() == MOST_FILES {
            self.files.clear();
        }
        if first || !self.files.contains_key(&descriptor) {
            self.count = self.count.wrapping_add(1);
            self.files.insert(descriptor, shard << 16 | self.count & 0xffff);
        }
        self.files[&descriptor]
    }
}

fn protection(bits: u64) -> Protection {
    Protection { read: bits & 1 != 0, write: bits & 2 != 0, execute: bits & 4 != 0 }
}

fn advice(number: u64) -> Option<Advice> {
    Some(match number {
        0 => Advice::Normal,
        1 => Advice::Random,
        2 => Advice::Sequential,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        8 => Advice::Free,
        12 => Advice::Mergeable,
        13 => Advice::Unmergeable,
        14 => Advice::HugePage,
        15 => Advice::NoHugePage,
        _ => return None,
    })
}
