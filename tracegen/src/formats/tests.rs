//! Hand-written files, errors by place, the guess, and round trips through each writer.

mod broken;
mod champsim;
mod compression;
mod drmemtrace;
mod events;
mod fast;

use std::io::{Cursor, Write};
use std::path::Path;

use super::*;
use crate::batch::Batch;
use crate::record::*;

/// Reads `bytes` as the file `name`.
fn read_as(
    name: &str,
    bytes: &[u8],
    options: &OpenOptions,
) -> Result<(Format, Vec<Record>), TraceError> {
    let input = Input::of(Path::new(name));
    let stream = Stream::over(&input, Cursor::new(bytes.to_vec()), None)?;
    let (format, mut source) = open_stream(stream, options)?;
    let mut batch = Batch::new();
    let mut records = Vec::new();
    while source.fill(&mut batch)? {
        assert!(batch.accesses() <= crate::batch::BATCH_ACCESSES);
        records.extend(batch.iter());
    }
    Ok((format, records))
}

fn read(bytes: &[u8]) -> Result<(Format, Vec<Record>), TraceError> {
    read_as("trace", bytes, &OpenOptions::default())
}

/// Line, column and message of the error in `text`.
fn fault(format: Format, text: &str) -> (u64, u64, String) {
    let options = OpenOptions { format: Some(format), ..OpenOptions::default() };
    match read_as("trace", text.as_bytes(), &options) {
        Err(TraceError::Text { line, column, message, .. }) => (line, column, message),
        other => panic!("{other:?}"),
    }
}

fn load(addr: u64, size: u32) -> Access {
    Access { addr, size, ..Access::default() }
}

fn store(addr: u64, size: u32) -> Access {
    Access { kind: AccessKind::Store, ..load(addr, size) }
}

fn accesses(list: Vec<Access>) -> Vec<Record> {
    list.into_iter().map(Record::Access).collect()
}

#[test]
fn lackey_lines_are_read() {
    let text = "==12== Lackey, an example Valgrind tool\r\n\r\nI  04016b80,3\r\n L 1ffeffe7e8,8\n S 10,4\n M 0421c7cc,4\n";
    let (format, records) = read(text.as_bytes()).unwrap();
    assert_eq!(format, Format::Lackey);
    let of = |access| Access { site: 0x4016b80, gap: SAME_INSTRUCTION, ..access };
    let fetch = Access { kind: AccessKind::Fetch, gap: 0, ..of(load(0x4016b80, 3)) };
    assert_eq!(
        records,
        accesses(vec![
            fetch,
            of(load(0x1f_feff_e7e8, 8)),
            of(store(0x10, 4)),
            of(load(0x421c7cc, 4)),
            of(store(0x421c7cc, 4)),
        ])
    );
    let (_, records) = read(b" L 10,1\n M 20,1").unwrap();
    let second = Access { gap: SAME_INSTRUCTION, ..store(0x20, 1) };
    assert_eq!(records, accesses(vec![load(0x10, 1), load(0x20, 1), second]));
}

#[test]
fn din_lines_are_read() {
    let (format, records) = read(b"0 1000\n1 0x1003 what follows is ignored\n 2\t40\n0 8").unwrap();
    assert_eq!(format, Format::Din);
    let fetch = Access { kind: AccessKind::Fetch, site: 0x40, ..load(0x40, 4) };
    let last = Access { site: 0x40, gap: SAME_INSTRUCTION, ..load(8, 4) };
    assert_eq!(records, accesses(vec![load(0x1000, 4), store(0x1003, 1), fetch, last]));
}

#[test]
fn pages_are_read() {
    let (format, records) = read(b"# a string\n7\r\n0x10 # hexadecimal\n\n  1\n").unwrap();
    assert_eq!(format, Format::Pages);
    assert_eq!(records, accesses(vec![load(7 << 12, 1), load(0x10 << 12, 1), load(1 << 12, 1)]));
}

#[test]
fn csv_columns_are_read() {
    let text = b"time,page,what\n1,5,\"a, b\"\n2,\"0x6\",c\n";
    let (format, records) = read(text).unwrap();
    assert_eq!(format, Format::Csv);
    assert_eq!(records, accesses(vec![load(5 << 12, 1), load(6 << 12, 1)]));
    let options = |column: &str, unit| OpenOptions {
        format: None,
        column: Some(column.parse().unwrap()),
        unit: Some(unit),
        ..OpenOptions::default()
    };
    let by_number = read_as("t", text, &options("1", Unit::Byte)).unwrap().1;
    assert_eq!(by_number, accesses(vec![load(1, 1), load(2, 1)]));
    let by_name = read_as("t", text, &options("TIME", Unit::Page)).unwrap().1;
    assert_eq!(by_name, accesses(vec![load(1 << 12, 1), load(2 << 12, 1)]));
    let no_header = read_as("t", b"9,8\n7,6\n", &options("2", Unit::Byte)).unwrap().1;
    assert_eq!(no_header, accesses(vec![load(8, 1), load(6, 1)]));
    let one = read_as("t.csv", b"addr\n4096\n8192\n", &OpenOptions::default()).unwrap().1;
    assert_eq!(one, accesses(vec![load(4096, 1), load(8192, 1)]));
    let error = read_as("t", text, &options("nothing", Unit::Byte)).unwrap_err();
    assert!(error.to_string().contains("`page`"), "{error}");
    assert!(read_as("t", text, &options("4", Unit::Byte)).is_err());
}

#[test]
fn errors_have_their_place() {
    assert_eq!(
        fault(Format::Lackey, "I  1000,4\n L 20;4\n"),
        (2, 6, "expected `,` and a size in bytes, found `;4`".to_owned())
    );
    assert_eq!(
        fault(Format::Lackey, " X 20,4"),
        (1, 2, "expected `I  address,size`, ` L …`, ` S …` or ` M …`, found `X`".to_owned())
    );
    assert_eq!(fault(Format::Lackey, " L 20,5000000000").1, 7);
    assert_eq!(fault(Format::Lackey, " L ffffffffffffffff,2").1, 4);
    assert_eq!(
        fault(Format::Lackey, " L 20,").2,
        "expected a size in bytes, found the end of the line"
    );
    assert_eq!(fault(Format::Din, "0 1\n3 1\n").0, 2);
    assert_eq!(fault(Format::Din, "0 xyz").1, 3);
    assert_eq!(
        fault(Format::Din, "0").2,
        "expected a hexadecimal address, found the end of the line"
    );
    assert_eq!(fault(Format::Din, "0 1ffffffffffffffff").1, 3);
    assert_eq!(
        fault(Format::Pages, "1\n2\n\n three\n"),
        (4, 2, "expected a page number, decimal or with 0x, found `three`".to_owned())
    );
    assert_eq!(
        fault(Format::Pages, "4503599627370496").2,
        "expected a page number below 2^52, found `4503599627370496`"
    );
    assert_eq!(fault(Format::Pages, "-1").1, 1);
    assert_eq!(fault(Format::Pages, "1 2").1, 3);
    assert_eq!(fault(Format::Csv, "page\n1\n\nx\n").0, 4);
    assert_eq!(
        fault(
            Format::Csv,
            "x,page
1,2
3
"
        )
        .0,
        3
    );
    let long = "1".repeat(300 << 10);
    assert_eq!(fault(Format::Pages, &format!("1\n{long}\n")).0, 2);
    assert_eq!(fault(Format::Pages, "\u{fffd}\u{0}").1, 1);
}

#[test]
fn the_content_tells_the_format() {
    let told = |name, text: &str| {
        read_as(name, text.as_bytes(), &OpenOptions::default()).map(|(format, _)| format)
    };
    assert_eq!(told("x", "1\n2\n").unwrap(), Format::Pages);
    assert_eq!(told("x.csv", "1\n2\n").unwrap(), Format::Csv);
    assert_eq!(told("x.pages", "1 \n2\n").unwrap(), Format::Pages);
    assert_eq!(told("x.csv", "0 1000\n1 2000\n").unwrap(), Format::Din);
    assert_eq!(told("x", "").unwrap(), Format::Pages);
    assert_eq!(told("x.din.gz", "").unwrap(), Format::Din);
    let error = told("x", "what is this\n").unwrap_err().to_string();
    assert!(error.contains("--from") && error.contains("lackey"), "{error}");
    let options =
        OpenOptions { format: Some(Format::Din), unit: Some(Unit::Page), ..OpenOptions::default() };
    assert!(read_as("x", b"0 1\n", &options).is_err());
}

/// `records` written in `format` and read again; and what was lost.
fn round_trip(format: Format, records: &[Record]) -> (Vec<Record>, Vec<String>, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let mut sink = create(&path, format, &Metadata::default()).unwrap();
    let mut batch = Batch::new();
    records.iter().cloned().for_each(|record| batch.push(record));
    sink.write(&batch).unwrap();
    assert!(!path.exists(), "an unfinished file has its name already");
    sink.finish().unwrap();
    let losses = sink.losses();
    let bytes = std::fs::read(&path).unwrap();
    let options = OpenOptions { format: Some(format), ..OpenOptions::default() };
    let back = read_as("trace", &bytes, &options).unwrap().1;
    (back, losses, String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn what_a_format_holds_comes_back() {
    let lackey = "I  04016b80,3\n L 1ffeffe7e8,8\n S 1ffeffe7e8,8\n M 0421c7cc,4\n L 0421c7cc,4\n";
    let records = read(lackey.as_bytes()).unwrap().1;
    let (back, losses, text) = round_trip(Format::Lackey, &records);
    assert_eq!((back, losses, text.as_str()), (records, vec![], lackey));
    let din = "0 1003\n2 400\n1 7\n";
    let records = read(din.as_bytes()).unwrap().1;
    assert_eq!(round_trip(Format::Din, &records), (records.clone(), vec![], din.to_owned()));
    assert_eq!(round_trip(Format::Flt, &records).0, records);
    let pages = "3\n1\n4\n";
    let records = read(pages.as_bytes()).unwrap().1;
    assert_eq!(round_trip(Format::Pages, &records), (records.clone(), vec![], pages.to_owned()));
    assert_eq!(round_trip(Format::Csv, &records).0, records);
}

#[test]
fn what_a_format_cannot_say_is_told() {
    let records = vec![
        Record::Event(0, Event::RegionStart),
        Record::Branch(Branch::default()),
        Record::Access(Access { kind: AccessKind::Prefetch, ..load(64, 8) }),
        Record::Access(Access { cpu: 1, gap: 3, dep: 1, ..load(64, 8) }),
    ];
    let (back, losses, _) = round_trip(Format::Lackey, &records);
    assert_eq!(back, accesses(vec![load(64, 8)]));
    assert_eq!(
        losses,
        [
            "1 events",
            "1 branches",
            "1 prefetches",
            "the instructions between accesses",
            "the dependences between accesses",
            "the CPUs",
        ]
    );
    for format in [Format::Rep, Format::Drmemtrace, Format::PerfScript, Format::Damon] {
        assert!(create(Path::new("nowhere"), format, &Metadata::default()).is_err());
    }
}

#[test]
fn an_unfinished_file_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.flt");
    std::fs::write(&path, "before").unwrap();
    drop(create(&path, Format::Flt, &Metadata::default()).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
