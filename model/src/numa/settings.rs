//! Settings of memory in nodes: `[numa]`, `[[numa.node]]`.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cache::settings::Alias;
use crate::config::{Config, InvalidSetting};
use crate::os::settings::Memory;
use crate::time::settings::Dram;
use crate::units::{ByteSize, Span};

/// The most nodes.
pub const MOST: usize = 64;

/// Memory in nodes, and where pages go.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Numa {
    /// Where user pages go. Page tables, and the kernel's own pages, always go to the node of the CPU that
    /// needs them, or to the next one with room.
    #[schemars(extend("x-effect" = "function"))]
    pub policy: Policy,
    /// The nodes that `policy` is about, by name: those to interleave over (default: all), to bind to, or to
    /// prefer (one).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-effect" = "function"))]
    pub nodes: Vec<String>,
    /// The nodes. Where one is full, the next goes on: its own node first, then the others in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node: Vec<Node>,
}

/// Linux's memory policies (mm/mempolicy.c), for all processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The node of the CPU that touches a page first.
    #[default]
    Local,
    /// The nodes in turn, by the number of the virtual page.
    Interleave,
    /// The nodes in turn, each with as many pages as its `weight` says.
    WeightedInterleave,
    /// The named nodes alone, the CPU's own first; where they are full, something is evicted.
    Bind,
    /// The named node, or another where that is full.
    Preferred,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The name that results use.
    #[schemars(extend("x-effect" = "function"))]
    pub name: String,
    /// How much memory it has: a multiple of 4 KiB, of the base page and of the pages of `mmu.layout`; that
    /// of the last node, of the base page alone.
    #[schemars(extend("x-effect" = "function"))]
    pub memory: ByteSize,
    /// The CPUs on it; none for memory alone, such as a CXL device's. Those that no node names are on the
    /// first.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub cpus: Vec<u16>,
    /// Its share of pages under `weighted-interleave`.
    #[serde(default = "one")]
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 65_535))]
    pub weight: u32,
    /// What the link to it adds for a CPU on another node, each way.
    #[serde(default = "nothing")]
    #[schemars(extend("x-effect" = "timing"))]
    pub latency: Span,
    /// What the link carries in a second, each way. Default: whatever comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub bandwidth: Option<ByteSize>,
    /// Its memory's timing and organisation. A table that names a `preset` starts from that and has
    /// the machine's `controller_latency`, any other starts from `[dram]`. Default: `[dram]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dram: Option<Dram>,
}

fn one() -> u32 {
    1
}

fn nothing() -> Span {
    Span::Picoseconds(0)
}

impl Numa {
    /// Whether nothing is said of nodes.
    pub fn is_absent(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes of all nodes.
    pub fn memory(&self) -> u64 {
        self.node.iter().map(|node| node.memory.0).fold(0, u64::saturating_add)
    }

    /// The node of a CPU, as its index.
    pub fn home(&self, cpu: u16) -> usize {
        self.node.iter().position(|node| node.cpus.contains(&cpu)).unwrap_or(0)
    }

    /// The nodes that the policy is about, as their indices.
    pub fn chosen(&self) -> Vec<usize> {
        let place = |name: &String| self.node.iter().position(|node| node.name == *name);
        match self.nodes.as_slice() {
            [] => (0..self.node.len()).collect(),
            names => names.iter().filter_map(place).collect(),
        }
    }

    /// The physical addresses of each node.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut end = 0u64;
        let range = |node: &Node| {
            let start = end;
            end = end.saturating_add(node.memory.0);
            start..end
        };
        self.node.iter().map(range).collect()
    }

    /// What a way to a node's memory takes for CPU 0 beyond `dram.controller_latency`, in picoseconds: the
    /// link, and what the node's own controller takes more. `None` where that is less than nothing.
    pub fn way(&self, at: usize, config: &Config) -> Option<u64> {
        let node = self.node.get(at)?;
        let time = |span: Span| span.picoseconds(config.core.frequency);
        let link = if at == self.home(0) { 0 } else { time(node.latency) };
        let own = node
            .dram
            .as_ref()
            .map_or(config.dram.controller_latency, |dram| dram.controller_latency);
        link.saturating_add(time(own)).checked_sub(time(config.dram.controller_latency))
    }

    /// Fills in what depends on other settings.
    pub(crate) fn resolve(&mut self, dram: &Dram) {
        for node in &mut self.node {
            node.dram = Some(node.dram.as_ref().unwrap_or(dram).resolved());
        }
    }

    /// Checks the nodes of a machine.
    ///
    /// # Errors
    /// The first setting that cannot be what it is.
    pub(crate) fn validate(&self, config: &Config) -> Result<(), InvalidSetting> {
        let fault = |key: String, message: String| Err(InvalidSetting::new(key, message));
        if self.node.is_empty() {
            if self.is_absent() {
                return Ok(());
            }
            let key = if self.nodes.is_empty() { "numa.policy" } else { "numa.nodes" };
            return fault(key.to_owned(), "there is no [[numa.node]]".to_owned());
        }
        if self.node.len() > MOST {
            return fault("numa.node".to_owned(), format!("there are more than {MOST} nodes"));
        }
        if let Some(cache) = config.cache.iter().find(|cache| cache.alias == Some(Alias::Colour)) {
            let message =
                format!("colours of pages (cache.{}.alias) are not modelled yet", cache.name);
            return fault("numa.node".to_owned(), message);
        }
        if config.os.initial.is_some() {
            let message = "memory of which a part is in use at the start (os.initial) is not modelled \
                           yet in nodes";
            return fault("numa.node".to_owned(), message.to_owned());
        }
        for (at, node) in self.node.iter().enumerate() {
            self.check_node(at, node, config)?;
        }
        let sum = ByteSize(self.memory());
        match config.os.memory {
            Some(Memory::Bytes(memory)) if memory == sum => {}
            Some(Memory::Bytes(memory)) => {
                let message = format!("is {memory}, but the nodes have {sum}: leave it out");
                return fault("os.memory".to_owned(), message);
            }
            _ => {
                let message = "frames for user data alone are in no node".to_owned();
                return fault("os.memory".to_owned(), message);
            }
        }
        self.check_policy()
    }

    fn check_node(&self, at: usize, node: &Node, config: &Config) -> Result<(), InvalidSetting> {
        let name = node.name.as_str();
        let fault = |key: &str, message: String| {
            Err(InvalidSetting::new(format!("numa.node.{name}.{key}"), message))
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            let message = format!("the name `{name}` is not of letters, digits, - and _");
            return Err(InvalidSetting::new("numa.node", message));
        }
        if self.node[..at].iter().any(|other| other.name == name) {
            return fault("name", "two nodes have this name".to_owned());
        }
        let page = config.mmu.base_page().0.max(1);
        let last = at + 1 == self.node.len();
        // Frames of larger pages are aligned in the machine's memory.
        let largest = config.mmu.layout.iter().map(|range| range.page.0).max().unwrap_or(page);
        let unit = if last { page } else { largest.max(page).max(4096) };
        if node.memory.0 == 0 || !node.memory.0.is_multiple_of(unit) {
            let message = format!("expected a multiple of {}, not {}", ByteSize(unit), node.memory);
            return fault("memory", message);
        }
        for cpu in &node.cpus {
            if *cpu >= config.core.count {
                return fault("cpus", format!("there is no CPU {cpu} (core.count)"));
            }
            if self.node.iter().filter(|other| other.cpus.contains(cpu)).count() > 1 {
                return fault("cpus", format!("another node has CPU {cpu} too"));
            }
            if self.home(*cpu) != self.home(0) {
                let message = "CPUs on more than one node are not modelled yet".to_owned();
                return fault("cpus", message);
            }
        }
        if (0..config.core.count).any(|cpu| self.home(cpu) != self.home(0)) {
            return fault("cpus", "CPUs on more than one node are not modelled yet".to_owned());
        }
        if node.bandwidth.is_some_and(|bandwidth| bandwidth.0 < 1 << 20) {
            return fault("bandwidth", "expected at least 1MiB a second".to_owned());
        }
        if node.latency.picoseconds(config.core.frequency) > 1_000_000_000 {
            return fault("latency", "is longer than 1 ms".to_owned());
        }
        if self.way(at, config).is_none() {
            let message =
                "with the link it is shorter than the machine's, `dram.controller_latency`";
            return fault("dram.controller_latency", message.to_owned());
        }
        match node.dram.as_ref().map_or(Ok(()), Dram::validate) {
            Ok(()) => Ok(()),
            Err(error) => fault(&error.key, error.message),
        }
    }

    fn check_policy(&self) -> Result<(), InvalidSetting> {
        let fault = |message: String| Err(InvalidSetting::new("numa.nodes", message));
        for (at, name) in self.nodes.iter().enumerate() {
            if !self.node.iter().any(|node| node.name == *name) {
                return fault(format!("there is no node `{name}`"));
            }
            if self.nodes[..at].contains(name) {
                return fault(format!("`{name}` is listed twice"));
            }
        }
        match (self.policy, self.nodes.len()) {
            (Policy::Local, 1..) => fault("say nothing to the policy \"local\"".to_owned()),
            (Policy::Preferred, 0 | 2..) => fault("expected the one node to prefer".to_owned()),
            (Policy::Bind, 0) => fault("expected the nodes to bind to".to_owned()),
            _ => Ok(()),
        }
    }
}
