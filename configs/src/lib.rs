//! The machines and studies that ship with Faultline, as the texts of their TOML files.
//!
//! A new machine is a file in `machines/` or `teaching/` and a line in [`MACHINES`].
#![deny(missing_docs)]

mod sources;

pub use sources::{Mark, Source, sources};

/// A machine that ships with Faultline.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// What `base = "…"` and `--config` call it.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Whether it was built: then every number of its TOML is [marked](sources). Others are textbooks'.
    pub built: bool,
    /// Its TOML.
    pub text: &'static str,
}

/// The entry of a file.
macro_rules! machine {
    ($folder:literal, $name:literal, $summary:literal) => {
        Machine {
            name: $name,
            summary: $summary,
            built: matches!($folder.as_bytes(), b"machines"),
            text: include_str!(concat!("../", $folder, "/", $name, ".toml")),
        }
    };
}

/// Every machine, real ones first.
pub static MACHINES: &[Machine] = &[
    machine!("machines", "apple-m1", "Apple M1, a performance core with 16 KiB pages (2020)"),
    machine!(
        "machines",
        "core-i7",
        "Intel Core i7 (Nehalem, 2008), as the CS:APP book describes it"
    ),
    machine!(
        "machines",
        "geode-lx",
        "AMD Geode LX, an in-order core with 32-bit page tables (2005)"
    ),
    machine!("machines", "golden-cove", "Intel Golden Cove, a client core (Alder Lake, 2021)"),
    machine!(
        "machines",
        "golden-cove-server",
        "Intel Golden Cove, a server core (Sapphire Rapids, 2023)"
    ),
    machine!("machines", "neoverse-n1", "Arm Neoverse N1, a server core with 1 MiB of L2 (2020)"),
    machine!("machines", "rocket", "Rocket, the in-order RISC-V core of Rocket Chip, with Sv39"),
    machine!("machines", "skylake", "Intel Skylake, a client core (2015)"),
    machine!("machines", "zen3", "AMD Zen 3, a core with 32 MiB of L3 (2020)"),
    machine!("machines", "zen4", "AMD Zen 4, a core with 32 MiB of L3 (2022)"),
    machine!(
        "teaching",
        "simple-memory-system",
        "the CS:APP book's simple memory system, with contents"
    ),
    machine!("teaching", "toy-16bit", "a 16-bit MMU with 16 pages and 8 frames (Tanenbaum)"),
];

/// The machine called `name`.
pub fn machine(name: &str) -> Option<&'static Machine> {
    MACHINES.iter().find(|machine| machine.name == name)
}

/// A study that ships with Faultline.
#[derive(Debug, Clone, Copy)]
pub struct Study {
    /// What `sweep` calls it.
    pub name: &'static str,
    /// What it asks, in a line.
    pub summary: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

/// The entry of a study's file.
macro_rules! study {
    ($name:literal, $summary:literal) => {
        Study {
            name: $name,
            summary: $summary,
            text: include_str!(concat!("../studies/", $name, ".toml")),
        }
    };
}

/// Every study. A new one is a file in `studies/` and a line here.
pub static STUDIES: &[Study] = &[
    study!("quickstart", "larger second-level TLBs against larger pages"),
    study!("page-size", "the same question for a trace of your own"),
    study!(
        "page-mix",
        "how much of a table needs 2 MiB pages, and of a memory that has few to give"
    ),
    study!("cxl-tier", "a share of a program's pages on CXL memory against its slow-down"),
    study!("false-sharing", "threads whose counters share lines, against counters a line apart"),
    study!("heap-fit", "what an allocator's placement policy costs, in cycles and in memory"),
    study!("memory-load", "latency of DRAM standards against the bandwidth that is asked of them"),
];

/// The study called `name`.
pub fn study(name: &str) -> Option<&'static Study> {
    STUDIES.iter().find(|study| study.name == name)
}
