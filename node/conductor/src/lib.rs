//! The conductor: intake, pickup, registry, notices and sweeps, behind one facade, [`Exchange`].
//!
//! It is the only one who proposes to the cluster. It knows no HTTP and no sockets: requests come as
//! heads and octets, contents go through the content store, and what it needs of other nodes beyond
//! consensus and content it asks through [`Nodes`].

#![cfg_attr(
    test,
    allow(clippy::cast_possible_truncation, reason = "a test that fails says enough")
)]

mod authority;
mod backlog;
mod census;
mod cluster_key;
mod directory;
mod discard;
pub mod door;
mod error;
mod evidence;
mod feed;
mod fetches;
mod file_meta;
pub mod gate;
mod handed;
pub mod history;
pub mod hold;
mod hub;
mod intake;
mod leaving;
mod loops;
mod lost;
mod members;
mod notices;
mod packets;
pub mod pickup;
mod ports;
pub mod receipts;
mod reconcile;
pub mod registry;
mod riding;
mod sessions;
mod sweep;
mod tokens;
mod upload;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use certs::Keyring;
use consensus::Consensus;
use content::Content;
use model::{Histogram, Moment, NodeId, SpaceId, Stage, Tick};
use parking_lot::Mutex;

use crate::{backlog::Backlog, door::Core};

pub use authority::{AUTHORITY_PURPOSE, Authorities, AuthorityDoor};
pub use census::OpenMax;
pub use cluster_key::ClusterKeyStatus;
pub use directory::{Directory, StrangeUnit};
pub use door::Random;
pub use error::Error;
pub use feed::{Begin, End, FeedStream, Reader, Told};
pub use fetches::HandedPart;
pub use gate::{Bearer, Gate};
pub use history::{HistoryLog, HistoryStatus, Past, history_keys};
pub use intake::{Accepted, OpenRequest, Opened, Submission};
pub use loops::Conductor;
pub use lost::Lost;
pub use members::{
    Admission, DISK_FREE_WARNED_PERCENT, JOIN_TOKEN_TIME_MAX, JoinRequest, MemberStatus, Status,
    TRUST_AHEAD_WARNED_MS, TRUST_BEHIND_WARNED_MS, Warning,
};
pub use notices::{Behind, Heard, Notices, Waiting};
pub use packets::Packets;
pub use pickup::{Download, Part, Pickup, PickupProof, Pickups};
pub use ports::{KeyOctets, Nodes, SecondLife, Vitals};
pub use receipts::{FactProof, GrowthProof, Receipts};
pub use registry::{IssuedKey, NewKey, Registry, seal_secret};
pub use riding::Riding;
pub use sessions::UPLOADS_MAX;
pub use tokens::{DownloadToken, SpaceToken};
pub use upload::{NewUpload, SpaceAccess, SpaceStatus, Upload};
pub use words::{Health, MemberRole, WarningKind};

/// The largest content that may travel inside the first request: what the store takes whole (1 MiB).
///
/// It is held in memory, sealed once, until a majority has it; with the sealed copy that stays far
/// under the 8 MiB that one transfer may take.
pub const ONE_ROUND_MAX: usize = content::SMALL_MAX;

/// What the conductor is made of.
pub struct Parts {
    /// This node.
    pub node: NodeId,
    /// What all nodes agree on.
    pub consensus: Consensus,
    /// The history, which consensus adds to.
    pub history: Arc<::history::History>,
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
    /// How long a packet stays in the state after its end; then the history alone knows it.
    pub ended_kept: std::time::Duration,
    /// What one source may have under way.
    pub open_max: OpenMax,
    /// Contents that this node takes in at once, [`UPLOADS_MAX`] at the most.
    pub uploads_max: usize,
    /// Where the conductor notes the facts that this node lacks and nobody gives, for [`Vitals::facts_wanted`].
    pub facts_wanted: Arc<std::sync::atomic::AtomicU64>,
}

/// Since which tick contents that look old have been seen here without a packet that claims them.
type Unclaimed = BTreeMap<SpaceId, Tick>;

/// The doors of the platform. Cheap to clone.
#[derive(Clone)]
pub struct Exchange {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    core: Core,
    registry: Registry,
    directory: Directory,
    lost: Lost,
    notices: Notices,
    past: Past,
    packets: Packets,
    receipts: Receipts,
    hub: hub::Hub,
    uploads: sessions::Uploads,
    census: census::Census,
    gate: Arc<Gate>,
    authority: AuthorityDoor,
    pickups: Pickups,
    discards: Backlog<SpaceId>,
    unwanted: Backlog<SpaceId>,
    unclaimed: Mutex<Unclaimed>,
    /// When the log last said that contents are gone or not found.
    missing_said: Mutex<Option<tokio::time::Instant>>,
    /// Held by whoever tells the content store who votes.
    telling: Mutex<()>,
    path: Path,
}

/// How long a packet that is sent in one round takes here.
#[derive(Default)]
struct Path {
    /// Whether it will be taken is foreseen, and its content is sealed, or copied where it goes ahead.
    prepare: Histogram,
    /// The cluster's answer to the command is awaited.
    propose: Histogram,
}

impl Exchange {
    /// Opens the doors; [`Conductor::run`] does what must be done behind them.
    pub fn new(parts: Parts) -> Self {
        let core = Core {
            node: parts.node,
            consensus: parts.consensus.clone(),
            clock: parts.clock.clone(),
            random: parts.random.clone(),
        };
        let hub = hub::Hub::default();
        let past = Past::new(
            core.clone(),
            parts.history.clone(),
            parts.nodes.clone(),
            parts.facts_wanted.clone(),
        );
        let packets = Packets::new(core.clone(), past.clone());
        let keyring = parts.cluster_key.clone();
        let gate = Gate::new(core.clone(), keyring.clone(), parts.public_names.clone());
        let gate = Arc::new(gate);
        let pickups = Pickups::new(
            core.clone(),
            gate.clone(),
            parts.content.clone(),
            keyring.clone(),
            parts.nodes.clone(),
        );
        Self {
            inner: Arc::new(Inner {
                gate,
                pickups,
                authority: AuthorityDoor::new(core.clone(), keyring.clone()),
                registry: Registry::new(core.clone(), keyring.clone()),
                directory: Directory::new(core.clone()),
                lost: Lost::new(core.clone()),
                notices: Notices::new(core.clone(), hub.clone()),
                hub,
                receipts: Receipts::new(core.clone(), past.clone(), packets.clone(), keyring),
                past,
                packets,
                core,
                uploads: sessions::Uploads::new(parts.uploads_max),
                parts,
                census: census::Census::default(),
                discards: Backlog::new(backlog::DISCARDS_MAX),
                unwanted: Backlog::new(backlog::DISCARDS_MAX),
                unclaimed: Mutex::default(),
                missing_said: Mutex::default(),
                telling: Mutex::default(),
                path: Path::default(),
            }),
        }
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.core().node
    }

    /// How long packets take here and in the consensus, by stage, since the start.
    pub fn stages(&self) -> Vec<Stage> {
        let Path { prepare, propose } = &self.inner.path;
        let mut stages = vec![prepare.stage("prepare"), propose.stage("propose")];
        stages.extend(self.consensus().stages());
        stages
    }

    /// The door that every request comes in by.
    pub fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    /// The door of the authority and those before it.
    pub fn authority(&self) -> &AuthorityDoor {
        &self.inner.authority
    }

    /// The door of units, applications and keys.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// The door of whoever looks for a unit.
    pub fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    /// The door of contents that are gone.
    pub fn lost(&self) -> &Lost {
        &self.inner.lost
    }

    /// The door of whoever wants to hear what happens.
    pub fn notices(&self) -> &Notices {
        &self.inner.notices
    }

    /// The door of the history: what it has, and what others ask of it.
    pub fn past(&self) -> &Past {
        &self.inner.past
    }

    /// The door of whoever asks for packets.
    pub fn packets(&self) -> &Packets {
        &self.inner.packets
    }

    /// The door of targets.
    pub fn pickups(&self) -> &Pickups {
        &self.inner.pickups
    }

    /// The door of receipts, proofs and the keys that they are checked with.
    pub fn receipts(&self) -> &Receipts {
        &self.inner.receipts
    }

    /// The cluster's own record, once it is founded.
    pub fn cluster(&self) -> Option<machine::ClusterRecord> {
        self.core().cluster()
    }

    /// The cluster's date, whatever this node's own clock shows; its own clock before it has heard of
    /// one since its start.
    pub fn now(&self) -> Moment {
        self.core().now()
    }

    fn core(&self) -> &Core {
        &self.inner.core
    }

    fn consensus(&self) -> &Consensus {
        &self.core().consensus
    }

    fn content(&self) -> &Content {
        &self.inner.parts.content
    }

    fn random_bits(&self) -> u128 {
        self.core().random_bits()
    }

    /// Proposes a caller's command; its nonce rides in it.
    async fn propose_for(
        &self,
        caller: &auth::Signed<auth::Whole>,
        command: machine::Command,
    ) -> Result<machine::Outcome, Error> {
        Ok(self.core().propose_for(caller, command).await?)
    }

    /// Proposes a command of this node itself.
    async fn propose(&self, command: machine::Command) -> Result<machine::Outcome, Error> {
        Ok(self.core().propose(command).await?)
    }
}
