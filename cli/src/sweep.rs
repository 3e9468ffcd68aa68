//! `faultline sweep`: a design study.

mod plan;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use analysis::study::document::Text;
use analysis::study::execute::{Options, Watch, execute, missing};
use analysis::study::graph::Graph;
use analysis::study::memory;
use analysis::study::outputs::{self, Drawing};
use analysis::study::plan::{Overrides, Plan};
use analysis::study::store::Store;
use clap::{Args as ClapArgs, ValueEnum};
use model::config::nearest;
use model::units::ByteSize;

use crate::input::ReadArgs;
use crate::machine::SetArgs;
use crate::output::{self, Format};
use crate::progress::SweepProgress;
use crate::{interrupt, run};

/// Computes a design study: many points, with charts and a report. Started again, it computes only the
/// points that it lacks.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    faultline sweep quickstart\n  \
    faultline sweep stlb-size.toml --plan\n  \
    faultline sweep stlb-size.toml --trace ls.lackey -o results/ls\n  \
    faultline sweep big.toml -o shared/big --shard 3/16")]
pub struct Args {
    /// A TOML file, or the name of a study that ships with Faultline.
    #[arg(value_name = "STUDY.toml")]
    study: String,
    /// Where the results go, in place of results/<study>.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Busy threads at most; the results do not depend on it.
    #[arg(long, value_name = "N", default_value_t = run::jobs(), value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    /// Computes part I of N, from 1/N to N/N; all parts can share one directory.
    #[arg(long, value_name = "I/N", default_value = "1/1", value_parser = shard)]
    shard: (usize, usize),
    /// Prints what there is to do (passes over traces, machines, points) and what it is estimated to cost;
    /// computes and writes nothing else.
    #[arg(long, visible_alias = "dry-run")]
    plan: bool,
    /// Memory that simulations under way may take together, such as 4GiB; half of what is available if
    /// left out. The results do not depend on it.
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// Who computes.
    #[arg(long, value_enum, default_value_t)]
    engine: Engine,
    /// A trace in place of the study's traces and workloads.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    sets: SetArgs,
    /// Seed of every random choice, in place of the study's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How the summary is printed.
    #[arg(long = "format", value_enum, default_value_t)]
    print_as: Format,
}

/// Who computes the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Engine {
    /// This process.
    #[default]
    Local,
    /// A SLURM cluster.
    Slurm,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(index, count)| {
        Some((index.parse::<usize>().ok()?, count.parse::<usize>().ok()?))
    });
    match parts {
        Some((index, count)) if (1..=count).contains(&index) => Ok((index, count)),
        _ => Err("expected I/N with I from 1 to N, such as 3/16".to_owned()),
    }
}

/// The study's name for messages, its text, and the folder that its paths start from.
fn open(study: &str) -> anyhow::Result<(String, String, PathBuf)> {
    let path = Path::new(study);
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            Ok((study.to_owned(), text, folder))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Some(shipped) = configs::study(study) {
                return Ok((shipped.name.to_owned(), shipped.text.to_owned(), PathBuf::new()));
            }
            let names = configs::STUDIES.iter().map(|shipped| shipped.name);
            let help = match nearest(study, names.clone()) {
                Some(name) => format!("a similar study ships with Faultline: `{name}`"),
                None => format!("the studies are {}", names.collect::<Vec<_>>().join(", ")),
            };
            anyhow::bail!("`{study}` is neither a file nor a study; {help}")
        }
        Err(error) => anyhow::bail!("{study}: {error}"),
    }
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.engine == Engine::Slurm {
        anyhow::bail!("--engine slurm is not there yet; --shard I/N splits a study by hand");
    }
    let (name, text, folder) = open(&args.study)?;
    let trace = args.trace.as_ref().map(|path| run::trace_at(path, &args.read));
    let sets = args.sets.sets.clone();
    if let Some((path, _)) = sets.iter().find(|(path, _)| path.starts_with("workload.")) {
        anyhow::bail!("{path} is set, but a study sets its workloads' parameters itself");
    }
    let overrides = Overrides { trace, sets, seed: args.seed };
    let plan = Plan::new(Text { name: &name, text: &text }, &folder, &overrides)?;
    let memory = args.memory.map_or_else(memory::default_bound, |size| size.0);
    let root = args.output.clone().unwrap_or_else(|| Path::new("results").join(&plan.name));
    if args.plan {
        return show_plan(args, &plan, &root, memory);
    }
    let store = Store::create(&root)?;
    outputs::write_study(&plan, &store)?;
    let progress = SweepProgress::new();
    let options = Options {
        jobs: usize::from(args.jobs),
        shard: args.shard,
        memory,
        interrupted: interrupt::flag()?,
        watch: &progress,
    };
    let done = execute(&plan, &store, &options);
    progress.finish();
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            return interrupt::exit_code(&error).map_or_else(
                || Err(error.into()),
                |code| {
                    eprintln!("interrupted; what is finished is in {}", root.display());
                    Ok(code)
                },
            );
        }
    };
    let (view, _) =
        outputs::write_all(&store, Drawing { jobs: usize::from(args.jobs), keep: true })?;
    let mut sentences = analysis::report::summary(&view);
    sentences.extend(analysis::report::mean_summary(&view));
    match args.print_as {
        Format::Json => output::print_json(&serde_json::json!({
            "study": plan.name,
            "directory": root,
            "computed": done.computed,
            "stored": done.stored,
            "points": view.points.len(),
            "summary": sentences,
        }))?,
        Format::Table => {
            let counts = format!(
                "{}: {} points computed, {} there already\n",
                plan.name, done.computed, done.stored
            );
            let report = format!("report: {}\n", root.join("report.html").display());
            output::print(&[counts, sentences.join("\n"), "\n".to_owned(), report].concat())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the graph of work and its estimated cost.
fn show_plan(args: &Args, plan: &Plan, root: &Path, memory: u64) -> anyhow::Result<ExitCode> {
    /// Says what is wrong with stored points.
    struct Tell;
    impl Watch for Tell {
        fn progress(&self, _: u64, _: u64, _: f64) {}
        fn message(&self, text: &str) {
            eprintln!("{text}");
        }
    }
    let store = Store::open(root).ok();
    let mine = plan.shard(args.shard.0, args.shard.1);
    let missing = missing(plan, store.as_ref(), &mine, &Tell)?;
    let graph = Graph::of(plan, mine.len(), &missing, usize::from(args.jobs), memory)?;
    match args.print_as {
        Format::Json => output::print_json(&graph)?,
        Format::Table => output::print(&plan::text(&graph))?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_count_from_one() {
        assert_eq!(shard("3/16"), Ok((3, 16)));
        for wrong in ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }
}
