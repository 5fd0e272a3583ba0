//! The routes, one file a family; `table.rs` says which there are.

pub(crate) mod admin;
pub(crate) mod authority;
pub(crate) mod events;
mod history;
pub(crate) mod lost;
pub(crate) mod open;
pub(crate) mod packets;
pub(crate) mod pickup;
pub(crate) mod spaces;
mod table;
pub(crate) mod units;

use std::{
    pin::Pin,
    str::FromStr,
    task::{Context, Poll},
};

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use futures_util::future::BoxFuture;
use model::Malformed;
use tokio::runtime::Handle;
use tracing::Instrument;

pub(crate) use table::{Route, SPACES, UNMATCHED, all, place};

use crate::{problem::Problem, texts::Fault};

/// What a handler answers: a problem is written by the front.
pub(crate) type Answer = Result<axum::response::Response, Problem>;

/// The one parameter of a path, for who shows itself by more than the head.
async fn parameter(head: &mut Parts) -> Result<String, Problem> {
    let read = Path::from_request_parts(head, &()).await;
    read.map(|Path(text)| text).map_err(|_| Problem::new(Fault::RequestRefused))
}

/// An identifier in the path.
pub(crate) fn id<T: FromStr<Err = Malformed>>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: Malformed| {
        Problem::new(Fault::IdMalformed)
            .member("expected", error.word)
            .member("reason", error.reason)
    })
}

/// Goes on when the connection breaks and the handler is dropped with it: what has arrived is still
/// synced, and what was copied and is not wanted is still destroyed. It ends by itself.
///
/// Until then it is worked on by its handler: a task of its own would cost each request a change of threads.
pub(crate) fn detached(work: impl Future<Output = Answer> + Send + 'static) -> Detached {
    Detached { work: Some(Box::pin(work)), span: tracing::Span::current() }
}

/// See [`detached`].
pub(crate) struct Detached {
    /// None once it has ended.
    work: Option<BoxFuture<'static, Answer>>,
    span: tracing::Span,
}

impl Future for Detached {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        // If it panics it is not there any more, and is not gone on with.
        let mut work = self.work.take().expect("it is not asked again after its end");
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        // Without a runtime there is nobody to go on with it: the node has stopped.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            drop(runtime.spawn(work.instrument(self.span.clone())));
        }
    }
}
