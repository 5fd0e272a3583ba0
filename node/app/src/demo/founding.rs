//! The beginning of the demonstration: the first node, its administrator, and clients for all.

use std::{path::Path, time::Instant};

use client::{Client, Credentials, Options, Secret, Trust};
use model::{AccessKey, KeyAlgorithm};
use tokio::time::sleep;

use super::{
    Show,
    cluster::{Cluster, NODES},
    scene::{LOOK_EVERY, STEP_MAX},
};
use crate::{cli::Failure, profile, texts::demo as d, verbs::ADMIN_PROFILE};

/// The first node: founded, started, ready. Gives the administrator's client, for all nodes.
pub async fn found(
    show: Show,
    cluster: &mut Cluster,
) -> Result<(Client, Vec<u8>, AccessKey), Failure> {
    cluster.init().await?;
    let first = cluster.nodes[0].directory.clone();
    let loaded = profile::Loaded::read(&first.join(ADMIN_PROFILE), show.out.lang)?;
    let authority = loaded.authority()?.first().map(|der| der.to_vec()).unwrap_or_default();
    let path = first.join(loaded.profile.secret_file.clone());
    let secret = std::fs::read_to_string(&path)
        .map_err(|error| Failure::file(show.out.lang, &path, &error))?;
    let (key, secret) = (loaded.profile.access_key, Secret::new(secret.trim()));
    write_profile(show, cluster, &cluster.root.join(ADMIN_PROFILE), &authority, &key, &secret)?;
    let credentials = Credentials::hmac(key.clone(), &secret);
    let admin = client_of(show, cluster, &authority, Some(credentials), 0)?;
    cluster.start(0)?;
    ready(show, cluster, &authority, 0).await?;
    show.tell(d::FOUNDED, &[("url", &cluster.nodes[0].addresses.url())]);
    Ok((admin, authority, key))
}

/// A client for all nodes, which tries this one first.
pub fn client_of(
    show: Show,
    cluster: &Cluster,
    authority: &[u8],
    credentials: Option<Credentials>,
    first: usize,
) -> Result<Client, Failure> {
    let urls =
        (0..NODES).map(|step| cluster.nodes[(first + step) % NODES].addresses.url()).collect();
    let mut options = Options::new(urls, Trust::Authority(authority.to_vec()), credentials);
    options.language = show.out.lang.for_client();
    Client::new(options).map_err(show.refused(d::STEP_START))
}

/// Writes a profile that reaches every node.
pub fn write_profile(
    show: Show,
    cluster: &Cluster,
    path: &Path,
    authority: &[u8],
    key: &AccessKey,
    secret: &Secret,
) -> Result<(), Failure> {
    let urls = cluster.nodes.iter().filter_map(|node| node.addresses.url().parse().ok()).collect();
    let authority = [rustls_pki_types::CertificateDer::from(authority.to_vec())];
    profile::write(
        show.out.lang,
        path,
        urls,
        &authority,
        (key.clone(), KeyAlgorithm::HmacSha256),
        Some(secret),
    )
}

/// Waits until one node answers that it takes requests.
pub async fn ready(
    show: Show,
    cluster: &mut Cluster,
    authority: &[u8],
    index: usize,
) -> Result<(), Failure> {
    let trust = Trust::Authority(authority.to_vec());
    let client = Client::new(Options::new(vec![cluster.nodes[index].addresses.url()], trust, None))
        .map_err(show.refused(d::STEP_START))?;
    let deadline = Instant::now() + STEP_MAX;
    loop {
        if client.ready().await.is_ok_and(|ready| ready.ready) {
            return Ok(());
        }
        cluster.check_alive()?;
        if Instant::now() > deadline {
            let values: [(&str, &dyn std::fmt::Display); 2] =
                [("node", &cluster.nodes[index].number), ("seconds", &STEP_MAX.as_secs())];
            return Err(show.failed(d::STEP_START, show.out.fill(d::NOT_READY, &values)));
        }
        sleep(LOOK_EVERY).await;
    }
}
