//! Curves as documents: JSON and CSV.

use model::units::ByteSize;
use serde_json::{Map, Value, json};

use super::{Curve, Curves, Method, Point};

/// Curves as one JSON document. `points` are those of the first policy; where there are several, `curves`
/// has all.
pub fn json(curves: &Curves) -> Value {
    let mut document = Map::new();
    let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
    set("level", json!(curves.level.name()));
    set("trace", json!(curves.trace));
    set("stream", json!(curves.stream.name()));
    set("entry_bytes", json!(curves.entry));
    set("accesses", json!(curves.accesses));
    set("footprint", json!(curves.footprint));
    if let Some(before) = &curves.before {
        set(
            "behind",
            json!({
                "entries": before.geometry.entries,
                "ways": before.geometry.ways,
                "accesses": before.accesses,
                "misses": before.misses,
                "miss_ratio": ratio(before.misses, before.accesses),
            }),
        );
    }
    if let Some(Value::Object(first)) = curves.curves.first().map(curve) {
        document.extend(first);
    }
    if curves.curves.len() > 1 {
        document.insert("curves".to_owned(), curves.curves.iter().map(curve).collect());
    }
    if !curves.geometries.is_empty() {
        let geometries = curves.geometries.iter().map(|one| {
            json!({
                "sets": one.sets,
                "ways": one.ways,
                "entries": u64::from(one.sets) * u64::from(one.ways),
                "misses": one.misses,
                "miss_ratio": ratio(one.misses, curves.accesses),
            })
        });
        document.insert("geometries".to_owned(), geometries.collect());
    }
    Value::Object(document)
}

fn ratio(misses: u64, accesses: u64) -> f64 {
    if accesses == 0 { 0.0 } else { misses as f64 / accesses as f64 }
}

fn curve(curve: &Curve) -> Value {
    let mut document = Map::new();
    let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
    set("policy", json!(curve.policy));
    set("method", json!(curve.method.name()));
    if !curve.method.is_exact() {
        set("rate", json!(curve.rate));
        set("sampled", json!(curve.keys));
    }
    set("points", curve.points.iter().map(point).collect());
    Value::Object(document)
}

fn point(point: &Point) -> Value {
    let mut document = json!({
        "size": point.size,
        "misses": point.misses,
        "miss_ratio": point.ratio,
    });
    if let (Some(interval), Some(object)) = (point.interval, document.as_object_mut()) {
        object.insert("ci95".to_owned(), json!(interval));
    }
    document
}

/// Every point as a row: what a spreadsheet or a plotting program reads.
///
/// # Errors
/// A failure to write to memory.
pub fn csv(curves: &Curves) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "level",
        "policy",
        "method",
        "sets",
        "ways",
        "size",
        "bytes",
        "misses",
        "miss_ratio",
        "ci95_low",
        "ci95_high",
    ])?;
    let level = curves.level.name();
    for curve in &curves.curves {
        for point in &curve.points {
            let end = |at: usize| point.interval.map_or(String::new(), |ends| ends[at].to_string());
            table.write_record([
                level,
                &curve.policy,
                curve.method.name(),
                "",
                "",
                &point.size.to_string(),
                &point.size.saturating_mul(curves.entry).to_string(),
                &point.misses.to_string(),
                &point.ratio.to_string(),
                &end(0),
                &end(1),
            ])?;
        }
    }
    for one in &curves.geometries {
        let entries = u64::from(one.sets) * u64::from(one.ways);
        table.write_record([
            level,
            "lru",
            Method::Exact.name(),
            &one.sets.to_string(),
            &one.ways.to_string(),
            &entries.to_string(),
            &(entries * curves.entry).to_string(),
            &one.misses.to_string(),
            &ratio(one.misses, curves.accesses).to_string(),
            "",
            "",
        ])?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

/// What an entry is, for people: `pages of 4KiB`.
pub fn unit(curves: &Curves) -> String {
    let what = match curves.level {
        super::Level::Page => "pages",
        super::Level::Tlb => "entries for pages",
        super::Level::Line => "lines",
    };
    format!("{what} of {}", ByteSize(curves.entry))
}
