//! The machine's tests from outside: scripts, properties, fixed vectors, overlay and view.

extern crate lgsp_machine as machine;

mod budgets;
mod feeds;
mod limits;
mod office;
mod overlay;
mod properties;
mod said;
mod scripts;
mod turning;
mod vectors;
mod views;
