//! A key-value store under a zipfian load, with the mix of YCSB's workload B by default: 95 % reads, 5 %
//! updates (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC 2010).
//!
//! A chained hash table over the modelled heap: an entry is its key, the next entry's address and the
//! value. Keys are inserted in a random order, so that the popular ones lie anywhere.

use super::sample::{Random, Zipf, mix};
use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Array, Heap, LoadId, Loaded, Memory, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "kv",
    description: "Zipfian reads and updates of a key-value store (a chained hash table on the heap)",
    parameters: &[
        Parameter {
            name: "keys",
            kind: Kind::Integer { min: 1, max: 1 << 31 },
            default: Default::Value("500_000"),
            doc: "Keys in the store",
        },
        Parameter {
            name: "operations",
            kind: Kind::Integer { min: 1, max: 1 << 60 },
            default: Default::Value("1_000_000"),
            doc: "Reads and updates to make",
        },
        Parameter {
            name: "read_ratio",
            kind: Kind::Float { min: 0.0, max: 1.0 },
            default: Default::Value("0.95"),
            doc: "Share of reads; the rest overwrite a value",
        },
        Parameter {
            name: "zipf",
            kind: Kind::Float { min: 0.0, max: 10.0 },
            default: Default::Value("0.99"),
            doc: "Exponent of the keys' popularity; 0 is uniform",
        },
        Parameter {
            name: "value",
            kind: Kind::Size { min: 8, max: 1 << 20 },
            default: Default::Value("64B"),
            doc: "Size of a value, a multiple of 8 bytes",
        },
    ],
    build,
};

const INSERT: Site = Site(1);
const BUCKET: Site = Site(2);
const KEY: Site = Site(3);
const FOUND: Site = Site(4);
const NEXT: Site = Site(5);
const READ: Site = Site(6);
const UPDATE: Site = Site(7);
const VERIFY: [Site; 4] = [Site(8), Site(9), Site(10), Site(11)];

/// Offsets in an entry.
const NEXT_AT: u64 = 8;
const VALUE_AT: u64 = 16;

/// Instructions of the hash and of the request's dispatch.
const HASH: u32 = 12;

struct Kv {
    keys: u64,
    operations: u64,
    read_ratio: f64,
    popularity: Zipf,
    words: u64,
    random: Random,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let (keys, value) = (settings.integer("keys")?, settings.integer("value")?);
    if value % 8 != 0 {
        return Err(settings.refuse("value", "a multiple of 8"));
    }
    Ok(Box::new(Kv {
        keys,
        operations: settings.integer("operations")?,
        read_ratio: settings.float("read_ratio")?,
        popularity: Zipf::new(keys, settings.float("zipf")?),
        words: value / 8,
        random: Random::new(ENTRY.name, settings.integer("seed")?),
    }))
}

/// The word `at` of a key's value in its `version`.
fn content(key: u64, version: u32, at: u64) -> u64 {
    mix(mix(key << 32 | u64::from(version)).wrapping_add(at))
}

/// The store.
struct Store {
    /// Addresses of the first entries, 0 for none; a power of two of them.
    buckets: Array<u64>,
    heap: Heap,
    words: u64,
    /// Entries looked at in all lookups.
    steps: u64,
}

impl Store {
    fn bucket(&self, key: u64) -> usize {
        mix(key) as usize & (self.buckets.len() - 1)
    }

    /// Puts a new key in front of its chain.
    fn insert(&mut self, memory: &mut Memory, key: u64) -> Result<(), TraceError> {
        memory.alu(HASH);
        let bucket = self.bucket(key);
        let entry = self.heap.malloc(memory, VALUE_AT + 8 * self.words)?;
        let first = self.buckets.load(memory, INSERT, bucket, LoadId::NONE);
        self.heap.store(memory, INSERT, entry, key, LoadId::NONE);
        self.heap.store(memory, INSERT, entry + NEXT_AT, first.value, LoadId::NONE);
        self.write(memory, INSERT, Loaded { value: entry, by: LoadId::NONE }, key, 0);
        self.buckets.store(memory, INSERT, bucket, entry, LoadId::NONE);
        Ok(())
    }

    /// The entry of a key, and the load that brought its address.
    fn find(&mut self, memory: &mut Memory, sites: [Site; 4], key: u64) -> Option<Loaded<u64>> {
        memory.alu(HASH);
        let [bucket, key_site, found, next] = sites;
        let mut entry = self.buckets.load(memory, bucket, self.bucket(key), LoadId::NONE);
        while entry.value != 0 {
            self.steps += 1;
            let own: Loaded<u64> = self.heap.load(memory, key_site, entry.value, entry.by);
            memory.alu(1);
            memory.branch(found, own.value == key, own.by);
            if own.value == key {
                return Some(entry);
            }
            entry = self.heap.load(memory, next, entry.value + NEXT_AT, entry.by);
        }
        None
    }

    /// Reads a value; whether it is that `version` of it.
    fn read(
        &self,
        memory: &mut Memory,
        site: Site,
        entry: Loaded<u64>,
        key: u64,
        version: u32,
    ) -> bool {
        (0..self.words).fold(true, |right, at| {
            memory.alu(1);
            let addr = entry.value + VALUE_AT + 8 * at;
            let word: Loaded<u64> = self.heap.load(memory, site, addr, entry.by);
            right && word.value == content(key, version, at)
        })
    }

    /// Writes a value's `version`.
    fn write(
        &mut self,
        memory: &mut Memory,
        site: Site,
        entry: Loaded<u64>,
        key: u64,
        version: u32,
    ) {
        for at in 0..self.words {
            memory.alu(1);
            let addr = entry.value + VALUE_AT + 8 * at;
            self.heap.store(memory, site, addr, content(key, version, at), entry.by);
        }
    }
}

impl Kv {
    /// A store with every key in its version 0.
    fn fill(&mut self, memory: &mut Memory) -> Result<Store, TraceError> {
        let buckets = Array::new(memory, self.keys.next_power_of_two() as usize)?;
        let heap = Heap::new(memory);
        let mut store = Store { buckets, heap, words: self.words, steps: 0 };
        let mut order: Vec<u32> = table(self.keys)?;
        order.iter_mut().zip(0..).for_each(|(place, key)| *place = key);
        self.random.shuffle(&mut order);
        for key in order {
            store.insert(memory, u64::from(key))?;
        }
        Ok(store)
    }

    /// All operations; `versions` is the plain array that the store is compared with. Returns the
    /// number of reads.
    fn serve(
        &mut self,
        memory: &mut Memory,
        store: &mut Store,
        versions: &mut [u32],
    ) -> Result<u64, TraceError> {
        let mut reads = 0;
        for operation in 0..self.operations {
            let key = self.popularity.draw(&mut self.random);
            let is_read = self.random.unit() < self.read_ratio;
            let missing = || wrong(ENTRY.name, format_args!("key {key} is not found"));
            let entry = store.find(memory, [BUCKET, KEY, FOUND, NEXT], key).ok_or_else(missing)?;
            // A key is below the number of keys, which is the array's length.
            let version = &mut versions[key as usize];
            if is_read {
                reads += 1;
                if !store.read(memory, READ, entry, key, *version) {
                    let what = format_args!("operation {operation} reads key {key} wrongly");
                    return Err(wrong(ENTRY.name, what));
                }
            } else {
                *version = version.wrapping_add(1);
                store.write(memory, UPDATE, entry, key, *version);
            }
        }
        Ok(reads)
    }
}

/// A table of `length` zeros for the workload's own use.
fn table(length: u64) -> Result<Vec<u32>, TraceError> {
    let mut table = Vec::new();
    table.try_reserve_exact(length as usize).map_err(|_| {
        TraceError::Workload(format!("kv: {length} keys do not fit into this host's memory"))
    })?;
    table.resize(length as usize, 0);
    Ok(table)
}

impl Workload for Kv {
    fn run(mut self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let mut store = self.fill(memory)?;
        let mut versions = table(self.keys)?;

        memory.begin(Stage::Run);
        let reads = self.serve(memory, &mut store, &mut versions)?;
        let steps = store.steps;

        memory.begin(Stage::Check);
        for (key, version) in (0..).zip(&versions) {
            let entry = store.find(memory, VERIFY, key);
            if !entry.is_some_and(|entry| store.read(memory, VERIFY[1], entry, key, *version)) {
                return Err(wrong(ENTRY.name, format_args!("key {key} is wrong at the end")));
            }
        }
        Ok(Facts::default()
            .with("keys", self.keys)
            .with("operations", self.operations)
            .with("reads", reads)
            .with("updates", self.operations - reads)
            .with("entries_compared", steps)
            .with("heap_bytes", store.heap.bytes())
            .with("peak_payload_bytes", store.heap.peak_payload()))
    }

    fn records(&self) -> Option<u64> {
        // A lookup's bucket, about one and a half keys with their branches, and the value.
        self.operations.checked_mul(5 + self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{AccessKind, Event};
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn accesses_follow_from_the_operations() {
        let set = [("keys", "1000"), ("operations", "5000"), ("value", "24")];
        let run = run("kv", &set).unwrap();
        let of = |kind| run.accesses.iter().filter(|a| a.kind == kind).count() as u64;
        let steps = run.count("entries_compared");
        // A bucket an operation, a key a step, a link for each step after the first, three words.
        let loads = 5000 + steps + (steps - 5000) + 3 * run.count("reads");
        assert_eq!(of(AccessKind::Load), loads);
        assert_eq!(of(AccessKind::Store), 3 * run.count("updates"));
        assert_eq!(run.branches.len() as u64, steps);
        // 5 % of 5000, within six standard deviations.
        assert!(run.count("updates").abs_diff(250) < 93);
        assert!(run.events.iter().any(|event| matches!(event, Event::Brk { .. })));
    }

    #[test]
    fn the_entrys_address_comes_from_the_bucket_or_the_link() {
        let run = run("kv", &[("keys", "100"), ("operations", "500")]).unwrap();
        for access in &run.accesses {
            match Site(access.site) {
                BUCKET => assert_eq!(access.dep, 0),
                KEY => assert_eq!(access.dep, 1),
                NEXT => assert_eq!(access.dep, 2),
                UPDATE => assert_eq!(access.dep, 2),
                READ => assert!((2..2 + 8).contains(&access.dep)),
                _ => panic!("{access:?}"),
            }
        }
        assert!(run.branches.iter().all(|branch| branch.dep == 1));
    }

    #[test]
    fn only_reads_store_nothing_and_only_updates_read_no_value() {
        let set = |ratio| [("keys", "50"), ("operations", "300"), ("read_ratio", ratio)];
        assert_eq!(run("kv", &set("1")).unwrap().count("updates"), 0);
        assert_eq!(run("kv", &set("0.0")).unwrap().count("reads"), 0);
    }

    #[test]
    fn the_heap_holds_every_entry() {
        let run = run("kv", &[("keys", "1000"), ("operations", "1"), ("value", "40")]).unwrap();
        // 56 bytes of payload and the header are a block of 64.
        assert_eq!(run.count("peak_payload_bytes"), 1000 * 56);
        assert!(run.count("heap_bytes") >= 64_000);
    }

    #[test]
    fn records_are_the_same_everywhere() {
        assert_eq!(
            fingerprint("kv", &[("keys", "100"), ("operations", "500")]),
            8_262_572_445_130_816_018
        );
    }
}
