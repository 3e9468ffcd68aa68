//! How many instructions the cases take, beside the committed baseline.
//!
//! ```sh
//! cargo bench --bench instructions                 # all cases; fails if one is outside the band
//! cargo bench --bench instructions -- tlb walk     # those whose names contain one of the words
//! cargo bench --bench instructions -- --save       # and makes the counts the baseline
//! ```

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use benchmarks::baseline::{self, BAND, Baseline, Verdict};
use benchmarks::{Case, callgrind, cases, measured_round};

/// Runs one round of the case that follows.
const ROUND: &str = "--round";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says so.
    arguments.retain(|argument| argument != "--bench");
    if let [flag, name] = arguments.as_slice()
        && flag == ROUND
    {
        return round(name);
    }
    let count = arguments.len();
    arguments.retain(|argument| argument != "--save");
    let save = arguments.len() < count;
    if let Some(option) = arguments.iter().find(|argument| argument.starts_with('-')) {
        eprintln!("unknown option {option}; there is --save");
        return ExitCode::from(2);
    }
    let mut chosen = cases::all();
    chosen.retain(|case| {
        arguments.is_empty() || arguments.iter().any(|word| case.name.contains(word.as_str()))
    });
    if !callgrind::is_installed() {
        println!("valgrind is not installed (apt-get install valgrind): nothing is counted");
        return ExitCode::SUCCESS;
    }
    match report(&chosen, arguments.is_empty(), save) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn round(name: &str) -> ExitCode {
    let Some(case) = cases::all().into_iter().find(|case| case.name == name) else {
        eprintln!("there is no case {name}");
        return ExitCode::from(2);
    };
    measured_round(&mut case.prepare());
    ExitCode::SUCCESS
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.csv")
}

/// Counts, prints a line a case, and compares or saves.
fn report(chosen: &[Case], all: bool, save: bool) -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(path()).unwrap_or_default();
    let committed = Baseline::parse(&text).map_err(|error| format!("instructions.csv: {error}"))?;
    let machine = baseline::machine();
    let comparable = committed.machine == machine;
    let (mut complaints, mut fresh) = (Vec::new(), committed.clone());
    counted(chosen, |case, count| {
        let change = match committed.verdict(&case.name, count) {
            _ if !comparable => String::new(),
            Verdict::Within(change) => format!("{change:+.2} %"),
            Verdict::Outside(change) => {
                complaints.push(format!("{}: {change:+.1} %", case.name));
                format!("{change:+.2} %  <--")
            }
            Verdict::Unknown => {
                complaints.push(format!("{}: not in the baseline", case.name));
                "new".to_owned()
            }
        };
        let each = count as f64 / case.elements as f64;
        println!("{:<34}{count:>13}{each:>11.1} each   {change}", case.name);
        fresh.counts.insert(case.name.clone(), count);
    })?;
    if save {
        if all {
            fresh.counts.retain(|name, _| chosen.iter().any(|case| case.name == *name));
        } else if !comparable {
            return Err(format!("counts of {machine} cannot be mixed with others: save all"));
        }
        (fresh.machine, fresh.compiler) = (machine, compiler());
        std::fs::write(path(), fresh.to_text()).map_err(|error| error.to_string())?;
        println!("saved to {}", path().display());
        return Ok(ExitCode::SUCCESS);
    }
    if !comparable {
        println!("not compared: the baseline is of {}, this is {machine}", committed.machine);
        return Ok(ExitCode::SUCCESS);
    }
    Ok(verdict(&complaints, &committed.compiler))
}

fn verdict(complaints: &[String], compiler_before: &str) -> ExitCode {
    if complaints.is_empty() {
        println!("all within {BAND} % of the baseline");
        return ExitCode::SUCCESS;
    }
    eprintln!("\noutside {BAND} % of the baseline:");
    for complaint in complaints {
        eprintln!("    {complaint}");
    }
    let compiler = compiler();
    if compiler != compiler_before {
        eprintln!("The baseline was made by {compiler_before}, this program by {compiler}.");
    }
    eprintln!(
        "If this is meant, make it the baseline and commit benchmarks/instructions.csv:\n    \
         cargo bench --bench instructions -- --save"
    );
    ExitCode::FAILURE
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "an unknown compiler".to_owned())
}

/// Counts on every core, and hands the counts to `each` in the order of the cases.
fn counted(chosen: &[Case], mut each: impl FnMut(&Case, u64)) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let names: Vec<&str> = chosen.iter().map(|case| case.name.as_str()).collect();
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, names, next, program) = (sender.clone(), &names, &next, &program);
            scope.spawn(move || {
                while let Some((index, name)) = take(names, next) {
                    let count = callgrind::count(program, &[ROUND, name]);
                    let failed = count.is_err();
                    if sender.send((index, count)).is_err() || failed {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = std::collections::BTreeMap::new();
        let mut expected = 0;
        for (index, count) in receiver {
            let name = names[index];
            early.insert(index, count.map_err(|error| format!("{name}: {error}"))?);
            while let Some(count) = early.remove(&expected) {
                each(&chosen[expected], count);
                expected += 1;
            }
        }
        Ok(())
    })
}

/// The next case that nobody has taken.
fn take<'a>(names: &[&'a str], next: &AtomicUsize) -> Option<(usize, &'a str)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    names.get(index).map(|&name| (index, name))
}
