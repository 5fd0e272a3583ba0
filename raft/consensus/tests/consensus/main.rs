//! Clusters of the consensus in one process: on simulated disks with virtual time, and on real
//! files.

extern crate lgsp_consensus as consensus;

mod cluster;
mod cuts;
mod disk;
mod gone_back;
mod office;
mod simulated;
mod wire;
