//! `faultline preset`: the machines that ship.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use comfy_table::{Table, presets};
use configs::Machine;
use serde_json::json;

use crate::output::{self, Format};

const EXAMPLES: &str = "\
Examples:
  faultline preset                      the machines that ship, a line each
  faultline preset skylake > mine.toml  a copy to change
  faultline preset zen3 --sources       where each of its numbers comes from";

/// Lists the machines that ship, or prints one.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Prints this one's TOML.
    name: Option<String>,
    /// Prints where its numbers come from: measured, documented or assumed, and who says so.
    #[arg(long, requires = "name")]
    sources: bool,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match (&args.name, args.format) {
        (Some(name), format) => {
            let machine = configs::machine(name).ok_or_else(|| unknown(name))?;
            if args.sources {
                return print_sources(machine, format);
            }
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

fn print_sources(machine: &Machine, format: Format) -> anyhow::Result<ExitCode> {
    if !machine.built {
        anyhow::bail!("`{}` was never built: its numbers are its textbook's", machine.name);
    }
    let sources = configs::sources(machine.text).map_err(anyhow::Error::msg)?;
    match format {
        Format::Table => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING);
            table.set_header(["setting", "value", "mark", "source"]);
            for one in &sources {
                let checked = if one.checked { "" } else { " (unchecked)" };
                let mark = format!("{}{checked}", one.mark.name());
                table.add_row([&one.setting, &one.value, &mark, &one.source]);
            }
            output::print(&format!("{table}\n"))?;
        }
        Format::Json => {
            let list: Vec<_> = sources
                .iter()
                .map(|one| {
                    json!({
                        "setting": one.setting, "value": one.value, "mark": one.mark.name(),
                        "checked": one.checked, "source": one.source,
                    })
                })
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
