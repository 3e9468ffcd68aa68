//! Reads every 8-byte word of an area in order.

use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Memory, Region, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "sequential",
    description: "8-byte reads of an area from its start to its end",
    parameters: &[
        Parameter {
            name: "footprint",
            kind: Kind::Size { min: 8, max: 1 << 44 },
            default: Default::Value("64MiB"),
            doc: "Size of the area, a multiple of 8 bytes",
        },
        Parameter {
            name: "passes",
            kind: Kind::Integer { min: 1, max: 1 << 40 },
            default: Default::Value("1"),
            doc: "How often to read it",
        },
    ],
    build,
};

const READ: Site = Site(1);

struct Sequential {
    footprint: u64,
    passes: u64,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let footprint = settings.integer("footprint")?;
    if footprint % 8 != 0 {
        return Err(settings.refuse("footprint", "a multiple of 8"));
    }
    Ok(Box::new(Sequential { footprint, passes: settings.integer("passes")? }))
}

impl Workload for Sequential {
    fn run(self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let region = Region::new(memory, self.footprint)?;
        memory.begin(Stage::Run);
        let mut sum = 0u128;
        for _ in 0..self.passes {
            for offset in (0..region.len()).step_by(8) {
                memory.alu(3);
                region.load(memory, READ, offset, 8);
                sum += u128::from(offset);
            }
        }
        memory.begin(Stage::Check);
        let words = u128::from(self.footprint / 8);
        if sum != u128::from(self.passes) * (words * (words - 1) / 2 * 8) {
            return Err(wrong(ENTRY.name, format_args!("the offsets add up to {sum}")));
        }
        Ok(Facts::default().with("reads", self.passes * (self.footprint / 8)))
    }

    fn records(&self) -> Option<u64> {
        self.passes.checked_mul(self.footprint / 8)
    }
}

#[cfg(test)]
mod tests {
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn every_word_is_read_in_order_in_every_pass() {
        let run = run("sequential", &[("footprint", "8KiB"), ("passes", "3")]).unwrap();
        let base = run.accesses[0].addr;
        let expected = (0..3).flat_map(|_| (0..1024).map(|word| base + 8 * word));
        assert!(run.accesses.iter().map(|access| access.addr).eq(expected));
        assert!(run.accesses.iter().all(|access| access.size == 8 && access.dep == 0));
        assert_eq!(run.count("reads"), 3 * 1024);
    }

    #[test]
    fn records_are_the_same_everywhere() {
        assert_eq!(fingerprint("sequential", &[("footprint", "4KiB")]), 9_578_251_020_476_806_863);
    }
}
