//! Curves as text for reading.

use analysis::curve::document::unit;
use analysis::curve::geometry::Geometry;
use analysis::curve::{Curve, Curves};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use model::units::ByteSize;

/// Curves and geometries under a line that says what they are of.
pub fn text(curves: &Curves) -> String {
    let about = if curves.is_sampled() { "about " } else { "" };
    let mut text = format!(
        "{}: {} references ({}), {about}{} {} touched\n",
        curves.trace,
        curves.accesses,
        curves.stream.name(),
        curves.footprint,
        unit(curves),
    );
    if let Some(before) = &curves.before {
        let first = before.geometry;
        text.push_str(&format!(
            "behind {} entries of {} ways, which missed {} of {}\n",
            first.entries, first.ways, before.misses, before.accesses
        ));
    }
    for curve in &curves.curves {
        text.push_str(&format!(
            "\n{}, {}\n{}\n",
            curve.policy,
            method(curve),
            points(curve, curves)
        ));
    }
    if !curves.geometries.is_empty() {
        text.push_str(&format!("\nmiss ratio by sets and ways, exact\n{}\n", geometries(curves)));
    }
    text
}

/// How the numbers of a curve came about, in words.
fn method(curve: &Curve) -> String {
    match curve.method.is_exact() {
        true => curve.method.name().to_owned(),
        false => format!(
            "{}: {} sampled at a rate of {:.3e}; 95 % intervals",
            curve.method.name(),
            curve.keys,
            curve.rate
        ),
    }
}

fn blank() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn print(mut table: Table) -> String {
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table.trim_fmt()
}

fn points(curve: &Curve, curves: &Curves) -> String {
    let mut table = blank();
    let mut head = vec!["size", "covers", "misses", "miss ratio"];
    if !curve.method.is_exact() {
        head.extend(["from", "to"]);
    }
    table.set_header(head);
    for point in &curve.points {
        let mut row = vec![
            point.size.to_string(),
            ByteSize(point.size.saturating_mul(curves.entry)).to_string(),
            point.misses.to_string(),
            format!("{:.6}", point.ratio),
        ];
        row.extend(point.interval.iter().flatten().map(|end| format!("{end:.6}")));
        table.add_row(row);
    }
    print(table)
}

/// A row a number of sets, a column a number of ways; of many ways the powers of two and the last.
fn geometries(curves: &Curves) -> String {
    let most = curves.geometries.iter().map(|one| one.ways).max().unwrap_or(0);
    let shown = |ways: &u32| most <= 8 || ways.is_power_of_two() || *ways == most;
    let ways: Vec<u32> = (1..=most).filter(shown).collect();
    let mut table = blank();
    let label = |ways: &u32| if *ways == 1 { "1 way".to_owned() } else { format!("{ways} ways") };
    table.set_header(std::iter::once("sets".to_owned()).chain(ways.iter().map(label)));
    for row in curves.geometries.chunk_by(|a, b| a.sets == b.sets) {
        let Some(first) = row.first() else { continue };
        let ratio =
            |one: &Geometry| format!("{:.4}", one.misses as f64 / curves.accesses.max(1) as f64);
        let cells = row.iter().filter(|one| shown(&one.ways)).map(ratio);
        table.add_row(std::iter::once(first.sets.to_string()).chain(cells));
    }
    print(table)
}
