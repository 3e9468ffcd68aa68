//! How fast Faultline is: one list of cases, which `benches/time.rs` times and `benches/instructions.rs`
//! counts the instructions of.
//!
//! A [`Case`] is prepared once, with everything that is not to be measured, and then does one
//! [`Round`]. A case is a line or a few in one of the files under [`cases`]; [`cases::all`] lists those
//! files.
#![deny(missing_docs)]
// A benchmark whose parts are not there cannot go on: what it expects is part of itself.
#![allow(clippy::missing_panics_doc, reason = "a benchmark that cannot be built has to stop")]

pub mod baseline;
pub mod callgrind;
pub mod cases;
pub mod machine;
pub mod scale;
pub mod stream;

/// The work that is measured.
pub type Round = Box<dyn FnMut()>;

/// Something to measure.
pub struct Case {
    /// What it is, as `group/part/variant`.
    pub name: String,
    /// How many accesses, records or points one round is about.
    pub elements: u64,
    prepare: Box<dyn Fn() -> Round>,
}

impl Case {
    /// A case called `name` that `prepare` makes ready for one round over `elements` things.
    pub fn new(
        name: impl Into<String>,
        elements: u64,
        prepare: impl Fn() -> Round + 'static,
    ) -> Self {
        Self { name: name.into(), elements, prepare: Box::new(prepare) }
    }

    /// Does everything that comes before the round, which is to be run once.
    pub fn prepare(&self) -> Round {
        (self.prepare)()
    }
}

/// Runs `round`. A profiler that collects inside this function alone sees the round and nothing of its
/// preparation.
#[inline(never)]
pub fn measured_round(round: &mut Round) {
    round();
    // Keeps the call from becoming a jump, which would leave this function before the work is done.
    std::hint::black_box(());
}
