//! Where a trace is written: a file that appears when it is complete, or standard output. Its name says
//! whether it is compressed.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::TraceError;

/// How many bytes are written at once.
const CHUNK: usize = 256 << 10;
/// xz's own default.
const XZ_LEVEL: u32 = 6;

/// An output file under a temporary name beside its own; [`Output::commit`] renames it, dropping it
/// first removes it. Standard output (`-`) and what is not a regular file (a pipe, a device) are written
/// directly.
pub struct Output {
    path: PathBuf,
    /// The temporary name and the final one.
    names: Option<(PathBuf, PathBuf)>,
    writer: BufWriter<Encoder>,
}

type Raw = Box<dyn Write + Send>;

/// What the bytes go through.
enum Encoder {
    Plain(Raw),
    Gzip(flate2::write::GzEncoder<Raw>),
    Xz(liblzma::write::XzEncoder<Raw>),
    Zstandard(zstd::stream::write::Encoder<'static, Raw>),
    /// After an error in finishing.
    Lost,
}

impl Encoder {
    /// The encoder of files that are named like `path`, over `raw`.
    fn of(path: &Path, raw: Raw) -> std::io::Result<Self> {
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        Ok(match suffix.to_ascii_lowercase().as_str() {
            "gz" => Self::Gzip(flate2::write::GzEncoder::new(raw, flate2::Compression::default())),
            "xz" => Self::Xz(liblzma::write::XzEncoder::new(raw, XZ_LEVEL)),
            "zst" => Self::Zstandard(zstd::stream::write::Encoder::new(raw, 0)?),
            _ => Self::Plain(raw),
        })
    }

    fn inner(&mut self) -> std::io::Result<&mut dyn Write> {
        match self {
            Self::Plain(raw) => Ok(raw),
            Self::Gzip(encoder) => Ok(encoder),
            Self::Xz(encoder) => Ok(encoder),
            Self::Zstandard(encoder) => Ok(encoder),
            Self::Lost => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Writes what is left of the compressed stream.
    fn finish(&mut self) -> std::io::Result<()> {
        let mut raw = match std::mem::replace(self, Self::Lost) {
            Self::Plain(raw) => raw,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Xz(encoder) => encoder.finish()?,
            Self::Zstandard(encoder) => encoder.finish()?,
            Self::Lost => return Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        raw.flush()?;
        *self = Self::Plain(raw);
        Ok(())
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.inner()?.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner()?.flush()
    }
}

impl Output {
    /// Opens the output for `path`, `-` being standard output.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Io { path: path.to_owned(), source };
        if path.as_os_str() == "-" {
            return Self::over(path, None, Box::new(std::io::stdout()));
        }
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
            return Self::over(path, None, Box::new(file));
        }
        // A symbolic link stays one: what it points to is replaced.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        let partial = target.with_file_name(name);
        let file = File::create(&partial).map_err(failed)?;
        Self::over(path, Some((partial, target)), Box::new(file))
    }

    fn over(path: &Path, names: Option<(PathBuf, PathBuf)>, raw: Raw) -> Result<Self, TraceError> {
        let path = path.to_owned();
        match Encoder::of(&path, raw) {
            Ok(encoder) => {
                Ok(Self { path, names, writer: BufWriter::with_capacity(CHUNK, encoder) })
            }
            Err(source) => Err(TraceError::Io { path, source }),
        }
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
        self.writer.get_mut().finish().map_err(failed)?;
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
