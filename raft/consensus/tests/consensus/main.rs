//! Clusters of the consensus in one process: on simulated disks with virtual time, and on real
//! files.

#![allow(clippy::cast_possible_truncation, reason = "a test that fails says enough")]

extern crate lgsp_consensus as consensus;

mod cluster;
mod cuts;
mod disk;
mod gone_back;
mod office;
mod riders;
mod rules;
mod simulated;
mod sums;
mod wire;
