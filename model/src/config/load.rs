//! From layers of text to a resolved machine.

use serde_path_to_error::Segment;

use super::diagnostic::{Diagnostic, LoadError, nearest};
use super::files::{self, Reader};
use super::path::{self, Path, Step};
use super::tree::{Kind, Node, Place};
use super::{Config, InvalidSetting, assignment, merge, planned, tree};

/// A text that sets things, and what messages call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// A file's path, a preset's name, or `--set`.
    pub name: String,
    /// TOML, or `path=value` for an assignment.
    pub text: String,
    /// Whether it is an assignment.
    pub assignment: bool,
}

impl Layer {
    /// A TOML document.
    pub fn document(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), assignment: false }
    }

    /// One `path=value`.
    pub fn assignment(text: impl Into<String>) -> Self {
        Self { name: "--set".to_owned(), text: text.into(), assignment: true }
    }
}

/// The `base` that a TOML document inherits from, if it names one.
///
/// # Errors
/// The text is not TOML, or `base` is not a string.
pub fn base_of(layer: &Layer) -> Result<Option<String>, LoadError> {
    let read = || {
        let mut root = tree::parse(&layer.text, 0, 0)?;
        let Some(entry) = root.take("base") else { return Ok(None) };
        match entry.value.as_str() {
            Some(base) => Ok(Some(base.to_owned())),
            None => {
                let message = "`base` is the name of a preset or the path of a file";
                Err(Diagnostic::new(message, Some(entry.value.place)))
            }
        }
    };
    read().map_err(|fault: Diagnostic| fault.render(std::slice::from_ref(layer)))
}

/// An error about the `base` of `layer`, pointing at it.
pub fn base_error(layer: &Layer, message: impl Into<String>, help: Option<String>) -> LoadError {
    let place = tree::parse(&layer.text, 0, 0)
        .ok()
        .and_then(|mut root| root.take("base"))
        .map(|entry| entry.value.place);
    Diagnostic::new(message, place).help(help).render(std::slice::from_ref(layer))
}

/// Reads `layers`, the most basic first, lays each over those before it, and resolves the machine.
///
/// # Errors
/// The first fault, pointing at the text that set what is wrong.
pub fn load(layers: &[Layer]) -> Result<Config, LoadError> {
    load_with(layers, &mut |_, path| Err(format!("the file {path} cannot be read here")))
}

/// As [`load`], where `reader` reads the files that settings name.
///
/// # Errors
/// As [`load`], and what a file says that is wrong, pointing at it.
pub fn load_with(layers: &[Layer], reader: Reader<'_>) -> Result<Config, LoadError> {
    let mut all = layers.to_vec();
    build(layers, &mut all, reader).map_err(|fault| fault.render(&all))
}

fn build(layers: &[Layer], all: &mut Vec<Layer>, reader: Reader<'_>) -> Result<Config, Diagnostic> {
    // Where the last document stands, for faults of the whole machine.
    let last = layers.iter().rposition(|layer| !layer.assignment).unwrap_or(0);
    let mut root = Node::table(Place { layer: last, span: 0..0 });
    for (at, layer) in layers.iter().enumerate() {
        let over = if layer.assignment {
            assignment::parse(&layer.text, at)?
        } else {
            let mut document = tree::parse(&layer.text, at, 0)?;
            document.take("base");
            document
        };
        merge::merge(&mut root, over)?;
    }
    root.place = Place { layer: last, span: 0..0 };
    inherit_memory(&mut root)?;
    let pages = files::resolve(&mut root, all, reader)?;
    let mut config = read(&root)?;
    if let Some(pages) = pages {
        config.mmu.layout = pages.layout(&config.mmu);
    }
    config.resolve().map_err(|error| invalid(&root, error))
}

/// Lays the memory of every node over that of the machine; of one that names a preset of its own, over the
/// machine's controller alone.
fn inherit_memory(root: &mut Node) -> Result<(), Diagnostic> {
    let Some(dram) = root.get("dram").cloned() else { return Ok(()) };
    let Some(nodes) = root.get_mut("numa").and_then(|numa| numa.get_mut("node")) else {
        return Ok(());
    };
    let Kind::Array(nodes) = &mut nodes.kind else { return Ok(()) };
    for own in nodes.iter_mut().filter_map(|node| node.get_mut("dram")) {
        let mut under = dram.clone();
        if own.get("preset").is_some()
            && let Kind::Table(entries) = &mut under.kind
        {
            entries.retain(|entry| entry.key == "controller_latency");
        }
        let over = std::mem::replace(own, under);
        merge::merge(own, over)?;
    }
    Ok(())
}

/// Reads the merged tree as a machine.
fn read(root: &Node) -> Result<Config, Diagnostic> {
    serde_path_to_error::deserialize(root.value()).map_err(|error| {
        let mut at = Path::default();
        for segment in error.path().iter() {
            match segment {
                Segment::Seq { index } => at.0.push(Step::Index(*index)),
                Segment::Map { key } => at.0.push(Step::Key(key.clone())),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let inner = error.into_inner();
        malformed(root, &at, inner.message())
    })
}

/// A fault that reading found, from serde's description of it.
fn malformed(root: &Node, at: &Path, message: &str) -> Diagnostic {
    let (what, expected) = split_expected(message.trim());
    let names = backticked(expected);
    if let Some(key) = what.strip_prefix("unknown field `").and_then(|rest| rest.strip_suffix('`'))
    {
        return unknown_key(root, at, key, &names);
    }
    let found = path::find(root, at);
    let setting = found.named.to_string();
    if let Some(key) = what.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'))
    {
        let message = match setting.as_str() {
            "" => format!("`{key}` is missing"),
            table => format!("`{table}` lacks `{key}`"),
        };
        return Diagnostic::new(message, Some(found.node.place.clone()))
            .label(Some(format!("`{key}` has no default")));
    }
    let place = Some(found.node.place.clone());
    let text = found.node.as_str().or_else(|| found.node.get("policy")?.as_str());
    if let Some(text) = text.filter(|text| planned::is_planned(&setting, text)) {
        let label = (!expected.is_empty()).then(|| expectation(expected));
        let message = format!("`{setting} = \"{text}\"` is not modelled yet");
        return Diagnostic::new(message, place).label(label);
    }
    let variant = what
        .strip_prefix("unknown variant `")
        .and_then(|rest| rest.strip_suffix('`'))
        .or_else(|| text.filter(|_| !names.is_empty()));
    if let Some(variant) = variant {
        let help = nearest(variant, names.iter().copied())
            .map(|name| format!("a similar value exists: \"{name}\""));
        return Diagnostic::new(format!("`{setting}` cannot be \"{variant}\""), place)
            .label(Some(expectation(expected)))
            .help(help);
    }
    match what.strip_prefix("invalid type: ").or_else(|| what.strip_prefix("invalid value: ")) {
        Some(given) if !expected.is_empty() => {
            Diagnostic::new(format!("`{setting}` cannot be {}", given.trim()), place)
                .label(Some(expectation(expected)))
        }
        _ => Diagnostic::new(format!("`{setting}`: {}", message.trim()), place),
    }
}

fn unknown_key(root: &Node, at: &Path, key: &str, names: &[&str]) -> Diagnostic {
    // The path may or may not end with the key itself.
    let mut table = at.clone();
    if table.0.last() == Some(&Step::Key(key.to_owned())) {
        table.0.pop();
    }
    let found = path::find(root, &table);
    let place = found
        .node
        .entry(key)
        .map_or_else(|| found.node.place.clone(), |entry| entry.key_place.clone());
    let parent = found.named.to_string();
    let full = if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") };
    if planned::is_planned_key(&full) {
        return Diagnostic::new(format!("`{full}` is not modelled yet"), Some(place));
    }
    let label = match names {
        [] => "nothing can be set here".to_owned(),
        names => format!("expected {}", listed(names)),
    };
    Diagnostic::new(format!("unknown setting `{full}`"), Some(place)).label(Some(label)).help(
        nearest(key, names.iter().copied())
            .map(|name| format!("a similar setting exists: `{name}`")),
    )
}

/// A fault that resolving found.
fn invalid(root: &Node, error: InvalidSetting) -> Diagnostic {
    let path = Path::parse(&error.key);
    let found = path::find(root, &path);
    let place = match found.key {
        // A table is shown by its key; a value by itself.
        Some(key) if !matches!(found.node.kind, Kind::Scalar(_) | Kind::Array(_)) => key.clone(),
        _ => found.node.place.clone(),
    };
    Diagnostic::new(format!("`{}`: {}", error.key, error.message), Some(place)).help(
        (!found.complete).then(|| format!("`{}` is not set here: it has its default", error.key)),
    )
}

/// Splits serde's message at its ", expected ".
fn split_expected(message: &str) -> (&str, &str) {
    message
        .split_once(", expected ")
        .or_else(|| message.split_once(", there are "))
        .unwrap_or((message, ""))
}

/// The names in backticks.
fn backticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// "expected …" in the words of a configuration rather than of Rust.
fn expectation(expected: &str) -> String {
    let integer = |name: &str| {
        matches!(name, "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64")
    };
    let names = backticked(expected);
    match expected {
        _ if !names.is_empty() => format!("expected {}", listed(&names)),
        name if integer(name) => "expected a whole number that is not negative".to_owned(),
        "a boolean" => "expected true or false".to_owned(),
        "a sequence" => "expected an array".to_owned(),
        other if other.starts_with("struct ") => "expected a table".to_owned(),
        other => format!("expected {other}"),
    }
}

fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
