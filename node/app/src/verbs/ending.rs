//! `packet cancel` and `packet reject`: a packet ends before it has arrived.
//!
//! Each packet stands for itself: what was done is told, whatever becomes of the rest.

use client::{Error, State};
use model::{Label, PacketId};
use serde_json::{Value, json};

use super::{Context, Done};
use crate::{
    cli::{Exit, Failure, Out},
    texts::packets as p,
};

/// Takes packets back, after asking.
pub async fn cancel(context: &Context, packets: Vec<PacketId>, yes: bool) -> Done {
    let (client, _) = context.client()?;
    let (what, name) = match packets.as_slice() {
        [one] => (p::ASK_CANCEL, one.to_string()),
        several => (p::ASK_CANCEL_SEVERAL, several.len().to_string()),
    };
    context.confirm(what, &name, yes)?;
    let mut run = Run::default();
    for packet in packets {
        let done = client.cancel(packet).await;
        run.add(context, packet, done, |packet| {
            context.out.done(p::DONE_CANCELLED, &[("packet", packet)]);
        });
    }
    run.end(context, "lgsp.cancelled/1")
}

/// Refuses packets that wait for the unit.
pub async fn reject(context: &Context, packets: Vec<PacketId>, reason: &Label) -> Done {
    let (client, _) = context.client()?;
    let mut run = Run::default();
    for packet in packets {
        let done = client.reject(packet, reason.as_str()).await;
        run.add(context, packet, done, |packet| {
            context.out.done(p::DONE_REJECTED, &[("packet", packet), ("reason", reason)]);
        });
    }
    run.end(context, "lgsp.rejected/1")
}

/// What has come of several packets.
#[derive(Default)]
struct Run {
    done: Vec<State>,
    failures: Vec<(PacketId, Failure)>,
}

impl Run {
    fn add(
        &mut self,
        context: &Context,
        packet: PacketId,
        done: Result<State, Error>,
        tell: impl FnOnce(&PacketId),
    ) {
        match done {
            Ok(state) => {
                if context.out.is_table() {
                    tell(&packet);
                }
                self.done.push(state);
            }
            Err(error) => {
                let doubt = error.may_have_happened();
                let failure = context.failed()(error);
                let look = context.out.fill(p::LOOK_PACKETS, &[("packet", &packet)]);
                let failure = if doubt { failure.fix(look) } else { failure };
                self.failures.push((packet, failure));
            }
        }
    }

    fn end(self, context: &Context, schema: &str) -> Done {
        let Self { done, failures } = self;
        let out = &context.out;
        if !out.is_table() {
            out.json(schema, json!({ "items": done, "failed": documents(&failures) }));
        }
        end_with(out, failures)
    }
}

/// What failed, for programs.
pub(super) fn documents(failures: &[(PacketId, Failure)]) -> Vec<Value> {
    let failed = failures.iter();
    failed.map(|(packet, failure)| json!({ "packet": packet, "error": failure })).collect()
}

/// How a command over several packets ends: each failure is told with its packet, the last one by its end.
pub(super) fn end_with(out: &Out, mut failures: Vec<(PacketId, Failure)>) -> Done {
    for (packet, failure) in &mut failures {
        failure.what = format!("{packet}: {}", failure.what);
    }
    let Some((_, last)) = failures.pop() else { return Ok(Exit::Ok) };
    for (_, failure) in &failures {
        out.fail(failure);
    }
    Err(last)
}
