//! `faultline preset`: the machines that ship.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::output::{self, Format};

const EXAMPLES: &str = "\
Examples:
  faultline preset                      the machines that ship, a line each
  faultline preset skylake > mine.toml  a copy to change";

/// Lists the machines that ship, or prints one.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Prints this one's TOML.
    name: Option<String>,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match (&args.name, args.format) {
        (Some(name), format) => {
            let machine = configs::machine(name).ok_or_else(|| unknown(name))?;
            match format {
                Format::Table => output::print(machine.text)?,
                Format::Json => output::print_json(&json!({
                    "name": machine.name, "summary": machine.summary, "toml": machine.text,
                }))?,
            }
        }
        (None, Format::Table) => {
            let width = configs::MACHINES.iter().map(|machine| machine.name.len()).max();
            let width = width.unwrap_or(0);
            let lines = configs::MACHINES
                .iter()
                .map(|machine| format!("{:width$}  {}\n", machine.name, machine.summary));
            output::print(&lines.collect::<String>())?;
        }
        (None, Format::Json) => {
            let list: Vec<_> = configs::MACHINES
                .iter()
                .map(|machine| json!({ "name": machine.name, "summary": machine.summary }))
                .collect();
            output::print_json(&list)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str) -> anyhow::Error {
    let names: Vec<_> = configs::MACHINES.iter().map(|machine| machine.name).collect();
    let help = match model::config::nearest(name, names.iter().copied()) {
        Some(name) => format!("a similar one exists: `{name}`"),
        None => format!("the presets are {}", names.join(", ")),
    };
    anyhow::anyhow!("there is no preset `{name}`; {help}")
}
