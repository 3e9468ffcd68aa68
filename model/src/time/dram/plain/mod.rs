//! The same memory in its plainest form, for comparison: every decision looks at every request, clocks
//! are absolute, and every command on every channel is found by looking at all of them.

mod channel;
mod state;
mod tests;

use super::checker::Issued;
use super::settings::{self, Hash, Organisation};
use channel::{Channel, Request};
use state::Target;

/// Main memory.
pub(super) struct Plain {
    organisation: Organisation,
    mapping: String,
    hash: Hash,
    tck: u64,
    read_clocks: u64,
    channels: Vec<Channel>,
    /// Reads that were issued: last beat, channel, number, arrival.
    in_flight: Vec<(u64, usize, u64, u64)>,
    requests: u64,
    settled: u64,
    /// The times of all reads.
    pub read_times: Vec<u64>,
}

impl Plain {
    pub fn new(settings: &settings::Dram) -> Self {
        let (organisation, clocks) = (settings.organisation().unwrap(), settings.clocks().unwrap());
        let channel = |_| Channel::new(organisation, &clocks, settings);
        Self {
            organisation,
            mapping: settings.mapping.clone(),
            hash: settings.hash,
            tck: clocks.tck,
            read_clocks: clocks.column - 1 + clocks.cl + clocks.bl,
            channels: (0..organisation.channels).map(channel).collect(),
            in_flight: Vec::new(),
            requests: 0,
            settled: 0,
            read_times: Vec::new(),
        }
    }

    pub fn submit(&mut self, arrival: u64, addr: u64, write: bool) {
        let [channel, rank, bank_group, bank, row] = self.place(addr);
        let group = rank * self.organisation.bank_groups + bank_group;
        let request = Request {
            number: self.requests,
            arrival: arrival.div_ceil(self.tck).max(self.settled),
            write,
            target: Target { rank, group, bank: group * self.organisation.banks + bank },
            row,
            started: false,
            left: self.organisation.bursts,
        };
        self.requests += 1;
        self.channels[channel as usize].submit(request, self.settled);
    }

    /// The channel, rank, bank group, bank and row, by taking the fields off the address one by one.
    fn place(&self, addr: u64) -> [u32; 5] {
        let organisation = &self.organisation;
        let mut rest = addr / 64;
        let mut place = [0; 5];
        for at in (0..6).rev() {
            let (index, size) = match &self.mapping[2 * at..2 * at + 2] {
                "Ch" => (Some(0), organisation.channels),
                "Ra" => (Some(1), organisation.ranks),
                "Bg" => (Some(2), organisation.bank_groups),
                "Ba" => (Some(3), organisation.banks),
                "Ro" => (Some(4), organisation.rows),
                _ => (None, organisation.lines),
            };
            if let Some(index) = index {
                place[index] = (rest % u64::from(size)) as u32;
            }
            rest /= u64::from(size);
        }
        let [.., bank_group, bank, row] = place;
        let (mut number, banks) =
            (bank_group * organisation.banks + bank, organisation.banks_a_rank());
        let mut row = match self.hash {
            Hash::None => 0,
            Hash::Permutation => row % banks,
            Hash::Xor => row,
        };
        while row > 0 && banks > 1 {
            number ^= row % banks;
            row /= banks;
        }
        (place[2], place[3]) = (number / organisation.banks, number % organisation.banks);
        place
    }

    /// As [`Dram::advance`](super::Dram::advance), with the number of the read.
    pub fn advance(&mut self, until: u64) -> Option<(u64, u64)> {
        let end = if until == u64::MAX { u64::MAX } else { until.div_ceil(self.tck) };
        loop {
            let first = self.in_flight.iter().map(|read| read.0).min();
            let limit = first.map_or(end, |done| done.min(end));
            let events = self.channels.iter().enumerate();
            let next = events.filter_map(|(index, channel)| Some((channel.next()?, index))).min();
            let Some((clock, index)) = next.filter(|(clock, _)| *clock < limit) else { break };
            if let Some(read) = self.channels[index].step() {
                let done = clock + self.read_clocks;
                self.read_times.push((done - read.arrival) * self.tck);
                self.in_flight.push((done, index, read.number, read.arrival));
            }
        }
        let place = (0..self.in_flight.len()).min_by_key(|&place| self.in_flight[place]);
        if let Some(place) = place.filter(|&place| self.in_flight[place].0 * self.tck <= until) {
            let (done, _, number, _) = self.in_flight.remove(place);
            self.settled = self.settled.max(done);
            return Some((number, done * self.tck));
        }
        if until != u64::MAX {
            self.settled = self.settled.max(end);
        }
        None
    }

    /// Row hits, misses and conflicts, activations and refreshes.
    pub fn counts(&self) -> [u64; 5] {
        let sum = |index: usize| self.channels.iter().map(|channel| channel.counts[index]).sum();
        std::array::from_fn(sum)
    }

    /// The commands, channel by channel.
    pub fn log(&self) -> Vec<Issued> {
        let channels = (0..).zip(&self.channels);
        let named = |(number, channel): (u32, &Channel)| {
            let issued = channel.log.iter();
            issued.map(move |issued| Issued { channel: number, ..*issued }).collect::<Vec<_>>()
        };
        channels.flat_map(named).collect()
    }
}
