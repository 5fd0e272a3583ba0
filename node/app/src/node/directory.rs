//! The data directory of a node: what lies where, whose it is, and the lock that keeps a second
//! process out.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use model::{Digest, NodeId};
use rustix::fs::{FlockOperation, flock};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

/// The version of the directory's layout and of all that is stored in it; another one is refused. Before the first
/// release an older one is not read.
const FORMAT: u32 = 2;

/// Only the owner may enter a data directory: titles and the record lie in it as they are.
const DIRECTORY_MODE: u32 = 0o700;

/// The file of the authorities' certificates in a data directory.
pub const AUTHORITY_PEM: &str = "authority.pem";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is something in the way.
    #[error("{path} is not empty", path = path.display())]
    NotEmpty {
        /// Which directory.
        path: PathBuf,
    },
    /// There is no node here.
    #[error("{path} holds no node", path = path.display())]
    NoNode {
        /// Which directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process runs on it.
    #[error("another process is using {path}", path = path.display())]
    Locked {
        /// Which directory.
        path: PathBuf,
    },
    /// A program before the first release wrote it.
    #[error("{path} has format {found}, which no release has had", path = path.display())]
    Older {
        /// Which file.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// A newer program wrote it.
    #[error("{path} has format {found}, and this program knows formats up to {FORMAT}", path = path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// The identity cannot be read.
    #[error("{path} is damaged", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: toml::de::Error,
    },
    /// The world.
    #[error("{path} cannot be used", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of keys or certificates.
    #[error("a file of keys or certificates cannot be used")]
    Certs(#[from] certs::Error),
}

/// Whose directory it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of the layout.
    pub format: u32,
    /// The cluster.
    pub cluster: String,
    /// The node.
    pub node: NodeId,
    /// All other members at the time when this node joined: whom it believes before it has a state.
    #[serde(default)]
    pub first_peers: Vec<FirstPeer>,
}

/// A node as it was known at the time of joining.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstPeer {
    /// Its number.
    pub node: NodeId,
    /// Where it was reached.
    pub mesh_address: String,
    /// The digest of its public key.
    pub key: Digest,
}

impl Identity {
    /// The identity of a new node.
    pub fn new(cluster: &str, node: NodeId, first_peers: Vec<FirstPeer>) -> Self {
        Self { format: FORMAT, cluster: cluster.to_owned(), node, first_peers }
    }
}

/// A data directory. Holding it open does not lock it; [`Directory::lock`] does.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

/// Keeps other processes out while it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Directory {
    /// The directory at a path, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Makes the directory, readable by its owner only; one with something in it is refused.
    pub fn create(&self) -> Result<(), Error> {
        use std::os::unix::fs::DirBuilderExt;
        let io = |source| Error::Io { path: self.root.clone(), source };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&self.root)
            .map_err(io)?;
        if std::fs::read_dir(&self.root).map_err(io)?.next().is_some() {
            return Err(Error::NotEmpty { path: self.root.clone() });
        }
        // One that was there keeps the mode it had, and a mode is narrowed by the umask.
        self.close().map(|_| ())
    }

    /// Makes the directory readable by its owner only. Log, state and contents below it rely on
    /// that. Answers whether it stood open until now.
    pub fn close(&self) -> Result<bool, Error> {
        use std::os::unix::fs::PermissionsExt;
        let io = |source| Error::Io { path: self.root.clone(), source };
        let mode = std::fs::metadata(&self.root).map_err(io)?.permissions().mode() & 0o777;
        if mode == DIRECTORY_MODE {
            return Ok(false);
        }
        let closed = std::fs::Permissions::from_mode(DIRECTORY_MODE);
        std::fs::set_permissions(&self.root, closed).map_err(io)?;
        Ok(mode & 0o077 != 0)
    }

    /// Keeps other processes out.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.root.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| Error::NoNode { path: self.root.clone(), source })?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| Error::Locked { path: self.root.clone() })?;
        Ok(Lock { _file: file })
    }

    /// Whose directory it is; a newer layout is refused before anything else is touched.
    pub fn identity(&self) -> Result<Identity, Error> {
        let path = self.root.join("identity.toml");
        let text = std::fs::read_to_string(&path)
            .map_err(|source| Error::NoNode { path: self.root.clone(), source })?;
        let format = toml::from_str::<Format>(&text)
            .map_err(|source| Error::Damaged { path: path.clone(), source })?;
        if format.format > FORMAT {
            return Err(Error::Newer { path, found: format.format });
        }
        if format.format < FORMAT {
            return Err(Error::Older { path, found: format.format });
        }
        toml::from_str(&text).map_err(|source| Error::Damaged { path, source })
    }

    /// Writes whose directory it is. Written last, so that a directory with it is complete.
    pub fn set_identity(&self, identity: &Identity) -> Result<(), Error> {
        let text = toml::to_string(identity).expect("an identity is made of numbers and texts");
        let path = self.root.join("identity.toml");
        Ok(certs::write_file(&path, text.as_bytes(), certs::Access::Public)?)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The node's configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join("lgsp.toml")
    }

    /// The first administrator's profile.
    pub fn admin_profile(&self) -> PathBuf {
        self.root.join("admin.toml")
    }

    /// Log and state.
    pub fn consensus(&self) -> PathBuf {
        self.root.join("consensus")
    }

    /// Where the running node is asked from its own machine.
    pub fn asks(&self) -> PathBuf {
        self.root.join("asks")
    }

    /// Contents.
    pub fn content(&self) -> PathBuf {
        self.root.join("content")
    }

    /// Where the other nodes were last known to be.
    pub fn addresses(&self) -> PathBuf {
        self.root.join("addresses.toml")
    }

    /// Which life of the node this is.
    pub fn life(&self) -> PathBuf {
        self.root.join("life.toml")
    }

    /// Whether the node was removed from its cluster: it remembers that.
    pub fn is_removed(&self) -> bool {
        self.removed().exists()
    }

    /// Remembers for ever that the node was removed from its cluster.
    pub fn set_removed(&self) -> Result<(), Error> {
        let text =
            "This node was removed from its cluster. Empty the directory to join as a new one.\n";
        Ok(certs::write_file(&self.removed(), text.as_bytes(), certs::Access::Public)?)
    }

    fn removed(&self) -> PathBuf {
        self.root.join("removed")
    }

    /// The keys that seal secrets.
    pub fn cluster_key(&self) -> PathBuf {
        self.root.join("cluster.key")
    }

    /// The node's private key.
    pub fn node_key(&self) -> PathBuf {
        self.root.join("node.key")
    }

    /// What the node shows in TLS, PEM: its own certificate first, then those of authorities.
    pub fn node_chain(&self) -> PathBuf {
        self.root.join("node.pem")
    }

    /// The authority that certifies, PEM: whom applications are to trust. They take it from here; the node
    /// keeps it up to date.
    pub fn authority(&self) -> PathBuf {
        self.root.join(AUTHORITY_PEM)
    }

    /// Writes what the node shows and whom it trusts.
    pub fn set_chain(
        &self,
        chain: &[CertificateDer<'_>],
        authority: &CertificateDer<'_>,
    ) -> Result<(), Error> {
        let authority = std::slice::from_ref(authority);
        for (path, certificates) in [(self.authority(), authority), (self.node_chain(), chain)] {
            let pem = certs::certificates_to_pem(certificates);
            certs::write_file(&path, pem.as_bytes(), certs::Access::Public)?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_kept_out() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::at(temp.path().join("n1"));
        directory.create().expect("a new directory");
        let lock = directory.lock().expect("nobody else");
        assert!(matches!(directory.lock(), Err(Error::Locked { .. })));
        drop(lock);
        directory.lock().expect("free again");
        assert!(matches!(directory.create(), Err(Error::NotEmpty { .. })));
    }

    /// F12 of the attack: `mkdir -m 755 d; lgsp init --data-dir d`.
    #[test]
    fn a_directory_that_was_there_is_closed() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().expect("a temporary directory");
        let root = temp.path().join("n1");
        let open = || {
            std::fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).expect("our own");
        };
        let mode = || std::fs::metadata(&root).expect("it is there").permissions().mode() & 0o777;
        std::fs::create_dir(&root).expect("a directory");
        open();
        let directory = Directory::at(&root);
        directory.create().expect("it is empty");
        assert_eq!(mode(), 0o700);
        assert!(!directory.close().expect("our own"), "it is closed already");
        open();
        assert!(directory.close().expect("our own"));
        assert_eq!(mode(), 0o700);
    }

    #[test]
    fn another_layout_is_refused() {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let directory = Directory::at(temp.path());
        assert!(matches!(directory.identity(), Err(Error::NoNode { .. })));
        let identity = Identity::new("c0ffee", NodeId(3), Vec::new());
        directory.set_identity(&identity).expect("written");
        assert_eq!(directory.identity().expect("just written"), identity);
        std::fs::write(temp.path().join("identity.toml"), "format = 99\nshape = \"new\"\n")
            .expect("written");
        assert!(matches!(directory.identity(), Err(Error::Newer { found: 99, .. })));
        std::fs::write(temp.path().join("identity.toml"), "format = 1\nshape = \"old\"\n")
            .expect("written");
        assert!(matches!(directory.identity(), Err(Error::Older { found: 1, .. })));
    }
}
