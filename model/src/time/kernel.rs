//! The kernel's time: faults, system calls, process switches.
//!
//! Work runs in order on the CPU whose window has drained. Reading from swap blocks the task (there is
//! one a CPU, so the CPU idles), unless the CPU itself decompresses. Writing does not, as long as the
//! device's queue has room.

use crate::outcome::Work;
use crate::statistics::Histogram;

use super::clock::Clock;
use super::latencies::Costs;
use super::ports::Backing;
use super::stack::{self, Stack};
use super::storage::Run;

/// The kernel of one machine.
#[derive(Debug)]
pub(super) struct Kernel<B: Backing> {
    pub(super) backing: B,
    /// Whether anybody waits for it.
    pub(super) waits: bool,
    clock: Clock,
    costs: Costs,
    /// The slots that a fault reads.
    runs: Vec<Run>,
    /// Nanoseconds from the trap to the return, rounded up.
    pub(super) fault_ns: Histogram,
    /// Nanoseconds that a task waits for what it reads from swap at once, rounded up.
    pub(super) swap_read_ns: Histogram,
}

impl<B: Backing> Kernel<B> {
    pub(super) fn new(backing: B, clock: Clock, costs: Costs) -> Self {
        let (fault_ns, swap_read_ns) = Default::default();
        Self { backing, waits: true, clock, costs, runs: Vec::new(), fault_ns, swap_read_ns }
    }

    /// Handles a fault that traps at slot `from`; returns when the program goes on.
    pub(super) fn fault(&mut self, from: u64, work: &[Work], stack: &mut Stack) -> u64 {
        let major = work.iter().any(|work| matches!(work, Work::SwapRead { .. }));
        let component = if major { stack::FAULT_MAJOR } else { stack::FAULT_MINOR };
        let until = self.work(from, component, work, stack);
        let spent = self.clock.picoseconds(until) - self.clock.picoseconds(from);
        self.fault_ns.add(spent.div_ceil(1000), 1);
        until
    }

    /// Does other work from slot `from` on; returns when the program goes on.
    pub(super) fn call(&mut self, from: u64, work: &[Work], stack: &mut Stack) -> u64 {
        self.work(from, stack::KERNEL, work, stack)
    }

    fn work(&mut self, from: u64, component: u8, work: &[Work], stack: &mut Stack) -> u64 {
        let mut now = from;
        let mut waited_before = false;
        let mut rest = work.iter().peekable();
        while let Some(item) = rest.next() {
            let mut busy = self.busy(item);
            self.runs.clear();
            if let Work::SwapRead { slot, pages } = *item {
                self.runs.push(Run { first: slot, pages });
                // What a fault reads is asked for at once.
                while let Some(&&Work::SwapRead { slot, pages }) = rest.peek() {
                    self.runs.push(Run { first: slot, pages });
                    rest.next();
                }
                let sleeps = self.runs.iter().any(|run| !self.backing.is_synchronous(run));
                if sleeps && !waited_before {
                    busy = busy.saturating_add(self.costs.major);
                    waited_before = true;
                }
            }
            stack.charge(component, busy);
            now = now.saturating_add(busy);
            let waited = self.wait(now, item);
            stack.charge(stack::SWAP, waited);
            now = now.saturating_add(waited);
        }
        now
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
            Work::Interrupt { pages } => costs.invalidate.saturating_mul(pages.max(1).into()),
            Work::Switch => costs.switch,
            Work::Shootdown { .. } | Work::SwapRead { .. } | Work::SwapWrite { .. } => 0,
        }
    }

    /// Slots that the task then waits for the device: for the runs that were collected, or for its queue.
    fn wait(&mut self, now: u64, work: &Work) -> u64 {
        let arrival = self.clock.picoseconds(now);
        let until = match *work {
            _ if !self.waits => return 0,
            Work::SwapRead { .. } => {
                let done = self.backing.read(arrival, &self.runs);
                self.swap_read_ns.add((done - arrival).div_ceil(1000), 1);
                done
            }
            Work::SwapWrite { slot, pages } => {
                self.backing.write(arrival, Run { first: slot, pages })
            }
            _ => return 0,
        };
        self.clock.slots(until).saturating_sub(now)
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
    use crate::units::Frequency;

    /// 1 GHz, two wide: a cycle is 1 ns and two slots.
    fn kernel(latency: u64) -> (Kernel<FixedLatency>, Stack) {
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
        };
        (Kernel::new(FixedLatency::new(latency), clock, costs), Stack::new(0))
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
        assert_eq!(kernel.fault_ns.summary().max, cycles);
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
        let waits = kernel.swap_read_ns.summary();
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
}
