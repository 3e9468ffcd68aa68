//! `faultline trace verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use tracegen::batch::Batch;
use tracegen::error::TraceError;
use tracegen::formats::{self, Input};

use crate::input::ReadArgs;
use crate::output;

/// Reads traces to their end and says whether they are whole: every checksum, every line
///
/// The exit code is 2 if any is damaged.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  faultline trace verify *.flt")]
pub struct Args {
    /// The traces, `-` for standard input
    #[arg(value_name = "TRACE", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
}

#[derive(Serialize)]
struct Verdict {
    file: String,
    ok: bool,
    /// Good records: before the damage, if there is any.
    records: u64,
    damage: Option<String>,
}

/// Does what `args` say.
///
/// # Errors
/// A failure to print; what is wrong with a trace is the answer.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let verdicts: Vec<_> = args.paths.iter().map(|path| verify(path, &args.read)).collect();
    match args.format {
        output::Format::Json if verdicts.len() == 1 => output::print_json(&verdicts[0])?,
        output::Format::Json => output::print_json(&verdicts)?,
        output::Format::Table => {
            for verdict in &verdicts {
                output::print(&line(verdict))?;
            }
        }
    }
    let good = verdicts.iter().all(|verdict| verdict.ok);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(output::BAD_INPUT) })
}

fn line(verdict: &Verdict) -> String {
    let Verdict { file, records, damage, .. } = verdict;
    match damage {
        None => format!("{file}: OK, {records} records\n"),
        // The message starts with the file.
        Some(damage) => format!("{damage} ({records} good records before)\n"),
    }
}

fn verify(path: &Path, read: &ReadArgs) -> Verdict {
    let mut records = 0;
    let damage = read_all(path, read, &mut records).err().map(|error| error.to_string());
    Verdict { file: path.display().to_string(), ok: damage.is_none(), records, damage }
}

fn read_all(path: &Path, read: &ReadArgs, records: &mut u64) -> Result<(), TraceError> {
    let mut source = formats::open(&Input::of(path), &read.options())?;
    let mut batch = Batch::new();
    loop {
        let filled = source.fill(&mut batch);
        *records += batch.records() as u64;
        if !filled? {
            return Ok(());
        }
    }
}
