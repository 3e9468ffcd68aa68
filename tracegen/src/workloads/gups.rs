//! RandomAccess of the HPC Challenge: giant updates per second.
//!
//! A table of 64-bit words, a power of two of them; each update draws the next word of a linear
//! feedback shift register and xors it into the table where its low bits point (Luszczek et al., "The
//! HPC Challenge (HPCC) Benchmark Suite", SC 2006; hpcc's RandomAccess). The addresses come from
//! registers, so that updates are independent of each other.

use super::sample::Random;
use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Array, LoadId, Memory, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "gups",
    description: "HPCC RandomAccess: xor random words into random places of a table",
    parameters: &[
        Parameter {
            name: "table",
            kind: Kind::Size { min: 16, max: 1 << 40 },
            default: Default::Value("64MiB"),
            doc: "Size of the table, a power of two",
        },
        Parameter {
            name: "updates",
            kind: Kind::Integer { min: 1, max: 1 << 60 },
            default: Default::Derived("4 per word"),
            doc: "Updates to make",
        },
    ],
    build,
};

/// HPCC's polynomial x^64 + x^2 + x + 1, without its first term.
const POLYNOMIAL: u64 = 7;
/// The sequence's period (hpcc's RandomAccess.h).
const PERIOD: u64 = 1_317_624_576_693_539_401;

const INITIALISE: Site = Site(1);
const READ: Site = Site(2);
const WRITE: Site = Site(3);
const VERIFY: Site = Site(4);

/// Shift, mask and conditional xor of the register; index mask; loop count and branch.
const ALU_PER_UPDATE: u32 = 6;

struct Gups {
    words: usize,
    updates: u64,
    start: u64,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let table = settings.integer("table")?;
    if !table.is_power_of_two() {
        return Err(settings.refuse("table", "a power of two"));
    }
    let words = table / 8;
    let updates = settings.integer_or("updates", 4 * words)?;
    // As hpcc's processes do, every seed takes up the one sequence at a place of its own.
    let start = nth(Random::new(ENTRY.name, settings.integer("seed")?).below(PERIOD));
    let words = usize::try_from(words).map_err(|_| settings.refuse("table", "less"))?;
    Ok(Box::new(Gups { words, updates, start }))
}

/// The next word of the register.
#[inline]
fn next(word: u64) -> u64 {
    (word << 1) ^ if word >> 63 == 1 { POLYNOMIAL } else { 0 }
}

/// The word `n` steps after 1: x^n modulo the polynomial, by squaring.
fn nth(n: u64) -> u64 {
    let times = |a: u64, b: u64| {
        let shifted = |(sum, a): (u64, u64), bit: u32| {
            (if b >> bit & 1 == 1 { sum ^ a } else { sum }, next(a))
        };
        (0..64).fold((0, a), shifted).0
    };
    let (mut power, mut square, mut n) = (1, 2, n);
    while n > 0 {
        if n & 1 == 1 {
            power = times(power, square);
        }
        square = times(square, square);
        n >>= 1;
    }
    power
}

impl Gups {
    /// Every update once.
    fn update(&self, memory: &mut Memory, table: &mut Array<u64>) {
        let mask = self.words - 1;
        let mut word = self.start;
        for _ in 0..self.updates {
            word = next(word);
            let index = word as usize & mask;
            memory.alu(ALU_PER_UPDATE);
            let old = table.load(memory, READ, index, LoadId::NONE);
            memory.alu(1);
            table.store(memory, WRITE, index, old.value ^ word, LoadId::NONE);
        }
    }
}

impl Workload for Gups {
    fn run(self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let mut table = Array::<u64>::new(memory, self.words)?;
        for index in 0..self.words {
            memory.alu(2);
            table.store(memory, INITIALISE, index, index as u64, LoadId::NONE);
        }

        memory.begin(Stage::Run);
        self.update(memory, &mut table);
        let checksum = table.as_slice().iter().fold(0, |sum: u64, word| sum.rotate_left(1) ^ word);

        // Xor is its own inverse: the same updates again leave each word equal to its index.
        memory.begin(Stage::Check);
        self.update(memory, &mut table);
        for index in 0..self.words {
            memory.alu(2);
            let word = table.load(memory, VERIFY, index, LoadId::NONE).value;
            if word != index as u64 {
                return Err(wrong(ENTRY.name, format_args!("word {index} is {word} at the end")));
            }
        }
        Ok(Facts::default()
            .with("words", self.words)
            .with("updates", self.updates)
            .with("checksum", checksum))
    }

    fn records(&self) -> Option<u64> {
        self.updates.checked_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::AccessKind;
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn the_register_has_hpccs_period() {
        // hpcc's HPCC_starts: 1 at step 0, and again after the period.
        assert_eq!((nth(0), nth(1), nth(63), nth(64)), (1, 2, 1 << 63, 7));
        assert_eq!(nth(PERIOD), 1);
        let mut word = 1;
        for n in 0..1000 {
            assert_eq!(nth(n), word);
            word = next(word);
        }
    }

    #[test]
    fn an_update_is_a_load_and_a_store_of_the_same_word() {
        let run = run("gups", &[("table", "4KiB"), ("updates", "10_000")]).unwrap();
        assert_eq!(run.accesses.len(), 20_000);
        for pair in run.accesses.chunks(2) {
            let [load, store] = pair else { panic!() };
            assert_eq!((load.kind, store.kind), (AccessKind::Load, AccessKind::Store));
            assert_eq!((load.addr, load.size, load.dep), (store.addr, 8, 0));
            assert!(load.addr - run.accesses[0].addr.min(load.addr) < 4096);
        }
        assert_eq!(run.facts.get("words"), Some(&512u64.into()));
    }

    #[test]
    fn the_default_is_four_updates_a_word() {
        let run = run("gups", &[("table", "1KiB")]).unwrap();
        assert_eq!(run.accesses.len(), 2 * 4 * 128);
        assert!(run.parameters.contains("updates = 512"), "{}", run.parameters);
    }

    #[test]
    fn setup_and_check_are_a_store_a_word_and_the_updates_again() {
        let set = [("table", "1KiB"), ("record_setup", "true"), ("record_check", "true")];
        assert_eq!(run("gups", &set).unwrap().accesses.len(), 128 + 1024 + 1024 + 128);
    }

    #[test]
    fn records_are_the_same_everywhere() {
        assert_eq!(
            fingerprint("gups", &[("table", "4KiB"), ("updates", "1000")]),
            16_582_761_427_465_184_118
        );
    }
}
