//! The machines and studies that ship with Faultline, as the texts of their TOML files.
//!
//! A new machine is a file in `machines/` or `teaching/` and a line in [`MACHINES`].
#![deny(missing_docs)]

/// A machine that ships with Faultline.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// What `base = "…"` and `--config` call it.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

/// Every machine, real ones first.
pub static MACHINES: &[Machine] = &[Machine {
    name: "skylake",
    summary: "Intel Skylake client core (2015)",
    text: include_str!("../machines/skylake.toml"),
}];

/// The machine called `name`.
pub fn machine(name: &str) -> Option<&'static Machine> {
    MACHINES.iter().find(|machine| machine.name == name)
}
