//! Threads that each count in a counter of their own. Where counters share a line, every increment takes
//! the line from another CPU: false sharing (Torrellas, Lam and Hennessy, "False sharing and spatial
//! locality in multiprocessor caches", IEEE Transactions on Computers 43(6), 1994).

use super::{Default, Entry, Facts, Kind, Parameter, Settings, Workload, wrong};
use crate::error::TraceError;
use crate::memory::{Array, LoadId, Memory, Site, Stage};
use crate::record::CpuId;

pub(super) static ENTRY: Entry = Entry {
    name: "counters",
    description: "Threads that each increment a counter of their own, near one another or apart",
    parameters: &[
        Parameter {
            name: "threads",
            kind: Kind::Integer { min: 1, max: 1024 },
            default: Default::Value("2"),
            doc: "Threads, each on a CPU of its own",
        },
        Parameter {
            name: "increments",
            kind: Kind::Integer { min: 1, max: 1 << 40 },
            default: Default::Value("100_000"),
            doc: "Increments of each thread",
        },
        Parameter {
            name: "spacing",
            kind: Kind::Size { min: 8, max: 1 << 30 },
            default: Default::Value("8B"),
            doc: "Distance of one counter from the next, a multiple of 8 bytes",
        },
        Parameter {
            name: "turn",
            kind: Kind::Integer { min: 1, max: 1 << 40 },
            default: Default::Value("1"),
            doc: "Increments that a thread makes before the next one's take effect",
        },
    ],
    build,
};

const READ: Site = Site(1);
const WRITE: Site = Site(2);
const VERIFY: Site = Site(3);

/// The addition, and the loop's comparison and branch.
const LOOP: u32 = 3;

struct Counters {
    threads: u16,
    increments: u64,
    /// Words from one counter to the next.
    spacing: usize,
    turn: u64,
}

fn build(settings: &mut Settings) -> Result<Box<dyn Workload>, TraceError> {
    let spacing = settings.integer("spacing")?;
    if spacing % 8 != 0 {
        return Err(settings.refuse("spacing", "a multiple of 8"));
    }
    Ok(Box::new(Counters {
        // At most 1024.
        threads: settings.integer("threads")? as u16,
        increments: settings.integer("increments")?,
        spacing: (spacing / 8) as usize,
        turn: settings.integer("turn")?,
    }))
}

impl Workload for Counters {
    fn run(self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
        let words = usize::from(self.threads) * self.spacing;
        let mut counters = Array::<u64>::new(memory, words)?;
        memory.begin(Stage::Run);
        let mut done = 0;
        while done < self.increments {
            let turn = self.turn.min(self.increments - done);
            for thread in 0..self.threads {
                memory.switch_cpu(CpuId::from(thread));
                let own = usize::from(thread) * self.spacing;
                for _ in 0..turn {
                    let count = counters.load(memory, READ, own, LoadId::NONE);
                    counters.store(memory, WRITE, own, count.value + 1, LoadId::NONE);
                    memory.alu(LOOP);
                }
            }
            done += turn;
        }

        memory.switch_cpu(0);
        memory.begin(Stage::Check);
        let mut sum = 0;
        for thread in 0..self.threads {
            let own = usize::from(thread) * self.spacing;
            let count = counters.load(memory, VERIFY, own, LoadId::NONE).value;
            if count != self.increments {
                let what = format_args!("thread {thread} counted {count}, not {}", self.increments);
                return Err(wrong(ENTRY.name, what));
            }
            sum += count;
        }
        Ok(Facts::default().with("threads", u64::from(self.threads)).with("sum", sum))
    }

    fn records(&self) -> Option<u64> {
        self.increments.checked_mul(2 * u64::from(self.threads))
    }
}

#[cfg(test)]
mod tests {
    use crate::workloads::tests::{fingerprint, run};

    #[test]
    fn threads_take_turns_on_cpus_of_their_own() {
        let set = [("threads", "3"), ("increments", "5"), ("turn", "2"), ("spacing", "64B")];
        let run = run("counters", &set).unwrap();
        assert_eq!(run.count("sum"), 15);
        let cpus: Vec<u16> = run.accesses.iter().step_by(2).map(|access| access.cpu).collect();
        assert_eq!(cpus, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 0, 1, 2]);
        let first = run.accesses[0].addr;
        assert!(run.accesses.iter().all(|a| a.addr == first + 64 * u64::from(a.cpu)));
    }

    #[test]
    fn an_odd_spacing_is_refused() {
        assert!(run("counters", &[("spacing", "12B")]).is_err());
    }

    #[test]
    fn records_are_the_same_everywhere() {
        let set = [("threads", "2"), ("increments", "100")];
        assert_eq!(fingerprint("counters", &set), 16_942_893_693_016_179_023);
    }
}
