//! Which address-space identifier a process has on a CPU, and what a switch to it has to flush.

use std::collections::{BTreeMap, BTreeSet};

use tracegen::record::ProcessId;

use crate::address::Asid;
use crate::mmu::settings::Mmu;
use crate::mmu::switching::AsidAllocation;
use crate::os::KERNEL;

/// What has to be flushed before a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Nothing.
    Nothing,
    /// What carries the process's identifier.
    AddressSpace,
    /// Everything but global pages.
    AllButGlobal,
    /// Everything.
    Everything,
}

/// What running a process needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// The identifier for the process's entries.
    pub asid: Asid,
    /// What has to be flushed first.
    pub flush: Flush,
}

/// The identifiers of a machine, as `mmu.asids` and `mmu.asid_allocation` say.
#[derive(Debug, bincode::Encode, bincode::Decode)]
pub struct Asids {
    scheme: Scheme,
    /// By CPU: the process that it ran last.
    running: Vec<Option<ProcessId>>,
    /// The identifier of global pages, where there are any.
    global: Option<Asid>,
}

#[derive(Debug, bincode::Encode, bincode::Decode)]
enum Scheme {
    /// There are no identifiers.
    None,
    Generations(Generations),
    /// By CPU.
    RoundRobin(Vec<Slots>),
}

impl Asids {
    /// For a machine with `cpus` CPUs. With `mmu.asids = 0`, every switch flushes.
    pub fn new(settings: &Mmu, cpus: usize) -> Self {
        let limit = u32::from(settings.asids);
        let scheme = match settings.asid_allocation {
            _ if limit == 0 => Scheme::None,
            AsidAllocation::Generations => Scheme::Generations(Generations::new(limit, cpus)),
            AsidAllocation::RoundRobin => Scheme::RoundRobin(vec![Slots::new(limit); cpus]),
        };
        Self { scheme, running: vec![None; cpus], global: settings.global_asid() }
    }

    /// The identifier of global pages, where there are any.
    pub fn global(&self) -> Option<Asid> {
        self.global
    }

    /// The identifier under which entries of `process` in `cpu`'s TLBs may be used. `None`: there are none,
    /// or they are flushed before the process runs again.
    pub fn current(&self, cpu: usize, process: ProcessId) -> Option<Asid> {
        if self.is_global(process) {
            return self.global;
        }
        match &self.scheme {
            // Every switch flushes: nothing is there of any other process.
            Scheme::None => (*self.running.get(cpu)? == Some(process)).then_some(Asid(0)),
            Scheme::Generations(generations) => generations.given.get(&process).copied(),
            Scheme::RoundRobin(cpus) => cpus.get(cpu)?.current(process),
        }
    }

    /// As [`current`](Self::current), for entries that have become wrong and are dropped now. `None` too
    /// where the CPU drops them when it runs the process again.
    pub fn invalidated(&mut self, cpu: usize, process: ProcessId) -> Option<Asid> {
        if !self.is_told(cpu, process)
            && let Scheme::RoundRobin(cpus) = &mut self.scheme
            && let Some(slots) = cpus.get_mut(cpu)
            && let Some(slot) = slots.of(process)
        {
            slots.taken[slot].stale = true;
        }
        self.current(cpu, process).filter(|_| self.is_told(cpu, process))
    }

    /// Whether `process` stands for the kernel, whose pages are global.
    pub fn is_global(&self, process: ProcessId) -> bool {
        process == KERNEL && self.global.is_some()
    }

    /// Whether `cpu` has to hear at once of what changes in the address space of `process`. If not, it has
    /// nothing of it that it could use without a flush before.
    pub fn is_told(&self, cpu: usize, process: ProcessId) -> bool {
        let runs = self.running.get(cpu).is_some_and(|running| *running == Some(process));
        let flushes_first = match &self.scheme {
            Scheme::None | Scheme::RoundRobin(_) => true,
            Scheme::Generations(generations) => generations.pending.get(cpu) == Some(&true),
        };
        runs || !flushes_first || self.is_global(process)
    }

    /// The identifier of the process that `cpu` switches to.
    pub fn assign(&mut self, cpu: usize, process: ProcessId) -> Assignment {
        let Self { scheme, running, .. } = self;
        let assignment = match scheme {
            Scheme::None => {
                let first = running.get(cpu).is_none_or(Option::is_none);
                let flush = if first { Flush::Nothing } else { Flush::AllButGlobal };
                Assignment { asid: Asid(0), flush }
            }
            Scheme::Generations(generations) => generations.assign(cpu, process, running),
            // There is one for each CPU.
            Scheme::RoundRobin(cpus) => cpus[cpu].assign(process),
        };
        if let Some(running) = running.get_mut(cpu) {
            *running = Some(process);
        }
        assignment
    }
}

/// Identifiers of a limited number, the same on every CPU. A process keeps its own until they run out.
#[derive(Debug, bincode::Encode, bincode::Decode)]
struct Generations {
    limit: u32,
    next: u32,
    /// Those that were in use when the generation began.
    reserved: BTreeSet<u16>,
    /// Those of this generation.
    given: BTreeMap<ProcessId, Asid>,
    /// By CPU: whether it has yet to flush what is left of earlier generations.
    pending: Vec<bool>,
}

impl Generations {
    fn new(limit: u32, cpus: usize) -> Self {
        let (reserved, given) = Default::default();
        Self { limit, next: 0, reserved, given, pending: vec![false; cpus] }
    }

    fn assign(
        &mut self,
        cpu: usize,
        process: ProcessId,
        running: &[Option<ProcessId>],
    ) -> Assignment {
        let asid = self.given.get(&process).copied().unwrap_or_else(|| {
            let number = self.free().or_else(|| {
                self.start_again(cpu, running);
                self.free()
            });
            // A new generation has a free one.
            let asid = Asid(number.unwrap_or_default());
            self.given.insert(process, asid);
            asid
        });
        let pending = self.pending.get_mut(cpu).is_some_and(std::mem::take);
        Assignment { asid, flush: if pending { Flush::Everything } else { Flush::Nothing } }
    }

    fn free(&mut self) -> Option<u16> {
        while self.reserved.contains(&(self.next as u16)) {
            self.next += 1;
        }
        let number = (self.next < self.limit).then_some(self.next as u16)?;
        self.next += 1;
        Some(number)
    }

    /// A generation begins: what the CPUs run keeps its identifier, as long as one is left for the process
    /// that `cpu` switches to; the process that it leaves loses its own first.
    fn start_again(&mut self, cpu: usize, running: &[Option<ProcessId>]) {
        let others = running.iter().enumerate().filter(|(other, _)| *other != cpu);
        let mut kept: Vec<_> = others.filter_map(|(_, process)| *process).collect();
        kept.extend(running.get(cpu).copied().flatten());
        kept.truncate(self.limit as usize - 1);
        self.given.retain(|process, _| kept.contains(process));
        self.reserved = self.given.values().map(|asid| asid.0).collect();
        self.next = 0;
        self.pending.fill(true);
    }
}

/// The identifiers of one CPU, which are taken from processes in turn.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
struct Slots {
    limit: usize,
    /// By identifier.
    taken: Vec<Slot>,
    next: usize,
}

#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
struct Slot {
    process: ProcessId,
    /// The address space has changed since the process ran here.
    stale: bool,
}

impl Slots {
    fn new(limit: u32) -> Self {
        Self { limit: limit as usize, taken: Vec::new(), next: 0 }
    }

    fn of(&self, process: ProcessId) -> Option<usize> {
        self.taken.iter().position(|slot| slot.process == process)
    }

    fn current(&self, process: ProcessId) -> Option<Asid> {
        // There are at most 2^16 - 1.
        self.of(process).filter(|slot| !self.taken[*slot].stale).map(|slot| Asid(slot as u16))
    }

    fn assign(&mut self, process: ProcessId) -> Assignment {
        let taken = Slot { process, stale: false };
        let (slot, dirty) = if let Some(slot) = self.of(process) {
            (slot, std::mem::replace(&mut self.taken[slot], taken).stale)
        } else {
            let slot = self.next;
            self.next = (slot + 1) % self.limit;
            let used = slot < self.taken.len();
            if used {
                self.taken[slot] = taken;
            } else {
                self.taken.push(taken);
            }
            (slot, used)
        };
        let flush = if dirty { Flush::AddressSpace } else { Flush::Nothing };
        Assignment { asid: Asid(slot as u16), flush }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmu::switching::Global;

    fn asids(asids: u16, asid_allocation: AsidAllocation, cpus: usize) -> Asids {
        Asids::new(&Mmu { asids, asid_allocation, ..Mmu::default() }, cpus)
    }

    /// CPU and process by process: the identifier and what is flushed.
    fn run(asids: &mut Asids, switches: &[(usize, ProcessId)]) -> Vec<(u16, Flush)> {
        let assign = |(cpu, process): &(usize, ProcessId)| asids.assign(*cpu, *process);
        switches.iter().map(assign).map(|given| (given.asid.0, given.flush)).collect()
    }

    use Flush::{AddressSpace, AllButGlobal, Everything, Nothing};

    /// By Linux's arch/arm64/mm/context.c: the process that was running keeps its identifier.
    #[test]
    fn identifiers_run_out_with_a_flush() {
        let mut three = asids(3, AsidAllocation::Generations, 1);
        let given = run(&mut three, &[0, 1, 0, 2, 3, 2, 0, 1, 0].map(|process| (0, process)));
        let expect = [0, 1, 0, 2, 0, 2, 1, 0, 1];
        let flush = |at: usize| if at == 4 || at == 7 { Everything } else { Nothing };
        let expect: Vec<_> = expect.iter().enumerate().map(|(at, n)| (*n, flush(at))).collect();
        assert_eq!(given, expect);
        assert_eq!(three.current(0, 0), Some(Asid(1)));
        assert_eq!(three.current(0, 2), None);
    }

    #[test]
    fn a_single_identifier_goes_from_process_to_process() {
        let mut one = asids(1, AsidAllocation::Generations, 1);
        let given = run(&mut one, &[(0, 7), (0, 8), (0, 7)]);
        assert_eq!(given, [(0, Nothing), (0, Everything), (0, Everything)]);
    }

    /// The other CPU runs on with its identifier, and flushes when it switches.
    #[test]
    fn every_cpu_flushes_once_a_generation() {
        let mut two = asids(2, AsidAllocation::Generations, 2);
        let given = run(&mut two, &[(0, 1), (1, 2), (0, 3), (1, 3), (1, 2)]);
        let expect = [Nothing, Nothing, Everything, Everything, Nothing];
        assert_eq!(given, [0, 1, 0, 0, 1].into_iter().zip(expect).collect::<Vec<_>>());
    }

    #[test]
    fn each_cpu_takes_the_next_identifier_in_turn() {
        let mut two = asids(2, AsidAllocation::RoundRobin, 2);
        let given = run(&mut two, &[(0, 1), (0, 2), (0, 1), (0, 3), (0, 2), (0, 1), (1, 1)]);
        let expect = [(0, Nothing), (1, Nothing), (0, Nothing), (0, AddressSpace), (1, Nothing)];
        assert_eq!(given[..5], expect);
        assert_eq!(given[5..], [(1, AddressSpace), (0, Nothing)]);
    }

    #[test]
    fn what_does_not_run_is_flushed_when_it_runs_again() {
        let mut six = asids(6, AsidAllocation::RoundRobin, 1);
        run(&mut six, &[(0, 1), (0, 2)]);
        assert_eq!(six.invalidated(0, 2), Some(Asid(1)));
        assert_eq!((six.invalidated(0, 1), six.current(0, 1)), (None, None));
        assert_eq!(run(&mut six, &[(0, 1), (0, 2)]), [(0, AddressSpace), (1, Nothing)]);
        assert_eq!(six.current(0, 1), Some(Asid(0)));
        // With generations every TLB is told at once.
        let mut six = asids(6, AsidAllocation::Generations, 1);
        run(&mut six, &[(0, 1), (0, 2)]);
        assert_eq!(six.invalidated(0, 1), Some(Asid(0)));
    }

    #[test]
    fn without_identifiers_every_switch_flushes() {
        let mut none = asids(0, AsidAllocation::Generations, 1);
        assert_eq!(run(&mut none, &[(0, 0), (0, 1)]), [(0, Nothing), (0, AllButGlobal)]);
        assert_eq!((none.current(0, 0), none.current(0, 1)), (None, Some(Asid(0))));
    }

    #[test]
    fn global_pages_have_an_identifier_of_their_own() {
        let settings = Mmu { asids: 2, global: Global::UpperHalf, ..Mmu::default() };
        let asids = Asids::new(&settings, 1);
        assert_eq!(asids.current(0, KERNEL), Some(Asid(2)));
        assert_eq!(settings.identifiers(), 3);
    }
}
