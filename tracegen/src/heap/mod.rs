//! Heap models: what `malloc`, `free` and `realloc` do to memory, one allocator a file.
//!
//! A model keeps its headers, footers and links in modelled memory ([`Space`]) and every look at them is
//! recorded, so that a policy shows its price in TLB and cache misses. The segregated, tree and list
//! models stand on the boundary tags of Bryant and O'Hallaron, "Computer Systems: A Programmer's
//! Perspective" (3rd edition, 9.9), which [`tagged`] has; they differ in how they find a free block
//! ([`tagged::Index`]). [`glibc`] is the GNU C library's.
//!
//! ```text
//! operations ──► Allocator (tagged heap over an index, or glibc) ──► Space ──► Memory (records)
//! ```

mod explicit;
mod glibc;
mod implicit;
pub mod rep;
mod segregated;
mod space;
mod tagged;
#[cfg(test)]
mod tests;
mod tree;
mod variables;

pub use space::Space;

use crate::error::TraceError;
use crate::memory::{LoadId, Memory};

/// Where in an allocator's code an access is.
pub(crate) mod site {
    use crate::memory::Site;

    /// The search looks at a block.
    pub const SEARCH: Site = Site(1);
    /// A header or footer is read to find a block's size or its neighbours.
    pub const TAG: Site = Site(2);
    /// A header or footer is written.
    pub const MARK: Site = Site(3);
    /// A link of a free block is read.
    pub const LINK: Site = Site(4);
    /// A link of a free block is written.
    pub const RELINK: Site = Site(5);
    /// A list's head, or another of the allocator's own variables, is read.
    pub const HEAD: Site = Site(6);
    /// One of them is written.
    pub const SET_HEAD: Site = Site(7);
    /// `realloc` copies.
    pub const COPY: Site = Site(8);
    /// The search decides.
    pub const DECIDE: Site = Site(9);
}

/// Names of the models.
pub const ALLOCATORS: &[&str] =
    &["implicit-list", "explicit-list", "segregated", "size-tree", "glibc"];

/// Which of the blocks that are large enough is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The first that the search comes to.
    First,
    /// The first after where the last search ended.
    Next,
    /// The smallest.
    Best,
}

impl Fit {
    /// Their names, in the order of their declaration.
    pub const NAMES: &[&str] = &["first", "next", "best"];

    /// The one called `name`.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::First, Self::Next, Self::Best];
        Self::NAMES.iter().zip(all).find(|(own, _)| **own == name).map(|(_, fit)| fit)
    }
}

/// Where a list takes a block that becomes free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// At its head.
    Lifo,
    /// At its end.
    Fifo,
    /// Before the first block of a higher address.
    Address,
    /// Before the first larger block.
    Size,
}

impl Order {
    /// Their names, in the order of their declaration.
    pub const NAMES: &[&str] = &["lifo", "fifo", "address", "size"];

    /// The one called `name`.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Lifo, Self::Fifo, Self::Address, Self::Size];
        Self::NAMES.iter().zip(all).find(|(own, _)| **own == name).map(|(_, order)| order)
    }
}

/// A heap model and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// One of [`ALLOCATORS`].
    pub allocator: &'static str,
    /// Which block is taken.
    pub fit: Fit,
    /// Where a list takes a freed block.
    pub order: Order,
    /// Bytes of a header, footer or link: 4 or 8.
    pub word: u32,
    /// Freed blocks merge with their neighbours when a search fails, not at once.
    pub deferred: bool,
    /// Allocated blocks have no footer.
    pub elide_footers: bool,
}

/// What a heap has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The most bytes that the heap took from the operating system at once.
    pub heap_bytes: u64,
    /// Blocks that searches looked at.
    pub search_steps: u64,
    /// System calls that moved the break.
    pub breaks: u64,
    /// System calls that mapped or unmapped a block of its own.
    pub maps: u64,
}

/// A heap. Addresses are those of payloads; 0 is none, as `malloc(0)` returns.
pub trait Allocator: Send {
    /// A block with at least `size` bytes of payload.
    ///
    /// # Errors
    /// The heap cannot grow.
    fn malloc(&mut self, memory: &mut Memory, size: u64) -> Result<u64, TraceError>;

    /// Gives a block back that [`Self::malloc`] returned.
    ///
    /// # Errors
    /// The heap cannot be kept in order: a bug.
    fn free(&mut self, memory: &mut Memory, addr: u64) -> Result<(), TraceError>;

    /// How many bytes the block at `addr` has for its payload.
    fn payload(&self, addr: u64) -> u64;

    /// The memory that it lies in.
    fn space(&mut self) -> &mut Space;

    /// What it has come to.
    fn usage(&self) -> Usage;

    /// Looks whether all its structures fit together, without recording anything.
    ///
    /// # Errors
    /// What does not.
    fn check(&self) -> Result<(), String>;

    /// `realloc`: allocates, copies and frees (CS:APP malloc lab, `mm_realloc`).
    ///
    /// # Errors
    /// As [`Self::malloc`].
    fn realloc(&mut self, memory: &mut Memory, addr: u64, size: u64) -> Result<u64, TraceError> {
        let to = self.malloc(memory, size)?;
        if addr != 0 {
            let bytes = self.payload(addr).min(size);
            if to != 0 {
                self.space().copy(memory, site::COPY, addr, to, bytes);
            }
            self.free(memory, addr)?;
        }
        Ok(to)
    }
}

/// An empty heap.
///
/// # Errors
/// The address space is full, or the model has no such policy; the text names the parameter.
pub fn open(memory: &mut Memory, settings: &Settings) -> Result<Box<dyn Allocator>, TraceError> {
    let refuse = |parameter: &str, why: &str| {
        Err(TraceError::Workload(format!("{parameter}: {} {why}", settings.allocator)))
    };
    if settings.fit == Fit::Next && !matches!(settings.allocator, "implicit-list" | "explicit-list")
    {
        return refuse("fit = next", "has no single order in which to go on");
    }
    Ok(match settings.allocator {
        "implicit-list" => {
            Box::new(tagged::Tagged::open(memory, settings, implicit::Implicit::new())?)
        }
        "explicit-list" => {
            let list = explicit::Explicit::new(memory, settings)?;
            Box::new(tagged::Tagged::open(memory, settings, list)?)
        }
        "segregated" => {
            let lists = segregated::Segregated::new(memory, settings)?;
            Box::new(tagged::Tagged::open(memory, settings, lists)?)
        }
        "size-tree" => {
            if settings.fit == Fit::First {
                return refuse("fit = first", "finds the smallest block that fits: best");
            }
            let tree = tree::Tree::new(memory)?;
            Box::new(tagged::Tagged::open(memory, settings, tree)?)
        }
        _ => {
            if settings.word != 8 {
                return refuse("word", "is the one of 64-bit machines: 8");
            }
            Box::new(glibc::Glibc::open(memory)?)
        }
    })
}

/// A search decides on a block after the load `by`.
fn decide(memory: &mut Memory, taken: bool, by: LoadId) {
    memory.alu(2);
    memory.branch(site::DECIDE, taken, by);
}
