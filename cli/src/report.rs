//! `faultline report`: charts and the page again, from results.

use std::path::PathBuf;
use std::process::ExitCode;

use analysis::study::outputs;
use clap::Args as ClapArgs;

use crate::output::{self, Format};

/// Makes the tables, the charts (PNG and SVG) and the HTML page of stored results again, for a directory
/// of `sweep` (all shards that wrote there together) or of `run -o`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  faultline report results/quickstart")]
pub struct Args {
    /// The results.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// How the summary is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (view, messages) = outputs::report(&args.folder)?;
    messages.iter().for_each(|message| eprintln!("{message}"));
    let sentences = analysis::report::summary(&view);
    let report = args.folder.join("report.html");
    match args.format {
        Format::Json => output::print_json(&serde_json::json!({
            "report": report,
            "points": view.points.len(),
            "damaged": messages.len(),
            "summary": sentences,
        }))?,
        Format::Table => {
            output::print(&format!("{}\nreport: {}\n", sentences.join("\n"), report.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
