//! Main memory alone: reads that hit the open row, conflict with it, or go anywhere, 1 and 32 of them in
//! flight; a read is asked for when the oldest has been answered. Reads that go anywhere also under every
//! other standard and under choices that are not the default, with 32 in flight.

use std::hint::black_box;

use model::address::PhysAddr;
use model::time::dram::{Dram, settings};
use model::units::Span;

use crate::{Case, stream};

const READS: u64 = 1 << 14;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for in_flight in [1, 32] {
        cases.push(case("row-hit", in_flight, || |read| read * 64));
        // Beyond rows, banks, bank groups and channels of every standard: another row of one bank.
        cases.push(case("row-conflict", in_flight, || |read| (read % 64) << 25));
        cases.push(case("uniform", in_flight, uniform));
    }
    let default = settings::Dram::default();
    for &preset in settings::DramPreset::ALL {
        if preset != default.preset {
            let memory = settings::Dram { preset, ..default.clone() };
            cases.push(case_of(preset.name(), 32, memory, uniform));
        }
    }
    let timeout = settings::RowPolicy::Timeout(Span::Picoseconds(100_000));
    for (name, page) in [("closed", settings::RowPolicy::Closed), ("timeout", timeout)] {
        cases.push(case_of(name, 32, settings::Dram { page, ..default.clone() }, uniform));
    }
    let per_bank = settings::Dram {
        preset: settings::DramPreset::Ddr5_4800,
        refresh: settings::Refresh::PerBank,
        ..default
    };
    cases.push(case_of("per-bank-refresh", 32, per_bank, uniform));
    cases
}

/// Reads that go anywhere.
fn uniform() -> impl FnMut(u64) -> u64 {
    let mut line = stream::uniform(1 << 25);
    move |read| line(read) * 64
}

fn case<A: FnMut(u64) -> u64 + 'static>(
    name: &str,
    in_flight: u64,
    addresses: impl Fn() -> A + 'static,
) -> Case {
    case_of(name, in_flight, settings::Dram::default(), addresses)
}

fn case_of<A: FnMut(u64) -> u64 + 'static>(
    name: &str,
    in_flight: u64,
    settings: settings::Dram,
    addresses: impl Fn() -> A + 'static,
) -> Case {
    Case::new(format!("dram/{name}/{in_flight}"), READS, move || {
        let mut memory = Dram::new(&settings).expect("a memory as it should be");
        let mut addresses = addresses();
        Box::new(move || {
            let (mut now, mut flying) = (0, 0);
            for read in 0..READS {
                if flying == in_flight
                    && let Some((_, finish)) = black_box(memory.advance(u64::MAX))
                {
                    now = finish;
                    flying -= 1;
                }
                memory.submit(now, PhysAddr(addresses(read)), false);
                flying += 1;
            }
        })
    })
}
