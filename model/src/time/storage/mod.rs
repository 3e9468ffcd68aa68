//! Swap devices: servers that answer a request with the time of its completion.

use crate::address::SwapSlot;
use crate::statistics::{Histogram, Statistics};

mod hdd;
mod nvme;
pub mod settings;

use self::settings::{Device, Swap};
use crate::config::InvalidSetting;

/// What a device is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Pages come from it.
    Read,
    /// Pages go to it.
    Write,
}

/// A swap device.
#[derive(Debug, Clone)]
pub struct Storage {
    device: Model,
    /// The end of the last period in which it had work.
    busy_until: u64,
    busy: u64,
    latency: Histogram,
}

#[derive(Debug, Clone)]
enum Model {
    None,
    Hdd(hdd::Disk),
    Nvme(nvme::Drive),
}

impl Storage {
    /// An idle device.
    ///
    /// # Errors
    /// A number that is out of range, or a time that is given in core cycles.
    pub fn new(settings: &Swap) -> Result<Self, InvalidSetting> {
        let device = match &settings.device {
            Device::None => Model::None,
            Device::Hdd(hdd) => Model::Hdd(hdd::Disk::new(hdd, settings.size.0)?),
            Device::Nvme(nvme) => Model::Nvme(nvme::Drive::new(nvme)?),
        };
        Ok(Self { device, busy_until: 0, busy: 0, latency: Histogram::default() })
    }

    /// Hands over a request for `pages` consecutive slots of `page_bytes` each at the time `arrival`, and
    /// returns the time of its completion, both in picoseconds. Arrivals must not decrease. No device, or
    /// no pages, takes no time.
    pub fn submit(
        &mut self,
        arrival: u64,
        operation: Operation,
        first_slot: SwapSlot,
        pages: u32,
        page_bytes: u64,
    ) -> u64 {
        if pages == 0 {
            return arrival;
        }
        let done = match &mut self.device {
            Model::None => return arrival,
            Model::Hdd(disk) => {
                let bytes = u64::from(pages).saturating_mul(page_bytes);
                disk.submit(arrival, first_slot.0.saturating_mul(page_bytes), bytes)
            }
            Model::Nvme(drive) => drive.submit(arrival, operation, pages, page_bytes),
        };
        self.busy += done.saturating_sub(arrival.max(self.busy_until));
        self.busy_until = self.busy_until.max(done);
        self.latency.add((done - arrival) / 1000, 1);
        done
    }

    /// The time of each request from its arrival to its completion, in nanoseconds.
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// Declares the statistics of time; what was read and written is the operating system's to count.
    pub fn report(&self, out: &mut Statistics) {
        let doc = "Time during which the swap device had work";
        out.count("swap.busy_ns", "ns", doc, self.busy / 1000);
    }
}

/// Picoseconds that `bytes` take at `rate` bytes a second, rounded up.
fn transfer_time(bytes: u64, rate: u64) -> u64 {
    let time = (u128::from(bytes) * 1_000_000_000_000).div_ceil(u128::from(rate.max(1)));
    u64::try_from(time).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy_ns(storage: &Storage) -> f64 {
        let mut statistics = Statistics::default();
        storage.report(&mut statistics);
        statistics.get("swap.busy_ns").unwrap().as_f64()
    }

    #[test]
    fn busy_is_the_union_of_the_requests() {
        let mut storage = Storage::new(&Swap::default()).unwrap();
        let read = |storage: &mut Storage, arrival| {
            storage.submit(arrival, Operation::Read, SwapSlot(0), 1, 4096)
        };
        read(&mut storage, 0);
        read(&mut storage, 40_000_000);
        read(&mut storage, 1_000_000_000);
        assert_eq!(busy_ns(&storage), 200_000.0);
        assert_eq!((storage.latency().count(), storage.latency().mean()), (3, 80_000.0));
    }

    #[test]
    fn a_disk_reads_neighbours_without_a_seek() {
        let hdd = Swap { device: Device::Hdd(settings::Hdd::default()), ..Swap::default() };
        let mut storage = Storage::new(&hdd).unwrap();
        let first = storage.submit(0, Operation::Read, SwapSlot(1 << 20), 8, 4096);
        let next = storage.submit(first, Operation::Read, SwapSlot((1 << 20) + 8), 8, 4096);
        assert!(first > 5_000_000_000, "{first}");
        assert_eq!(next - first, transfer_time(8 * 4096, 200_000_000));
    }

    #[test]
    fn no_device_takes_no_time() {
        let mut storage = Storage::new(&Swap { device: Device::None, ..Swap::default() }).unwrap();
        assert_eq!(storage.submit(7, Operation::Write, SwapSlot(0), 1, 4096), 7);
        assert_eq!(busy_ns(&storage), 0.0);
    }
}
