//! A number for the sources that decide how a simulator's state is laid out: states are read back by the
//! program that wrote them and by no other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the types of a state are declared.
const DECLARED: [&str; 2] = ["src", "../tracegen/src/record.rs"];

/// What is compiled for tests alone, and the twin, which has no state to keep.
const APART: [&str; 4] = ["tests", "tests.rs", "testing.rs", "reference"];

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for path in DECLARED {
        collect(Path::new(path), &mut files)?;
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        hash = fnv(hash, file.to_string_lossy().as_bytes());
        hash = fnv(hash, &fs::read(file)?);
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=MODEL_SOURCES={hash:016x}");
    Ok(())
}

/// Adds the source files at or below `path`. A new one comes with a change of the one that names it.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.file_name().is_some_and(|name| APART.iter().any(|apart| name == *apart)) {
        return Ok(());
    }
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

/// FNV-1a, going on from `hash`.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
