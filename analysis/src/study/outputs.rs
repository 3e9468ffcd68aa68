//! What a reader of a study gets: the tables, the charts and the report, made from what is stored.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use toml::{Table as Toml, Value};

use super::key::Key;
use super::means::Means;
use super::plan::{Plan, shown};
use super::point::Point;
use super::sealed::{seal, unseal, write};
use super::store::{Found, Store};
use super::table::Table;
use crate::chart::raster::png;
use crate::chart::view::{NamedHeat, View};
use crate::chart::{Chart, draw_all};
use crate::error::Error;
use crate::measured::{Measured, RunResult};
use crate::report;

/// Writes `study.toml`.
///
/// # Errors
/// The file system's.
pub fn write_study(plan: &Plan, store: &Store) -> Result<(), Error> {
    let path = store.root().join("study.toml");
    let text = toml::to_string(&plan.resolved).map_err(|error| Error::results(&path, error))?;
    write(&path, text.as_bytes())
}

/// Writes the tables, the charts and the report of everything that is stored, and returns the view that
/// they were made from with a message for each damaged file.
///
/// # Errors
/// The file system's, or a chart cannot be drawn.
pub fn write_all(store: &Store, drawing: Drawing) -> Result<(View, Vec<String>), Error> {
    let study = read_study(store.root())?;
    let (points, messages) = store.points()?;
    let points: Vec<Point> = points.into_iter().map(|(_, point)| point).collect();
    let table = Table::new(&points);
    let path = store.root().join("points.csv");
    write(&path, &table.csv().map_err(|error| Error::results(&path, error))?)?;
    let path = store.root().join("points.parquet");
    write(&path, &table.parquet().map_err(|error| Error::results(&path, error))?)?;
    let means = Means::of(&study, &points);
    let path = store.root().join("means.csv");
    if means.list.is_empty() {
        remove(&path)?;
    } else {
        write(&path, &means.csv().map_err(|error| Error::results(&path, error))?)?;
    }
    let mut view = view(&study, points);
    view.means = means;
    view.heat = heat(store, &view.points)?;
    let charts = write_charts(&store.root().join("charts"), &view, drawing)?;
    let text = toml::to_string(&study).map_err(|error| Error::results(store.root(), error))?;
    let page = report::page(&view, &charts, &report::Study::of(&study, text));
    write(&store.root().join("report.html"), page.as_bytes())?;
    Ok((view, messages))
}

/// Removes a file that says what is not so any more, where there is one.
fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

fn read_study(root: &Path) -> Result<Toml, Error> {
    let path = root.join("study.toml");
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    toml::from_str(&text).map_err(|error| Error::results(&path, error))
}

fn view(study: &Toml, points: Vec<Point>) -> View {
    let name = study.get("name").and_then(Value::as_str).unwrap_or("study");
    let mut view = View::new(name, points);
    let report = study.get("report").and_then(Value::as_table);
    if let Some(metric) = report.and_then(|report| report.get("metric")).and_then(Value::as_str) {
        view.metric = metric.to_owned();
    }
    if let Some(Value::Table(baseline)) = report.and_then(|report| report.get("baseline")) {
        baseline.iter().for_each(|(path, value)| flatten(path, value, &mut view.baseline));
    }
    view
}

/// Takes unquoted dotted paths, which TOML reads as tables, apart.
fn flatten(path: &str, value: &Value, keys: &mut Vec<Key>) {
    match value {
        Value::Table(table) if !table.contains_key("policy") => {
            table.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, keys));
        }
        value => keys.push((path.to_owned(), shown(value))),
    }
}

/// The heat sample of every trace that has one.
fn heat(store: &Store, points: &[Point]) -> Result<Vec<NamedHeat>, Error> {
    let mut known: Vec<u128> = Vec::new();
    let mut all = Vec::new();
    for point in points {
        if known.contains(&point.trace) {
            continue;
        }
        known.push(point.trace);
        if let Found::Sound(sample) = store.heat(point.trace)? {
            let swept = point.keys.iter().filter_map(|(path, value)| {
                Some(format!(", {} {value}", path.strip_prefix("workload.")?))
            });
            all.push((
                format!("{}{}", point.measured.trace.name, swept.collect::<String>()),
                sample,
            ));
        }
    }
    Ok(all)
}

/// How charts are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Drawing {
    /// Busy threads at most.
    pub jobs: usize,
    /// Whether a picture that shows the same already is kept.
    pub keep: bool,
}

impl Default for Drawing {
    /// Everything, on one thread.
    fn default() -> Self {
        Self { jobs: 1, keep: false }
    }
}

/// Draws every chart into `folder`, as SVG and as PNG with two pixels for each of its units.
///
/// # Errors
/// A chart cannot be drawn or written.
pub fn write_charts(folder: &Path, view: &View, drawing: Drawing) -> Result<Vec<Chart>, Error> {
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let charts = draw_all(view)?;
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Error> {
        while let Some(chart) = charts.get(next.fetch_add(1, Ordering::Relaxed)) {
            write_chart(folder, chart, drawing.keep)?;
        }
        Ok(())
    };
    let threads = drawing.jobs.clamp(1, charts.len().max(1));
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others.into_iter().map(|other| match other.join() {
            Ok(done) => done,
            Err(payload) => std::panic::resume_unwind(payload),
        });
        joined.fold(own, Result::and)
    })?;
    Ok(charts)
}

/// Both files of a chart. The PNG is written first: where the SVG shows the same, so does the PNG.
fn write_chart(folder: &Path, chart: &Chart, keep: bool) -> Result<(), Error> {
    let svg = folder.join(format!("{}.svg", chart.name));
    let picture = folder.join(format!("{}.png", chart.name));
    let same = || std::fs::read(&svg).is_ok_and(|old| old == chart.svg.as_bytes());
    if keep && picture.is_file() && same() {
        return Ok(());
    }
    write(&picture, &png(&chart.svg, 2.0)?)?;
    write(&svg, chart.svg.as_bytes())
}

/// Writes the results of one run into `folder`: `result.json`, the charts and the report, and `by.parquet` where
/// the run was broken down.
///
/// # Errors
/// The file system's, or a chart cannot be drawn.
pub fn write_run(folder: &Path, result: &RunResult) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let unprintable = |error: serde_json::Error| Error::results(folder, error);
    let document = result.json().map_err(unprintable)?;
    let text = serde_json::to_string_pretty(&document).map_err(unprintable)?;
    if let Some(by) = &result.by {
        let path = folder.join("by.parquet");
        write(&path, &by.parquet().map_err(|error| Error::results(&path, error))?)?;
    }
    let heat = seal(&result.heat).map_err(|error| Error::results(folder, error))?;
    write(&folder.join("trace.heat"), &heat)?;
    write(&folder.join("result.json"), format!("{text}\n").as_bytes())?;
    report_run(folder).map(|_| ())
}

/// Makes charts and report of the results in `folder` again, whether of a study or of one run, and
/// returns what they show with a message for each damaged file.
///
/// # Errors
/// There are no results, or they cannot be read or written.
pub fn report(folder: &Path) -> Result<(View, Vec<String>), Error> {
    if folder.join("result.json").is_file() {
        return Ok((report_run(folder)?, Vec::new()));
    }
    write_all(&Store::open(folder)?, Drawing::default())
}

fn report_run(folder: &Path) -> Result<View, Error> {
    let path = folder.join("result.json");
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    let document: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Error::results(&path, error))?;
    let measured = Measured::from_json(&document)
        .ok_or_else(|| Error::results(&path, "it is not a result of `faultline run`"))?;
    let config = document.get("config").cloned().unwrap_or_default();
    let machine = config.get("name").and_then(serde_json::Value::as_str).unwrap_or("machine");
    let name = format!("{} on {machine}", measured.trace.name);
    let trace = measured.trace.name.clone();
    let point = Point { config: config.to_string(), measured, ..Point::default() };
    let mut view = View::new(&name, vec![point]);
    let sample = std::fs::read(folder.join("trace.heat")).ok();
    view.heat = sample
        .and_then(|bytes| unseal(&bytes).ok())
        .map(|heat| (trace, heat))
        .into_iter()
        .collect();
    let charts = write_charts(&folder.join("charts"), &view, Drawing::default())?;
    let shown =
        serde_json::to_string_pretty(&config).map_err(|error| Error::results(&path, error))?;
    let command = "faultline run --config MACHINE --trace TRACE (or --workload NAME)".to_owned();
    let study = report::Study { question: None, text: shown, command };
    let page = report::page(&view, &charts, &study);
    write(&folder.join("report.html"), page.as_bytes())?;
    Ok(view)
}
