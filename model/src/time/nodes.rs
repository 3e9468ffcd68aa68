//! Memory in nodes: one of its own each, behind a link, chosen by the address.
//!
//! A request from a CPU of another node passes the node's link on its way there and its data the link back.
//! Each way takes the link's latency; a link of a limited bandwidth carries one line at a time, in the order
//! in which the CPU sends and memory answers.

use std::collections::VecDeque;

use crate::address::PhysAddr;
use crate::config::{Config, InvalidSetting};
use crate::statistics::Statistics;

use super::dram::{Dram, RequestId};
use super::ports::Memory;

/// Bytes that one request moves.
const LINE: u64 = 64;

/// One node's memory.
#[derive(Debug)]
struct Node {
    name: String,
    /// Its first address.
    start: u64,
    dram: Dram,
    /// Picoseconds of a way over the link, and what the node's controller takes more than the machine's.
    latency: u64,
    /// Picoseconds that a line keeps the link.
    line: u64,
    /// When the ways there and back are free.
    there: u64,
    back: u64,
    /// Reads that memory has answered and the link has yet to deliver: the time and the request.
    answers: VecDeque<(u64, u64)>,
}

impl Node {
    /// When no answer can come any earlier.
    fn quiet_until(&self) -> u64 {
        match self.answers.front() {
            Some((time, _)) => *time,
            None => self.dram.quiet_until().saturating_add(self.latency),
        }
    }

    /// When what leaves the CPU at `time` is there.
    fn arrival(&mut self, time: u64, line: u64) -> u64 {
        let sent = time.max(self.there);
        self.there = sent + line;
        sent.saturating_add(self.latency)
    }

    /// Lets memory work up to its next possible answer, of which it is told that `by` it may have come.
    fn work(&mut self, by: u64) {
        let until = if by == u64::MAX { by } else { by.saturating_sub(self.latency) };
        while let Some((RequestId(id), finish)) = self.dram.advance(until) {
            let sent = finish.max(self.back);
            self.back = sent + self.line;
            self.answers.push_back((sent.saturating_add(self.latency), id));
        }
    }
}

/// The memory of all nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    requests: u64,
}

impl Nodes {
    /// Idle, as seen from CPU 0.
    ///
    /// # Errors
    /// As [`Dram::new`].
    pub(super) fn new(config: &Config) -> Result<Self, InvalidSetting> {
        let numa = &config.numa;
        let home = numa.home(0);
        let nodes = numa.node.iter().zip(numa.ranges()).enumerate().map(|(at, (node, range))| {
            let dram = Dram::new(node.dram.as_ref().unwrap_or(&config.dram))?;
            let latency = numa.way(at, config).unwrap_or(0);
            let bandwidth = node.bandwidth.filter(|_| at != home);
            // A bandwidth is at least 1 MiB a second.
            let line = bandwidth.map_or(0, |bytes| (LINE * 1_000_000_000_000).div_ceil(bytes.0));
            let (name, start) = (node.name.clone(), range.start);
            let (there, back, answers) = Default::default();
            Ok(Node { name, start, dram, latency, line, there, back, answers })
        });
        Ok(Self { nodes: nodes.collect::<Result<_, InvalidSetting>>()?, requests: 0 })
    }

    /// The node of an address, and the address in its memory. What lies above all memory is the last one's.
    fn node(&mut self, addr: PhysAddr) -> (&mut Node, PhysAddr) {
        let at = self.nodes.partition_point(|node| node.start <= addr.0).saturating_sub(1);
        // A machine with nodes has one; the first starts at 0.
        let node = &mut self.nodes[at];
        let inside = PhysAddr(addr.0 - node.start);
        (node, inside)
    }

    /// Declares the statistics: sums, then those of every node.
    pub(super) fn report(&self, out: &mut Statistics) {
        let own = self.nodes.iter().map(|node| {
            let mut own = Statistics::default();
            node.dram.report(&mut own);
            (node.name.as_str(), own)
        });
        let own: Vec<_> = own.collect();
        let mut all = own.iter().map(|(_, own)| own.clone());
        if let Some(first) = all.next() {
            out.append(all.fold(first, |sum, own| sum.after(&own)));
        }
        for (name, own) in own {
            out.append(own.renamed(|of| of.replacen("dram.", &format!("dram.{name}."), 1)));
        }
    }
}

impl Memory for Nodes {
    fn submit(&mut self, arrival: u64, addr: PhysAddr, write: bool) -> u64 {
        let id = self.requests;
        self.requests += 1;
        let (node, addr) = self.node(addr);
        // A read's request is short; its data come back.
        let line = if write { node.line } else { 0 };
        let arrival = node.arrival(arrival, line);
        node.dram.submit_as(RequestId(id), arrival, addr, write);
        id
    }

    /// Nothing comes from the CPU before the earliest time at which it may have an answer, `first` below. What
    /// then comes reaches a node's memory a link later, and until then memory may work.
    fn advance(&mut self, until: u64) -> Option<(u64, u64)> {
        loop {
            let times = self.nodes.iter().map(Node::quiet_until).enumerate();
            let (at, first) = times.min_by_key(|(_, time)| *time)?;
            if first == u64::MAX {
                // Nothing is read any more; writes may be left.
                self.nodes.iter_mut().for_each(|node| node.work(until));
                return None;
            }
            if first > until {
                return None;
            }
            // `at` is a node's index.
            let node = &mut self.nodes[at];
            if let Some((time, id)) = node.answers.pop_front() {
                return Some((id, time));
            }
            node.work(first);
        }
    }

    fn touch(&mut self, time: u64, addr: PhysAddr) {
        let (node, addr) = self.node(addr);
        let time = time.saturating_add(node.latency);
        node.dram.touch(time, addr);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// The CPU's node of 16 MiB, and one behind a link of 100 ns. Nothing is refreshed.
    fn config(link: &str) -> Config {
        let text = format!(
            "dram.refresh = false\n\
             [[numa.node]]\nname = \"near\"\nmemory = \"16MiB\"\ncpus = [0]\nlatency = \"70ns\"\n\
             [[numa.node]]\nname = \"far\"\nmemory = \"16MiB\"\nlatency = \"100ns\"\n{link}"
        );
        toml::from_str::<Config>(&text).unwrap().resolve().unwrap()
    }

    /// Requests at their times, lets memory work between them as the CPU does, and returns when each read is
    /// answered.
    fn run(nodes: &mut Nodes, requests: &[(u64, u64, bool)]) -> Vec<(u64, u64)> {
        let mut answers = Vec::new();
        for (time, addr, write) in requests {
            answers.extend(std::iter::from_fn(|| nodes.advance(*time)));
            nodes.submit(*time, PhysAddr(*addr), *write);
        }
        answers.extend(std::iter::from_fn(|| nodes.advance(u64::MAX)));
        answers
    }

    #[test]
    fn a_read_from_afar_takes_two_links_more() {
        let config = config("");
        let alone = |addr| run(&mut Nodes::new(&config).unwrap(), &[(0, addr, false)])[0].1;
        assert_eq!(alone(16 * MIB + 4096), alone(4096) + 2 * 100_000);
        // Its own controller's time counts too.
        let slow = self::config("dram = { refresh = false, controller_latency = \"15ns\" }");
        let read = [(0, 16 * MIB + 4096, false)];
        let slower = run(&mut Nodes::new(&slow).unwrap(), &read)[0].1;
        assert_eq!(slower, alone(16 * MIB + 4096) + 2 * 5_000);
        // A chain of reads in turn, each asked for when the one before is there.
        let mut nodes = Nodes::new(&config).unwrap();
        let mut now = 0;
        for step in 0..10 {
            nodes.submit(now, PhysAddr(16 * MIB + step * 64), false);
            let (id, time) = nodes.advance(u64::MAX).unwrap();
            assert_eq!(id, step);
            // 27 clocks for a row hit, a clock to be taken in, both ways of the link.
            let hit = 200_000 + 27 * 625;
            assert!(step == 0 || time.next_multiple_of(625) - now.next_multiple_of(625) == hit);
            now = time;
        }
    }

    /// 1 GiB a second: a line of 64 bytes takes 59,605 ps, far longer than memory needs for it.
    #[test]
    fn a_link_carries_a_line_at_a_time_each_way() {
        let config = config("bandwidth = \"1GiB\"");
        let line = (64u64 * 1_000_000_000_000).div_ceil(1 << 30);
        let read = |n: u64| (0, 16 * MIB + 64 * n, false);
        let mut nodes = Nodes::new(&config).unwrap();
        let times = run(&mut nodes, &(0..50).map(read).collect::<Vec<_>>());
        assert!((1..50).all(|n| times[n].1 == times[0].1 + n as u64 * line), "{times:?}");
        // What is written keeps the way there, and a read that comes later waits for it.
        let alone = run(&mut Nodes::new(&config).unwrap(), &[(50 * line, 20 * MIB, false)])[0].1;
        let write = |n: u64| (0, 16 * MIB + 64 * n, true);
        let mut busy: Vec<_> = (0..50).map(write).collect();
        busy.push((0, 20 * MIB, false));
        let behind = run(&mut Nodes::new(&config).unwrap(), &busy)[0].1;
        assert!(behind >= alone, "{behind} {alone}");
        // The CPU's own node has no link.
        let near: Vec<_> = (0..50).map(|n| (0, 64 * n, false)).collect();
        let near = run(&mut Nodes::new(&config).unwrap(), &near);
        assert!(near[49].1 < 50 * line / 4, "{near:?}");
    }

    #[test]
    fn statistics_are_sums_with_the_nodes_beside_them() {
        let mut nodes = Nodes::new(&config("dram = { preset = \"ddr5-4800\" }")).unwrap();
        let requests = [(0, 0, false), (0, 64, true), (10, 16 * MIB, false), (20, 17 * MIB, false)];
        assert_eq!(run(&mut nodes, &requests).len(), 3);
        let mut statistics = Statistics::default();
        nodes.report(&mut statistics);
        let value = |name: &str| statistics.get(name).unwrap().as_f64();
        assert_eq!((value("dram.reads"), value("dram.writes")), (3.0, 1.0));
        assert_eq!((value("dram.near.reads"), value("dram.far.reads")), (1.0, 2.0));
        assert_eq!(value("dram.bytes"), 256.0);
        let means = (value("dram.near.read_ns_mean"), value("dram.far.read_ns_mean"));
        // The one with the machine's memory, the other with one of its own.
        assert!(means.0 != means.1, "{means:?}");
        let mean = (means.0 + 2.0 * means.1) / 3.0;
        assert!((value("dram.read_ns_mean") - mean).abs() < 1e-9);
    }

    proptest! {
        /// Every node's memory by itself, asked a link later, answers what the nodes together answer, a link
        /// later again; and answers come in the order of time.
        #[test]
        fn nodes_are_memories_of_their_own(
            requests in prop::collection::vec((0u64..60_000, 0u64..1 << 19, any::<bool>()), 1..200),
        ) {
            let mut now = 0;
            let requests: Vec<_> = requests
                .into_iter()
                .map(|(gap, line, write)| {
                    now += gap;
                    (now, line * 64, write)
                })
                .collect();
            let config = config("");
            let mut answers = run(&mut Nodes::new(&config).unwrap(), &requests);
            prop_assert!(answers.is_sorted_by_key(|(_, time)| *time));
            let mut alone = Vec::new();
            for (node, link) in [(0, 0), (1, 100_000)] {
                let mut dram = Dram::new(&config.dram).unwrap();
                for (id, (time, addr, write)) in (0..).zip(&requests) {
                    if addr / (16 * MIB) == node {
                        let arrival = time + link;
                        let back = |(id, time): (RequestId, u64)| (id.0, time + link);
                        alone.extend(std::iter::from_fn(|| dram.advance(arrival).map(back)));
                        dram.submit_as(RequestId(id), arrival, PhysAddr(addr % (16 * MIB)), *write);
                    }
                }
                let back = |(id, time): (RequestId, u64)| (id.0, time + link);
                alone.extend(std::iter::from_fn(|| dram.advance(u64::MAX).map(back)));
            }
            answers.sort_unstable();
            alone.sort_unstable();
            prop_assert_eq!(answers, alone);
        }
    }
}
