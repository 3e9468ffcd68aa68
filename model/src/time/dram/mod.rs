//! Main memory: channels of ranks of bank groups of banks of rows, behind a first-ready, first-come
//! scheduler that keeps every timing constraint of its standard.
//!
//! Time outside is in picoseconds; inside it is counted in the memory's clocks. A request takes part from
//! the first clock edge at or after its arrival, and its first command issues one clock later at the
//! earliest. The model jumps from event to event: idle time costs nothing.

use std::collections::VecDeque;

use crate::address::PhysAddr;
use crate::statistics::{Histogram, Ratio, Statistics};

mod channel;
pub mod checker;
mod constraint;
mod mapping;
mod queue;
pub mod settings;
mod standard;
mod state;
#[cfg(test)]
mod tests;

pub use constraint::Command;

use self::channel::{Channel, Completion, Counts, Request};
use self::checker::Issued;
use self::mapping::Mapping;
use self::settings::Organisation;
use self::state::Target;
use super::settings::InvalidSetting;

/// Beats of a burst (BL8): columns that one read or write moves.
const BURST: u32 = 8;

/// Clocks that a burst occupies the data bus: two beats a clock.
const BURST_CLOCKS: u64 = BURST as u64 / 2;

/// Bytes of a burst on a 64-bit channel.
const BURST_BYTES: u64 = BURST as u64 * 8;

/// Names a request; numbers rise in the order of [`Dram::submit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Main memory. It knows nothing of `controller_latency`, which its caller adds on each way.
#[derive(Debug, Clone)]
pub struct Dram {
    organisation: Organisation,
    mapping: Mapping,
    tck: u64,
    channels: Vec<Channel>,
    /// Reads whose last beat is still to come, in its order: commands issue in time order and every
    /// read takes equally long from there.
    in_flight: VecDeque<Completion>,
    requests: u64,
    writes: u64,
    /// The clock before which everything has happened.
    settled: u64,
    read_time: Histogram,
}

impl Dram {
    /// An idle memory with all rows closed, whose first refresh is due one interval from time 0.
    ///
    /// # Errors
    /// As [`settings::Dram::validate`].
    pub fn new(settings: &settings::Dram) -> Result<Self, InvalidSetting> {
        settings.validate()?;
        let organisation = settings.organisation()?;
        let clocks = settings.clocks()?;
        let channel =
            |number| Channel::new(number, organisation, &clocks, settings.queue, settings.refresh);
        Ok(Self {
            organisation,
            mapping: Mapping::new(&settings.mapping, &organisation)?,
            tck: clocks.tck,
            channels: (0..organisation.channels).map(channel).collect(),
            in_flight: VecDeque::new(),
            requests: 0,
            writes: 0,
            settled: 0,
            read_time: Histogram::default(),
        })
    }

    /// Hands over a read or write of the burst at `addr` at the time `arrival` in picoseconds, which must
    /// not be before a time that [`Self::advance`] was given or has returned. A write is not answered.
    pub fn submit(&mut self, arrival: u64, addr: PhysAddr, write: bool) -> RequestId {
        let id = RequestId(self.requests);
        self.requests += 1;
        self.writes += u64::from(write);
        let place = self.mapping.place(addr);
        let group = place.rank * self.organisation.bank_groups + place.bank_group;
        let request = Request {
            id,
            arrival: arrival.div_ceil(self.tck).max(self.settled),
            write,
            target: Target {
                rank: place.rank,
                group,
                bank: group * self.organisation.banks + place.bank,
            },
            row: place.row,
            started: false,
        };
        // The mapping's channel field is as wide as there are channels.
        self.channels[place.channel as usize].submit(request, self.settled);
        id
    }

    /// Commits, in time order, every command that issues before `until` (picoseconds), given that no
    /// request will arrive before then; but stops at the first completion of a read. Returns that read
    /// and the time of its last beat, at most `until`, with every command before that time committed and
    /// none from it on; `None` if no read completes by `until`.
    ///
    /// With `u64::MAX` it returns outstanding reads one after another and, with the `None` that
    /// follows the last, has served all writes too. Refreshes of a channel without requests are put off
    /// until it has one again.
    pub fn advance(&mut self, until: u64) -> Option<(RequestId, u64)> {
        let end = if until == u64::MAX { u64::MAX } else { until.div_ceil(self.tck) };
        loop {
            let limit = self.in_flight.front().map_or(end, |read| read.done.min(end));
            let events = self.channels.iter().enumerate();
            let next = events
                .filter_map(|(index, channel)| Some((channel.next()?, index)))
                .min()
                .filter(|(clock, _)| *clock < limit);
            let Some((_, index)) = next else { break };
            if let Some(read) = self.channels[index].step() {
                self.read_time.add((read.done - read.arrival) * self.tck, 1);
                self.in_flight.push_back(read);
            }
        }
        let completed = |read: &mut Completion| read.done.saturating_mul(self.tck) <= until;
        if let Some(read) = self.in_flight.pop_front_if(completed) {
            self.settled = self.settled.max(read.done);
            return Some((read.id, read.done.saturating_mul(self.tck)));
        }
        if until != u64::MAX {
            self.settled = self.settled.max(end);
        }
        None
    }

    /// Whether nothing is outstanding, neither reads nor writes.
    pub fn idle(&self) -> bool {
        self.in_flight.is_empty() && self.channels.iter().all(Channel::idle)
    }

    /// The time of each read from its arrival at the channel to its last beat, in picoseconds.
    pub fn read_time(&self) -> &Histogram {
        &self.read_time
    }

    /// From now on keeps the commands that issue, for the [`checker`].
    pub fn keep_log(&mut self) {
        for channel in &mut self.channels {
            channel.log.get_or_insert_default();
        }
    }

    /// The commands since [`Self::keep_log`], channel by channel.
    pub fn take_log(&mut self) -> Vec<Issued> {
        let logs = self.channels.iter_mut().filter_map(|channel| channel.log.as_mut());
        logs.flat_map(std::mem::take).collect()
    }

    /// Declares the statistics.
    pub fn report(&self, out: &mut Statistics) {
        let sum = |count: fn(&Counts) -> u64| {
            self.channels.iter().map(|channel| count(&channel.counts)).sum::<u64>()
        };
        let reads = self.requests - self.writes;
        let bytes = self.requests.saturating_mul(BURST_BYTES);
        out.count("dram.reads", "bursts", "Bursts asked for", reads);
        out.count("dram.writes", "bursts", "Bursts handed over for writing", self.writes);
        for (name, doc, value) in [
            (
                "dram.row_hits",
                "Requests that found their row open when they were first served",
                sum(|counts| counts.row_hits),
            ),
            (
                "dram.row_misses",
                "Requests that found no row open in their bank when they were first served",
                sum(|counts| counts.row_misses),
            ),
            (
                "dram.row_conflicts",
                "Requests that found another row open in their bank when they were first served",
                sum(|counts| counts.row_conflicts),
            ),
        ] {
            out.count(name, "requests", doc, value);
        }
        out.count("dram.bytes", "bytes", "Bytes read and written", bytes);
        let mean = Ratio { unit: 1000, ..self.read_time.ratio() };
        out.ratio(
            "dram.read_ns_mean",
            "ns",
            "Mean time of a read from its arrival at the channel to its last beat",
            mean,
        );
        let (activates, refreshes) =
            (sum(|counts| counts.activates), sum(|counts| counts.refreshes));
        out.count("dram.activates", "commands", "Rows opened", activates);
        out.count(
            "dram.refreshes",
            "commands",
            "Refreshes of a rank, up to its channel's last request",
            refreshes,
        );
    }
}
