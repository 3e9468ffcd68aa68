//! By block of the heap, as the program's allocator handed them out.

use tracegen::batch::{Aside, Batch};
use tracegen::record::{Event, ProcessId};

use super::areas::in_process;
use super::keys::{Keys, Labels};
use super::ranges::Ranges;
use super::rows::{REST, Rows};

/// A block by its process, address and size: one that is handed out again with the same size is the same.
type Block = (ProcessId, u64, u64);

/// The row of every access by its block.
pub struct BlockKeys {
    /// Nothing for accesses outside every block.
    rows: Rows<Option<Block>>,
    ranges: Ranges,
    /// Whether any block was handed out.
    any: bool,
}

impl BlockKeys {
    /// No blocks.
    pub fn new() -> Self {
        Self { rows: Rows::new(), ranges: Ranges::new(), any: false }
    }
}

impl Keys for BlockKeys {
    fn access(&mut self, batch: &Batch, at: usize) -> u32 {
        let process = self.ranges.process(batch.cpu[at]);
        match self.ranges.find(process, batch.addr[at]) {
            Some(row) => row,
            None => self.rows.of(None, 0),
        }
    }

    fn aside(&mut self, aside: &Aside) -> u32 {
        if let Aside::Event(cpu, event) = aside {
            let process = self.ranges.process(*cpu);
            match *event {
                Event::HeapMalloc { addr, size } => {
                    self.any = true;
                    let row = self.rows.of(Some((process, addr, size)), addr);
                    self.ranges.insert(process, addr, addr.saturating_add(size), row);
                }
                Event::HeapFree { addr } => self.ranges.remove(process, addr),
                _ => self.ranges.event(*cpu, event),
            }
        }
        REST
    }

    fn finish(self: Box<Self>) -> Labels {
        let label = |block: &Option<Block>| match block {
            Some((process, addr, size)) => in_process(*process, &format!("{addr:#x}+{size}")),
            None => "no object".to_owned(),
        };
        let note = "the trace has no annotations of heap blocks (heap malloc and free), so that no access is to an object that is known";
        let note = (!self.any).then(|| note.to_owned());
        Labels { note, ..Labels::each(self.rows.keys().iter().map(label).collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{By, keys::Finder};
    use super::*;
    use tracegen::record::Access;

    #[test]
    fn a_block_lives_from_malloc_to_free() {
        let mut batch = Batch::new();
        let access =
            |batch: &mut Batch, addr| batch.push_access(Access { addr, ..Access::default() });
        access(&mut batch, 110);
        batch.push_event(0, Event::HeapMalloc { addr: 100, size: 20 });
        access(&mut batch, 110);
        access(&mut batch, 120);
        batch.push_event(0, Event::HeapFree { addr: 100 });
        access(&mut batch, 110);
        batch.push_event(0, Event::HeapMalloc { addr: 100, size: 20 });
        access(&mut batch, 119);
        let mut finder = Finder::new(&By::Object);
        finder.find(&batch);
        let rows = finder.accesses.clone();
        let Labels { labels, parts, note } = finder.finish();
        let seen: Vec<_> =
            rows.iter().map(|row| labels[parts[*row as usize - 2]].as_str()).collect();
        assert_eq!(seen, ["no object", "0x64+20", "no object", "no object", "0x64+20"]);
        assert_eq!(note, None);
    }

    #[test]
    fn a_trace_without_annotations_says_so() {
        let mut finder = Finder::new(&By::Object);
        finder.find(&Batch::new());
        assert!(finder.finish().note.is_some_and(|note| note.contains("no annotations")));
    }
}
