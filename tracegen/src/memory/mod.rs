//! The modelled memory that workloads run over.
//!
//! A workload keeps its data in [`Array`]s and in a [`Heap`]; every read and write of them really
//! happens and also becomes a record, with its address, its place in the program and the load that its
//! address came from. [`Memory`] is the recorder behind them: it owns the address space, the CPUs'
//! counters and the batch that is being filled.
//!
//! What a record says about instructions follows one convention: an access or a branch is one
//! instruction, and [`Memory::alu`] counts those in between.

mod array;
mod datum;
mod heap;
mod layout;

pub use array::{Array, Region};
pub use datum::Datum;
pub use heap::Heap;
pub use layout::Layout;

use crate::batch::Batch;
use crate::error::TraceError;
use crate::record::{Access, AccessKind, Backing, Branch, CpuId, Event, Protection};

/// A place in a workload's code: what a program counter would tell. Numbered from 1 in each workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site(pub u64);

/// A load that was made, so that a later access can name it as the origin of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadId(u64);

impl LoadId {
    /// No load: the address or the condition was in registers long before.
    pub const NONE: Self = Self(0);
}

/// A value and the load that brought it.
#[derive(Debug, Clone, Copy)]
pub struct Loaded<T> {
    /// The value.
    pub value: T,
    /// The load.
    pub by: LoadId,
}

/// What a workload is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It fills its data structures; recorded only if asked for.
    Setup,
    /// It does what it is named for; always recorded.
    Run,
    /// It verifies its result; recorded only if asked for.
    Check,
}

/// What a [`Memory`] records besides [`Stage::Run`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recording {
    /// Records [`Stage::Setup`]; the region of interest then starts after it.
    pub setup: bool,
    /// Records [`Stage::Check`]; the region of interest then ends before it.
    pub check: bool,
}

/// Takes a full batch and leaves an empty one; `false` if nobody wants any more.
pub type Outlet = Box<dyn FnMut(&mut Batch) -> bool + Send>;

/// What [`Memory`] unwinds with once its consumer has gone.
#[derive(Debug)]
pub struct Cancelled;

/// The CPU's number in the upper 16 bits of a load's number, so that no other CPU can name it.
const CPU_SHIFT: u32 = 48;

/// The recorder. See the module for the conventions.
pub struct Memory {
    batch: Batch,
    outlet: Outlet,
    layout: Layout,
    recording: Recording,
    active: bool,
    cpu: CpuId,
    /// Instructions since the current CPU's last record.
    gap: u32,
    /// The current CPU's latest load, tagged with the CPU.
    latest: u64,
    /// `gap` and `latest` of the CPUs that are not current.
    parked: Vec<(u32, u64)>,
}

impl Memory {
    /// An empty address space whose records go to `outlet`. It starts in [`Stage::Setup`] on CPU 0.
    pub fn new(layout: Layout, recording: Recording, outlet: Outlet) -> Self {
        Self {
            batch: Batch::new(),
            outlet,
            layout,
            recording,
            active: recording.setup,
            cpu: 0,
            gap: 0,
            latest: 0,
            parked: Vec::new(),
        }
    }

    /// Enters a stage: accesses, branches and instructions are recorded from here on or they are not.
    pub fn begin(&mut self, stage: Stage) {
        if stage == Stage::Run && self.recording.setup {
            self.event(Event::RegionStart);
        }
        if stage == Stage::Check && self.recording.check {
            self.event(Event::RegionEnd);
        }
        self.active = match stage {
            Stage::Setup => self.recording.setup,
            Stage::Run => true,
            Stage::Check => self.recording.check,
        };
        if !self.active {
            self.gap = 0;
        }
    }

    /// Goes on as another CPU: what follows is what that CPU does.
    pub fn switch_cpu(&mut self, cpu: CpuId) {
        let wanted = usize::from(cpu.max(self.cpu)) + 1;
        while self.parked.len() < wanted {
            let tag = (self.parked.len() as u64) << CPU_SHIFT;
            self.parked.push((0, tag));
        }
        // Both CPUs are below `wanted`, so both have a place.
        self.parked[usize::from(self.cpu)] = (self.gap, self.latest);
        (self.gap, self.latest) = self.parked[usize::from(cpu)];
        self.cpu = cpu;
    }

    /// `count` instructions that touch no memory.
    #[inline]
    pub fn alu(&mut self, count: u32) {
        if self.active {
            self.gap = self.gap.saturating_add(count);
        }
    }

    /// A load of `size` bytes at `addr`, an address that the load `after` brought.
    #[inline]
    pub fn load(&mut self, site: Site, addr: u64, size: u32, after: LoadId) -> LoadId {
        if !self.active {
            return LoadId::NONE;
        }
        let dep = self.distance(after);
        self.latest += 1;
        self.access(AccessKind::Load, site, addr, size, dep);
        LoadId(self.latest)
    }

    /// A store of `size` bytes at `addr`, an address that the load `after` brought.
    #[inline]
    pub fn store(&mut self, site: Site, addr: u64, size: u32, after: LoadId) {
        if self.active {
            let dep = self.distance(after);
            self.access(AccessKind::Store, site, addr, size, dep);
        }
    }

    /// A conditional branch whose condition the load `after` brought.
    #[inline]
    pub fn branch(&mut self, site: Site, taken: bool, after: LoadId) {
        if !self.active {
            return;
        }
        let dep = self.distance(after);
        // The vocabulary counts the branch itself in its gap.
        let gap = std::mem::take(&mut self.gap).saturating_add(1);
        self.batch.push_branch(Branch { cpu: self.cpu, site: site.0, taken, gap, dep });
        if self.batch.is_full() {
            self.flush();
        }
    }

    /// An event on the current CPU. Events are recorded in every stage, so that areas exist.
    pub fn event(&mut self, event: Event) {
        self.batch.push_event(self.cpu, event);
        if self.batch.is_full() {
            self.flush();
        }
    }

    /// An annotation on the current CPU, recorded where accesses are.
    pub fn annotate(&mut self, event: Event) {
        if self.active {
            self.event(event);
        }
    }

    /// Maps `length` bytes of zeroed private memory, as `malloc` does for a large block, and returns
    /// where they are.
    ///
    /// # Errors
    /// The address space is full.
    pub fn map(&mut self, length: u64) -> Result<u64, TraceError> {
        let (addr, length) = self.layout.map(length)?;
        self.event(Event::Mmap {
            addr,
            length,
            protection: Protection::READ_WRITE,
            shared: false,
            backing: Backing::Anonymous,
        });
        Ok(addr)
    }

    /// The address space's layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Hands over what has been recorded since the last full batch.
    ///
    /// When the consumer has gone, this and every recording call leave the workload by unwinding with
    /// [`Cancelled`]: a workload's loops then need no test for it. Whoever runs the workload catches it.
    pub fn flush(&mut self) {
        if !self.batch.is_empty() && !(self.outlet)(&mut self.batch) {
            std::panic::resume_unwind(Box::new(Cancelled));
        }
    }

    #[inline]
    fn access(&mut self, kind: AccessKind, site: Site, addr: u64, size: u32, dep: u32) {
        let gap = std::mem::take(&mut self.gap);
        self.batch.push_access(Access { cpu: self.cpu, kind, addr, size, site: site.0, gap, dep });
        if self.batch.is_full() {
            self.flush();
        }
    }

    /// How many loads back `load` is; 0 for none, for one of another CPU, and for one that is too far
    /// back to say.
    #[inline]
    fn distance(&self, load: LoadId) -> u32 {
        if load == LoadId::NONE {
            return 0;
        }
        u32::try_from(self.latest.wrapping_sub(load.0).wrapping_add(1)).unwrap_or(0)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::record::Record;

    /// Everything that `body` records.
    pub fn recorded(recording: Recording, body: impl FnOnce(&mut Memory)) -> Vec<Record> {
        let records = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&records);
        let outlet = Box::new(move |batch: &mut Batch| {
            sink.lock().unwrap().extend(batch.iter());
            batch.clear();
            true
        });
        let mut memory = Memory::new(Layout::linux(47), recording, outlet);
        body(&mut memory);
        memory.flush();
        std::mem::take(&mut records.lock().unwrap())
    }

    fn accesses(records: &[Record]) -> Vec<Access> {
        records
            .iter()
            .filter_map(|r| if let Record::Access(access) = r { Some(*access) } else { None })
            .collect()
    }

    #[test]
    fn a_dependence_counts_loads_back_and_skips_stores() {
        let records = recorded(Recording::default(), |memory| {
            memory.begin(Stage::Run);
            let first = memory.load(Site(1), 0x1000, 8, LoadId::NONE);
            memory.store(Site(2), 0x2000, 8, first);
            memory.load(Site(3), 0x3000, 8, LoadId::NONE);
            memory.alu(3);
            memory.load(Site(4), 0x4000, 4, first);
        });
        let deps: Vec<_> = accesses(&records).iter().map(|a| (a.site, a.dep, a.gap)).collect();
        assert_eq!(deps, [(1, 0, 0), (2, 1, 0), (3, 0, 0), (4, 2, 3)]);
    }

    #[test]
    fn cpus_count_their_own_loads_and_gaps() {
        let records = recorded(Recording::default(), |memory| {
            memory.begin(Stage::Run);
            let of_0 = memory.load(Site(1), 0x1000, 8, LoadId::NONE);
            memory.alu(7);
            memory.switch_cpu(3);
            let of_3 = memory.load(Site(2), 0x2000, 8, of_0);
            memory.load(Site(3), 0x2000, 8, of_3);
            memory.switch_cpu(0);
            memory.load(Site(4), 0x3000, 8, of_0);
        });
        let got: Vec<_> = accesses(&records).iter().map(|a| (a.cpu, a.dep, a.gap)).collect();
        assert_eq!(got, [(0, 0, 0), (3, 0, 0), (3, 1, 0), (0, 1, 7)]);
    }

    #[test]
    fn setup_and_check_are_recorded_only_when_asked_for() {
        let body = |memory: &mut Memory| {
            let array = Array::<u64>::new(memory, 512).unwrap();
            for stage in [Stage::Setup, Stage::Run, Stage::Check] {
                memory.begin(stage);
                memory.alu(5);
                array.load(memory, Site(1), 0, LoadId::NONE);
            }
        };
        let plain = recorded(Recording::default(), body);
        assert_eq!(plain.len(), 2, "the mapping and one load");
        assert!(matches!(plain[0], Record::Event(0, Event::Mmap { length: 4096, .. })));
        let all = recorded(Recording { setup: true, check: true }, body);
        assert_eq!(accesses(&all).len(), 3);
        assert!(all.contains(&Record::Event(0, Event::RegionStart)));
        assert!(all.contains(&Record::Event(0, Event::RegionEnd)));
    }

    #[test]
    fn a_consumer_that_goes_away_ends_the_workload() {
        let mut memory =
            Memory::new(Layout::linux(47), Recording::default(), Box::new(|_: &mut Batch| false));
        memory.begin(Stage::Run);
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            loop {
                memory.load(Site(1), 0, 8, LoadId::NONE);
            }
        }));
        assert!(unwound.unwrap_err().is::<Cancelled>());
    }
}
