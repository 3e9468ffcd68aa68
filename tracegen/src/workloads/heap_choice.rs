//! The parameters that choose a heap model, for every workload that allocates.

use super::{Default, Facts, Kind, Parameter, Settings};
use crate::error::TraceError;
use crate::heap::{self, ALLOCATORS, Fit, Order, Usage};

/// The heap model.
pub(super) const ALLOCATOR: Parameter = Parameter {
    name: "allocator",
    kind: Kind::Name(ALLOCATORS),
    default: Default::Value("implicit-list"),
    doc: "The heap model",
};

/// Which block is taken.
pub(super) const FIT: Parameter = Parameter {
    name: "fit",
    kind: Kind::Name(Fit::NAMES),
    default: Default::Derived("first, and best in a size-tree and in glibc"),
    doc: "Which of the free blocks that are large enough is taken",
};

/// The order of its lists.
pub(super) const ORDER: Parameter = Parameter {
    name: "order",
    kind: Kind::Name(Order::NAMES),
    default: Default::Derived("lifo"),
    doc: "Where a list takes a freed block (explicit-list, segregated)",
};

/// The size of its words.
pub(super) const WORD: Parameter = Parameter {
    name: "word",
    kind: Kind::Integer { min: 4, max: 8 },
    default: Default::Derived("4, and 8 in glibc"),
    doc: "Bytes of a header, footer or link: 4 or 8",
};

/// When it merges.
pub(super) const COALESCE: Parameter = Parameter {
    name: "coalesce",
    kind: Kind::Name(&["immediate", "deferred"]),
    default: Default::Derived("immediate"),
    doc: "When free neighbours merge: at once, or when a search fails",
};

/// Where its footers are.
pub(super) const FOOTERS: Parameter = Parameter {
    name: "footers",
    kind: Kind::Name(&["all", "free"]),
    default: Default::Derived("all"),
    doc: "Which blocks have a footer",
};

/// The heap that the parameters above choose.
///
/// # Errors
/// A parameter that the model has no use for is set.
pub(super) fn chosen(settings: &mut Settings) -> Result<heap::Settings, TraceError> {
    let allocator = settings.name("allocator")?;
    let glibc = allocator == "glibc";
    let lists = matches!(allocator, "explicit-list" | "segregated");
    for (name, applies) in
        [("order", lists), ("coalesce", !glibc), ("footers", !glibc), ("fit", !glibc)]
    {
        // The only fit that these have may be said.
        let said = glibc && name == "fit" && settings.name_or("fit", "best")? == "best";
        if settings.is_set(name) && !applies && !said {
            let why = format!("nothing: {allocator} has no such choice");
            return Err(settings.refuse(name, &why));
        }
    }
    let best = glibc || allocator == "size-tree";
    let word = settings.integer_or("word", if glibc { 8 } else { 4 })?;
    if word != 4 && word != 8 {
        return Err(settings.refuse("word", "4 or 8"));
    }
    let fit = settings.name_or("fit", if best { "best" } else { "first" })?;
    let order = if lists { settings.name_or("order", "lifo")? } else { "lifo" };
    let coalesce = if glibc { "immediate" } else { settings.name_or("coalesce", "immediate")? };
    let footers = if glibc { "all" } else { settings.name_or("footers", "all")? };
    let undeclared = || settings.refuse("allocator", "a heap model");
    Ok(heap::Settings {
        allocator,
        fit: Fit::named(fit).ok_or_else(undeclared)?,
        order: Order::named(order).ok_or_else(undeclared)?,
        word: word as u32,
        deferred: coalesce == "deferred",
        elide_footers: footers == "free",
    })
}

/// What a heap has come to while the program had `peak` bytes of payload at most, with the overhead
/// O_k = heap / payload - 1 (CS:APP 9.9.3).
pub(super) fn facts(facts: Facts, usage: Usage, peak: u64) -> Facts {
    let ratio = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
    facts
        .with("peak_payload_bytes", peak)
        .with("heap_bytes", usage.heap_bytes)
        .with("utilization", ratio(peak, usage.heap_bytes))
        .with("overhead", ratio(usage.heap_bytes.saturating_sub(peak), peak))
        .with("search_steps", usage.search_steps)
        .with("brk_calls", usage.breaks)
        .with("mmap_calls", usage.maps)
}
