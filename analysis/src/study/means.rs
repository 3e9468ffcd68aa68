//! Means over the traces of a group: weighted, arithmetic and geometric.
//!
//! What a study's `[[trace]]` and `[[workload]]` say of `group` and `weight` decides, as it stands in the
//! resolved study: so means are made again from stored points whenever tables are. A mean is over every trace
//! of its group, or is not there.

use tracegen::workloads::sample::elementary::{exp, ln};

use toml::{Table as Toml, Value};

use super::key::{Key, compare_all};
use super::plan::shown;
use super::point::Point;
use super::table::Table;
use crate::chart::view::more_is_better;
use crate::measured::Number;
use crate::trace::TraceSpec;

/// The group of a trace that has a weight and names no group.
const DEFAULT_GROUP: &str = "all";

/// A trace of a group.
#[derive(Debug, Clone, PartialEq)]
struct Member {
    group: String,
    weight: f64,
    /// `workload` or `trace`, and its name.
    name: Key,
    /// A workload's parameters with their values.
    parameters: Vec<Key>,
}

/// The means of one group where swept paths have some values.
#[derive(Debug, Clone, PartialEq)]
pub struct Mean {
    /// The group.
    pub group: String,
    /// The swept paths with their values.
    pub keys: Vec<Key>,
    /// Its traces.
    pub traces: usize,
    /// The sum of their weights.
    pub weight: f64,
    /// Every statistic that all of them have, with its arithmetic and its geometric mean.
    pub statistics: Vec<(String, f64, f64)>,
}

impl Mean {
    /// The arithmetic and the geometric mean of `statistic`.
    pub fn get(&self, statistic: &str) -> Option<(f64, f64)> {
        let found = self.statistics.iter().find(|(name, ..)| name == statistic);
        found.map(|(_, arithmetic, geometric)| (*arithmetic, *geometric))
    }

    /// The value of the key `path`.
    pub fn key(&self, path: &str) -> &str {
        self.keys.iter().find(|(own, _)| own == path).map_or("", |(_, value)| value)
    }
}

/// The means of a study.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Means {
    /// By group and keys.
    pub list: Vec<Mean>,
}

impl Means {
    /// The means that `study` asks for over `points`.
    pub fn of(study: &Toml, points: &[Point]) -> Self {
        let members = members(study);
        let mut groups: Vec<&str> = Vec::new();
        for member in &members {
            if !groups.contains(&member.group.as_str()) {
                groups.push(&member.group);
            }
        }
        let swept = swept(study);
        let mut list: Vec<Mean> = Vec::new();
        for group in groups {
            let members: Vec<_> = members.iter().filter(|member| member.group == group).collect();
            list.extend(means_of(group, &members, &swept, points));
        }
        Self { list }
    }

    /// How much better `mean` is than its group where `baseline` is, in the geometric mean of `metric` over the
    /// traces: as a factor.
    pub fn speed_up(&self, mean: &Mean, baseline: &[Key], metric: &str) -> Option<f64> {
        let of_mean = |path: &str| baseline.iter().find(|(own, _)| own == path);
        let is_base = |other: &&Mean| {
            other.group == mean.group
                && other.keys.len() == mean.keys.len()
                && mean.keys.iter().all(|(path, own)| {
                    other.key(path) == of_mean(path).map_or(own.as_str(), |(_, value)| value)
                })
        };
        let base = self.list.iter().find(is_base).filter(|_| !baseline.is_empty())?;
        let (own, base) = (mean.get(metric)?.1, base.get(metric)?.1);
        let factor = if more_is_better(metric) { own / base } else { base / own };
        factor.is_finite().then_some(factor)
    }

    /// A row for each mean: the group, its keys, which mean it is, and every statistic.
    ///
    /// # Errors
    /// What the writer says.
    pub fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut paths: Vec<String> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for mean in &self.list {
            let own = mean.keys.iter().map(|(path, _)| path);
            own.for_each(|path| note(&mut paths, path));
            mean.statistics.iter().for_each(|(name, ..)| note(&mut names, name));
        }
        let mut rows = Vec::new();
        for mean in &self.list {
            for kind in ["arithmetic", "geometric"] {
                let mut keys = vec![mean.group.clone()];
                keys.extend(paths.iter().map(|path| mean.key(path).to_owned()));
                keys.extend([kind.to_owned(), mean.traces.to_string(), mean.weight.to_string()]);
                let value = |name: &String| {
                    let (arithmetic, geometric) = mean.get(name)?;
                    Some(Number::Real(if kind == "arithmetic" { arithmetic } else { geometric }))
                };
                rows.push((keys, names.iter().map(value).collect()));
            }
        }
        let mut keys = vec!["group".to_owned()];
        keys.extend(paths);
        keys.extend(["mean", "traces", "weight"].map(str::to_owned));
        Table::of(keys, names, rows).csv()
    }
}

fn note(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// The traces that are in a group.
fn members(study: &Toml) -> Vec<Member> {
    let seed = study.get("seed").and_then(Value::as_integer).map_or(1, i64::cast_unsigned);
    let entries = |kind: &str| {
        study.get(kind).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table)
    };
    let workloads = entries("workload").filter_map(|entry| {
        let name = entry.get("name")?.as_str()?.to_owned();
        let set = entry.get("set").and_then(Value::as_table).into_iter().flatten();
        let set = set.map(|(key, value)| (key.clone(), shown(value))).collect();
        let spec = TraceSpec::Workload { name: name.clone(), set };
        member(entry, ("workload".to_owned(), name), spec.parameters(seed).ok()?)
    });
    let traces = entries("trace").filter_map(|entry| {
        let name = entry.get("name").or_else(|| entry.get("file"))?.as_str()?;
        member(entry, ("trace".to_owned(), name.to_owned()), Vec::new())
    });
    workloads.chain(traces).collect()
}

fn member(entry: &Toml, name: Key, parameters: Vec<Key>) -> Option<Member> {
    let weight = entry.get("weight").and_then(|weight| {
        // Weights are far below 2^53.
        weight.as_float().or_else(|| weight.as_integer().map(|weight| weight as f64))
    });
    let group = entry.get("group").and_then(Value::as_str);
    if weight.is_none() && group.is_none() {
        return None;
    }
    let group = group.unwrap_or(DEFAULT_GROUP).to_owned();
    Some(Member { group, weight: weight.unwrap_or(1.0), name, parameters })
}

/// The paths that the study sweeps.
fn swept(study: &Toml) -> Vec<String> {
    let mut paths = Vec::new();
    if let Some(Value::Table(sweep)) = study.get("sweep") {
        sweep.iter().for_each(|(path, value)| flatten(path, value, &mut paths));
    }
    paths
}

fn flatten(path: &str, value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Table(table) => {
            table.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, paths));
        }
        _ => paths.push(path.to_owned()),
    }
}

impl Member {
    /// Whether `point` is of this trace.
    fn has(&self, point: &Point, swept: &[String]) -> bool {
        point.keys.iter().all(|(path, value)| {
            let parameter = path.strip_prefix("workload.").filter(|_| !swept.contains(path));
            let own = match parameter {
                Some(key) => self.parameters.iter().find(|(name, _)| name == key),
                None if path == "workload" || path == "trace" => Some(&self.name),
                None => return true,
            };
            own.is_some_and(|(name, own)| own == value && (parameter.is_some() || *name == *path))
        })
    }
}

/// The means of `group` at every combination of swept values where all its members have a point.
fn means_of(group: &str, members: &[&Member], swept: &[String], points: &[Point]) -> Vec<Mean> {
    let keys_of = |point: &Point| -> Vec<Key> {
        point.keys.iter().filter(|(path, _)| swept.contains(path)).cloned().collect()
    };
    let mut combinations: Vec<Vec<Key>> = Vec::new();
    // Each member's points by combination, in the order of members.
    let mut found: Vec<Vec<(f64, &Point)>> = Vec::new();
    for member in members {
        for point in points.iter().filter(|point| member.has(point, swept)) {
            let keys = keys_of(point);
            let at = combinations.iter().position(|known| *known == keys).unwrap_or_else(|| {
                combinations.push(keys);
                found.push(Vec::new());
                found.len() - 1
            });
            found[at].push((member.weight, point));
        }
    }
    let complete = combinations.into_iter().zip(found);
    let complete = complete.filter(|(_, found)| found.len() == members.len());
    let mut means: Vec<Mean> = complete.map(|(keys, found)| mean_of(group, keys, &found)).collect();
    means.sort_by(|a, b| compare_all(&a.keys, &b.keys));
    means
}

fn mean_of(group: &str, keys: Vec<Key>, found: &[(f64, &Point)]) -> Mean {
    let weight: f64 = found.iter().map(|(weight, _)| weight).sum();
    let first: Vec<(String, Number)> =
        found.first().map_or(Vec::new(), |(_, point)| point.measured.columns().collect());
    let others: Vec<Vec<(String, Number)>> =
        found.iter().skip(1).map(|(_, point)| point.measured.columns().collect()).collect();
    let mut statistics = Vec::new();
    for (at, (name, value)) in first.iter().enumerate() {
        let of = |columns: &Vec<(String, Number)>| {
            // Points of one study mostly have the same columns: look there first.
            let same = columns.get(at).filter(|(own, _)| own == name);
            let found = same.or_else(|| columns.iter().find(|(own, _)| own == name));
            found.map(|(_, value)| value.as_f64())
        };
        let values: Option<Vec<f64>> =
            [Some(value.as_f64())].into_iter().chain(others.iter().map(of)).collect();
        let Some(values) = values else { continue };
        let weights = || found.iter().map(|(weight, _)| *weight).zip(&values);
        statistics.push((
            name.clone(),
            arithmetic(weights(), weight),
            geometric(weights(), weight),
        ));
    }
    Mean { group: group.to_owned(), keys, traces: found.len(), weight, statistics }
}

/// Σ w x / Σ w.
fn arithmetic<'a>(values: impl Iterator<Item = (f64, &'a f64)>, weight: f64) -> f64 {
    values.map(|(weight, value)| weight * value).sum::<f64>() / weight
}

/// Π x^(w / Σ w); 0 where a value is.
fn geometric<'a>(values: impl Iterator<Item = (f64, &'a f64)>, weight: f64) -> f64 {
    let mut sum = 0.0;
    for (own, value) in values {
        if !value.is_normal() || *value < 0.0 {
            return 0.0;
        }
        sum += own * ln(*value);
    }
    exp(sum / weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::{Measure, Measured};

    const STUDY: &str = r#"
        seed = 1
        [[workload]]
        name = "gups"
        set = { table = "1MiB" }
        weight = 3
        group = "spec"
        [[workload]]
        name = "gups"
        set = { table = "2MiB" }
        group = "spec"
        [[trace]]
        file = "a.flt"
        weight = 0.25
        [[trace]]
        file = "b.flt"
        [sweep]
        "core.rob" = [128, 224]
        workload.updates = [10, 20]
    "#;

    fn point(keys: &[(&str, &str)], cycles: f64) -> Point {
        let measure = |name: &str, value: f64| Measure {
            name: name.to_owned(),
            unit: String::new(),
            value: Number::Real(value),
        };
        let statistics = vec![measure("run.cycles", cycles), measure("dtlb.misses", cycles - 2.0)];
        Point {
            keys: keys
                .iter()
                .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
                .collect(),
            measured: Measured { statistics, ..Measured::default() },
            ..Point::default()
        }
    }

    fn gups(table: &str, rob: &str, cycles: f64) -> Point {
        let keys = [
            ("workload", "gups"),
            ("workload.table", table),
            ("core.rob", rob),
            ("workload.updates", "10"),
        ];
        point(&keys, cycles)
    }

    fn close(have: f64, want: f64) {
        assert!((have - want).abs() < 1e-9 * want.abs().max(1.0), "{have} {want}");
    }

    /// (3 · 2 + 1 · 32) / 4, and (2³ · 32)^¼.
    #[test]
    fn means_are_those_computed_by_hand() {
        let study: Toml = toml::from_str(STUDY).unwrap();
        let [table, other] = ["1MiB", "2MiB"].map(|size| {
            let set = vec![("table".to_owned(), size.to_owned())];
            let spec = TraceSpec::Workload { name: "gups".to_owned(), set };
            let parameters = spec.parameters(1).unwrap();
            parameters.into_iter().find(|(name, _)| name == "table").unwrap().1
        });
        let points = [
            gups(&table, "224", 2.0),
            gups(&other, "224", 32.0),
            // The other is missing.
            gups(&table, "128", 5.0),
            point(&[("trace", "a.flt"), ("core.rob", "224")], 7.0),
            point(&[("trace", "b.flt"), ("core.rob", "224")], 9.0),
        ];
        let means = Means::of(&study, &points);
        let groups: Vec<_> = means.list.iter().map(|mean| mean.group.as_str()).collect();
        assert_eq!(groups, ["spec", "all"]);
        let spec = &means.list[0];
        assert_eq!((spec.traces, spec.weight, spec.key("core.rob")), (2, 4.0, "224"));
        let (arithmetic, geometric) = spec.get("run.cycles").unwrap();
        close(arithmetic, 9.5);
        close(geometric, 4.0);
        // One value is 0.
        assert_eq!(spec.get("dtlb.misses"), Some((7.5, 0.0)));
        assert_eq!(means.list[1].get("run.cycles").map(|(mean, _)| mean), Some(7.0));
        let text = String::from_utf8(means.csv().unwrap()).unwrap();
        let head = "group,core.rob,workload.updates,mean,traces,weight,run.cycles,dtlb.misses\n";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("\nspec,224,10,arithmetic,2,4,9.5,7.5\n"), "{text}");
    }

    #[test]
    fn a_groups_speed_up_is_that_of_its_geometric_means() {
        let study: Toml = toml::from_str(
            "[[trace]]\nfile='a'\ngroup='g'\n[[trace]]\nfile='b'\ngroup='g'\n[sweep]\n'core.rob'=[1,2]",
        )
        .unwrap();
        let at = |trace, rob, cycles| point(&[("trace", trace), ("core.rob", rob)], cycles);
        let points =
            [at("a", "1", 8.0), at("b", "1", 100.0), at("a", "2", 2.0), at("b", "2", 100.0)];
        let means = Means::of(&study, &points);
        let baseline = [("core.rob".to_owned(), "1".to_owned())];
        let gains: Vec<_> = means
            .list
            .iter()
            .filter_map(|mean| means.speed_up(mean, &baseline, "run.cycles"))
            .collect();
        close(gains[0], 1.0);
        close(gains[1], 2.0);
        assert_eq!(means.speed_up(&means.list[0], &[], "run.cycles"), None);
    }

    #[test]
    fn without_groups_there_are_no_means() {
        let study: Toml = toml::from_str("[[trace]]\nfile = \"a\"").unwrap();
        assert_eq!(Means::of(&study, &[point(&[("trace", "a")], 1.0)]), Means::default());
    }
}
