//! `faultline`: the command. It parses, calls the libraries and prints; one file a verb.

mod by;
mod checkpoint;
mod config;
mod explain;
mod generate;
mod input;
mod interrupt;
mod machine;
mod mrc;
mod output;
mod preset;
mod progress;
mod region;
mod report;
mod run;
mod sample;
mod summary;
mod sweep;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A performance model of virtual memory: TLBs, caches, page walks, DRAM, swap and the Linux memory
/// manager, driven by traces.
#[derive(Parser)]
#[command(name = "faultline", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Config(config::Args),
    Explain(explain::Args),
    Gen(generate::Args),
    Preset(preset::Args),
    Trace(trace::Args),
    Run(run::Args),
    Mrc(mrc::Args),
    Sweep(sweep::Args),
    Report(report::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result: anyhow::Result<ExitCode> = match cli.verb {
        Verb::Config(args) => config::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Gen(args) => generate::run(&args),
        Verb::Preset(args) => preset::run(&args),
        Verb::Trace(args) => trace::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Mrc(args) => mrc::run(&args),
        Verb::Sweep(args) => sweep::run(&args),
        Verb::Report(args) => report::run(&args),
    };
    result.unwrap_or_else(|error| output::fail(&error))
}
