//! `faultline trace head`.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::{Value, json};
use tracegen::batch::Batch;
use tracegen::record::{AccessKind, Record, SAME_INSTRUCTION};

use crate::input::TraceArgs;
use crate::output;

/// Prints the first records of a trace
#[derive(clap::Args)]
#[command(after_help = "Example:\n  faultline trace head gups.flt -n 20")]
pub struct Args {
    #[command(flatten)]
    input: TraceArgs,
    /// How many records
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    records: u64,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
}

/// Does what `args` say.
///
/// # Errors
/// The trace cannot be read that far.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut source = args.input.open()?;
    let mut batch = Batch::new();
    let mut number = 0;
    let mut objects = Vec::new();
    while number < args.records && source.fill(&mut batch)? {
        let mut text = String::new();
        let left = usize::try_from(args.records - number).unwrap_or(usize::MAX);
        for record in batch.iter().take(left) {
            match args.format {
                output::Format::Table => writeln!(text, "{number:>10}  {}", line(&record))?,
                output::Format::Json => objects.push(object(number, &record)),
            }
            number += 1;
        }
        output::print(&text)?;
    }
    if args.format == output::Format::Json {
        output::print_json(&objects)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn kind(kind: AccessKind) -> &'static str {
    match kind {
        AccessKind::Load => "load",
        AccessKind::Store => "store",
        AccessKind::Fetch => "fetch",
        AccessKind::Prefetch => "prefetch",
    }
}

fn line(record: &Record) -> String {
    match record {
        Record::Access(access) => {
            let gap = match access.gap {
                SAME_INSTRUCTION => "same instruction".to_owned(),
                gap => format!("gap {gap}"),
            };
            format!(
                "cpu {:<3} {:<8} {:#018x} size {:<3} site {:#x}, {gap}, dep {}",
                access.cpu,
                kind(access.kind),
                access.addr,
                access.size,
                access.site,
                access.dep
            )
        }
        Record::Branch(branch) => format!(
            "cpu {:<3} branch   {} site {:#x}, gap {}, dep {}",
            branch.cpu,
            if branch.taken { "taken" } else { "not taken" },
            branch.site,
            branch.gap,
            branch.dep
        ),
        Record::Event(cpu, event) => format!("cpu {cpu:<3} {event:x?}"),
    }
}

fn object(number: u64, record: &Record) -> Value {
    match record {
        Record::Access(access) => json!({
            "record": number,
            "cpu": access.cpu,
            "kind": kind(access.kind),
            "address": access.addr,
            "size": access.size,
            "site": access.site,
            "gap": (access.gap != SAME_INSTRUCTION).then_some(access.gap),
            "same_instruction": access.gap == SAME_INSTRUCTION,
            "dep": access.dep,
        }),
        Record::Branch(branch) => json!({
            "record": number,
            "cpu": branch.cpu,
            "kind": "branch",
            "site": branch.site,
            "taken": branch.taken,
            "gap": branch.gap,
            "dep": branch.dep,
        }),
        Record::Event(cpu, event) => json!({
            "record": number,
            "cpu": cpu,
            "kind": event.name(),
            "event": format!("{event:?}"),
        }),
    }
}
