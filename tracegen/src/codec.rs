//! The one place that turns metadata structures into bytes and back (bincode).
