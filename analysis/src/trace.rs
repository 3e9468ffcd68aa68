//! Which trace: a file or a workload, with an identity that does not depend on where it lies.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use model::config::Config;
use tracegen::error::TraceError;
use tracegen::flt;
use tracegen::formats::{self, Format, Input, OpenOptions};
use tracegen::source::Source;
use tracegen::workloads::{self, Value};
use xxhash_rust::xxh3::Xxh3;

/// Where records come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceSpec {
    /// A file in any format.
    File {
        /// What results call it.
        name: String,
        /// Where it lies.
        input: Input,
        /// How it is read.
        options: OpenOptions,
    },
    /// A workload that runs while it is simulated.
    Workload {
        /// Its name.
        name: String,
        /// Parameters that are not the default.
        set: Vec<(String, String)>,
    },
}

impl TraceSpec {
    /// What results call it.
    pub fn name(&self) -> &str {
        match self {
            Self::File { name, .. } | Self::Workload { name, .. } => name,
        }
    }

    /// Whether it can be read only once.
    pub fn is_stdin(&self) -> bool {
        matches!(self, Self::File { input: Input::Stdin, .. })
    }

    /// Fits it to a machine. A workload that is not told where to lie lies where `config` has addresses, where
    /// these have fewer bits than those of x86-64: in half of them, where a program fits. The threads of a
    /// file that is not told how many CPUs they run on run on those of `config`.
    pub fn fit(&mut self, config: &Config) {
        let bits = config.mmu.va_bits.filter(|bits| config.mmu.enabled && (25..48).contains(bits));
        match self {
            Self::File { options, .. } => {
                options.cpus.get_or_insert(config.core.count);
            }
            Self::Workload { set, .. } => {
                if let Some(bits) = bits
                    && set.iter().all(|(key, _)| key != "address_bits")
                {
                    set.push(("address_bits".to_owned(), (bits - 1).to_string()));
                }
            }
        }
    }

    /// Opens it. With `ahead`, a workload may compute on a thread of its own while its batches are
    /// used. `seed` is the workload's unless its parameters say otherwise.
    ///
    /// # Errors
    /// The file cannot be read, or there is no such workload or parameter.
    pub fn open(&self, seed: u64, ahead: bool) -> Result<Box<dyn Source>, TraceError> {
        match self {
            Self::File { input, options, .. } => formats::open(input, options),
            Self::Workload { name, set } => {
                let set = seeded(set, seed);
                Ok(Box::new(workloads::open(name, &set, usize::from(ahead) * 2)?))
            }
        }
    }

    /// A workload's parameters with their values; nothing for a file.
    ///
    /// # Errors
    /// There is no such workload or parameter.
    pub fn parameters(&self, seed: u64) -> Result<Vec<(String, String)>, TraceError> {
        let Self::Workload { name, set } = self else { return Ok(Vec::new()) };
        let source = workloads::open(name, &seeded(set, seed), 0)?;
        let settings = source.settings().iter();
        Ok(settings.map(|(name, value)| (name.to_owned(), value.to_string())).collect())
    }

    /// How many accesses it has, where that is known before it is read: an .flt file's index says so, and
    /// a workload mostly knows about how many records it makes.
    pub fn accesses(&self, seed: u64) -> Option<u64> {
        match self {
            Self::File { input: Input::Path(path), options, .. }
                if options.format.is_none_or(|format| format == Format::Flt) =>
            {
                let index = flt::index::read(path).ok()?;
                Some(index.iter().map(|entry| u64::from(entry.accesses)).sum())
            }
            Self::File { .. } => None,
            Self::Workload { name, set } => {
                let source = workloads::open(name, &seeded(set, seed), 0).ok()?;
                source.progress().map(|(_, expected)| expected)
            }
        }
    }

    /// A number that two traces share only if they are the same: of a file's content and the way that
    /// it is read, or of a workload's name and all its parameters.
    ///
    /// # Errors
    /// As [`Self::open`]; standard input has none.
    pub fn identity(&self, seed: u64) -> Result<u128, TraceError> {
        let mut hash = Xxh3::new();
        match self {
            Self::File { input: Input::Stdin, .. } => {
                let message = "standard input can be read only once; store it in a file".to_owned();
                return Err(TraceError::Format { path: PathBuf::from("-"), message });
            }
            Self::File { input: Input::Path(path), options, .. } => {
                let how = (options.format, &options.column, options.unit, options.cpus);
                hash.update(format!("{how:?}\0").as_bytes());
                for file in formats::files(path)? {
                    hash_file(&mut hash, &file)?;
                }
            }
            Self::Workload { name, set } => {
                hash.update(format!("workload\0{name}\0").as_bytes());
                let source = workloads::open(name, &seeded(set, seed), 0)?;
                for (key, value) in source.settings().iter() {
                    hash.update(format!("{key}\0{value}\0").as_bytes());
                    if let Value::File(path) = value {
                        hash_file(&mut hash, Path::new(path))?;
                    }
                }
            }
        }
        Ok(hash.digest128())
    }
}

/// Adds a file's content and length.
fn hash_file(hash: &mut Xxh3, path: &Path) -> Result<(), TraceError> {
    let refused = |source| TraceError::Io { path: path.to_path_buf(), source };
    let mut file = File::open(path).map_err(refused)?;
    let mut piece = vec![0; 1 << 16];
    let mut length: u64 = 0;
    loop {
        match file.read(&mut piece).map_err(refused)? {
            0 => break,
            count => {
                hash.update(&piece[..count]);
                length += count as u64;
            }
        }
    }
    hash.update(&length.to_le_bytes());
    Ok(())
}

fn seeded(set: &[(String, String)], seed: u64) -> Vec<(String, String)> {
    let mut all = vec![("seed".to_owned(), seed.to_string())];
    all.extend_from_slice(set);
    all
}
