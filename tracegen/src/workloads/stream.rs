//! STREAM: Copy, Scale, Add and Triad over three long arrays (McCalpin, "Memory Bandwidth and Machine
//! Balance in Current High Performance Computers", IEEE TCCA Newsletter, 1995).

use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Array, LoadId, Memory, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "stream",
    description: "STREAM: copy, scale, add and triad over three arrays of doubles",
    parameters: &[
        Parameter {
            name: "size",
            kind: Kind::Size { min: 8, max: 1 << 40 },
            default: Default::Value("16MiB"),
            doc: "Size of each array, a multiple of 8 bytes",
        },
        Parameter {
            name: "iterations",
            kind: Kind::Integer { min: 1, max: 200 },
            default: Default::Value("2"),
            doc: "Repetitions of the four kernels",
        },
    ],
    build,
};

/// STREAM's scalar, and what it fills the arrays with.
const SCALAR: f64 = 3.0;
const INITIAL: [f64; 3] = [2.0, 2.0, 0.0];

const INITIALISE: Site = Site(1);
const COPY: [Site; 2] = [Site(2), Site(3)];
const SCALE: [Site; 2] = [Site(4), Site(5)];
const ADD: [Site; 3] = [Site(6), Site(7), Site(8)];
const TRIAD: [Site; 3] = [Site(9), Site(10), Site(11)];
const VERIFY: Site = Site(12);

/// Index increment, comparison and branch of each loop.
const LOOP: u32 = 3;

struct Stream {
    elements: usize,
    iterations: u64,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let size = settings.integer("size")?;
    if size % 8 != 0 {
        return Err(settings.refuse("size", "a multiple of 8"));
    }
    let elements = usize::try_from(size / 8).map_err(|_| settings.refuse("size", "less"))?;
    Ok(Box::new(Stream { elements, iterations: settings.integer("iterations")? }))
}

type Doubles = Array<f64>;

/// `to[i] = value(from[i])`, with `alu` instructions of arithmetic.
fn map(
    memory: &mut Memory,
    sites: [Site; 2],
    (from, to): (&Doubles, &mut Doubles),
    alu: u32,
    value: impl Fn(f64) -> f64,
) {
    for index in 0..from.len() {
        memory.alu(LOOP);
        let x = from.load(memory, sites[0], index, LoadId::NONE).value;
        memory.alu(alu);
        to.store(memory, sites[1], index, value(x), LoadId::NONE);
    }
}

/// `to[i] = value(first[i], second[i])`, with `alu` instructions of arithmetic.
fn zip(
    memory: &mut Memory,
    sites: [Site; 3],
    (first, second, to): (&Doubles, &Doubles, &mut Doubles),
    alu: u32,
    value: impl Fn(f64, f64) -> f64,
) {
    for index in 0..first.len() {
        memory.alu(LOOP);
        let x = first.load(memory, sites[0], index, LoadId::NONE).value;
        let y = second.load(memory, sites[1], index, LoadId::NONE).value;
        memory.alu(alu);
        to.store(memory, sites[2], index, value(x, y), LoadId::NONE);
    }
}

impl Workload for Stream {
    fn run(self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let mut a = Doubles::new(memory, self.elements)?;
        let mut b = Doubles::new(memory, self.elements)?;
        let mut c = Doubles::new(memory, self.elements)?;
        for index in 0..self.elements {
            memory.alu(LOOP);
            for (array, value) in [&mut a, &mut b, &mut c].into_iter().zip(INITIAL) {
                array.store(memory, INITIALISE, index, value, LoadId::NONE);
            }
        }

        memory.begin(Stage::Run);
        for _ in 0..self.iterations {
            map(memory, COPY, (&a, &mut c), 0, |x| x);
            map(memory, SCALE, (&c, &mut b), 1, |x| SCALAR * x);
            zip(memory, ADD, (&a, &b, &mut c), 1, |x, y| x + y);
            zip(memory, TRIAD, (&b, &c, &mut a), 2, |x, y| x + SCALAR * y);
        }

        // The same recurrence on three numbers, as stream.c checks it, but exactly.
        memory.begin(Stage::Check);
        let [mut x, mut y, mut z] = INITIAL;
        for _ in 0..self.iterations {
            z = x;
            y = SCALAR * z;
            z = x + y;
            x = y + SCALAR * z;
        }
        for (name, array, expected) in [("a", &a, x), ("b", &b, y), ("c", &c, z)] {
            for index in 0..self.elements {
                memory.alu(LOOP);
                let value = array.load(memory, VERIFY, index, LoadId::NONE).value;
                if value != expected {
                    let what = format_args!("{name}[{index}] is {value} and not {expected}");
                    return Err(wrong(ENTRY.name, what));
                }
            }
        }
        // STREAM's own count: 2, 2, 3 and 3 words of 8 bytes an element.
        let bytes = self.iterations * 80 * self.elements as u64;
        Ok(Facts::default()
            .with("elements", self.elements)
            .with("bytes", bytes)
            .with("a", x)
            .with("b", y)
            .with("c", z))
    }

    fn records(&self) -> Option<u64> {
        self.iterations.checked_mul(10 * self.elements as u64)
    }
}

#[cfg(test)]
mod tests {
    use crate::record::AccessKind;
    use crate::workloads::Fact;
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn an_iteration_is_six_loads_and_four_stores_an_element() {
        let run = run("stream", &[("size", "8KiB"), ("iterations", "3")]).unwrap();
        let loads = run.accesses.iter().filter(|a| a.kind == AccessKind::Load).count();
        assert_eq!((loads, run.accesses.len() - loads), (3 * 6 * 1024, 3 * 4 * 1024));
        assert_eq!(run.count("bytes"), 3 * 80 * 1024);
        assert_eq!(run.events.len(), 3, "three areas");
    }

    #[test]
    fn the_values_are_the_closed_forms() {
        // a ← 3a + 3 (a + 3a) = 15 a each iteration; b = 3 a and c = 4 a of the one before.
        let run = run("stream", &[("size", "80B"), ("iterations", "5")]).unwrap();
        let before = 2.0 * 15f64.powi(4);
        for (name, value) in [("a", 15.0 * before), ("b", 3.0 * before), ("c", 4.0 * before)] {
            assert_eq!(run.facts.get(name), Some(&Fact::Float(value)));
        }
    }

    #[test]
    fn records_are_the_same_everywhere() {
        assert_eq!(fingerprint("stream", &[("size", "1KiB")]), 1_983_058_899_011_919_101);
    }
}
