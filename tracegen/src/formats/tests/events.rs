//! Formats that hold something else than every access: allocation events, samples of perf and of DAMON.

use super::*;

fn event(event: Event) -> Record {
    Record::Event(0, event)
}

fn switch(process: u32) -> Record {
    event(Event::Switch { process })
}

const REP: &str = "20000\n3\n6\n1\na 0 512\na 1 16\nr 0 1024\nr 2 8\nf 1\n\nf 0\n";

#[test]
fn allocation_traces_become_events() {
    let (format, records) = read(REP.as_bytes()).unwrap();
    assert_eq!(format, Format::Rep);
    let block = |id: u64| (id + 1) << 32;
    let malloc = |id, size| event(Event::HeapMalloc { addr: block(id), size });
    let free = |id| event(Event::HeapFree { addr: block(id) });
    let expected = vec![
        malloc(0, 512),
        malloc(1, 16),
        free(0),
        malloc(0, 1024),
        malloc(2, 8),
        free(1),
        free(0),
    ];
    assert_eq!(records, expected);
}

#[test]
fn broken_allocation_traces_are_refused_by_their_line() {
    let wrong = |text: &str, line: u64, message: &str| {
        let found = fault(Format::Rep, text);
        assert!(found.0 == line && found.2.contains(message), "{message}: {found:?}");
    };
    wrong("20000\n3\n", 2, "header of four numbers");
    wrong("", 0, "header of four numbers");
    wrong("20000\nthree\n", 2, "the number of identifiers");
    wrong("0\n1\n2\n1\na 0 1\n", 5, "expected 2 operations, found 1");
    wrong("0\n1\n1\n1\na 1 1\n", 5, "an identifier below 1");
    wrong("0\n1\n1\n1\nf 0\n", 5, "an allocated identifier");
    wrong("0\n1\n2\n1\na 0 1\na 0 1\n", 6, "not allocated");
    wrong("0\n1\n1\n1\na 0\n", 5, "a size in bytes");
    wrong("0\n1\n1\n1\na 0 4294967296\n", 5, "below 4 GiB");
    wrong("0\n1\n1\n1\nx 0\n", 5, "`a id bytes`");
    wrong("0\n1\n1\n1\nf 0 0\n", 5, "end of the line");
    wrong("0\n4294967296\n1\n1\n", 2, "2^31");
}

const PERF: &str = "\
 my prog 2012/2013 [003] 87.596134:          1 page-faults:     561a19c2c1e0 ffffffff821e8fc0 rep_stos+0x40 ([kernel.kallsyms])
 my prog 2012/2012 87.596135:  page-faults:  7f70bcbb4110     7f70bcb9ab70 _start+0x0 (/usr/lib/ld.so)
other 99/99 [001] 88.1: page-faults: 7fff00001000
cat 99/99 [001] 88.2: 1 cpu/mem-loads,ldlat=30/P: 7fff00001008 5080021 |OP LOAD|LVL L1 hit|LCK No|BLK N/A 30 4004f0 main+0x10 (/bin/x)
cat 99/99 [001] 88.3: 1 cpu/mem-stores/P: 7fff00001010 5080022 |OP STORE|LVL L1 hit| 4004f4 main+0x14 (/bin/x)
";

#[test]
fn samples_of_perf_are_read() {
    let (format, records) = read(PERF.as_bytes()).unwrap();
    assert_eq!(format, Format::PerfScript);
    let sample = |cpu, addr, site| Access { cpu, site, ..load(addr, 1) };
    let mut expected = accesses(vec![
        sample(3, 0x561a_19c2_c1e0, 0xffff_ffff_821e_8fc0),
        sample(0, 0x7f70_bcbb_4110, 0x7f70_bcb9_ab70),
    ]);
    expected.push(Record::Event(1, Event::Switch { process: 1 }));
    expected.extend(accesses(vec![
        sample(1, 0x7fff_0000_1000, 0),
        sample(1, 0x7fff_0000_1008, 0x4004f0),
        Access { kind: AccessKind::Store, ..sample(1, 0x7fff_0000_1010, 0x4004f4) },
    ]));
    assert_eq!(records, expected);
    // Threads alone are no processes; call chains are skipped.
    let chains = "true 20149 26709.7:   1 page-faults:  1000\n\tffffffff821e8fc0 rep_stos+0x40 ([kernel])\n\t    7ff3eecf2ad7 [unknown] ([unknown])\n\n";
    assert_eq!(read(chains.as_bytes()).unwrap().1, accesses(vec![load(0x1000, 1)]));
    // Addresses alone.
    let options = OpenOptions { format: Some(Format::PerfScript), ..OpenOptions::default() };
    let bare = read_as("t", b"    561a19c2c1e0\n  1000  400\n", &options).unwrap().1;
    let second = Access { site: 0x400, ..load(0x1000, 1) };
    assert_eq!(bare, accesses(vec![load(0x561a_19c2_c1e0, 1), second]));
}

#[test]
fn samples_without_addresses_are_refused_with_the_way_to_get_them() {
    for text in [
        "true 20124 26707.596134:          1 page-faults:  ffffffff821e8fc0 rep_stos+0x40 ([kernel])\n",
        "true 20149 26709.746333:          1 page-faults: \n",
        "true 20149 26709.746333:          1 page-faults: what\n",
    ] {
        let (line, _, message) = fault(Format::PerfScript, text);
        assert!(line == 1 && message.contains("-F comm,pid,tid"), "{message}");
    }
}

const DAMON: &str = "\
base_time_absolute: 8 m 59.809 s

monitoring_start:                0 ns
monitoring_end:            104.599 ms
monitoring_duration:       104.599 ms
target_id: 18446623438842320000
nr_regions: 2
563ebaa00000-563ebaa05000(  20.000 KiB):        2
7f938d7e1000-7f938ddfc000(   6.105 MiB):        0

monitoring_start:          104.599 ms
target_id: 7
nr_regions: 1
# start_addr     end_addr        length  nr_accesses   age
7fff66b0a000-7fff66b0b000 (       4.000 KiB)           3    -1
";

#[test]
fn regions_of_damon_are_read() {
    let (format, records) = read(DAMON.as_bytes()).unwrap();
    assert_eq!(format, Format::Damon);
    let mut expected = accesses(vec![load(0x563e_baa0_0000, 1), load(0x563e_baa0_2000, 1)]);
    expected.push(switch(1));
    expected.extend(accesses(vec![load(0x7fff_66b0_a000, 1); 3]));
    assert_eq!(records, expected);
    // However large a region and its number are, it stays within it.
    let options = OpenOptions { format: Some(Format::Damon), ..OpenOptions::default() };
    let huge = b"0-ffffffffffffffff (16 EiB) 18446744073709551615 3\n";
    let records = read_as("t", huge, &options).unwrap().1;
    assert_eq!(records.len(), 1024);
    assert!(records.is_sorted_by_key(|record| match record {
        Record::Access(access) => access.addr,
        _ => 0,
    }));
}

#[test]
fn broken_reports_of_damon_are_refused_by_their_place() {
    for (line, column, message) in [
        ("what is this", 1, "a region"),
        ("1000", 1, "a region"),
        ("1000-x", 6, "the region's end"),
        ("2000-1000(4 KiB): 1", 6, "not before the start"),
        ("1000-2000: 1", 10, "size in (…)"),
        ("1000-2000(4 KiB: 1", 10, "size in (…)"),
        ("1000-2000(4 KiB): x", 19, "a number of accesses"),
        ("1000-2000(4 KiB): 1 x", 21, "age"),
    ] {
        let found = fault(Format::Damon, &format!("target_id: 1\n{line}\n"));
        assert!((found.0, found.1) == (2, column) && found.2.contains(message), "{found:?}");
    }
}

#[test]
fn sparse_traces_say_that_they_are() {
    for text in [PERF, DAMON] {
        let stream = Stream::over(&Input::Stdin, Cursor::new(text.as_bytes()), None).unwrap();
        let source = open_stream(stream, &OpenOptions::default()).unwrap().1;
        let metadata = source.metadata().unwrap();
        assert_eq!(metadata.parameters[0].0, "sparse");
    }
    let stream = Stream::over(&Input::Stdin, Cursor::new(REP.as_bytes()), None).unwrap();
    assert!(open_stream(stream, &OpenOptions::default()).unwrap().1.metadata().is_none());
}
