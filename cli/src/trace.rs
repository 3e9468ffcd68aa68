//! `faultline trace`: looks at and converts traces.

mod convert;
mod head;
mod info;
mod merge;
mod slice;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use tracegen::batch::Batch;
use tracegen::error::TraceError;
use tracegen::formats::{self, Format};
use tracegen::metadata::Metadata;
use tracegen::source::Source;

use crate::{interrupt, output};

/// Looks at and converts traces
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  valgrind --tool=lackey --trace-mem=yes --log-fd=9 9>ls.lackey ls\n  \
                        faultline trace convert ls.lackey -o ls.flt\n  faultline trace info ls.flt"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Info(info::Args),
    Head(head::Args),
    Convert(convert::Args),
    Slice(slice::Args),
    Merge(merge::Args),
    Verify(verify::Args),
}

/// Does what `args` say.
///
/// # Errors
/// A trace that cannot be read or written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.verb {
        Verb::Info(args) => info::run(args),
        Verb::Head(args) => head::run(args),
        Verb::Convert(args) => convert::run(args),
        Verb::Slice(args) => slice::run(args),
        Verb::Merge(args) => merge::run(args),
        Verb::Verify(args) => verify::run(args),
    }
}

/// Where a trace goes.
#[derive(clap::Args)]
struct WriteArgs {
    /// The trace to write, `-` for standard output; .gz, .xz and .zst at the end of its name compress it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Its format, where the suffix of FILE does not say it: flt, lackey, din, champsim, csv or pages
    #[arg(long, value_name = "FORMAT")]
    to: Option<Format>,
}

impl WriteArgs {
    fn format(&self) -> Format {
        self.to.or_else(|| Format::of_suffix(&self.output)).unwrap_or(Format::Flt)
    }
}

/// How a copy ended.
enum Copied {
    /// With so many records.
    All(u64),
    /// After so many good ones, with this wrong then.
    Damaged(u64, TraceError),
    /// The user interrupted it; nothing is left behind.
    Interrupted,
}

/// Copies all of `source`; where it is damaged, what comes before if `salvage` says so.
fn copy(source: &mut dyn Source, to: &WriteArgs, salvage: bool) -> anyhow::Result<Copied> {
    interrupt::watch()?;
    let own = || Metadata { producer: producer(), ..Metadata::default() };
    let metadata = source.metadata().cloned().unwrap_or_else(own);
    let mut sink = formats::create(&to.output, to.format(), &metadata)?;
    let mut batch = Batch::new();
    let mut records = 0;
    let end = loop {
        let filled = match source.fill(&mut batch) {
            Err(error) if !salvage => return Err(error.into()),
            filled => filled,
        };
        if interrupt::requested() {
            return Ok(Copied::Interrupted);
        }
        records += batch.records() as u64;
        sink.write(&batch)?;
        match filled {
            Ok(true) => {}
            Ok(false) => break Copied::All(records),
            Err(error) => break Copied::Damaged(records, error),
        }
    };
    sink.finish()?;
    let losses = sink.losses();
    if !losses.is_empty() {
        eprintln!(
            "note: {} does not hold, and lacks now: {}",
            to.format().name(),
            losses.join(", ")
        );
    }
    Ok(end)
}

/// Prints what a copy did: to stderr, if the trace itself goes to stdout.
fn report(
    format: output::Format,
    to: &WriteArgs,
    records: u64,
    damage: Option<&str>,
) -> anyhow::Result<()> {
    let path = to.output.display();
    let json = serde_json::json!({
        "output": path.to_string(),
        "format": to.format().name(),
        "records": records,
        "damage": damage,
    });
    match format {
        _ if to.output == Path::new("-") => eprintln!("{records} records"),
        output::Format::Json => output::print_json(&json)?,
        output::Format::Table => {
            output::print(&format!("{path}: {records} records, {}\n", to.format().name()))?;
        }
    }
    Ok(())
}

/// What this program calls itself in the files that it writes.
fn producer() -> String {
    format!("faultline {}", env!("CARGO_PKG_VERSION"))
}
