//! Physical memory: who owns which frame.

mod buddy;
pub mod initial;
mod table;
mod table_space;
mod zones;

pub use buddy::{Buddy, ORDERS};
pub use table::{Frame, FrameTable, grow};
pub use table_space::TableSpace;
pub use zones::{Blocks, Zones};

/// No frame, no slot.
pub const NONE: u32 = u32::MAX;
