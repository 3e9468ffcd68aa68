//! One translation as text that a student reads; the same as data is
//! [`Inspection`](model::function::inspect::Inspection).

use std::fmt::Write;

use model::address::PageShift;
use model::config::{Config, Line};
use model::function::inspect::Inspection;
use model::units::ByteSize;

/// Renders what an access to an address meets on the machine `config`.
pub fn text(config: &Config, seen: &Inspection) -> String {
    let mut out = String::new();
    // A resolved configuration has a page size that is a power of two.
    let page = PageShift(config.mmu.base_page().0.trailing_zeros() as u8);
    let bits = u32::from(config.mmu.va_bits.unwrap_or(48));
    let _ = writeln!(out, "virtual address {:#x}", seen.va);
    if config.mmu.enabled {
        let _ = writeln!(out, "  {}", split(seen.va, bits, u32::from(page.0)));
        let _ = writeln!(
            out,
            "  VPN {:#x}, offset {:#x} ({} pages)",
            seen.vpn,
            seen.vpo,
            config.mmu.base_page()
        );
        translation(&mut out, seen);
    } else {
        out.push_str("  not translated: the virtual address is the physical one\n");
    }
    match (seen.ppn, seen.pa) {
        (Some(ppn), Some(pa)) => {
            let _ = writeln!(out, "physical address {pa:#x}: PPN {ppn:#x}, offset {:#x}", seen.vpo);
        }
        (None, Some(pa)) => {
            let _ = writeln!(out, "physical address {pa:#x}");
        }
        _ => {}
    }
    caches(&mut out, config, seen);
    out
}

/// The address in binary, cut where the page offset begins.
fn split(va: u64, bits: u32, offset: u32) -> String {
    let digits = format!("{va:0width$b}", width = bits as usize);
    let at = digits.len().saturating_sub(offset as usize);
    let (vpn, vpo) = digits.split_at(at);
    format!("{vpn} · {vpo}")
}

fn translation(out: &mut String, seen: &Inspection) {
    for tlb in &seen.tlb {
        let _ = writeln!(
            out,
            "{}: set {:#x}, tag {:#x}: {}",
            tlb.name,
            tlb.index,
            tlb.tag,
            if tlb.hit { "hit" } else { "miss" }
        );
    }
    for step in &seen.walk {
        let _ =
            write!(out, "walk, level {}: entry {} at {:#x}", step.level, step.index, step.entry_pa);
        let _ = match &step.served_by {
            Some(place) => writeln!(
                out,
                " holds {:#x}, read from {place}{}",
                step.value,
                if step.present { "" } else { ": not present" }
            ),
            None => writeln!(out, " is not read: a paging-structure cache knows what it says"),
        };
    }
    if let (Some(bytes), Some(level)) = (seen.page_bytes, seen.leaf_level) {
        let size = ByteSize(bytes);
        let _ = writeln!(out, "page of {size}, by an entry of level {level}");
    }
    if let Some(kind) = seen.fault_kind {
        let _ = writeln!(out, "page fault: {}", meaning(kind));
    }
}

/// What a kind of fault means for the access.
fn meaning(kind: &str) -> &'static str {
    match kind {
        "anonymous" => {
            "anonymous memory, touched for the first time: the kernel maps a zeroed frame"
        }
        "zero_page" => {
            "anonymous memory, read for the first time: the kernel maps the shared zero page"
        }
        "file" => "a page of a file: the kernel maps it from the page cache or reads it",
        "cow_copied" => "a store to a shared frame: the kernel copies it",
        "cow_reused" => "a store to a frame that is shared no longer: the kernel makes it writable",
        "swap_in" => "the page is on the swap device: the kernel reads it back",
        "spurious" => "the entry is valid after all: the access is tried again",
        "protection" => {
            "the area does not permit the access: a protection fault, the access ends here"
        }
        "out_of_memory" => "no frame is free and none can be freed",
        _ => "no area holds the address: a segmentation fault, the access ends here",
    }
}

fn caches(out: &mut String, config: &Config, seen: &Inspection) {
    for cache in &seen.cache {
        let _ = write!(
            out,
            "{}: offset {:#x}, set {:#x}, tag {:#x}: {}",
            cache.name,
            cache.offset,
            cache.index,
            cache.tag,
            if cache.hit { "hit" } else { "miss" }
        );
        let _ = match cache.byte {
            Some(byte) => writeln!(out, ", byte {byte:#04x}"),
            None => writeln!(out),
        };
        let lines = config.state.iter().flat_map(|state| &state.line);
        let line = lines.filter(|_| cache.hit).find(|line| {
            line.name == cache.name && u64::from(line.set) == cache.index && line.tag == cache.tag
        });
        if let Some(words) = line.and_then(|line| orders(line, cache.offset)) {
            let _ = writeln!(out, "  {words}");
        }
    }
    if seen.pa.is_some() && seen.cache.iter().all(|cache| !cache.hit) {
        out.push_str("memory: the line is read from DRAM\n");
    }
}

/// The four bytes from `offset` on as a word in both byte orders, where the line has that many.
fn orders(line: &Line, offset: u64) -> Option<String> {
    let start = usize::try_from(offset).ok()?;
    let bytes: [u8; 4] = line.bytes.get(start..start.checked_add(4)?)?.try_into().ok()?;
    let [a, b, c, d] = bytes;
    let (little, big) = (u32::from_le_bytes(bytes), u32::from_be_bytes(bytes));
    Some(format!(
        "bytes {a:02x} {b:02x} {c:02x} {d:02x}: {little:#010x} little-endian, {big:#010x} big-endian"
    ))
}
