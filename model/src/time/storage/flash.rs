//! A drive without moving parts: commands wait in the host for a place in the drive's queue, then each page
//! takes one of its internal channels for the latency of the medium, and crosses the link to the host.
//!
//! This is the queueing model that SSD simulators agree on: a command queue in front of parallel units, and
//! a link in front of both (Agrawal et al., "Design tradeoffs for SSD performance", USENIX ATC 2008; MQSim,
//! FAST 2018). Any channel can serve any page: a page is written wherever a channel is free.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::device::{count, picoseconds, rate};
use super::link::Link;
use super::{Operation, transfer_time};
use crate::config::InvalidSetting;
use crate::units::{ByteSize, Span};

/// A solid-state drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flash {
    /// Time from a read command to the page, on an idle drive.
    #[schemars(extend("x-effect" = "timing"))]
    pub read: Span,
    /// Time from a write command to its completion, on an idle drive.
    #[schemars(extend("x-effect" = "timing"))]
    pub write: Span,
    /// Pages that the drive works on at a time.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 4096))]
    pub channels: u32,
    /// Commands that the drive takes at a time; others wait in the host.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 65_535))]
    pub queue_depth: u32,
    /// Bytes a second that are read.
    #[schemars(extend("x-effect" = "timing"))]
    pub bandwidth: ByteSize,
    /// Bytes a second that are written.
    #[schemars(extend("x-effect" = "timing"))]
    pub write_bandwidth: ByteSize,
}

/// How the link carries reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duplex {
    /// One at a time, as SATA.
    Half,
    /// Both at a time, as PCIe.
    Full,
}

/// A drive.
#[derive(Debug, Clone)]
pub(super) struct Drive {
    read: u64,
    write: u64,
    read_rate: u64,
    write_rate: u64,
    queue_depth: usize,
    /// When each channel is free; always as many as there are channels.
    channels: BinaryHeap<Reverse<u64>>,
    /// When each command in the drive's queue will be done.
    commands: BinaryHeap<Reverse<u64>>,
    duplex: Duplex,
    /// From the drive, which is all there is where the link is half duplex, and to the drive.
    links: [Link; 2],
}

impl Drive {
    pub fn new(flash: &Flash, duplex: Duplex) -> Result<Self, InvalidSetting> {
        let channels = count("channels", flash.channels, 4096)?;
        Ok(Self {
            read: picoseconds("read", flash.read)?,
            write: picoseconds("write", flash.write)?,
            read_rate: rate("bandwidth", flash.bandwidth)?,
            write_rate: rate("write_bandwidth", flash.write_bandwidth)?,
            queue_depth: count("queue_depth", flash.queue_depth, 65_535)? as usize,
            channels: (0..channels).map(|_| Reverse(0)).collect(),
            commands: BinaryHeap::new(),
            duplex,
            links: Default::default(),
        })
    }

    /// The completion of a command that arrives at `arrival`, in picoseconds. The latency of an idle
    /// drive includes the page's way over the link.
    pub fn submit(
        &mut self,
        arrival: u64,
        operation: Operation,
        pages: u32,
        page_bytes: u64,
    ) -> u64 {
        let start = self.enter(arrival);
        let mut done = start;
        for _ in 0..pages {
            let free = self.channels.pop().map_or(0, |Reverse(free)| free).max(start);
            let (channel, end) = match operation {
                Operation::Read => self.read_page(arrival, free, page_bytes),
                Operation::Write => self.write_page(arrival, free, page_bytes),
            };
            self.channels.push(Reverse(channel));
            done = done.max(end);
        }
        self.commands.push(Reverse(done));
        done
    }

    /// A page that a channel begins to read at `start`: when the channel is free again, and when the page
    /// is in the host. It crosses at the end of its time, or as soon after as the link is free.
    fn read_page(&mut self, now: u64, start: u64, bytes: u64) -> (u64, u64) {
        let transfer = transfer_time(bytes, self.read_rate);
        let medium = start.saturating_add(self.read);
        let earliest = medium.saturating_sub(transfer).max(start);
        (medium, self.links[0].book(now, earliest, transfer))
    }

    /// A page that a channel is ready to take at `start`: when the channel is free again, which is when the
    /// page is written. It crosses first.
    fn write_page(&mut self, now: u64, start: u64, bytes: u64) -> (u64, u64) {
        let transfer = transfer_time(bytes, self.write_rate);
        let link = match self.duplex {
            Duplex::Half => 0,
            Duplex::Full => 1,
        };
        let crossed = self.links[link].book(now, start, transfer);
        let written = crossed.saturating_add(self.write.saturating_sub(transfer));
        (written, written)
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
pub(super) mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::super::nvme;
    use super::*;

    pub const MICROSECOND: u64 = 1_000_000;

    /// Pages a second with `depth` requests outstanding, each answered one replaced by the next.
    pub fn rate_at(drive: &mut Drive, depth: usize, operation: Operation) -> f64 {
        let mut outstanding: BinaryHeap<Reverse<u64>> = (0..depth).map(|_| Reverse(0)).collect();
        let requests = 20_000;
        let mut end = 0;
        for _ in 0..requests {
            let Reverse(now) = outstanding.pop().unwrap();
            end = drive.submit(now, operation, 1, 4096);
            outstanding.push(Reverse(end));
        }
        f64::from(requests) / end as f64 * 1e12
    }

    fn drive(flash: &Flash) -> Drive {
        Drive::new(flash, Duplex::Full).unwrap()
    }

    fn close(measured: f64, wanted: f64) {
        assert!((measured / wanted - 1.0).abs() < 0.01, "{measured} {wanted}");
    }

    /// Little's law for the channels, the link, and the queue: the tightest bounds the rate.
    #[test]
    fn throughput_is_bounded_by_channels_link_and_queue() {
        let latency = 80e-6;
        let reads = |flash: &Flash| rate_at(&mut drive(flash), 32, Operation::Read);
        close(reads(&Flash { channels: 8, ..nvme::DEFAULT }), 8.0 / latency);
        close(reads(&nvme::DEFAULT), 32.0 / latency);
        let narrow = Flash { bandwidth: ByteSize(1_000_000_000), ..nvme::DEFAULT };
        close(reads(&narrow), 1e9 / 4096.0);
        close(reads(&Flash { queue_depth: 4, ..nvme::DEFAULT }), 4.0 / latency);
        let narrow = Flash { write_bandwidth: ByteSize(1_000_000_000), ..nvme::DEFAULT };
        close(rate_at(&mut drive(&narrow), 32, Operation::Write), 1e9 / 4096.0);
        let few = Flash { channels: 2, ..nvme::DEFAULT };
        close(rate_at(&mut drive(&few), 32, Operation::Write), 2.0 / 20e-6);
    }

    /// One channel and arrivals without memory: the mean wait is ρ / (2 (1 - ρ)) of a service
    /// (Pollaczek and Khinchine for a constant service time, M/D/1).
    #[test]
    fn one_channel_queues_as_m_d_1() {
        for load in [0.3, 0.7, 0.9] {
            let mut drive = drive(&Flash { channels: 1, queue_depth: 65_535, ..nvme::DEFAULT });
            let mut rng = Pcg64Mcg::seed_from_u64(7);
            let (service, requests) = (80e6, 400_000);
            let (mut now, mut waited) = (0.0, 0.0);
            for _ in 0..requests {
                let uniform: f64 = rng.random_range(0.0..1.0);
                now -= (1.0 - uniform).ln() * service / load;
                let arrival = now as u64;
                waited += (drive.submit(arrival, Operation::Read, 1, 4096) - arrival) as f64;
            }
            let wait = waited / f64::from(requests) / service - 1.0;
            let wanted = load / (2.0 * (1.0 - load));
            assert!((wait / wanted - 1.0).abs() < 0.04, "{wait} at {load}, not {wanted}");
        }
    }

    /// Eight pages take eight channels at once and cross the link one after another.
    #[test]
    fn pages_of_a_command_overlap() {
        let transfer = transfer_time(4096, 3_500_000_000);
        let reads = drive(&nvme::DEFAULT).submit(0, Operation::Read, 8, 4096);
        assert_eq!(reads, 80 * MICROSECOND + 7 * transfer);
        let transfer = transfer_time(4096, 3_000_000_000);
        let writes = drive(&nvme::DEFAULT).submit(0, Operation::Write, 8, 4096);
        assert_eq!(writes, 20 * MICROSECOND + 7 * transfer);
    }

    /// A link of one direction at a time is shared, one of two is not: a write that would cross when a
    /// read does waits for it.
    #[test]
    fn reads_and_writes_share_a_half_duplex_link() {
        let slow = Flash {
            read: Span::Picoseconds(100),
            write: Span::Picoseconds(100),
            bandwidth: ByteSize(1 << 50),
            write_bandwidth: ByteSize(1 << 50),
            ..nvme::DEFAULT
        };
        // 1 PiB/s: 64 KiB take 59 ps.
        let both = |duplex| {
            let mut drive = Drive::new(&slow, duplex).unwrap();
            let read = drive.submit(0, Operation::Read, 1, 1 << 16);
            (read, drive.submit(0, Operation::Write, 1, 1 << 16))
        };
        assert_eq!(both(Duplex::Full), (100, 100));
        assert_eq!(both(Duplex::Half), (100, 200));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let key = |flash: Flash| Drive::new(&flash, Duplex::Half).unwrap_err().key;
        assert_eq!(key(Flash { channels: 0, ..nvme::DEFAULT }), "swap.device.channels");
        assert_eq!(key(Flash { queue_depth: 0, ..nvme::DEFAULT }), "swap.device.queue_depth");
        let nothing = ByteSize(0);
        assert_eq!(key(Flash { bandwidth: nothing, ..nvme::DEFAULT }), "swap.device.bandwidth");
        let write = Flash { write_bandwidth: nothing, ..nvme::DEFAULT };
        assert_eq!(key(write), "swap.device.write_bandwidth");
    }
}
