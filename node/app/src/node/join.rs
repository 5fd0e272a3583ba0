//! Joining: a node shows a join token to a member, which pins the authority, and gets its number,
//! its certificate and the cluster key. The cluster brings it in once it runs.

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use certs::{Keyring, NodeKey};
use client::{Client, JoinRequest, Trust};
use rustls_pki_types::CertificateDer;

use super::{Directory, FirstPeer, Identity, presented};
use crate::options::{JoinOptions, Joined};

/// Joins a cluster from an empty directory.
pub async fn join(options: JoinOptions) -> anyhow::Result<Joined> {
    let directory = Directory::at(&options.config.data_dir);
    directory.create()?;
    let _lock = directory.lock()?;
    let node_key = NodeKey::generate()?;
    let now = presented(&options.config);
    let (dns_names, ip_addresses) = options.config.certificate_hosts();
    let request = JoinRequest {
        token: client::Secret::new(options.token.to_string()),
        name: now.name.to_string(),
        mesh_address: now.mesh_address,
        api_url: now.api_url,
        certificate_request: BASE64_STANDARD.encode(node_key.request()?),
        dns_names,
        ip_addresses,
        version: now.version,
        rules_max: now.rules_max.0,
    };
    let trust = Trust::PinnedAuthority(options.token.authority_pin());
    let client = Client::new(client::Options::new(vec![options.url.to_string()], trust, None))?;
    let joined = client.join(&request).await?;

    let decode = |text: &str, what: &'static str| BASE64_STANDARD.decode(text).context(what);
    let authority = decode(&joined.authority, "the answer's authority is no base64")?;
    // The connection was pinned; the authority in the answer must be the same.
    anyhow::ensure!(options.token.pins(&authority), "the answer names another authority");
    let certificate = decode(&joined.certificate, "the answer's certificate is no base64")?;
    let named = certs::identity_of(&certificate, &joined.cluster)?;
    anyhow::ensure!(named == joined.node, "the answer's certificate is another node's");
    let certified = certs::key_digest(&certificate)?;
    anyhow::ensure!(certified == node_key.digest(), "the answer's certificate is for another key");
    let cluster_key = decode(joined.cluster_key.expose(), "the answer's key is no base64")?;
    Keyring::from_bytes(&cluster_key)?.save(&directory.cluster_key())?;
    node_key.save(&directory.node_key())?;
    let trusted = CertificateDer::from(authority.clone());
    directory.set_chain(&[CertificateDer::from(certificate), trusted.clone()], &trusted)?;
    let first_peers = joined
        .members
        .iter()
        .map(|member| FirstPeer {
            node: member.node,
            mesh_address: member.mesh_address.clone(),
            key: member.key,
        })
        .collect();
    directory.set_identity(&Identity::new(&joined.cluster, joined.node, first_peers))?;
    Ok(Joined { node: joined.node, cluster: joined.cluster, cluster_name: joined.name, authority })
}
