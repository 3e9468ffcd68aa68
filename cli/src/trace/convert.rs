//! `faultline trace convert`.

use std::process::ExitCode;

use super::{Copied, WriteArgs, copy, report};
use crate::input::TraceArgs;
use crate::output;

/// Converts a trace into another format
///
/// Reads flt, lackey, din, champsim, drmemtrace (a file or a directory), pages, csv, rep, perf-script and
/// damon, plain or compressed (gz, xz, zst, lz4, sz, zip); writes flt, lackey, din, champsim, csv and
/// pages. What the written format cannot hold is said once on stderr.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  faultline trace convert ls.lackey.gz -o ls.flt\n  \
                        faultline trace convert 605.mcf_s.champsimtrace.xz -o mcf.flt\n  \
                        faultline trace convert drmemtrace.app.1234.dir -o app.flt\n  \
                        faultline trace convert refs.csv --column page --unit page -o refs.flt\n  \
                        faultline trace convert ls.flt --to din -o - | dineroIV -informat d")]
pub struct Args {
    #[command(flatten)]
    input: TraceArgs,
    #[command(flatten)]
    to: WriteArgs,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
}

/// Does what `args` say.
///
/// # Errors
/// The trace cannot be read, or the other cannot be written; nothing is left of it then.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut source = args.input.open()?;
    match copy(source.as_mut(), &args.to, false)? {
        Copied::All(records) => report(args.format, &args.to, records, None)?,
        Copied::Damaged(_, error) => return Err(error.into()),
        Copied::Interrupted => return Ok(ExitCode::from(output::INTERRUPTED)),
    }
    Ok(ExitCode::SUCCESS)
}
