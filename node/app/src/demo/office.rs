//! An office of the trial: it hears of packets by SSE, fetches, checks and confirms them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use client::{Accepted, Client, EventKind, Start};
use model::{Digest, PacketId, UnitCode};
use tokio::{sync::mpsc, task::JoinHandle};

/// How many failures in a row an office puts up with: nodes die here on purpose.
const FAILURES_MAX: u32 = 5;
/// How long a content may stand still: longer than the election after a node was killed.
const STILL_MAX: Duration = Duration::from_secs(30);

/// What an office has to say.
#[derive(Debug)]
pub enum Heard {
    /// It listens.
    Listening,
    /// It has received and confirmed a packet.
    Received(Box<Received>),
    /// It cannot go on.
    Failed(UnitCode, client::Error),
}

/// A packet that was received and confirmed.
#[derive(Debug, Clone)]
pub struct Received {
    /// The office.
    pub unit: UnitCode,
    /// The packet.
    pub packet: PacketId,
    /// The digest of what lies in the file.
    pub digest: Digest,
    /// What allowed fetching it.
    pub accepted: Accepted,
    /// When it was confirmed.
    pub at: Instant,
}

/// Lets an office listen until its task is aborted.
pub fn listen(
    unit: UnitCode,
    client: Client,
    directory: PathBuf,
    heard: mpsc::Sender<Heard>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = receive_all(&unit, &client, &directory, &heard).await {
            // Whoever is gone does not want to hear of it.
            heard.send(Heard::Failed(unit, error)).await.ok();
        }
    })
}

async fn receive_all(
    unit: &UnitCode,
    client: &Client,
    directory: &Path,
    heard: &mpsc::Sender<Heard>,
) -> Result<(), client::Error> {
    let mut events = client.events(Start::Now);
    let (mut seen, mut failures) = (BTreeSet::new(), 0);
    loop {
        let event = match events.next().await {
            Ok(event) => event,
            Err(error) if error.may_retry() && failures < FAILURES_MAX => {
                failures += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        failures = 0;
        match (event.kind(), event.packet()) {
            (EventKind::SessionStarted, _) => {
                heard.send(Heard::Listening).await.ok();
            }
            // A packet may be told twice after a reconnect; it is received once.
            (EventKind::PacketAvailable, Some(packet)) if seen.insert(packet) => {
                let received = receive_stubbornly(unit, client, packet, directory).await?;
                heard.send(Heard::Received(Box::new(received))).await.ok();
            }
            _ => {}
        }
    }
}

async fn receive_stubbornly(
    unit: &UnitCode,
    client: &Client,
    packet: PacketId,
    directory: &Path,
) -> Result<Received, client::Error> {
    let mut failures = 0;
    loop {
        match receive(unit, client, packet, directory).await {
            Err(error) if error.may_retry() && failures < FAILURES_MAX => failures += 1,
            done => return done,
        }
    }
}

async fn receive(
    unit: &UnitCode,
    client: &Client,
    packet: PacketId,
    directory: &Path,
) -> Result<Received, client::Error> {
    let accepted = client.accept(packet).await?;
    // Each unit has a place of its own, as it would have a machine of its own.
    let place = directory.join(unit.as_str());
    std::fs::create_dir_all(&place)
        .map_err(|source| client::Error::File { path: place.clone(), source })?;
    let fetched = client.download(&accepted, &place, STILL_MAX, |_, _| {}).await?;
    client.confirm(packet, fetched.digest).await?;
    Ok(Received {
        unit: unit.clone(),
        packet,
        digest: fetched.digest,
        accepted,
        at: Instant::now(),
    })
}
