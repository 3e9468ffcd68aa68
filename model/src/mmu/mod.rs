//! Address translation hardware: TLBs, paging-structure caches and the walker's view of a table.

pub mod settings;
