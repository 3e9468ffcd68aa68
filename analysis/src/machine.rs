//! Finding and loading machines: presets by name, files by path.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use model::config::{Config, Layer, LoadError, base_error, base_of, nearest};
use thiserror::Error;

/// The largest configuration that is read; the largest that ships is a hundredth of it.
const LARGEST: u64 = 1 << 20;

/// The largest file that a setting names: a line for each page of 16 GiB.
const LARGEST_DATA: u64 = 128 << 20;

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
    let (mut layers, places) = chain(layer, place)?;
    for (path, value) in sets {
        layers.push(Layer::assignment(format!("{}={}", path.as_ref(), value.as_ref())));
    }
    // What a file names is beside it; what --set names is in the current folder.
    let mut reader = |layer: usize, path: &str| {
        let folder = match places.get(layer) {
            Some(Place::File(file)) => file.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        };
        let file = folder.join(path);
        let name = file.display().to_string();
        match read_up_to(&file, LARGEST_DATA) {
            Ok(text) => Ok((name, text)),
            Err(error) => Err(format!("cannot read {name}: {error}")),
        }
    };
    Ok(model::config::load_with(&layers, &mut reader)?)
}

/// The layers that `layer` stands on, the most basic first, and itself, each with its place.
fn chain(layer: Layer, place: Place) -> Result<(Vec<Layer>, Vec<Place>), MachineError> {
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
    places.reverse();
    Ok((layers, places))
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
    read_up_to(path, LARGEST)
}

fn read_up_to(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        let message = format!("the file is larger than {} KiB", most >> 10);
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_SETS: &[(&str, &str)] = &[];

    fn text_of(config: &Config) -> String {
        toml::to_string_pretty(config).unwrap()
    }

    #[test]
    fn every_preset_loads_and_its_resolved_text_loads_back_to_the_same_machine() {
        for machine in configs::MACHINES {
            let config = load(machine.name, NO_SETS).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(config.name, machine.name);
            assert_eq!(config.clone().resolve().as_ref(), Ok(&config));
            let again = load_text("shown", &text_of(&config), Path::new(""), NO_SETS);
            assert_eq!(again.unwrap_or_else(|e| panic!("{}: {e}", machine.name)), config);
        }
    }

    #[test]
    fn a_preset_keeps_its_shape_at_every_page_size() {
        for machine in ["core-i7", "skylake", "zen4"] {
            for size in ["4KiB", "16KiB", "64KiB", "2MiB", "1GiB"] {
                // A first-level cache may need more than a page a way, never less.
                load(machine, &[("mmu.page_size", size)]).unwrap_or_else(|e| panic!("{e}"));
            }
        }
    }

    #[test]
    fn a_later_layer_wins_and_names_find_elements() {
        let text = "base = \"skylake\"\n[[mmu.tlb]]\nname = \"stlb\"\nentries = 768\n\
                    [[mmu.tlb]]\nname = \"stlb-1g\"\nremove = true\n[os]\nmemory = \"1GiB\"";
        let sets =
            [("mmu.tlb.stlb.ways", "6"), ("mmu.pwc.2.entries", "16"), ("cache.l3.size", "2MiB")];
        let config = load_text("t.toml", text, Path::new(""), &sets).unwrap();
        let stlb = config.mmu.tlb.iter().find(|tlb| tlb.name == "stlb").unwrap();
        assert_eq!((stlb.entries, stlb.ways.of(stlb.entries)), (768, 6));
        assert!(!config.mmu.tlb.iter().any(|tlb| tlb.name == "stlb-1g"));
        assert_eq!(config.mmu.pwc[0].entries, 16);
        assert_eq!(config.cache.iter().find(|cache| cache.name == "l3").unwrap().size.0, 2 << 20);
        let bare =
            load("skylake", &[("mmu.tlb", "[]"), ("cache", "[]"), ("mmu.pwc", "[]")]).unwrap();
        assert!(bare.mmu.tlb.is_empty() && bare.cache.is_empty());
    }

    #[test]
    fn a_base_is_relative_to_its_file_and_a_circle_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        write("parent.toml", "base = \"zen4\"\nname = \"parent\"");
        write("child.toml", "base = \"parent.toml\"\nname = \"child\"");
        assert_eq!(load(&at("child.toml"), NO_SETS).unwrap().name, "child");
        write("a.toml", "base = \"b.toml\"");
        write("b.toml", "base = \"a.toml\"");
        let error = load(&at("a.toml"), NO_SETS).unwrap_err().to_string();
        assert!(error.contains("goes in a circle") && error.contains("b.toml:1:8"), "{error}");
        write("c.toml", "base = \"skylak\"");
        let error = load(&at("c.toml"), NO_SETS).unwrap_err().to_string();
        assert!(error.contains("a similar preset exists: `skylake`"), "{error}");
        assert!(error.contains("c.toml:1:8"), "{error}");
    }

    /// The book's table of set, tag and page for 0x03D4 and 0x0020 (figure 9.20).
    #[test]
    fn the_simple_memory_system_holds_what_the_book_shows() {
        let state = load("simple-memory-system", NO_SETS).unwrap().state.unwrap();
        let hit = |set, tag| state.tlb.iter().find(|e| e.set == set && e.tag == tag).map(|e| e.ppn);
        let vpn = 0x03D4u64 >> 6;
        assert_eq!((vpn, hit((vpn % 4) as u32, vpn / 4)), (0x0F, Some(0x0D)));
        let pa = 0x0D << 6 | (0x03D4u64 & 0x3F);
        assert_eq!((pa, pa % 4, pa / 4 % 16, pa / 64), (0x354, 0, 5, 0x0D));
        let line = state.line.iter().find(|line| line.set == 5).unwrap();
        assert_eq!((line.tag, line.bytes[0]), (0x0D, 0x36));
        assert_eq!(hit(0, 0), None);
        let page = state.page.iter().find(|page| page.vpn == 0).unwrap();
        assert_eq!(page.ppn << 6 | 0x20, 0xA20);
        assert!(!state.line.iter().any(|line| line.set == 8 && line.tag == 0x28));
    }

    #[test]
    fn the_toy_maps_page_2_to_frame_6() {
        let state = load("toy-16bit", NO_SETS).unwrap().state.unwrap();
        let page = state.page.iter().find(|page| page.vpn == 0x2004 >> 12).unwrap();
        assert_eq!(page.ppn << 12 | 0x004, 0x6004);
    }
}
