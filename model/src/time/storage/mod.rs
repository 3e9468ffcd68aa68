//! Swap devices: servers that answer a request with the time of its completion.

use crate::address::SwapSlot;
use crate::statistics::Statistics;

mod device;
mod flash;
mod hdd;
mod link;
mod nvme;
mod optane;
mod sata_ssd;
pub mod settings;
mod solid;
mod zram;

use self::flash::{Drive, Duplex};
use self::hdd::Disk;
use self::settings::{Device, Swap};
use self::solid::Solid;
use self::zram::Compressor;
use crate::config::InvalidSetting;

/// What a device is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Pages come from it.
    Read,
    /// Pages go to it.
    Write,
}

/// Consecutive slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub first: SwapSlot,
    /// How many.
    pub pages: u32,
}

/// Write requests that a block device's queue takes before it makes the writer wait (Linux's
/// `BLKDEV_DEFAULT_RQ`, include/linux/blkdev.h).
const WRITES: usize = 128;

/// The swap devices, each with the queue in front of it. Times are in picoseconds; arrivals must not
/// decrease.
#[derive(Debug, Clone)]
pub struct Storage {
    /// In the order of their slots.
    servers: Vec<Server>,
    page_bytes: u64,
}

/// The device behind a swap area.
#[derive(Debug, Clone)]
struct Server {
    name: String,
    /// The area's first slot.
    first: u64,
    device: Model,
    work: Work,
}

#[derive(Debug, Clone)]
enum Model {
    Disk(Disk),
    Solid(Solid),
    Memory(Compressor),
}

/// When a device had work.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    /// The end of the last period.
    until: u64,
    busy: u64,
}

impl Work {
    /// A request was there from `from` until `until`.
    fn add(&mut self, from: u64, until: u64) {
        self.busy += until.saturating_sub(from.max(self.until));
        self.until = self.until.max(until);
    }
}

impl Model {
    fn new(device: &Device, size: u64) -> Result<Option<Self>, InvalidSetting> {
        let solid = |flash, duplex| Drive::new(flash, duplex).map(Solid::new).map(Self::Solid);
        Ok(Some(match device {
            Device::None => return Ok(None),
            Device::Hdd(hdd) => Self::Disk(Disk::new(hdd, size)?),
            Device::SataSsd(flash) => solid(flash, Duplex::Half)?,
            Device::Nvme(flash) | Device::Optane(flash) => solid(flash, Duplex::Full)?,
            Device::Zram(zram) => Self::Memory(Compressor::new(zram)?),
        }))
    }
}

impl Server {
    /// Reads runs at `arrival`, or what the CPU does itself from `cpu` on; returns when all are there.
    fn read(&mut self, arrival: u64, cpu: u64, runs: &[Run], page_bytes: u64) -> u64 {
        let runs = runs.iter().filter(|run| run.pages > 0);
        let mut done = arrival;
        match &mut self.device {
            Model::Disk(disk) => {
                catch_up(disk, &mut self.work, arrival);
                let mut left = 0;
                for run in runs {
                    let (first, bytes) = extent(run, self.first, page_bytes);
                    disk.add(arrival, Operation::Read, first, bytes);
                    left += 1;
                }
                while left > 0 {
                    let Some(served) = disk.serve(u64::MAX) else { break };
                    self.work.add(served.arrival, served.done);
                    if !served.write {
                        left -= 1;
                        done = done.max(served.done);
                    }
                }
            }
            Model::Solid(drive) => {
                for run in runs {
                    let end = drive.read(arrival, run.pages, page_bytes);
                    self.work.add(arrival, end);
                    done = done.max(end);
                }
            }
            Model::Memory(compressor) => {
                let bytes =
                    runs.map(|run| extent(run, 0, page_bytes).1).fold(0, u64::saturating_add);
                done = cpu.saturating_add(compressor.time(Operation::Read, bytes));
                self.work.add(cpu, done);
            }
        }
        done
    }

    /// Hands over the write of a run; returns when the queue has taken it, or the CPU has done it.
    fn write(&mut self, arrival: u64, run: Run, page_bytes: u64) -> u64 {
        let (first, bytes) = extent(&run, self.first, page_bytes);
        match &mut self.device {
            Model::Disk(disk) => {
                let taken = wait_for_room(disk, &mut self.work, arrival);
                disk.add(taken, Operation::Write, first, bytes);
                taken
            }
            Model::Solid(drive) => {
                let (taken, done) = drive.write(arrival, run.pages, page_bytes);
                self.work.add(taken, done);
                taken
            }
            Model::Memory(compressor) => {
                let done = arrival.saturating_add(compressor.time(Operation::Write, bytes));
                self.work.add(arrival, done);
                done
            }
        }
    }
}

impl Storage {
    /// Idle devices for pages of `page_bytes`.
    ///
    /// # Errors
    /// A number that is out of range, or a time that is given in core cycles.
    pub fn new(settings: &Swap, page_bytes: u64) -> Result<Self, InvalidSetting> {
        let mut servers = Vec::new();
        for area in settings.areas(page_bytes) {
            let elsewhere = |mut error: InvalidSetting| {
                // Devices name their settings as those of the main area.
                error.key = error.key.replacen("swap", &Swap::key(area.name), 1);
                error
            };
            if let Some(device) = Model::new(area.device, area.size.0).map_err(elsewhere)? {
                let (name, first) = (area.name.to_owned(), area.first);
                servers.push(Server { name, first, device, work: Work::default() });
            }
        }
        Ok(Self { servers, page_bytes })
    }

    /// The device of a slot.
    fn locate(&self, slot: SwapSlot) -> usize {
        self.servers.partition_point(|server| server.first <= slot.0).saturating_sub(1)
    }

    /// Whether the CPU itself does what is asked of a slot, so that nobody sleeps.
    pub fn is_synchronous(&self, slot: SwapSlot) -> bool {
        let server = self.servers.get(self.locate(slot));
        server.is_some_and(|server| matches!(server.device, Model::Memory(_)))
    }

    /// Reads runs of slots that are asked for together at `arrival`; returns when all are there. No device
    /// takes no time.
    pub fn read(&mut self, arrival: u64, runs: &[Run]) -> u64 {
        let (mut done, mut cpu) = (arrival, arrival);
        let mut rest = runs;
        while let Some(run) = rest.first() {
            let at = self.locate(run.first);
            let same = rest.iter().take_while(|run| self.locate(run.first) == at).count();
            let (mine, others) = rest.split_at(same);
            rest = others;
            let Some(server) = self.servers.get_mut(at) else { continue };
            let end = server.read(arrival, cpu, mine, self.page_bytes);
            if matches!(server.device, Model::Memory(_)) {
                cpu = end;
            }
            done = done.max(end);
        }
        done
    }

    /// Hands over the write of a run of slots at `arrival`; returns when the writer can go on, which is at
    /// once unless the device's queue is full or the CPU has to compress.
    pub fn write(&mut self, arrival: u64, run: Run) -> u64 {
        let at = self.locate(run.first);
        match self.servers.get_mut(at) {
            Some(server) if run.pages > 0 => server.write(arrival, run, self.page_bytes),
            _ => arrival,
        }
    }

    /// Finishes what is still waiting.
    pub fn finish(&mut self) {
        for server in &mut self.servers {
            if let Model::Disk(disk) = &mut server.device {
                catch_up(disk, &mut server.work, u64::MAX);
            }
        }
    }

    /// Declares the statistics of time; what was read and written is the operating system's to count.
    pub fn report(&self, out: &mut Statistics) {
        let doc = "Time during which swap devices had work, added up over the devices";
        let all: u64 = self.servers.iter().map(|server| server.work.busy).sum();
        out.count("swap.busy_ns", "ns", doc, all / 1000);
        if self.servers.len() > 1 {
            for Server { name, work, .. } in &self.servers {
                let doc = "Time during which the area's device had work";
                out.count(format!("swap.area.{name}.busy_ns"), "ns", doc, work.busy / 1000);
            }
        }
    }
}

/// The bytes of a run on the area that starts at slot `first`: the first, and how many.
fn extent(run: &Run, first: u64, page_bytes: u64) -> (u64, u64) {
    let slot = run.first.0.saturating_sub(first);
    (slot.saturating_mul(page_bytes), u64::from(run.pages).saturating_mul(page_bytes))
}

/// Lets a disk serve what begins before `until`.
fn catch_up(disk: &mut Disk, work: &mut Work, until: u64) {
    while let Some(served) = disk.serve(until) {
        work.add(served.arrival, served.done);
    }
}

/// When a write that arrives at `arrival` finds a place in a disk's queue.
fn wait_for_room(disk: &mut Disk, work: &mut Work, arrival: u64) -> u64 {
    let mut now = arrival;
    loop {
        catch_up(disk, work, now);
        if disk.writes(now) < WRITES {
            return now;
        }
        match disk.writing_until(now) {
            Some(done) => now = done,
            // The next one begins no earlier, and ends later.
            None => match disk.serve(u64::MAX) {
                Some(served) => {
                    work.add(served.arrival, served.done);
                    now = now.max(if served.write { served.done } else { now });
                }
                None => return now,
            },
        }
    }
}

/// Picoseconds that `bytes` take at `rate` bytes a second, rounded up.
fn transfer_time(bytes: u64, rate: u64) -> u64 {
    let time = (u128::from(bytes) * 1_000_000_000_000).div_ceil(u128::from(rate.max(1)));
    u64::try_from(time).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
