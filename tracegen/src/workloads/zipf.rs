//! Reads words of an area whose pages have a zipfian popularity, in no order.

use super::sample::{Random, Zipf};
use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Memory, Region, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "zipf",
    description: "8-byte reads of random words in pages of zipfian popularity",
    parameters: &[
        Parameter {
            name: "footprint",
            kind: Kind::Size { min: PAGE, max: 1 << 40 },
            default: Default::Value("64MiB"),
            doc: "Size of the area, a multiple of 4 KiB",
        },
        Parameter {
            name: "reads",
            kind: Kind::Integer { min: 1, max: 1 << 60 },
            default: Default::Value("10_000_000"),
            doc: "Reads to make",
        },
        Parameter {
            name: "exponent",
            kind: Kind::Float { min: 0.0, max: 10.0 },
            default: Default::Value("0.99"),
            doc: "Exponent of the popularity; 0 is uniform",
        },
    ],
    build,
};

/// What is popular as a whole.
const PAGE: u64 = 4096;

const READ: Site = Site(1);

/// Instructions of the random numbers.
const DRAW: u32 = 40;

struct ZipfReads {
    pages: u32,
    reads: u64,
    popularity: Zipf,
    random: Random,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let footprint = settings.integer("footprint")?;
    if footprint % PAGE != 0 {
        return Err(settings.refuse("footprint", "a multiple of 4 KiB"));
    }
    let pages =
        u32::try_from(footprint / PAGE).map_err(|_| settings.refuse("footprint", "less"))?;
    Ok(Box::new(ZipfReads {
        pages,
        reads: settings.integer("reads")?,
        popularity: Zipf::new(u64::from(pages), settings.float("exponent")?),
        random: Random::new(ENTRY.name, settings.integer("seed")?),
    }))
}

impl ZipfReads {
    /// The page of each rank.
    fn places(&mut self) -> Result<Vec<u32>, TraceError> {
        let mut places = Vec::new();
        places.try_reserve_exact(self.pages as usize).map_err(|_| {
            TraceError::Workload("zipf: the pages do not fit into this host's memory".into())
        })?;
        places.extend(0..self.pages);
        self.random.shuffle(&mut places);
        Ok(places)
    }
}

impl Workload for ZipfReads {
    fn run(mut self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let region = Region::new(memory, u64::from(self.pages) * PAGE)?;
        let places = self.places()?;
        memory.begin(Stage::Run);
        let mut top = 0u64;
        for _ in 0..self.reads {
            let rank = self.popularity.draw(&mut self.random);
            let word = self.random.below(PAGE / 8);
            memory.alu(DRAW);
            // A rank is below the number of pages.
            let page = u64::from(places[rank as usize]);
            region.load(memory, READ, page * PAGE + 8 * word, 8);
            top += u64::from(rank == 0);
        }
        // The first rank's count is binomial; twelve standard deviations never happen. Squared, so that
        // no root is needed, and with room for a mean below one.
        memory.begin(Stage::Check);
        let expected = self.reads as f64 * self.popularity.probability(0);
        let error = top as f64 - expected;
        if error * error > 144.0 * (expected + 1.0) {
            let what = format_args!("the first page has {top} reads and not about {expected}");
            return Err(wrong(ENTRY.name, what));
        }
        Ok(Facts::default()
            .with("pages", u64::from(self.pages))
            .with("reads", self.reads)
            .with("first_page_reads", top))
    }

    fn records(&self) -> Option<u64> {
        Some(self.reads)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::workloads::sample::tests::chi_square;
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn sorted_pages_have_zipfs_counts() {
        let run = run("zipf", &[("footprint", "80KiB"), ("reads", "100_000")]).unwrap();
        let mut counts = BTreeMap::new();
        run.accesses.iter().for_each(|a| *counts.entry(a.addr / PAGE).or_insert(0u64) += 1);
        let mut counts: Vec<u64> = counts.into_values().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let weights: Vec<f64> = (1..=20).map(|k| f64::from(k).powf(-0.99)).collect();
        let total: f64 = weights.iter().sum();
        let expected: Vec<f64> = weights.iter().map(|w| w / total * 100_000.0).collect();
        assert!(chi_square(&counts, &expected) > 1e-4, "{counts:?}");
    }

    #[test]
    fn records_are_the_same_everywhere() {
        assert_eq!(fingerprint("zipf", &[("reads", "1000")]), 14_756_805_512_096_595_366);
    }
}
