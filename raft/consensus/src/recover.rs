//! What an operator may do at a node that does not run: see what it holds, take its memory for
//! whole, or make it the only voter, from which the others begin anew.
//!
//! Both decisions give something up that the rules keep, so no program takes them.

use std::{collections::BTreeSet, io, path::Path, sync::Arc};

use model::NodeId;
use openraft::{
    EmptyNode, Membership, RaftLogReader as _,
    entry::RaftEntry as _,
    storage::{RaftLogStorage as _, RaftLogStorageExt as _},
    vote::{RaftLeaderId as _, RaftLeaderIdExt as _},
};
use tokio::sync::mpsc;

use crate::{
    Error, FactLog, Standing, directory,
    log::file::FileLog,
    pledge::{
        Own,
        vault::{self, Vault, Word},
    },
    state::{StateDisk as _, disk::DiskState, machine::Position},
    types::{LeaderId, LogEntry, LogId, Payload, Vote},
};

/// A node whose memory is short may have voted in terms that it has forgotten; so many are left
/// behind, that it never votes twice in one, and that its history is the newer from then on.
const TERMS_LEFT_BEHIND: u64 = 1_000;

/// What a node's directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose it is.
    pub node: NodeId,
    /// Index of the last entry in its log.
    pub last_log: Option<u64>,
    /// Term of that entry: of two logs the one with the higher term is the newer, and of one term the
    /// longer.
    pub last_term: u64,
    /// Index of the last entry that it knows to be committed.
    pub committed: Option<u64>,
    /// Whether it takes part.
    pub standing: Standing,
}

/// A node's stores, in nobody's hands.
struct Stores {
    directory: std::path::PathBuf,
    log: FileLog,
    vault: Arc<dyn Vault>,
    own: Own,
}

impl Stores {
    fn open(directory: &Path, node: NodeId) -> Result<Self, Error> {
        if !directory.join("format").exists() {
            return Err(Error::LogGone { directory: directory.to_owned() });
        }
        let begun = directory::claim(directory, node)?;
        let log = FileLog::open(directory, begun, mpsc::channel(1).0)?;
        let vault = Arc::new(log.vault(directory));
        let path = vault::own_path(directory);
        let own = vault::load::<Own>(&*vault, Word::Own)
            .map_err(|source| Error::Open { path: path.clone(), source })?
            .ok_or(Error::LogGone { directory: path })?;
        Ok(Self { directory: directory.to_owned(), log, vault, own })
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Open { path: self.directory.clone(), source }
    }

    /// A term that this node has certainly not voted in.
    async fn next_term(&mut self) -> io::Result<u64> {
        let voted = self.log.read_vote().await?;
        let term = voted.map_or(0, |vote| vote.leader_id.term());
        Ok(term.saturating_add(TERMS_LEFT_BEHIND))
    }

    /// From now on the node takes part, whatever its peers remember.
    fn stand(&mut self) -> Result<(), Error> {
        self.own.place = self.vault.place().map_err(|source| self.failed(source))?;
        self.own.standing = Standing::Full;
        self.own.pledge.era = self.own.pledge.era.max(self.own.era_told).saturating_add(1);
        self.own.pledge.end = self.vault.end();
        vault::save(&*self.vault, Word::Own, &self.own).map_err(|source| self.failed(source))
    }
}

/// The history of a node that does not run: nothing is applied, so nothing is added.
struct Unchanged;

impl FactLog for Unchanged {
    fn begin(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn append(&self, _: u64, _: &[Vec<u8>]) -> io::Result<()> {
        Err(io::Error::other("the node does not run"))
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What the directory of a node that does not run holds.
pub async fn inspect(directory: &Path, node: NodeId) -> Result<Held, Error> {
    let mut stores = Stores::open(directory, node)?;
    let facts = Arc::new(Unchanged);
    let state = DiskState::open(directory, crate::options::STATE_FILES_MAX, (facts, None))?;
    let (_, position) = state.view().map_err(|source| stores.failed(source))?;
    let position = Position::decode(position.as_deref()).map_err(|source| stores.failed(source))?;
    let logged = stores.log.get_log_state().await.map_err(|source| stores.failed(source))?;
    let committed = stores.log.read_committed().await.map_err(|source| stores.failed(source))?;
    let last = logged.last_log_id;
    Ok(Held {
        node,
        last_log: last.map(|id| id.index()),
        last_term: last.map_or(0, |id| id.committed_leader_id().term()),
        committed: committed.max(position.applied).map(|id| id.index()),
        standing: stores.own.standing,
    })
}

/// Takes a node's memory for whole, whatever it has forgotten. What it had acknowledged since, and
/// no other node holds, is given up.
pub async fn trust(directory: &Path, node: NodeId) -> Result<(), Error> {
    let mut stores = Stores::open(directory, node)?;
    let failed = |source| Error::Open { path: directory.to_owned(), source };
    let term = stores.next_term().await.map_err(failed)?;
    stores.log.save_vote(&Vote::new(term, node.0)).await.map_err(failed)?;
    stores.stand()
}

/// Makes a node the only voter of its cluster, with all that its log holds. The others must not run
/// on what they hold: they are removed, and join as new ones. What they have agreed on without it is
/// given up.
pub async fn make_source(directory: &Path, node: NodeId) -> Result<(), Error> {
    let mut stores = Stores::open(directory, node)?;
    let failed = |source| Error::Open { path: directory.to_owned(), source };
    let last = stores.log.get_log_state().await.map_err(failed)?.last_log_id;
    let term = stores.next_term().await.map_err(failed)?;
    let next = last.map_or(0, |id| id.index().saturating_add(1));
    let alone = BTreeSet::from([node.0]);
    let nodes = alone.iter().map(|node| (*node, EmptyNode::default()));
    let nodes = nodes.collect::<std::collections::BTreeMap<_, _>>();
    let members = Membership::<u64, EmptyNode>::new(vec![alone], nodes)
        .map_err(|error| failed(io::Error::other(error)))?;
    let id: LogId = LogId::new(LeaderId::new_committed(term, node.0), next);
    let entry = LogEntry::new(id, Payload::Membership(members));
    stores.log.save_vote(&Vote::new_committed(term, node.0)).await.map_err(failed)?;
    let appended = stores.log.blocking_append([entry]).await;
    appended.map_err(|error| failed(io::Error::other(error)))?;
    stores.stand()
}
