//! What a component costs: the time of the same outcomes on a machine where it is perfect.
//!
//! A cycle stack charges each cycle to one component, but costs overlap: what is behind a component shows when
//! it is gone. Perfect means
//! - `branch`: every branch is predicted;
//! - `tlb`: looking TLBs up takes no time;
//! - `walk`: a walk takes no time, needs no walker and reads nothing;
//! - a cache: looking it up takes no time, and it never runs out of miss registers nor waits for its link;
//! - `peer`: other CPUs answer at once;
//! - `dram`: memory answers at once;
//! - `fault_minor`, `fault_major`, `kernel`: such faults, or other kernel work, do not take place;
//! - `swap`: the device answers at once.
//!
//! What hits where stays as it is. Base cycles have no ideal, they are what is left; nor have idle ones.

use crate::config::Config;
use crate::outcome::{OutcomeKind, Work};

/// A component that can be made perfect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// Branch prediction.
    Branch,
    /// TLB look-ups.
    Tlb,
    /// Page walks.
    Walk,
    /// A cache, as its index in the configuration's `[[cache]]` list.
    Cache(u8),
    /// Memory.
    Dram,
    /// Other CPUs' caches.
    Peer,
    /// Minor faults.
    FaultMinor,
    /// Major faults.
    FaultMajor,
    /// The swap device.
    Swap,
    /// Kernel work outside faults.
    Kernel,
}

impl Component {
    /// All that a machine has, in the order of the cycle stack.
    pub fn all(config: &Config) -> Vec<Self> {
        let caches = (0..config.cache.len()).filter_map(|index| u8::try_from(index).ok());
        let mut all = vec![Self::Branch];
        if config.mmu.enabled {
            all.extend([Self::Tlb, Self::Walk]);
        }
        all.extend(caches.map(Self::Cache));
        all.push(Self::Dram);
        if config.core.count > 1 {
            all.push(Self::Peer);
        }
        all.extend([Self::FaultMinor, Self::FaultMajor, Self::Swap, Self::Kernel]);
        all
    }

    /// Its name, as in `cycles.<name>`.
    pub fn name(self, config: &Config) -> &str {
        match self {
            Self::Branch => "branch",
            Self::Tlb => "tlb",
            Self::Walk => "walk",
            Self::Cache(index) => {
                config.cache.get(usize::from(index)).map_or("", |cache| cache.name.as_str())
            }
            Self::Dram => "dram",
            Self::Peer => "peer",
            Self::FaultMinor => "fault_minor",
            Self::FaultMajor => "fault_major",
            Self::Swap => "swap",
            Self::Kernel => "kernel",
        }
    }

    /// Whether an outcome with this work is all of the component.
    pub(super) fn is_all_of(self, kind: OutcomeKind, work: &[Work]) -> bool {
        let major = || work.iter().any(|work| matches!(work, Work::SwapRead { .. }));
        match kind {
            OutcomeKind::Mispredict => self == Self::Branch,
            OutcomeKind::Fault(_) => {
                self == Self::FaultMinor && !major() || self == Self::FaultMajor && major()
            }
            OutcomeKind::Kernel => self == Self::Kernel,
            _ => false,
        }
    }
}
