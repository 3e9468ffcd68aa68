//! Memory in nodes: what both halves have to know of them.
//!
//! Physical memory is the nodes' memory one after another, in the order of the configuration. Which node a
//! page goes to is the function half's business ([`Zones`](crate::os::frames::Zones)), how long its memory
//! takes the time half's.

pub mod settings;
