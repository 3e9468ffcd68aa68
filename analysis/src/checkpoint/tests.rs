//! Files that are not what was written.

use xxhash_rust::xxh3::xxh3_128;

use super::file::{self, Broken};
use super::*;

fn origin() -> Origin {
    Origin {
        model: "model".to_owned(),
        trace: 7,
        seed: 1,
        machine: "cache.l1d.ways = 8\nmmu.asids = 4\n".to_owned(),
        warmup: 1000,
        mapped: None,
    }
}

type Content = (String, Vec<u64>);

fn read(bytes: &[u8]) -> Result<(Origin, Content), Broken> {
    Ok((file::origin(bytes)?, file::state(bytes)?))
}

/// The file with its checksum made right again.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 16;
    let sum = xxh3_128(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&sum);
    bytes
}

#[test]
fn every_flip_and_every_truncation_is_seen() {
    let content: Content = ("state".to_owned(), (0..99).collect());
    let bytes = file::seal(&origin(), &content).unwrap();
    assert_eq!(read(&bytes), Ok((origin(), content)));
    for at in 0..bytes.len() {
        assert!(file::origin(&bytes[..at]).is_err(), "cut at {at}");
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        assert!(file::origin(&flipped).is_err(), "flip at {at}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(read(&longer), Err(Broken::Checksum));
    assert_eq!(read(b"name = \"skylake\""), Err(Broken::Foreign));
}

/// With the checksum right: an error or another origin, and never a panic.
#[test]
fn what_was_changed_on_purpose_is_an_error_or_another_origin() {
    let bytes = file::seal(&origin(), &(String::new(), vec![1u64; 50])).unwrap();
    let length = u32::from_le_bytes(*bytes[12..].first_chunk().unwrap()) as usize;
    for (at, bit) in (0..16 + length).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        if let Ok((other, _)) = read(&resealed(flipped)) {
            assert_ne!(other, origin());
        }
    }
}

/// A length of 2^60, and one that only the limit refuses: neither is allocated.
#[test]
fn lengths_beyond_the_content_are_refused() {
    for length in [1u64 << 60, 1 << 33] {
        let bytes = file::seal(&origin(), &(0u64, length)).unwrap();
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, Broken::Content(_)), "{error}");
    }
    let bytes = file::seal(&origin(), &(0u64, 0u64, 9u8)).unwrap();
    assert!(matches!(read(&bytes), Err(Broken::Content(_))), "more than it says");
}

#[test]
fn another_origin_is_refused_by_what_differs() {
    let told = |change: fn(&mut Origin)| {
        let mut run = origin();
        change(&mut run);
        origin().refusal(&run).unwrap_or_default()
    };
    assert_eq!(told(|run| run.warmup = 5), "");
    assert_eq!(
        told(|run| run.machine = "cache.l1d.ways = 8\nmmu.asids = 9\nos.limit = 5\n".to_owned()),
        "it is of another machine: mmu.asids is 4 there and 9 here, os.limit is absent there and 5 here"
    );
    assert_eq!(told(|run| run.trace = 8), "it is of another trace");
    assert!(told(|run| run.model.clear()).contains("another version"));
    assert!(told(|run| run.seed = 3).contains("--seed 1, and this run has 3"));
    assert!(told(|run| run.mapped = Some((Some(9), false))).contains("this run has --limit 9"));
    let many: String = (0..9).map(|n| format!("a.{n} = 1\n")).collect();
    assert!(differences(&many, "").ends_with("and 5 more differ"));
}
