//! Heaps against plain lists of blocks, and the book's own figures.

use proptest::prelude::*;

use super::*;
use crate::memory::tests::recorded;
use crate::memory::{Recording, Stage};
use crate::record::{Event, Record};

fn settings(allocator: &'static str) -> Settings {
    let word = if allocator == "glibc" { 8 } else { 4 };
    Settings {
        allocator,
        fit: if matches!(allocator, "glibc" | "size-tree") { Fit::Best } else { Fit::First },
        order: Order::Lifo,
        word,
        deferred: false,
        elide_footers: false,
    }
}

/// Opens a heap and runs `body` over it.
fn with_heap<T>(
    settings: Settings,
    body: impl FnOnce(&mut Memory, &mut dyn Allocator) -> T,
) -> (T, Vec<Record>) {
    let mut result = None;
    let records = recorded(Recording::default(), |memory| {
        memory.begin(Stage::Run);
        let mut heap = open(memory, &settings).unwrap();
        result = Some(body(memory, heap.as_mut()));
    });
    (result.unwrap(), records)
}

/// An implicit list as a vector of blocks: sizes, and whether they are allocated.
struct Plain {
    blocks: Vec<(u64, bool)>,
    word: u64,
    fit: Fit,
    deferred: bool,
    elide: bool,
    rover: u64,
    steps: u64,
}

impl Plain {
    fn new(settings: &Settings) -> Self {
        Self {
            blocks: vec![(4096, false)],
            word: settings.word.into(),
            fit: settings.fit,
            deferred: settings.deferred,
            elide: settings.elide_footers,
            rover: 0,
            steps: 0,
        }
    }

    fn offset(&self, index: usize) -> u64 {
        self.blocks[..index].iter().map(|block| block.0).sum()
    }

    fn merge_all(&mut self) {
        let mut index = 0;
        while index + 1 < self.blocks.len() {
            if self.blocks[index].1 || self.blocks[index + 1].1 {
                index += 1;
                continue;
            }
            let (at, size) = (self.offset(index), self.blocks.remove(index + 1).0);
            self.blocks[index].0 += size;
            if (at..at + self.blocks[index].0).contains(&self.rover) {
                self.rover = at;
            }
        }
    }

    fn search(&mut self, size: u64) -> Option<usize> {
        let order: Vec<usize> = match self.fit {
            Fit::Next => {
                let from = (0..self.blocks.len()).find(|k| self.offset(*k) >= self.rover);
                let from = from.unwrap_or(self.blocks.len());
                (from..self.blocks.len()).chain(0..from).collect()
            }
            _ => (0..self.blocks.len()).collect(),
        };
        let mut best: Option<usize> = None;
        for index in order {
            self.steps += 1;
            let (bytes, allocated) = self.blocks[index];
            if !allocated && bytes >= size && best.is_none_or(|best| bytes < self.blocks[best].0) {
                best = Some(index);
                if self.fit != Fit::Best {
                    break;
                }
            }
        }
        if let (Fit::Next, Some(found)) = (self.fit, best) {
            self.rover = self.offset(found);
        }
        best
    }

    fn malloc(&mut self, bytes: u64) -> u64 {
        let tags = if self.elide { self.word } else { 2 * self.word };
        let least = if self.elide { 2 * self.word } else { 4 * self.word };
        let size = (bytes + tags).next_multiple_of(2 * self.word).max(least);
        let mut found = self.search(size);
        if found.is_none() && self.deferred {
            self.merge_all();
            found = self.search(size);
        }
        let index = found.unwrap_or_else(|| {
            let more = size.max(4096);
            match self.blocks.last_mut() {
                Some((last, false)) => {
                    *last += more;
                    let at = self.offset(self.blocks.len() - 1);
                    if self.rover > at {
                        self.rover = at;
                    }
                }
                _ => self.blocks.push((more, false)),
            }
            self.blocks.len() - 1
        });
        let rest = self.blocks[index].0 - size;
        if rest >= least {
            self.blocks[index].0 = size;
            self.blocks.insert(index + 1, (rest, false));
        }
        self.blocks[index].1 = true;
        self.offset(index)
    }

    fn free(&mut self, at: u64) {
        let index = (0..self.blocks.len()).find(|k| self.offset(*k) == at).unwrap();
        self.blocks[index].1 = false;
        if !self.deferred {
            self.merge_all();
        }
    }
}

/// What to do: allocate so many bytes, or free the live block of this number.
#[derive(Debug, Clone)]
enum Step {
    Allocate(u64),
    Reallocate(usize, u64),
    Free(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = || prop_oneof![4 => 1u64..200, 2 => 200u64..3000, 1 => 3000u64..300_000];
    let step = prop_oneof![
        4 => size().prop_map(Step::Allocate),
        1 => (any::<usize>(), size()).prop_map(|(which, size)| Step::Reallocate(which, size)),
        3 => any::<usize>().prop_map(Step::Free),
    ];
    prop::collection::vec(step, 1..150)
}

/// Runs the steps, checking the heap after each; live payloads never overlap.
fn exercise(settings: Settings, steps: &[Step]) {
    with_heap(settings, |memory, heap| {
        let mut live: Vec<(u64, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Allocate(size) => {
                    let at = heap.malloc(memory, *size).unwrap();
                    assert!(heap.payload(at) >= *size);
                    live.push((at, *size));
                }
                Step::Reallocate(which, size) if !live.is_empty() => {
                    let which = which % live.len();
                    let at = heap.realloc(memory, live[which].0, *size).unwrap();
                    live[which] = (at, *size);
                }
                Step::Free(which) if !live.is_empty() => {
                    let (at, _) = live.swap_remove(which % live.len());
                    heap.free(memory, at).unwrap();
                }
                Step::Reallocate(..) | Step::Free(_) => {}
            }
            if let Err(what) = heap.check() {
                panic!("{settings:?} after {step:?}: {what}");
            }
            let mut sorted = live.clone();
            sorted.sort_unstable();
            assert!(sorted.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_heap_stays_in_order(steps in steps()) {
        for allocator in ALLOCATORS {
            for (word, deferred, elide_footers) in
                [(4, false, false), (8, false, true), (4, true, true), (8, true, false)]
            {
                let of = Settings { word, deferred, elide_footers, ..settings(allocator) };
                if *allocator == "glibc" && word == 4 {
                    continue;
                }
                exercise(of, &steps);
                if matches!(*allocator, "explicit-list" | "segregated") {
                    for order in [Order::Fifo, Order::Address, Order::Size] {
                        exercise(Settings { order, fit: Fit::Best, ..of }, &steps);
                    }
                }
                if *allocator == "explicit-list" {
                    exercise(Settings { fit: Fit::Next, order: Order::Address, ..of }, &steps);
                }
            }
        }
    }

    #[test]
    fn an_implicit_list_is_a_list_of_blocks(
        steps in steps(),
        fit in prop_oneof![Just(Fit::First), Just(Fit::Next), Just(Fit::Best)],
        word in prop_oneof![Just(4u32), Just(8)],
        deferred: bool,
        elide_footers: bool,
    ) {
        let of = Settings { fit, word, deferred, elide_footers, ..settings("implicit-list") };
        with_heap(of, |memory, heap| {
            let mut plain = Plain::new(&of);
            let start = heap.space().start() + 4 * u64::from(word);
            let mut live: Vec<u64> = Vec::new();
            for step in &steps {
                match step {
                    Step::Allocate(size) | Step::Reallocate(_, size) => {
                        let at = heap.malloc(memory, *size).unwrap() - start;
                        assert_eq!(at, plain.malloc(*size), "{of:?} {size}");
                        live.push(at);
                    }
                    Step::Free(which) if !live.is_empty() => {
                        let at = live.swap_remove(which % live.len());
                        heap.free(memory, start + at).unwrap();
                        plain.free(at);
                    }
                    Step::Free(_) => {}
                }
            }
            let bytes: u64 = plain.blocks.iter().map(|block| block.0).sum();
            let usage = heap.usage();
            assert_eq!(usage.heap_bytes, bytes + 4 * u64::from(word));
            assert_eq!(usage.search_steps, plain.steps);
        });
    }
}

/// CS:APP practice problem 9.6: with double-word alignment and a 4-byte header and footer, requests of
/// 1, 5, 12 and 13 bytes take blocks of 16, 16, 24 and 24 bytes (8 for a header and a footer; the book's
/// table has headers alone: 8, 16, 16, 24).
#[test]
fn block_sizes_are_the_books() {
    for (elide_footers, expected) in [(false, [16, 16, 24, 24]), (true, [8, 16, 16, 24])] {
        let of = Settings { elide_footers, ..settings("implicit-list") };
        let (sizes, _) = with_heap(of, |memory, heap| {
            let mut at = [1, 5, 12, 13, 1].map(|size| heap.malloc(memory, size).unwrap());
            at.sort_unstable();
            [0, 1, 2, 3].map(|k| at[k + 1] - at[k])
        });
        assert_eq!(sizes, expected);
    }
    let (payloads, _) =
        with_heap(Settings { word: 8, ..settings("implicit-list") }, |memory, heap| {
            [1, 16, 17, 100]
                .map(|size| heap.malloc(memory, size).map(|at| heap.payload(at)).unwrap())
        });
    // asize = round_up(size + 16, 16), at least 32, of which 16 are tags.
    assert_eq!(payloads, [16, 16, 32, 112]);
}

/// The four cases of CS:APP figure 9.40: the middle one of three blocks is freed, and its neighbours are
/// allocated or free.
#[test]
fn free_neighbours_merge_in_all_four_cases() {
    for (before, after, expected) in
        [(false, false, 64), (false, true, 128), (true, false, 128), (true, true, 192)]
    {
        let (room, _) = with_heap(settings("explicit-list"), |memory, heap| {
            let blocks = [0; 5].map(|_| heap.malloc(memory, 56).unwrap());
            if before {
                heap.free(memory, blocks[1]).unwrap();
            }
            if after {
                heap.free(memory, blocks[3]).unwrap();
            }
            heap.free(memory, blocks[2]).unwrap();
            heap.check().unwrap();
            let start = blocks[if before { 1 } else { 2 }];
            heap.payload(start) + 8
        });
        assert_eq!(room, expected);
    }
}

/// A request that nothing fits grows the heap by itself or by 4096 bytes, whichever is more, and the new
/// block merges with a free one before it (CS:APP figure 9.45, `extend_heap`).
#[test]
fn the_heap_grows_by_chunks() {
    let (_, records) = with_heap(settings("implicit-list"), |memory, heap| {
        heap.malloc(memory, 4000).unwrap();
        heap.malloc(memory, 4000).unwrap();
        heap.malloc(memory, 10_000).unwrap();
        assert_eq!(heap.usage().heap_bytes, 16 + 4096 + 4096 + 10_008);
    });
    let breaks: Vec<u64> = records
        .iter()
        .filter_map(|record| match record {
            Record::Event(_, Event::Brk { end }) => Some(*end),
            _ => None,
        })
        .collect();
    let moved: Vec<u64> = breaks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(moved, [16, 4096, 4096, 10_008]);
}

/// mallopt(3): blocks of 128 KiB and more are mappings; freeing one raises the threshold to its size, so
/// that the next of the size comes from the heap; and a top of twice the threshold is trimmed.
#[test]
fn glibcs_threshold_adapts() {
    with_heap(settings("glibc"), |memory, heap| {
        let small = heap.malloc(memory, 100 << 10).unwrap();
        let large = heap.malloc(memory, 200 << 10).unwrap();
        assert!(large > small + (1 << 30), "a mapping of its own");
        assert_eq!(large % 4096, 16);
        assert_eq!(heap.usage().maps, 1);
        heap.free(memory, large).unwrap();
        let again = heap.malloc(memory, 200 << 10).unwrap();
        assert_eq!(heap.usage().maps, 2);
        assert!(again < small + (1 << 20), "from the heap");
        let more: Vec<u64> = (0..8).map(|_| heap.malloc(memory, 150 << 10).unwrap()).collect();
        let end = heap.space().end();
        for at in more {
            heap.free(memory, at).unwrap();
        }
        heap.check().unwrap();
        assert!(heap.space().end() < end, "trimmed");
    });
}

/// Chunks are size + 8 rounded up to 16, at least 32; a thread keeps seven freed ones of a size, last in
/// first out, and the eighth of a fast size goes into its fast bin.
#[test]
fn glibcs_chunks_come_back_in_order() {
    with_heap(settings("glibc"), |memory, heap| {
        let blocks: Vec<u64> = (0..9).map(|_| heap.malloc(memory, 24).unwrap()).collect();
        assert!(blocks.windows(2).all(|pair| pair[1] - pair[0] == 32));
        for at in &blocks {
            heap.free(memory, *at).unwrap();
        }
        let again: Vec<u64> = (0..9).map(|_| heap.malloc(memory, 24).unwrap()).collect();
        let expected: Vec<u64> = [6, 5, 4, 3, 2, 1, 0, 8, 7].map(|k| blocks[k]).into();
        assert_eq!(again, expected);
    });
}

#[test]
fn what_a_model_has_not_is_refused() {
    recorded(Recording::default(), |memory| {
        for (of, expected) in [
            (Settings { fit: Fit::First, ..settings("size-tree") }, "fit = first"),
            (Settings { fit: Fit::Next, ..settings("segregated") }, "fit = next"),
            (Settings { word: 4, ..settings("glibc") }, "word"),
        ] {
            let error = open(memory, &of).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    });
}
