//! `path=value` of `--set`, as a layer.

use super::diagnostic::Diagnostic;
use super::tree::{self, Entry, Kind, Node, Place};

/// The most steps that a path can have.
const STEPS: usize = 16;

/// Parses `path=value`. The value is TOML, or else a string, so that `mmu.page_size=2MiB` needs no
/// quotation marks.
///
/// # Errors
/// No `=`, an empty step in the path, or more steps than any setting has.
pub fn parse(text: &str, layer: usize) -> Result<Node, Diagnostic> {
    let whole = Place { layer, span: 0..text.len() };
    let Some((path, value)) = text.split_once('=') else {
        return Err(Diagnostic::new("expected path=value", Some(whole))
            .label(Some("for example mmu.page_size=2MiB".to_owned())));
    };
    let mut steps = Vec::new();
    let mut start = 0;
    for step in path.split('.') {
        let end = start + step.len();
        let trimmed = step.trim();
        if trimmed.is_empty() {
            let place = Place { layer, span: start..(end + 1).min(text.len()) };
            return Err(Diagnostic::new("a step of the path is empty", Some(place)));
        }
        steps.push((trimmed, Place { layer, span: start..end }));
        start = end + 1;
    }
    if steps.len() > STEPS {
        let message = format!("no setting's path has more than {STEPS} steps");
        return Err(Diagnostic::new(message, Some(whole)));
    }
    let mut node = literal(value, layer, path.len() + 1);
    for (key, key_place) in steps.into_iter().rev() {
        let place = key_place.clone();
        let entry = Entry { key: key.to_owned(), key_place, value: node };
        node = Node { kind: Kind::Table(vec![entry]), place };
    }
    Ok(node)
}

/// `text` as a TOML value, or else as a string, `offset` bytes into the layer.
fn literal(text: &str, layer: usize, offset: usize) -> Node {
    const PREFIX: &str = "value = ";
    let place = Place { layer, span: offset..offset + text.len() };
    // A line break could smuggle in a second key.
    let parsed = (!text.contains(['\n', '\r']))
        .then(|| tree::parse(&format!("{PREFIX}{text}"), layer, PREFIX.len()).ok())
        .flatten()
        .and_then(|mut table| table.take("value"));
    match parsed {
        Some(entry) => shift(entry.value, offset),
        None => {
            let value = toml::Value::String(text.trim().to_owned());
            Node { kind: Kind::Scalar(value), place }
        }
    }
}

/// Moves every place of `node` right by `offset` bytes.
fn shift(mut node: Node, offset: usize) -> Node {
    let by = |place: &mut Place| {
        place.span = place.span.start + offset..place.span.end + offset;
    };
    by(&mut node.place);
    node.kind = match node.kind {
        Kind::Scalar(value) => Kind::Scalar(value),
        Kind::Array(items) => {
            Kind::Array(items.into_iter().map(|item| shift(item, offset)).collect())
        }
        Kind::Table(entries) => Kind::Table(
            entries
                .into_iter()
                .map(|mut entry| {
                    by(&mut entry.key_place);
                    Entry { value: shift(entry.value, offset), ..entry }
                })
                .collect(),
        ),
    };
    node
}
