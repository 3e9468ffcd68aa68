//! The project's own container, `.flt`: blocks of up to 65,536 records in columns, each compressed and
//! under a checksum, an index and a trailer. `docs/flt.md` has the layout byte by byte.

mod column;
mod decode;
mod encode;
mod event;
pub mod index;
pub mod layout;
mod predict;
pub mod read;
pub mod write;

pub use layout::MAGIC;
pub use read::Reader;
pub use write::Writer;

#[cfg(test)]
mod tests;
