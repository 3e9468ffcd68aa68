//! Set-associative arrays and their replacement policies, one policy a file.
//!
//! [`Policy`] is the setting; [`Replacement`] is what a policy does; [`SetAssociative`] is an array of
//! keys under any policy. It keeps sets of up to 16 ways as blocks whose tags are compared together
//! (`compared`), larger ones behind an index (`indexed`). A new policy is a file with its settings and
//! its [`Replacement`], its `mod` line, and its line in `for_each_policy`.

mod bimodal;
mod bits;
mod compared;
mod duel;
mod index;
mod indexed;
mod keys;
mod lanes;
mod order;
mod ranking;
mod rrip;
mod set_associative;
mod set_index;
mod setting;
mod store;
#[cfg(test)]
mod tests;

pub mod bip;
pub mod bit_plru;
pub mod brrip;
pub mod dip;
pub mod drrip;
pub mod fifo;
pub mod lfu;
pub mod lip;
pub mod lru;
pub mod nru;
pub mod opt;
pub mod plru;
pub mod random;
pub mod ship;
pub mod srrip;

pub use keys::{Geometry, Key};
pub use set_associative::{Inserted, PlaceError, Reached, SetAssociative};
pub use set_index::SetIndex;
pub use setting::Policy;

/// The size of a structure that a policy keeps state for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Sets, at least 1.
    pub sets: usize,
    /// Ways of each set, at least 1.
    pub ways: usize,
}

/// What a replacement policy does: it ranks the ways of a set.
///
/// Every set has a word for the policy, beside its tags in the host's memory; what does not fit there
/// the policy keeps itself. The array guarantees that `set` and `way` are within the [`Shape`], that
/// `word` is the set's, that an invalid way is filled before any valid one is displaced (the lowest one
/// first), and that [`replace`](Self::replace) is asked only where every way is valid. A way that is
/// invalidated is not reported: its rank is set anew when it is filled.
pub trait Replacement: Sized {
    /// The policy's parameters.
    type Settings;

    /// Whether a way that has just been filled ranks as one that has just been used, so that callers may
    /// leave out a use that follows the fill at once.
    const FILL_IS_USE: bool = false;

    /// Whether using a way again at once changes nothing, so that callers may leave that out.
    const REPEATS_ARE_IDLE: bool = false;

    /// Whether the policy has to be told the [`site`](Self::site) of every access.
    const ASKS_SITE: bool = false;

    /// Whether the policy has to be told the next use of everything that the program accesses: see
    /// [`foresee`](Self::foresee).
    const ASKS_NEXT_USE: bool = false;

    /// Whether the policy can rank that many ways.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the structure's `replacement`.
    fn check(settings: &Self::Settings, ways: u32) -> Result<(), String>;

    /// The state of an empty structure. `seed` is for this structure alone. The caller has had
    /// [`check`](Self::check) accept the settings.
    fn new(settings: &Self::Settings, shape: Shape, seed: u64) -> Self;

    /// The word of an empty set.
    fn start(&self) -> u64 {
        0
    }

    /// A look-up found `way`.
    fn touch(&mut self, word: &mut u64, set: usize, way: usize);

    /// The empty `way` has been filled.
    fn fill(&mut self, word: &mut u64, set: usize, way: usize);

    /// Chooses the way to displace, which is filled anew.
    fn replace(&mut self, word: &mut u64, set: usize) -> usize;

    /// What follows until the next call is done for an access from `site`: its program counter, or what
    /// the trace has instead.
    fn site(&mut self, site: u64) {
        let _ = site;
    }

    /// The fill or replacement that follows is of what the level above writes back, which is no access of
    /// the program.
    fn written(&mut self) {}

    /// The program accesses what has this name, and does so next at `next`, or never (`u64::MAX`). `way`
    /// has it where it is there. The access itself follows, if it comes to this structure at all.
    fn foresee(&mut self, name: Name, way: Option<usize>, next: u64) {
        let _ = (name, way, next);
    }

    /// The fill or replacement that follows is of what has this name.
    #[inline(always)]
    fn entering(&mut self, name: Name) {
        let _ = name;
    }
}

/// What tells an entry from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub struct Name {
    /// Its set.
    pub set: usize,
    /// Its tag.
    pub tag: u64,
    /// What else tells it apart, where the tag has not got it all.
    pub context: u32,
}

/// The seed of the component called `name` in a run with seed `run`: every component draws from a
/// sequence of its own (FNV-1a over the name).
pub fn component_seed(name: &str, run: u64) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ run, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The run's seed as the components of `cpu` see it: every CPU makes its own random choices.
pub fn cpu_seed(run: u64, cpu: u16) -> u64 {
    if cpu == 0 { run } else { component_seed(&format!("cpu.{cpu}"), run) }
}

/// Calls `$then!` with the list of policies: what each does, its name, its module, its type.
macro_rules! for_each_policy {
    ($then:ident) => {
        $then! {
            /// The least recently used way.
            "lru" lru Lru
            /// The way that was filled first.
            "fifo" fifo Fifo
            /// Any way, with equal chances.
            "random" random Random
            /// The way that a binary tree of "less recent half" bits points to.
            "plru" plru Plru
            /// The first way whose MRU bit is clear; the last bit to be set clears the others.
            "bit-plru" bit_plru BitPlru
            /// The first way whose referenced bit is clear; where none is, all are cleared.
            "nru" nru Nru
            /// The least frequently used way.
            "lfu" lfu Lfu
            /// The least recently used way; new entries are the least recent.
            "lip" lip Lip
            /// The least recently used way; few new entries are the most recent, the others the least.
            "bip" bip Bip
            /// LRU or BIP, whichever misses less in the sets that always have it.
            "dip" dip Dip
            /// The first way that is predicted to be re-referenced in the distant future.
            "srrip" srrip Srrip
            /// The same; few new entries are predicted a long interval, the others a distant one.
            "brrip" brrip Brrip
            /// SRRIP or BRRIP, whichever misses less in the sets that always have it.
            "drrip" drrip Drrip
            /// SRRIP that predicts by how entries from the same site have fared.
            "ship" ship Ship
            /// The way that the program accesses again last (Belady).
            "opt" opt Opt
        }
    };
}
use for_each_policy;
