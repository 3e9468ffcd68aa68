//! A study as its TOML file says it: what is accepted, and where it is wrong.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use model::config::nearest;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};
use tracegen::formats::{Column, Format, Unit};

use crate::error::Error;
use crate::region::Markers;

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What the study is called; its results go to `results/<name>`.
    pub name: Spanned<String>,
    /// What it asks, for the report.
    #[serde(default)]
    pub question: Option<String>,
    /// A preset, a path relative to the file, or a machine in full.
    pub machine: Spanned<Value>,
    /// Seed of every random choice.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Accesses that change state and count nothing, before those that count.
    #[serde(default)]
    pub warmup: u64,
    /// What region-of-interest markers of a trace do.
    #[serde(default)]
    pub region: Markers,
    /// Counted accesses after which every point stops.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Workloads, each a key of its own.
    #[serde(default)]
    pub workload: Vec<Spanned<WorkloadEntry>>,
    /// Traces, each a key of its own.
    #[serde(default)]
    pub trace: Vec<Spanned<TraceEntry>>,
    /// What is varied.
    #[serde(default)]
    pub sweep: Sweep,
    /// What is looked at.
    #[serde(default)]
    pub report: Report,
}

/// One workload.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadEntry {
    /// Its name.
    pub name: String,
    /// Its parameters.
    #[serde(default)]
    pub set: toml::Table,
    /// What its group's means count it as; 1 if it says nothing.
    #[serde(default)]
    pub weight: Option<Spanned<f64>>,
    /// The group of traces that it is averaged with.
    #[serde(default)]
    pub group: Option<Spanned<String>>,
}

/// One trace.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceEntry {
    /// The file, relative to the study's.
    pub file: String,
    /// What results call it; else the path as it stands in `file`.
    #[serde(default)]
    pub name: Option<String>,
    /// Its format, where it is not to be guessed.
    #[serde(default, deserialize_with = "parsed")]
    pub format: Option<Format>,
    /// The column of a csv file.
    #[serde(default, deserialize_with = "parsed")]
    pub column: Option<Column>,
    /// The unit of that column.
    #[serde(default, deserialize_with = "parsed")]
    pub unit: Option<Unit>,
    /// As [`WorkloadEntry::weight`].
    #[serde(default)]
    pub weight: Option<Spanned<f64>>,
    /// As [`WorkloadEntry::group`].
    #[serde(default)]
    pub group: Option<Spanned<String>>,
}

fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = String>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// What the results are about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The statistic that points are compared by; `run.cycles` if none is named.
    #[serde(default)]
    pub metric: Option<String>,
    /// Values of some swept paths: the points that the others are compared with.
    #[serde(default)]
    pub baseline: Paths,
}

/// Dotted paths with values, in the order of the file. `"a.b" = 1` and `a.b = 1` are the same.
#[derive(Debug, Clone, Default)]
pub struct Paths(pub Vec<(String, Spanned<Value>)>);

/// What is varied.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// Every path with its list of values.
    pub axes: Vec<(String, Spanned<Vec<Value>>)>,
    /// Groups of paths that are walked together instead of crossed.
    pub zip: Option<Spanned<Vec<Vec<String>>>>,
}

struct PathsVisitor;

impl<'de> Visitor<'de> for PathsVisitor {
    type Value = Paths;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of dotted paths")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Paths, A::Error> {
        let mut paths = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Spanned<Value>>()? {
            flatten(key, value, &mut paths);
        }
        Ok(Paths(paths))
    }
}

/// Takes unquoted dotted paths, which TOML reads as tables, apart again.
fn flatten(path: String, value: Spanned<Value>, paths: &mut Vec<(String, Spanned<Value>)>) {
    let span = value.span();
    match value.into_inner() {
        Value::Table(table) if !table.contains_key("policy") => {
            for (key, value) in table {
                flatten(format!("{path}.{key}"), Spanned::new(span.clone(), value), paths);
            }
        }
        value => paths.push((path, Spanned::new(span, value))),
    }
}

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PathsVisitor)
    }
}

impl<'de> Deserialize<'de> for Sweep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let mut sweep = Self::default();
        for (path, value) in Paths::deserialize(deserializer)?.0 {
            let span = value.span();
            let value = value.into_inner();
            if path == "zip" {
                let groups = value.try_into().map_err(|_| {
                    D::Error::custom(
                        "`zip` is a list of lists of swept paths, such as [[\"a\", \"b\"]]",
                    )
                })?;
                sweep.zip = Some(Spanned::new(span, groups));
            } else if let Value::Array(values) = value {
                sweep.axes.push((path, Spanned::new(span, values)));
            } else {
                return Err(D::Error::custom(format!("`{path}` needs a list of values to sweep")));
            }
        }
        Ok(sweep)
    }
}

/// The text of a study with its name, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// The file.
    pub name: &'a str,
    /// What stands in it.
    pub text: &'a str,
}

impl Text<'_> {
    /// Reads the study.
    ///
    /// # Errors
    /// It is not TOML or not a study; the message shows the place and the nearest valid name.
    pub fn parse(&self) -> Result<Document, Error> {
        toml::from_str(self.text).map_err(|error: toml::de::Error| {
            let message = error.message();
            self.wrong(error.span().unwrap_or(0..0), message, similar(message))
        })
    }

    /// The error that something in `span` is wrong.
    pub fn wrong(&self, span: Range<usize>, message: &str, help: Option<String>) -> Error {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let from = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(from..).unwrap_or_default().chars().count() + 1;
        let shown = self.text.get(from..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let marked = self.text.get(start..span.end.min(from + shown.len())).unwrap_or_default();
        let carets = "^".repeat(marked.chars().count().max(1));
        let (margin, space) = (" ".repeat(line.to_string().len()), " ".repeat(column - 1));
        let help = help.map(|help| format!("\n{margin} = help: {help}")).unwrap_or_default();
        Error::Study(format!(
            "{}:{line}:{column}: {message}\n{margin} |\n{line} | {shown}\n{margin} | {space}{carets}{help}",
            self.name
        ))
    }

    /// Where `path` stands as a key; the start of the file if it does not.
    pub fn place_of(&self, path: &str) -> Range<usize> {
        let quoted = format!("\"{path}\"");
        let found = self.text.find(&quoted).map(|at| (at, quoted.len()));
        let (at, length) =
            found.or_else(|| self.text.find(path).map(|at| (at, path.len()))).unwrap_or((0, 0));
        at..at + length
    }
}

/// The nearest of the names that a message of serde lists.
fn similar(message: &str) -> Option<String> {
    let (unknown, expected) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let names = expected.split('`').skip(1).step_by(2);
    nearest(unknown, names).map(|name| format!("a similar key exists: `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document, String> {
        Text { name: "s.toml", text }.parse().map_err(|error| error.to_string())
    }

    #[test]
    fn quoted_and_unquoted_paths_are_the_same_and_keep_their_order() {
        let document = parse(
            "name = \"s\"\nmachine = \"skylake\"\n[sweep]\n\"mmu.tlb.stlb.entries\" = [2, 1]\n\
             mmu.page_size = [\"4KiB\"]\ndram.channels = [1]\n\
             \"cache.l1d.replacement\" = [{ policy = \"lru\" }]\n",
        )
        .unwrap();
        let paths: Vec<_> = document.sweep.axes.iter().map(|(path, _)| path.as_str()).collect();
        let expected =
            ["mmu.tlb.stlb.entries", "mmu.page_size", "dram.channels", "cache.l1d.replacement"];
        assert_eq!(paths, expected);
    }

    #[test]
    fn faults_are_shown_where_they_are() {
        let message = parse("name = \"s\"\nmachine = \"skylake\"\n[reprot]\n").unwrap_err();
        assert!(message.starts_with("s.toml:3:2: unknown field `reprot`"), "{message}");
        assert!(message.contains("[reprot]") && message.contains("similar key exists: `report`"));
        assert!(parse("name = \"s\"").unwrap_err().contains("machine"));
        let message = parse("name = 1\nmachine = \"m\"").unwrap_err();
        assert!(message.starts_with("s.toml:1:8:"), "{message}");
        let message = parse("name=\"s\"\nmachine=\"m\"\n[sweep]\n\"core.rob\" = 4\n").unwrap_err();
        assert!(message.contains("`core.rob` needs a list"), "{message}");
        let message = parse("name=\"s\"\nmachine=\"m\"\n[[trace]]\nfile=\"t\"\nformat=\"lackie\"");
        assert!(message.unwrap_err().contains("`lackie` is not a trace format"));
    }
}
