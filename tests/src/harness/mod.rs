//! The harness: real node processes on loopback, what a scene does with them, and their end.
//!
//! Each cluster has a directory of its own and free ports; everything ends with the value that
//! owns it, each process by its own id. Nothing here waits by the clock: [`eventually`] asks
//! again and again whether something is so, up to a deadline.

mod cluster;
mod loot;
mod network;
mod parties;
mod process;
mod traffic;
mod wait;

pub use app::trial::{Found, Searched, forms_of, free_port, search};
pub use cluster::{Cluster, Layout};
pub use loot::Loot;
pub use network::{CLIENT, Network};
pub use parties::{Accepted, Party, digest_of};
pub use process::{NodeProcess, Place, Program};
pub use traffic::{Ledger, Sent, Traffic};
pub use wait::{answered, eventually, eventually_quick};
