//! The arguments of every verb that reads a trace.

use std::path::PathBuf;

use clap::Args;
use tracegen::error::TraceError;
use tracegen::formats::{self, Column, Format, Input, OpenOptions, Unit};
use tracegen::source::Source;

/// How a trace is to be read.
#[derive(Debug, Clone, Default, Args)]
pub struct ReadArgs {
    /// The trace's format, where it is not to be guessed from the content: flt, lackey, din, champsim,
    /// drmemtrace, pages, csv, rep, perf-script or damon
    #[arg(long, visible_alias = "from", value_name = "FORMAT")]
    pub trace_format: Option<Format>,
    /// The column of a csv file that holds the addresses, by its name or by its number from 1
    #[arg(long, value_name = "NAME|N")]
    pub column: Option<Column>,
    /// What the numbers of that column are: page or byte
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<Unit>,
    /// How many bytes each byte of a compressed trace may stand for; without it, some more than traces
    /// reach and less than what is made to waste time and space
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_expansion: Option<u64>,
    /// How many CPUs the threads of a drmemtrace trace run on, each new one on the least loaded; without
    /// it, as many as there are live threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub cpus: Option<u16>,
}

impl ReadArgs {
    /// What the arguments ask of the library.
    pub fn options(&self) -> OpenOptions {
        OpenOptions {
            format: self.trace_format,
            column: self.column.clone(),
            unit: self.unit,
            max_expansion: self.max_expansion,
            cpus: self.cpus,
        }
    }
}

/// One trace to read, and how.
#[derive(Debug, Clone, Args)]
pub struct TraceArgs {
    /// The trace, `-` for standard input
    #[arg(value_name = "TRACE")]
    pub path: PathBuf,
    #[command(flatten)]
    pub read: ReadArgs,
}

impl TraceArgs {
    /// Opens the trace.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(&self) -> Result<Box<dyn Source>, TraceError> {
        formats::open(&Input::of(&self.path), &self.read.options())
    }
}
