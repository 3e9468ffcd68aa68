//! `faultline trace merge`.

use std::path::PathBuf;
use std::process::ExitCode;

use tracegen::formats::merge::{Merge, Together};
use tracegen::formats::{self, Input};

use super::{Copied, WriteArgs, copy, report};
use crate::input::ReadArgs;
use crate::output;

/// Puts several traces together, each on CPUs of its own
///
/// The traces go in step by instructions: the next record is of the one that has made the fewest. Of n
/// traces, CPU k of trace i becomes CPU k*n+i, and so do processes and files, unless they are threads.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  faultline trace merge one.flt two.flt -o both.flt\n  \
                        faultline trace merge --threads t0.flt t1.flt -o program.flt\n  \
                        faultline run --config skylake --set core.count=2 --trace both.flt")]
pub struct Args {
    /// The traces, in any format
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    to: WriteArgs,
    /// They are threads of one program, in one address space
    #[arg(long)]
    threads: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
}

/// Does what `args` say.
///
/// # Errors
/// A trace cannot be read, or the other cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let options = args.read.options();
    let open = |path: &PathBuf| formats::open(&Input::of(path), &options);
    let sources = args.files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let together = if args.threads { Together::Threads } else { Together::Programs };
    match copy(&mut Merge::new(sources, together), &args.to, false)? {
        Copied::Interrupted => Ok(ExitCode::from(output::INTERRUPTED)),
        Copied::All(records) | Copied::Damaged(records, _) => {
            report(args.format, &args.to, records, None)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
