//! `packet receive` and `packet confirm`: into files, checked, and the cluster may forget.

use std::path::{Path, PathBuf};

use client::{Client, EventKind, Fetched, Start};
use model::{Digest, PacketId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Context, Done, send::Progress};
use crate::{
    cli::{Exit, Failure, Out, ReceiveArgs, size_text},
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
    let mut run = Run::default();
    for packet in waiting {
        let one = receive_one(context, &client, packet, &args).await;
        run.add(out, packet, one);
        if run.is_over() {
            break;
        }
    }
    run.end(out)
}

/// What has come of the packets of one run: each stands for itself, and what was confirmed is told
/// whatever becomes of the rest, for the cluster has forgotten it.
#[derive(Default)]
struct Run {
    received: Vec<Value>,
    failures: Vec<(PacketId, Failure)>,
}

impl Run {
    fn add(&mut self, out: &Out, packet: PacketId, one: Result<Received, Failure>) {
        let one = match one {
            Ok(one) => one,
            Err(failure) => return self.failures.push((packet, failure)),
        };
        let Received { fetched, state, unconfirmed } = one;
        if out.is_table() {
            let (path, size) = (fetched.path.display(), size_text(fetched.size));
            out.done(w::DONE_RECEIVED, &[("packet", &packet), ("path", &path), ("size", &size)]);
            if let Some(state) = &state {
                out.done(w::DONE_CONFIRMED, &[("packet", &packet), ("state", state)]);
            }
            out.print(path);
        }
        self.received.push(json!({
            "packet": packet, "path": fetched.path, "size": fetched.size, "digest": fetched.digest,
            "state": state.as_deref().unwrap_or("picked_up"),
        }));
        self.failures.extend(unconfirmed.map(|failure| (packet, failure)));
    }

    /// Where the cluster cannot be reached, the next packet would only wait as long again.
    fn is_over(&self) -> bool {
        self.failures.last().is_some_and(|(_, failure)| failure.exit == Exit::Unreachable)
    }

    fn end(self, out: &Out) -> Done {
        let Self { received, mut failures } = self;
        if !out.is_table() {
            let failed = failures
                .iter()
                .map(|(packet, failure)| json!({ "packet": packet, "error": failure }));
            let failed: Vec<Value> = failed.collect();
            out.json("lgsp.received/1", json!({ "items": received, "failed": failed }));
        }
        for (packet, failure) in &mut failures {
            failure.what = format!("{packet}: {}", failure.what);
        }
        let Some((_, last)) = failures.pop() else { return Ok(Exit::Ok) };
        for (_, failure) in &failures {
            out.fail(failure);
        }
        Err(last)
    }
}

/// One packet that lies in a file.
struct Received {
    fetched: Fetched,
    /// Its state after it was confirmed, if it was.
    state: Option<String>,
    /// Why it was not, though it should have been.
    unconfirmed: Option<Failure>,
}

async fn receive_one(
    context: &Context,
    client: &Client,
    packet: PacketId,
    args: &ReceiveArgs,
) -> Result<Received, Failure> {
    let fetched = fetch(context, client, packet, &args.to_dir).await?;
    if !args.confirm {
        return Ok(Received { fetched, state: None, unconfirmed: None });
    }
    let (state, unconfirmed) = match client.confirm(packet, fetched.digest).await {
        Ok(now) => (Some(now.state), None),
        Err(error) => (None, Some(context.failed()(error))),
    };
    Ok(Received { fetched, state, unconfirmed })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::Output, texts::Lang};

    fn failure(exit: Exit) -> Failure {
        Failure::new(exit, "no")
    }

    fn received(unconfirmed: Option<Failure>) -> Received {
        let fetched =
            Fetched { path: "a.pdf".into(), size: 1, digest: Digest([1; 32]), resumed: 0 };
        let state = unconfirmed.is_none().then(|| "confirmed".to_owned());
        Received { fetched, state, unconfirmed }
    }

    #[test]
    fn one_packet_that_fails_does_not_hide_the_others() {
        let out = Out::new(Lang::En, Output::Json, Default::default(), false);
        let mut run = Run::default();
        run.add(&out, PacketId(1), Err(failure(Exit::NotFound)));
        assert!(!run.is_over());
        run.add(&out, PacketId(2), Ok(received(None)));
        run.add(&out, PacketId(3), Ok(received(Some(failure(Exit::Unreachable)))));
        assert!(run.is_over(), "the next one would wait as long");
        let states: Vec<_> = run.received.iter().map(|one| one["state"].clone()).collect();
        assert_eq!(states, ["confirmed", "picked_up"]);
        let failed: Vec<_> = run.failures.iter().map(|(packet, _)| packet.0).collect();
        assert_eq!(failed, [1, 3]);
        assert_eq!(run.end(&out).expect_err("it failed").exit, Exit::Unreachable);

        let mut run = Run::default();
        run.add(&out, PacketId(1), Ok(received(None)));
        assert_eq!(run.end(&out).expect("all well"), Exit::Ok);
    }
}
