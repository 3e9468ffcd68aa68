//! By area of the address space: those that events make, and stretches of memory outside all of them.

use std::collections::HashMap;

use tracegen::batch::{Aside, Batch};
use tracegen::record::{Backing, CpuId, Event, ProcessId, Protection};

use super::keys::{Keys, Labels};
use super::ranges::Ranges;
use super::rows::{OTHER, REST, Rows};

/// log2 of the pieces into which memory outside all areas is cut while it is accessed. Neighbouring pieces are
/// one stretch in the end: a hole that is smaller than a piece does not part what lies on its two sides.
const PIECE: u32 = 21;
/// log2 of the pages to which the ends of a stretch are shown.
const PAGE: u32 = 12;
/// Where a 64-bit x86 process under Linux has its stack: below 2^47, by up to 16 GiB of randomness and what
/// it may grow (`STACK_TOP` and `stack_maxrandom_size` in arch/x86).
const STACK: std::ops::Range<u64> = (1 << 47) - (17 << 30)..1 << 47;

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// The area with this name.
    Area(u32),
    /// A piece of memory outside all areas.
    Piece(ProcessId, u64),
}

/// The row of every access by its area.
pub struct AreaKeys {
    rows: Rows<Key>,
    ranges: Ranges,
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Where each process's heap starts and ends.
    heaps: HashMap<ProcessId, (u64, u64)>,
    /// By row, the lowest and the highest address that was accessed, of pieces.
    extents: Vec<(u64, u64)>,
}

impl AreaKeys {
    /// No areas.
    pub fn new() -> Self {
        Self {
            rows: Rows::new(),
            ranges: Ranges::new(),
            names: Vec::new(),
            numbers: HashMap::new(),
            heaps: HashMap::new(),
            extents: Vec::new(),
        }
    }

    /// The row of the area called `name`.
    fn row_of(&mut self, process: ProcessId, name: String) -> u32 {
        let name = in_process(process, &name);
        let next = self.names.len() as u32;
        let number = *self.numbers.entry(name.clone()).or_insert(next);
        if number == next {
            self.names.push(name);
        }
        self.rows.of(Key::Area(number), number.into())
    }

    fn event(&mut self, cpu: CpuId, event: &Event) {
        let process = self.ranges.process(cpu);
        match *event {
            Event::Mmap { addr, length, protection, shared, backing } => {
                let end = addr.saturating_add(length);
                let name = mapping(addr, end, protection, shared, backing);
                let row = self.row_of(process, name);
                self.ranges.insert(process, addr, end, row);
            }
            Event::Munmap { addr, length } => {
                self.ranges.carve(process, addr, addr.saturating_add(length));
            }
            Event::Brk { end } => self.brk(process, end),
            Event::Fork { child } => {
                if let Some(heap) = self.heaps.get(&process).copied() {
                    self.heaps.insert(child, heap);
                }
            }
            Event::Exec | Event::Exit => {
                self.heaps.remove(&process);
            }
            _ => {}
        }
        self.ranges.event(cpu, event);
    }

    fn brk(&mut self, process: ProcessId, end: u64) {
        let (start, before) = *self.heaps.entry(process).or_insert((end, end));
        self.heaps.insert(process, (start, end));
        self.ranges.carve(process, start, before);
        if end > start {
            let row = self.row_of(process, "heap".to_owned());
            self.ranges.insert(process, start, end, row);
        }
    }
}

/// The name of a mapping.
fn mapping(start: u64, end: u64, protection: Protection, shared: bool, backing: Backing) -> String {
    let flag = |set: bool, letter: char| if set { letter } else { '-' };
    let Protection { read, write, execute } = protection;
    let rights =
        [flag(read, 'r'), flag(write, 'w'), flag(execute, 'x'), if shared { 's' } else { 'p' }];
    let what = match backing {
        Backing::Anonymous => "anonymous".to_owned(),
        Backing::File { file, offset } => format!("file {file} at {offset:#x}"),
    };
    format!("{start:#x}-{end:#x} {} {what}", rights.iter().collect::<String>())
}

/// A name that says which process it is of, where that is not the first.
pub fn in_process(process: ProcessId, name: &str) -> String {
    if process == 0 { name.to_owned() } else { format!("process {process}: {name}") }
}

impl Keys for AreaKeys {
    fn access(&mut self, batch: &Batch, at: usize) -> u32 {
        let (process, addr) = (self.ranges.process(batch.cpu[at]), batch.addr[at]);
        if let Some(row) = self.ranges.find(process, addr) {
            return row;
        }
        let piece = addr >> PIECE;
        let row = self.rows.of(Key::Piece(process, piece), piece);
        let place = row as usize;
        if self.extents.len() <= place {
            self.extents.resize(place + 1, (u64::MAX, 0));
        }
        let (lowest, highest) = &mut self.extents[place];
        (*lowest, *highest) = ((*lowest).min(addr), (*highest).max(addr));
        row
    }

    fn aside(&mut self, aside: &Aside) -> u32 {
        if let Aside::Event(cpu, event) = aside {
            self.event(*cpu, event);
        }
        REST
    }

    fn finish(self: Box<Self>) -> Labels {
        let keys = self.rows.keys();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        let place = |at: &usize| match keys[*at] {
            Key::Area(number) => (0, 0, u64::from(number)),
            Key::Piece(process, piece) => (1, process, piece),
        };
        order.sort_by_key(place);
        let mut labels = Labels { parts: vec![0; keys.len()], ..Labels::default() };
        // The stretch that is being put together: its process, its last piece, and its ends.
        let mut stretch: Option<(ProcessId, u64, (u64, u64))> = None;
        for at in order {
            match keys[at] {
                Key::Area(number) => labels.labels.push(self.names[number as usize].clone()),
                Key::Piece(process, piece) => {
                    let (lowest, highest) = self.extents[at + OTHER as usize + 1];
                    let goes_on =
                        stretch.filter(|(own, last, _)| *own == process && last + 1 == piece);
                    let start = goes_on.map_or(lowest, |(.., (start, _))| start);
                    if goes_on.is_some() {
                        labels.labels.pop();
                    }
                    labels.labels.push(in_process(process, &stretch_label(start, highest)));
                    stretch = Some((process, piece, (start, highest)));
                }
            }
            labels.parts[at] = labels.labels.len() - 1;
        }
        labels
    }
}

/// The name of a stretch from the byte at `first` to that at `last`.
fn stretch_label(first: u64, last: u64) -> String {
    let (start, end) = (first >> PAGE << PAGE, (last | ((1 << PAGE) - 1)).saturating_add(1));
    let name = if STACK.contains(&first) { "stack" } else { "no area" };
    format!("{start:#x}-{end:#x} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracegen::record::Access;

    fn batch(records: &[Result<u64, Event>]) -> Batch {
        let mut batch = Batch::new();
        for record in records {
            match record {
                Ok(addr) => batch.push_access(Access { addr: *addr, ..Access::default() }),
                Err(event) => batch.push_event(0, event.clone()),
            }
        }
        batch
    }

    /// The label of every access.
    fn labels(records: &[Result<u64, Event>]) -> Vec<String> {
        let batch = batch(records);
        let mut finder = super::super::keys::Finder::new(&super::super::By::Area);
        finder.find(&batch);
        let rows = finder.accesses.clone();
        let found = finder.finish();
        rows.iter().map(|row| found.labels[found.parts[*row as usize - 2]].clone()).collect()
    }

    #[test]
    fn areas_are_those_of_the_events() {
        let map = Event::Mmap {
            addr: 0x10000,
            length: 0x3000,
            protection: Protection::READ_WRITE,
            shared: false,
            backing: Backing::Anonymous,
        };
        let seen = labels(&[
            Err(Event::Brk { end: 0x8000 }),
            Err(Event::Brk { end: 0x9000 }),
            Err(map),
            Ok(0x8800),
            Ok(0x12fff),
            Err(Event::Munmap { addr: 0x12000, length: 0x1000 }),
            Ok(0x12fff),
            Ok(0x11000),
            Err(Event::Brk { end: 0x8400 }),
            Ok(0x8800),
            Ok(0x8000),
        ]);
        let area = "0x10000-0x13000 rw-p anonymous";
        let outside = "0x8000-0x13000 no area";
        assert_eq!(seen, ["heap", area, outside, area, outside, "heap"]);
    }

    #[test]
    fn memory_outside_is_one_area_a_stretch() {
        let piece = 1u64 << PIECE;
        let stack = (1u64 << 47) - 4096;
        let seen =
            labels(&[Ok(2 * piece), Ok(9 * piece + 5), Ok(piece + 77), Ok(stack), Ok(3 * piece)]);
        let first = format!("{:#x}-{:#x} no area", piece, 3 * piece + 4096);
        let far = format!("{:#x}-{:#x} no area", 9 * piece, 9 * piece + 4096);
        let stack = format!("{stack:#x}-{:#x} stack", 1u64 << 47);
        let expected = [&first, &far, &first, &stack, &first];
        assert!(seen.iter().eq(expected), "{seen:?}");
    }
}
