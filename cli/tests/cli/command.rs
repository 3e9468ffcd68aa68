//! Runs the command in a folder of its own.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tracegen::batch::Batch;
use tracegen::formats::{self, Format};
use tracegen::metadata::Metadata;
use tracegen::record::Record;

/// What a run of the command left.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Standard output as the one JSON document that it has to be.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that the input was refused in the way that every refusal has, and returns the message.
    pub fn refusal(&self) -> &str {
        assert_eq!(self.code, 2, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        &self.stderr
    }
}

/// A folder in which commands run.
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The names in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Writes `records` as a trace.
    pub fn write_trace(&self, name: &str, records: impl IntoIterator<Item = Record>) {
        let mut sink =
            formats::create(&self.path(name), Format::Flt, &Metadata::default()).unwrap();
        let mut batch = Batch::new();
        for record in records {
            batch.push(record);
            if batch.is_full() {
                sink.write(&batch).unwrap();
                batch.clear();
            }
        }
        sink.write(&batch).unwrap();
        sink.finish().unwrap();
    }

    /// Runs the command with the words of `line`.
    pub fn run(&self, line: &str) -> Ran {
        self.pipe(line, "")
    }

    /// Runs the command with the words of `line` and `input` as standard input.
    pub fn pipe(&self, line: &str, input: impl AsRef<[u8]>) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_faultline"))
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.as_ref().to_vec();
        // The command may end without having read it all.
        let feed = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feed.join().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `run` with the words of `line` and returns the JSON document.
    pub fn simulate(&self, line: &str) -> Value {
        self.run(&format!("run --format json {line}")).json()
    }
}

/// The statistic `name` of the result document `result`.
pub fn stat(result: &Value, name: &str) -> f64 {
    result["stats"][name].as_f64().unwrap_or_else(|| panic!("no statistic {name}"))
}

/// The statistic `name`, which is a count.
pub fn count(result: &Value, name: &str) -> u64 {
    result["stats"][name].as_u64().unwrap_or_else(|| panic!("no count {name}"))
}
