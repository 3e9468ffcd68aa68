//! An NVMe drive: commands wait in the host for a place in the drive's queue, then each page takes one of
//! its internal channels for the latency of the medium, and crosses a bus that all share.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::settings::{Nvme, count, picoseconds, rate};
use super::{Operation, transfer_time};
use crate::config::InvalidSetting;

/// A drive.
#[derive(Debug, Clone)]
pub(super) struct Drive {
    read: u64,
    write: u64,
    rate: u64,
    queue_depth: usize,
    /// When each channel is free; always as many as there are channels.
    channels: BinaryHeap<Reverse<u64>>,
    /// When each command in the drive's queue will be done.
    commands: BinaryHeap<Reverse<u64>>,
    bus_free: u64,
}

impl Drive {
    pub fn new(nvme: &Nvme) -> Result<Self, InvalidSetting> {
        let channels = count("channels", nvme.channels, 4096)?;
        Ok(Self {
            read: picoseconds("read", nvme.read)?,
            write: picoseconds("write", nvme.write)?,
            rate: rate("bandwidth", nvme.bandwidth)?,
            queue_depth: count("queue_depth", nvme.queue_depth, 65_535)? as usize,
            channels: (0..channels).map(|_| Reverse(0)).collect(),
            commands: BinaryHeap::new(),
            bus_free: 0,
        })
    }

    /// The completion of a command that arrives at `arrival`, in picoseconds. The latency of an idle
    /// drive includes the page's way over the bus.
    pub fn submit(
        &mut self,
        arrival: u64,
        operation: Operation,
        pages: u32,
        page_bytes: u64,
    ) -> u64 {
        let start = self.enter(arrival);
        let latency = match operation {
            Operation::Read => self.read,
            Operation::Write => self.write,
        };
        let transfer = transfer_time(page_bytes, self.rate);
        let mut done = start;
        for _ in 0..pages {
            let free = self.channels.pop().map_or(0, |Reverse(free)| free);
            let medium = start.max(free).saturating_add(latency);
            self.channels.push(Reverse(medium));
            // On the bus for the end of its time, or as soon after as the bus is free.
            let crossing = medium.saturating_sub(transfer).max(start).max(self.bus_free);
            self.bus_free = crossing.saturating_add(transfer);
            done = done.max(self.bus_free);
        }
        self.commands.push(Reverse(done));
        done
    }

    /// When a command that arrives at `arrival` gets a place in the drive's queue.
    fn enter(&mut self, arrival: u64) -> u64 {
        while self.commands.peek().is_some_and(|Reverse(done)| *done <= arrival) {
            self.commands.pop();
        }
        if self.commands.len() < self.queue_depth {
            return arrival;
        }
        self.commands.pop().map_or(arrival, |Reverse(done)| done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ByteSize;

    const MICROSECOND: u64 = 1_000_000;

    /// Page reads a second with `depth` of them outstanding.
    fn rate_at(nvme: &Nvme, depth: usize) -> f64 {
        let mut drive = Drive::new(nvme).unwrap();
        let mut outstanding: BinaryHeap<Reverse<u64>> = (0..depth).map(|_| Reverse(0)).collect();
        let reads = 20_000;
        let mut end = 0;
        for _ in 0..reads {
            let Reverse(now) = outstanding.pop().unwrap();
            end = drive.submit(now, Operation::Read, 1, 4096);
            outstanding.push(Reverse(end));
        }
        f64::from(reads) / end as f64 * 1e12
    }

    #[test]
    fn one_read_at_a_time_takes_80_us() {
        let mut drive = Drive::new(&Nvme::default()).unwrap();
        let mut now = 5;
        for _ in 0..100 {
            let done = drive.submit(now, Operation::Read, 1, 4096);
            assert_eq!(done - now, 80 * MICROSECOND);
            now = done;
        }
        assert_eq!(drive.submit(now, Operation::Write, 1, 4096) - now, 20 * MICROSECOND);
    }

    /// Little's law for the channels, the bus, and the queue: the tightest bounds the rate.
    #[test]
    fn throughput_is_bounded_by_channels_bus_and_queue() {
        let latency = 80e-6;
        let close =
            |rate: f64, wanted: f64| assert!((rate / wanted - 1.0).abs() < 0.01, "{rate} {wanted}");
        let few = Nvme { channels: 8, ..Nvme::default() };
        close(rate_at(&few, 32), 8.0 / latency);
        close(rate_at(&Nvme::default(), 32), 32.0 / latency);
        let narrow = Nvme { bandwidth: ByteSize(1_000_000_000), ..Nvme::default() };
        close(rate_at(&narrow, 32), 1e9 / 4096.0);
        let short = Nvme { queue_depth: 4, ..Nvme::default() };
        close(rate_at(&short, 32), 4.0 / latency);
    }

    /// Eight pages take eight channels at once and cross the bus one after another.
    #[test]
    fn pages_of_a_command_overlap() {
        let mut drive = Drive::new(&Nvme::default()).unwrap();
        let transfer = transfer_time(4096, 3_500_000_000);
        assert_eq!(drive.submit(0, Operation::Read, 8, 4096), 80 * MICROSECOND + 7 * transfer);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let key = |nvme: Nvme| Drive::new(&nvme).unwrap_err().key;
        assert_eq!(key(Nvme { channels: 0, ..Nvme::default() }), "swap.device.channels");
        assert_eq!(key(Nvme { queue_depth: 0, ..Nvme::default() }), "swap.device.queue_depth");
        assert_eq!(
            key(Nvme { bandwidth: ByteSize(0), ..Nvme::default() }),
            "swap.device.bandwidth"
        );
    }
}
