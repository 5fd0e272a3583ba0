//! Founding: the first node makes the authority, the cluster key and the first administrator, and
//! writes the first entry of the log. No port is opened.

use std::sync::Arc;

use bytes::Bytes;
use certs::{Authority, Keyring, NodeKey, NodeRequest};
use conductor::HistoryLog;
use consensus::{Clock, Consensus, Lane, Network, NetworkError, SystemClock};
use futures_util::future::BoxFuture;
use history::History;
use machine::{AddApp, Command, Found, IssueKey, Proposal, Proposer};
use model::{AccessKey, AppId, CommandId, Grant, KeyAlgorithm, Moment, NodeId};

use super::{Directory, FIRST_NODE, Identity, presented};
use crate::options::{Founded, InitOptions};

/// The first administrator's application.
const ADMIN_APP: &str = "quan-tri";

/// Nobody is there yet.
struct Alone;

impl Network for Alone {
    fn request(
        &self,
        _: NodeId,
        _: Lane,
        _: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>> {
        Box::pin(std::future::ready(Err(NetworkError::Unreachable(
            "the first node is alone".into(),
        ))))
    }
}

/// Founds a cluster in an empty directory.
pub async fn init(options: InitOptions) -> anyhow::Result<Founded> {
    let directory = Directory::at(&options.config.data_dir);
    directory.create()?;
    let _lock = directory.lock()?;
    let now = SystemClock.now();
    let cluster = random_name();
    let authority = Authority::create(&cluster, machine::FIRST_AUTHORITY, now)?;
    let keyring = Keyring::new(certs::ClusterKey::generate(
        machine::FIRST_KEY_VERSION,
        &mut certs::system_random,
    ));
    let node_key = NodeKey::generate()?;
    let (names, addresses) = options.config.certificate_hosts();
    let request = NodeRequest {
        node: FIRST_NODE,
        cluster: cluster.clone(),
        request: node_key.request()?,
        names,
        addresses,
    };
    let certificate = authority.issue(&request, now)?;
    let (access_key, secret) = new_secret();
    let command = first_command(&options, &authority, &keyring, (&access_key, &secret), &request)?;

    keyring.save(&directory.cluster_key())?;
    node_key.save(&directory.node_key())?;
    let trusted = authority.certificate();
    directory.set_chain(&[certificate, trusted.clone()], trusted)?;
    write_first_entry(&directory, Command::Found(command), now).await?;
    // Last: a directory with an identity is complete.
    directory.set_identity(&Identity::new(&cluster, FIRST_NODE, Vec::new()))?;
    Ok(Founded {
        node: FIRST_NODE,
        cluster,
        authority: authority.certificate().to_vec(),
        access_key,
        secret_key: client::Secret::new(std::str::from_utf8(secret.expose())?),
    })
}

fn first_command(
    options: &InitOptions,
    authority: &Authority,
    keyring: &Keyring,
    (access_key, secret): (&AccessKey, &auth::Secret),
    node: &NodeRequest,
) -> anyhow::Result<Found> {
    let app: AppId = ADMIN_APP.parse()?;
    Ok(Found {
        name: options.cluster_name.clone(),
        zone: options.zone.clone(),
        cluster: node.cluster.clone(),
        authority: authority.certificate().to_vec(),
        authority_key_sealed: keyring.seal(conductor::AUTHORITY_PURPOSE, &authority.key_pkcs8()),
        node: presented(&options.config),
        admin: AddApp {
            app: app.clone(),
            unit: options.zone.as_str().parse()?,
            name: options.cluster_name.clone(),
            grants: [Grant::Send, Grant::Receive, Grant::Admin].into_iter().collect(),
            targets: Vec::new(),
        },
        admin_key: IssueKey {
            key: access_key.clone(),
            app,
            algorithm: KeyAlgorithm::HmacSha256,
            material: conductor::seal_secret(keyring, access_key, secret.expose()),
            legacy: false,
            hmac_sha1: false,
            sealed_under: machine::FIRST_KEY_VERSION,
        },
        node_key: certs::requested_key(&node.request)?,
        key_check: keyring.sealing().check(),
    })
}

async fn write_first_entry(
    directory: &Directory,
    command: Command,
    now: Moment,
) -> anyhow::Result<()> {
    let options = consensus::Options::new(FIRST_NODE, directory.consensus());
    let history = History::open(directory.root(), conductor::history_keys())?;
    let facts = Arc::new(HistoryLog(Arc::new(history)));
    let (alone, clock) = (Arc::new(Alone), Arc::new(SystemClock));
    let consensus = Consensus::start(options, facts, alone, clock).await?;
    let mut random = [0; 16];
    certs::system_random(&mut random);
    let id = CommandId::mint(now, u128::from_be_bytes(random));
    let answer = consensus.found(Proposal { id, by: Proposer::Node(NodeId(1)), command }).await;
    consensus.shutdown().await;
    match answer? {
        Ok(_) => Ok(()),
        Err(refusal) => anyhow::bail!("the first command was refused: {refusal}"),
    }
}

/// A new pair of keys.
fn new_secret() -> (AccessKey, auth::Secret) {
    let (mut name, mut octets) = ([0; 20], zeroize::Zeroizing::new([0; 32]));
    certs::system_random(&mut name);
    certs::system_random(&mut *octets);
    (AccessKey::from_random(name), auth::Secret::from_random(&octets))
}

/// A name that no other cluster has: 64 random bits, fit for a host name.
fn random_name() -> String {
    let mut octets = [0; 8];
    certs::system_random(&mut octets);
    format!("c{}", hex::encode(octets))
}
