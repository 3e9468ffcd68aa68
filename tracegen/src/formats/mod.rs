//! Files of traces in any format: [`open`] reads them, [`create`] writes them. Foreign formats, one file
//! each.

pub mod champsim;
pub mod compression;
pub mod csv;
pub mod damon;
mod digits;
pub mod din;
pub mod drmemtrace;
mod guess;
pub mod lackey;
pub mod losses;
pub mod merge;
pub mod output;
pub mod pages;
pub mod perf_script;
pub mod records;
pub mod rep;
pub mod slice;
pub mod stream;
pub mod summary;
pub mod text;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::TraceError;
use crate::flt::{self, MAGIC};
use crate::metadata::Metadata;
use crate::sink::Sink;
use crate::source::Source;

use compression::Compression;
use output::Output;
use slice::Slice;
use stream::Stream;
use text::TextSource;

/// The page of the page-number formats, in bytes.
pub const PAGE: u64 = 4096;

/// Where a trace is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, or a directory where the format is one.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl Input {
    /// The input that a command line means by `path`: `-` is standard input.
    pub fn of(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::Path(path.to_owned()) }
    }

    /// Its name for messages.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Stdin => PathBuf::from("-"),
        }
    }
}

/// A trace format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The project's own container.
    Flt,
    /// valgrind's lackey.
    Lackey,
    /// Dinero.
    Din,
    /// ChampSim's instruction records.
    Champsim,
    /// DynamoRIO's drmemtrace.
    Drmemtrace,
    /// Page numbers.
    Pages,
    /// A column of a table.
    Csv,
    /// malloc-lab allocation traces.
    Rep,
    /// Samples that `perf script` prints.
    PerfScript,
    /// Regions that `damo report raw` prints.
    Damon,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 10] = [
        Self::Flt,
        Self::Lackey,
        Self::Din,
        Self::Champsim,
        Self::Drmemtrace,
        Self::Pages,
        Self::Csv,
        Self::Rep,
        Self::PerfScript,
        Self::Damon,
    ];

    /// The name that the command line uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flt => "flt",
            Self::Lackey => "lackey",
            Self::Din => "din",
            Self::Champsim => "champsim",
            Self::Drmemtrace => "drmemtrace",
            Self::Pages => "pages",
            Self::Csv => "csv",
            Self::Rep => "rep",
            Self::PerfScript => "perf-script",
            Self::Damon => "damon",
        }
    }

    /// The format whose files are named like `path`, a compression's suffix aside.
    pub fn of_suffix(path: &Path) -> Option<Self> {
        let suffix = path.extension()?.to_str()?.to_ascii_lowercase();
        if Compression::is_suffix(&suffix) {
            return Self::of_suffix(Path::new(path.file_stem()?));
        }
        Some(match suffix.as_str() {
            "flt" => Self::Flt,
            "lackey" => Self::Lackey,
            "din" => Self::Din,
            "champsim" | "champsimtrace" => Self::Champsim,
            "drmemtrace" => Self::Drmemtrace,
            "pages" => Self::Pages,
            "csv" => Self::Csv,
            "rep" => Self::Rep,
            "perf-script" => Self::PerfScript,
            "damon" => Self::Damon,
            _ => return None,
        })
    }

    /// Whether [`create`] writes it.
    pub const fn is_written(self) -> bool {
        !matches!(self, Self::Drmemtrace | Self::Rep | Self::PerfScript | Self::Damon)
    }

    /// Whether an empty file is a trace of this format.
    const fn is_text(self) -> bool {
        matches!(self, Self::Lackey | Self::Din | Self::Pages | Self::Csv)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|format| format.name()).collect();
            format!("`{name}` is not a trace format; formats are {}", names.join(", "))
        })
    }
}

/// Which column of a csv file holds the addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By its name in the header.
    Name(String),
    /// By its place, from 1.
    Number(u64),
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Err("columns count from 1".to_owned()),
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => Ok(Self::Name(text.to_owned())),
        }
    }
}

/// What the numbers of a csv column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Numbers of 4 KiB pages.
    Page,
    /// Byte addresses.
    Byte,
}

impl FromStr for Unit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "page" => Ok(Self::Page),
            "byte" => Ok(Self::Byte),
            _ => Err(format!("expected `page` or `byte`, found `{text}`")),
        }
    }
}

/// What a reader is told beside the input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// The format, where it is not to be guessed.
    pub format: Option<Format>,
    /// The column of a csv file.
    pub column: Option<Column>,
    /// The unit of that column.
    pub unit: Option<Unit>,
    /// How many decompressed bytes a compressed one may stand for, where its compression's usual bound is
    /// not to hold.
    pub max_expansion: Option<u64>,
    /// How many CPUs the threads of a drmemtrace trace run on: as many as live at once if it is left out.
    pub cpus: Option<u16>,
}

impl OpenOptions {
    fn drmemtrace(&self) -> drmemtrace::Options {
        drmemtrace::Options { cpus: self.cpus, max_expansion: self.max_expansion }
    }
}

/// Opens a trace. Compressed input ([`compression`]) is decompressed on the way; the whole takes constant
/// memory.
///
/// # Errors
/// The input cannot be read, its format cannot be told or is not read yet, or it starts wrongly.
pub fn open(input: &Input, options: &OpenOptions) -> Result<Box<dyn Source>, TraceError> {
    open_as(input, options).map(|(_, source)| source)
}

/// The files that the trace at `path` consists of: itself, or the thread files of a directory.
///
/// # Errors
/// A directory holds no trace.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, TraceError> {
    if path.is_dir() { drmemtrace::thread_files(path) } else { Ok(vec![path.to_owned()]) }
}

/// [`open`], and the format that the trace has.
///
/// # Errors
/// As [`open`].
pub fn open_as(
    input: &Input,
    options: &OpenOptions,
) -> Result<(Format, Box<dyn Source>), TraceError> {
    if let Input::Path(path) = input
        && path.is_dir()
    {
        if let Some(format) = options.format.filter(|format| *format != Format::Drmemtrace) {
            let message = format!("a directory is no {} trace", format.name());
            return Err(TraceError::Format { path: path.clone(), message });
        }
        let trace = drmemtrace::Drmemtrace::open(path, options.drmemtrace())?;
        return Ok((Format::Drmemtrace, Box::new(trace)));
    }
    open_stream(Stream::open(input)?, options)
}

/// [`open_as`] of bytes that are open already.
///
/// # Errors
/// As [`open`].
pub fn open_stream(
    mut stream: Stream,
    options: &OpenOptions,
) -> Result<(Format, Box<dyn Source>), TraceError> {
    if let Some(most) = options.max_expansion {
        stream.limit_expansion(most);
    }
    let csv_only = options.column.is_some() || options.unit.is_some();
    let path = stream.input().path();
    let refused = |message: String| TraceError::Format { path: path.clone(), message };
    let format = match options.format {
        Some(format) => format,
        None if csv_only => Format::Csv,
        None => guess::guess(&mut stream)?,
    };
    if csv_only && format != Format::Csv {
        let message = format!("--column and --unit are for csv, the trace is {}", format.name());
        return Err(refused(message));
    }
    let source: Box<dyn Source> = match format {
        Format::Flt => Box::new(flt::Reader::new(stream)?),
        Format::Lackey => Box::new(TextSource::new(stream, lackey::Lackey::default())),
        Format::Din => Box::new(TextSource::new(stream, din::Din::default())),
        Format::Pages => Box::new(TextSource::new(stream, pages::Pages)),
        Format::Csv => {
            Box::new(TextSource::new(stream, csv::Csv::new(options.column.clone(), options.unit)))
        }
        Format::Champsim => Box::new(champsim::Champsim::new(stream)),
        Format::Drmemtrace => Box::new(drmemtrace::Drmemtrace::new(stream, options.drmemtrace())?),
        Format::Rep => Box::new(TextSource::new(stream, rep::Rep::default())),
        Format::PerfScript => {
            let text = TextSource::new(stream, perf_script::PerfScript::default());
            Box::new(text.with_metadata(sparse("perf script", "the samples of perf")))
        }
        Format::Damon => {
            let text = TextSource::new(stream, damon::Damon::default());
            Box::new(text.with_metadata(sparse("damo report raw", "the samples of DAMON")))
        }
    };
    Ok((format, source))
}

/// What a trace says of itself that does not have every access, but only `what`.
fn sparse(producer: &str, what: &str) -> Metadata {
    Metadata {
        producer: producer.to_owned(),
        parameters: vec![("sparse".to_owned(), format!("only {what}, not every access"))],
        ..Metadata::default()
    }
}

/// Opens the records `start .. start + count` of a trace, counted from 0. An `.flt` file that is not
/// compressed as a whole is entered through its index, unless it is to be `salvage`d: then whatever comes
/// before the damage can be read.
///
/// # Errors
/// As [`open`].
pub fn open_slice(
    input: &Input,
    options: &OpenOptions,
    start: u64,
    count: u64,
    salvage: bool,
) -> Result<Box<dyn Source>, TraceError> {
    if let (Input::Path(path), true, false) = (input, start > 0, salvage)
        && path.is_file()
    {
        let mut stream = Stream::open(input)?;
        let flt = stream.compression().is_none() && stream.peek(MAGIC.len())? == MAGIC;
        if flt && options.format.is_none_or(|format| format == Format::Flt) {
            let (reader, first) = flt::Reader::open_at(path, start)?;
            return Ok(Box::new(Slice::new(Box::new(reader), start.saturating_sub(first), count)));
        }
    }
    Ok(Box::new(Slice::new(open(input, options)?, start, count)))
}

/// Creates a trace file; `-` is standard output. A path that ends with .gz, .xz or .zst is compressed so.
/// `metadata` is kept where the format has a place for it.
///
/// # Errors
/// The file cannot be created, or the format is not written.
pub fn create(
    path: &Path,
    format: Format,
    metadata: &Metadata,
) -> Result<Box<dyn Sink>, TraceError> {
    if !format.is_written() {
        let written: Vec<_> = Format::ALL
            .into_iter()
            .filter(|format| format.is_written())
            .map(Format::name)
            .collect();
        let message = format!("{} is only read; written are {}", format.name(), written.join(", "));
        return Err(TraceError::Format { path: path.to_owned(), message });
    }
    let output = Output::create(path)?;
    Ok(match format {
        Format::Flt => Box::new(flt::Writer::new(output, metadata)?),
        Format::Lackey => Box::new(lackey::LackeyWriter::new(output)),
        Format::Din => Box::new(din::DinWriter::new(output)),
        Format::Csv => Box::new(csv::CsvWriter::new(output)),
        Format::Champsim => Box::new(champsim::ChampsimWriter::new(output)),
        _ => Box::new(pages::PagesWriter::new(output)),
    })
}

#[cfg(test)]
mod tests;
