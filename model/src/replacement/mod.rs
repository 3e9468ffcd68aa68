//! Set-associative arrays and their replacement policies, one policy a file.
//!
//! [`Policy`] is the setting; [`Replacement`] is what a policy does; [`Array`] is a set-associative
//! array that is monomorphised over one; [`SetAssociative`] is the enum at the boundary that holds an
//! array of any policy. A new policy is a file with its settings and its [`Replacement`], its `mod`
//! line, and its line in `for_each_policy`.

mod array;
mod order;
mod set_associative;
mod set_index;
mod setting;
mod tag;
#[cfg(test)]
mod tests;

pub mod fifo;
pub mod lru;
pub mod plru;
pub mod random;
pub mod srrip;

pub use array::{Array, Evicted, Geometry, Key, PlaceError};
pub use set_associative::SetAssociative;
pub use set_index::SetIndex;
pub use setting::Policy;
pub use tag::Tag;

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
/// The array guarantees that `set` and `way` are within the [`Shape`], that an invalid way is filled
/// before any valid one is displaced (the lowest one first), and that [`victim`](Self::victim) is asked
/// only where every way is valid. A way that is invalidated is not reported: its rank is set anew when
/// it is filled.
pub trait Replacement: Sized {
    /// The policy's parameters.
    type Settings;

    /// Whether the policy can rank that many ways.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the structure's `replacement`.
    fn check(settings: &Self::Settings, ways: u32) -> Result<(), String>;

    /// The state of an empty structure. `seed` is for this structure alone. The caller has had
    /// [`check`](Self::check) accept the settings.
    fn new(settings: &Self::Settings, shape: Shape, seed: u64) -> Self;

    /// A look-up found `way`. Doing so again at once changes nothing: callers leave it out.
    fn touch(&mut self, set: usize, way: usize);

    /// `way` has been filled.
    fn fill(&mut self, set: usize, way: usize);

    /// The way to displace. A fill of that way follows.
    fn victim(&mut self, set: usize) -> usize;
}

/// The seed of the component called `name` in a run with seed `run`: every component draws from a
/// sequence of its own (FNV-1a over the name).
pub fn component_seed(name: &str, run: u64) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ run, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Calls `$then!` with the list of policies: what each does, its module, its type.
macro_rules! for_each_policy {
    ($then:ident) => {
        $then! {
            /// The least recently used way.
            lru Lru
            /// The way that was filled first.
            fifo Fifo
            /// Any way, with equal chances.
            random Random
            /// The way that a binary tree of "less recent half" bits points to.
            plru Plru
            /// The first way that is predicted to be re-referenced in the distant future.
            srrip Srrip
        }
    };
}
use for_each_policy;
