//! drmemtrace files and directories, put together entry by entry.

use super::*;

/// Entries of a 64-bit program.
#[derive(Clone, Default)]
struct File(Vec<u8>);

impl File {
    fn entry(mut self, kind: u16, size: u16, addr: u64) -> Self {
        self.0.extend(kind.to_le_bytes());
        self.0.extend(size.to_le_bytes());
        self.0.extend(addr.to_le_bytes());
        self
    }

    fn marker(self, kind: u16, value: u64) -> Self {
        self.entry(28, kind, value)
    }

    /// The start of the file of thread `tid`.
    fn of(version: u64, tid: u64, pid: u64, time: u64) -> Self {
        let file = Self::default().entry(25, 0, version);
        let file = if version > 1 { file.marker(12, version).marker(9, 0x40) } else { file };
        file.entry(22, 4, tid).entry(24, 4, pid).marker(2, time).marker(3, 5)
    }

    /// An instruction of four bytes.
    fn instr(self, addr: u64) -> Self {
        self.entry(10, 4, addr)
    }

    fn read(self, addr: u64) -> Self {
        self.entry(0, 8, addr)
    }

    fn end(self, tid: u64) -> Vec<u8> {
        self.entry(23, 4, tid).entry(26, 0, 0).0
    }
}

fn fetch(addr: u64, size: u32) -> Access {
    Access { kind: AccessKind::Fetch, site: addr, ..load(addr, size) }
}

fn data(kind: AccessKind, addr: u64, site: u64) -> Access {
    Access { kind, site, gap: SAME_INSTRUCTION, ..load(addr, 8) }
}

fn records(bytes: &[u8]) -> Vec<Record> {
    let (format, records) = read(bytes).unwrap();
    assert_eq!(format, Format::Drmemtrace);
    records
}

/// The message of the error in `bytes`, which is at `offset`.
fn error(bytes: &[u8], at: u64) -> String {
    match read_as("t.trace", bytes, &OpenOptions::default()) {
        Err(TraceError::Binary { offset, message, .. }) => {
            assert_eq!(offset, at, "{message}");
            message
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn instructions_and_their_data_are_read() {
    let file = File::of(4, 7, 7, 100)
        .entry(47, 4, 0x90)
        .instr(0x400)
        .read(0x1000)
        .entry(1, 8, 0x1008)
        // A string instruction: its further iterations are no fetches.
        .entry(10, 2, 0x404)
        .read(0x2000)
        .entry(29, 2, 0x404)
        .read(0x2008)
        // Three instructions of 3, 5 and 1 bytes behind it.
        .entry(17, 3, 0x01_0503)
        .entry(3, 8, 0x3000)
        // A hardware prefetch, a flush, and a program counter alone.
        .entry(27, 8, 0x9000)
        .entry(20, 64, 0x9000)
        .entry(10, 0, 0x500)
        .read(0x4000);
    let expected = vec![
        fetch(0x400, 4),
        data(AccessKind::Load, 0x1000, 0x400),
        data(AccessKind::Store, 0x1008, 0x400),
        fetch(0x404, 2),
        data(AccessKind::Load, 0x2000, 0x404),
        data(AccessKind::Load, 0x2008, 0x404),
        fetch(0x406, 3),
        fetch(0x409, 5),
        fetch(0x40e, 1),
        data(AccessKind::Prefetch, 0x3000, 0x40e),
        Access { site: 0x500, ..load(0x4000, 8) },
    ];
    assert_eq!(records(&file.end(7)), accesses(expected));
}

#[test]
fn branches_are_read_in_every_version() {
    let branch = |site, taken| Record::Branch(Branch { site, taken, ..Branch::default() });
    let fetch = |addr| Record::Access(fetch(addr, 4));
    let told = File::of(5, 7, 7, 100)
        .entry(48, 4, 0x400)
        .entry(49, 4, 0x500)
        .entry(11, 4, 0x504)
        .instr(0x400)
        .end(7);
    let expected = vec![
        fetch(0x400),
        branch(0x400, true),
        fetch(0x500),
        branch(0x500, false),
        fetch(0x504),
        fetch(0x400),
    ];
    assert_eq!(records(&told), expected);
    // Before version 5 the next instruction tells; a signal's handler does not.
    let untold = File::of(1, 7, 7, 100)
        .entry(13, 4, 0x400)
        .entry(13, 4, 0x500)
        .entry(13, 4, 0x504)
        .marker(0, 0x508)
        .instr(0x900)
        .end(7);
    let expected = vec![
        fetch(0x400),
        branch(0x400, true),
        fetch(0x500),
        branch(0x500, false),
        fetch(0x504),
        fetch(0x900),
    ];
    assert_eq!(records(&untold), expected);
}

#[test]
fn a_program_of_32_bits_is_read() {
    let mut bytes = Vec::new();
    for (kind, size, addr) in [
        (25, 0, 4),
        (28, 12, 4),
        (28, 9, 0x20),
        (22, 4, 9),
        (24, 4, 9),
        (28, 2, 77),
        (10, 4, 0x8000_0000),
        (0, 4, 0xffff_fff0),
        (17, 2, 0x0302),
        (28, 4, 0x10000 + 45),
        (28, 7, 0x0900_0000),
        (26, 0, 0),
    ] {
        let (kind, size): (u16, u16) = (kind, size);
        let addr: u32 = addr;
        bytes.extend(kind.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(addr.to_le_bytes());
    }
    let mut expected = accesses(vec![
        fetch(0x8000_0000, 4),
        Access { size: 4, ..data(AccessKind::Load, 0xffff_fff0, 0x8000_0000) },
        fetch(0x8000_0004, 2),
        fetch(0x8000_0006, 3),
    ]);
    expected.push(Record::Event(0, Event::Brk { end: 0x0900_0000 }));
    assert_eq!(records(&bytes), expected);
    let five = [&bytes[..64], &[17, 0, 5, 0, 1, 1, 1, 1]].concat();
    assert!(error(&five, 64).contains("at most 4"));
}

#[test]
fn system_calls_become_events() {
    const SYSCALL: u64 = 1 << 32;
    let call = |file: File, number: u64, arguments: &[u64], result: u64| {
        let file = file.marker(25, number).marker(4, SYSCALL + number);
        let file = arguments.iter().fold(file, |file, value| file.marker(6, *value));
        file.marker(4, SYSCALL + number).marker(7, result)
    };
    let mut file = File::of(7, 7, 7, 100).instr(0x400);
    file = call(file, 9, &[0, 0x5000, 5, 2, 3, 0], 0x7000_0000);
    file = call(file, 9, &[0x7000_1000, 0x1000, 3, 0x12, 3, 0x1000], 0x7000_1000);
    file = call(file, 9, &[0, 0x2000, 1, 1, 3, 0], 0x8000_0000);
    file = call(file, 9, &[0, 0x3000, 3, 0x22, u64::MAX, 0], 0x9000_0000);
    file = call(file, 10, &[0x9000_0000, 0x1000, 1], 0);
    file = call(file, 28, &[0x9000_0000, 0x1000, 14], 0);
    file = call(file, 12, &[0], 0x60_0000);
    file = call(file, 11, &[0x9000_0000, 0x3000], 0);
    // Failures, calls without arguments, functions, other calls.
    file = call(file, 9, &[0, 0x3000, 3, 0x22, u64::MAX, 0], (-12_i64).cast_unsigned());
    file = call(file, 11, &[1, 0x3000], 0).marker(30, 22);
    file = call(file, 11, &[], 0);
    file = call(file, 202, &[1, 2, 3], 0);
    file = file.marker(4, 9).marker(6, 1).marker(6, 4096).marker(7, 5);
    let bytes = file.instr(0x404).end(7);
    let protection =
        |bits: u8| Protection { read: bits & 1 != 0, write: bits & 2 != 0, execute: bits & 4 != 0 };
    let mapped = |addr, length, bits, shared, backing| Event::Mmap {
        addr,
        length,
        protection: protection(bits),
        shared,
        backing,
    };
    let of = |file, offset| Backing::File { file, offset };
    let expected = [
        mapped(0x7000_0000, 0x5000, 5, false, of(1, 0)),
        mapped(0x7000_1000, 0x1000, 3, false, of(1, 0x1000)),
        mapped(0x8000_0000, 0x2000, 1, true, of(2, 0)),
        mapped(0x9000_0000, 0x3000, 3, false, Backing::Anonymous),
        Event::Mprotect { addr: 0x9000_0000, length: 0x1000, protection: protection(1) },
        Event::Madvise { addr: 0x9000_0000, length: 0x1000, advice: Advice::HugePage },
        Event::Brk { end: 0x60_0000 },
        Event::Munmap { addr: 0x9000_0000, length: 0x3000 },
    ];
    let mut all = vec![Record::Access(fetch(0x400, 4))];
    all.extend(expected.into_iter().map(|event| Record::Event(0, event)));
    all.push(Record::Access(fetch(0x404, 4)));
    assert_eq!(records(&bytes), all);
}

/// The files of three threads, of which two are of one process; what each does, and when.
fn threads() -> Vec<(&'static str, Vec<u8>)> {
    let b = File::of(6, 2, 10, 100).instr(0x200).marker(2, 300).instr(0x204).read(0x2000);
    let a = File::of(6, 1, 10, 200).instr(0x100).marker(2, 300).instr(0x104).marker(2, 400);
    let c = File::of(6, 3, 20, 350).instr(0x300).marker(2, 500).instr(0x304);
    vec![
        ("app.b.trace", b.end(2)),
        ("app.a.trace", a.instr(0x108).end(1)),
        ("app.c.trace", c.end(3)),
    ]
}

/// Writes `files` below `place` of a new directory.
fn directory(place: &str, files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join(place);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    directory
}

/// The fetches' addresses and CPUs, and the switches of processes, in their order.
fn order(path: &Path, cpus: Option<u16>) -> Result<Vec<(u16, u64)>, TraceError> {
    let options = OpenOptions { cpus, ..OpenOptions::default() };
    let (format, mut source) = open_as(&Input::of(path), &options)?;
    assert_eq!(format, Format::Drmemtrace);
    let mut batch = Batch::new();
    let mut list = Vec::new();
    while source.fill(&mut batch)? {
        list.extend(batch.iter().filter_map(|record| match record {
            Record::Access(access) if access.kind == AccessKind::Fetch => {
                Some((access.cpu, access.addr))
            }
            Record::Event(cpu, Event::Switch { process }) => Some((cpu, u64::from(process))),
            _ => None,
        }));
    }
    Ok(list)
}

#[test]
fn threads_interleave_by_time_and_run_on_the_least_loaded_cpu() {
    for place in ["", "trace"] {
        let mut files = threads();
        files.push(("cpu_schedule.bin.zip", b"PK\x03\x04 not a trace".to_vec()));
        files.push(("modules.log", b"Module Table: version 5\n".to_vec()));
        let directory = directory(place, &files);
        // At 300, the file with the lower name goes first.
        let one = [
            (0, 0x200),
            (0, 0x100),
            (0, 0x104),
            (0, 0x204),
            (0, 1),
            (0, 0x300),
            (0, 0),
            (0, 0x108),
            (0, 1),
            (0, 0x304),
        ];
        assert_eq!(order(directory.path(), Some(1)).unwrap(), one);
        // The first thread has ended when the third comes.
        let own = [
            (0, 0x200),
            (1, 0x100),
            (1, 0x104),
            (0, 0x204),
            (0, 1),
            (0, 0x300),
            (1, 0x108),
            (0, 0x304),
        ];
        assert_eq!(order(directory.path(), None).unwrap(), own);
        assert_eq!(order(directory.path(), Some(8)).unwrap(), own);
    }
}

#[test]
fn threads_of_one_file_are_placed_like_files() {
    let file = File::of(1, 1, 10, 100).instr(0x100).entry(22, 4, 2).entry(24, 4, 10).instr(0x200);
    let bytes = file.entry(22, 4, 1).read(0x5000).entry(23, 4, 1).entry(22, 4, 3).instr(0x300);
    let list = records(&bytes.end(3));
    // What belongs to an instruction of another turn is not of the CPU's last one.
    let lone = Access { site: 0x100, ..load(0x5000, 8) };
    let third = |process| Record::Event(0, Event::Switch { process });
    let expected = vec![
        Record::Access(fetch(0x100, 4)),
        Record::Access(Access { cpu: 1, ..fetch(0x200, 4) }),
        Record::Access(lone),
        third(1),
        Record::Access(fetch(0x300, 4)),
    ];
    assert_eq!(list, expected);
}

#[test]
fn a_core_of_its_own_file_is_a_cpu() {
    let core = |tid, time, addr| {
        File::default()
            .entry(25, 0, 7)
            .marker(12, 7)
            .marker(9, 0x10040)
            .entry(22, 4, tid)
            .entry(24, 4, 10)
            .marker(2, time)
            .instr(addr)
            .entry(22, 4, tid + 1)
            .entry(24, 4, 10)
            .instr(addr + 8)
            .end(tid + 1)
    };
    let files = [("core.0.trace", core(1, 20, 0x100)), ("core.1.trace", core(1, 10, 0x200))];
    let directory = directory("", &files);
    let expected = [(1, 0x200), (1, 0x208), (0, 0x100), (0, 0x108)];
    assert_eq!(order(directory.path(), None).unwrap(), expected);
    let folded = expected.map(|(_, addr)| (0, addr));
    assert_eq!(order(directory.path(), Some(1)).unwrap(), folded);
}

#[test]
fn the_times_that_a_chunk_repeats_are_no_times() {
    // The second file runs at 150: the repeated 100 of the first must not let the first go on before.
    let chunked = File::of(6, 1, 10, 100)
        .instr(0x100)
        .marker(21, 0)
        .marker(22, 9)
        .marker(2, 100)
        .marker(3, 5)
        .instr(0x104)
        .marker(2, 200)
        .instr(0x108);
    let other = File::of(6, 2, 10, 150).instr(0x200);
    let files = [("1.trace", chunked.end(1)), ("2.trace", other.end(2))];
    let directory = directory("", &files);
    let order: Vec<_> = order(directory.path(), Some(1)).unwrap();
    assert_eq!(order, [(0, 0x100), (0, 0x104), (0, 0x200), (0, 0x108)]);
}

#[test]
fn directories_without_threads_are_refused() {
    let told = |directory: &tempfile::TempDir| {
        order(directory.path(), None).map(|_| ()).unwrap_err().to_string()
    };
    assert!(told(&directory("", &[("x.log", vec![])])).contains("no thread file"));
    assert!(told(&directory("raw", &[("x.raw", vec![])])).contains("drrun"));
    let broken = [("a.trace", File::of(6, 1, 1, 1).instr(4).end(1)), ("b.trace", vec![1; 13])];
    assert!(told(&directory("", &broken)).contains("b.trace: byte 12"));
}

#[test]
fn broken_files_are_refused_by_their_place() {
    let whole = File::of(5, 7, 7, 100).instr(0x400).read(0x1000);
    let start = whole.0.len() as u64;
    assert!(error(&whole.0[..whole.0.len() - 5], start - 12).contains("found 7 and the end"));
    for (entry, message) in [
        ((50, 0, 0), "found 50"),
        ((0xffff, 0, 0), "found 65535"),
        ((0, 8, u64::MAX), "beyond 64-bit addresses"),
        ((17, 9, 0x0101_0101), "at most 8"),
        ((17, 4, 0x0001_0101), "no bytes"),
        ((25, 0, 8), "version 8"),
        ((28, 12, 0), "version 0"),
    ] {
        let (kind, size, addr) = entry;
        let found = error(&whole.clone().entry(kind, size, addr).0, start);
        assert!(found.contains(message), "{message}: {found}");
    }
    let early = File::of(5, 7, 7, 100);
    let at = early.0.len() as u64;
    assert!(error(&early.entry(17, 1, 1).0, at).contains("before any instruction"));
    let future = File::default().entry(25, 0, 9).0;
    assert!(error(&future, 0).contains("versions 1 to 7"));
    // More threads than are kept apart.
    let many = (0..70_000).fold(File::of(1, 0, 0, 1), |file, tid| file.entry(22, 4, tid));
    assert!(error(&many.0, 12 * (5 + 65_536 - 1)).contains("thread beyond"));
}
