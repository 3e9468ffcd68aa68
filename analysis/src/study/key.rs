//! The keys of a point: what was varied, as text, in an order that a reader expects.

use std::cmp::Ordering;

use model::units::{ByteSize, Frequency, Span};

/// A swept path and its value, or `workload` or `trace` and its name.
pub type Key = (String, String);

/// A number that orders `text` among others of its kind: plain numbers, sizes, times, frequencies.
pub fn magnitude(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    if let Ok(ByteSize(bytes)) = text.parse() {
        return Some(bytes as f64);
    }
    match text.parse() {
        Ok(Span::Picoseconds(ps)) => return Some(ps as f64),
        Ok(Span::Cycles(cycles)) => return Some(cycles as f64),
        Err(_) => {}
    }
    text.parse().ok().map(|Frequency(hertz)| hertz as f64)
}

/// Orders values by magnitude, then text by its letters; magnitudes come first.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (magnitude(a), magnitude(b)) {
        (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| a.cmp(b)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Orders points by their keys, in the order of the keys.
pub fn compare_all(a: &[Key], b: &[Key]) -> Ordering {
    let pairs = a.iter().zip(b);
    pairs
        .map(|((path, x), (other, y))| path.cmp(other).then_with(|| compare(x, y)))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// What charts call a path: without the containers that its field has anyway.
/// `mmu.tlb.stlb.entries` is "stlb entries", `mmu.page_size` "page size".
pub fn short(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let dropped = match parts.as_slice() {
        ["mmu", "tlb", _, _, ..] => 2,
        ["mmu" | "cache" | "core" | "workload" | "os", _, ..] => 1,
        _ => 0,
    };
    parts[dropped..].join(" ").replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_sort_by_magnitude() {
        let mut values = ["1536", "2MiB", "96", "lru", "4KiB", "fifo", "384"];
        values.sort_by(|a, b| compare(a, b));
        assert_eq!(values, ["96", "384", "1536", "4KiB", "2MiB", "fifo", "lru"]);
        assert_eq!(compare("100ns", "12us"), Ordering::Less);
    }

    #[test]
    fn paths_have_short_names() {
        assert_eq!(short("mmu.tlb.stlb.entries"), "stlb entries");
        assert_eq!(short("mmu.page_size"), "page size");
        assert_eq!(short("cache.l2.size"), "l2 size");
        assert_eq!(short("dram.channels"), "dram channels");
        assert_eq!(short("workload"), "workload");
    }
}
