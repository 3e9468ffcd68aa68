//! What the function half tells the time half.
//!
//! An access that hits the first-level TLB and the first-level cache is not reported: it is counted in
//! the next outcome's run length. Reported is
//! - an access that misses either, and each part of an access that spans lines or pages,
//! - a hit on a line or a translation whose fill may still be on its way (the filling outcome is less
//!   than [`HORIZON`] instructions older),
//! - every [`CHAIN_LIMIT`]th hit of a chain of dependent loads, so that a chain through hits keeps its
//!   length,
//! - a fault, kernel work, and the end of the stream.
//!
//! An outcome names its ancestor: the outcome that its address was computed from, and how many
//! first-level hits lie between them on the chain. Nothing here depends on a timing setting.

use tracegen::batch::Mark;

use crate::address::{PhysAddr, SwapSlot};

/// Instructions after which every fill is taken to have arrived and every producer to have retired.
/// The largest reorder buffer that a configuration may have.
pub const HORIZON: u64 = 1024;

/// The longest chain of dependent first-level hits that goes unreported.
pub const CHAIN_LIMIT: u8 = 16;

/// What an outcome is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum OutcomeKind {
    /// A load, or one part of it.
    #[default]
    Load,
    /// A store, or one part of it.
    Store,
    /// An instruction fetch, or one part of it.
    Fetch,
    /// A software prefetch, or one part of it.
    Prefetch,
    /// A line that the prefetcher of a cache fetches into it. It is no instruction; the access that made it
    /// ask is the outcome before the first of them, where that was reported.
    HardwarePrefetch {
        /// The cache, as its index in the configuration's `[[cache]]` list.
        into: u8,
    },
    /// A walk that ended in a fault, and the kernel's work on it; it drains the window. The access
    /// follows as an outcome of its own.
    Fault(FaultKind),
    /// Kernel work outside a fault: a system call, a process switch.
    Kernel,
    /// A conditional branch that the predictor got wrong.
    Mispredict,
    /// Nothing more comes from this CPU; carries the last run length. Every CPU of the machine has one.
    End,
    /// Counting starts or pauses between what it carries and what follows; it takes no time itself. Every
    /// CPU of the machine has one, in the order of their numbers.
    Mark(Mark),
}

/// The kinds of page fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FaultKind {
    /// First touch of anonymous memory: a zeroed frame.
    Anonymous,
    /// A read of untouched anonymous memory: the shared zero page.
    ZeroPage,
    /// A page of a file.
    File,
    /// A write to a shared frame: copied.
    CowCopied,
    /// A write to a frame that is no longer shared: made writable again.
    CowReused,
    /// A page from swap.
    SwapIn,
    /// The entry was valid after all.
    Spurious,
    /// The area does not allow the access.
    Protection,
    /// There is no area.
    Segv,
}

/// Which part of the machine a memory reference belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ReferenceKind {
    /// The walker reads a page-table entry. References of one walk depend on each other, in order.
    Walk,
    /// The access itself.
    Demand,
    /// The walker writes an accessed or dirty bit; nothing waits for it.
    TableWrite,
    /// A dirty line on its way to memory; nothing waits for it.
    Writeback,
    /// Part of a line that a store hands to memory, past caches that write through or do not allocate;
    /// nothing waits for it.
    Write,
    /// A store hit a line that other CPUs had too, and theirs were invalidated: nothing but the store's
    /// place in the store queue waits for it. [`PEER`] serves it.
    Upgrade,
}

/// One line-sized reference below the first-level hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Physical address.
    pub addr: PhysAddr,
    /// Whose it is.
    pub kind: ReferenceKind,
    /// The cache that had the line, as its index in the configuration's `[[cache]]` list;
    /// [`MEMORY`] where none had it, or [`PEER`].
    pub served: u8,
}

/// [`Reference::served`] and [`Outcome::served`] where the line came from memory.
pub const MEMORY: u8 = u8::MAX;

/// [`Reference::served`] and [`Outcome::served`] where the line came out of a private cache of another CPU:
/// it was modified there, or no shared cache had it. The CPU's own caches have been looked up before.
pub const PEER: u8 = u8::MAX - 1;

/// [`Outcome::tlb`] where no TLB had the translation and the page tables were walked.
pub const WALKED: u8 = u8::MAX;

/// [`Outcome::tlb`] where there was nothing to translate.
pub const UNTRANSLATED: u8 = u8::MAX - 1;

/// A piece of kernel work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// The handler of a fault runs: trap, area lookup, allocation, return.
    Handler,
    /// Memory is zeroed.
    Zero {
        /// First byte.
        addr: PhysAddr,
        /// How much.
        bytes: u64,
    },
    /// Memory is copied.
    Copy {
        /// First byte of the source.
        from: PhysAddr,
        /// First byte of the target.
        to: PhysAddr,
        /// How much.
        bytes: u64,
    },
    /// Page-table entries are written.
    TableWrites {
        /// How many.
        entries: u64,
    },
    /// Pages are looked at by reclaim.
    Scan {
        /// How many.
        pages: u64,
    },
    /// Translations are invalidated on this CPU.
    Invalidate {
        /// How many pages; 0: everything of an address space.
        pages: u64,
    },
    /// The faulting task waits for base pages from swap.
    SwapRead {
        /// The first slot.
        slot: SwapSlot,
        /// How many consecutive ones, the wanted one included.
        pages: u32,
    },
    /// Base pages go to swap; nothing waits unless the device's queue is full.
    SwapWrite {
        /// The first slot.
        slot: SwapSlot,
        /// How many consecutive ones.
        pages: u32,
    },
    /// The CPU runs another process.
    Switch,
    /// Other CPUs are interrupted so that they forget translations, and their answers are waited for.
    Shootdown {
        /// How many CPUs.
        cpus: u16,
        /// How many pages they forget; 0 for everything of an address space.
        pages: u32,
    },
    /// Another CPU's shootdown interrupts this one, which forgets what it is asked to.
    Interrupt {
        /// How many pages; 0 for everything of an address space.
        pages: u32,
    },
}

/// One thing that the time half has to know of. Its references and work lie beside it in
/// [`Outcomes`], in order: the walk's reads, the demand reference, then writes that nothing waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Outcome {
    /// What it is about.
    pub kind: OutcomeKind,
    /// The machine's CPU. Each numbers its own outcomes.
    pub cpu: u16,
    /// The TLB that had the translation, as its index in the configuration's `[[mmu.tlb]]` list, or
    /// [`WALKED`] or [`UNTRANSLATED`]. Where a TLB tries several page sizes in turn, each try after the first
    /// has an index behind the list, TLB by TLB.
    pub tlb: u8,
    /// The cache that had the data, as its index in the configuration's `[[cache]]` list, or [`MEMORY`] or
    /// [`PEER`].
    pub served: u8,
    /// First-level hits on the chain between the ancestor and this.
    pub chain: u8,
    /// Entries of [`Outcomes::references`] that belong to it.
    pub references: u16,
    /// Entries of [`Outcomes::work`] that belong to it.
    pub work: u16,
    /// Instructions of this CPU since its previous outcome, this one's own included.
    pub instructions: u32,
    /// Unreported first-level data hits of this CPU since its previous outcome.
    pub hits: u32,
    /// Unreported first-level fetch hits of this CPU since its previous outcome.
    pub fetch_hits: u32,
    /// How many outcomes of this CPU back the ancestor is; 0 for none. With `chain` > 0 and no
    /// ancestor, the chain starts at an unreported hit that was free to issue at once.
    pub ancestor: u32,
    /// How many outcomes of this CPU back the line's fill is that may still be on its way; 0 for none.
    pub line_fill: u32,
    /// How many outcomes of this CPU back the walk is that may still be filling the translation; 0 for
    /// none.
    pub translation_fill: u32,
    /// The access's site, for break-downs.
    pub site: u64,
}

/// A batch of outcomes with what belongs to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// The outcomes of all CPUs, in trace order.
    pub list: Vec<Outcome>,
    /// Their references, one outcome's after another's.
    pub references: Vec<Reference>,
    /// Their kernel work, one outcome's after another's.
    pub work: Vec<Work>,
    /// The row of a break-down that each outcome is charged to; empty where nothing is broken down. The
    /// function half leaves it to whoever asks what parts of a run cost.
    pub rows: Vec<u32>,
}

impl Outcomes {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.references.clear();
        self.work.clear();
        self.rows.clear();
    }

    /// Every outcome with its references and its work.
    pub fn iter(&self) -> impl Iterator<Item = (&Outcome, &[Reference], &[Work])> {
        let (mut references, mut work) = (self.references.as_slice(), self.work.as_slice());
        self.list.iter().map(move |outcome| {
            let (mine, rest) = references.split_at(usize::from(outcome.references));
            references = rest;
            let (tasks, rest) = work.split_at(usize::from(outcome.work));
            work = rest;
            (outcome, mine, tasks)
        })
    }
}
