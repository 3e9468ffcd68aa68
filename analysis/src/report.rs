//! One page that says what a study found: self-contained, with its charts in it.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use toml::{Table, Value};

use crate::chart::Chart;
use crate::chart::text::number;
use crate::chart::view::{View, more_is_better};
use crate::study::key::short;
use crate::study::point::Point;

/// What the page says of the study beside its points.
#[derive(Debug, Clone, Default)]
pub struct Study {
    /// What it asks.
    pub question: Option<String>,
    /// Its text, or the machine's.
    pub text: String,
    /// The command that computes it again.
    pub command: String,
}

impl Study {
    /// The study in `table`, whose text is `text`.
    pub fn of(table: &Table, text: String) -> Self {
        let question = table.get("question").and_then(Value::as_str).map(str::to_owned);
        Self { question, text, command: "faultline sweep study.toml".to_owned() }
    }
}

/// The statistics that the table of points shows after the keys and the metric.
const COLUMNS: [&str; 6] = [
    "run.ipc",
    "walker.walks",
    "walker.references_per_walk",
    "os.faults.total",
    "access_cycles.p50",
    "access_cycles.p99",
];

/// The whole page.
pub fn page(view: &View, charts: &[Chart], study: &Study) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (view.name) " – Faultline" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (view.name) }
                @if let Some(question) = &study.question { p.question { (question) } }
                @for sentence in summary(view) { p.summary { (sentence) } }
                @for sentence in mean_summary(view) { p.summary { (sentence) } }
                @for sentence in notes(view) { p.note { (sentence) } }
                @for chart in charts {
                    figure id=(chart.name) { (PreEscaped(&chart.svg)) }
                }
                h2 { "Points" }
                p { (view.points.len()) " points; a click on a heading sorts. Every statistic of every point is in points.csv and points.parquet." }
                (points(view))
                (means(view))
                h2 { "How to get this again" }
                pre { (study.command) }
                details {
                    summary { "The study, with its machine in full" }
                    pre { (study.text) }
                }
                script { (PreEscaped(SORT)) }
            }
        }
    }
    .into_string()
}

/// What a reader in a hurry wants to know.
pub fn summary(view: &View) -> Vec<String> {
    let metric = &view.metric;
    let measured = |point: &&Point| point.measured.get(metric).is_some();
    let sign = if more_is_better(metric) { -1.0 } else { 1.0 };
    let order = |point: &&Point| sign * point.measured.real(metric);
    let groups = traces(view);
    let mut sentences = Vec::new();
    for trace in &groups {
        let points = view.points.iter().filter(|point| trace_of(point) == *trace);
        let best = points.filter(measured).min_by(|a, b| order(a).total_cmp(&order(b)));
        let Some(best) = best else { continue };
        let value = number(best.measured.real(metric));
        let gain = match view.speed_up(best) {
            Some(factor) => {
                format!(", {factor:.2}× the baseline ({})", view.baseline_label())
            }
            None => String::new(),
        };
        let what = if view.varying.is_empty() {
            format!("{trace}: {metric} is {value}")
        } else {
            let label = if groups.len() > 1 {
                strip(&view.label(best, None), trace)
            } else {
                view.label(best, None)
            };
            format!("{trace}: the best {metric} is {value}, at {label}{gain}")
        };
        sentences.push(format!("{what}. {}", dominating(best)));
    }
    sentences
}

/// The best of each group's means, in a sentence.
pub fn mean_summary(view: &View) -> Vec<String> {
    let mut groups: Vec<&str> = view.means.list.iter().map(|mean| mean.group.as_str()).collect();
    groups.dedup();
    let sign = if more_is_better(&view.metric) { -1.0 } else { 1.0 };
    let sentence = |group: &str| {
        let means = view.means.list.iter().filter(|mean| mean.group == group);
        let measured = means.filter_map(|mean| Some((mean, mean.get(&view.metric)?)));
        let (mean, (arithmetic, geometric)) =
            measured.min_by(|(_, a), (_, b)| (sign * a.1).total_cmp(&(sign * b.1)))?;
        let place: Vec<_> =
            mean.keys.iter().map(|(path, value)| format!("{} {value}", short(path))).collect();
        let place =
            if place.is_empty() { String::new() } else { format!(", at {}", place.join(" · ")) };
        let gain = view.mean_speed_up(mean);
        let gain = gain.map_or_else(String::new, |factor| format!(", {factor:.2}× the baseline"));
        Some(format!(
            "{group}, {} traces: the best geometric mean of {} is {} (arithmetic {}){place}{gain}.",
            mean.traces,
            view.metric,
            number(geometric),
            number(arithmetic)
        ))
    };
    groups.into_iter().filter_map(sentence).collect()
}

/// What a reader has to know to read the numbers: what was not counted, and what was estimated.
fn notes(view: &View) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for point in &view.points {
        let (trace, uncounted) = (trace_of(point), point.measured.trace.uncounted);
        let warm =
            format!("{trace}: {uncounted} accesses warmed the machine up and are not counted.");
        if uncounted > 0 && !notes.contains(&warm) {
            notes.push(warm);
        }
        if let Some(sample) = &point.measured.sample {
            let label = if view.varying.is_empty() { trace } else { view.label(point, None) };
            notes.push(format!("{label}: {}.", sample.sentence()));
        }
    }
    notes
}

/// A label without the trace that the sentence has named already.
fn strip(label: &str, trace: &str) -> String {
    label.strip_prefix(&format!("{trace} · ")).unwrap_or(label).to_owned()
}

fn trace_of(point: &Point) -> String {
    point.measured.trace.name.clone()
}

fn traces(view: &View) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in view.points.iter().map(trace_of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The component that takes the most cycles.
fn dominating(point: &Point) -> String {
    let total = point.measured.real("run.cycles");
    let components = point
        .measured
        .statistics
        .iter()
        .filter_map(|entry| Some((entry.name.strip_prefix("cycles.")?, entry.value.as_f64())));
    match components.max_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((name, cycles)) if total > 0.0 => {
            format!(
                "There {name} takes most of the time, {:.0} % of the cycles.",
                100.0 * cycles / total
            )
        }
        _ => String::new(),
    }
}

fn points(view: &View) -> Markup {
    let keys: Vec<&str> = match view.varying.as_slice() {
        [] => Vec::new(),
        varying => varying.iter().map(|key| key.path.as_str()).collect(),
    };
    let has = |name: &&str| view.points.iter().any(|point| column(point, name).is_some());
    let mut columns: Vec<&str> = vec![view.metric.as_str()];
    columns.extend(COLUMNS.into_iter().filter(|name| *name != view.metric).filter(has));
    let with_gain = !view.baseline.is_empty();
    html! {
        div.scroll { table {
            thead { tr {
                @if keys.is_empty() { th { "trace" } }
                @for key in &keys { th { (key) } }
                @if with_gain { th { "speed-up" } }
                @for name in &columns { th { (name) } }
            } }
            tbody {
                @for point in &view.points { tr {
                    @if keys.is_empty() { td { (point.measured.trace.name) } }
                    @for key in &keys { td { (point.key(key)) } }
                    @if with_gain { td.number { @if let Some(factor) = view.speed_up(point) { (format!("{factor:.2}")) } } }
                    @for name in &columns {
                        td.number { @if let Some(value) = column(point, name) { (display(value)) } }
                    }
                } }
            }
        } }
    }
}

/// The means over the traces of groups; nothing where there are none.
fn means(view: &View) -> Markup {
    let keys: Vec<&str> = view
        .varying
        .iter()
        .map(|key| key.path.as_str())
        .filter(|path| view.means.list.iter().any(|mean| !mean.key(path).is_empty()))
        .collect();
    html! {
        @if !view.means.list.is_empty() {
            h2 { "Means" }
            p { "Weighted means over the traces of a group. The speed-up is that of geometric means. Those of every statistic are in means.csv." }
            div.scroll { table {
                thead { tr {
                    th { "group" }
                    @for key in &keys { th { (key) } }
                    th { "traces" }
                    @if !view.baseline.is_empty() { th { "speed-up" } }
                    th { (view.metric) ", arithmetic" }
                    th { (view.metric) ", geometric" }
                } }
                tbody {
                    @for mean in &view.means.list { tr {
                        td { (mean.group) }
                        @for key in &keys { td { (mean.key(key)) } }
                        td.number { (mean.traces) }
                        @if !view.baseline.is_empty() { td.number { @if let Some(factor) = view.mean_speed_up(mean) { (format!("{factor:.2}")) } } }
                        @match mean.get(&view.metric) {
                            Some((arithmetic, geometric)) => {
                                td.number { (display(arithmetic)) }
                                td.number { (display(geometric)) }
                            },
                            None => { td {} td {} },
                        }
                    } }
                }
            } }
        }
    }
}

fn column(point: &Point, name: &str) -> Option<f64> {
    point.measured.columns().find(|(own, _)| own == name).map(|(_, value)| value.as_f64())
}

fn display(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    }
}

const STYLE: &str = "body{font:16px/1.5 'DejaVu Sans',Verdana,sans-serif;color:#202124;max-width:960px;\
margin:2rem auto;padding:0 1rem}h1{font-weight:400}h2{font-weight:400;margin-top:2.5rem}\
.question{font-size:1.15rem;color:#5f6368}figure{margin:1.5rem 0}figure svg{width:100%;height:auto}\
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.8rem}\
th,td{padding:.25rem .6rem;text-align:left;border-bottom:1px solid #e4e6e9;white-space:nowrap}\
th{cursor:pointer;color:#5f6368;font-weight:400}.number{text-align:right;font-variant-numeric:tabular-nums}\
pre{background:#f5f6f7;padding:1rem;overflow-x:auto;font-size:.8rem}";

/// Sorts the table by the column whose heading is clicked: by magnitude where the cells are quantities
/// with the same order of units as the program's own, else by letters.
const SORT: &str = "(()=>{const u={B:1,KiB:1024,MiB:1048576,GiB:1073741824,ps:1e-12,ns:1e-9,us:1e-6,\
ms:1e-3,s:1};const v=t=>{const m=/^([0-9.]+)([A-Za-z]*)$/.exec(t);return m?m[1]*(u[m[2]]||1):NaN};\
document.querySelectorAll('th').forEach(h=>{const i=h.cellIndex;let d=1;h.onclick=()=>{\
const b=h.closest('table').tBodies[0];[...b.rows].sort((p,q)=>{const x=p.cells[i].textContent,\
y=q.cells[i].textContent,a=v(x),c=v(y);return d*(isNaN(a)||isNaN(c)?x.localeCompare(y):a-c)})\
.forEach(r=>b.append(r));d=-d}})})()";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{draw_all, sample};

    #[test]
    fn the_page_is_self_contained_and_has_the_answer() {
        let view = sample::view(2, 4, 2);
        let charts = draw_all(&view).unwrap();
        let study = Study { question: Some("How large?".to_owned()), ..Study::default() };
        let text = page(&view, &charts, &study);
        assert!(text.contains("How large?"));
        assert!(text.contains("bfs: the best run.cycles is"), "{:?}", summary(&view));
        assert!(text.contains("3072") && text.contains("2MiB pages"));
        assert_eq!(text.matches("<svg").count(), charts.len());
        for outside in ["href=\"http", "src=", "@import", "url("] {
            assert!(!text.contains(outside), "{outside}");
        }
    }

    #[test]
    fn the_page_says_what_was_sampled_and_what_was_not_counted() {
        let mut view = sample::view(1, 2, 1);
        let page = |view: &View| page(view, &[], &Study::default());
        assert!(!page(&view).contains("sampled") && !page(&view).contains("not counted"));
        view.points[0].measured.trace.uncounted = 77;
        view.points[0].measured.sample = Some(crate::sample::Sample {
            units: 12,
            unit: 1000,
            warm: 2000,
            period: 30_000,
            measured_instructions: 12_000,
            timed_outcomes: 1,
            outcomes: 10,
            cpi_mean: 2.0,
            ci95: (98, 102),
            relative_error: 0.02,
        });
        assert!(page(&view).contains("12 units of 1000 instructions"));
        assert!(page(&view).contains("between 98 and 102 (±2.00 %)"));
        assert!(page(&view).contains("77 accesses warmed the machine up"));
    }

    #[test]
    fn names_from_outside_are_escaped() {
        let mut view = sample::view(1, 2, 1);
        view.name = "<script>alert(1)</script>".to_owned();
        view.points[0].measured.trace.name = "<b>".to_owned();
        let charts = draw_all(&view).unwrap();
        let text = page(&view, &charts, &Study::default());
        assert!(!text.contains("<script>alert") && !text.contains("<b>"));
    }
}
