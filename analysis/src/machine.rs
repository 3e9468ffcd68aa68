//! Finding and loading machines: presets by name, files by path.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use model::config::{Config, Layer, LoadError, base_error, base_of, nearest};
use thiserror::Error;

/// The largest configuration that is read; the largest that ships is a hundredth of it.
const LARGEST: u64 = 1 << 20;

/// How many machines can stand on each other.
const DEPTH: usize = 16;

/// Why a machine cannot be had.
#[derive(Debug, Error)]
pub enum MachineError {
    /// Neither a preset nor a file.
    #[error("{0}")]
    Unknown(String),
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it says is wrong.
    #[error(transparent)]
    Invalid(#[from] LoadError),
}

/// Loads the machine `spec`, a preset's name or a file's path, with `sets` laid over it in turn: dotted
/// paths and values as `--set path=value` gives them.
///
/// # Errors
/// The machine, or one that it inherits from, cannot be found, read, or used.
pub fn load<P: AsRef<str>, V: AsRef<str>>(
    spec: &str,
    sets: &[(P, V)],
) -> Result<Config, MachineError> {
    let (layer, place) = open(spec, None)?;
    finish(layer, place, sets)
}

/// Loads a machine from its text. `name` is what messages call it, and a `base` that is a path is
/// relative to `folder`.
///
/// # Errors
/// As [`load`].
pub fn load_text<P: AsRef<str>, V: AsRef<str>>(
    name: &str,
    text: &str,
    folder: &Path,
    sets: &[(P, V)],
) -> Result<Config, MachineError> {
    let place = Place::File(folder.join(name));
    finish(Layer::document(name, text), place, sets)
}

/// Splits `path=value` where `--set` does.
///
/// # Errors
/// There is no `=`.
pub fn split_set(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.trim().is_empty() => Ok((path.to_owned(), value.to_owned())),
        _ => Err("expected path=value, such as mmu.page_size=2MiB".to_owned()),
    }
}

/// Where a layer came from: what its own `base` is relative to, and how a cycle is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Preset(&'static str),
    File(PathBuf),
}

fn finish<P: AsRef<str>, V: AsRef<str>>(
    layer: Layer,
    place: Place,
    sets: &[(P, V)],
) -> Result<Config, MachineError> {
    let mut layers = chain(layer, place)?;
    for (path, value) in sets {
        layers.push(Layer::assignment(format!("{}={}", path.as_ref(), value.as_ref())));
    }
    Ok(model::config::load(&layers)?)
}

/// The layers that `layer` stands on, the most basic first, and itself.
fn chain(layer: Layer, place: Place) -> Result<Vec<Layer>, MachineError> {
    let (mut layers, mut places) = (vec![layer], vec![place]);
    while let (Some(top), Some(at)) = (layers.last(), places.last()) {
        let Some(base) = base_of(top)? else { break };
        let (layer, place) = open(&base, Some((top, at)))?;
        if places.contains(&place) {
            let names: Vec<_> = layers.iter().map(|layer| layer.name.as_str()).collect();
            let message = format!("`base` goes in a circle: {} → {base}", names.join(" → "));
            return Err(base_error(top, message, None).into());
        }
        if layers.len() >= DEPTH {
            let message = format!("more than {DEPTH} machines stand on each other");
            return Err(base_error(top, message, None).into());
        }
        layers.push(layer);
        places.push(place);
    }
    layers.reverse();
    Ok(layers)
}

/// Opens a preset or a file. `from` is the layer whose `base` it is.
fn open(spec: &str, from: Option<(&Layer, &Place)>) -> Result<(Layer, Place), MachineError> {
    if let Some(machine) = configs::machine(spec) {
        return Ok((Layer::document(machine.name, machine.text), Place::Preset(machine.name)));
    }
    let path = match from {
        Some((_, Place::File(file))) => file.parent().unwrap_or(Path::new("")).join(spec),
        _ => PathBuf::from(spec),
    };
    match read(&path) {
        Ok(text) => {
            let place = path.canonicalize().unwrap_or_else(|_| path.clone());
            Ok((Layer::document(path.display().to_string(), text), Place::File(place)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("`{spec}` is neither a preset nor a file");
            let names: Vec<_> = configs::MACHINES.iter().map(|machine| machine.name).collect();
            let help = match nearest(spec, names.iter().copied()) {
                Some(name) => format!("a similar preset exists: `{name}`"),
                None => format!("the presets are {}", names.join(", ")),
            };
            Err(match from {
                Some((layer, _)) => base_error(layer, message, Some(help)).into(),
                None => MachineError::Unknown(format!("{message}; {help}")),
            })
        }
        Err(source) => Err(match from {
            Some((layer, _)) => {
                base_error(layer, format!("cannot read {}: {source}", path.display()), None).into()
            }
            None => MachineError::Read { path, source },
        }),
    }
}

/// The text of a file of sane size.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        let message = format!("a configuration is at most {} KiB", LARGEST >> 10);
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}
