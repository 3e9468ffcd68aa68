//! Reads uniformly random 8-byte words of an area.

use super::sample::Random;
use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Memory, Region, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "uniform",
    description: "Uniformly random 8-byte reads of an area",
    parameters: &[
        Parameter {
            name: "footprint",
            kind: Kind::Size { min: 8, max: 1 << 44 },
            default: Default::Value("64MiB"),
            doc: "Size of the area, a multiple of 8 bytes",
        },
        Parameter {
            name: "reads",
            kind: Kind::Integer { min: 1, max: 1 << 60 },
            default: Default::Value("10_000_000"),
            doc: "Reads to make",
        },
    ],
    build,
};

const READ: Site = Site(1);

/// Instructions of a random number.
const DRAW: u32 = 8;

struct Uniform {
    words: u64,
    reads: u64,
    random: Random,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let footprint = settings.integer("footprint")?;
    if footprint % 8 != 0 {
        return Err(settings.refuse("footprint", "a multiple of 8"));
    }
    let random = Random::new(ENTRY.name, settings.integer("seed")?);
    Ok(Box::new(Uniform { words: footprint / 8, reads: settings.integer("reads")?, random }))
}

impl Workload for Uniform {
    fn run(mut self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let region = Region::new(memory, 8 * self.words)?;
        memory.begin(Stage::Run);
        let mut sum = 0u128;
        for _ in 0..self.reads {
            let word = self.random.below(self.words);
            memory.alu(DRAW);
            region.load(memory, READ, 8 * word, 8);
            sum += u128::from(word);
        }
        // Words are uniform below w, so their mean lies about (w − 1) / 2 with a variance below w² / 12r;
        // twelve standard deviations never happen. Squared, so that no root is needed.
        memory.begin(Stage::Check);
        let (reads, words) = (self.reads as f64, self.words as f64);
        let mean = sum as f64 / reads;
        let error = mean - (words - 1.0) / 2.0;
        if error * error > 144.0 * words * words / (12.0 * reads) {
            return Err(wrong(ENTRY.name, format_args!("word {mean} is read on average")));
        }
        Ok(Facts::default().with("reads", self.reads).with("mean_word", mean))
    }

    fn records(&self) -> Option<u64> {
        Some(self.reads)
    }
}

#[cfg(test)]
mod tests {
    use crate::workloads::sample::tests::chi_square;
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn every_page_is_as_likely() {
        let run = run("uniform", &[("footprint", "256KiB"), ("reads", "64_000")]).unwrap();
        let base = run.accesses.iter().map(|access| access.addr).min().unwrap() / 4096;
        let mut counts = [0; 64];
        for access in &run.accesses {
            assert_eq!(access.addr % 8, 0);
            counts[(access.addr / 4096 - base) as usize] += 1;
        }
        assert!(chi_square(&counts, &[1000.0; 64]) > 1e-4);
    }

    #[test]
    fn records_are_the_same_everywhere() {
        assert_eq!(fingerprint("uniform", &[("reads", "1000")]), 16_422_076_416_671_490_679);
    }
}
