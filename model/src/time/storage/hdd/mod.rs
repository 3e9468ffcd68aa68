//! A hard disk: an arm that seeks ([`seek`]), a platter that turns and whose tracks grow outwards
//! ([`geometry`]), and a queue that is served in the elevator's order ([`elevator`]), one request at a
//! time.
//!
//! The platter's angle follows from the time. A request that goes on where the last one ended streams at
//! the transfer rate: the drive has it in its track buffer, or takes it there.

mod elevator;
mod geometry;
mod seek;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::elevator::Scheduler;
use self::elevator::{Elevator, Request};
use self::geometry::Geometry;
use self::seek::Curve;
use super::device::{count, picoseconds, rate};
use super::{Operation, transfer_time};
use crate::config::InvalidSetting;
use crate::units::{ByteSize, Span};

/// Picoseconds in a minute.
const MINUTE: u64 = 60_000_000_000_000;

/// Turns a minute of the slowest disk: below is no disk, and a request would take seconds.
const SLOWEST: u64 = 300;

/// A hard disk, by default a 7200 rpm desktop drive: 8 ms to seek and half a turn of 4.2 ms on average, 200
/// MB/s outside, half of that inside: commonly quoted, the inner rate and the number of zones assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hdd {
    /// What the root of the seek curve begins at.
    #[schemars(extend("x-effect" = "timing"))]
    pub seek_min: Span,
    /// Seek from edge to edge.
    #[schemars(extend("x-effect" = "timing"))]
    pub seek_max: Span,
    /// Cylinders from which on a seek takes time in proportion to them rather than to their root. Default:
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 4_000_000_000_u64))]
    pub seek_knee: Option<u32>,
    /// The time of a seek over `seek_knee` cylinders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub seek_at_knee: Option<Span>,
    /// Turns a minute.
    #[schemars(extend("x-effect" = "timing"), range(min = 300, max = 100_000))]
    pub rpm: u32,
    /// Tracks a cylinder.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 64))]
    pub heads: u32,
    /// Zones of equally many cylinders, each with tracks of one length.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 64))]
    pub zones: u32,
    /// Bytes a second under the head in the outermost zone.
    #[schemars(extend("x-effect" = "timing"))]
    pub transfer: ByteSize,
    /// Bytes a second under the head in the innermost zone.
    #[schemars(extend("x-effect" = "timing"))]
    pub transfer_inner: ByteSize,
    /// How much the whole disk holds. Default: the swap area covers it from edge to edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub capacity: Option<ByteSize>,
    /// Where the swap area begins on the disk, whose outer edge is byte 0.
    #[schemars(extend("x-effect" = "timing"))]
    pub start: ByteSize,
    /// The order in which waiting requests are served.
    #[schemars(extend("x-effect" = "timing"))]
    pub scheduler: Scheduler,
}

impl Default for Hdd {
    fn default() -> Self {
        Self {
            seek_min: Span::Picoseconds(1_000_000_000),
            // The mean over random pairs of cylinders is min + 8/15 (max - min) = 7.9 ms.
            seek_max: Span::Picoseconds(14_000_000_000),
            seek_knee: None,
            seek_at_knee: None,
            rpm: 7200,
            heads: 1,
            zones: 16,
            transfer: ByteSize(200_000_000),
            transfer_inner: ByteSize(100_000_000),
            capacity: None,
            start: ByteSize(0),
            scheduler: Scheduler::default(),
        }
    }
}

fn fault<T>(key: &str, problem: impl Into<String>) -> Result<T, InvalidSetting> {
    Err(InvalidSetting::new(format!("swap.device.{key}"), problem.into()))
}

impl Hdd {
    fn geometry(&self, size: u64, turn: u64) -> Result<Geometry, InvalidSetting> {
        let outer = rate("transfer", self.transfer)?;
        let inner = rate("transfer_inner", self.transfer_inner)?;
        if inner > outer {
            return fault("transfer_inner", "must be at most `transfer`");
        }
        let zones = count("zones", self.zones, 64)?;
        let heads = count("heads", self.heads, 64)?;
        let end = self.start.0.saturating_add(size);
        let capacity = self.capacity.map_or(end, |capacity| capacity.0);
        if capacity > 1 << 50 {
            return fault("capacity", "must be at most 1PiB, `start` and the swap area included");
        }
        if capacity < end {
            let message = format!("holds no swap area of {size} bytes from {} on", self.start);
            return fault("capacity", message);
        }
        Ok(Geometry::new(capacity, zones, heads, [outer, inner], turn))
    }

    fn curve(&self, stroke: u64) -> Result<Curve, InvalidSetting> {
        let least = picoseconds("seek_min", self.seek_min)?;
        let most = picoseconds("seek_max", self.seek_max)?;
        if most < least {
            return fault("seek_max", "must be at least `seek_min`");
        }
        let (knee, at_knee) = match (self.seek_knee, self.seek_at_knee) {
            (None, None) => (stroke, most),
            (Some(_), None) => return fault("seek_at_knee", "is needed beside `seek_knee`"),
            (None, Some(_)) => return fault("seek_knee", "is needed beside `seek_at_knee`"),
            (Some(knee), Some(time)) => (u64::from(knee), picoseconds("seek_at_knee", time)?),
        };
        if self.seek_knee.is_some() && !(1..stroke).contains(&knee) {
            return fault(
                "seek_knee",
                format!("must be 1 to below the {stroke} from edge to edge"),
            );
        }
        if !(least..=most).contains(&at_knee) {
            return fault("seek_at_knee", "must lie between `seek_min` and `seek_max`");
        }
        Ok(Curve { least, knee, at_knee, stroke, most })
    }
}

/// A request that has been served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    pub arrival: u64,
    pub done: u64,
    pub write: bool,
}

/// A disk with its queue.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    curve: Curve,
    geometry: Geometry,
    turn: u64,
    /// Where the swap area begins.
    start: u64,
    queue: Elevator,
    cylinder: u64,
    /// The byte after the last request.
    next_byte: u64,
    free: u64,
    /// Whether the last request that began was a write.
    writing: bool,
}

impl Disk {
    /// A disk with a swap area of `size` bytes.
    pub fn new(hdd: &Hdd, size: u64) -> Result<Self, InvalidSetting> {
        let rpm = u64::from(count("rpm", hdd.rpm, 100_000)?);
        if rpm < SLOWEST {
            return fault("rpm", format!("must be at least {SLOWEST}, not {rpm}"));
        }
        let turn = MINUTE / rpm;
        let geometry = hdd.geometry(size, turn)?;
        Ok(Self {
            curve: hdd.curve(geometry.last_cylinder)?,
            turn,
            start: hdd.start.0,
            queue: Elevator::new(hdd.scheduler),
            cylinder: 0,
            next_byte: hdd.start.0,
            free: 0,
            writing: false,
            geometry,
        })
    }

    /// Puts a request into the queue: `bytes` from `first_byte` of the swap area on. Arrivals do not
    /// decrease.
    pub fn add(&mut self, arrival: u64, operation: Operation, first_byte: u64, bytes: u64) {
        let first_byte = self.start.saturating_add(first_byte);
        let write = operation == Operation::Write;
        self.queue.add(Request { arrival, first_byte, bytes, write });
    }

    /// When the next request begins, if one waits.
    fn next_start(&self) -> Option<u64> {
        self.queue.earliest().map(|arrival| arrival.max(self.free))
    }

    /// Serves the next request, if one waits that begins before `until`.
    pub fn serve(&mut self, until: u64) -> Option<Served> {
        let start = self.next_start().filter(|start| *start < until)?;
        let request = self.queue.next(start, self.next_byte)?;
        let Request { arrival, first_byte, bytes, write } = request;
        let wait = if first_byte == self.next_byte { 0 } else { self.position(start, first_byte) };
        let rate = self.geometry.zone(first_byte).rate;
        self.next_byte = first_byte.saturating_add(bytes);
        self.cylinder = self.geometry.spot(self.next_byte.saturating_sub(1)).cylinder;
        self.free = start.saturating_add(wait).saturating_add(transfer_time(bytes, rate));
        self.writing = write;
        Some(Served { arrival, done: self.free, write })
    }

    /// Writes that are not done at `now`.
    pub fn writes(&self, now: u64) -> usize {
        self.queue.writes() + usize::from(self.writing && self.free > now)
    }

    /// When the write under way at `now` is done, if one is.
    pub fn writing_until(&self, now: u64) -> Option<u64> {
        (self.writing && self.free > now).then_some(self.free)
    }

    /// How long it takes from `start` until `byte` is under the head.
    fn position(&self, start: u64, byte: u64) -> u64 {
        let spot = self.geometry.spot(byte);
        let seek = self.curve.time(spot.cylinder.abs_diff(self.cylinder));
        let angle = start.saturating_add(seek) % self.turn;
        let wait =
            if spot.angle >= angle { spot.angle - angle } else { self.turn - angle + spot.angle };
        seek + wait
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    const SIZE: u64 = 8 << 30;
    const MILLISECOND: u64 = 1_000_000_000;

    fn disk(hdd: Hdd) -> Disk {
        Disk::new(&hdd, SIZE).unwrap()
    }

    fn read(disk: &mut Disk, arrival: u64, first_byte: u64, bytes: u64) -> u64 {
        disk.add(arrival, Operation::Read, first_byte, bytes);
        disk.serve(u64::MAX).unwrap().done
    }

    /// The mean of `reads` random page reads, one after another, in ms.
    fn random(hdd: Hdd) -> f64 {
        let mut disk = disk(hdd);
        let mut rng = Pcg64Mcg::seed_from_u64(3);
        let (mut now, reads) = (0, 20_000);
        for _ in 0..reads {
            now = read(&mut disk, now, rng.random_range(0..SIZE / 4096) * 4096, 4096);
        }
        now as f64 / f64::from(reads) / MILLISECOND as f64
    }

    /// 1 ms + 8/15 × 13 ms of seek, half a turn of 4.17 ms, 20 us of transfer: 12.1 ms, where all cylinders
    /// hold as much. Where the outer ones hold twice as much as the inner, seeks are a little shorter.
    #[test]
    fn a_random_page_takes_12_ms() {
        let even = random(Hdd { zones: 1, ..Hdd::default() });
        assert!((even - 12.12).abs() < 0.1, "{even} ms");
        let zoned = random(Hdd::default());
        assert!(zoned < even && even - zoned < 0.3, "{zoned} ms");
    }

    /// Arrivals at any angle wait half a turn.
    #[test]
    fn the_mean_rotational_delay_is_half_a_turn() {
        let mut disk = disk(Hdd::default());
        let (turn, mut waited, arrivals) = (disk.turn, 0, 1000u64);
        for arrival in 0..arrivals {
            // Ten turns apart, and a thousandth of a turn later each time; always the same byte.
            let now = arrival * 10 * turn + arrival * turn / arrivals;
            waited += read(&mut disk, now, 1_000_000, 1) - now;
        }
        let mean = waited as f64 / arrivals as f64 / turn as f64;
        assert!((mean - 0.5).abs() < 0.002, "{mean} turns");
    }

    #[test]
    fn the_outer_edge_streams_twice_as_fast_as_the_inner() {
        let rate = |from: u64| {
            let mut disk = disk(Hdd::default());
            let start = read(&mut disk, 0, from, 4096);
            let mut now = start;
            for page in 1..=10_000 {
                now = read(&mut disk, now, from + page * 4096, 4096);
            }
            10_000.0 * 4096.0 / (now - start) as f64 * 1e12
        };
        let (outer, inner) = (rate(0), rate(SIZE - 10_001 * 4096));
        assert!((outer / 200e6 - 1.0).abs() < 1e-3, "{outer} B/s");
        assert!((inner / 100e6 - 1.0).abs() < 1e-3, "{inner} B/s");
    }

    #[test]
    fn seeks_grow_with_the_root_of_the_distance() {
        let disk = disk(Hdd { zones: 1, ..Hdd::default() });
        let stroke = disk.curve.stroke;
        let milliseconds = |share: u64| disk.curve.time(stroke / share) as f64 / MILLISECOND as f64;
        assert_eq!(disk.curve.time(0), 0);
        assert_eq!(disk.curve.time(stroke), 14 * MILLISECOND);
        assert!((milliseconds(4) - 7.5).abs() < 0.01);
        assert!((milliseconds(100) - 2.3).abs() < 0.01);
    }

    /// On one track only the platter moves: half a turn away is half a turn later.
    #[test]
    fn the_platter_turns_with_time() {
        let mut disk = disk(Hdd { zones: 1, ..Hdd::default() });
        let half = 200_000_000 / 240;
        let (turn, transfer) = (disk.turn, transfer_time(1, 200_000_000));
        let first = read(&mut disk, 0, half, 1);
        assert!(first.abs_diff(turn / 2 + transfer) <= turn / 1_000_000);
        let second = read(&mut disk, 10 * turn, half, 1);
        assert!(second.abs_diff(10 * turn + turn / 2 + transfer) <= turn / 1_000_000);
    }

    /// A queue of random pages is served sooner in the elevator's order; one at a time it is the same.
    #[test]
    fn an_elevator_saves_seeks_where_requests_wait() {
        let end = |scheduler| {
            let mut disk = disk(Hdd { scheduler, ..Hdd::default() });
            let mut rng = Pcg64Mcg::seed_from_u64(3);
            for _ in 0..64 {
                disk.add(0, Operation::Write, rng.random_range(0..SIZE / 4096) * 4096, 4096);
            }
            std::iter::from_fn(|| disk.serve(u64::MAX)).map(|served| served.done).last().unwrap()
        };
        let [fifo, look, c_look] = [Scheduler::Fifo, Scheduler::Look, Scheduler::CLook].map(end);
        assert!(look <= c_look && c_look * 3 < fifo * 2, "{look} {c_look} {fifo}");
        let alone = |scheduler| random(Hdd { scheduler, ..Hdd::default() });
        assert_eq!(alone(Scheduler::CLook), alone(Scheduler::Fifo));
    }

    /// An area in the middle of a large disk: short seeks, and tracks in between.
    #[test]
    fn an_area_is_a_part_of_its_disk() {
        let part =
            Hdd { capacity: Some(ByteSize(1 << 40)), start: ByteSize(1 << 39), ..Hdd::default() };
        let (part, whole) = (random(part), random(Hdd::default()));
        assert!(part + 4.0 < whole && part > 4.2, "{part} and {whole} ms");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let key = |hdd: Hdd| Disk::new(&hdd, SIZE).unwrap_err().key;
        let hdd = Hdd::default();
        assert_eq!(key(Hdd { rpm: 0, ..hdd }), "swap.device.rpm");
        assert_eq!(key(Hdd { heads: 0, ..hdd }), "swap.device.heads");
        assert_eq!(key(Hdd { zones: 65, ..hdd }), "swap.device.zones");
        let slow = Span::Picoseconds(20 * MILLISECOND);
        assert_eq!(key(Hdd { seek_min: slow, ..hdd }), "swap.device.seek_max");
        assert_eq!(key(Hdd { seek_min: Span::Cycles(1), ..hdd }), "swap.device.seek_min");
        assert_eq!(key(Hdd { seek_knee: Some(9), ..hdd }), "swap.device.seek_at_knee");
        assert_eq!(key(Hdd { seek_at_knee: Some(slow), ..hdd }), "swap.device.seek_knee");
        let knee = Hdd { seek_knee: Some(1000), seek_at_knee: Some(slow), ..hdd };
        assert_eq!(key(knee), "swap.device.seek_at_knee");
        assert_eq!(key(Hdd { seek_knee: Some(u32::MAX), ..knee }), "swap.device.seek_knee");
        let fast = ByteSize(300_000_000);
        assert_eq!(key(Hdd { transfer_inner: fast, ..hdd }), "swap.device.transfer_inner");
        assert_eq!(key(Hdd { capacity: Some(ByteSize(SIZE - 1)), ..hdd }), "swap.device.capacity");
        assert_eq!(key(Hdd { start: ByteSize(1 << 50), ..hdd }), "swap.device.capacity");
    }
}
