//! The files that curves are written to.

use std::path::Path;

use super::{Curves, document};
use crate::chart::raster::png;
use crate::chart::size_curve;
use crate::error::Error;
use crate::study::sealed::write;

/// Writes `curve.json`, `curve.csv`, and the chart as `curve.svg` and `curve.png` into `folder`.
///
/// # Errors
/// The file system's, or the chart cannot be drawn.
pub fn write_all(folder: &Path, curves: &Curves) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let refused = |error: &dyn std::fmt::Display| Error::results(folder, error);
    let text =
        serde_json::to_string_pretty(&document::json(curves)).map_err(|error| refused(&error))?;
    let table = document::csv(curves).map_err(|error| refused(&error))?;
    let chart = size_curve::draw(curves)?;
    let picture = png(&chart.svg, 2.0)?;
    write(&folder.join("curve.json"), format!("{text}\n").as_bytes())?;
    write(&folder.join("curve.csv"), &table)?;
    write(&folder.join("curve.svg"), chart.svg.as_bytes())?;
    write(&folder.join("curve.png"), &picture)
}
