//! `packet receive` and `packet confirm`: into files, checked, and the cluster may forget.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use client::{Client, EventKind, Fetched, Start};
use model::{Digest, PacketId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Context, Done,
    ending::{documents, end_with},
    send::Progress,
};
use crate::{
    cli::{Exit, Failure, Out, ReceiveArgs, size_text},
    config::Span,
    texts::{failures as t, packets as p, words as w},
};

/// Packets that are received in one run, or fail in it: a bound, not a wish.
const RECEIVED_MAX: usize = 1000;

/// Receives what waits, or one packet, or what comes.
pub async fn receive(context: &Context, args: ReceiveArgs) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    std::fs::create_dir_all(&args.to_dir)
        .map_err(|error| Failure::file(out.lang, &args.to_dir, &error))?;
    let mut run = Run::new(context.global.timeout());
    match args.packet {
        Some(packet) => run.receive(context, &client, packet, &args).await,
        None => run.empty_inbox(context, &client, &args).await,
    }
    if run.is_empty() && run.cut.is_none() {
        let Some(span) = args.wait else {
            return Err(Failure::new(Exit::NotFound, out.text(t::NOTHING_WAITS))
                .fix(out.text(t::FIX_NOTHING_WAITS))
                .code(9404));
        };
        let packet = next_notice(context, &client, span).await?;
        run.receive(context, &client, packet, &args).await;
    }
    run.end(out)
}

/// What has come of the packets of one run: each stands for itself, and what was confirmed is told
/// whatever becomes of the rest, for the cluster has forgotten it.
struct Run {
    received: Vec<Value>,
    failures: Vec<(PacketId, Failure)>,
    /// How many packets it has tried.
    tried: usize,
    /// How long a content may stand still. The first one that cannot be fetched uses it up: every node is still
    /// asked for those behind it, but nobody waits for a thousand lost ones.
    patience: Duration,
    /// The cluster itself does not answer, or nothing can be written here: the next packet would fare no better.
    over: bool,
    /// Packets were left in the inbox for another run.
    more: bool,
    /// Why the inbox could not be read any further.
    cut: Option<Failure>,
}

impl Run {
    fn new(patience: Duration) -> Self {
        let (received, failures) = (Vec::new(), Vec::new());
        Self { received, failures, tried: 0, patience, over: false, more: false, cut: None }
    }

    fn is_empty(&self) -> bool {
        self.received.is_empty() && self.failures.is_empty()
    }

    /// Receives what waits, in the order in which it is offered, and goes on behind what cannot be received.
    async fn empty_inbox(&mut self, context: &Context, client: &Client, args: &ReceiveArgs) {
        let mut cursor = None;
        loop {
            let page = match client.inbox(cursor.as_deref(), client::PAGE_MAX).await {
                Ok(page) => page,
                Err(error) => return self.cut_off(context.failed()(error)),
            };
            for packet in page.items {
                if self.over || self.tried == RECEIVED_MAX {
                    self.more = true;
                    return;
                }
                self.receive(context, client, packet.packet, args).await;
            }
            cursor = page.next;
            if cursor.is_none() {
                return;
            }
        }
    }

    /// The inbox cannot be read any further: what was received before is told all the same.
    fn cut_off(&mut self, failure: Failure) {
        self.more = true;
        self.cut = Some(failure);
    }

    async fn receive(
        &mut self,
        context: &Context,
        client: &Client,
        packet: PacketId,
        args: &ReceiveArgs,
    ) {
        let one = receive_one(context, client, packet, args, self.patience).await;
        self.add(&context.out, packet, one);
    }

    fn add(&mut self, out: &Out, packet: PacketId, one: Result<Received, NotReceived>) {
        self.tried += 1;
        let one = match one {
            Ok(one) => one,
            Err(NotReceived::Here(failure)) => {
                self.over = true;
                return self.failures.push((packet, failure));
            }
            Err(NotReceived::Content(failure)) => {
                self.patience = Duration::ZERO;
                return self.failures.push((packet, failure));
            }
            Err(NotReceived::Packet(failure)) => return self.fail(packet, failure),
        };
        let Received { fetched, state, unconfirmed } = one;
        if out.is_table() {
            let (path, size) = (fetched.path.display(), size_text(fetched.size));
            out.done(w::DONE_RECEIVED, &[("packet", &packet), ("path", &path), ("size", &size)]);
            if state.is_some() {
                out.done(w::DONE_CONFIRMED, &[("packet", &packet)]);
            }
            out.print(path);
        }
        self.received.push(json!({
            "packet": packet, "path": fetched.path, "size": fetched.size, "digest": fetched.digest,
            "state": state.as_deref().unwrap_or("picked_up"),
        }));
        if let Some(failure) = unconfirmed {
            self.fail(packet, failure);
        }
    }

    fn fail(&mut self, packet: PacketId, failure: Failure) {
        self.over |= failure.exit == Exit::Unreachable;
        self.failures.push((packet, failure));
    }

    fn end(self, out: &Out) -> Done {
        let told = self.document();
        let nothing = self.is_empty();
        let Self { failures, more, cut, .. } = self;
        if !out.is_table() {
            // Where nothing was received the failure alone is the answer.
            if cut.is_none() || !nothing {
                out.json("lgsp.received/1", told);
            }
        } else if more && cut.is_none() {
            out.say(out.text(p::MORE_WAITS));
        }
        let ended = end_with(out, failures);
        match (ended, cut) {
            (ended, None) => ended,
            (Ok(_), Some(cut)) => Err(cut),
            (Err(packet), Some(cut)) => {
                out.fail(&packet);
                Err(cut)
            }
        }
    }

    /// What has come of the run, for programs.
    fn document(&self) -> Value {
        json!({ "items": self.received, "failed": documents(&self.failures), "more": self.more })
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

/// Why a packet lies in no file.
enum NotReceived {
    /// The cluster did not grant it.
    Packet(Failure),
    /// Its content could not be fetched; others may well be.
    Content(Failure),
    /// This machine could not keep it, and would keep no other: to accept more would do nothing for them.
    Here(Failure),
}

async fn receive_one(
    context: &Context,
    client: &Client,
    packet: PacketId,
    args: &ReceiveArgs,
    patience: Duration,
) -> Result<Received, NotReceived> {
    let failed = context.failed();
    let accepted =
        client.accept(packet).await.map_err(|error| NotReceived::Packet(failed(error)))?;
    let mut progress = Progress::new(context.out, w::FETCHING, accepted.size);
    let fetched = client
        .download(&accepted, &args.to_dir, patience, |done, _| progress.at(done))
        .await
        .map_err(|error| match error {
            client::Error::File { .. } => NotReceived::Here(failed(error)),
            _ => NotReceived::Content(failed(error)),
        })?;
    progress.end();
    if !args.confirm {
        return Ok(Received { fetched, state: None, unconfirmed: None });
    }
    let (state, unconfirmed) = match client.confirm(packet, fetched.digest).await {
        Ok(now) => (Some(now.state), None),
        Err(error) => (None, Some(failed(error))),
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
            digest_of(&path).map_err(|error| Failure::file(out.lang, &path, &error))?.0
        }
        (None, None) => return Err(Failure::new(Exit::Usage, out.text(t::USAGE)).code(9002)),
    };
    let state = client.confirm(packet, digest).await.map_err(context.failed())?;
    if out.is_table() {
        out.done(w::DONE_CONFIRMED, &[("packet", &packet)]);
    } else {
        out.json(
            "lgsp.confirmed/1",
            json!({ "packet": packet, "state": state.state, "digest": digest }),
        );
    }
    Ok(Exit::Ok)
}

/// The digest of a file, read in pieces, and how many octets it has.
pub fn digest_of(path: &Path) -> std::io::Result<(Digest, u64)> {
    use std::io::Read;
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut buffer, mut size) = (Sha256::new(), vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((Digest(hasher.finalize().into()), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
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
        let mut run = Run::new(Duration::from_secs(30));
        run.add(&out, PacketId(1), Err(NotReceived::Packet(failure(Exit::NotFound))));
        assert!(!run.over && !run.patience.is_zero());
        // Finding 1: a content that no node has says nothing of the next one, and nobody waits twice.
        run.add(&out, PacketId(4), Err(NotReceived::Content(failure(Exit::Unreachable))));
        assert!(!run.over && run.patience.is_zero());
        run.add(&out, PacketId(2), Ok(received(None)));
        run.add(&out, PacketId(3), Ok(received(Some(failure(Exit::Unreachable)))));
        assert!(run.over, "the next one would wait as long");
        let states: Vec<_> = run.received.iter().map(|one| one["state"].clone()).collect();
        assert_eq!(states, ["confirmed", "picked_up"]);
        let failed: Vec<_> = run.failures.iter().map(|(packet, _)| packet.0).collect();
        assert_eq!(failed, [1, 4, 3]);
        assert_eq!(run.tried, 4, "one that is received and not confirmed counts once");
        assert_eq!(run.end(&out).expect_err("it failed").exit, Exit::Unreachable);

        // A full disk is as full for the next one.
        let mut run = Run::new(Duration::from_secs(30));
        run.add(&out, PacketId(1), Err(NotReceived::Here(failure(Exit::Failed))));
        assert!(run.over && run.tried == 1);
        assert_eq!(run.end(&out).expect_err("it failed").exit, Exit::Failed);

        let mut run = Run::new(Duration::ZERO);
        run.add(&out, PacketId(1), Ok(received(None)));
        assert_eq!(run.end(&out).expect("all well"), Exit::Ok);
    }

    /// What was received and confirmed is forgotten by the cluster: it is told whatever becomes of the next page.
    #[test]
    fn what_was_received_is_told_where_the_next_page_fails() {
        let out = Out::new(Lang::En, Output::Json, Default::default(), false);
        let mut run = Run::new(Duration::from_secs(30));
        run.add(&out, PacketId(1), Ok(received(None)));
        run.cut_off(failure(Exit::Unreachable));
        let document = run.document();
        assert_eq!(document["items"][0]["state"], "confirmed");
        assert_eq!(document["more"], true);
        assert_eq!(run.end(&out).expect_err("it was cut").exit, Exit::Unreachable);

        let mut run = Run::new(Duration::from_secs(30));
        run.add(&out, PacketId(1), Err(NotReceived::Packet(failure(Exit::NotFound))));
        run.cut_off(failure(Exit::Unreachable));
        assert_eq!(run.end(&out).expect_err("it was cut").exit, Exit::Unreachable);
    }
}
