//! `gen`: runs a workload and writes its trace.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::{Map, Value as Json, json};
use tracegen::batch::Batch;
use tracegen::error::TraceError;
use tracegen::formats::{self, Format as TraceFormat};
use tracegen::metadata::Metadata;
use tracegen::sink::Sink;
use tracegen::source::Source;
use tracegen::workloads::{self, Default as ParameterDefault, Fact, Value, WorkloadSource};

use crate::output::{self, Format};

/// Batches that the algorithm may be ahead of the writer.
const AHEAD: usize = 4;
/// A run that takes longer shows its progress.
const PATIENCE: Duration = Duration::from_millis(500);

/// Run a real algorithm that emits its own accesses, check its result, and write the trace
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  faultline gen --list
  faultline gen gups -o gups.flt --set table=1GiB --set updates=10_000_000
  faultline gen bfs --set scale=20 --format json
  faultline gen chase -o - | faultline run --config skylake.toml --trace -

Without -o nothing is written: the algorithm runs and its result is checked. With -o - the trace goes to
standard output and the result to standard error.")]
pub struct Args {
    /// The workload; --list names them
    #[arg(required_unless_present = "list")]
    workload: Option<String>,
    /// Where the trace goes; its suffix names its format, otherwise it is flt
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A parameter of the workload, spelled as in TOML
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Seed of every random choice, as --set seed=N
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Name the workloads with their parameters
    #[arg(long, conflicts_with_all = ["workload", "output", "set", "seed"])]
    list: bool,
}

/// Splits `key=value`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// Runs the verb.
///
/// # Errors
/// A workload or parameter that does not exist, an output that cannot be written, a failed check.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.workload else {
        match args.format {
            Format::Table => output::print(&list())?,
            Format::Json => output::print_json(&list_json())?,
        }
        return Ok(ExitCode::SUCCESS);
    };
    let mut set = args.set.clone();
    set.extend(args.seed.map(|seed| ("seed".to_owned(), seed.to_string())));
    let mut source = workloads::open(name, &set, AHEAD)?;
    let mut sink = match &args.output {
        Some(path) => Some(create(path, &source)?),
        None => None,
    };
    match drain(&mut source, &mut sink) {
        Ok(true) => {}
        Ok(false) => return Ok(ExitCode::from(output::INTERRUPTED)),
        Err(TraceError::Io { path, source })
            if path == Path::new("-") && source.kind() == ErrorKind::BrokenPipe =>
        {
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(error.into()),
    }
    for loss in sink.iter().flat_map(|sink| sink.losses()) {
        eprintln!("note: the format has no place for {loss}");
    }
    let text = match args.format {
        Format::Table => result(&source),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&result_json(&source))?),
    };
    match &args.output {
        Some(path) if path == Path::new("-") => eprint!("{text}"),
        _ => output::print(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the output; the file appears when it is finished.
fn create(path: &Path, source: &WorkloadSource) -> Result<Box<dyn Sink>, TraceError> {
    let format = TraceFormat::of_suffix(path).unwrap_or(TraceFormat::Flt);
    let settings = source.settings();
    let metadata = Metadata {
        producer: concat!("faultline ", env!("CARGO_PKG_VERSION")).to_owned(),
        workload: Some(settings.workload().to_owned()),
        seed: settings.integer("seed").ok(),
        parameters: settings.iter().map(|(name, value)| (name.into(), value.to_string())).collect(),
    };
    formats::create(path, format, &metadata)
}

/// Moves every record to the sink and completes it; `false` if the user interrupted.
fn drain(
    source: &mut WorkloadSource,
    sink: &mut Option<Box<dyn Sink>>,
) -> Result<bool, TraceError> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    // Where no handler can be set, an interrupt ends the process at once.
    let _ = ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed));
    let started = Instant::now();
    let mut bar: Option<ProgressBar> = None;
    let mut batch = Batch::new();
    while source.fill(&mut batch)? {
        if interrupted.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if let Some(sink) = sink {
            sink.write(&batch)?;
        }
        if started.elapsed() > PATIENCE {
            let (done, total) = source.progress().unwrap_or((source.records(), 0));
            let bar = bar.get_or_insert_with(|| {
                // A bar draws itself only on a terminal.
                ProgressBar::with_draw_target(
                    (total > 0).then_some(total),
                    ProgressDrawTarget::stderr_with_hz(10),
                )
            });
            bar.set_position(done);
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if let Some(sink) = sink {
        sink.finish()?;
    }
    Ok(true)
}

/// The result for reading.
fn result(source: &WorkloadSource) -> String {
    let mut table = Rows::new();
    table.add("workload", source.settings().workload());
    for (name, value) in source.settings().iter() {
        table.add(&format!("  {name}"), &value.to_string());
    }
    table.add("records", &source.records().to_string());
    table.add("check", "passed");
    for (name, value) in source.facts().iter().flat_map(|facts| facts.iter()) {
        table.add(&format!("  {name}"), &value.to_string());
    }
    table.text()
}

/// The result for programs.
fn result_json(source: &WorkloadSource) -> Json {
    let parameters: Map<String, Json> = source
        .settings()
        .iter()
        .map(|(name, value)| (name.to_owned(), value_json(value)))
        .collect();
    let facts: Map<String, Json> = source
        .facts()
        .iter()
        .flat_map(|facts| facts.iter())
        .map(|(name, value)| {
            let value = match value {
                Fact::Integer(value) => json!(value),
                Fact::Float(value) => json!(value),
                Fact::Text(value) => json!(value),
            };
            (name.to_owned(), value)
        })
        .collect();
    json!({
        "workload": source.settings().workload(),
        "parameters": parameters,
        "records": source.records(),
        "check": "passed",
        "facts": facts,
    })
}

/// A parameter's value for programs; sizes are in bytes.
fn value_json(value: &Value) -> Json {
    match value {
        Value::Integer(value) | Value::Size(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Boolean(value) => json!(value),
        Value::Name(value) => json!(value),
        Value::File(value) => json!(value),
    }
}

/// The registry for reading.
fn list() -> String {
    let mut text = String::new();
    for entry in workloads::registry() {
        text.push_str(&format!("{}: {}\n", entry.name, entry.description));
        let mut table = Rows::new();
        for parameter in entry.parameters {
            table.add(&format!("  {}", parameter.name), &describe(parameter));
        }
        text.push_str(&table.text());
        text.push('\n');
    }
    text.push_str("every workload:\n");
    let mut table = Rows::new();
    for parameter in workloads::common_parameters() {
        table.add(&format!("  {}", parameter.name), &describe(parameter));
    }
    text.push_str(&table.text());
    text
}

/// What a parameter means, is and defaults to.
fn describe(parameter: &workloads::Parameter) -> String {
    format!("{} ({}; default {})", parameter.doc, parameter.kind, parameter.default)
}

/// The registry for programs.
fn list_json() -> Json {
    let parameter = |parameter: &workloads::Parameter| {
        let default = match parameter.default {
            ParameterDefault::Value(text) | ParameterDefault::Derived(text) => json!(text),
            ParameterDefault::Required => Json::Null,
        };
        json!({
            "name": parameter.name,
            "type": parameter.kind.name(),
            "values": parameter.kind.to_string(),
            "unit": parameter.kind.unit(),
            "default": default,
            "doc": parameter.doc,
        })
    };
    let entry = |entry: &&workloads::Entry| {
        json!({
            "name": entry.name,
            "description": entry.description,
            "parameters": entry.all_parameters().map(parameter).collect::<Vec<_>>(),
        })
    };
    json!({ "workloads": workloads::registry().iter().map(entry).collect::<Vec<_>>() })
}

/// Names and texts in two aligned columns.
struct Rows(Vec<(String, String)>);

impl Rows {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn add(&mut self, name: &str, text: &str) {
        self.0.push((name.to_owned(), text.to_owned()));
    }

    fn text(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.0.iter().map(|(name, text)| format!("{name:width$}  {text}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_a_key_and_a_value() {
        assert_eq!(setting("a = 1GiB").unwrap(), ("a".into(), "1GiB".into()));
        assert_eq!(setting("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(setting("a").is_err() && setting("=1").is_err());
    }

    #[test]
    fn the_json_has_the_keys_that_scripts_read() {
        let set = [("table".to_owned(), "1KiB".to_owned())];
        let mut source = workloads::open("gups", &set, 0).unwrap();
        assert!(drain(&mut source, &mut None).unwrap());
        let json = result_json(&source);
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["check", "facts", "parameters", "records", "workload"]);
        assert_eq!(json["parameters"]["table"], 1024);
        assert_eq!(json["parameters"]["updates"], 512);
        assert_eq!(json["facts"]["updates"], 512);
        assert_eq!(json["check"], "passed");
    }

    #[test]
    fn the_list_names_every_workload_with_its_defaults() {
        let text = list();
        for entry in workloads::registry() {
            assert!(text.contains(&format!("{}: ", entry.name)));
        }
        assert!(text.contains("(a size from 16B to 1TiB; default 64MiB)"), "{text}");
        assert_eq!(list_json()["workloads"][0]["parameters"][0]["unit"], "bytes");
    }
}
