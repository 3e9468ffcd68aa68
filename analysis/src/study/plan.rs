//! From a study to its points, and from points to passes over traces.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use model::config::{Config, nearest};
use serde_json::Value as Json;
use toml::{Spanned, Table, Value};
use tracegen::formats::{Input, OpenOptions};
use xxhash_rust::xxh3::xxh3_128;

use super::document::{Document, Text};
use super::key::Key;
use crate::error::Error;
use crate::machine;
use crate::region::Region;
use crate::trace::TraceSpec;

/// The version of the model's results: it changes whenever a change of the code changes a number, so
/// that stored points of an older model are not taken for results of this one.
pub const MODEL_VERSION: u32 = 5;

/// The most points that a study can have.
const LARGEST: usize = 1 << 20;

/// One point to compute.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What is varied, and its values here.
    pub keys: Vec<Key>,
    /// The resolved machine.
    pub config: Config,
    /// The same as JSON.
    pub json: Json,
    /// Index into [`Plan::traces`].
    pub trace: usize,
    /// Where its result is stored.
    pub address: u128,
    /// Points with the same number share a trace and a functional machine.
    pub group: usize,
}

/// A trace of a study.
#[derive(Debug, Clone)]
pub struct PlannedTrace {
    /// Where it comes from.
    pub spec: TraceSpec,
    /// What it is.
    pub identity: u128,
    /// Accesses that it has, where that is known before it is read.
    pub accesses: Option<u64>,
}

impl PlannedTrace {
    /// Accesses up to `limit`, where that is known.
    pub fn accesses_within(&self, limit: Option<u64>) -> Option<u64> {
        match (self.accesses, limit) {
            (Some(accesses), Some(limit)) => Some(accesses.min(limit)),
            (known, limit) => known.or(limit),
        }
    }

    /// The most pages of 4 KiB that it can touch, where that is known: an access touches at most two.
    pub fn pages_within(&self, limit: Option<u64>) -> Option<u64> {
        self.accesses_within(limit).map(|accesses| accesses.saturating_mul(2))
    }
}

/// A study, ready to be computed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Which part of each trace counts.
    pub region: Region,
    /// Accesses after which every point stops, its warm-up included, as far as that is known before.
    pub limit: Option<u64>,
    /// The distinct traces.
    pub traces: Vec<PlannedTrace>,
    /// The points, in the order of the study.
    pub points: Vec<Planned>,
    /// How many functional machines × traces there are.
    pub groups: usize,
    /// The study with everything that it refers to written out.
    pub resolved: Table,
}

/// What the command line says over a study.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// A trace in place of the study's traces and workloads.
    pub trace: Option<TraceSpec>,
    /// Settings under the swept ones, as `--set` has them.
    pub sets: Vec<(String, String)>,
    /// A seed in place of the study's.
    pub seed: Option<u64>,
}

/// One combination of swept values: paths and values.
type Combination = Vec<(String, Value)>;

impl Plan {
    /// Plans the study in `text`; paths in it are relative to `folder`.
    ///
    /// # Errors
    /// Anything that is wrong with the study, a machine, or a trace.
    pub fn new(text: Text<'_>, folder: &Path, overrides: &Overrides) -> Result<Self, Error> {
        let document = text.parse()?;
        check_name(&text, &document.name)?;
        let combinations = combinations(&text, &document)?;
        let seed = overrides.seed.or(document.seed).unwrap_or(1);
        let region =
            Region { warmup: document.warmup, markers: document.region, limit: document.limit };
        let mut planner = Planner {
            text,
            folder,
            overrides,
            seed,
            machine: Machine::of(&text, &document.machine, folder)?,
            plan: Self {
                name: document.name.get_ref().clone(),
                seed,
                region,
                limit: region.accesses(),
                traces: Vec::new(),
                points: Vec::new(),
                groups: 0,
                resolved: Table::new(),
            },
            groups: HashMap::new(),
            configs: HashMap::new(),
        };
        let traces = planner.traces(&document)?;
        if traces.len().saturating_mul(combinations.len()) > LARGEST {
            let message = format!("the study has more than {LARGEST} points");
            return Err(text.wrong(text.place_of("[sweep]"), &message, None));
        }
        for trace in &traces {
            for combination in &combinations {
                planner.point(trace, combination)?;
            }
        }
        check_baseline(&text, &document)?;
        check_groups(&text, &document)?;
        planner.plan.resolved = planner.resolved(&document)?;
        Ok(planner.plan)
    }

    /// The points of shard `index` of `count`, by their places in [`Self::points`]. Shards share no
    /// point, together have all, and keep what one functional pass computes together.
    pub fn shard(&self, index: usize, count: usize) -> Vec<usize> {
        let mine = |point: &usize| self.points[*point].group % count.max(1) + 1 == index;
        (0..self.points.len()).filter(mine).collect()
    }
}

fn check_name(text: &Text<'_>, name: &Spanned<String>) -> Result<(), Error> {
    let plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let name_text = name.get_ref();
    if name_text.is_empty() || name_text.starts_with('.') || !name_text.chars().all(plain) {
        let message = "a study's name is a directory's: letters, digits, `-`, `_` and `.`";
        return Err(text.wrong(name.span(), message, None));
    }
    Ok(())
}

/// Every combination of swept values: lists that are zipped are walked together, the rest crossed, the
/// last path fastest.
fn combinations(text: &Text<'_>, document: &Document) -> Result<Vec<Combination>, Error> {
    let axes = &document.sweep.axes;
    for (path, values) in axes {
        if values.get_ref().is_empty() {
            return Err(text.wrong(values.span(), &format!("`{path}` has no value"), None));
        }
        if axes.iter().filter(|(other, _)| other == path).count() > 1 {
            return Err(text.wrong(values.span(), &format!("`{path}` is swept twice"), None));
        }
    }
    let mut together: Vec<Vec<usize>> = Vec::new();
    for group in document.sweep.zip.iter().flat_map(|zip| zip.get_ref()) {
        together.push(zipped(text, document, group, &together)?);
    }
    for index in 0..axes.len() {
        if !together.iter().flatten().any(|&known| known == index) {
            together.push(vec![index]);
        }
    }
    // In the order in which the study names the paths.
    together.sort_by_key(|group| group.iter().min().copied());
    let mut all: Vec<Combination> = vec![Vec::new()];
    for group in &together {
        let length = group.first().map_or(0, |&index| axes[index].1.get_ref().len());
        if all.len().saturating_mul(length) > LARGEST {
            let message = format!("the study has more than {LARGEST} points");
            return Err(text.wrong(text.place_of("[sweep]"), &message, None));
        }
        let step = |at: usize| -> Combination {
            let value =
                |&index: &usize| (axes[index].0.clone(), axes[index].1.get_ref()[at].clone());
            group.iter().map(value).collect()
        };
        all = all
            .iter()
            .flat_map(|so_far| (0..length).map(|at| [so_far.clone(), step(at)].concat()))
            .collect();
    }
    Ok(all)
}

/// The axes that `group` names, which must have lists of one length.
fn zipped(
    text: &Text<'_>,
    document: &Document,
    group: &[String],
    before: &[Vec<usize>],
) -> Result<Vec<usize>, Error> {
    let axes = &document.sweep.axes;
    let span = document.sweep.zip.as_ref().map_or(0..0, Spanned::span);
    let mut indices: Vec<usize> = Vec::new();
    for path in group {
        let Some(index) = axes.iter().position(|(known, _)| known == path) else {
            let help = nearest(path, axes.iter().map(|(known, _)| known.as_str()))
                .map(|name| format!("a similar swept path exists: `{name}`"));
            return Err(text.wrong(span, &format!("`{path}` in `zip` is not swept"), help));
        };
        if indices.contains(&index) || before.iter().flatten().any(|&known| known == index) {
            return Err(text.wrong(span, &format!("`{path}` is in `zip` twice"), None));
        }
        indices.push(index);
    }
    let length = |index: &usize| axes[*index].1.get_ref().len();
    match indices.iter().find(|index| Some(length(index)) != indices.first().map(length)) {
        Some(&other) => {
            let message = format!(
                "zipped lists have one length, but `{}` has {} values and `{}` has {}",
                group[0],
                length(&indices[0]),
                axes[other].0,
                length(&other)
            );
            Err(text.wrong(span, &message, None))
        }
        None => Ok(indices),
    }
}

/// Every path of the baseline is swept over the value that it names.
fn check_baseline(text: &Text<'_>, document: &Document) -> Result<(), Error> {
    let axes = &document.sweep.axes;
    for (path, value) in &document.report.baseline.0 {
        if path == "workload" || path == "trace" {
            continue;
        }
        let Some((_, values)) = axes.iter().find(|(known, _)| known == path) else {
            let help = nearest(path, axes.iter().map(|(known, _)| known.as_str()))
                .map(|name| format!("a similar swept path exists: `{name}`"));
            let message = format!("the baseline's `{path}` is not swept");
            return Err(text.wrong(value.span(), &message, help));
        };
        if !values.get_ref().iter().any(|known| shown(known) == shown(value.get_ref())) {
            let all: Vec<_> = values.get_ref().iter().map(shown).collect();
            let message = format!("`{path}` is never {}", shown(value.get_ref()));
            let help = Some(format!("its values are {}", all.join(", ")));
            return Err(text.wrong(value.span(), &message, help));
        }
    }
    if let Some(metric) = &document.report.metric
        && !metric.contains('.')
    {
        let message = format!("`{metric}` is not a statistic; one is `run.cycles`");
        return Err(text.wrong(text.place_of(metric), &message, None));
    }
    Ok(())
}

/// Weights are positive numbers, and groups have names.
fn check_groups(text: &Text<'_>, document: &Document) -> Result<(), Error> {
    let workloads = document.workload.iter().map(Spanned::get_ref);
    let workloads = workloads.map(|entry| (&entry.weight, &entry.group));
    let traces = document.trace.iter().map(Spanned::get_ref);
    for (weight, group) in workloads.chain(traces.map(|entry| (&entry.weight, &entry.group))) {
        if let Some(weight) = weight
            && !(weight.get_ref().is_normal() && *weight.get_ref() > 0.0)
        {
            return Err(text.wrong(weight.span(), "a weight is a number above 0", None));
        }
        if let Some(group) = group
            && group.get_ref().is_empty()
        {
            return Err(text.wrong(group.span(), "a group needs a name", None));
        }
    }
    Ok(())
}

/// A value as a key shows it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A study's machine before anything is swept.
enum Machine {
    Named(String),
    Inline(String),
}

impl Machine {
    fn of(text: &Text<'_>, machine: &Spanned<Value>, folder: &Path) -> Result<Self, Error> {
        match machine.get_ref() {
            Value::String(name) => {
                let path = folder.join(name);
                let is_file = configs::machine(name).is_none() && path.is_file();
                let spec = if is_file { path.display().to_string() } else { name.clone() };
                Ok(Self::Named(spec))
            }
            Value::Table(table) => Ok(Self::Inline(table.to_string())),
            _ => {
                let message = "expected a preset's name, a path, or a table with a machine";
                Err(text.wrong(machine.span(), message, None))
            }
        }
    }

    fn load(&self, folder: &Path, sets: &[(String, String)]) -> Result<Config, Error> {
        Ok(match self {
            Self::Named(spec) => machine::load(spec, sets)?,
            Self::Inline(text) => machine::load_text("the study's machine", text, folder, sets)?,
        })
    }
}

struct Planner<'a> {
    text: Text<'a>,
    folder: &'a Path,
    overrides: &'a Overrides,
    seed: u64,
    machine: Machine,
    plan: Plan,
    groups: HashMap<(usize, String), usize>,
    /// Machines that were resolved for another trace already.
    configs: HashMap<Vec<(String, String)>, (Config, Json)>,
}

/// A trace of the study before parameters are swept, with its keys.
struct Listed {
    keys: Vec<Key>,
    spec: TraceSpec,
}

impl Planner<'_> {
    fn traces(&self, document: &Document) -> Result<Vec<Listed>, Error> {
        if let Some(spec) = &self.overrides.trace {
            let keys = vec![("trace".to_owned(), spec.name().to_owned())];
            return Ok(vec![Listed { keys, spec: spec.clone() }]);
        }
        let mut all = Vec::new();
        for entry in document.workload.iter().map(Spanned::get_ref) {
            let set: Vec<(String, String)> =
                entry.set.iter().map(|(key, value)| (key.clone(), shown(value))).collect();
            let keys = vec![("workload".to_owned(), entry.name.clone())];
            all.push(Listed { keys, spec: TraceSpec::Workload { name: entry.name.clone(), set } });
        }
        self.tell_apart(&mut all, document)?;
        for entry in document.trace.iter().map(Spanned::get_ref) {
            let name = entry.name.clone().unwrap_or_else(|| entry.file.clone());
            let path =
                if entry.file == "-" { PathBuf::from("-") } else { self.folder.join(&entry.file) };
            let options = OpenOptions {
                format: entry.format,
                column: entry.column.clone(),
                unit: entry.unit,
                ..OpenOptions::default()
            };
            let keys = vec![("trace".to_owned(), name.clone())];
            all.push(Listed {
                keys,
                spec: TraceSpec::File { name, input: Input::of(&path), options },
            });
        }
        if all.is_empty() {
            let message = "the study has no [[workload]] and no [[trace]]";
            return Err(self.text.wrong(0..0, message, None));
        }
        Ok(all)
    }

    /// Gives workloads that are listed more than once the parameters in which they differ as keys.
    fn tell_apart(&self, all: &mut [Listed], document: &Document) -> Result<(), Error> {
        let mut parameters = Vec::new();
        for (listed, entry) in all.iter().zip(&document.workload) {
            let known = listed
                .spec
                .parameters(self.seed)
                .map_err(|error| self.text.wrong(entry.span(), &error.to_string(), None))?;
            parameters.push(known);
        }
        let names: Vec<String> = all.iter().map(|listed| listed.spec.name().to_owned()).collect();
        for (at, listed) in all.iter_mut().enumerate() {
            let same: Vec<_> =
                (0..names.len()).filter(|&other| names[other] == names[at]).collect();
            for (index, (key, value)) in parameters[at].iter().enumerate() {
                if same.iter().any(|&other| parameters[other][index].1 != *value) {
                    listed.keys.push((format!("workload.{key}"), value.clone()));
                }
            }
        }
        Ok(())
    }

    fn point(&mut self, listed: &Listed, combination: &Combination) -> Result<(), Error> {
        let of_workload = |path: &str| path.strip_prefix("workload.").map(str::to_owned);
        let mut spec = listed.spec.clone();
        let mut sets = self.overrides.sets.clone();
        for (path, value) in combination {
            match (of_workload(path), &mut spec) {
                (Some(key), TraceSpec::Workload { set, .. }) => set.push((key, shown(value))),
                (Some(_), TraceSpec::File { name, .. }) => {
                    let message = format!("`{path}` is swept, but `{name}` is not a workload");
                    return Err(self.text.wrong(self.text.place_of(path), &message, None));
                }
                (None, _) => sets.push((path.clone(), value.to_string())),
            }
        }
        let mut keys = listed.keys.clone();
        keys.extend(combination.iter().map(|(path, value)| (path.clone(), shown(value))));
        let (config, json) = self.config(sets, &keys, combination)?;
        spec.fit(&config);
        let trace = self.trace(spec, combination)?;
        let functional = (trace, config.functional_key());
        let next = self.groups.len();
        let group = *self.groups.entry(functional).or_insert(next);
        self.plan.groups = self.groups.len();
        let identity = self.plan.traces[trace].identity;
        let source = format!(
            "{MODEL_VERSION}\0{}\0{:?}\0{identity:032x}\0{json}",
            self.seed, self.plan.region
        );
        let address = xxh3_128(source.as_bytes());
        self.plan.points.push(Planned { keys, config, json, trace, address, group });
        Ok(())
    }

    fn config(
        &mut self,
        sets: Vec<(String, String)>,
        keys: &[Key],
        combination: &Combination,
    ) -> Result<(Config, Json), Error> {
        if let Some(known) = self.configs.get(&sets) {
            return Ok(known.clone());
        }
        let config = self.machine.load(self.folder, &sets).map_err(|error| {
            let point: Vec<_> =
                keys.iter().map(|(path, value)| format!("{path} = {value}")).collect();
            let message = format!("no machine at {}: {error}", point.join(", "));
            // The swept path that the message names, else the machine.
            let named = combination.iter().find(|(path, _)| message.contains(&format!("{path}=")));
            let place = named.map_or("machine", |(path, _)| path);
            self.text.wrong(self.text.place_of(place), &message, None)
        })?;
        let json = serde_json::to_value(&config)
            .map_err(|error| Error::Simulation(format!("the machine cannot be stored: {error}")))?;
        self.configs.insert(sets, (config.clone(), json.clone()));
        Ok((config, json))
    }

    /// The index of `spec` among the plan's traces.
    fn trace(&mut self, spec: TraceSpec, combination: &Combination) -> Result<usize, Error> {
        if let Some(known) = self.plan.traces.iter().position(|trace| trace.spec == spec) {
            return Ok(known);
        }
        let identity = spec.identity(self.seed).map_err(|error| match &spec {
            TraceSpec::Workload { .. } => {
                let swept = combination.iter().find(|(path, _)| path.starts_with("workload."));
                let place = swept.map_or("name", |(path, _)| path);
                self.text.wrong(self.text.place_of(place), &error.to_string(), None)
            }
            TraceSpec::File { .. } => Error::Trace(error),
        })?;
        let accesses = spec.accesses(self.seed);
        self.plan.traces.push(PlannedTrace { spec, identity, accesses });
        Ok(self.plan.traces.len() - 1)
    }

    /// The study with its machine in full and its files where they are.
    fn resolved(&self, document: &Document) -> Result<Table, Error> {
        let unprintable = |error: &dyn std::fmt::Display| {
            Error::Simulation(format!("the study cannot be written: {error}"))
        };
        let text: Table = toml::from_str(self.text.text).map_err(|error| unprintable(&error))?;
        let mut table = Table::new();
        for key in ["name", "question", "warmup", "region", "limit"] {
            if let Some(value) = text.get(key) {
                table.insert(key.to_owned(), value.clone());
            }
        }
        let seed = i64::try_from(self.seed).map_err(|error| unprintable(&error))?;
        table.insert("seed".to_owned(), Value::Integer(seed));
        self.resolved_traces(document, &text, &mut table);
        for key in ["sweep", "report"] {
            if let Some(value) = text.get(key) {
                table.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(Value::Table(report)) = table.get_mut("report")
            && let Some(Value::Table(baseline)) = report.get_mut("baseline")
            && self.overrides.trace.is_some()
        {
            baseline.retain(|path, _| path != "workload" && path != "trace");
        }
        let machine = self.machine.load(self.folder, &self.overrides.sets)?;
        let machine = Table::try_from(machine).map_err(|error| unprintable(&error))?;
        table.insert("machine".to_owned(), Value::Table(machine));
        Ok(table)
    }

    fn resolved_traces(&self, document: &Document, text: &Table, table: &mut Table) {
        let file = |name: &str, path: &Path, entry: Option<&Value>| {
            let mut trace = entry.and_then(Value::as_table).cloned().unwrap_or_default();
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            trace.insert("file".to_owned(), Value::String(path.display().to_string()));
            trace.insert("name".to_owned(), Value::String(name.to_owned()));
            Value::Table(trace)
        };
        if let Some(TraceSpec::File { name, input, options }) = &self.overrides.trace {
            let mut entry = Table::new();
            if let Some(format) = options.format {
                entry.insert("format".to_owned(), Value::String(format.name().to_owned()));
            }
            let trace = file(name, &input.path(), Some(&Value::Table(entry)));
            table.insert("trace".to_owned(), Value::Array(vec![trace]));
            return;
        }
        if let Some(workloads) = text.get("workload") {
            table.insert("workload".to_owned(), workloads.clone());
        }
        let entries = text.get("trace").and_then(Value::as_array);
        let traces: Vec<Value> = document
            .trace
            .iter()
            .map(Spanned::get_ref)
            .zip(entries.into_iter().flatten())
            .map(|(entry, raw)| {
                let name = entry.name.as_ref().unwrap_or(&entry.file);
                file(name, &self.folder.join(&entry.file), Some(raw))
            })
            .collect();
        if !traces.is_empty() {
            table.insert("trace".to_owned(), Value::Array(traces));
        }
    }
}
