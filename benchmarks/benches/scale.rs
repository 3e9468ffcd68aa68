//! How cost and memory grow with the length of a trace, its footprint, and its processes.
//!
//! ```sh
//! cargo bench --bench scale                        # figures and charts to results/scale
//! cargo bench --bench scale -- --output FOLDER     # or to another folder
//! cargo bench --bench scale -- --draw FOLDER       # draws FOLDER/scale.csv again
//! ```

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use analysis::chart::raster;
use benchmarks::scale::measure::{Figures, measure};
use benchmarks::scale::{Measured, Point, chart, points};

/// Measures the point of that number, in this process.
const POINT: &str = "--point";

/// A point is measured so often; its lowest cost counts, since other programs only add to it.
const REPEATS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says so.
    arguments.retain(|argument| argument != "--bench");
    if let [flag, index] = arguments.as_slice()
        && flag == POINT
    {
        let Figures { ns, peak_bytes, mapped_bytes } = measure(points()[index.parse::<usize>()?]);
        println!("{ns} {peak_bytes} {mapped_bytes}");
        return Ok(());
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let folder = match words.as_slice() {
        [] => Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/scale"),
        ["--output", folder] => std::env::current_dir()?.join(folder),
        ["--draw", folder] => {
            let folder = std::env::current_dir()?.join(folder);
            return draw(&folder, &read(&folder.join("scale.csv"))?);
        }
        [option, ..] if option.starts_with('-') => {
            let known = "--output FOLDER and --draw FOLDER";
            return Err(format!("unknown option {option}; there are {known}").into());
        }
        // The names of cases of other benchmarks.
        _ => return Ok(()),
    };
    let mut all: Vec<Measured> = Vec::new();
    for (index, point) in points().into_iter().enumerate() {
        let figures = best(index)?;
        print!("{}", line(&point, &figures));
        all.push((point, figures));
    }
    write(&folder, &all)
}

fn best(index: usize) -> Result<Figures, Box<dyn Error>> {
    let mut best: Option<Figures> = None;
    for _ in 0..REPEATS {
        let figures = apart(index)?;
        if best.is_none_or(|best| figures.ns < best.ns) {
            best = Some(figures);
        }
    }
    best.ok_or_else(|| "nothing was measured".into())
}

/// Measures a point in a process of its own.
fn apart(index: usize) -> Result<Figures, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.args([POINT, &index.to_string()]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [ns, peak, mapped] = fields.as_slice() else {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    };
    Ok(Figures { ns: ns.parse()?, peak_bytes: peak.parse()?, mapped_bytes: mapped.parse()? })
}

fn line(point: &Point, figures: &Figures) -> String {
    format!(
        "{:?},{},{},{},{},{:.1},{},{}\n",
        point.axis,
        point.pattern.name(),
        point.accesses,
        point.footprint,
        point.processes,
        figures.ns,
        figures.peak_bytes,
        figures.mapped_bytes
    )
    .to_lowercase()
}

/// What was written before, of every point in their order.
fn read(path: &Path) -> Result<Vec<Measured>, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let mut rows = text.lines().skip(1);
    let mut all = Vec::new();
    for point in points() {
        let row = rows.next().ok_or("there is no row for some point")?;
        let fields: Vec<&str> = row.split(',').collect();
        let [.., ns, peak, mapped] = fields.as_slice() else {
            return Err(format!("no row of a point: {row}").into());
        };
        let figures =
            Figures { ns: ns.parse()?, peak_bytes: peak.parse()?, mapped_bytes: mapped.parse()? };
        if line(&point, &figures).trim_end() != row {
            return Err(format!("the row of another point: {row}").into());
        }
        all.push((point, figures));
    }
    Ok(all)
}

fn write(folder: &Path, all: &[Measured]) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let mut table =
        "axis,pattern,accesses,footprint,processes,ns_per_access,peak_bytes,mapped_bytes\n"
            .to_owned();
    for (point, figures) in all {
        write!(table, "{}", line(point, figures))?;
    }
    std::fs::write(folder.join("scale.csv"), table)?;
    draw(folder, all)
}

fn draw(folder: &Path, all: &[Measured]) -> Result<(), Box<dyn Error>> {
    let chart = chart::draw(all)?;
    std::fs::write(folder.join("scale.svg"), &chart.svg)?;
    std::fs::write(folder.join("scale.png"), raster::png(&chart.svg, 2.0)?)?;
    println!("written to {}", folder.display());
    Ok(())
}
