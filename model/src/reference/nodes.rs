//! Frames of several nodes: one buddy system each, the nodes behind each other in memory.

use super::counts::Counts;
use super::frames::Buddy;
use crate::config::Config;
use crate::numa::settings::{Node, Policy};

#[derive(Debug)]
struct Zone {
    /// Its first frame.
    first: u64,
    frames: u64,
    buddy: Buddy,
}

/// All frames.
#[derive(Debug)]
pub struct Frames {
    zones: Vec<Zone>,
    /// The nodes as they are configured; none where memory is one.
    nodes: Vec<Node>,
    policy: Policy,
    /// The nodes that the policy names, or all.
    named: Vec<usize>,
    /// The node of the CPU.
    home: usize,
    counts: Counts,
}

impl Frames {
    /// `frames` pages of memory; `whole` is where they are in no nodes.
    pub fn new(config: &Config, frames: u64, whole: Buddy) -> Self {
        let nodes = config.numa.node.clone();
        let page = config.mmu.base_page().0;
        let mut zones = Vec::new();
        let mut first = 0;
        for frames in nodes.iter().map(|node| node.memory.0 / page) {
            zones.push(Zone { first, frames, buddy: Buddy::new(frames) });
            first += frames;
        }
        if zones.is_empty() {
            zones.push(Zone { first: 0, frames, buddy: whole });
        }
        let listed = |at: &usize| {
            let names = &config.numa.nodes;
            names.is_empty() || names.contains(&nodes[*at].name)
        };
        let mut named: Vec<usize> = (0..nodes.len()).filter(listed).collect();
        named.sort_by_key(|at| config.numa.nodes.iter().position(|name| *name == nodes[*at].name));
        let home = nodes.iter().position(|node| node.cpus.contains(&0)).unwrap_or(0);
        let (policy, counts) = (config.numa.policy, Counts::default());
        Self { zones, nodes, policy, named, home, counts }
    }

    /// A block for whatever is no user page: on the CPU's node, if that has one.
    pub fn take(&mut self, order: u32) -> Option<u64> {
        self.take_from(self.home, |_| true, order)
    }

    /// A frame of a colour, where memory is one.
    pub fn take_coloured(&mut self, colours: u64, colour: u64) -> Option<u64> {
        self.zones[0].buddy.take_coloured(colours, colour)
    }

    /// A frame for a user page: on the node that the policy says.
    pub fn take_page(&mut self, page: u64) -> Option<u64> {
        self.take_run(page, 0)
    }

    /// As [`take_page`](Self::take_page), frames for a larger page, of which `page` is the first base page.
    pub fn take_run(&mut self, page: u64, order: u32) -> Option<u64> {
        let named = self.named.clone();
        let turns: Vec<usize> = match self.policy {
            _ if self.nodes.is_empty() => vec![0],
            Policy::Local => vec![self.home],
            Policy::Preferred => named,
            Policy::Interleave => named,
            Policy::WeightedInterleave => {
                let turns = named.iter().map(|at| vec![*at; self.nodes[*at].weight as usize]);
                turns.flatten().collect()
            }
            Policy::Bind => return self.take_from(self.home, |at| named.contains(&at), order),
        };
        let node = turns[((page >> order) % turns.len() as u64) as usize];
        let frame = self.take_from(node, |_| true, order)?;
        let zone = &self.zones[node];
        let hit = (zone.first..zone.first + zone.frames).contains(&frame);
        if matches!(self.policy, Policy::Interleave | Policy::WeightedInterleave) && hit {
            self.count(node, "interleave_hit");
        }
        Some(frame)
    }

    /// A block of a node, or else of the first other one, among those that are `allowed`.
    fn take_from(
        &mut self,
        node: usize,
        allowed: impl Fn(usize) -> bool,
        order: u32,
    ) -> Option<u64> {
        let mut nodes: Vec<usize> = (0..self.zones.len()).filter(|at| *at != node).collect();
        nodes.insert(0, node);
        nodes.retain(|at| allowed(*at));
        for at in &nodes {
            let zone = &mut self.zones[*at];
            if let Some(frame) = zone.buddy.take_run(order) {
                let frame = zone.first + frame;
                self.count(*at, if *at == self.home { "local_node" } else { "other_node" });
                if *at == nodes[0] {
                    self.count(*at, "numa_hit");
                } else {
                    self.count(*at, "numa_miss");
                    self.count(nodes[0], "numa_foreign");
                }
                return Some(frame);
            }
        }
        None
    }

    fn count(&mut self, node: usize, what: &str) {
        if let Some(node) = self.nodes.get(node) {
            self.counts.add(&format!("numa.{}.{what}", node.name), 1);
            self.counts.add(&format!("numa.{what}"), 1);
        }
    }

    /// Gives a block back.
    pub fn give(&mut self, first: u64, order: u32) {
        let zone = self.zones.iter_mut().rev().find(|zone| zone.first <= first);
        if let Some(zone) = zone {
            zone.buddy.give_run(first - zone.first, order);
        }
    }

    /// Free frames.
    pub fn free_frames(&self) -> u64 {
        self.zones.iter().map(|zone| zone.buddy.free_frames()).sum()
    }

    /// Free frames that user pages may have.
    pub fn room(&self) -> u64 {
        let bound = self.policy == Policy::Bind;
        let zones = self.zones.iter().enumerate();
        let open = zones.filter(|(at, _)| !bound || self.named.contains(at));
        open.map(|(_, zone)| zone.buddy.free_frames()).sum()
    }

    /// Adds free blocks, splits, merges, what is free in blocks below an order, and what is known of nodes.
    pub fn report(&self, measured: u32, counts: &mut Counts) {
        let mut small = 0;
        for zone in &self.zones {
            zone.buddy.report(counts);
            small += zone.buddy.free_below(measured);
        }
        counts.add("os.buddy.unusable", small * 1000 / self.free_frames().max(1));
        for (node, zone) in self.nodes.iter().zip(&self.zones) {
            counts.add(&format!("numa.{}.free_pages", node.name), zone.buddy.free_frames());
        }
        for name in self.counts.names() {
            counts.set(name, self.counts.get(name));
        }
    }
}
