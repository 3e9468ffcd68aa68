//! Every reader meets thousands of damaged files: it reads or refuses them, and no more.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::*;

/// A valid file of each format, of one compression each.
fn samples() -> Vec<(Format, Vec<u8>)> {
    let lackey: String =
        (0..400).map(|n| format!("I  {:08x},3\n L {:x},8\n", n * 3, n * 64)).collect();
    let din: String = (0..400).map(|n| format!("{} {:x}\n", n % 3, n * 64)).collect();
    let table: String = (0..400).map(|n| format!("{n},{},x\n", n * 7 % 50)).collect();
    let operations: String = (0..200).map(|n| format!("a {n} {}\n", n * 8)).collect();
    let perf: String = (0..200)
        .map(|n| format!("ls {n}/{n} [00{}] 1.{n}: 1 page-faults: {n}000 400\n", n % 8))
        .collect();
    let damon: String = (0..200).map(|n| format!("{n}000-{n}fff(4 KiB): {n}\n")).collect();
    let champsim: Vec<u8> = (1..200_u64)
        .flat_map(|n| [n * 4, 0x0201_0201_0201_0000, n * 64, 0, n * 128, 0, 0, 0])
        .flat_map(u64::to_le_bytes)
        .collect();
    let mut drmemtrace = Vec::new();
    let mut entry = |kind: u16, size: u16, addr: u64| {
        drmemtrace.extend([kind.to_le_bytes(), size.to_le_bytes()].concat());
        drmemtrace.extend(addr.to_le_bytes());
    };
    [(25, 0, 6), (28, 12, 6), (28, 9, 0x40), (22, 4, 1), (24, 4, 1)]
        .into_iter()
        .for_each(|(kind, size, addr)| entry(kind, size, addr));
    for n in 0..200 {
        entry(28, 2, n);
        entry(47, 4, n);
        entry(10 + (n % 7) as u16, 4, n * 4);
        entry((n % 2) as u16, 8, n * 64);
        entry(17, 3, 0x04_0404);
        entry(28, 4, (1 << 32) + 9);
        entry(28, 6, n);
        entry(28, 7, n);
    }
    vec![
        (Format::Lackey, lackey.into_bytes()),
        (Format::Din, din.into_bytes()),
        (Format::Csv, format!("a,page,b\n{table}").into_bytes()),
        (Format::Pages, (0..400).map(|n| format!("{n}\n")).collect::<String>().into_bytes()),
        (Format::Rep, format!("1\n200\n200\n1\n{operations}").into_bytes()),
        (Format::PerfScript, perf.into_bytes()),
        (Format::Damon, damon.into_bytes()),
        (Format::Champsim, champsim),
        (Format::Drmemtrace, drmemtrace),
    ]
}

/// Does something to `bytes`.
fn damage(bytes: &mut Vec<u8>, random: &mut Pcg64Mcg) {
    for _ in 0..random.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            3 => {
                let end = (at + random.random_range(1..40)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + random.random_range(1..40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let end = (at + 8).min(bytes.len());
                bytes[at..end].fill([0, 0xff, b'9', b'\n'][random.random_range(0..4)]);
            }
        }
    }
}

/// Reads all of `bytes` and returns how many records there were, at most so many as they have bytes
/// (a region of DAMON's: a thousand).
fn drain(format: Option<Format>, bytes: Vec<u8>) -> Result<u64, TraceError> {
    let length = bytes.len() as u64;
    let stream = Stream::over(&Input::Stdin, Cursor::new(bytes), Some(length))?;
    let options = OpenOptions { format, cpus: Some(4), ..OpenOptions::default() };
    let mut source = open_stream(stream, &options)?.1;
    let (mut batch, mut records) = (Batch::new(), 0);
    while source.fill(&mut batch)? {
        assert!(batch.accesses() <= crate::batch::BATCH_ACCESSES);
        records += batch.records() as u64;
    }
    Ok(records)
}

#[test]
fn damaged_files_are_read_or_refused() {
    let mut random = Pcg64Mcg::seed_from_u64(7);
    let mut refused = 0;
    for (format, valid) in samples() {
        assert!(drain(Some(format), valid.clone()).unwrap() >= 200, "{}", format.name());
        assert!(drain(None, valid.clone()).is_ok(), "{} is not guessed", format.name());
        for _ in 0..400 {
            let mut bytes = valid.clone();
            damage(&mut bytes, &mut random);
            let most = 1024 * (bytes.len() as u64 + 1);
            let forced = random.random::<bool>().then_some(format);
            match drain(forced, bytes) {
                Ok(records) => assert!(records <= most),
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn damaged_compressed_files_are_read_or_refused() {
    let mut random = Pcg64Mcg::seed_from_u64(8);
    let text: String = (0..3000).map(|n| format!("{}\n", n * 7919 % 10_007)).collect();
    for (name, compress) in compression::ALL {
        let valid = compress(text.as_bytes());
        for _ in 0..200 {
            let mut bytes = valid.clone();
            damage(&mut bytes, &mut random);
            if let Ok(records) = drain(Some(Format::Pages), bytes) {
                assert!(records <= 10 * 3000, "{name}");
            }
        }
    }
}

#[test]
fn every_format_reads_what_is_of_another() {
    let samples = samples();
    for (format, _) in &samples {
        for (_, bytes) in &samples {
            // Read or refused; the content decides which.
            let _ = drain(Some(*format), bytes.clone());
        }
    }
}
