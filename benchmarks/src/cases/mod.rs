//! The cases, a file for each part of the program.

mod cache;
mod container;
mod dram;
mod fault;
mod policy;
mod reclaim;
mod run;
mod study;
mod tlb;
mod walk;

use crate::Case;

/// Every case, in the order of the way that an access takes.
pub fn all() -> Vec<Case> {
    let parts = [
        container::cases(),
        tlb::cases(),
        walk::cases(),
        cache::cases(),
        dram::cases(),
        fault::cases(),
        policy::cases(),
        reclaim::cases(),
        run::cases(),
        study::cases(),
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_line_of_the_baseline() {
        let cases = all();
        for case in &cases {
            let same = cases.iter().filter(|other| other.name == case.name).count();
            assert_eq!(same, 1, "{}", case.name);
            assert!(!case.name.contains([',', ' ', '"', '\n']), "{}", case.name);
            assert!(case.elements > 0, "{}", case.name);
        }
    }
}
