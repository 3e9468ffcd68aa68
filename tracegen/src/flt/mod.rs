//! The project's own container, `.flt`.

/// The first bytes of every file. As in PNG, the high bit and the line ends tell a file that was mangled
/// as text.
pub const MAGIC: [u8; 8] = *b"\x89FLT\r\n\x1a\n";
