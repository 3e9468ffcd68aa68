//! What TLBs and caches may be called: results and paths use their names.

use super::Config;
use super::validate::{Check, fault};

/// Names that statistics, histograms or components of cycles have, or that stand for something else.
const RESERVED: [&str; 29] = [
    "access",
    "access_cycles",
    "base",
    "branch",
    "cache",
    "cpu",
    "cycles",
    "dram",
    "fault_major",
    "fault_minor",
    "fault_ns",
    "ideal",
    "idle",
    "kernel",
    "memory",
    "numa",
    "os",
    "peer",
    "prefetch",
    "pwc",
    "run",
    "swap",
    "swap_read_ns",
    "tlb",
    "trace",
    "walk",
    "walk_cycles",
    "walker",
    "workload",
];

impl Config {
    /// Whether every TLB and cache has a name of its own that means nothing else.
    pub(super) fn names(&self) -> Check {
        let tlbs = self.mmu.tlb.iter().map(|tlb| ("mmu.tlb", &tlb.name));
        let caches = self.cache.iter().map(|cache| ("cache", &cache.name));
        let mut seen: Vec<&str> = Vec::new();
        for (array, name) in tlbs.chain(caches) {
            let path = format!("{array}.{name}.name");
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return fault(
                    array,
                    format!("the name `{name}` is not of letters, digits, - and _"),
                );
            }
            if RESERVED.contains(&name.as_str()) {
                return fault(path, format!("`{name}` means something else in the results"));
            }
            if seen.contains(&name.as_str()) {
                return fault(path, format!("another TLB or cache is called `{name}` too"));
            }
            seen.push(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::function::Simulator;
    use crate::mmu::settings::{Tlb, Ways};
    use crate::statistics::Statistics;
    use crate::time::Timing;

    /// What a machine without TLBs and caches reports has names that no TLB or cache may have.
    #[test]
    fn a_name_that_results_use_is_refused() {
        let config = Config::default().resolve().unwrap();
        let mut statistics = Statistics::default();
        Simulator::new(&config, 1).unwrap().report(&mut statistics);
        let timing = Timing::new(&config).unwrap();
        timing.report(&mut statistics);
        let mut names: BTreeSet<&str> =
            timing.histograms().into_iter().map(|(name, _)| name).collect();
        for entry in statistics.iter() {
            let mut parts = entry.name.split('.');
            let first = parts.next().unwrap();
            names.insert(first);
            names.extend(parts.next().filter(|_| first == "cycles"));
        }
        assert!(names.contains("run") && names.contains("fault_minor"), "{names:?}");
        for name in names {
            let mut config = Config::default();
            config.mmu.tlb.push(Tlb {
                name: name.to_owned(),
                level: 1,
                serves: crate::cache::settings::Stream::both(),
                pages: None,
                entries: 4,
                ways: Ways::Full,
                latency: None,
                replacement: Default::default(),
                lookup: Default::default(),
                predictor_entries: None,
            });
            let error = config.resolve().unwrap_err();
            assert_eq!(error.key, format!("mmu.tlb.{name}.name"));
        }
    }
}
