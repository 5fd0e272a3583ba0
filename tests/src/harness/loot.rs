//! What somebody has who copied the directory of a node: its keys, its state, and with them the
//! authority of the cluster.

use std::{
    fs,
    future::{Future, ready},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use certs::{Authority, Keyring, NodeKey, NodeRequest};
use consensus::{Clock, Consensus, Lane, Network, NetworkError, SystemClock};
use machine::{AuthorityRecord, ClusterRecord, KeyRecord, View};
use model::{Moment, NodeId};
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;

use super::eventually;

/// How long the copy's log may take to be applied.
const READ_TIME_MAX: Duration = Duration::from_secs(60);

/// A copy of a node's directory, opened.
pub struct Loot {
    /// The cluster as the copy's state knows it.
    pub cluster: ClusterRecord,
    /// Its authorities.
    pub authority: AuthorityRecord,
    /// The keys of applications.
    pub keys: Vec<KeyRecord>,
    /// The cluster key.
    pub keyring: Keyring,
    directory: TempDir,
}

impl Loot {
    /// Copies the directory of a node that does not run, and reads the copy.
    pub async fn take(data: &Path, node: NodeId) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        copy_all(data, directory.path())?;
        let path = directory.path().join("consensus");
        let options = consensus::Options::new(node, path);
        let history = history::History::open(directory.path(), conductor::history_keys())?;
        let facts = Arc::new(conductor::HistoryLog(Arc::new(history)));
        let (alone, clock) = (Arc::new(Alone), Arc::new(SystemClock));
        let consensus = Consensus::start(options, facts, alone, clock).await?;
        let record = eventually("the state knows its cluster", READ_TIME_MAX, async || {
            let view = consensus.view();
            Some((View::new(&*view).cluster()?, View::new(&*view).authority()?))
        })
        .await;
        let keys = View::new(&*consensus.view()).keys(None, usize::MAX);
        consensus.shutdown().await;
        let keyring = Keyring::load(&directory.path().join("cluster.key"))?;
        let (cluster, authority) = record?;
        Ok(Self { cluster, authority, keys, keyring, directory })
    }

    /// A file of the copy.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The cluster's authority, whose key the cluster key opens.
    pub fn open_authority(&self) -> Result<Authority> {
        let sealed = &self.authority.key_sealed;
        let key = self.keyring.open(conductor::AUTHORITY_PURPOSE, sealed)?;
        Ok(Authority::from_parts(&self.authority.certificate, &key)?)
    }

    /// A certificate of that authority for any number, and a new key.
    pub fn forge(&self, node: NodeId) -> Result<(CertificateDer<'static>, NodeKey)> {
        let key = NodeKey::generate()?;
        let request = NodeRequest {
            node,
            cluster: self.cluster.cluster.clone(),
            request: key.request()?,
            names: Vec::new(),
            addresses: vec![[127, 0, 0, 1].into()],
        };
        let now: Moment = SystemClock.now();
        Ok((self.open_authority()?.issue(&request, now)?, key))
    }

    /// What the mesh of the node had been.
    pub fn own(&self) -> Result<(CertificateDer<'static>, NodeKey)> {
        let chain = certs::certificates_from_pem(&self.file("node.pem"))?;
        Ok((chain[0].clone(), NodeKey::load(&self.file("node.key"))?))
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The copy speaks to nobody.
struct Alone;

impl Network for Alone {
    fn request(
        &self,
        _: NodeId,
        _: Lane,
        _: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, NetworkError>> + Send>> {
        Box::pin(ready(Err(NetworkError::Unreachable("a copy is alone".into()))))
    }
}
