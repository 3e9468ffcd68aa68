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

use self::flash::{Drive, Duplex};
use self::hdd::Disk;
use self::settings::{Device, Swap};
use self::solid::Solid;
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

/// A swap device with the queue in front of it. Times are in picoseconds; arrivals must not decrease.
#[derive(Debug, Clone)]
pub struct Storage {
    device: Model,
    page_bytes: u64,
    work: Work,
}

#[derive(Debug, Clone)]
enum Model {
    None,
    Disk(Disk),
    Solid(Solid),
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

impl Storage {
    /// An idle device for pages of `page_bytes`.
    ///
    /// # Errors
    /// A number that is out of range, or a time that is given in core cycles.
    pub fn new(settings: &Swap, page_bytes: u64) -> Result<Self, InvalidSetting> {
        let solid = |flash, duplex| Drive::new(flash, duplex).map(Solid::new).map(Model::Solid);
        let device = match &settings.device {
            Device::None => Model::None,
            Device::Hdd(hdd) => Model::Disk(Disk::new(hdd, settings.size.0)?),
            Device::SataSsd(flash) => solid(flash, Duplex::Half)?,
            Device::Nvme(flash) | Device::Optane(flash) => solid(flash, Duplex::Full)?,
        };
        Ok(Self { device, page_bytes, work: Work::default() })
    }

    /// Reads runs of slots that are asked for together at `arrival`; returns when all are there. No device
    /// takes no time.
    pub fn read(&mut self, arrival: u64, runs: &[Run]) -> u64 {
        let mut done = arrival;
        match &mut self.device {
            Model::None => {}
            Model::Disk(disk) => {
                catch_up(disk, &mut self.work, arrival);
                let mut left = 0;
                for run in runs.iter().filter(|run| run.pages > 0) {
                    let (first, bytes) = extent(run, self.page_bytes);
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
                for run in runs.iter().filter(|run| run.pages > 0) {
                    let end = drive.read(arrival, run.pages, self.page_bytes);
                    self.work.add(arrival, end);
                    done = done.max(end);
                }
            }
        }
        done
    }

    /// Hands over the write of a run of slots at `arrival`; returns when the queue has taken it, which is
    /// at once unless it is full.
    pub fn write(&mut self, arrival: u64, run: Run) -> u64 {
        if run.pages == 0 {
            return arrival;
        }
        match &mut self.device {
            Model::None => arrival,
            Model::Disk(disk) => {
                let taken = wait_for_room(disk, &mut self.work, arrival);
                let (first, bytes) = extent(&run, self.page_bytes);
                disk.add(taken, Operation::Write, first, bytes);
                taken
            }
            Model::Solid(drive) => {
                let (taken, done) = drive.write(arrival, run.pages, self.page_bytes);
                self.work.add(taken, done);
                taken
            }
        }
    }

    /// Finishes what is still waiting.
    pub fn finish(&mut self) {
        if let Model::Disk(disk) = &mut self.device {
            catch_up(disk, &mut self.work, u64::MAX);
        }
    }

    /// Declares the statistics of time; what was read and written is the operating system's to count.
    pub fn report(&self, out: &mut Statistics) {
        let doc = "Time during which the swap device had work";
        out.count("swap.busy_ns", "ns", doc, self.work.busy / 1000);
    }
}

/// The bytes of a run: the first, and how many.
fn extent(run: &Run, page_bytes: u64) -> (u64, u64) {
    (run.first.0.saturating_mul(page_bytes), u64::from(run.pages).saturating_mul(page_bytes))
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
