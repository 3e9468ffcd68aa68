//! Main memory: channels of ranks of bank groups of banks of rows, behind a first-ready, first-come
//! scheduler that keeps every timing constraint of its standard.
//!
//! Time outside is in picoseconds; inside it is counted in the memory's clocks. A request takes part from
//! the first clock edge at or after its arrival, and its first command issues one clock later at the
//! earliest. The model jumps from event to event: idle time costs nothing.

use crate::address::PhysAddr;
use crate::statistics::{Histogram, Ratio, Statistics};

mod bank;
mod candidates;
mod channel;
pub mod checker;
mod closing;
mod constraint;
mod direction;
mod energy;
mod legal;
mod mapping;
mod period;
#[cfg(test)]
mod plain;
mod policy;
mod queue;
mod reads;
mod refresh;
mod ring;
#[cfg(test)]
mod search;
mod set;
pub mod settings;
mod standard;
#[cfg(test)]
mod tests;
mod timing;

pub use constraint::Command;

use self::channel::{Channel, Counts};
use self::checker::Issued;
use self::energy::{Energy, Events};
use self::mapping::Mapping;
use self::period::Period;
use self::queue::Request;
use self::reads::Reads;
use self::standard::Standard;
use super::settings::InvalidSetting;

/// Bytes that a request reads or writes, with one burst or two.
const LINE_BYTES: u64 = 64;

/// Names a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Main memory. It knows nothing of `controller_latency`, which its caller adds on each way.
#[derive(Debug, Clone)]
pub struct Dram {
    mapping: Mapping,
    period: Period,
    channels: Vec<Channel>,
    /// The clock of each channel's next event.
    next: Vec<u64>,
    /// Reads whose last beat is still to come.
    reads: Reads,
    /// Clocks from a read's command to its last beat.
    read_clocks: u64,
    /// Bursts a line.
    bursts: u8,
    ranks: u32,
    energy: Energy,
    requests: u64,
    writes: u64,
    /// The clock before which everything has happened.
    settled: u64,
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
        let standard = Standard::of(settings.preset);
        let channel = |number| Channel::new(number, organisation, &clocks, settings);
        let period = Period::new(clocks.tck);
        Ok(Self {
            mapping: Mapping::new(&settings.mapping, settings.hash, &organisation)?,
            period,
            channels: (0..organisation.channels).map(channel).collect::<Result<_, _>>()?,
            next: vec![u64::MAX; organisation.channels as usize],
            reads: Reads::new(period),
            read_clocks: clocks.column - 1 + clocks.cl + clocks.bl,
            // At most two in any standard.
            bursts: organisation.bursts as u8,
            ranks: organisation.ranks,
            energy: Energy::new(standard, &organisation, &clocks, settings.refresh),
            requests: 0,
            writes: 0,
            settled: 0,
        })
    }

    /// Hands over a read or write of the 64 bytes at `addr` at the time `arrival` in picoseconds, which must
    /// not be before a time that [`Self::advance`] was given or has returned. A write is not answered.
    /// Numbers of requests rise in the order in which they are handed over.
    #[inline]
    pub fn submit(&mut self, arrival: u64, addr: PhysAddr, write: bool) -> RequestId {
        let id = RequestId(self.requests);
        self.submit_as(id, arrival, addr, write);
        id
    }

    /// As [`Self::submit`], under a name of the caller's choice: [`Self::advance`] returns it, and nothing
    /// else is done with it, so that it may say who asked. It need not differ from others.
    #[inline]
    pub fn submit_as(&mut self, id: RequestId, arrival: u64, addr: PhysAddr, write: bool) {
        self.requests += 1;
        self.writes += u64::from(write);
        let place = self.mapping.place(addr);
        let arrival = self.period.edge(arrival).max(self.settled);
        let request = Request::new(id, arrival, write, place.bank, place.row, self.bursts);
        // The mapping's channel field is as wide as there are channels.
        let channel = place.channel as usize;
        self.next[channel] = self.channels[channel].submit(request, self.settled);
    }

    /// Commits, in time order, every command that issues before `until` (picoseconds), given that no
    /// request will arrive before then; but stops at the first completion of a read. Returns that read
    /// and the time of its last beat, at most `until`, with every command before that time committed and
    /// none from it on; `None` if no read completes by `until`.
    ///
    /// With `u64::MAX` it returns outstanding reads one after another and, with the `None` that
    /// follows the last, has served all writes too. Refreshes of a channel without requests are put off
    /// until it has one again.
    #[inline]
    pub fn advance(&mut self, until: u64) -> Option<(RequestId, u64)> {
        let end = if until == u64::MAX { u64::MAX } else { self.period.edge(until) };
        self.run(end);
        if let Some((id, done, time)) = self.reads.pop(until) {
            self.settled = self.settled.max(done);
            return Some((id, time));
        }
        if until != u64::MAX {
            self.settled = self.settled.max(end);
        }
        None
    }

    /// A request for the 64 bytes at `addr` was served at `time` (picoseconds) without being simulated: its
    /// row is left open, where rows are, and refreshes that were due before have closed others. Nothing else
    /// changes, no request is counted, no command is in the log, and a channel with requests of its own is
    /// left as it is. Times are as those of [`Self::submit`].
    #[inline]
    pub fn touch(&mut self, time: u64, addr: PhysAddr) {
        let place = self.mapping.place(addr);
        let clock = self.period.edge(time).max(self.settled);
        // The mapping's channel field is as wide as there are channels.
        self.channels[place.channel as usize].touch(clock, place.bank, place.row);
    }

    /// Lets everything happen before the clock `end` and before the first last beat of a read.
    fn run(&mut self, end: u64) {
        let alone = self.channels.len() == 1;
        loop {
            let horizon = end.min(self.reads.next());
            let first = self.next.iter().fold(u64::MAX, |first, next| first.min(*next));
            if first >= horizon {
                return;
            }
            // A read that is issued on the way may be the first to complete. A channel heeds its own; those
            // of others take so long at least.
            let lead = if alone { u64::MAX } else { first.saturating_add(self.read_clocks) };
            let limit = horizon.min(lead);
            for (channel, next) in self.channels.iter_mut().zip(&mut self.next) {
                if *next < limit {
                    *next = channel.run(limit, &mut self.reads);
                }
            }
            if alone || lead >= horizon {
                return;
            }
        }
    }

    /// The time in picoseconds before which no outstanding read completes, if no further request is handed
    /// over; each that is may complete within what a read from an open row takes. `u64::MAX` without any.
    #[inline]
    pub fn quiet_until(&self) -> u64 {
        let next = self.next.iter().copied().min().unwrap_or(u64::MAX);
        self.period.time(self.reads.next().min(next.saturating_add(self.read_clocks)))
    }

    /// Whether nothing is outstanding, neither reads nor writes.
    pub fn idle(&self) -> bool {
        self.reads.is_empty() && self.channels.iter().all(Channel::idle)
    }

    /// The time of each read from its arrival at the channel to its last beat, in picoseconds.
    pub fn read_time(&self) -> &Histogram {
        &self.reads.times
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

    /// Leaves each channel so many ages of requests.
    #[cfg(test)]
    fn wear_out(&mut self, left: u32) {
        self.channels.iter_mut().for_each(|channel| channel.wear_out(left));
    }

    /// Declares the statistics.
    pub fn report(&self, out: &mut Statistics) {
        let sum = |count: fn(&Counts) -> u64| {
            self.channels.iter().map(|channel| count(&channel.counts)).sum::<u64>()
        };
        let reads = self.requests - self.writes;
        let bytes = self.requests.saturating_mul(LINE_BYTES);
        out.count("dram.reads", "lines", "Lines of 64 bytes asked for", reads);
        out.count("dram.writes", "lines", "Lines of 64 bytes handed over for writing", self.writes);
        for (name, doc, value) in [
            (
                "dram.row_hits",
                "Requests that found their row open when they were first served",
                sum(|counts| {
                    counts.first[Command::Read as usize] + counts.first[Command::Write as usize]
                }),
            ),
            (
                "dram.row_misses",
                "Requests that found no row open in their bank when they were first served",
                sum(|counts| counts.first[Command::Activate as usize]),
            ),
            (
                "dram.row_conflicts",
                "Requests that found another row open in their bank when they were first served",
                sum(|counts| counts.first[Command::Precharge as usize]),
            ),
        ] {
            out.count(name, "requests", doc, value);
        }
        out.count("dram.bytes", "bytes", "Bytes read and written", bytes);
        let mean = Ratio { unit: 1000, ..self.reads.times.ratio() };
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
            "Refreshes of a rank, or of its banks in turn, up to its channel's last request",
            refreshes,
        );
        let bursts = |lines: u64| lines.saturating_mul(u64::from(self.bursts));
        let channels = self.channels.iter();
        let open = channels.map(|channel| u128::from(channel.open_clocks(self.settled))).sum();
        let ranks = self.channels.len() as u128 * u128::from(self.ranks);
        let events = Events {
            activates,
            reads: bursts(reads),
            writes: bursts(self.writes),
            refreshes,
            rank_clocks: u128::from(self.settled) * ranks,
            open_clocks: open,
        };
        self.energy.report(&events, out);
    }
}
