//! `packet receive` and `packet confirm`: into files, checked, and the cluster may forget.

use std::path::{Path, PathBuf};

use client::{Client, EventKind, Fetched, Start};
use model::{Digest, PacketId};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Context, Done, send::Progress};
use crate::{
    cli::{Exit, Failure, ReceiveArgs, size_text},
    config::Span,
    texts::{failures as t, words as w},
};

/// Packets that are received in one run: a bound, not a wish.
const RECEIVED_MAX: u32 = 1000;

/// Receives what waits, or one packet, or what comes.
pub async fn receive(context: &Context, args: ReceiveArgs) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    std::fs::create_dir_all(&args.to_dir)
        .map_err(|error| Failure::file(out.lang, &args.to_dir, &error))?;
    let waiting = match args.packet {
        Some(packet) => vec![packet],
        None => {
            let page = super::registry::collect(RECEIVED_MAX, async |cursor, limit| {
                client.inbox(cursor, limit).await
            });
            page.await
                .map_err(context.failed())?
                .items
                .into_iter()
                .map(|packet| packet.packet)
                .collect()
        }
    };
    let waiting = match (waiting.is_empty(), args.wait) {
        (false, _) => waiting,
        (true, Some(span)) => vec![next_notice(context, &client, span).await?],
        (true, None) => {
            return Err(Failure::new(Exit::NotFound, out.text(t::NOTHING_WAITS))
                .fix(out.text(t::FIX_NOTHING_WAITS))
                .code(9404));
        }
    };
    let mut received = Vec::with_capacity(waiting.len());
    for packet in waiting {
        let fetched = fetch(context, &client, packet, &args.to_dir).await?;
        let mut state = "picked_up".to_owned();
        if args.confirm {
            state = client.confirm(packet, fetched.digest).await.map_err(context.failed())?.state;
        }
        if out.is_table() {
            let (path, size) = (fetched.path.display(), size_text(fetched.size));
            out.done(w::DONE_RECEIVED, &[("packet", &packet), ("path", &path), ("size", &size)]);
            if args.confirm {
                out.done(w::DONE_CONFIRMED, &[("packet", &packet), ("state", &state)]);
            }
            out.print(path);
        }
        received.push(json!({
            "packet": packet, "path": fetched.path, "size": fetched.size, "digest": fetched.digest, "state": state,
        }));
    }
    if !out.is_table() {
        out.json("lgsp.received/1", received);
    }
    Ok(Exit::Ok)
}

async fn next_notice(context: &Context, client: &Client, span: Span) -> Result<PacketId, Failure> {
    let out = &context.out;
    out.say(out.text(w::WAITING_NOTICE));
    let mut events = client.events(Start::Now);
    let found = async {
        loop {
            let event = events.next().await.map_err(context.failed())?;
            match event.kind() {
                EventKind::PacketAvailable => {
                    if let Some(packet) = event.packet() {
                        return Ok(packet);
                    }
                }
                // What came between the look into the inbox and this connection waits there.
                EventKind::SessionStarted | EventKind::FeedReset => {
                    let page = client.inbox(None, 1).await.map_err(context.failed())?;
                    if let Some(packet) = page.items.first() {
                        return Ok(packet.packet);
                    }
                }
                EventKind::Other => {}
            }
        }
    };
    tokio::time::timeout(span.0, found).await.unwrap_or_else(|_| {
        Err(Failure::new(Exit::Unreachable, out.text(t::NOTHING_WAITS))
            .fix(out.text(t::FIX_NOTHING_WAITS))
            .code(9404))
    })
}

async fn fetch(
    context: &Context,
    client: &Client,
    packet: PacketId,
    directory: &Path,
) -> Result<Fetched, Failure> {
    let failed = context.failed();
    let accepted = client.accept(packet).await.map_err(&failed)?;
    // The sender's file name is not believed: it could name another's file.
    let path = directory.join(format!("{packet}{}", ending(accepted.media_type.as_deref())));
    let mut progress = Progress::new(context.out, w::FETCHING, accepted.size);
    let fetched =
        client.download(&accepted, &path, |done, _| progress.at(done)).await.map_err(&failed)?;
    progress.end();
    Ok(fetched)
}

fn ending(media_type: Option<&str>) -> &'static str {
    match media_type.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim() {
        "application/pdf" => ".pdf",
        "application/edxml+xml" => ".edxml",
        "application/xml" | "text/xml" => ".xml",
        "application/json" => ".json",
        "application/zip" => ".zip",
        "text/plain" => ".txt",
        "text/csv" => ".csv",
        _ => ".bin",
    }
}

/// Confirms a packet by the file that is held, or by its digest.
pub async fn confirm(
    context: &Context,
    packet: PacketId,
    file: Option<PathBuf>,
    digest: Option<Digest>,
) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let digest = match (digest, file) {
        (Some(digest), _) => digest,
        (None, Some(path)) => {
            digest_of(&path).map_err(|error| Failure::file(out.lang, &path, &error))?
        }
        (None, None) => return Err(Failure::new(Exit::Usage, out.text(t::USAGE)).code(9002)),
    };
    let state = client.confirm(packet, digest).await.map_err(context.failed())?;
    if out.is_table() {
        out.done(w::DONE_CONFIRMED, &[("packet", &packet), ("state", &state.state)]);
    } else {
        out.json(
            "lgsp.confirmed/1",
            json!({ "packet": packet, "state": state.state, "digest": digest }),
        );
    }
    Ok(Exit::Ok)
}

/// The digest of a file, read in pieces.
pub fn digest_of(path: &Path) -> std::io::Result<Digest> {
    use std::io::Read;
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Digest(hasher.finalize().into()));
        }
        hasher.update(&buffer[..read]);
    }
}
