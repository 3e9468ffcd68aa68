//! The entries of a file.

use crate::error::TraceError;
use crate::formats::records::Records;
use crate::formats::stream::Stream;

/// The newest version that is read (`TRACE_ENTRY_VERSION_RETIRED_INSTRUCTIONS_ONLY`).
pub const NEWEST: u64 = 7;

/// Types of entries (`trace_type_t`).
pub mod kind {
    #![allow(missing_docs, reason = "the names are DynamoRIO's")]
    pub const READ: u16 = 0;
    pub const WRITE: u16 = 1;
    pub const PREFETCH: u16 = 2;
    pub const PREFETCH_INSTR: u16 = 9;
    pub const INSTR: u16 = 10;
    pub const CONDITIONAL_JUMP: u16 = 13;
    pub const RETURN: u16 = 16;
    pub const BUNDLE: u16 = 17;
    pub const INSTR_FLUSH: u16 = 18;
    pub const DATA_FLUSH_END: u16 = 21;
    pub const THREAD: u16 = 22;
    pub const THREAD_EXIT: u16 = 23;
    pub const PID: u16 = 24;
    pub const HEADER: u16 = 25;
    pub const FOOTER: u16 = 26;
    pub const HARDWARE_PREFETCH: u16 = 27;
    pub const MARKER: u16 = 28;
    pub const NO_FETCH: u16 = 29;
    pub const MAYBE_FETCH: u16 = 30;
    pub const SYSENTER: u16 = 31;
    pub const PREFETCH_READ_L1_NT: u16 = 32;
    pub const PREFETCH_WRITE_L3_NT: u16 = 46;
    pub const ENCODING: u16 = 47;
    pub const TAKEN_JUMP: u16 = 48;
    pub const UNTAKEN_JUMP: u16 = 49;
}

/// Types of markers (`trace_marker_type_t`): those that say something to a reader of accesses.
pub mod marker {
    #![allow(missing_docs, reason = "the names are DynamoRIO's")]
    pub const KERNEL_EVENT: u16 = 0;
    pub const TIMESTAMP: u16 = 2;
    pub const CPU_ID: u16 = 3;
    pub const FUNC_ID: u16 = 4;
    pub const FUNC_ARG: u16 = 6;
    pub const FUNC_RETVAL: u16 = 7;
    pub const FILETYPE: u16 = 9;
    pub const VERSION: u16 = 12;
    pub const CHUNK_FOOTER: u16 = 21;
    pub const SYSCALL_FAILED: u16 = 30;
}

/// Bits of a file's type (`offline_file_type_t`).
pub mod filetype {
    #![allow(missing_docs, reason = "the names are DynamoRIO's")]
    pub const AARCH64: u64 = 0x08;
    pub const ARM32: u64 = 0x10;
    pub const X86_32: u64 = 0x20;
    pub const CORE_SHARDED: u64 = 0x10000;
}

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: u16,
    /// A size, a number of instructions, or the type of a marker.
    pub size: u16,
    /// An address, a value, or bytes.
    pub addr: u64,
}

/// The entries of a stream.
pub enum Entries {
    /// Of a 64-bit program.
    Wide(Records<12>),
    /// Of a 32-bit program.
    Narrow(Records<8>),
}

impl Entries {
    /// The entries of `stream`, whose first ones tell how wide they are.
    pub fn new(mut stream: Stream) -> Result<Self, TraceError> {
        let narrow = matches!(width(stream.peek(12)?), Some(Width::Narrow));
        Ok(if narrow {
            Self::Narrow(Records::new(stream))
        } else {
            Self::Wide(Records::new(stream))
        })
    }

    /// How many bytes an address has: as many instructions a bundle has at most.
    pub fn address_bytes(&self) -> u16 {
        match self {
            Self::Wide(_) => 8,
            Self::Narrow(_) => 4,
        }
    }

    /// The next entry; nothing at the end.
    #[inline]
    pub fn entry(&mut self) -> Result<Option<Entry>, TraceError> {
        Ok(match self {
            Self::Wide(records) => records.record()?.map(|bytes| {
                let [k0, k1, s0, s1, addr @ ..] = *bytes;
                let [kind, size] = [[k0, k1], [s0, s1]].map(u16::from_le_bytes);
                Entry { kind, size, addr: u64::from_le_bytes(addr) }
            }),
            Self::Narrow(records) => records.record()?.map(|bytes| {
                let [k0, k1, s0, s1, addr @ ..] = *bytes;
                let [kind, size] = [[k0, k1], [s0, s1]].map(u16::from_le_bytes);
                Entry { kind, size, addr: u32::from_le_bytes(addr).into() }
            }),
        })
    }

    /// Takes the entry that was read last back.
    pub fn again(&mut self) {
        match self {
            Self::Wide(records) => records.again(),
            Self::Narrow(records) => records.again(),
        }
    }

    /// The error that the entry that was read last is wrong.
    pub fn fault(&self, message: String) -> TraceError {
        match self {
            Self::Wide(records) => records.fault(message),
            Self::Narrow(records) => records.fault(message),
        }
    }

    /// How far the stream has come.
    pub fn progress(&self) -> Option<(u64, u64)> {
        match self {
            Self::Wide(records) => records.progress(),
            Self::Narrow(records) => records.progress(),
        }
    }
}

enum Width {
    Wide,
    Narrow,
}

/// How wide the addresses are, if `start` is a header with the version and the beginning of another entry.
fn width(start: &[u8]) -> Option<Width> {
    let [25, 0, 0, 0, 1..=64, 0, 0, 0, rest @ ..] = start else { return None };
    match rest {
        [0, 0, 0, 0, ..] => Some(Width::Wide),
        [22 | 24 | 26 | 28, 0, _, _, ..] => Some(Width::Narrow),
        _ => None,
    }
}

/// Whether `sample`, the start of a stream, is a header of the format.
pub fn is_likely(sample: &[u8]) -> bool {
    width(sample).is_some()
}
