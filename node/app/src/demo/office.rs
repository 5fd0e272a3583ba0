//! An office of the trial: it hears of packets by SSE, fetches, checks and confirms them.

use std::{collections::BTreeSet, path::PathBuf, time::Instant};

use client::{Accepted, Client, EventKind, Start};
use model::{Digest, PacketId, UnitCode};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
};

/// How many failures in a row an office puts up with: nodes die here on purpose.
const FAILURES_MAX: u32 = 5;

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
pub fn listen(unit: UnitCode, client: Client, directory: PathBuf, heard: mpsc::Sender<Heard>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut events = client.events(Start::Now);
        let (mut seen, mut failures) = (BTreeSet::new(), 0);
        loop {
            let result = match events.next().await {
                Ok(event) if event.kind() == EventKind::SessionStarted => {
                    let _ = heard.send(Heard::Listening).await;
                    Ok(())
                }
                Ok(event) => match event.packet().filter(|_| event.kind() == EventKind::PacketAvailable) {
                    // A packet may be told twice after a reconnect; it is received once.
                    Some(packet) if seen.insert(packet) => {
                        let received = receive(&unit, &client, packet, &directory).await;
                        match received {
                            Ok(received) => {
                                let _ = heard.send(Heard::Received(Box::new(received))).await;
                                Ok(())
                            }
                            Err(error) => {
                                seen.remove(&packet);
                                Err(error)
                            }
                        }
                    }
                    _ => Ok(()),
                },
                Err(error) => Err(error),
            };
            failures = if result.is_ok() { 0 } else { failures + 1 };
            if let Err(error) = result
                && (failures > FAILURES_MAX || !error.may_retry())
            {
                let _ = heard.send(Heard::Failed(unit, error)).await;
                return;
            }
        }
    })
}

async fn receive(unit: &UnitCode, client: &Client, packet: PacketId, directory: &std::path::Path) -> Result<Received, client::Error> {
    let accepted = client.accept(packet).await?;
    let path = directory.join(format!("{packet}-{unit}"));
    let fetched = client.download(&accepted, &path, |_, _| {}).await?;
    client.confirm(packet, fetched.digest).await?;
    Ok(Received { unit: unit.clone(), packet, digest: fetched.digest, accepted, at: Instant::now() })
}
