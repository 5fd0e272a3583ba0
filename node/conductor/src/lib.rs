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
pub mod cluster_key;
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
pub mod intake;
mod leaving;
mod loops;
mod lost;
pub mod members;
mod notices;
mod packets;
mod pages;
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
mod voters;
mod words;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use certs::Keyring;
use consensus::Consensus;
use content::Content;
use model::{Moment, NodeId, SpaceId, Stage, Tick};
use parking_lot::Mutex;

use crate::door::Core;

pub use authority::{AUTHORITY_PURPOSE, Authorities, AuthorityDoor};
pub use census::OpenMax;
pub use cluster_key::{ClusterKeyStatus, ClusterKeys};
pub use directory::{Directory, StrangeUnit};
pub use discard::Discards;
pub use door::Random;
pub use error::Error;
pub use feed::{Begin, End, FeedStream, Reader, Told};
pub use fetches::HandedPart;
pub use gate::{Bearer, Gate};
pub use history::{HistoryLog, HistoryStatus, Past, history_keys};
pub use intake::{Accepted, Intake, ONE_ROUND_MAX, OpenRequest, Opened, Submission};
pub use loops::Conductor;
pub use lost::Lost;
pub use members::{
    Admission, DISK_FREE_WARNED_PERCENT, JOIN_TOKEN_TIME_MAX, JoinRequest, MemberStatus, Members,
    Status, TRUST_AHEAD_WARNED_MS, TRUST_BEHIND_WARNED_MS, Warning,
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
    pub ended_kept: Duration,
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
    core: Core,
    content: Content,
    nodes: Arc<dyn Nodes>,
    ended_kept: Duration,
    gate: Arc<Gate>,
    authority: Arc<AuthorityDoor>,
    cluster_keys: ClusterKeys,
    members: Members,
    registry: Registry,
    directory: Directory,
    intake: Intake,
    pickups: Pickups,
    packets: Packets,
    receipts: Receipts,
    past: Past,
    lost: Lost,
    notices: Notices,
    hub: hub::Hub,
    discards: Discards,
    voters: voters::Voters,
    uploads: Arc<sessions::Uploads>,
    census: Arc<census::Census>,
    unclaimed: Mutex<Unclaimed>,
    /// When the log last said that contents are gone or not found.
    missing_said: Mutex<Option<tokio::time::Instant>>,
}

impl Exchange {
    /// Opens the doors; [`Conductor::run`] does what must be done behind them.
    pub fn new(parts: Parts) -> Self {
        let Parts { content, cluster_key: ring, nodes, .. } = parts;
        let core = Core {
            node: parts.node,
            consensus: parts.consensus,
            clock: parts.clock,
            random: parts.random,
        };
        let (hub, voters) =
            (hub::Hub::default(), voters::Voters::new(core.clone(), content.clone()));
        let past = Past::new(core.clone(), parts.history, nodes.clone(), parts.facts_wanted);
        let packets = Packets::new(core.clone(), past.clone());
        let gate = Arc::new(Gate::new(core.clone(), ring.clone(), parts.public_names));
        let authority = Arc::new(AuthorityDoor::new(core.clone(), ring.clone()));
        let cluster_keys = ClusterKeys::new(core.clone(), ring.clone(), nodes.clone());
        let discards = Discards::new(core.clone(), content.clone(), nodes.clone());
        let uploads = Arc::new(sessions::Uploads::new(parts.uploads_max));
        let census = Arc::new(census::Census::default());
        let intake = Intake::new(intake::Needs {
            core: core.clone(),
            gate: gate.clone(),
            content: content.clone(),
            cluster_key: ring.clone(),
            uploads: uploads.clone(),
            census: census.clone(),
            discards: discards.clone(),
            voters: voters.clone(),
            content_max: parts.content_max,
            open_max: parts.open_max,
        });
        let members = Members(members::Needs {
            core: core.clone(),
            gate: gate.clone(),
            authority: authority.clone(),
            cluster_keys: cluster_keys.clone(),
            content: content.clone(),
            ring: ring.clone(),
            nodes: nodes.clone(),
        });
        let pickups =
            Pickups::new(core.clone(), gate.clone(), content.clone(), ring.clone(), nodes.clone());
        let inner = Inner {
            registry: Registry::new(core.clone(), ring.clone()),
            directory: Directory::new(core.clone()),
            lost: Lost::new(core.clone()),
            notices: Notices::new(core.clone(), hub.clone()),
            receipts: Receipts::new(core.clone(), past.clone(), packets.clone(), ring.clone()),
            content,
            nodes,
            ended_kept: parts.ended_kept,
            core,
            gate,
            authority,
            cluster_keys,
            members,
            intake,
            pickups,
            packets,
            past,
            hub,
            discards,
            voters,
            uploads,
            census,
            unclaimed: Mutex::default(),
            missing_said: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.core().node
    }

    /// How long packets take here and in the consensus, by stage, since the start.
    pub fn stages(&self) -> Vec<Stage> {
        let mut stages = self.intake().stages();
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

    /// The door of sources.
    pub fn intake(&self) -> &Intake {
        &self.inner.intake
    }

    /// The door of members.
    pub fn members(&self) -> &Members {
        &self.inner.members
    }

    /// The door of the cluster key.
    pub fn cluster_keys(&self) -> &ClusterKeys {
        &self.inner.cluster_keys
    }

    /// Contents that nothing names.
    pub fn discards(&self) -> &Discards {
        &self.inner.discards
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
        &self.inner.content
    }

    /// Proposes a command of this node itself.
    async fn propose(&self, command: machine::Command) -> Result<machine::Outcome, Error> {
        Ok(self.core().propose(command).await?)
    }
}
