//! Packets: list, show, watch.

use std::time::Duration;

use client::{Client, Packet};
use model::{PacketId, PacketState};
use serde_json::json;

use super::{
    Context, Done,
    registry::{collect, finish, limit},
    way,
};
use crate::{
    cli::{Exit, Failure, ListArgs, size_text},
    config::Span,
    texts::{failures as t, states, words as w},
};

/// Between two looks at a packet that is watched.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Lists packets: those sent, or those that wait.
pub async fn list(context: &Context, list: ListArgs, inbox: bool) -> Done {
    let (client, _) = context.client()?;
    let page = collect(limit(&list), async |cursor, limit| {
        if inbox { client.inbox(cursor, limit).await } else { client.sent(cursor, limit).await }
    })
    .await
    .map_err(context.failed())?;
    let schema = if inbox { "lgsp.inbox/1" } else { "lgsp.packets/1" };
    finish(context, schema, page, |out, packets: Vec<Packet>| {
        let rows = packets.into_iter().map(|packet| {
            let other = if inbox {
                packet.source.map(|unit| unit.to_string()).unwrap_or_default()
            } else {
                packet
                    .deliveries
                    .iter()
                    .map(|delivery| delivery.target.to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            vec![
                packet.packet.to_string(),
                packet.title,
                other,
                packet.size.map(size_text).unwrap_or_default(),
                states::state(out.lang, &packet.state),
            ]
        });
        let other = if inbox { w::COL_FROM } else { w::COL_TO };
        out.rows(&[w::COL_PACKET, w::COL_TITLE, other, w::COL_SIZE, w::COL_STATE], rows.collect());
    })
}

/// Shows a packet's way; watched, until nothing can happen to it any more.
pub async fn show(context: &Context, id: PacketId, watch: bool) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let mut packet = client.packet(id).await.map_err(context.failed())?;
    if watch && out.is_table() {
        let mut told = 0;
        loop {
            let lines = way::lines(out, &packet);
            // What was told stays; a debt at the end may go, so it is told only when all is over.
            let over = is_over(&packet) && packet.purge_debt.is_empty();
            let steady = if over { lines.len() } else { lines.len() - packet.purge_debt.len() };
            for line in lines.iter().take(steady).skip(told) {
                out.print(line);
            }
            told = told.max(steady);
            if over {
                return Ok(Exit::Ok);
            }
            tokio::time::sleep(LOOK_EVERY).await;
            packet = client.packet(id).await.map_err(context.failed())?;
        }
    }
    if watch {
        packet = wait_for_end(&client, packet, Duration::MAX).await.map_err(context.failed())?;
    }
    if out.is_table() {
        out.print(way::lines(out, &packet).join("\n"));
    } else {
        out.json("lgsp.packet/1", json!({ "packet": packet, "way": way::steps(out, &packet) }));
    }
    Ok(Exit::Ok)
}

/// Whether nothing can happen to the packet any more.
pub fn is_over(packet: &Packet) -> bool {
    packet.state.parse().is_ok_and(PacketState::is_terminal)
}

async fn wait_for_end(
    client: &Client,
    mut packet: Packet,
    at_most: Duration,
) -> Result<Packet, client::Error> {
    let begun = tokio::time::Instant::now();
    while !is_over(&packet) && begun.elapsed() < at_most {
        tokio::time::sleep(LOOK_EVERY).await;
        packet = client.packet(packet.packet).await?;
    }
    Ok(packet)
}

/// Waits until a packet has ended, and says how: completed is good, the rest is told.
pub async fn await_completion(
    context: &Context,
    client: &Client,
    id: PacketId,
    span: Span,
) -> Result<Packet, Failure> {
    let out = &context.out;
    let packet = client.packet(id).await.map_err(context.failed())?;
    let packet = wait_for_end(client, packet, span.0).await.map_err(context.failed())?;
    if packet.state == "completed" {
        return Ok(packet);
    }
    let state = states::state(out.lang, &packet.state);
    if is_over(&packet) {
        return Err(Failure::new(
            Exit::Failed,
            out.fill(t::ENDED, &[("packet", &id), ("state", &state)]),
        )
        .fix(format!("lgsp packet show {id}"))
        .code(9401));
    }
    Err(Failure::new(
        Exit::Unreachable,
        out.fill(t::WAIT, &[("after", &span), ("packet", &id), ("state", &state)]),
    )
    .fix(out.fill(t::FIX_WAIT, &[("packet", &id)]))
    .code(9402))
}
