//! What may be done to a node's log while the node does not run.

use std::path::Path;

use consensus::Held;

use super::{Directory, Lock};

/// The directory, with other processes kept out.
fn locked(path: &Path) -> anyhow::Result<(Directory, model::NodeId, Lock)> {
    let directory = Directory::at(path);
    let node = directory.identity()?.node;
    let lock = directory.lock()?;
    Ok((directory, node, lock))
}

/// What a node's log holds.
pub async fn held(path: &Path) -> anyhow::Result<Held> {
    let (directory, node, _lock) = locked(path)?;
    Ok(consensus::inspect(&directory.consensus(), node).await?)
}

/// Takes a node's memory for whole.
pub async fn trust(path: &Path) -> anyhow::Result<()> {
    let (directory, node, _lock) = locked(path)?;
    Ok(consensus::trust(&directory.consensus(), node).await?)
}

/// Makes a node the only voter of its cluster.
pub async fn make_source(path: &Path) -> anyhow::Result<()> {
    let (directory, node, _lock) = locked(path)?;
    Ok(consensus::make_source(&directory.consensus(), node).await?)
}
