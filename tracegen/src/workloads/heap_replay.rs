//! Replays an allocation trace of the malloc lab over a heap model: what its policy costs in memory, and,
//! since the model's own accesses are recorded, in TLB and cache misses.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, heap_choice, wrong};
use crate::error::TraceError;
use crate::heap::rep::{self, Operation};
use crate::heap::{self, Allocator};
use crate::memory::{Memory, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "heap-replay",
    description: "An allocation trace of the malloc lab, replayed over a heap model",
    parameters: &[
        Parameter {
            name: "rep",
            kind: Kind::File,
            default: Default::Required,
            doc: "The allocation trace: lines `a id bytes`, `r id bytes`, `f id` after four numbers",
        },
        heap_choice::ALLOCATOR,
        heap_choice::FIT,
        heap_choice::ORDER,
        heap_choice::WORD,
        heap_choice::COALESCE,
        heap_choice::FOOTERS,
        Parameter {
            name: "fill",
            kind: Kind::Boolean,
            default: Default::Value("true"),
            doc: "The program writes the whole of every block that it gets",
        },
    ],
    build,
};

const FILL: Site = Site(20);

/// The most bytes of an allocation trace that are read.
const LONGEST: u64 = 1 << 30;

struct Replay {
    operations: Vec<(u64, Operation)>,
    settings: heap::Settings,
    path: String,
    fill: bool,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let chosen = heap_choice::chosen(settings)?;
    let path = settings.file("rep")?.to_owned();
    let operations = rep::parse(Path::new(&path), &read(Path::new(&path))?)?;
    Ok(Box::new(Replay { operations, settings: chosen, path, fill: settings.boolean("fill")? }))
}

fn read(path: &Path) -> Result<String, TraceError> {
    let refused = |source| TraceError::Io { path: path.into(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(refused)?;
    let read = file.take(LONGEST + 1).read_to_string(&mut text).map_err(refused)?;
    if read as u64 > LONGEST {
        let message = format!("longer than {LONGEST} bytes");
        return Err(TraceError::Format { path: path.into(), message });
    }
    Ok(text)
}

/// The blocks that the program has, and what it knows of them.
struct Program {
    heap: Box<dyn Allocator>,
    /// By identifier: the payload's address, 0 where `malloc(0)` gave none, and its size.
    blocks: BTreeMap<u32, (u64, u64)>,
    /// The end of each block's payload, by its address.
    live: BTreeMap<u64, u64>,
    alignment: u64,
    fill: bool,
    payload: u64,
    peak: u64,
}

impl Program {
    /// What a block is filled with.
    fn pattern(id: u32) -> u8 {
        id as u8 ^ 0x5a
    }

    fn allocate(&mut self, memory: &mut Memory, id: u32, bytes: u64) -> Result<(), String> {
        if self.blocks.contains_key(&id) {
            return Err(format!("block {id} is allocated already"));
        }
        let addr = self.heap.malloc(memory, bytes).map_err(|error| error.to_string())?;
        self.keep(memory, id, addr, bytes, 0)
    }

    /// A block has come, `kept` bytes of which have their content already.
    fn keep(
        &mut self,
        memory: &mut Memory,
        id: u32,
        addr: u64,
        bytes: u64,
        kept: u64,
    ) -> Result<(), String> {
        if addr != 0 {
            if !addr.is_multiple_of(self.alignment) {
                return Err(format!("block {id} at {addr:#x} is not aligned"));
            }
            let below = self.live.range(..=addr).next_back().map_or(0, |(_, end)| *end);
            let above = self.live.range(addr..).next().map_or(u64::MAX, |(start, _)| *start);
            let whole = self.heap.payload(addr);
            if whole < bytes || below > addr || above < addr + whole {
                return Err(format!("block {id} at {addr:#x} overlaps another or is too small"));
            }
            self.live.insert(addr, addr + whole);
            if self.fill {
                let pattern = Self::pattern(id);
                if !self.heap.space().holds(addr, kept, pattern) {
                    return Err(format!("block {id} has lost its content when it moved"));
                }
                self.heap.space().fill(memory, FILL, addr + kept, bytes - kept, pattern);
            }
        }
        self.blocks.insert(id, (addr, bytes));
        self.payload += bytes;
        self.peak = self.peak.max(self.payload);
        Ok(())
    }

    /// A block is about to go: it still holds what was written to it.
    fn release(&mut self, id: u32) -> Result<(u64, u64), String> {
        let Some((addr, bytes)) = self.blocks.remove(&id) else {
            return Err(format!("block {id} is not allocated"));
        };
        if addr != 0 {
            self.live.remove(&addr);
            if self.fill && !self.heap.space().holds(addr, bytes, Self::pattern(id)) {
                return Err(format!("block {id} no longer holds what was written to it"));
            }
        }
        self.payload -= bytes;
        Ok((addr, bytes))
    }

    fn reallocate(&mut self, memory: &mut Memory, id: u32, bytes: u64) -> Result<(), String> {
        if !self.blocks.contains_key(&id) {
            return self.allocate(memory, id, bytes);
        }
        let (addr, before) = self.release(id)?;
        let to = self.heap.realloc(memory, addr, bytes).map_err(|error| error.to_string())?;
        self.keep(memory, id, to, bytes, before.min(bytes))
    }

    fn free(&mut self, memory: &mut Memory, id: u32) -> Result<(), String> {
        let (addr, _) = self.release(id)?;
        if addr == 0 {
            return Ok(());
        }
        self.heap.free(memory, addr).map_err(|error| error.to_string())
    }

    fn make(&mut self, memory: &mut Memory, operation: Operation) -> Result<(), String> {
        match operation {
            Operation::Allocate { id, bytes } => self.allocate(memory, id, bytes),
            Operation::Reallocate { id, bytes } => self.reallocate(memory, id, bytes),
            Operation::Free { id: Some(id) } => self.free(memory, id),
            Operation::Free { id: None } => Ok(()),
        }
    }

    /// Everything that is left holds its content, and the heap is in order.
    fn verify(&mut self) -> Result<(), String> {
        let ids: Vec<u32> = self.blocks.keys().copied().collect();
        ids.into_iter().try_for_each(|id| self.release(id).map(|_| ()))?;
        self.heap.check()
    }
}

impl Workload for Replay {
    fn run(self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        memory.begin(Stage::Run);
        let glibc = self.settings.allocator == "glibc";
        let alignment = if glibc { 16 } else { 2 * u64::from(self.settings.word) };
        let mut program = Program {
            heap: heap::open(memory, &self.settings)?,
            blocks: BTreeMap::new(),
            live: BTreeMap::new(),
            alignment,
            fill: self.fill,
            payload: 0,
            peak: 0,
        };
        for (line, operation) in &self.operations {
            program.make(memory, *operation).map_err(|message| TraceError::Text {
                path: (&self.path).into(),
                line: *line,
                column: 1,
                message,
            })?;
        }
        memory.begin(Stage::Check);
        program.verify().map_err(|what| wrong(ENTRY.name, format_args!("{what}")))?;
        let facts = Facts::default().with("operations", self.operations.len());
        Ok(heap_choice::facts(facts, program.heap.usage(), program.peak))
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{AccessKind, Event};
    use crate::workloads::tests::{Run, run};

    /// Replays the operations, and returns what came of it.
    fn replay(operations: &str, set: &[(&str, &str)]) -> Result<Run, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, format!("0\n0\n0\n1\n{operations}")).unwrap();
        let path = file.path().to_str().unwrap();
        run("heap-replay", &[&[("rep", path)], set].concat())
            .map_err(|error| error.to_string().replace(path, "x.rep"))
    }

    #[test]
    fn facts_follow_from_the_operations() {
        // Blocks of 24, 24 and 40 bytes: each search begins at the first block.
        let run = replay("a 0 16\na 1 10\na 2 32\nf 1\na 3 16\nr 0 20\n", &[]).unwrap();
        assert_eq!(run.count("operations"), 6);
        // 16 + 10 + 32, then 16 for the 10, then 20 for a 16.
        assert_eq!(run.count("peak_payload_bytes"), 68);
        assert_eq!(run.count("heap_bytes"), 16 + 4096);
        // Blocks looked at: the whole heap, 2, 3, then the freed second one, then past three to the rest.
        assert_eq!(run.count("search_steps"), 1 + 2 + 3 + 2 + 4);
        assert!(run.events.contains(&Event::HeapMalloc { addr: 0x5555_5540_0010, size: 16 }));
    }

    #[test]
    fn the_program_writes_what_it_gets_and_realloc_copies() {
        let of = |fill| replay("a 0 64\nr 0 128\nf 0\n", &[("fill", fill)]).unwrap();
        let count = |run: &Run, kind, site| {
            run.accesses.iter().filter(|a| a.kind == kind && a.site == site).count()
        };
        let (filled, bare) = (of("true"), of("false"));
        // 64 bytes, then the 64 new ones after the copy.
        assert_eq!(count(&filled, AccessKind::Store, 20), 8 + 8);
        assert_eq!(count(&filled, AccessKind::Load, 8), 8);
        assert_eq!(count(&bare, AccessKind::Store, 20), 0);
        assert_eq!(count(&bare, AccessKind::Store, 8), 8);
    }

    #[test]
    fn wrong_operations_are_named_with_their_line() {
        let error = |operations| replay(operations, &[]).err().unwrap();
        assert_eq!(error("a 0 16\na 0 16\n"), "x.rep:6:1: block 0 is allocated already");
        assert_eq!(error("f 3\n"), "x.rep:5:1: block 3 is not allocated");
        let message = error("a 0 99999999999999\n");
        assert_eq!(message, "x.rep:5:1: the heap has no room for 99999999999999 bytes");
    }

    #[test]
    fn what_a_model_has_not_is_refused() {
        let error = |set: &[(&str, &str)]| replay("a 0 16\n", set).err().unwrap();
        let glibc = ("allocator", "glibc");
        assert!(error(&[glibc, ("order", "fifo")]).contains("order = fifo"));
        assert!(error(&[glibc, ("fit", "first")]).contains("fit = first"));
        assert!(error(&[glibc, ("word", "4")]).contains("word"));
        assert!(error(&[("order", "lifo")]).contains("order = lifo"));
        assert!(error(&[("word", "6")]).contains("4 or 8"));
        assert!(replay("a 0 16\n", &[glibc, ("fit", "best")]).is_ok());
        let missing = run("heap-replay", &[]).err().unwrap().to_string();
        assert_eq!(missing, "heap-replay: rep is not set: expected a file");
    }

    /// `malloc(0)` is a null pointer in the book's allocators; `realloc` to nothing frees.
    #[test]
    fn blocks_of_nothing_are_none() {
        let run = replay("a 0 0\nf 0\nf -1\na 1 40\nr 1 0\nr 2 8\n", &[]).unwrap();
        assert_eq!(run.count("peak_payload_bytes"), 40);
        assert_eq!(run.events.iter().filter(|e| matches!(e, Event::HeapFree { .. })).count(), 1);
    }
}
