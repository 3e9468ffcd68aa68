//! Where a trace is written: a file that appears when it is complete, or standard output.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::TraceError;

/// How many bytes are written at once.
const CHUNK: usize = 256 << 10;

/// An output file under a temporary name beside its own; [`Output::commit`] renames it, dropping it
/// first removes it. Standard output (`-`) and what is not a regular file (a pipe, a device) are written
/// directly.
pub struct Output {
    path: PathBuf,
    /// The temporary name and the final one.
    names: Option<(PathBuf, PathBuf)>,
    writer: BufWriter<Box<dyn Write + Send>>,
}

impl Output {
    /// Opens the output for `path`, `-` being standard output.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Io { path: path.to_owned(), source };
        if path.as_os_str() == "-" {
            return Ok(Self::over(path, None, Box::new(std::io::stdout())));
        }
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
            return Ok(Self::over(path, None, Box::new(file)));
        }
        // A symbolic link stays one: what it points to is replaced.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        let partial = target.with_file_name(name);
        let file = File::create(&partial).map_err(failed)?;
        Ok(Self::over(path, Some((partial, target)), Box::new(file)))
    }

    fn over(path: &Path, names: Option<(PathBuf, PathBuf)>, inner: Box<dyn Write + Send>) -> Self {
        Self { path: path.to_owned(), names, writer: BufWriter::with_capacity(CHUNK, inner) }
    }

    /// The output's name, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets `write` write.
    ///
    /// # Errors
    /// What `write` met, with the output's name.
    #[inline]
    pub fn with<T>(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<T>,
    ) -> Result<T, TraceError> {
        write(&mut self.writer).map_err(|source| TraceError::Io { path: self.path.clone(), source })
    }

    /// Completes the output and gives it its name.
    ///
    /// # Errors
    /// A failure to write or to rename.
    pub fn commit(&mut self) -> Result<(), TraceError> {
        let failed = |source| TraceError::Io { path: self.path.clone(), source };
        self.writer.flush().map_err(failed)?;
        if let Some((partial, target)) = &self.names {
            std::fs::rename(partial, target).map_err(failed)?;
        }
        self.names = None;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((partial, _)) = self.names.take() {
            // Nothing is left to report to; a leftover keeps its telling name.
            let _ = std::fs::remove_file(partial);
        }
    }
}
