//! `faultline run`: one simulation.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use analysis::measured::RunResult;
use analysis::simulate::{RunOptions, simulate, write_checkpoint};
use analysis::study::outputs;
use analysis::trace::TraceSpec;
use anyhow::Context as _;
use clap::Args as ClapArgs;
use model::config::Config;
use tracegen::formats::Input;

use crate::by::ByArgs;
use crate::checkpoint::CheckpointArgs;
use crate::input::ReadArgs;
use crate::machine::MachineArgs;
use crate::output::{self, Format};
use crate::progress::RunProgress;
use crate::region::RegionArgs;
use crate::sample::SampleArgs;
use crate::{interrupt, summary};

/// Runs one trace or workload on one machine.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    faultline run --config skylake --workload gups --set workload.table=256MiB\n  \
    faultline run --config skylake --trace app.flt --warmup 10000000 --limit 50000000\n  \
    faultline run --config skylake --trace app.flt --sample --sample-period 100000\n  \
    faultline run --config skylake --workload kv --set os.prefault=accessed --ideal\n  \
    faultline run --config skylake --trace app.flt --by symbol --program ./app\n  \
    faultline run --config skylake --trace app.flt --by interval --interval 1000000 --format json\n  \
    faultline run --config skylake --trace app.flt --warmup 10000000 --checkpoint warm.ckpt --checkpoint-only\n  \
    faultline run --config skylake --trace app.flt --from-checkpoint warm.ckpt --set core.rob=512\n  \
    faultline run --config mine.toml --trace ls.lackey --set mmu.page_size=2MiB -o results/ls")]
pub struct Args {
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    read: ReadArgs,
    /// Writes result.json, the charts and the report there.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Busy threads at most; the result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = jobs(), value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Seed of every random choice.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    region: RegionArgs,
    #[command(flatten)]
    checkpoint: CheckpointArgs,
    #[command(flatten)]
    sample: SampleArgs,
    /// Also says what the run would take were each component perfect, which is what the component costs:
    /// costs overlap, so that they do not add up.
    #[arg(long, conflicts_with = "sample")]
    ideal: bool,
    #[command(flatten)]
    by: ByArgs,
    /// How the result is printed.
    #[arg(long = "format", value_enum, default_value_t)]
    print_as: Format,
}

#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
struct What {
    /// The trace, in any format that `trace convert` reads; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// A workload that runs while it is simulated (see `faultline gen --list`); --set workload.KEY=VALUE
    /// sets its parameters.
    #[arg(long, value_name = "NAME")]
    workload: Option<String>,
}

/// As many threads as the host runs at once.
pub fn jobs() -> u16 {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// The trace at `path`, read as `read` says.
pub fn trace_at(path: &Path, read: &ReadArgs) -> TraceSpec {
    TraceSpec::File {
        name: path.display().to_string(),
        input: Input::of(path),
        options: read.options(),
    }
}

impl Args {
    /// What runs; a workload lies where `config` has addresses, unless it is told where.
    fn spec(&self, config: &Config) -> anyhow::Result<TraceSpec> {
        let set = self.machine.sets.workload();
        if let Some(path) = &self.what.trace {
            if let Some((key, _)) = set.first() {
                anyhow::bail!("workload.{key} is set, but a trace runs and not a workload");
            }
            let mut spec = trace_at(path, &self.read);
            spec.fit(config);
            return Ok(spec);
        }
        if self.read.trace_format.is_some()
            || self.read.column.is_some()
            || self.read.unit.is_some()
        {
            anyhow::bail!("--trace-format, --column and --unit are for --trace");
        }
        let set = set.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        let name = self.what.workload.clone().unwrap_or_default();
        let mut spec = TraceSpec::Workload { name, set: set.collect() };
        spec.fit(config);
        Ok(spec)
    }
}

/// An output folder that is there before the simulation, and goes again where nothing comes into it.
struct NewFolder(Vec<PathBuf>);

impl NewFolder {
    fn create(folder: &Path) -> anyhow::Result<Self> {
        let missing = folder.ancestors().filter(|part| !part.as_os_str().is_empty());
        let missing = missing.take_while(|part| !part.exists()).map(Path::to_owned).collect();
        let created = Self(missing);
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        Ok(created)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        for folder in &self.0 {
            // One with results in it is not empty, and stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = args.machine.load()?;
    let spec = args.spec(&config)?;
    let by = args.by.by()?;
    // Better said now than after the simulation.
    let _folder = args.output.as_deref().map(NewFolder::create).transpose()?;
    let progress = RunProgress::new();
    let options = RunOptions {
        jobs: usize::from(args.jobs),
        seed: args.seed,
        region: args.region.region(),
        sample: args.sample.options(),
        ideal: args.ideal,
        by: by.as_ref(),
        warm: args.checkpoint.warm(),
        interrupted: interrupt::flag()?,
        progress: &|done, accesses| progress.tell(done, accesses),
    };
    if let Some(path) = args.checkpoint.alone() {
        let written = write_checkpoint(&config, &spec, &options, path);
        progress.finish();
        return match written {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => interrupt::exit_code(&error).map_or_else(|| Err(error.into()), Ok),
        };
    }
    let result = simulate(&config, &spec, &options);
    progress.finish();
    let result = match result {
        Ok(result) => result,
        Err(error) => {
            return interrupt::exit_code(&error).map_or_else(|| Err(error.into()), Ok);
        }
    };
    print(args, &result)?;
    if let Some(note) = summary::zero_page_note(&result.measured) {
        eprintln!("{note}");
    }
    if let Some(note) = result.by.as_ref().and_then(|by| by.note.as_deref()) {
        eprintln!("note: {note}");
    }
    if let Some(folder) = &args.output {
        outputs::write_run(folder, &result)?;
        eprintln!("wrote {}", folder.join("report.html").display());
    }
    Ok(ExitCode::SUCCESS)
}

fn print(args: &Args, result: &RunResult) -> anyhow::Result<()> {
    match args.print_as {
        Format::Json => output::print_json(&result.json()?),
        Format::Table => {
            let text = summary::text(&result.config.name, &result.measured);
            let by = result.by.as_ref().map_or_else(String::new, |by| args.by.text(by));
            output::print(&(text + &by))
        }
    }
}
