//! `faultline trace slice`.

use std::process::ExitCode;

use tracegen::formats::{self, Input};

use super::{Copied, WriteArgs, copy, report};
use crate::input::TraceArgs;
use crate::output;

/// Copies a part of a trace, or the good part of a damaged one
///
/// Records are numbered from 0 in their order; accesses, branches and events all count. What happened
/// before the slice (areas, which process a CPU runs) is not carried over.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  faultline trace slice long.flt --start 1000000 --count 50000 -o part.flt\n  \
                        faultline trace slice cut-off.flt --salvage -o good.flt"
)]
pub struct Args {
    #[command(flatten)]
    input: TraceArgs,
    #[command(flatten)]
    to: WriteArgs,
    /// The first record
    #[arg(long, value_name = "N", default_value_t = 0)]
    start: u64,
    /// How many records; all that follow if left out
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Keep what comes before the place where the trace is damaged
    #[arg(long)]
    salvage: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
}

/// Does what `args` say.
///
/// # Errors
/// The trace cannot be read (beyond what `--salvage` forgives), or the other cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let input = Input::of(&args.input.path);
    let count = args.count.unwrap_or(u64::MAX);
    let mut source =
        formats::open_slice(&input, &args.input.read.options(), args.start, count, args.salvage)?;
    match copy(source.as_mut(), &args.to, args.salvage)? {
        Copied::All(records) => report(args.format, &args.to, records, None)?,
        Copied::Damaged(records, error) => {
            let damage = error.to_string();
            eprintln!("note: the good part ends after {records} records: {damage}");
            report(args.format, &args.to, records, Some(&damage))?;
        }
        Copied::Interrupted => return Ok(ExitCode::from(output::INTERRUPTED)),
    }
    Ok(ExitCode::SUCCESS)
}
