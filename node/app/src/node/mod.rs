//! The node itself: founded, joined, run.

mod asks;
mod book;
mod descriptors;
mod directory;
mod gauges;
mod grants;
mod greeting;
mod init;
mod join;
mod keeper;
mod life;
mod meeting;
mod members;
mod memory;
mod outcast;
mod recover;
mod reload;
mod renewal;
mod run;
mod threads;
mod tls;

use machine::NewNode;
use model::NodeId;

use crate::config::Config;

pub use asks::{Answer, Ask, ask};
pub use descriptors::Descriptors;
pub use directory::{AUTHORITY_PEM, Directory, Error as DirectoryError, FirstPeer, Identity, Lock};
pub use grants::{Grant, TooFew};
pub use init::init;
pub use join::join;
pub use meeting::Meeting;
pub use members::{Told, tell};
pub use memory::Memory;
pub use outcast::Outcast;
pub use recover::{held, make_source, trust};
pub use renewal::Renewal;
pub use run::run;
pub use threads::Threads;

/// The first node of a cluster.
const FIRST_NODE: NodeId = NodeId(1);

/// The node as it presents itself to the cluster.
fn presented(config: &Config) -> NewNode {
    NewNode {
        name: config.name.clone(),
        mesh_address: config.mesh.advertise.to_string(),
        api_url: config.api.public_urls.first().map(ToString::to_string).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rules_max: machine::RULES_KNOWN,
    }
}
