//! Laying one layer of a configuration over another: a later value wins.
//!
//! Tables merge key by key. The elements of `[[mmu.tlb]]`, `[[cache]]`, `[[mmu.pwc]]`, `[[mmu.layout]]`, `[[swap.area]]`,
//! `[[swap.content]]` and `[[numa.node]]` merge with those of the same name (level, class); a new name adds one, `remove = true` takes one out, and an empty array
//! takes out all. Any other array, and a table that names another policy or device, replaces what was there.

use super::diagnostic::{Diagnostic, nearest};
use super::path::name_text;
use super::tree::{Entry, Kind, Node};

/// Arrays whose elements have names, and the key that names them.
const NAMED: [(&str, &str); 7] = [
    ("mmu.tlb", "name"),
    ("cache", "name"),
    ("mmu.pwc", "level"),
    ("mmu.layout", "name"),
    ("swap.area", "name"),
    ("numa.node", "name"),
    ("swap.content", "class"),
];

/// Settings that are a name, or a table with that name and its parameters, and the key of the name.
const CHOICES: [(&str, &str); 4] = [
    ("replacement", "policy"),
    ("reclaim", "policy"),
    ("prefetcher", "prefetcher"),
    ("device", "kind"),
];

/// The key that names the elements of the array at `path`, if they have names.
pub fn key_of(path: &str) -> Option<&'static str> {
    NAMED.iter().find(|(array, _)| *array == path).map(|(_, key)| *key)
}

/// Lays the table `over` over the table `under`.
///
/// # Errors
/// An element that is given twice in a layer, or one that is set or removed and does not exist.
pub fn merge(under: &mut Node, over: Node) -> Result<(), Diagnostic> {
    table(under, over, "")
}

fn table(under: &mut Node, over: Node, path: &str) -> Result<(), Diagnostic> {
    under.place = over.place;
    let (Kind::Table(below), Kind::Table(above)) = (&mut under.kind, over.kind) else {
        return Ok(());
    };
    for entry in above {
        let path =
            if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        let at = below.iter().position(|other| other.key == entry.key);
        let slot = match at {
            Some(at) => &mut below[at],
            None => {
                let value = match key_of(&path) {
                    Some(_) => {
                        Node { kind: Kind::Array(Vec::new()), place: entry.value.place.clone() }
                    }
                    None => Node::table(entry.value.place.clone()),
                };
                let Entry { key, key_place, .. } = &entry;
                below.push(Entry { key: key.clone(), key_place: key_place.clone(), value });
                // Just pushed.
                let last = below.len() - 1;
                &mut below[last]
            }
        };
        slot.key_place = entry.key_place;
        value(&mut slot.value, entry.value, &path)?;
    }
    Ok(())
}

fn value(under: &mut Node, over: Node, path: &str) -> Result<(), Diagnostic> {
    if let Some(key) = key_of(path) {
        return match over.kind {
            Kind::Array(_) => elements(under, over, path, key),
            Kind::Table(_) => by_name(under, over, path, key),
            Kind::Scalar(_) => {
                *under = over;
                Ok(())
            }
        };
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    let choice = CHOICES.iter().find(|(setting, _)| *setting == last);
    if let (Some((_, name)), Kind::Table(_)) = (choice, &over.kind) {
        promote(under, name);
        let given = over.get(name).and_then(Node::as_str);
        if given.is_some() && given != under.get(name).and_then(Node::as_str) {
            *under = over;
            return Ok(());
        }
    }
    match (&under.kind, &over.kind) {
        (Kind::Table(_), Kind::Table(_)) => table(under, over, path),
        _ => {
            *under = over;
            Ok(())
        }
    }
}

/// Turns `"clock"` into `{ policy = "clock" }`, so that a parameter can be laid over it.
fn promote(node: &mut Node, key: &str) {
    if matches!(&node.kind, Kind::Scalar(toml::Value::String(_))) {
        let entry =
            Entry { key: key.to_owned(), key_place: node.place.clone(), value: node.clone() };
        node.kind = Kind::Table(vec![entry]);
    }
}

/// An array over an array, element by element.
fn elements(under: &mut Node, over: Node, path: &str, key: &str) -> Result<(), Diagnostic> {
    let Kind::Array(above) = over.kind else { return Ok(()) };
    if above.is_empty() || !matches!(under.kind, Kind::Array(_)) {
        under.kind = Kind::Array(Vec::new());
    }
    under.place = over.place;
    let Kind::Array(below) = &mut under.kind else { return Ok(()) };
    let mut given: Vec<String> = Vec::new();
    for mut element in above {
        let Some((name, place)) = element
            .get(key)
            .and_then(|node| name_text(node).map(|name| (name, node.place.clone())))
        else {
            // Nameless: reading it will say what it lacks.
            below.push(element);
            continue;
        };
        if given.contains(&name) {
            let message = format!("`{path}` has two elements with the {key} `{name}`");
            let label = "each needs its own".to_owned();
            return Err(Diagnostic::new(message, Some(place)).label(Some(label)));
        }
        let remove = removal(&mut element)?;
        match below.iter().position(|other| has_name(other, key, &name)) {
            Some(at) if remove => {
                below.remove(at);
            }
            Some(at) => table(&mut below[at], element, &format!("{path}.{name}"))?,
            None if remove => return Err(unknown_element(below, path, key, &name, place)),
            None => {
                let mut fresh = Node::table(element.place.clone());
                table(&mut fresh, element, &format!("{path}.{name}"))?;
                below.push(fresh);
            }
        }
        given.push(name);
    }
    Ok(())
}

/// A table over an array: its keys are names of elements.
fn by_name(under: &mut Node, over: Node, path: &str, key: &str) -> Result<(), Diagnostic> {
    let Kind::Table(above) = over.kind else { return Ok(()) };
    let Kind::Array(below) = &mut under.kind else {
        let message = format!("`{path}` is a file's: its elements are not set one by one");
        return Err(Diagnostic::new(message, Some(over.place)));
    };
    for entry in above {
        let Some(at) = below.iter().position(|other| has_name(other, key, &entry.key)) else {
            return Err(unknown_element(below, path, key, &entry.key, entry.key_place));
        };
        let mut element = entry.value;
        if removal(&mut element)? {
            below.remove(at);
        } else if matches!(element.kind, Kind::Table(_)) {
            table(&mut below[at], element, &format!("{path}.{}", entry.key))?;
        } else {
            let message =
                format!("`{path}.{}` is a table, not a value: set one of its keys", entry.key);
            return Err(Diagnostic::new(message, Some(element.place)));
        }
    }
    Ok(())
}

fn has_name(element: &Node, key: &str, name: &str) -> bool {
    element.get(key).and_then(name_text).as_deref() == Some(name)
}

/// Takes `remove = true` out of an element.
fn removal(element: &mut Node) -> Result<bool, Diagnostic> {
    match element.take("remove") {
        None => Ok(false),
        Some(Entry {
            value: Node { kind: Kind::Scalar(toml::Value::Boolean(remove)), .. },
            ..
        }) => Ok(remove),
        Some(entry) => Err(Diagnostic::new("`remove` is true or false", Some(entry.value.place))),
    }
}

fn unknown_element(
    elements: &[Node],
    path: &str,
    key: &str,
    name: &str,
    place: super::tree::Place,
) -> Diagnostic {
    let names: Vec<_> =
        elements.iter().filter_map(|element| element.get(key).and_then(name_text)).collect();
    let label = match names.as_slice() {
        [] => "the machine has none".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    let help = nearest(name, names.iter().map(String::as_str));
    Diagnostic::new(format!("no element of `{path}` has the {key} `{name}`"), Some(place))
        .label(Some(label))
        .help(help.map(|name| format!("a similar {key} exists: `{name}`")))
}
