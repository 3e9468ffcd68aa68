//! Address translation hardware: TLBs, paging-structure caches and the hierarchy that they form.

pub mod format;
pub mod hierarchy;
pub mod layout;
pub mod pwc;
pub mod sequence;
pub mod settings;
pub mod switching;
pub mod tlb;

pub use hierarchy::{Found, TlbHierarchy};
pub use pwc::{PagingStructureCaches, Start};
pub use tlb::{Tlb, TlbEntry};
