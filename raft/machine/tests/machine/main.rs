//! The machine's tests from outside: scripts, properties, fixed vectors, overlay and view.

extern crate lgsp_machine as machine;

mod office;
mod overlay;

mod scripts;

mod views;
