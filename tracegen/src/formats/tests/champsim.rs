//! ChampSim's records: the layout, dependences through registers, and what comes back from a file.

use super::*;

/// A record, put together byte by byte.
fn record(
    ip: u64,
    branch: [u8; 2],
    [written, read]: [&[u8]; 2],
    stores: &[u64],
    loads: &[u64],
) -> Vec<u8> {
    let padded = |list: &[u64], count: usize| {
        let mut all = list.to_vec();
        all.resize(count, 0);
        all
    };
    let registers = |list: &[u8], count: usize| {
        let mut all = list.to_vec();
        all.resize(count, 0);
        all
    };
    let mut bytes = ip.to_le_bytes().to_vec();
    bytes.extend(branch);
    bytes.extend(registers(written, 2));
    bytes.extend(registers(read, 4));
    for word in padded(stores, 2).into_iter().chain(padded(loads, 4)) {
        bytes.extend(word.to_le_bytes());
    }
    assert_eq!(bytes.len(), 64);
    bytes
}

fn fetch(ip: u64) -> Record {
    let fetch = Access { kind: AccessKind::Fetch, addr: ip, size: 1, site: ip, ..load(0, 0) };
    Record::Access(fetch)
}

fn data(kind: AccessKind, addr: u64, site: u64, dep: u32) -> Record {
    Record::Access(Access { kind, site, dep, gap: SAME_INSTRUCTION, ..load(addr, 1) })
}

#[test]
fn records_are_read_with_their_dependences() {
    let (kind_load, kind_store) = (AccessKind::Load, AccessKind::Store);
    let none: [&[u8]; 2] = [&[], &[]];
    let bytes = [
        // r3 = [0x1000]
        record(0x400, [0, 0], [&[3], &[2]], &[], &[0x1000]),
        // r4 = r3 + r5: the load goes on through it.
        record(0x404, [0, 0], [&[4], &[3, 5]], &[], &[]),
        // r9 = [0x2000], [0x2008] from elsewhere
        record(0x408, [0, 0], [&[9, 6], &[6]], &[], &[0x2000, 0x2008]),
        // [r4] = …: three loads back.
        record(0x40c, [0, 0], [&[], &[4]], &[0x3000], &[]),
        // The stack pointer carries nothing.
        record(0x410, [0, 0], [&[], &[6]], &[0x7ff0], &[]),
        // flags = r9, and a branch on them: one load back.
        record(0x414, [0, 0], [&[25], &[9]], &[], &[]),
        record(0x418, [1, 1], [&[26], &[26, 25]], &[], &[]),
        // A direct jump, a call and a return decide nothing.
        record(0x500, [1, 1], [&[26], &[]], &[], &[]),
        record(0x510, [1, 1], [&[26, 6], &[26, 6]], &[0x7fe8], &[]),
        record(0x600, [1, 1], [&[26, 6], &[6]], &[], &[0x7fe8]),
        // A constant ends a dependence.
        record(0x604, [0, 0], [&[4], &[]], &[], &[]),
        record(0x608, [0, 0], [&[], &[4]], &[0x3008], &[]),
        record(0x60c, [1, 0], none, &[], &[]),
    ]
    .concat();
    let (format, records) = read(&bytes).unwrap();
    assert_eq!(format, Format::Champsim);
    let branch = |site, taken, dep| Record::Branch(Branch { site, taken, dep, gap: 0, cpu: 0 });
    let expected = vec![
        fetch(0x400),
        data(kind_load, 0x1000, 0x400, 0),
        fetch(0x404),
        fetch(0x408),
        data(kind_load, 0x2000, 0x408, 0),
        data(kind_load, 0x2008, 0x408, 0),
        fetch(0x40c),
        data(kind_store, 0x3000, 0x40c, 3),
        fetch(0x410),
        data(kind_store, 0x7ff0, 0x410, 0),
        fetch(0x414),
        fetch(0x418),
        branch(0x418, true, 1),
        fetch(0x500),
        fetch(0x510),
        data(kind_store, 0x7fe8, 0x510, 0),
        fetch(0x600),
        data(kind_load, 0x7fe8, 0x600, 0),
        fetch(0x604),
        fetch(0x608),
        data(kind_store, 0x3008, 0x608, 0),
        fetch(0x60c),
        branch(0x60c, false, 0),
    ];
    assert_eq!(records, expected);
    let (back, losses, _) = round_trip(Format::Champsim, &records);
    assert_eq!((back, losses), (expected, vec![]));
}

#[test]
fn compressed_files_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = record(0x400, [0, 0], [&[3], &[2]], &[], &[0x1000]).repeat(1000);
    let records = read(&bytes).unwrap().1;
    for name in ["t.champsim", "t.champsim.gz", "t.champsimtrace.xz", "t.champsim.zst"] {
        let path = directory.path().join(name);
        let format = Format::of_suffix(&path).unwrap();
        let mut sink = create(&path, format, &Metadata::default()).unwrap();
        let mut batch = Batch::new();
        records.iter().cloned().for_each(|record| batch.push(record));
        sink.write(&batch).unwrap();
        sink.finish().unwrap();
        let written = std::fs::read(&path).unwrap();
        assert_eq!(written.len() < bytes.len() / 10, name != "t.champsim", "{name}");
        let mut source = open(&Input::of(&path), &OpenOptions::default()).unwrap();
        let mut back = Vec::new();
        while source.fill(&mut batch).unwrap() {
            back.extend(batch.iter());
        }
        assert!(back == records, "{name}");
    }
}

#[test]
fn a_trace_without_fetches_keeps_its_instructions() {
    let records = vec![
        Record::Access(Access { site: 5, gap: 3, ..load(0x10, 1) }),
        Record::Access(Access { site: 5, gap: SAME_INSTRUCTION, ..store(0x10, 1) }),
        Record::Access(Access { site: 6, dep: 1, ..load(0x20, 1) }),
    ];
    let (back, losses, _) = round_trip(Format::Champsim, &records);
    let expected = vec![
        fetch(5),
        fetch(5),
        fetch(5),
        fetch(5),
        data(AccessKind::Load, 0x10, 5, 0),
        data(AccessKind::Store, 0x10, 5, 0),
        fetch(6),
        data(AccessKind::Load, 0x20, 6, 1),
    ];
    assert_eq!((back, losses), (expected, vec![]));
}

#[test]
fn what_the_records_cannot_hold_is_told() {
    let of = |access| Record::Access(Access { site: 4, gap: SAME_INSTRUCTION, ..access });
    let mut records = vec![fetch(4)];
    records.extend((1..=5).map(|addr| of(load(addr * 64, 1))));
    records.push(of(store(0, 1)));
    records.push(Record::Event(0, Event::Exec));
    let (back, losses, _) = round_trip(Format::Champsim, &records);
    let kinds = |kind| {
        back.iter().filter(|record| matches!(record, Record::Access(a) if a.kind == kind)).count()
    };
    assert_eq!((kinds(AccessKind::Load), kinds(AccessKind::Store)), (5, 0));
    let expected = [
        "1 events",
        "1 accesses at address 0",
        "1 bounds of instructions with more accesses than the format has room for",
    ];
    assert_eq!(losses, expected);
    // 300 loads back, there is no register left.
    let mut records: Vec<_> = (1..=300).map(|addr| Record::Access(load(addr * 64, 1))).collect();
    records.push(Record::Access(Access { dep: 300, ..load(64, 1) }));
    let losses = round_trip(Format::Champsim, &records).1;
    assert_eq!(losses, ["the dependences between accesses"]);
}

#[test]
fn damaged_files_are_refused_by_their_place() {
    let bytes = record(0x400, [0, 0], [&[3], &[2]], &[], &[0x1000]).repeat(3000);
    let options = OpenOptions { format: Some(Format::Champsim), ..OpenOptions::default() };
    for cut in [1, 63, 64 * 2000 + 5] {
        let error = read_as("t", &bytes[..cut], &options).unwrap_err();
        let TraceError::Binary { offset, .. } = error else { panic!("{error:?}") };
        assert_eq!(offset, cut as u64 / 64 * 64);
    }
    assert_eq!(read_as("t", &[], &options).unwrap().1, []);
    // A flag that is none, a pointer that no processor has: not taken for the format.
    for (at, byte) in [(8, 2), (9, 1), (7, 1), (39, 7)] {
        let mut other = bytes.clone();
        other[at] = byte;
        assert!(read(&other).is_err(), "{at}");
    }
}
