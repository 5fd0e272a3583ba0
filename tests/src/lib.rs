//! Whole-cluster tests: a harness of real processes, a lean client, and the load tool.
//!
//! The scenes are in `tests/`; what they and the load tool share is here. No rule of the platform
//! is written here: it is asked of the nodes, from outside.

pub mod harness;
pub mod load;
pub mod wire;
