//! The machine's tests from outside: scripts, properties, fixed vectors, overlay and view.

#![allow(
    clippy::cast_possible_truncation,
    clippy::let_underscore_must_use,
    reason = "a test that fails says enough"
)]

extern crate lgsp_machine as machine;

mod asks;
mod budgets;
mod facts;
mod feeds;
mod leases;
mod limits;
mod office;
mod overlay;
mod properties;
mod recorded;
mod said;
mod scripts;
mod turning;
mod vectors;
mod views;
