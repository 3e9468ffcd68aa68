//! How much memory a study takes, and how much it may.
//!
//! A function half's bytes are those of its structures, by entries and lines, and of the pages that the
//! trace touches, by page; a time half's are nearly the same for all. The figures are upper bounds of what
//! the model allocates, which a test measures.

use std::fs;

use model::cache::settings::Cache;
use model::config::Config;
use model::os::settings::Memory;

/// Bytes of an entry of a TLB or a paging-structure cache.
const ENTRY: u64 = 48;
/// Bytes of a cache line's state.
const LINE: u64 = 32;
/// Bytes of a line in the directory of what several CPUs have, in a table that is at least half full.
const SHARER: u64 = 40;
/// Bytes of everything else that one CPU more has.
const CPU: u64 = 256 << 10;
/// Bytes of a page that was touched: its entry in the page table, its frame, its reverse mapping, and
/// while pages are mapped before the trace starts, its number.
const PAGE: u64 = 160;
/// Bytes of everything else in a function half.
const FUNCTION: u64 = 1 << 20;
/// Bytes of a time half: its window, its queues and its distributions.
const TIME: u64 = 1 << 20;
/// Bytes of batches and outcomes on their way, for each function half of a pass.
const STREAM: u64 = 8 << 20;
/// Where nothing says how much memory there is.
const UNKNOWN: u64 = 4 << 30;

/// Bytes of the function half of `config`, with the batches and outcomes on their way, after a trace that
/// touches `pages` pages of 4 KiB; `None` where nobody knows how many.
pub fn function(config: &Config, pages: Option<u64>) -> u64 {
    // Every CPU has these; caches may be shared.
    let cpus = u64::from(config.core.count);
    let entries = config.mmu.tlb.iter().map(|tlb| u64::from(tlb.entries)).sum::<u64>()
        + config.mmu.pwc.iter().map(|pwc| u64::from(pwc.entries)).sum::<u64>();
    let lines = |cache: &Cache| {
        let lines = cache.size.0 / cache.line.0.max(1);
        if cache.is_shared() { lines } else { lines.saturating_mul(cpus) }
    };
    let lines = config.cache.iter().map(lines).fold(0, u64::saturating_add);
    // A private line is in the directory too.
    let line = if cpus > 1 { LINE + SHARER } else { LINE };
    let entries = entries.saturating_mul(cpus);
    let structures = entries.saturating_mul(ENTRY).saturating_add(lines.saturating_mul(line));
    let structures = structures.saturating_add(CPU * (cpus - 1));
    let pages = touched(config, pages).saturating_mul(PAGE);
    structures.saturating_add(pages).saturating_add(FUNCTION + STREAM)
}

/// The most base pages that a machine keeps of a trace with `pages` pages of 4 KiB: its memory and its
/// swap hold no more.
fn touched(config: &Config, pages: Option<u64>) -> u64 {
    let size = config.mmu.base_page().0.max(1);
    let frames = match config.os.memory {
        Some(Memory::Frames(frames)) => frames,
        Some(Memory::Bytes(bytes)) => bytes.0 / size,
        None => u64::MAX,
    };
    let slots: u64 =
        config.swap.areas(size).iter().map(|area| area.slots).fold(0, u64::saturating_add);
    let held = frames.saturating_add(slots);
    // Smaller pages than 4 KiB: each of those may have several.
    let pages = pages.map_or(u64::MAX, |pages| pages.saturating_mul((4096 / size).max(1)));
    let kept = pages.min(held);
    // What is kept by frame reaches from the first frame in use to the last: into the last node.
    if config.numa.node.len() > 1 { kept.max(frames) } else { kept }
}

/// Bytes of a time half.
pub fn time() -> u64 {
    TIME
}

/// What a study may take where the user does not say: half of what is available now, within the limits of
/// the process.
pub fn default_bound() -> u64 {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let known = [
        available(&read("/proc/meminfo")),
        address_space(&read("/proc/self/limits")),
        read("/sys/fs/cgroup/memory.max").trim().parse().ok(),
    ];
    known.into_iter().flatten().min().unwrap_or(2 * UNKNOWN) / 2
}

/// Bytes that /proc/meminfo says are available.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// The soft limit of the address space in /proc/self/limits (`ulimit -v`); none where it is unlimited.
fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let meminfo = "MemTotal:       24684092 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(available(meminfo), Some(1 << 20));
        let limits =
            "Max open files 1024 1024 files\nMax address space  6442450944 unlimited bytes\n";
        assert_eq!(address_space(limits), Some(6 << 30));
        assert_eq!(address_space(&limits.replace("6442450944", "unlimited")), None);
        assert!(default_bound() > 0);
    }

    #[test]
    fn a_machine_holds_no_more_pages_than_its_memory_and_swap() {
        let mut config = Config::default().resolve().unwrap();
        let small = function(&config, Some(1000));
        assert_eq!(function(&config, Some(2000)) - small, 1000 * PAGE);
        config.os.memory = Some(Memory::Frames(10));
        config.swap.size.0 = 0;
        assert_eq!(small - function(&config, Some(1000)), 990 * PAGE);
        assert_eq!(function(&config, Some(1000)), function(&config, None));
    }
}
