//! Dotted paths of settings, such as `mmu.tlb.stlb.entries`: keys of tables, and elements of arrays by
//! their name (paging-structure caches by their level), or as `[3]` by their index.

use std::fmt;

use super::merge::key_of;
use super::tree::{Kind, Node, Place};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A table's key, or the name of an array's element.
    Key(String),
    /// An array's element by its index from 0.
    Index(usize),
}

/// A path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// Reads `a.b[3].c`.
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let (key, index) = match part.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
                Some((key, index)) => (key, index.parse().ok()),
                None => (part, None),
            };
            steps.push(Step::Key(key.to_owned()));
            steps.extend(index.map(Step::Index));
        }
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// What a path leads to.
pub struct Found<'a> {
    /// The deepest node on the way that exists.
    pub node: &'a Node,
    /// Where its key was written, if it has one.
    pub key: Option<&'a Place>,
    /// Whether the path was followed to its end.
    pub complete: bool,
    /// The path with elements of arrays by their names.
    pub named: Path,
}

/// Follows `path` from `root` as far as it exists.
pub fn find<'a>(root: &'a Node, path: &Path) -> Found<'a> {
    let mut found = Found { node: root, key: None, complete: true, named: Path::default() };
    for (depth, step) in path.0.iter().enumerate() {
        let next = match (&found.node.kind, step) {
            (Kind::Table(_), Step::Key(key)) => {
                found.node.entry(key).map(|entry| (&entry.value, Some(&entry.key_place)))
            }
            (Kind::Array(items), Step::Key(key)) => {
                let named = |item: &&Node| element_name(&found.named, item).as_ref() == Some(key);
                items.iter().find(named).map(|item| (item, None))
            }
            (Kind::Array(items), Step::Index(index)) => items.get(*index).map(|item| (item, None)),
            (Kind::Scalar(_), _) | (Kind::Table(_), Step::Index(_)) => None,
        };
        let Some((node, key)) = next else {
            found.complete = false;
            found.named.0.extend(path.0[depth..].iter().cloned());
            return found;
        };
        let name = match step {
            Step::Index(_) => element_name(&found.named, node).map(Step::Key),
            Step::Key(_) => None,
        };
        found.named.0.push(name.unwrap_or_else(|| step.clone()));
        (found.node, found.key) = (node, key);
    }
    found
}

/// The name of an element of the array at `path`, if that array's elements have names.
fn element_name(path: &Path, element: &Node) -> Option<String> {
    let key = key_of(&path.to_string())?;
    element.get(key).and_then(name_text)
}

/// A name as text; a level's is its number.
pub fn name_text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Scalar(toml::Value::String(text)) => Some(text.clone()),
        Kind::Scalar(toml::Value::Integer(number)) => Some(number.to_string()),
        Kind::Scalar(_) | Kind::Array(_) | Kind::Table(_) => None,
    }
}
