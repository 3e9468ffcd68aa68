//! Breadth-first search over a Kronecker graph: top-down, with a queue, as the reference code of the GAP
//! benchmark suite does it without its bottom-up steps (Beamer, Asanović and Patterson, "The GAP
//! Benchmark Suite", arXiv:1508.03619). The graph is in compressed sparse rows and undirected.

use super::sample::{Kronecker, Random};
use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Array, LoadId, Memory, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "bfs",
    description: "Breadth-first search over a Graph500 Kronecker graph",
    parameters: &[
        Parameter {
            name: "scale",
            kind: Kind::Integer { min: 1, max: 30 },
            default: Default::Value("18"),
            doc: "The graph has 2^scale vertices",
        },
        Parameter {
            name: "degree",
            kind: Kind::Integer { min: 1, max: 1024 },
            default: Default::Value("16"),
            doc: "Undirected edges generated per vertex",
        },
    ],
    build,
};

const BUILD: Site = Site(1);
const POP: Site = Site(2);
const ROW_START: Site = Site(3);
const ROW_END: Site = Site(4);
const NEIGHBOUR: Site = Site(5);
const PARENT: Site = Site(6);
const UNVISITED: Site = Site(7);
const ADOPT: Site = Site(8);
const PUSH: Site = Site(9);
const VERIFY: Site = Site(10);

/// The parent of a vertex that has not been reached.
const NOBODY: u32 = u32::MAX;

struct Bfs {
    scale: u32,
    degree: u64,
    random: Random,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    Ok(Box::new(Bfs {
        scale: settings.integer("scale")? as u32,
        degree: settings.integer("degree")?,
        random: Random::new(ENTRY.name, settings.integer("seed")?),
    }))
}

/// Compressed sparse rows: the neighbours of v are `targets[offsets[v]..offsets[v + 1]]`.
struct Graph {
    offsets: Array<u64>,
    targets: Array<u32>,
}

impl Graph {
    fn vertices(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Loads the ends of a vertex's row, whose number the load `by` brought.
    fn row(
        &self,
        memory: &mut Memory,
        sites: [Site; 2],
        vertex: usize,
        by: LoadId,
    ) -> (std::ops::Range<usize>, LoadId) {
        let start = self.offsets.load(memory, sites[0], vertex, by);
        let end = self.offsets.load(memory, sites[1], vertex + 1, by);
        (start.value as usize..end.value as usize, start.by)
    }
}

impl Bfs {
    /// Counts the degrees, sums them up and fills the rows from their ends; the edges are generated
    /// twice, so that no list of them is kept. Self-loops are left out.
    fn graph(&mut self, memory: &mut Memory) -> Result<Graph, TraceError> {
        let vertices = 1usize << self.scale;
        let edges = Kronecker::new(self.scale, self.degree << self.scale, &mut self.random)?;
        let mut offsets = Array::<u64>::new(memory, vertices + 1)?;
        let mut entries = 0u64;
        for (from, to) in edges.iter().filter(|(from, to)| from != to) {
            for vertex in [from, to] {
                memory.alu(4);
                let count = offsets.load(memory, BUILD, vertex as usize, LoadId::NONE).value;
                offsets.store(memory, BUILD, vertex as usize, count + 1, LoadId::NONE);
            }
            entries += 2;
        }
        let mut sum = 0;
        for vertex in 0..=vertices {
            memory.alu(3);
            sum += offsets.load(memory, BUILD, vertex, LoadId::NONE).value;
            offsets.store(memory, BUILD, vertex, sum, LoadId::NONE);
        }
        let too_large = |_| TraceError::Workload("bfs: the graph is too large".into());
        let mut targets = Array::<u32>::new(memory, usize::try_from(entries).map_err(too_large)?)?;
        for (from, to) in edges.iter().filter(|(from, to)| from != to) {
            for (vertex, other) in [(from, to), (to, from)] {
                memory.alu(4);
                let end = offsets.load(memory, BUILD, vertex as usize, LoadId::NONE);
                offsets.store(memory, BUILD, vertex as usize, end.value - 1, LoadId::NONE);
                targets.store(memory, BUILD, end.value as usize - 1, other, end.by);
            }
        }
        Ok(Graph { offsets, targets })
    }

    /// A random vertex that has a neighbour.
    fn root(&mut self, graph: &Graph) -> Result<usize, TraceError> {
        if graph.targets.is_empty() {
            return Err(TraceError::Workload(
                "bfs: the graph has only self-loops; choose a larger scale or another seed".into(),
            ));
        }
        let offsets = graph.offsets.as_slice();
        loop {
            let vertex = self.random.below(graph.vertices() as u64) as usize;
            if offsets[vertex] < offsets[vertex + 1] {
                return Ok(vertex);
            }
        }
    }
}

/// The search itself; returns how many vertices it reached and how many edges it looked at.
fn search(
    memory: &mut Memory,
    graph: &Graph,
    parents: &mut Array<u32>,
    queue: &mut Array<u32>,
    root: usize,
) -> (usize, u64) {
    let (mut head, mut tail, mut edges) = (0, 1, 0);
    parents.store(memory, ADOPT, root, root as u32, LoadId::NONE);
    queue.store(memory, PUSH, 0, root as u32, LoadId::NONE);
    while head < tail {
        memory.alu(2);
        let vertex = queue.load(memory, POP, head, LoadId::NONE);
        head += 1;
        let (row, by) = graph.row(memory, [ROW_START, ROW_END], vertex.value as usize, vertex.by);
        for edge in row {
            memory.alu(3);
            let neighbour = graph.targets.load(memory, NEIGHBOUR, edge, by);
            let parent = parents.load(memory, PARENT, neighbour.value as usize, neighbour.by);
            edges += 1;
            memory.alu(1);
            memory.branch(UNVISITED, parent.value == NOBODY, parent.by);
            if parent.value == NOBODY {
                parents.store(memory, ADOPT, neighbour.value as usize, vertex.value, neighbour.by);
                memory.alu(1);
                queue.store(memory, PUSH, tail, neighbour.value, LoadId::NONE);
                tail += 1;
            }
        }
    }
    (tail, edges)
}

/// Graph500's rules for a result: the parents form a tree over edges of the graph, and no edge spans
/// more than a level or leaves what was reached. Returns the number of levels.
fn verify(
    memory: &mut Memory,
    graph: &Graph,
    parents: &Array<u32>,
    reached: &[u32],
) -> Result<u64, TraceError> {
    let mut levels = vec![NOBODY; graph.vertices()];
    for (place, &vertex) in reached.iter().enumerate() {
        let parent = parents.load(memory, VERIFY, vertex as usize, LoadId::NONE).value;
        levels[vertex as usize] = match place {
            0 if parent == vertex => 0,
            _ if parent != vertex && levels[parent as usize] != NOBODY => {
                levels[parent as usize] + 1
            }
            _ => return Err(wrong(ENTRY.name, format_args!("{vertex} is before its parent"))),
        };
    }
    for &vertex in reached {
        let (row, by) = graph.row(memory, [VERIFY; 2], vertex as usize, LoadId::NONE);
        let level = levels[vertex as usize];
        let parent = parents.load(memory, VERIFY, vertex as usize, LoadId::NONE).value;
        let mut adopted = level == 0;
        for edge in row {
            let neighbour = graph.targets.load(memory, VERIFY, edge, by).value;
            let other = levels[neighbour as usize];
            if other == NOBODY || other.abs_diff(level) > 1 {
                let what = format_args!("the edge {vertex}–{neighbour} spans levels");
                return Err(wrong(ENTRY.name, what));
            }
            adopted |= neighbour == parent;
        }
        if !adopted {
            let what = format_args!("{parent} is not a neighbour of its child {vertex}");
            return Err(wrong(ENTRY.name, what));
        }
    }
    let reached_parents = parents.as_slice().iter().filter(|parent| **parent != NOBODY).count();
    if reached_parents != reached.len() {
        return Err(wrong(ENTRY.name, "a vertex has a parent and was not reached"));
    }
    Ok(reached.last().map_or(0, |last| u64::from(levels[*last as usize]) + 1))
}

impl Workload for Bfs {
    fn run(mut self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let graph = self.graph(memory)?;
        let root = self.root(&graph)?;
        let mut parents = Array::<u32>::new(memory, graph.vertices())?;
        let mut queue = Array::<u32>::new(memory, graph.vertices())?;
        for vertex in 0..graph.vertices() {
            memory.alu(2);
            parents.store(memory, BUILD, vertex, NOBODY, LoadId::NONE);
        }

        memory.begin(Stage::Run);
        let (reached, edges) = search(memory, &graph, &mut parents, &mut queue, root);

        memory.begin(Stage::Check);
        let levels = verify(memory, &graph, &parents, &queue.as_slice()[..reached])?;
        Ok(Facts::default()
            .with("vertices", graph.vertices())
            .with("edges", graph.targets.len() / 2)
            .with("root", root)
            .with("reached", reached)
            .with("scanned", edges)
            .with("levels", levels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::AccessKind;
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn accesses_follow_from_what_was_reached() {
        let run = run("bfs", &[("scale", "9"), ("degree", "4")]).unwrap();
        let (reached, scanned) = (run.count("reached"), run.count("scanned"));
        let of = |kind| run.accesses.iter().filter(|a| a.kind == kind).count() as u64;
        assert_eq!(of(AccessKind::Load), 3 * reached + 2 * scanned);
        assert_eq!(of(AccessKind::Store), 2 * reached);
        assert_eq!(run.branches.len() as u64, scanned);
        let taken = run.branches.iter().filter(|branch| branch.taken).count() as u64;
        assert_eq!(taken, reached - 1, "all but the root");
        assert!(run.branches.iter().all(|branch| branch.dep == 1), "the parent decides");
        assert!(run.count("edges") <= 4 * 512 && scanned <= 2 * run.count("edges"));
    }

    #[test]
    fn addresses_come_from_the_loads_before() {
        let run = run("bfs", &[("scale", "7")]).unwrap();
        for access in &run.accesses {
            match Site(access.site) {
                POP => assert_eq!(access.dep, 0),
                ROW_START | PARENT => assert_eq!(access.dep, 1),
                ROW_END => assert_eq!(access.dep, 2),
                // The parent's load lies between the neighbour's and the store.
                ADOPT => assert!(access.dep == 2 || access.dep == 0),
                NEIGHBOUR => assert!(access.dep >= 2 && access.dep % 2 == 0),
                _ => {}
            }
        }
    }

    #[test]
    fn a_wrong_tree_is_found() {
        let outlet = Box::new(|_: &mut crate::batch::Batch| true);
        let layout = crate::memory::Layout::linux(47);
        let mut memory = Memory::new(layout, std::default::Default::default(), outlet);
        let mut bfs = Bfs { scale: 6, degree: 4, random: Random::new("test", 3) };
        let graph = bfs.graph(&mut memory).unwrap();
        let root = bfs.root(&graph).unwrap();
        let mut parents = Array::<u32>::new(&mut memory, 64).unwrap();
        let mut queue = Array::<u32>::new(&mut memory, 64).unwrap();
        for vertex in 0..64 {
            parents.store(&mut memory, BUILD, vertex, NOBODY, LoadId::NONE);
        }
        let (reached, _) = search(&mut memory, &graph, &mut parents, &mut queue, root);
        let order = queue.as_slice()[..reached].to_vec();
        verify(&mut memory, &graph, &parents, &order).unwrap();
        let last = *order.last().unwrap() as usize;
        for false_parent in [last as u32, NOBODY - 1, order[reached - 2]] {
            let right = parents.as_slice()[last];
            if false_parent as usize >= 64 {
                assert!(verify(&mut memory, &graph, &parents, &order[..reached - 1]).is_err());
                continue;
            }
            parents.store(&mut memory, BUILD, last, false_parent, LoadId::NONE);
            assert!(verify(&mut memory, &graph, &parents, &order).is_err(), "{false_parent}");
            parents.store(&mut memory, BUILD, last, right, LoadId::NONE);
        }
    }

    #[test]
    fn records_are_the_same_everywhere() {
        assert_eq!(fingerprint("bfs", &[("scale", "6")]), 14_433_687_731_168_505_057);
    }
}
