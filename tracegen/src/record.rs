//! The vocabulary: everything that a trace can say.
//!
//! A record is an access, a branch or an event, tagged with the CPU that made it. The order of the
//! records is the order in which the program's accesses took effect.

/// A CPU of the traced program, numbered from 0.
pub type CpuId = u16;

/// A process of the traced program. Every CPU runs process 0 until an [`Event::Switch`] says otherwise.
pub type ProcessId = u32;

/// The [`Access::gap`] of an access that belongs to the same instruction as its CPU's previous access, as
/// the store of a read-modify-write does. The instructions that an access stands for are therefore
/// `gap.wrapping_add(1)`: none for this value.
pub const SAME_INSTRUCTION: u32 = u32::MAX;

/// One record of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Record {
    /// A memory access.
    Access(Access),
    /// A conditional branch.
    Branch(Branch),
    /// Anything that is not an instruction of the program, on the given CPU.
    Event(CpuId, Event),
}

/// What an access does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum AccessKind {
    /// A data read.
    #[default]
    Load = 0,
    /// A data write.
    Store = 1,
    /// An instruction fetch.
    Fetch = 2,
    /// A software prefetch: a read that nothing waits for and that never faults.
    Prefetch = 3,
}

/// A memory access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Access {
    /// The CPU that makes it.
    pub cpu: CpuId,
    /// What it does.
    pub kind: AccessKind,
    /// The virtual address of its first byte.
    pub addr: u64,
    /// How many bytes it touches, from `addr` upwards; 0 counts as 1.
    pub size: u32,
    /// Where in the program it comes from: a program counter, or a small identifier; 0 if unknown.
    pub site: u64,
    /// Instructions without a memory access since this CPU's last record; [`SAME_INSTRUCTION`] if the
    /// access belongs to the instruction of this CPU's previous access.
    pub gap: u32,
    /// 0, or how many loads back on this CPU the load is that this address was computed from
    /// (1 is the CPU's latest load before this access).
    pub dep: u32,
}

/// A conditional branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Branch {
    /// The CPU that executes it.
    pub cpu: CpuId,
    /// The branch's own program counter or identifier.
    pub site: u64,
    /// Whether it was taken.
    pub taken: bool,
    /// Instructions without a memory access since this CPU's last record, this branch included.
    pub gap: u32,
    /// 0, or how many loads back on this CPU the load is that decides the branch.
    pub dep: u32,
}

/// Access rights of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, bincode::Encode, bincode::Decode)]
pub struct Protection {
    /// Loads are allowed.
    pub read: bool,
    /// Stores are allowed.
    pub write: bool,
    /// Instruction fetches are allowed.
    pub execute: bool,
}

impl Protection {
    /// Readable and writable, as `malloc` maps it.
    pub const READ_WRITE: Self = Self { read: true, write: true, execute: false };
}

/// What a mapping shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backing {
    /// Zeroed memory.
    Anonymous,
    /// A file's bytes from `offset` on.
    File {
        /// The file, by a number of the trace's own.
        file: u32,
        /// Byte offset of the mapping's first byte.
        offset: u64,
    },
}

/// The advice of `madvise`, by its Linux name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are Linux's own")]
pub enum Advice {
    Normal = 0,
    Random = 1,
    Sequential = 2,
    WillNeed = 3,
    DontNeed = 4,
    Free = 8,
    Mergeable = 12,
    Unmergeable = 13,
    HugePage = 14,
    NoHugePage = 15,
}

/// What happens to memory other than an access. Addresses and lengths are in bytes; an event concerns
/// the process that its CPU runs.
#[allow(missing_docs, reason = "a field is called what the system call's argument is called")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// A new area; it replaces what was there.
    Mmap {
        /// First byte.
        addr: u64,
        /// Length in bytes.
        length: u64,
        /// Access rights.
        protection: Protection,
        /// MAP_SHARED rather than MAP_PRIVATE.
        shared: bool,
        /// What it shows.
        backing: Backing,
    },
    /// The area part is gone.
    Munmap { addr: u64, length: u64 },
    /// The rights of an area part change.
    Mprotect { addr: u64, length: u64, protection: Protection },
    /// Advice on an area part.
    Madvise { addr: u64, length: u64, advice: Advice },
    /// The heap now ends at `end`; the first one of a process sets where the heap starts.
    Brk { end: u64 },
    /// The process forks; `child` has a copy of its address space.
    Fork { child: ProcessId },
    /// The process replaces its address space with an empty one.
    Exec,
    /// The process ends.
    Exit,
    /// The CPU runs `process` from now on.
    Switch { process: ProcessId },
    /// `read(file)` of `length` bytes at `offset` into `buffer`.
    FileRead { file: u32, offset: u64, length: u64, buffer: u64 },
    /// `write(file)` of `length` bytes at `offset` from `buffer`.
    FileWrite { file: u32, offset: u64, length: u64, buffer: u64 },
    /// `sendfile` to a socket whose device copies out of one buffer.
    Sendfile { file: u32, offset: u64, length: u64 },
    /// `sendfile` to a socket whose device gathers pages.
    SendfileGather { file: u32, offset: u64, length: u64 },
    /// Kernel memory from the slab or buddy allocator, named `id` until it is freed.
    Kmalloc { id: u64, size: u64 },
    /// Frees it.
    Kfree { id: u64 },
    /// Virtually contiguous kernel memory.
    Vmalloc { id: u64, size: u64 },
    /// Frees it.
    Vfree { id: u64 },
    /// 2^order contiguous frames for the kernel.
    AllocPages { id: u64, order: u8 },
    /// Frees them.
    FreePages { id: u64 },
    /// Annotation: the program's allocator handed out a block.
    HeapMalloc { addr: u64, size: u64 },
    /// Annotation: the program freed the block at `addr`.
    HeapFree { addr: u64 },
    /// The page at `addr` now holds content of `class`: equal classes are equal pages.
    PageContent { addr: u64, class: u64 },
    /// A phase of the program begins.
    Phase { id: u32 },
    /// The region of interest begins.
    RegionStart,
    /// The region of interest ends.
    RegionEnd,
}

impl Event {
    /// The event's name as messages and tables print it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mmap { .. } => "mmap",
            Self::Munmap { .. } => "munmap",
            Self::Mprotect { .. } => "mprotect",
            Self::Madvise { .. } => "madvise",
            Self::Brk { .. } => "brk",
            Self::Fork { .. } => "fork",
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::Switch { .. } => "switch",
            Self::FileRead { .. } => "file-read",
            Self::FileWrite { .. } => "file-write",
            Self::Sendfile { .. } => "sendfile",
            Self::SendfileGather { .. } => "sendfile-gather",
            Self::Kmalloc { .. } => "kmalloc",
            Self::Kfree { .. } => "kfree",
            Self::Vmalloc { .. } => "vmalloc",
            Self::Vfree { .. } => "vfree",
            Self::AllocPages { .. } => "alloc-pages",
            Self::FreePages { .. } => "free-pages",
            Self::HeapMalloc { .. } => "heap-malloc",
            Self::HeapFree { .. } => "heap-free",
            Self::PageContent { .. } => "page-content",
            Self::Phase { .. } => "phase",
            Self::RegionStart => "region-start",
            Self::RegionEnd => "region-end",
        }
    }
}
