//! The certificates that nodes present for HTTPS: each is asked for its own, as no other knows it.

use std::time::Duration;

use client::{NodeStatus, Role};
use futures_util::future::join_all;
use model::Moment;
use tokio::time::timeout;

use super::Context;
use crate::{cli::Failure, profile::Loaded};

/// When the certificate ends that a node presents.
pub(super) async fn end_of(
    context: &Context,
    loaded: &Loaded,
    url: &str,
) -> Result<Moment, String> {
    let client = loaded
        .client_of(vec![url.to_owned()], context.global.timeout())
        .map_err(|failure| failure.what.clone())?;
    let certificate = client
        .certificate()
        .await
        .map_err(|error| Failure::client(context.out.lang, "", &error).what.clone())?;
    certs::not_after(&certificate).map_err(|error| error.to_string())
}

/// How long the nodes have for it where something else was asked for: a monitor does not wait for one that its
/// machine cannot reach.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

/// Fills in when the certificates of the nodes end, all asked at once. One that does not show its own in time keeps none.
pub(super) async fn fill_in(context: &Context, loaded: &Loaded, nodes: &mut [NodeStatus]) {
    let asked = nodes.iter_mut().filter(|node| node.reachable && node.role != Role::Removed);
    join_all(asked.map(async |node| {
        let Some(url) = &node.api_url else { return };
        let shown = timeout(SHOWN_WITHIN, end_of(context, loaded, url)).await;
        node.certificate_expires_at = shown.ok().and_then(Result::ok).map(|end| end.to_string());
    }))
    .await;
}
