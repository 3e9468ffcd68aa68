//! Checkpoints: the state of a function half where a warm-up ends, as a file to start from.
//!
//! A checkpoint holds what has happened and nothing of what it cost: the kernel, the TLBs, the caches, the
//! branch predictor and every count, and how many accesses of which trace led there. It serves every
//! machine that differs in timing settings alone. A time half that starts there has nothing in flight and
//! its memory's rows closed.

mod codec;
mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use bincode::{Decode, Encode};
use model::config::Config;
use model::function::Simulator;
use model::os::settings::Prefault;

use crate::error::Error;
use crate::region::{Markers, Region};
use crate::trace::TraceSpec;

/// Differing settings that a message names.
const NAMED: usize = 4;

/// What a checkpoint was taken of: everything that decides its state.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Origin {
    /// The sources of the model that has made it: no other knows how its state is laid out.
    model: String,
    /// As [`TraceSpec::identity`].
    trace: u128,
    /// The run's.
    seed: u64,
    /// As [`Config::functional_key`].
    machine: String,
    /// Accesses before it.
    warmup: u64,
    /// Where pages were mapped before the trace started: which part of it was looked at for them, as its
    /// limit and whether its markers were ignored.
    mapped: Option<(Option<u64>, bool)>,
}

impl Origin {
    /// What a run of `config` over the part `region` of the trace `spec` comes from at the end of its
    /// warm-up.
    ///
    /// # Errors
    /// The trace cannot be read, or only once.
    pub fn of(config: &Config, spec: &TraceSpec, seed: u64, region: Region) -> Result<Self, Error> {
        let maps = config.os.prefault == Prefault::Accessed;
        Ok(Self {
            model: model::SOURCES.to_owned(),
            trace: spec.identity(seed)?,
            seed,
            machine: config.functional_key(),
            warmup: region.warmup,
            mapped: maps.then_some((region.limit, region.markers == Markers::Ignore)),
        })
    }

    /// Why a checkpoint of this origin is none for a run of the origin `run`, whose warm-up is its own.
    fn refusal(&self, run: &Self) -> Option<String> {
        if self.model != run.model {
            return Some("it comes from another version of this program".to_owned());
        }
        if self.machine != run.machine {
            let told = differences(&self.machine, &run.machine);
            return Some(format!("it is of another machine: {told}"));
        }
        if self.trace != run.trace {
            return Some("it is of another trace".to_owned());
        }
        if self.seed != run.seed {
            let (there, here) = (self.seed, run.seed);
            return Some(format!("it was taken with --seed {there}, and this run has {here}"));
        }
        if self.mapped != run.mapped {
            let told = |mapped: Option<(Option<u64>, bool)>| {
                let (limit, ignore) = mapped.unwrap_or_default();
                let limit = limit.map_or("no --limit".to_owned(), |n| format!("--limit {n}"));
                format!("{limit}{}", if ignore { " --region ignore" } else { "" })
            };
            let (there, here) = (told(self.mapped), told(run.mapped));
            return Some(format!(
                "os.prefault = \"accessed\" maps what the run will touch, and it was taken with {there}, \
                 this run has {here}"
            ));
        }
        None
    }
}

/// The settings of two keys that differ, in words.
fn differences(there: &str, here: &str) -> String {
    let settings = |key: &str| -> BTreeMap<String, String> {
        let lines = key.lines().filter_map(|line| line.split_once(" = "));
        lines.map(|(path, value)| (path.to_owned(), value.to_owned())).collect()
    };
    let (there, here) = (settings(there), settings(here));
    let only_here = here.keys().filter(|path| !there.contains_key(*path));
    let mut told = Vec::new();
    for path in there.keys().chain(only_here) {
        let value = |side: &BTreeMap<String, String>| {
            side.get(path).map_or("absent".to_owned(), String::clone)
        };
        let (theirs, ours) = (value(&there), value(&here));
        if theirs != ours {
            told.push(format!("{path} is {theirs} there and {ours} here"));
        }
    }
    let more = told.len().saturating_sub(NAMED);
    told.truncate(NAMED);
    let rest = if more > 0 { format!(", and {more} more differ") } else { String::new() };
    format!("{}{rest}", told.join(", "))
}

/// Writes the state of `function`, which comes from `origin`, to `path`; all of it or nothing.
///
/// # Errors
/// The file system's.
pub fn write(path: &Path, origin: &Origin, function: &Simulator) -> Result<(), Error> {
    if !function.is_warming() {
        return Err(refused(path, "counting has started, and a checkpoint ends a warm-up"));
    }
    let bytes = file::seal(origin, function).map_err(|error| refused(path, error))?;
    crate::study::sealed::write(path, &bytes)
}

/// A checkpoint that has been read: where it stands, and its state, which is still to be decoded.
pub struct Checkpoint<'a> {
    path: &'a Path,
    origin: Origin,
    sealed: Vec<u8>,
}

impl<'a> Checkpoint<'a> {
    /// Reads the file at `path` and checks that it is what was written.
    ///
    /// # Errors
    /// The file cannot be read, is none, or has been damaged.
    pub fn read(path: &'a Path) -> Result<Self, Error> {
        let sealed = std::fs::read(path).map_err(Error::io(path))?;
        let origin = file::origin(&sealed).map_err(|error| refused(path, error))?;
        Ok(Self { path, origin, sealed })
    }

    /// Accesses of the trace before it.
    pub fn warmup(&self) -> u64 {
        self.origin.warmup
    }

    /// The function half as it was, for a run of `config` whose origin is `run`.
    ///
    /// # Errors
    /// It is of another machine, trace, part of it, or version of the program.
    pub fn function(&self, config: &Config, run: &Origin) -> Result<Simulator, Error> {
        if let Some(why) = self.origin.refusal(run) {
            return Err(refused(self.path, why));
        }
        let state: Simulator =
            file::state(&self.sealed).map_err(|error| refused(self.path, error))?;
        state.restored(config, run.seed).map_err(|error| refused(self.path, error))
    }
}

fn refused(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Checkpoint { path: path.to_owned(), message: why.to_string() }
}
