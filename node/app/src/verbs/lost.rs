//! Packets whose content is lost: the list, and their end.

use client::{Client, LOST_CLOSED_MAX, LostPacket};
use serde_json::json;

use super::{
    Context, Done,
    registry::{collect, finish, limit},
};
use crate::{
    cli::{Exit, ListArgs, size_text},
    texts::{failures as t, moments, words as w},
};

/// Lists live packets whose content no node holds any more.
pub async fn list(context: &Context, list: ListArgs) -> Done {
    let (client, _) = context.client()?;
    let page = collect(limit(&list), async |cursor, limit| client.lost(cursor, limit).await)
        .await
        .map_err(context.failed())?;
    // What is not found may be on a node that is away: it is no loss yet, and not in the list.
    let status = client.status().await.map_err(context.failed())?;
    let missing = status.nodes.iter().filter_map(|node| node.contents_missing).max().unwrap_or(0);
    if missing > 0 && context.out.is_table() {
        let text = context.out.fill(
            w::CHECK_MISSING,
            &[("count", &missing), ("nodes", &super::check::away(&context.out, &status))],
        );
        context.out.say(text);
    }
    finish(context, "lgsp.lost/1", page, |out, packets: Vec<LostPacket>| {
        let rows = packets.into_iter().map(|packet| {
            let targets: Vec<_> = packet.targets.iter().map(ToString::to_string).collect();
            vec![
                packet.packet.to_string(),
                packet.source.map(|unit| unit.to_string()).unwrap_or_default(),
                targets.join(", "),
                packet.size.map(size_text).unwrap_or_default(),
                packet.lost_at.as_deref().map(moments::local).unwrap_or_default(),
            ]
        });
        let headers = [w::COL_PACKET, w::COL_FROM, w::COL_TO, w::COL_SIZE, w::COL_LOST];
        out.rows(&headers, rows.collect());
    })
}

/// Ends all of them, after asking.
pub async fn close(context: &Context, yes: bool) -> Done {
    let out = &context.out;
    let (client, _) = context.client()?;
    let status = client.status().await.map_err(context.failed())?;
    let mut closed = 0;
    if status.lost > 0 {
        context.confirm(w::ASK_CLOSE_LOST, &status.lost.to_string(), yes)?;
        closed = close_all(context, &client).await?;
    }
    if out.is_table() {
        out.done(w::DONE_LOST_CLOSED, &[("count", &closed)]);
    } else {
        out.json("lgsp.lost.closed/1", json!({ "closed": closed }));
    }
    Ok(Exit::Ok)
}

/// Page by page, always from the beginning: what was closed is not in the list any more.
async fn close_all(context: &Context, client: &Client) -> Result<usize, crate::cli::Failure> {
    let mut closed = 0;
    loop {
        let page = client.lost(None, LOST_CLOSED_MAX).await.map_err(context.failed())?;
        if page.items.is_empty() {
            return Ok(closed);
        }
        let packets: Vec<_> = page.items.iter().map(|lost| lost.packet).collect();
        let left = client.close_lost(&packets).await;
        closed += packets.len() - left.map_err(context.failed_doing(t::LOOK_LOST))?;
    }
}
