//! The files of a directory.

use std::path::{Path, PathBuf};

use super::entry;
use crate::error::TraceError;
use crate::formats::Input;
use crate::formats::compression::Compression;
use crate::formats::stream::Stream;

/// The most thread files of a trace.
const MOST_FILES: usize = 1 << 16;

/// The thread files of a trace, by name: those under trace/ where there is such a directory, else those
/// directly in it. Schedules, logs and whatever else lies beside them are left out.
///
/// # Errors
/// There are none.
pub fn thread_files(directory: &Path) -> Result<Vec<PathBuf>, TraceError> {
    let inner = directory.join("trace");
    let folder = if inner.is_dir() { inner } else { directory.to_owned() };
    let failed = |source| TraceError::Io { path: folder.clone(), source };
    let refused = |message: String| TraceError::Format { path: directory.to_owned(), message };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() && is_thread_file(&path) {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            return Err(refused(format!("more than {MOST_FILES} thread files")));
        }
    }
    files.sort();
    if files.is_empty() {
        let raw = directory.join("raw").is_dir();
        return Err(refused(if raw {
            "the directory holds what DynamoRIO's tracer wrote (raw/) and not yet a trace: run \
             `drrun -t drmemtrace -indir DIRECTORY` on it once, which makes trace/"
                .to_owned()
        } else {
            "expected a drmemtrace directory, found no thread file in it or under trace/".to_owned()
        }));
    }
    Ok(files)
}

/// Whether the file is one of a thread: its name says so, or its content does.
fn is_thread_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') {
        return false;
    }
    let suffix =
        |path: &Path| path.extension().map(|suffix| suffix.to_string_lossy().to_lowercase());
    let mut bare = path.to_owned();
    if suffix(path).is_some_and(|suffix| Compression::is_suffix(&suffix)) {
        bare.set_extension("");
    }
    if matches!(suffix(&bare).as_deref(), Some("trace" | "memtrace" | "drmemtrace")) {
        return true;
    }
    Stream::open(&Input::Path(path.to_owned()))
        .and_then(|mut stream| stream.peek(12).map(entry::is_likely))
        .unwrap_or(false)
}
