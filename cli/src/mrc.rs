//! `faultline mrc`: the misses of every size in one pass.

mod ask;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use analysis::curve::behind::First;
use analysis::curve::keys::Stream;
use analysis::curve::{Level, document, measure, outputs};
use analysis::pipeline::Drive;
use analysis::region::{Markers, Region};
use clap::{Args as ClapArgs, ValueEnum};
use model::units::ByteSize;

use crate::input::ReadArgs;
use crate::interrupt;
use crate::output::{self, Format};
use crate::progress::RunProgress;
use crate::run::{jobs, trace_at};

/// Measures the miss-ratio curve of a trace: the misses of a memory, TLB or cache of every size, in one
/// pass
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    faultline mrc gups.flt --level page\n  \
    faultline mrc gups.flt --level page --sizes 4MiB,64MiB,256MiB --sample 0.01 --format json\n  \
    faultline mrc bfs.flt --level tlb --behind 64x4 --geometry --ways 12 -o results/bfs-stlb\n  \
    faultline mrc bfs.flt --level page --policy lru,fifo,clock --sample 0.1 -o results/bfs\n  \
    faultline gen kv -o - | faultline mrc - --level line --sizes 32KiB,1MiB

docs/curves.md says what each number means, what is exact and how good a sample is.")]
pub struct Args {
    /// The trace, in any format that `trace convert` reads; `-` for standard input
    #[arg(value_name = "TRACE")]
    path: PathBuf,
    #[command(flatten)]
    read: ReadArgs,
    /// What sizes count: pages of memory, entries of a TLB, lines of a cache
    #[arg(long, value_enum)]
    level: LevelName,
    /// Sizes at which the curve is given: numbers of entries (64,1536), or what they cover (4MiB) [default:
    /// up to the footprint]
    #[arg(long, value_name = "SIZE,…")]
    sizes: Option<String>,
    /// Samples this share of the pages or lines, above 0 and at most 1
    #[arg(long, value_name = "RATE")]
    sample: Option<f64>,
    /// Samples at most that many pages or lines, at a rate that falls from that of --sample (from 1 without)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..))]
    sample_size: Option<u32>,
    /// Policies, a curve each: those of os.reclaim, by name or as a table; others than lru are for --level
    /// page
    #[arg(long, value_name = "NAME,…", default_value = "lru")]
    policy: Vec<String>,
    /// Every number of ways up to --ways for these numbers of sets [default: powers of two to 1024]; for
    /// --level tlb and line
    #[arg(long, value_name = "SETS,…", num_args = 0..=1, default_missing_value = "")]
    geometry: Option<String>,
    /// The most ways of --geometry [default: 16]
    #[arg(long, value_name = "N", requires = "geometry", value_parser = clap::value_parser!(u32).range(1..=1024))]
    ways: Option<u32>,
    /// Counts what an LRU level of that geometry misses: the curve of the level behind it; for --level tlb
    /// and line
    #[arg(long, value_name = "ENTRIES[xWAYS]")]
    behind: Option<First>,
    /// Which accesses count
    #[arg(long, value_enum, default_value_t)]
    stream: StreamName,
    /// Bytes of a page, for --level page and tlb [default: 4KiB]
    #[arg(long, value_name = "SIZE")]
    page_size: Option<ByteSize>,
    /// Bytes of a line, for --level line [default: 64B]
    #[arg(long, value_name = "SIZE")]
    line_size: Option<ByteSize>,
    /// Stops after that many accesses
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Busy threads at most; the result does not depend on it
    #[arg(long, value_name = "N", default_value_t = jobs(), value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Seed of the sample
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Writes curve.json, curve.csv and the chart there
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A level as the command line writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelName {
    /// Pages of a memory
    Page,
    /// Entries of a TLB
    Tlb,
    /// Lines of a cache
    Line,
}

impl LevelName {
    fn level(self) -> Level {
        match self {
            Self::Page => Level::Page,
            Self::Tlb => Level::Tlb,
            Self::Line => Level::Line,
        }
    }
}

/// A stream as the command line writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum StreamName {
    /// Loads, stores and software prefetches
    #[default]
    Data,
    /// Instruction fetches
    Instruction,
    /// All of them
    Both,
}

impl StreamName {
    fn stream(self) -> Stream {
        match self {
            Self::Data => Stream::Data,
            Self::Instruction => Stream::Instruction,
            Self::Both => Stream::Both,
        }
    }
}

/// Runs the verb.
///
/// # Errors
/// What is asked for does not go together, or the trace cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let spec = args.spec()?;
    let trace = trace_at(&args.path, &args.read);
    let progress = RunProgress::new();
    let options = Drive {
        threads: usize::from(args.jobs),
        region: Region { limit: args.limit, markers: Markers::Ignore, ..Region::default() },
        interrupted: interrupt::flag()?,
        progress: &|done, accesses| progress.tell(done, accesses),
    };
    let result = measure(&spec, &trace, &options);
    progress.finish();
    let curves = match result {
        Ok(curves) => curves,
        Err(error) => {
            return interrupt::exit_code(&error).map_or_else(|| Err(error.into()), Ok);
        }
    };
    match args.format {
        Format::Json => output::print_json(&document::json(&curves))?,
        Format::Table => output::print(&table::text(&curves))?,
    }
    if let Some(folder) = &args.output {
        outputs::write_all(folder, &curves)?;
        eprintln!("wrote {}", folder.join("curve.png").display());
    }
    Ok(ExitCode::SUCCESS)
}
