//! `faultline config`: looks at machines without running anything.

use std::process::ExitCode;

use analysis::machine;
use clap::{Args as ClapArgs, Subcommand};
use model::config::Config;

use crate::machine::SetArgs;
use crate::output::{self, Format};

/// Checks, prints and compares machines.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Check(Check),
    Show(Show),
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
    }
    Ok(ExitCode::SUCCESS)
}

fn print(config: &Config, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Table => output::print(&toml::to_string_pretty(config)?),
        Format::Json => output::print_json(config),
    }
}
