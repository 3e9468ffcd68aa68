//! Compressions that are undone on reading, each as a reader over a reader.

mod crc32c;
mod snappy;
mod zip;

use std::io::{BufRead, Read};

/// How many first bytes tell a compression.
pub const MAGIC: usize = 10;

/// What an xz stream's dictionary may cost. `xz -9` needs 65 MiB; a damaged or hostile header may ask
/// for 4 GiB.
const XZ_MEMORY: u64 = 256 << 20;

/// A compression that is undone on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952; members may follow each other.
    Gzip,
    /// The .xz format; streams may follow each other.
    Xz,
    /// RFC 8878; frames may follow each other.
    Zstandard,
    /// The LZ4 frame format; frames may follow each other.
    Lz4,
    /// Snappy's framing format, with DynamoRIO's chunks without a checksum.
    Snappy,
    /// PKZIP: the members of the archive, one after another.
    Zip,
}

impl Compression {
    /// The compression whose files start with `magic`.
    pub fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Some(Self::Snappy),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            _ => None,
        }
    }

    /// Its usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstandard => "zstd",
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
            Self::Zip => "zip",
        }
    }

    /// Whether files of this compression have the suffix `suffix`, in lower case.
    pub fn is_suffix(suffix: &str) -> bool {
        matches!(suffix, "gz" | "xz" | "zst" | "lz4" | "sz" | "zip")
    }

    /// How many decompressed bytes a compressed one may stand for, unless the user says otherwise: at most
    /// half of what a stream of one repeated byte reaches, for gzip and zip (1032), xz (about 7000) and
    /// lz4 (255). Snappy reaches 21. Traces of memory accesses come up to some hundreds, and
    /// those of simple loops in xz to a few thousands.
    pub const fn usual_expansion(self) -> u64 {
        match self {
            Self::Gzip | Self::Zip => 500,
            Self::Xz | Self::Zstandard => 3500,
            Self::Lz4 => 125,
            Self::Snappy => 100,
        }
    }

    /// A reader of what `reader` decompresses to.
    ///
    /// # Errors
    /// There is no memory for the decoder.
    pub fn undo<R: BufRead + Send + 'static>(
        self,
        reader: R,
    ) -> std::io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
            Self::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(
                    XZ_MEMORY,
                    liblzma::stream::CONCATENATED,
                )?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
            }
            // The decoder's own bound on the window is 128 MiB.
            Self::Zstandard => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
            Self::Lz4 => Box::new(Frames { inner: lz4_flex::frame::FrameDecoder::new(reader) }),
            Self::Snappy => Box::new(snappy::Snappy::new(reader)),
            Self::Zip => Box::new(zip::Zip::new(reader)),
        })
    }
}

/// LZ4 frames one after another; the decoder stops after each.
struct Frames<R: BufRead> {
    inner: lz4_flex::frame::FrameDecoder<R>,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let count = self.inner.read(buffer)?;
            if count > 0 || buffer.is_empty() || self.inner.get_mut().fill_buf()?.is_empty() {
                return Ok(count);
            }
        }
    }
}
