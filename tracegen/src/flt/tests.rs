//! Round trips, and every kind of damage.

use std::io::Cursor;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::batch::Batch;
use crate::error::TraceError;
use crate::formats::Input;
use crate::formats::output::Output;
use crate::formats::stream::Stream;
use crate::metadata::Metadata;
use crate::record::*;
use crate::sink::Sink;
use crate::source::Source;

fn metadata() -> Metadata {
    Metadata {
        producer: "test".to_owned(),
        workload: Some("gups".to_owned()),
        seed: Some(7),
        parameters: vec![("table".to_owned(), "1GiB".to_owned())],
    }
}

/// The bytes of a file of `records`, given to the writer `step` at a time.
fn written(records: &[Record], step: usize) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.flt");
    let mut writer = Writer::new(Output::create(&path).unwrap(), &metadata()).unwrap();
    for chunk in records.chunks(step) {
        let mut batch = Batch::new();
        chunk.iter().cloned().for_each(|record| batch.push(record));
        writer.write(&batch).unwrap();
    }
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

/// What can be read of `bytes`, and what is wrong with them.
fn read(bytes: &[u8]) -> (Vec<Record>, Option<TraceError>) {
    let input = Input::of(Path::new("trace.flt"));
    let stream = Stream::over(&input, Cursor::new(bytes.to_vec()), None).unwrap();
    let mut records = Vec::new();
    let mut reader = match Reader::new(stream) {
        Ok(reader) => reader,
        Err(error) => return (records, Some(error)),
    };
    assert_eq!(reader.metadata(), Some(&metadata()));
    let mut batch = Batch::new();
    loop {
        match reader.fill(&mut batch) {
            Ok(true) => {
                assert!(batch.accesses() <= crate::batch::BATCH_ACCESSES);
                records.extend(batch.iter());
            }
            Ok(false) => return (records, None),
            Err(error) => return (records, Some(error)),
        }
    }
}

fn any_protection() -> impl Strategy<Value = Protection> {
    any::<(bool, bool, bool)>().prop_map(|(read, write, execute)| Protection {
        read,
        write,
        execute,
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let advice = prop::sample::select(vec![
        Advice::Normal,
        Advice::Random,
        Advice::Sequential,
        Advice::WillNeed,
        Advice::DontNeed,
        Advice::Free,
        Advice::Mergeable,
        Advice::Unmergeable,
        Advice::HugePage,
        Advice::NoHugePage,
    ]);
    let numbers = any::<(u64, u64, u64, u32)>();
    (0..26_u8, numbers, any_protection(), advice, any::<bool>()).prop_map(
        |(which, (a, b, c, file), protection, advice, shared)| match which {
            0 => Event::Mmap {
                addr: a,
                length: b,
                protection,
                shared,
                backing: Backing::File { file, offset: c },
            },
            1 => Event::Munmap { addr: a, length: b },
            2 => Event::Mprotect { addr: a, length: b, protection },
            3 => Event::Madvise { addr: a, length: b, advice },
            4 => Event::Brk { end: a },
            5 => Event::Fork { child: file },
            6 => Event::Exec,
            7 => Event::Exit,
            8 => Event::Switch { process: file },
            9 => Event::FileRead { file, offset: a, length: b, buffer: c },
            10 => Event::FileWrite { file, offset: a, length: b, buffer: c },
            11 => Event::Sendfile { file, offset: a, length: b },
            12 => Event::SendfileGather { file, offset: a, length: b },
            13 => Event::Kmalloc { id: a, size: b },
            14 => Event::Kfree { id: a },
            15 => Event::Vmalloc { id: a, size: b },
            16 => Event::Vfree { id: a },
            17 => Event::AllocPages { id: a, order: b as u8 },
            18 => Event::FreePages { id: a },
            19 => Event::HeapMalloc { addr: a, size: b },
            20 => Event::HeapFree { addr: a },
            21 => Event::PageContent { addr: a, class: b },
            22 => Event::Phase { id: file },
            23 => Event::RegionStart,
            24 => Event::RegionEnd,
            _ => {
                Event::Mmap { addr: a, length: b, protection, shared, backing: Backing::Anonymous }
            }
        },
    )
}

fn any_access() -> impl Strategy<Value = Access> {
    let kind = prop::sample::select(vec![
        AccessKind::Load,
        AccessKind::Store,
        AccessKind::Fetch,
        AccessKind::Prefetch,
    ]);
    let number = || prop_oneof![3 => 0..100_u64, 1 => any::<u64>()];
    let small = || prop_oneof![3 => 0..5_u32, 1 => any::<u32>(), 1 => Just(SAME_INSTRUCTION)];
    (kind, any::<u16>(), number(), number(), small(), small(), small()).prop_map(
        |(kind, cpu, addr, site, size, gap, dep)| Access { cpu, kind, addr, size, site, gap, dep },
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    prop_oneof![
        4 => any_access().prop_map(Record::Access),
        1 => any::<(u16, u64, bool, u32, u32)>().prop_map(|(cpu, site, taken, gap, dep)| {
            Record::Branch(Branch { cpu, site, taken, gap, dep })
        }),
        1 => (any::<u16>(), any_event()).prop_map(|(cpu, event)| Record::Event(cpu, event)),
    ]
}

proptest! {
    #[test]
    fn every_record_comes_back(records in prop::collection::vec(any_record(), 0..200), step in 1..50_usize) {
        let (back, error) = read(&written(&records, step));
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(back, records);
    }
}

/// A program's typical records: fetches, loads by site, read-modify-writes, branches.
fn program(count: u64) -> Vec<Record> {
    let mut records = Vec::new();
    for i in 0..count {
        let pc = 0x40_0000 + i % 7 * 4;
        let same = SAME_INSTRUCTION;
        let load =
            Access { addr: 0x1000_0000 + i * 8, size: 8, site: pc, gap: same, ..Access::default() };
        let kind = AccessKind::Fetch;
        records.push(Record::Access(Access {
            kind,
            addr: pc,
            size: 4,
            site: pc,
            ..Access::default()
        }));
        records.push(Record::Access(load));
        if i % 3 == 0 {
            records.push(Record::Access(Access { kind: AccessKind::Store, ..load }));
            records.push(Record::Branch(Branch {
                site: pc,
                taken: i % 2 == 0,
                ..Branch::default()
            }));
        }
    }
    records
}

#[test]
fn blocks_follow_each_other() {
    // More than two blocks, and more asides at one place than a batch holds.
    let mut records = program(60_000);
    let asides = (0..10_000).map(|id| Record::Event(1, Event::Phase { id }));
    records.splice(100..100, asides);
    let bytes = written(&records, 4096);
    let (back, error) = read(&bytes);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(back.len(), records.len());
    assert!(back == records);
    assert!(bytes.len() < records.len() / 2, "{} bytes for {}", bytes.len(), records.len());
    assert!(read(&written(&records, 100_000)).0 == records);
}

#[test]
fn equal_steps_cost_almost_nothing() {
    let stream = |i: u64| Record::Access(Access { addr: i * 8, size: 8, ..Access::default() });
    let records: Vec<_> = (0..60_000).map(stream).collect();
    assert!(written(&records, 4096).len() < 400);
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let records = program(40);
    let bytes = written(&records, 30);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let (back, error) = read(&bad);
            let Some(TraceError::Binary { offset, .. }) = error else {
                panic!("bit {bit} of byte {at}: {error:?}");
            };
            assert!(offset <= bytes.len() as u64);
            assert!(records.starts_with(&back));
        }
    }
}

#[test]
fn a_cut_is_found_wherever_it_is_and_the_blocks_before_it_are_read() {
    let records = program(60_000);
    let bytes = written(&records, 4096);
    let first = layout::BLOCK_RECORDS;
    let near_the_end = bytes.len() - 200..bytes.len();
    for length in (0..200).chain(near_the_end) {
        let (back, error) = read(&bytes[..length]);
        assert!(matches!(error, Some(TraceError::Binary { .. })), "cut to {length}: {error:?}");
        assert!(records.starts_with(&back));
        if length > bytes.len() - 40 {
            assert_eq!(back.len(), records.len());
        }
    }
    let (back, _) = read(&bytes[..bytes.len() / 2]);
    assert!(back.len() + 4096 >= first && back.len() < records.len(), "{}", back.len());
    assert!(records.starts_with(&back));
}

#[test]
fn more_bytes_after_the_end_and_blocks_out_of_order_are_found() {
    let bytes = written(&program(5), 30);
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(read(&longer).1.is_some());
    let mut twice = bytes.clone();
    twice.extend(&bytes);
    assert!(read(&twice).1.is_some());
}

#[test]
fn the_index_leads_to_any_record() {
    let records = program(60_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.flt");
    let bytes = written(&records, 4096);
    std::fs::write(&path, &bytes).unwrap();
    let input = Input::of(&path);
    let options = Default::default();
    let mut batch = Batch::new();
    for start in
        [0, 1, 65_535, 65_536, 70_000, records.len() as u64 - 1, records.len() as u64, 1 << 40]
    {
        let mut source =
            crate::formats::open_slice(&input, &options, start, u64::MAX, false).unwrap();
        let mut back = Vec::new();
        while source.fill(&mut batch).unwrap() {
            back.extend(batch.iter());
        }
        assert!(back == records.get(start as usize..).unwrap_or_default(), "from {start}");
    }
    for at in bytes.len() - 100..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(
            crate::formats::open_slice(&input, &options, 70_000, 1, false).is_err(),
            "byte {at}"
        );
    }
}
