//! Dense matrix multiplication C = A B of doubles, row-major: the textbook's three loops, or the same
//! in tiles (Lam, Rothberg and Wolf, "The Cache Performance and Optimizations of Blocked Algorithms",
//! ASPLOS 1991).

use super::sample::Random;
use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Array, LoadId, Memory, Site, Stage};

pub(super) static ENTRY: Entry = Entry {
    name: "gemm",
    description: "Matrix multiplication of doubles, naive or tiled",
    parameters: &[
        Parameter {
            name: "n",
            kind: Kind::Integer { min: 1, max: 1 << 16 },
            default: Default::Value("256"),
            doc: "Rows and columns of the matrices",
        },
        Parameter {
            name: "variant",
            kind: Kind::Name(&["naive", "tiled"]),
            default: Default::Value("naive"),
            doc: "Order of the loops",
        },
        Parameter {
            name: "tile",
            kind: Kind::Integer { min: 1, max: 1 << 16 },
            default: Default::Derived("32 if tiled"),
            doc: "Rows and columns of a tile; only for the tiled variant",
        },
    ],
    build,
};

const INITIALISE: Site = Site(1);
const LEFT: Site = Site(2);
const RIGHT: Site = Site(3);
const SUM: Site = Site(4);
const RESULT: Site = Site(5);
const VERIFY: Site = Site(6);

/// Multiplication, addition, index increment, comparison and branch.
const INNER: u32 = 5;

struct Gemm {
    n: usize,
    /// The whole matrix where it is not tiled.
    tile: usize,
    random: Random,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let n = settings.integer("n")? as usize;
    let tile = match settings.name("variant")? {
        "tiled" => (settings.integer_or("tile", 32)? as usize).min(n),
        _ if settings.is_set("tile") => {
            return Err(settings.refuse("tile", "variant = tiled, the naive one has no tiles"));
        }
        _ => n,
    };
    Ok(Box::new(Gemm { n, tile, random: Random::new(ENTRY.name, settings.integer("seed")?) }))
}

/// One matrix after the other, so that tiles are squares of each.
struct Matrices {
    a: Array<f64>,
    b: Array<f64>,
    c: Array<f64>,
}

impl Gemm {
    /// Small integers, whose products and sums doubles hold exactly: 2^16 terms of at most 49.
    fn fill(&mut self, memory: &mut Memory) -> Result<Matrices, TraceError> {
        let elements = self.n * self.n;
        let mut matrix = |random: Option<&mut Random>| {
            let mut matrix = Array::<f64>::new(memory, elements)?;
            if let Some(random) = random {
                for index in 0..elements {
                    memory.alu(2);
                    let value = random.below(8) as f64;
                    matrix.store(memory, INITIALISE, index, value, LoadId::NONE);
                }
            }
            Ok(matrix)
        };
        let a = matrix(Some(&mut self.random))?;
        let b = matrix(Some(&mut self.random))?;
        Ok(Matrices { a, b, c: matrix(None)? })
    }

    /// Tile by tile; one tile is the naive order.
    fn multiply(&self, memory: &mut Memory, matrices: &mut Matrices) {
        for i in (0..self.n).step_by(self.tile) {
            for j in (0..self.n).step_by(self.tile) {
                for k in (0..self.n).step_by(self.tile) {
                    self.multiply_tile(memory, matrices, (i, j, k));
                }
            }
        }
    }

    /// Adds one product of tiles to a tile of C; the first of a row stores without loading.
    fn multiply_tile(&self, memory: &mut Memory, m: &mut Matrices, first: (usize, usize, usize)) {
        let n = self.n;
        let range = |first: usize| first..(first + self.tile).min(n);
        for i in range(first.0) {
            for j in range(first.1) {
                memory.alu(3);
                let mut sum = match first.2 {
                    0 => 0.0,
                    _ => m.c.load(memory, SUM, i * n + j, LoadId::NONE).value,
                };
                for k in range(first.2) {
                    let left = m.a.load(memory, LEFT, i * n + k, LoadId::NONE).value;
                    let right = m.b.load(memory, RIGHT, k * n + j, LoadId::NONE).value;
                    memory.alu(INNER);
                    sum += left * right;
                }
                m.c.store(memory, RESULT, i * n + j, sum, LoadId::NONE);
            }
        }
    }

    /// Every row of the product again, in integers and in another order of the loops.
    fn verify(&self, memory: &mut Memory, m: &Matrices) -> Result<i64, TraceError> {
        let n = self.n;
        let (mut row, mut trace) = (vec![0i64; n], 0);
        for i in 0..n {
            row.fill(0);
            for k in 0..n {
                let left = m.a.load(memory, VERIFY, i * n + k, LoadId::NONE).value as i64;
                for (j, sum) in row.iter_mut().enumerate() {
                    memory.alu(INNER);
                    *sum += left * m.b.load(memory, VERIFY, k * n + j, LoadId::NONE).value as i64;
                }
            }
            for (j, expected) in row.iter().enumerate() {
                let value = m.c.load(memory, VERIFY, i * n + j, LoadId::NONE).value;
                if value != *expected as f64 {
                    let what = format_args!("c[{i}][{j}] is {value} and not {expected}");
                    return Err(wrong(ENTRY.name, what));
                }
            }
            trace += row[i];
        }
        Ok(trace)
    }
}

impl Workload for Gemm {
    fn run(mut self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let mut matrices = self.fill(memory)?;
        memory.begin(Stage::Run);
        self.multiply(memory, &mut matrices);
        memory.begin(Stage::Check);
        let trace = self.verify(memory, &matrices)?;
        let n = self.n as u64;
        Ok(Facts::default()
            .with("multiplications", n * n * n)
            // Entries are not negative, so neither is their sum.
            .with("trace", trace.unsigned_abs()))
    }

    fn records(&self) -> Option<u64> {
        let (n, panels) = (self.n as u64, self.n.div_ceil(self.tile) as u64);
        Some(2 * n * n * n + n * n * (2 * panels - 1))
    }
}

#[cfg(test)]
mod tests {
    use crate::record::AccessKind;
    use crate::workloads::tests::{fingerprint, run};

    /// Loads and stores of one multiplication.
    fn counts(set: &[(&str, &str)]) -> (usize, usize) {
        let run = run("gemm", set).unwrap();
        let loads = run.accesses.iter().filter(|a| a.kind == AccessKind::Load).count();
        (loads, run.accesses.len() - loads)
    }

    #[test]
    fn the_naive_order_loads_two_n_cubed_and_stores_n_squared() {
        assert_eq!(counts(&[("n", "20")]), (2 * 8000, 400));
    }

    #[test]
    fn tiles_touch_the_result_once_a_panel() {
        let tiled = |tile| counts(&[("n", "20"), ("variant", "tiled"), ("tile", tile)]);
        assert_eq!(tiled("5"), (2 * 8000 + 3 * 400, 4 * 400));
        // Three panels, the last of which is not full.
        assert_eq!(tiled("8"), (2 * 8000 + 2 * 400, 3 * 400));
        assert_eq!(tiled("64"), (2 * 8000, 400));
    }

    #[test]
    fn a_tile_without_tiles_is_refused() {
        assert!(run("gemm", &[("n", "4"), ("tile", "2")]).is_err());
    }

    #[test]
    fn both_orders_give_the_same_product() {
        let trace =
            |variant| run("gemm", &[("n", "33"), ("variant", variant)]).unwrap().count("trace");
        assert_eq!(trace("naive"), trace("tiled"));
    }

    #[test]
    fn the_naive_order_walks_rows_and_columns() {
        let run = run("gemm", &[("n", "16")]).unwrap();
        let (left, right) = (&run.accesses[0], &run.accesses[1]);
        assert_eq!(run.accesses[2].addr, left.addr + 8);
        assert_eq!(run.accesses[3].addr, right.addr + 16 * 8);
    }

    #[test]
    fn records_are_the_same_everywhere() {
        let set = [("n", "10"), ("variant", "tiled"), ("tile", "4")];
        assert_eq!(fingerprint("gemm", &set), 387_818_488_268_320_196);
    }
}
