//! ChampSim's instruction records.
//!
//! A record is 64 bytes, little-endian (ChampSim's inc/trace_instruction.h): the instruction pointer, whether
//! it is a branch and taken, two destination and four source registers, two addresses that it writes and
//! four that it reads. Register 0 and address 0 stand for none. There are no sizes: ChampSim's caches see the
//! line of each address, so an access here is of one byte. An instruction becomes a fetch at its pointer, its
//! loads, its stores and, if it is a conditional branch, a branch.
//!
//! An address depends on the latest load that produced a source register, through whatever instructions
//! lie between. The stack and instruction pointers carry no dependence: ChampSim resolves them at decode.

mod read;
mod write;

pub use read::Champsim;
pub use write::ChampsimWriter;

/// Bytes of a record.
pub const RECORD: usize = 64;
/// Bytes that an access or a fetch touches, for want of a size.
const SIZE: u32 = 1;

/// The registers that ChampSim knows by their number.
const STACK_POINTER: u8 = 6;
const FLAGS: u8 = 25;
const INSTRUCTION_POINTER: u8 = 26;

/// A record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Instruction {
    ip: u64,
    branch: bool,
    taken: bool,
    destinations: [u8; 2],
    sources: [u8; 4],
    written: [u64; 2],
    read: [u64; 4],
}

impl Instruction {
    #[inline]
    fn decode(bytes: &[u8; RECORD]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |index: usize| u64::from_le_bytes(words[index]);
        let [branch, taken, d0, d1, s0, s1, s2, s3] = words[1];
        Self {
            ip: word(0),
            branch: branch != 0,
            taken: taken != 0,
            destinations: [d0, d1],
            sources: [s0, s1, s2, s3],
            written: [word(2), word(3)],
            read: [word(4), word(5), word(6), word(7)],
        }
    }

    fn encode(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let (words, _) = bytes.as_chunks_mut::<8>();
        let [d0, d1] = self.destinations;
        let [s0, s1, s2, s3] = self.sources;
        words[0] = self.ip.to_le_bytes();
        words[1] = [self.branch.into(), self.taken.into(), d0, d1, s0, s1, s2, s3];
        let addresses = self.written.iter().chain(&self.read);
        for (word, address) in words[2..].iter_mut().zip(addresses) {
            *word = address.to_le_bytes();
        }
        bytes
    }

    /// Whether it is a branch that may go either way. ChampSim tells the kinds of branches by their
    /// registers (inc/instruction.h); one without registers is taken for a conditional one.
    fn is_conditional(&self) -> bool {
        let reads = |register| self.sources.contains(&register);
        let named = [0, STACK_POINTER, FLAGS, INSTRUCTION_POINTER];
        let reads_other = self.sources.iter().any(|register| !named.contains(register));
        let stack = reads(STACK_POINTER);
        let unconditional = self.destinations.contains(&INSTRUCTION_POINTER)
            && (stack // calls and returns
                || (!reads(FLAGS) && !reads_other) // direct jumps
                || (!reads(FLAGS) && !reads(INSTRUCTION_POINTER))); // indirect jumps
        self.branch && !unconditional
    }
}

/// Whether `sample`, the start of a stream, looks like these records: every pointer and address is one that
/// 64-bit processors have, and the flags are flags.
pub fn is_likely(sample: &[u8]) -> bool {
    let (records, _) = sample.as_chunks::<RECORD>();
    // The top bits are alike up to bit 56: five levels of page tables.
    let canonical = |address: u64| matches!(address >> 56, 0 | 0xff);
    let plausible = |record: &[u8; RECORD]| {
        let instruction = Instruction::decode(record);
        record[8] <= 1
            && record[9] <= record[8]
            && instruction.ip != 0
            && canonical(instruction.ip)
            && instruction.written.iter().chain(&instruction.read).all(|addr| canonical(*addr))
    };
    !records.is_empty() && records.iter().all(plausible)
}
