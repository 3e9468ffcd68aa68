//! What the interface names and the model does not have yet, so that it is refused by name.

/// Values of settings. A setting in an array is written without its element's name.
const VALUES: [(&str, &[&str]); 4] = [
    ("mmu.page_table", &["cuckoo"]),
    ("cache.indexing", &["vivt"]),
    ("os.reclaim", &["linux-lru", "mglru"]),
    ("os.thp", &["madvise", "always"]),
];

/// Values of settings that have few.
const FEW: [(&str, &[&str]); 1] = [("swap.readahead_by", &["vma"])];

/// Keys.
const KEYS: [&str; 0] = [];

/// `setting` without the names of array elements.
fn generic(setting: &str) -> String {
    let steps: Vec<_> = setting.split('.').collect();
    match steps.as_slice() {
        ["mmu", array @ ("tlb" | "pwc"), _, rest @ ..] => {
            format!("mmu.{array}.{}", rest.join("."))
        }
        ["cache", _, rest @ ..] => format!("cache.{}", rest.join(".")),
        _ => setting.to_owned(),
    }
}

/// Whether `value` of `setting` is named by the interface and not modelled yet.
pub fn is_planned(setting: &str, value: &str) -> bool {
    names(&generic(setting), value)
}

/// The same of a setting that is written without the names of array elements.
pub fn names(setting: &str, value: &str) -> bool {
    VALUES.iter().chain(&FEW).any(|(name, values)| *name == setting && values.contains(&value))
}

/// Whether the setting itself is named by the interface and not modelled yet.
pub fn is_planned_key(setting: &str) -> bool {
    KEYS.contains(&generic(setting).as_str())
}
