//! The conductor: intake, pickup, registry, notices and sweeps, behind one facade, [`Exchange`].
//!
//! It is the only one who proposes to the cluster. It knows no HTTP and no sockets: requests come as
//! heads and octets, contents go through the content store, and what it needs of other nodes beyond
//! consensus and content it asks through [`Nodes`].

mod authority;
mod backlog;
mod census;
mod cluster_key;
mod discard;
mod error;
mod fetches;
mod hold;
mod intake;
mod leaving;
mod loops;
mod lost;
mod members;
mod notices;
mod pickup;
mod queries;
mod reconcile;
mod registry;
mod sweep;
mod tokens;
mod upload;
mod verify;

use std::sync::Arc;

use certs::Keyring;
use consensus::Consensus;
use content::Content;
use futures_util::future::BoxFuture;
use model::{CommandId, Moment, NodeId, SpaceId};
use parking_lot::Mutex;

use crate::backlog::Backlog;

pub use authority::Authorities;
pub use census::OpenMax;
pub use cluster_key::ClusterKeyStatus;
pub use error::Error;
pub use fetches::HandedPart;
pub use hold::Hold;
pub use intake::{Accepted, OpenRequest, Opened, Submission};
pub use loops::Conductor;
pub use members::{
    AUTHORITY_PURPOSE, Admission, JOIN_TOKEN_TIME_MAX, JoinRequest, MemberStatus, Status, Warning,
};
pub use notices::{Heard, Listener, Waiting};
pub use pickup::{Download, Part, Pickup, PickupProof};
pub use queries::StrangeUnit;
pub use registry::{IssuedKey, NewKey, seal_secret};
pub use tokens::{DownloadToken, SpaceToken};
pub use upload::{NewUpload, SpaceAccess, SpaceStatus, UPLOADS_MAX, Upload};
pub use verify::Bearer;

/// The largest content that may travel inside the first request: what the store takes whole (1 MiB).
///
/// It is held in memory, sealed once, until a majority has it; with the sealed copy that stays far
/// under the 8 MiB that one transfer may take.
pub const ONE_ROUND_MAX: usize = content::SMALL_MAX;

/// Randomness that comes in from outside, so that a simulation can steer it.
pub trait Random: Send + Sync + 'static {
    /// Fills the octets with random ones fit for keys.
    fn fill(&self, octets: &mut [u8]);
}

/// A version of the cluster key on its way to a member that lacks it.
pub type KeyOctets = zeroize::Zeroizing<[u8; 32]>;

/// What other nodes tell of themselves; the mesh answers it in production.
pub trait Nodes: Send + Sync + 'static {
    /// Asks one node; none when it does not answer in time.
    fn vitals(&self, node: NodeId) -> BoxFuture<'static, Option<Vitals>>;

    /// This node's own.
    fn own_vitals(&self) -> Vitals;

    /// Asks one member for a version of the cluster key; none when it does not answer or has none.
    fn cluster_key(&self, node: NodeId, version: u32) -> BoxFuture<'static, Option<KeyOctets>>;

    /// Asks the other nodes to destroy a content that no command will ever name. Best effort: what
    /// is not heard is destroyed by reconciliation, a day later.
    fn discard(&self, space: SpaceId) -> BoxFuture<'static, ()>;

    /// Tells the other nodes which parts of contents this one has handed out. Best effort: what is not heard
    /// leaves a delivery `accepted` until its receipt comes.
    fn tell_handed(&self, parts: Vec<HandedPart>) -> BoxFuture<'static, ()>;
}

/// What a node tells of itself.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Vitals {
    /// Its wall clock.
    #[n(0)]
    pub now: Moment,
    /// The log index that its state has applied.
    #[n(1)]
    pub applied: u64,
    /// Contents that it holds.
    #[n(2)]
    pub contents_count: u64,
    /// Free octets on the disk of its data directory.
    #[n(3)]
    pub disk_free: u64,
    /// All octets of that disk.
    #[n(4)]
    pub disk_total: u64,
    /// The version of its program.
    #[n(5)]
    pub version: String,
    /// Free octets below which it takes no contents.
    #[n(6)]
    pub disk_reserve: u64,
    /// Whether it takes part in votes and acknowledgements, as a word of [`consensus::Standing`].
    #[n(7)]
    pub standing: String,
    /// Contents that it should hold, and that nobody who answered it has.
    #[n(8)]
    pub contents_missing: u64,
    /// Second lives that it has met and refused in the last minutes.
    #[n(9)]
    pub second_lives: Vec<SecondLife>,
    /// Connections that it can serve with the descriptors that its system grants.
    #[n(10)]
    pub connections_max: u64,
    /// Connections that its configuration asks for.
    #[n(11)]
    pub connections_wanted: u64,
}

/// A node that was met in two places, as the one who met it tells.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct SecondLife {
    /// The node.
    #[n(0)]
    pub node: NodeId,
    /// Where the one lives that was known.
    #[n(1)]
    pub lives_at: String,
    /// Where the other one was refused.
    #[n(2)]
    pub refused_at: String,
}

/// What the conductor is made of.
pub struct Parts {
    /// This node.
    pub node: NodeId,
    /// What all nodes agree on.
    pub consensus: Consensus,
    /// The contents.
    pub content: Content,
    /// Seals secrets and derives tokens; it turns with the state.
    pub cluster_key: Arc<Keyring>,
    /// The wall clock of this node: what it tells the others, and what it goes by before it has heard.
    pub clock: Arc<dyn consensus::Clock>,
    /// Random octets.
    pub random: Arc<dyn Random>,
    /// The other nodes.
    pub nodes: Arc<dyn Nodes>,
    /// Names that applications may call this cluster by, as `https://lgsp.nghean.gov.vn`.
    pub public_names: auth::PublicNames,
    /// The largest content, in octets of plaintext.
    pub content_max: u64,
    /// What one source may have under way.
    pub open_max: OpenMax,
    /// Contents that this node takes in at once, [`UPLOADS_MAX`] at the most.
    pub uploads_max: usize,
}

/// The doors of the platform. Cheap to clone.
#[derive(Clone)]
pub struct Exchange {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    hub: notices::Hub,
    uploads: upload::Uploads,
    census: census::Census,
    policy: auth::Policy,
    pickups: Backlog<(model::PacketId, model::UnitCode)>,
    fetches: fetches::Fetches,
    handed: Backlog<HandedPart>,
    discards: Backlog<SpaceId>,
    unclaimed: Mutex<reconcile::Unclaimed>,
    /// When the last look for unknown keys and join tokens began.
    strangers_look: tokio::sync::Mutex<Option<tokio::time::Instant>>,
    /// When the log last said that contents are gone or not found.
    missing_said: Mutex<Option<tokio::time::Instant>>,
    /// When it was looked last whether the active version of the cluster key is lacking, and whether it was.
    key_looked: Mutex<Option<(tokio::time::Instant, bool)>>,
    /// When the doors were opened.
    opened_at: tokio::time::Instant,
    /// Room for requests that wait until a majority is there.
    waiting: tokio::sync::Semaphore,
}

impl Exchange {
    /// Opens the doors; [`Conductor::run`] does what must be done behind them.
    pub fn new(parts: Parts) -> Self {
        Self {
            inner: Arc::new(Inner {
                policy: auth::Policy::new(parts.public_names.clone()),
                uploads: upload::Uploads::new(parts.uploads_max),
                parts,
                hub: notices::Hub::default(),
                census: census::Census::default(),
                pickups: Backlog::new(sweep::PICKUPS_WAITING_MAX),
                fetches: fetches::Fetches::default(),
                handed: Backlog::new(fetches::HANDED_MAX),
                discards: Backlog::new(discard::DISCARDS_MAX),
                unclaimed: Mutex::default(),
                strangers_look: tokio::sync::Mutex::default(),
                missing_said: Mutex::default(),
                key_looked: Mutex::default(),
                opened_at: tokio::time::Instant::now(),
                waiting: tokio::sync::Semaphore::new(verify::FRESH_WAITING_MAX),
            }),
        }
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.inner.parts.node
    }

    /// The cluster's date, whatever this node's own clock shows; its own clock before it has heard of
    /// one since its start.
    pub fn now(&self) -> Moment {
        self.consensus().date().unwrap_or_else(|| self.inner.parts.clock.now())
    }

    fn consensus(&self) -> &Consensus {
        &self.inner.parts.consensus
    }

    fn content(&self) -> &Content {
        &self.inner.parts.content
    }

    /// Waits until the state says something, for at most so long; answers whether it does.
    async fn until(&self, wait_max: std::time::Duration, holds: impl Fn() -> bool) -> bool {
        let mut applied = self.consensus().watch_applied();
        let applying = async {
            while !holds() {
                if applied.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(wait_max, applying).await.unwrap_or(false)
    }

    fn random_bits(&self) -> u128 {
        let mut octets = [0; 16];
        self.inner.parts.random.fill(&mut octets);
        u128::from_be_bytes(octets)
    }

    fn command_id(&self) -> CommandId {
        CommandId::mint(self.now(), self.random_bits())
    }

    /// Proposes a command of the caller, or of this node itself where there is no proof.
    async fn propose(
        &self,
        proof: Option<machine::Proof>,
        command: machine::Command,
    ) -> Result<machine::Outcome, Error> {
        let by = match proof {
            Some(proof) => machine::Proposer::Signed(proof),
            None => machine::Proposer::Node(self.node()),
        };
        let proposal = machine::Proposal { id: self.command_id(), by, command };
        Ok(self.consensus().propose(proposal).await??)
    }
}
