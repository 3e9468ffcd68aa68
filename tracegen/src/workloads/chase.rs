//! Pointer chasing: a random cycle through all nodes of an area, each load waiting for the one before,
//! as lmbench's lat_mem_rd measures latency (McVoy and Staelin, USENIX 1996).

use super::sample::Random;
use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Array, LoadId, Memory, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "chase",
    description: "Pointer chase along one random cycle through all nodes",
    parameters: &[
        Parameter {
            name: "footprint",
            kind: Kind::Size { min: 8, max: 1 << 40 },
            default: Default::Value("64MiB"),
            doc: "Size of all nodes, a multiple of the stride",
        },
        Parameter {
            name: "stride",
            kind: Kind::Size { min: 8, max: 1 << 30 },
            default: Default::Value("64B"),
            doc: "Size of a node, a multiple of 8 bytes",
        },
        Parameter {
            name: "steps",
            kind: Kind::Integer { min: 1, max: 1 << 60 },
            default: Default::Derived("once around"),
            doc: "Loads to make",
        },
    ],
    build,
};

const INITIALISE: Site = Site(1);
const STEP: Site = Site(2);
const VERIFY: Site = Site(3);

struct Chase {
    nodes: usize,
    /// Words in a node; its first one is the index of the next node's first word.
    words: usize,
    steps: u64,
    random: Random,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let (footprint, stride) = (settings.integer("footprint")?, settings.integer("stride")?);
    if stride % 8 != 0 {
        return Err(settings.refuse("stride", "a multiple of 8"));
    }
    if footprint % stride != 0 || footprint == 0 {
        return Err(settings.refuse("footprint", "a multiple of the stride"));
    }
    let nodes = footprint / stride;
    let steps = settings.integer_or("steps", nodes)?;
    let random = Random::new(ENTRY.name, settings.integer("seed")?);
    let too_large = |_| settings.refuse("footprint", "less");
    Ok(Box::new(Chase {
        nodes: usize::try_from(nodes).map_err(too_large)?,
        words: (stride / 8) as usize,
        steps,
        random,
    }))
}

impl Chase {
    /// Links the nodes into one cycle (Sattolo, "An algorithm to generate a random cyclic
    /// permutation", Information Processing Letters 22, 1986).
    fn link(&mut self, memory: &mut Memory, links: &mut Array<u64>) {
        for node in 0..self.nodes {
            let own = node * self.words;
            links.store(memory, INITIALISE, own, own as u64, LoadId::NONE);
        }
        for last in (1..self.nodes).rev() {
            let (this, other) =
                (last * self.words, self.random.below(last as u64) as usize * self.words);
            memory.alu(4);
            let a = links.load(memory, INITIALISE, this, LoadId::NONE).value;
            let b = links.load(memory, INITIALISE, other, LoadId::NONE).value;
            links.store(memory, INITIALISE, this, b, LoadId::NONE);
            links.store(memory, INITIALISE, other, a, LoadId::NONE);
        }
    }

    /// Follows `steps` links from the first node; returns where that leads and in how many steps it
    /// first came back.
    fn walk(memory: &mut Memory, site: Site, links: &Array<u64>, steps: u64) -> (u64, Option<u64>) {
        let (mut at, mut by, mut back) = (0, LoadId::NONE, None);
        for step in 1..=steps {
            let next = links.load(memory, site, at as usize, by);
            (at, by) = (next.value, next.by);
            if at == 0 && back.is_none() {
                back = Some(step);
            }
        }
        (at, back)
    }
}

impl Workload for Chase {
    fn run(mut self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let mut links = Array::<u64>::new(memory, self.nodes * self.words)?;
        self.link(memory, &mut links);

        memory.begin(Stage::Run);
        let (end, _) = Self::walk(memory, STEP, &links, self.steps);

        memory.begin(Stage::Check);
        let nodes = self.nodes as u64;
        let (_, back) = Self::walk(memory, VERIFY, &links, nodes);
        if back != Some(nodes) {
            let what = format_args!("{nodes} nodes are not one cycle: back after {back:?} steps");
            return Err(wrong(ENTRY.name, what));
        }
        let (expected, _) = Self::walk(memory, VERIFY, &links, self.steps % nodes);
        if end != expected {
            return Err(wrong(ENTRY.name, format_args!("it ended at word {end}, not {expected}")));
        }
        Ok(Facts::default()
            .with("nodes", self.nodes)
            .with("steps", self.steps)
            .with("visited", self.steps.min(nodes))
            .with("end", end / self.words as u64))
    }

    fn records(&self) -> Option<u64> {
        Some(self.steps)
    }
}

#[cfg(test)]
mod tests {
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn every_step_is_a_load_that_waits_for_the_one_before() {
        let run = run("chase", &[("footprint", "64KiB")]).unwrap();
        assert_eq!(run.accesses.len(), 1024);
        assert_eq!(run.accesses[0].dep, 0, "the first pointer is in a register");
        assert!(run.accesses[1..].iter().all(|access| access.dep == 1));
        assert_eq!((run.count("visited"), run.count("end")), (1024, 0));
    }

    #[test]
    fn once_around_visits_every_node_once() {
        let set = [("footprint", "1MiB"), ("stride", "4KiB"), ("steps", "512")];
        let run = run("chase", &set).unwrap();
        let mut addresses: Vec<u64> = run.accesses.iter().map(|access| access.addr).collect();
        assert_eq!(addresses[..256], addresses[256..], "twice around is the same again");
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 256);
        assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] == 4096));
    }

    #[test]
    fn impossible_geometry_is_refused() {
        assert!(run("chase", &[("stride", "12")]).is_err());
        assert!(run("chase", &[("footprint", "100"), ("stride", "64")]).is_err());
    }

    #[test]
    fn one_node_points_to_itself() {
        assert_eq!(run("chase", &[("footprint", "64"), ("steps", "5")]).unwrap().count("end"), 0);
    }

    #[test]
    fn records_are_the_same_everywhere() {
        assert_eq!(fingerprint("chase", &[("footprint", "16KiB")]), 4_295_400_525_143_616_242);
    }
}
