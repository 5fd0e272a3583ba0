//! The certificates that nodes present for HTTPS: each is asked for its own, as no other knows it.

use client::NodeStatus;
use futures_util::future::join_all;
use model::Moment;

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

/// Fills in when the certificates of the nodes end, all asked at once. One that does not show its own keeps none.
pub(super) async fn fill_in(context: &Context, loaded: &Loaded, nodes: &mut [NodeStatus]) {
    let asked = nodes.iter_mut().filter(|node| node.reachable && node.role != "removed");
    join_all(asked.map(async |node| {
        let Some(url) = &node.api_url else { return };
        let end = end_of(context, loaded, url).await.ok();
        node.certificate_expires_at = end.map(|end| end.to_string());
    }))
    .await;
}
