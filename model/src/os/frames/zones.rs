//! Frames of several nodes: which node a frame comes from (Linux mm/page_alloc.c, `zonelists`, and
//! mm/mempolicy.c), and what numastat says of it.

use super::buddy::{Buddy, ORDERS, unusable};
use crate::numa::settings::{Numa, Policy};
use crate::statistics::Statistics;

/// What hands out blocks of frames.
pub trait Blocks {
    /// A block of 2^`order` frames: its first frame.
    fn allocate(&mut self, order: usize) -> Option<u32>;
    /// Gives back a block that [`Self::allocate`] handed out.
    fn release(&mut self, first: u32, order: usize);
}

impl Blocks for Buddy {
    fn allocate(&mut self, order: usize) -> Option<u32> {
        Buddy::allocate(self, order)
    }
    fn release(&mut self, first: u32, order: usize) {
        Buddy::release(self, first, order);
    }
}

/// What Linux's numastat counts, in allocations (mm/page_alloc.c, `zone_statistics`).
#[derive(Debug, Clone, Copy, Default, bincode::Encode, bincode::Decode)]
struct Counts {
    hit: u64,
    miss: u64,
    foreign: u64,
    interleave: u64,
    local: u64,
    other: u64,
}

/// The memory of one node.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
struct Zone {
    name: String,
    /// Its first frame.
    first: u32,
    buddy: Buddy,
    /// The nodes to go to from here, itself first.
    order: Vec<u8>,
    weight: u64,
    counts: Counts,
}

/// Where user pages go.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
enum Placement {
    Local,
    Preferred(u8),
    /// By node.
    Bind(Vec<bool>),
    /// Nodes, the sum of weights up to and with each.
    Interleave(Vec<(u8, u64)>),
}

/// The frames of a machine, by node; one nameless node where there are none.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Zones {
    zones: Vec<Zone>,
    placement: Placement,
    /// The node of the CPUs.
    home: u8,
}

impl Zones {
    /// `frames` free frames, at most 2^32, in one node.
    pub fn new(frames: u64) -> Self {
        Self::whole(Buddy::new(frames))
    }

    /// The frames of one node.
    pub fn whole(buddy: Buddy) -> Self {
        let zone = Zone {
            name: String::new(),
            first: 0,
            buddy,
            order: vec![0],
            weight: 1,
            counts: Counts::default(),
        };
        Self { zones: vec![zone], placement: Placement::Local, home: 0 }
    }

    /// The frames of the nodes that the configuration has; `frames` in all, of 2^`page` bytes.
    pub fn of_nodes(numa: &Numa, frames: u64, page: u8) -> Self {
        if numa.node.is_empty() {
            return Self::new(frames);
        }
        // There are at most 64 nodes.
        let count = numa.node.len() as u8;
        let zones = numa.node.iter().zip(numa.ranges()).zip(0u8..).map(|((node, range), at)| {
            let others = (0..count).filter(|other| *other != at);
            Zone {
                name: node.name.clone(),
                // Frames are fewer than 2^32.
                first: (range.start >> page) as u32,
                buddy: Buddy::new((range.end - range.start) >> page),
                order: std::iter::once(at).chain(others).collect(),
                weight: node.weight.into(),
                counts: Counts::default(),
            }
        });
        let zones: Vec<_> = zones.collect();
        let chosen = numa.chosen();
        let weighted = numa.policy == Policy::WeightedInterleave;
        let placement = match numa.policy {
            Policy::Local => Placement::Local,
            Policy::Preferred => Placement::Preferred(chosen.first().map_or(0, |at| *at as u8)),
            Policy::Bind => {
                Placement::Bind((0..zones.len()).map(|at| chosen.contains(&at)).collect())
            }
            Policy::Interleave | Policy::WeightedInterleave => {
                let mut sum = 0;
                let share = chosen.into_iter().map(|at| {
                    sum += if weighted { zones[at].weight } else { 1 };
                    (at as u8, sum)
                });
                Placement::Interleave(share.collect())
            }
        };
        Self { zones, placement, home: numa.home(0) as u8 }
    }

    /// Whether memory is not in nodes.
    #[inline]
    fn is_one(&self) -> bool {
        self.zones.len() == 1 && self.zones[0].name.is_empty()
    }

    /// A block of 2^`order` frames for whatever is no user page: its first frame.
    pub fn allocate(&mut self, order: usize) -> Option<u32> {
        if self.is_one() {
            return self.zones[0].buddy.allocate(order);
        }
        // At most the largest block's.
        self.allocate_from(self.home, order as u8)
    }

    /// As [`Buddy::allocate_coloured`], where memory is not in nodes.
    pub fn allocate_coloured(&mut self, colours: u64, colour: u64) -> Option<u32> {
        self.zones[0].buddy.allocate_coloured(colours, colour)
    }

    /// Gives back a block that was handed out.
    pub fn release(&mut self, first: u32, order: usize) {
        let (zone, inside) = self.zone_of(first);
        zone.buddy.release(inside, order);
    }

    /// A frame for page number `page` of some process.
    pub fn allocate_page(&mut self, page: u64) -> Option<u32> {
        if self.is_one() {
            return self.zones[0].buddy.allocate(0);
        }
        self.place(page, 0)
    }

    /// As [`Buddy::allocate_run`], for a page of 2^`order` base pages that starts with page number `page` of
    /// some process: where the policy has a page. Pages are interleaved in units of their own size (Linux
    /// mm/mempolicy.c, `get_vma_policy`).
    pub fn allocate_run(&mut self, page: u64, order: u8) -> Option<u32> {
        if self.is_one() {
            return self.zones[0].buddy.allocate_run(order);
        }
        self.place(page, order)
    }

    /// Gives back what [`allocate_run`](Self::allocate_run) handed out.
    pub fn release_run(&mut self, first: u32, order: u8) {
        let (zone, inside) = self.zone_of(first);
        zone.buddy.release_run(inside, order);
    }

    /// Frames for a page of 2^`order` base pages, on the node that the policy says.
    fn place(&mut self, page: u64, order: u8) -> Option<u32> {
        match &self.placement {
            Placement::Local => self.allocate_from(self.home, order),
            Placement::Preferred(node) => self.allocate_from(*node, order),
            Placement::Bind(allowed) => {
                let near = &self.zones[usize::from(self.home)].order;
                let nodes: Vec<u8> =
                    near.iter().copied().filter(|node| allowed[usize::from(*node)]).collect();
                self.first_of(&nodes, order)
            }
            Placement::Interleave(nodes) => {
                let all = nodes.last().map_or(1, |(_, sum)| *sum);
                let place = (page >> order) % all;
                let node = nodes.iter().find(|(_, sum)| place < *sum).map_or(0, |(node, _)| *node);
                let frame = self.allocate_from(node, order)?;
                let zone = &mut self.zones[usize::from(node)];
                let inside = frame.checked_sub(zone.first);
                if inside.is_some_and(|frame| u64::from(frame) < zone.buddy.frames()) {
                    zone.counts.interleave += 1;
                }
                Some(frame)
            }
        }
    }

    /// Free frames that user pages may have.
    pub fn room(&self) -> u64 {
        match &self.placement {
            Placement::Bind(allowed) => {
                let zones = self.zones.iter().zip(allowed).filter(|(_, allowed)| **allowed);
                zones.map(|(zone, _)| zone.buddy.free()).sum()
            }
            _ => self.free(),
        }
    }

    /// A block of `node`, or of the next one that has one.
    fn allocate_from(&mut self, node: u8, order: u8) -> Option<u32> {
        let nodes = self.zones[usize::from(node)].order.clone();
        self.first_of(&nodes, order)
    }

    /// A block of the first of `nodes` that has one.
    fn first_of(&mut self, nodes: &[u8], order: u8) -> Option<u32> {
        let wanted = usize::from(*nodes.first()?);
        for node in nodes.iter().map(|node| usize::from(*node)) {
            let zone = &mut self.zones[node];
            let Some(frame) = zone.buddy.allocate_run(order) else { continue };
            let first = zone.first;
            if node == usize::from(self.home) {
                zone.counts.local += 1;
            } else {
                zone.counts.other += 1;
            }
            if node == wanted {
                zone.counts.hit += 1;
            } else {
                zone.counts.miss += 1;
                self.zones[wanted].counts.foreign += 1;
            }
            return Some(first + frame);
        }
        None
    }

    /// The zone of a frame, and the frame's number in it.
    fn zone_of(&mut self, frame: u32) -> (&mut Zone, u32) {
        let at = self.zones.partition_point(|zone| zone.first <= frame).saturating_sub(1);
        let zone = &mut self.zones[at];
        let inside = frame - zone.first;
        (zone, inside)
    }

    /// Takes one particular free frame; returns whether it was free.
    pub fn take(&mut self, frame: u32) -> bool {
        let (zone, inside) = self.zone_of(frame);
        zone.buddy.take(inside)
    }

    fn sum(&self, of: impl Fn(&Buddy) -> u64) -> u64 {
        self.zones.iter().map(|zone| of(&zone.buddy)).sum()
    }

    /// All frames.
    pub fn frames(&self) -> u64 {
        self.sum(Buddy::frames)
    }
    /// Free frames.
    pub fn free(&self) -> u64 {
        self.sum(Buddy::free)
    }
    /// Frames that were in use from the start.
    pub fn reserved(&self) -> u64 {
        self.sum(Buddy::reserved)
    }
    /// As [`Buddy::unusable`], of all nodes' frames.
    pub fn unusable(&self, order: usize) -> u64 {
        unusable(self.free(), &self.free_blocks(), order)
    }
    /// How often a block was split in halves.
    pub fn splits(&self) -> u64 {
        self.sum(Buddy::splits)
    }
    /// How often two buddies were merged.
    pub fn merges(&self) -> u64 {
        self.sum(Buddy::merges)
    }

    /// Free blocks of each order, as [`Buddy::free_blocks`].
    pub fn free_blocks(&self) -> [u64; ORDERS] {
        let mut blocks = [0; ORDERS];
        for zone in &self.zones {
            let own = zone.buddy.free_blocks();
            blocks.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        blocks
    }

    /// As [`Buddy::check`].
    ///
    /// # Errors
    /// What does not add up.
    pub fn check(&self) -> Result<(), String> {
        self.zones.iter().try_for_each(|zone| zone.buddy.check())
    }

    /// Declares `numa.*`, where there are nodes.
    pub fn report(&self, out: &mut Statistics) {
        if self.is_one() {
            return;
        }
        type Of = fn(&Counts) -> u64;
        let counts: [(&str, &str, Of); 6] = [
            ("numa_hit", "allocations on the node that was wanted", |counts| counts.hit),
            ("numa_miss", "allocations here although another node was wanted", |counts| {
                counts.miss
            }),
            ("numa_foreign", "allocations elsewhere although this node was wanted", |counts| {
                counts.foreign
            }),
            ("interleave_hit", "interleaved pages on the node whose turn it was", |counts| {
                counts.interleave
            }),
            ("local_node", "allocations here for a CPU of this node", |counts| counts.local),
            ("other_node", "allocations here for a CPU of another node", |counts| counts.other),
        ];
        for (what, doc, of) in counts {
            let all = self.zones.iter().map(|zone| of(&zone.counts)).sum();
            out.count(format!("numa.{what}"), "allocations", doc, all);
        }
        for zone in &self.zones {
            for (what, doc, of) in counts {
                let name = format!("numa.{}.{what}", zone.name);
                out.count(name, "allocations", doc, of(&zone.counts));
            }
            let name = format!("numa.{}.free_pages", zone.name);
            out.level(name, "pages", "free frames of the node, at the end", zone.buddy.free());
        }
    }
}

impl Blocks for Zones {
    fn allocate(&mut self, order: usize) -> Option<u32> {
        Zones::allocate(self, order)
    }
    fn release(&mut self, first: u32, order: usize) {
        Zones::release(self, first, order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three nodes of 1024 frames, the CPU on the second.
    fn zones(policy: &str) -> Zones {
        let node = |name| format!("[[node]]\nname = \"{name}\"\nmemory = \"4MiB\"\n");
        let text =
            format!("{policy}\n{}{}cpus = [0]\nweight = 3\n{}", node("a"), node("b"), node("c"));
        let numa: Numa = toml::from_str(&text).unwrap();
        Zones::of_nodes(&numa, 3 << 10, 12)
    }

    /// The node of every one of `count` pages; 9 for none.
    fn place(zones: &mut Zones, count: u64) -> Vec<u32> {
        (0..count).map(|page| zones.allocate_page(page).map_or(9, |frame| frame >> 10)).collect()
    }

    fn filled(policy: &str) -> Vec<u32> {
        let mut nodes = place(&mut zones(policy), 3 << 10);
        nodes.dedup();
        nodes
    }

    #[test]
    fn a_full_node_is_followed_by_the_next() {
        assert_eq!(filled(""), [1, 0, 2]);
        assert_eq!(filled("policy = \"preferred\"\nnodes = [\"c\"]"), [2, 0, 1]);
        assert_eq!(filled("policy = \"bind\"\nnodes = [\"c\", \"b\"]"), [1, 2, 9]);
        assert_eq!(filled("policy = \"bind\"\nnodes = [\"a\"]"), [0, 9]);
    }

    #[test]
    fn pages_are_interleaved_by_their_number() {
        let mut even = zones("policy = \"interleave\"\nnodes = [\"c\", \"a\"]");
        assert_eq!(place(&mut even, 6), [2, 0, 2, 0, 2, 0]);
        let mut weighted = zones("policy = \"weighted-interleave\"");
        assert_eq!(place(&mut weighted, 10), [0, 1, 1, 1, 2, 0, 1, 1, 1, 2]);
    }

    /// As numastat(8) explains them.
    #[test]
    fn what_is_wanted_and_what_is_got_is_counted() {
        let mut zones = zones("policy = \"interleave\"\nnodes = [\"a\", \"b\"]");
        // 2048 pages fill both; the next four find theirs full.
        place(&mut zones, 2052);
        let mut statistics = Statistics::default();
        zones.report(&mut statistics);
        let count = |name: &str| statistics.get(&format!("numa.{name}")).unwrap().as_f64() as u64;
        for (name, expected) in [
            ("numa_hit", 2048),
            ("numa_miss", 4),
            ("numa_foreign", 4),
            ("interleave_hit", 2048),
            ("a.numa_hit", 1024),
            ("a.numa_foreign", 2),
            ("b.numa_foreign", 2),
            ("c.numa_miss", 4),
            ("a.other_node", 1024),
            ("b.local_node", 1024),
            ("c.other_node", 4),
            ("c.free_pages", 1020),
        ] {
            assert_eq!(count(name), expected, "{name}");
        }
    }

    #[test]
    fn runs_lie_in_one_node_and_go_back_to_it() {
        let mut zones = zones("policy = \"interleave\"\nnodes = [\"c\", \"a\"]");
        // In units of their own size: pages 0, 512 and 1024 are the first, second and third.
        let runs: Vec<_> = (0..3).map(|turn| zones.allocate_run(turn * 512, 9).unwrap()).collect();
        assert_eq!(runs, [2048, 0, 2560]);
        assert_eq!(zones.free_blocks()[9..], [1, 1]);
        assert_eq!((zones.unusable(10), zones.unusable(9), zones.reserved()), (333, 0, 0));
        runs.into_iter().for_each(|run| zones.release_run(run, 9));
        assert_eq!((zones.free(), zones.free_blocks()[10], zones.check()), (3072, 3, Ok(())));
        assert_eq!(zones.allocate_run(0, 11), None, "no node has as much");
    }

    #[test]
    fn frames_go_back_to_their_node() {
        let mut zones = zones("");
        let frames: Vec<_> = (0..2000).filter_map(|page| zones.allocate_page(page)).collect();
        assert_eq!((zones.free(), zones.zones[0].buddy.free()), (1072, 48));
        frames.into_iter().for_each(|frame| zones.release(frame, 0));
        assert_eq!((zones.free(), zones.free_blocks()[10], zones.check()), (3072, 3, Ok(())));
        assert!(zones.take(1500) && !zones.take(1500));
        assert_eq!(zones.zones[1].buddy.free(), 1023);
    }
}
