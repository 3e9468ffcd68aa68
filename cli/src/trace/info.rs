//! `faultline trace info`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use tracegen::batch::Batch;
use tracegen::formats::summary::Summary;
use tracegen::formats::{self, Input};
use tracegen::metadata::Metadata;
use tracegen::record::AccessKind;

use crate::input::ReadArgs;
use crate::output;

/// Counts what traces hold: records by kind, instructions, footprint, size
#[derive(clap::Args)]
#[command(after_help = "Example:\n  faultline trace info gups.flt --format json")]
pub struct Args {
    /// The traces, `-` for standard input
    #[arg(value_name = "TRACE", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    read: ReadArgs,
    /// How the result is printed; several traces are a JSON array
    #[arg(long, value_enum, default_value_t)]
    format: output::Format,
}

/// Does what `args` say.
///
/// # Errors
/// A trace cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    for path in &args.paths {
        let facts = facts(path, &args.read)?;
        match args.format {
            output::Format::Table => output::print(&table(&facts))?,
            output::Format::Json => all.push(Value::Object(facts)),
        }
    }
    match (args.format, all.as_slice()) {
        (output::Format::Table, _) => {}
        (output::Format::Json, [one]) => output::print_json(one)?,
        (output::Format::Json, several) => output::print_json(&several)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn facts(path: &Path, read: &ReadArgs) -> anyhow::Result<Map<String, Value>> {
    let input = Input::of(path);
    let (format, mut source) = formats::open_as(&input, &read.options())?;
    let mut summary = Summary::default();
    let mut batch = Batch::new();
    while source.fill(&mut batch)? {
        summary.add(&batch);
    }
    let bytes = match &input {
        Input::Path(path) => {
            let length = |file: &PathBuf| std::fs::metadata(file).ok().map(|file| file.len());
            formats::files(path)?.iter().map(length).sum::<Option<u64>>()
        }
        Input::Stdin => None,
    };
    let accesses = summary.accesses();
    let per_access = bytes.filter(|_| accesses > 0).map(|bytes| bytes as f64 / accesses as f64);
    let (pages, lines) = summary.footprint();
    let facts = json!({
        "file": path.display().to_string(),
        "format": format.name(),
        "records": summary.records(),
        "accesses": accesses,
        "loads": summary.accesses_of(AccessKind::Load),
        "stores": summary.accesses_of(AccessKind::Store),
        "fetches": summary.accesses_of(AccessKind::Fetch),
        "prefetches": summary.accesses_of(AccessKind::Prefetch),
        "branches": summary.branches(),
        "events": summary.events(),
        "instructions": summary.instructions(),
        "cpus": summary.cpus(),
        "processes": summary.processes(),
        "footprint_pages": pages,
        "footprint_lines": lines,
        "bytes": bytes,
        "bytes_per_access": per_access,
        "metadata": source.metadata().map(metadata),
    });
    match facts {
        Value::Object(facts) => Ok(facts),
        _ => Ok(Map::new()),
    }
}

fn metadata(metadata: &Metadata) -> Value {
    let parameters: Map<_, _> =
        metadata.parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "producer": metadata.producer,
        "workload": metadata.workload,
        "seed": metadata.seed,
        "parameters": parameters,
    })
}

fn table(facts: &Map<String, Value>) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.3}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    };
    let mut rows: Vec<(String, String)> = Vec::new();
    for (name, value) in facts {
        match value {
            Value::Object(nested) => {
                rows.extend(
                    nested.iter().map(|(key, value)| (format!("{name}.{key}"), plain(value))),
                );
            }
            value => rows.push((name.clone(), plain(value))),
        }
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}
