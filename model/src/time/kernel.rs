//! The kernel's time: faults, system calls, process switches.
//!
//! Work runs in order on the CPU whose window has drained. Reading from swap blocks the task (there is
//! one a CPU, so the CPU idles), unless the CPU itself decompresses. Writing does not, as long as the
//! device's queue has room. A job stops wherever it asks the device for something, so that several CPUs can
//! ask in the order of their times.
//!
//! A CPU that has others invalidate translations pays for its preparations, for each interrupt, and for the
//! wait until the last one has answered; each of the others pays for being interrupted.

use crate::outcome::{OutcomeKind, Work};
use crate::statistics::Histogram;

use super::clock::Clock;
use super::latencies::Costs;
use super::ports::Backing;
use super::stack::{self, Stack};
use super::storage::Run;

/// The kernel on one CPU.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Whether anybody waits for the device.
    waits: bool,
    clock: Clock,
    costs: Costs,
    /// The slots that are read next.
    runs: Vec<Run>,
    /// Nanoseconds from the trap to the return, rounded up.
    pub(super) fault_ns: Histogram,
    /// Nanoseconds that a task waits for what it reads from swap at once, rounded up.
    pub(super) swap_read_ns: Histogram,
}

/// How far the work of an outcome has got.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    /// When it began.
    from: u64,
    /// When what is done so far is done.
    pub(super) now: u64,
    /// The component that pays for the CPU.
    component: u8,
    is_fault: bool,
    /// The next piece of work.
    next: usize,
    waited_before: bool,
}

impl Kernel {
    /// The kernel of a CPU, which need not wait for the device unless it `waits`.
    pub(super) fn new(clock: Clock, costs: Costs, waits: bool) -> Self {
        let (fault_ns, swap_read_ns) = Default::default();
        Self { waits, clock, costs, runs: Vec::new(), fault_ns, swap_read_ns }
    }

    /// Does all the work of an outcome of `kind` from slot `from` on; returns when the program goes on.
    pub(super) fn serve<B: Backing>(
        &mut self,
        kind: OutcomeKind,
        from: u64,
        work: &[Work],
        backing: &mut B,
        stack: &mut Stack,
    ) -> u64 {
        let mut job = Job::new(kind, from, work);
        while self.work(&mut job, work, backing, stack) {
            self.ask(&mut job, work, backing, stack);
        }
        self.end(&job)
    }

    /// Goes on with a job until there is something to ask the device for at [`Job::now`], and true is
    /// returned, or everything is done.
    pub(super) fn work<B: Backing>(
        &mut self,
        job: &mut Job,
        work: &[Work],
        backing: &B,
        stack: &mut Stack,
    ) -> bool {
        while let Some(item) = work.get(job.next) {
            job.next += 1;
            let mut busy = self.busy(item);
            self.runs.clear();
            if let Work::SwapRead { slot, pages } = *item {
                self.runs.push(Run { first: slot, pages });
                // What a fault reads is asked for at once.
                while let Some(&Work::SwapRead { slot, pages }) = work.get(job.next) {
                    self.runs.push(Run { first: slot, pages });
                    job.next += 1;
                }
                let sleeps = self.runs.iter().any(|run| !backing.is_synchronous(run));
                if sleeps && !job.waited_before {
                    busy = busy.saturating_add(self.costs.major);
                    job.waited_before = true;
                }
            }
            stack.charge(job.component, busy);
            job.now = job.now.saturating_add(busy);
            if self.waits && matches!(item, Work::SwapRead { .. } | Work::SwapWrite { .. }) {
                return true;
            }
        }
        false
    }

    /// Waits for the device: for the runs that are read next, or for a place in its queue.
    pub(super) fn ask<B: Backing>(
        &mut self,
        job: &mut Job,
        work: &[Work],
        backing: &mut B,
        stack: &mut Stack,
    ) {
        let arrival = self.clock.picoseconds(job.now);
        let until = match work.get(job.next.wrapping_sub(1)) {
            Some(Work::SwapRead { .. }) => {
                let done = backing.read(arrival, &self.runs);
                self.swap_read_ns.add((done - arrival).div_ceil(1000), 1);
                done
            }
            Some(&Work::SwapWrite { slot, pages }) => {
                backing.write(arrival, Run { first: slot, pages })
            }
            _ => return,
        };
        let waited = self.clock.slots(until).saturating_sub(job.now);
        stack.charge(stack::SWAP, waited);
        job.now = job.now.saturating_add(waited);
    }

    /// A job is done; returns when the program goes on.
    pub(super) fn end(&mut self, job: &Job) -> u64 {
        if job.is_fault {
            let spent = self.clock.picoseconds(job.now) - self.clock.picoseconds(job.from);
            self.fault_ns.add(spent.div_ceil(1000), 1);
        }
        job.now
    }

    /// Slots that the CPU is busy with a piece of work.
    fn busy(&self, work: &Work) -> u64 {
        let costs = &self.costs;
        match *work {
            Work::Handler => costs.fault,
            Work::Zero { bytes, .. } => pages(costs.zero_4k, bytes, self.clock.width()),
            Work::Copy { bytes, .. } => pages(costs.copy_4k, bytes, self.clock.width()),
            Work::TableWrites { entries } => costs.table_write.saturating_mul(entries),
            Work::Scan { pages } => costs.scan.saturating_mul(pages),
            Work::Invalidate { pages: 0 } => costs.flush,
            Work::Invalidate { pages } => costs.invalidate.saturating_mul(pages),
            // Forgetting everything takes no longer than forgetting a page.
            Work::Interrupt { pages } => {
                costs.interrupt.saturating_add(costs.invalidate.saturating_mul(pages.max(1).into()))
            }
            Work::Shootdown { cpus: 0, .. } => 0,
            Work::Shootdown { cpus, .. } => {
                costs.shootdown.saturating_add(costs.shootdown_cpu.saturating_mul(cpus.into()))
            }
            Work::Switch => costs.switch,
            Work::SwapRead { .. } | Work::SwapWrite { .. } => 0,
        }
    }
}

impl Job {
    /// The work of an outcome of `kind`, from slot `from` on.
    pub(super) fn new(kind: OutcomeKind, from: u64, work: &[Work]) -> Self {
        let is_fault = matches!(kind, OutcomeKind::Fault(_));
        let major = work.iter().any(|work| matches!(work, Work::SwapRead { .. }));
        let component = match (is_fault, major) {
            (false, _) => stack::KERNEL,
            (true, false) => stack::FAULT_MINOR,
            (true, true) => stack::FAULT_MAJOR,
        };
        Self { from, now: from, component, is_fault, next: 0, waited_before: false }
    }
}

/// The share of `bytes` in what 4 KiB take, in whole cycles of `width` slots, rounded up.
fn pages(slots: u64, bytes: u64, width: u64) -> u64 {
    let cycles = (u128::from(slots / width) * u128::from(bytes)).div_ceil(4096);
    u64::try_from(cycles).unwrap_or(u64::MAX).saturating_mul(width)
}

#[cfg(test)]
mod tests {
    use super::super::testing::FixedLatency;
    use super::*;
    use crate::address::{PhysAddr, SwapSlot};
    use crate::outcome::FaultKind;
    use crate::units::Frequency;

    /// 1 GHz, two wide: a cycle is 1 ns and two slots.
    struct Alone(Kernel, FixedLatency);

    impl Alone {
        fn fault(&mut self, from: u64, work: &[Work], stack: &mut Stack) -> u64 {
            let kind = OutcomeKind::Fault(FaultKind::SwapIn);
            self.0.serve(kind, from, work, &mut self.1, stack)
        }
        fn call(&mut self, from: u64, work: &[Work], stack: &mut Stack) -> u64 {
            self.0.serve(OutcomeKind::Kernel, from, work, &mut self.1, stack)
        }
    }

    fn kernel(latency: u64) -> (Alone, Stack) {
        let clock = Clock::new(Frequency(1_000_000_000), 2);
        let costs = Costs {
            fault: 2 * 500,
            major: 2 * 2000,
            zero_4k: 2 * 100,
            copy_4k: 2 * 250,
            table_write: 2 * 5,
            scan: 2 * 50,
            invalidate: 2 * 10,
            flush: 2 * 30,
            switch: 2 * 1200,
            shootdown: 2 * 1000,
            shootdown_cpu: 2 * 200,
            interrupt: 2 * 400,
        };
        (Alone(Kernel::new(clock, costs, true), FixedLatency::new(latency)), Stack::new(0))
    }

    #[test]
    fn a_minor_fault_is_the_sum_of_its_work() {
        let (mut kernel, mut stack) = kernel(0);
        let work = [
            Work::Handler,
            Work::Zero { addr: PhysAddr(0), bytes: 2 << 20 },
            Work::Copy { from: PhysAddr(0), to: PhysAddr(0), bytes: 1 },
            Work::TableWrites { entries: 3 },
            Work::Scan { pages: 2 },
            Work::Invalidate { pages: 4 },
            Work::Invalidate { pages: 0 },
        ];
        let cycles = 500 + 512 * 100 + 1 + 15 + 100 + 40 + 30;
        assert_eq!(kernel.fault(1000, &work, &mut stack), 1000 + 2 * cycles);
        assert_eq!(stack.slots(stack::FAULT_MINOR), 2 * cycles);
        assert_eq!(stack.total(), 2 * cycles);
        assert_eq!(kernel.0.fault_ns.summary().max, cycles);
    }

    #[test]
    fn a_major_fault_waits_for_the_device() {
        let (mut kernel, mut stack) = kernel(10_000_000);
        let work = [Work::Handler, Work::SwapRead { slot: SwapSlot(0), pages: 8 }];
        assert_eq!(kernel.fault(0, &work, &mut stack), 2 * (500 + 2000 + 10_000));
        assert_eq!(stack.slots(stack::FAULT_MAJOR), 2 * 2500);
        assert_eq!(stack.slots(stack::SWAP), 2 * 10_000);
    }

    #[test]
    fn runs_that_are_read_together_are_waited_for_together() {
        let (mut kernel, mut stack) = kernel(10_000_000);
        let read = |slot| Work::SwapRead { slot: SwapSlot(slot), pages: 1 };
        let work = [Work::Handler, read(1), read(5), Work::Switch, read(9)];
        let cycles = 500 + 2000 + 10_000 + 1200 + 10_000;
        assert_eq!(kernel.fault(0, &work, &mut stack), 2 * cycles);
        let waits = kernel.0.swap_read_ns.summary();
        assert_eq!((waits.count, waits.min, waits.max), (2, 10_000, 10_000));
    }

    #[test]
    fn nobody_sleeps_for_a_page_in_memory() {
        let (mut kernel, mut stack) = kernel(10_000_000);
        let read = |slot| Work::SwapRead { slot: SwapSlot(slot), pages: 1 };
        assert_eq!(kernel.fault(0, &[read(1000)], &mut stack), 2 * 10_000);
        let both = kernel.fault(1 << 20, &[read(1000), read(1)], &mut stack);
        assert_eq!(both, (1 << 20) + 2 * 12_000);
    }

    #[test]
    fn writes_are_waited_for_only_when_the_queue_is_full() {
        let (mut kernel, mut stack) = kernel(1_000_000);
        let write = Work::SwapWrite { slot: SwapSlot(0), pages: 1 };
        assert_eq!(kernel.call(0, &[write], &mut stack), 0);
        assert_eq!(kernel.call(0, &[write], &mut stack), 2 * 1000);
        assert_eq!(stack.slots(stack::SWAP), 2 * 1000);
        assert_eq!(kernel.call(5000, &[Work::Switch], &mut stack), 5000 + 2 * 1200);
        assert_eq!(stack.slots(stack::KERNEL), 2 * 1200);
    }

    #[test]
    fn shootdowns_cost_the_initiator_and_the_receivers() {
        let (mut kernel, mut stack) = kernel(0);
        let mut call = |work: Work| kernel.call(0, &[work], &mut stack);
        assert_eq!(call(Work::Shootdown { cpus: 3, pages: 7 }), 2 * 1600);
        assert_eq!(call(Work::Shootdown { cpus: 0, pages: 7 }), 0);
        assert_eq!(call(Work::Interrupt { pages: 7 }), 2 * 470);
        assert_eq!(call(Work::Interrupt { pages: 0 }), 2 * 410);
    }
}
