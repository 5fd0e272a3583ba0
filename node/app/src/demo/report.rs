//! What the demonstration has seen, for people and as one JSON document.

use std::path::PathBuf;

use model::{AccessKey, Digest, NodeId, PacketId, UnitCode};
use serde::Serialize;

use crate::verbs::Step;

/// The whole demonstration.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether everything went as it must.
    pub ok: bool,
    /// How long it took.
    pub seconds: f64,
    /// The nodes.
    pub nodes: Vec<NodeReport>,
    /// The units registered.
    pub units: u64,
    /// The packets and their ways.
    pub packets: Vec<PacketReport>,
    /// The large file.
    pub upload: UploadReport,
    /// The leader that was killed.
    pub killed: KilledReport,
    /// The purge.
    pub purge: PurgeReport,
    /// The search for the canary.
    pub canary: CanaryReport,
    /// The administrator's key.
    pub admin: KeyReport,
    /// The offices' keys.
    pub offices: Vec<OfficeReport>,
    /// The next commands.
    pub next: Vec<String>,
}

/// One node.
#[derive(Debug, Serialize)]
pub struct NodeReport {
    /// Its number.
    pub node: NodeId,
    /// Its API.
    pub url: String,
    /// Its mesh.
    pub mesh: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Its data directory.
    pub data_dir: PathBuf,
}

/// One packet.
#[derive(Debug, Serialize)]
pub struct PacketReport {
    /// The packet.
    pub packet: PacketId,
    /// Its title.
    pub title: String,
    /// Its source.
    pub source: UnitCode,
    /// Its targets.
    pub targets: Vec<UnitCode>,
    /// Its size.
    pub size: u64,
    /// Its digest, equal where it was sent and where it was received.
    pub digest: Digest,
    /// Its state.
    pub state: String,
    /// From its beginning to the last receipt.
    pub milliseconds: u64,
    /// Its way.
    pub way: Vec<Step>,
    #[serde(skip)]
    pub lines: Vec<String>,
}

/// The large file.
#[derive(Debug, Clone, Serialize)]
pub struct UploadReport {
    /// Its packet.
    pub packet: PacketId,
    /// Its size.
    pub size: u64,
    /// How long it was sent.
    pub seconds: f64,
    /// How often it went on after a failure.
    pub resumed: u32,
}

/// The leader that was killed.
#[derive(Debug, Clone, Serialize)]
pub struct KilledReport {
    /// Which.
    pub node: NodeId,
    /// Its process.
    pub pid: Option<u32>,
    /// How much of the large file was sent.
    pub at_offset: u64,
    /// Until another write succeeded.
    pub writes_again_milliseconds: u64,
    /// Who leads now.
    pub new_leader: Option<NodeId>,
}

/// The purge.
#[derive(Debug, Clone, Serialize)]
pub struct PurgeReport {
    /// What the killed node owed when it came back.
    pub debt_of_killed: u64,
    /// From its start until it owed nothing.
    pub paid_milliseconds: u64,
    /// What a target is answered that fetches again.
    pub fetch_again_status: u16,
}

/// The search for the canary.
#[derive(Debug, Clone, Serialize)]
pub struct CanaryReport {
    /// Where it was searched for: the nodes' directories, and the one of their logs.
    pub directories: Vec<PathBuf>,
    /// The files searched.
    pub files: u64,
    /// Their octets.
    pub octets: u64,
    /// Where it was found on a node: nowhere.
    pub found: Vec<PathBuf>,
    /// In how many received files it was found, so that the search can be trusted.
    pub control: usize,
}

/// A key, by its public name and its profile.
#[derive(Debug, Clone, Serialize)]
pub struct KeyReport {
    /// The access key.
    pub access_key: AccessKey,
    /// The profile to use it with.
    pub profile: PathBuf,
}

/// An office of the trial.
#[derive(Debug, Clone, Serialize)]
pub struct OfficeReport {
    /// Its code.
    pub unit: UnitCode,
    /// Its name.
    pub name: String,
    /// Its access key.
    pub access_key: AccessKey,
    /// The profile to use it with.
    pub profile: PathBuf,
}
