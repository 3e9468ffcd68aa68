//! `faultline config`: looks at machines without running anything.

use std::collections::BTreeMap;
use std::process::ExitCode;

use analysis::machine;
use clap::{Args as ClapArgs, Subcommand};
use model::config::{self, Config};
use serde_json::{Value, json};

use crate::machine::SetArgs;
use crate::output::{self, Format};

/// Checks, prints and compares machines.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  faultline config check mine.toml\n  \
    faultline config diff core-i7 skylake")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Check(Check),
    Show(Show),
    Diff(Diff),
    Schema(Schema),
}

/// Checks machines; says nothing about those that are right.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  faultline config check mine.toml")]
struct Check {
    /// TOML files or presets.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    sets: SetArgs,
}

/// Prints a machine with every default filled in.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  faultline config show skylake --set mmu.page_size=2MiB")]
struct Show {
    /// A TOML file or a preset.
    file: String,
    #[command(flatten)]
    sets: SetArgs,
    /// How it is printed: a table is TOML.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Compares two machines setting by setting; exit code 1 if they differ.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  faultline config diff core-i7 skylake")]
struct Diff {
    /// A TOML file or a preset.
    a: String,
    /// Another.
    b: String,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the JSON Schema of a machine's TOML, for editors.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  faultline config schema > machine.schema.json")]
struct Schema {
    /// The schema is JSON either way.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Check(check) => {
            for file in &check.files {
                machine::load(file, &check.sets.machine())?;
            }
        }
        What::Show(show) => {
            let config = machine::load(&show.file, &show.sets.machine())?;
            print(&config, show.format)?;
        }
        What::Diff(diff) => return compare(diff),
        What::Schema(Schema { format: Format::Table | Format::Json }) => {
            output::print_json(&config::schema())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(config: &Config, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Table => output::print(&toml::to_string_pretty(config)?),
        Format::Json => output::print_json(config),
    }
}

/// Compares two machines over every setting that either has.
fn compare(diff: &Diff) -> anyhow::Result<ExitCode> {
    const NO_SETS: &[(&str, &str)] = &[];
    let values = |file: &str| -> anyhow::Result<BTreeMap<String, Value>> {
        let leaves = machine::load(file, NO_SETS)?.leaves();
        Ok(leaves.into_iter().map(|leaf| (leaf.path, leaf.value)).collect())
    };
    let (a, b) = (values(&diff.a)?, values(&diff.b)?);
    let only_b = b.keys().filter(|path| !a.contains_key(*path));
    let rows: Vec<_> = a
        .keys()
        .chain(only_b)
        .map(|path| (path, a.get(path), b.get(path)))
        .filter(|(_, a, b)| a != b)
        .collect();
    match diff.format {
        Format::Json => {
            let rows = rows.iter().map(|(path, a, b)| json!({ "setting": path, "a": a, "b": b }));
            output::print_json(&rows.collect::<Vec<_>>())?;
        }
        Format::Table => {
            let text = |value: &Option<&Value>| value.map_or("-".to_owned(), Value::to_string);
            let mut table = comfy_table::Table::new();
            table.load_style(comfy_table::presets::NOTHING);
            table.set_header(["setting", diff.a.as_str(), diff.b.as_str()]);
            for (path, a, b) in &rows {
                table.add_row([(*path).clone(), text(a), text(b)]);
            }
            if !rows.is_empty() {
                output::print(&format!("{table}\n"))?;
            }
        }
    }
    Ok(ExitCode::from(if rows.is_empty() { 0 } else { output::NO }))
}
