//! Larson's benchmark of allocators: a server that frees a random one of its blocks and allocates one of
//! a random size in its place, over and over (Larson and Krishnan, "Memory allocation for long-running
//! server applications", ISMM 1998).

use super::sample::Random;
use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, heap_choice, wrong};
use crate::error::TraceError;
use crate::heap::{self, Allocator};
use crate::memory::{Array, LoadId, Memory, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "larson",
    description: "A server's blocks, replaced one by one by others of random sizes over a heap model",
    parameters: &[
        Parameter {
            name: "slots",
            kind: Kind::Integer { min: 1, max: 1 << 28 },
            default: Default::Value("1_000"),
            doc: "Blocks that the program has at once",
        },
        Parameter {
            name: "operations",
            kind: Kind::Integer { min: 1, max: 1 << 40 },
            default: Default::Value("50_000"),
            doc: "Blocks to replace",
        },
        Parameter {
            name: "smallest",
            kind: Kind::Size { min: 1, max: 1 << 30 },
            default: Default::Value("10B"),
            doc: "The smallest block",
        },
        Parameter {
            name: "largest",
            kind: Kind::Size { min: 1, max: 1 << 30 },
            default: Default::Value("500B"),
            doc: "The largest block",
        },
        heap_choice::ALLOCATOR,
        heap_choice::FIT,
        heap_choice::ORDER,
        heap_choice::WORD,
        heap_choice::COALESCE,
        heap_choice::FOOTERS,
    ],
    build,
};

const FILL: Site = Site(20);
const SLOT: Site = Site(21);
const KEEP: Site = Site(22);
const VERIFY: Site = Site(23);

/// Instructions of the random choices of an operation.
const CHOOSE: u32 = 20;

struct Larson {
    slots: usize,
    operations: u64,
    smallest: u64,
    largest: u64,
    heap: heap::Settings,
    random: Random,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let (smallest, largest) = (settings.integer("smallest")?, settings.integer("largest")?);
    if largest < smallest {
        return Err(settings.refuse("largest", "at least the smallest"));
    }
    Ok(Box::new(Larson {
        slots: settings.integer("slots")? as usize,
        operations: settings.integer("operations")?,
        smallest,
        largest,
        heap: heap_choice::chosen(settings)?,
        random: Random::new(ENTRY.name, settings.integer("seed")?),
    }))
}

/// The server's blocks.
struct Server {
    heap: Box<dyn Allocator>,
    /// The payload's address of each.
    slots: Array<u64>,
    /// Their sizes, which the program would know by other means.
    sizes: Vec<u32>,
    payload: u64,
    peak: u64,
}

impl Server {
    /// What the block of a slot is filled with.
    fn pattern(slot: usize) -> u8 {
        (slot as u8).wrapping_mul(31) ^ 0xa5
    }

    /// Allocates the block of a slot and writes it.
    fn fill(&mut self, memory: &mut Memory, slot: usize, size: u64) -> Result<(), TraceError> {
        let addr = self.heap.malloc(memory, size)?;
        self.heap.space().fill(memory, FILL, addr, size, Self::pattern(slot));
        self.slots.store(memory, KEEP, slot, addr, LoadId::NONE);
        self.sizes[slot] = size as u32;
        self.payload += size;
        self.peak = self.peak.max(self.payload);
        Ok(())
    }

    /// Whether the block of a slot holds what was written to it.
    fn holds(&mut self, slot: usize, addr: u64) -> bool {
        self.heap.space().holds(addr, self.sizes[slot].into(), Self::pattern(slot))
    }

    fn replace(&mut self, memory: &mut Memory, slot: usize, size: u64) -> Result<(), TraceError> {
        let addr = self.slots.load(memory, SLOT, slot, LoadId::NONE).value;
        if !self.holds(slot, addr) {
            return Err(wrong(ENTRY.name, format_args!("block {slot} has lost its content")));
        }
        self.payload -= u64::from(self.sizes[slot]);
        self.heap.free(memory, addr)?;
        self.fill(memory, slot, size)
    }
}

impl Workload for Larson {
    fn run(mut self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let mut sizes = Vec::new();
        sizes.try_reserve_exact(self.slots).map_err(|_| {
            TraceError::Workload(format!("larson: no memory for {} slots", self.slots))
        })?;
        sizes.resize(self.slots, 0);
        let slots = Array::new(memory, self.slots)?;
        let heap = heap::open(memory, &self.heap)?;
        let mut server = Server { heap, slots, sizes, payload: 0, peak: 0 };
        let span = self.largest - self.smallest + 1;
        for slot in 0..self.slots {
            let size = self.smallest + self.random.below(span);
            server.fill(memory, slot, size)?;
        }

        memory.begin(Stage::Run);
        for _ in 0..self.operations {
            memory.alu(CHOOSE);
            let slot = self.random.below(self.slots as u64) as usize;
            let size = self.smallest + self.random.below(span);
            server.replace(memory, slot, size)?;
        }

        memory.begin(Stage::Check);
        for slot in 0..self.slots {
            let addr = server.slots.load(memory, VERIFY, slot, LoadId::NONE).value;
            if !server.holds(slot, addr) {
                return Err(wrong(ENTRY.name, format_args!("block {slot} is wrong at the end")));
            }
        }
        server.heap.check().map_err(|what| wrong(ENTRY.name, format_args!("{what}")))?;
        let facts = Facts::default().with("operations", self.operations);
        Ok(heap_choice::facts(facts, server.heap.usage(), server.peak))
    }
}

#[cfg(test)]
mod tests {
    use crate::heap::ALLOCATORS;
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn every_heap_model_serves() {
        let small = [("slots", "200"), ("operations", "2000")];
        for allocator in ALLOCATORS {
            let set = [&small[..], &[("allocator", *allocator)]].concat();
            let run = run("larson", &set).unwrap();
            // 200 blocks of 10 to 500 bytes, which always fit into one and a half times their mean.
            assert!((40_000..75_000).contains(&run.count("peak_payload_bytes")), "{allocator}");
            assert!(run.count("heap_bytes") > run.count("peak_payload_bytes"), "{allocator}");
        }
    }

    /// With blocks of one size every free one fits: nothing is looked at twice, and nothing grows.
    #[test]
    fn blocks_of_one_size_take_each_others_places() {
        let set = [("slots", "100"), ("operations", "1000"), ("smallest", "56"), ("largest", "56")];
        let list = [&set[..], &[("allocator", "explicit-list")]].concat();
        let run = run("larson", &list).unwrap();
        assert_eq!(run.count("heap_bytes"), 16 + 2 * 4096);
        // A search of the list sees the block that was freed just before, or the rest of the last chunk;
        // the 65th found nothing to look at.
        assert_eq!(run.count("search_steps"), 99 + 1000);
    }

    #[test]
    fn records_are_the_same_everywhere() {
        let set = [("slots", "50"), ("operations", "300")];
        assert_eq!(fingerprint("larson", &set), 5_050_468_719_790_077_131);
    }
}
