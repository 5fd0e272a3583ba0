//! Waiting for something to become so: the one place where the harness lets time pass.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::wire::Answer;

/// How often a condition is asked: seldom enough not to disturb the nodes on two cores.
const INTERVAL: Duration = Duration::from_millis(25);
/// How often where the time itself is measured.
const INTERVAL_QUICK: Duration = Duration::from_millis(2);

/// Asks until there is an answer; an error names what was waited for.
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    poll(what, deadline, INTERVAL, probe).await
}

/// The same with short pauses, for measurements.
pub async fn eventually_quick<T>(
    what: &str,
    deadline: Duration,
    probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    poll(what, deadline, INTERVAL_QUICK, probe).await
}

/// Asks again while a node does not answer or answers 503, as a client must while a leader is being
/// elected. Only for requests that may be repeated. Any other answer is one, a 500 too.
pub async fn answered(
    what: &str,
    deadline: Duration,
    mut ask: impl AsyncFnMut() -> Result<Answer>,
) -> Result<Answer> {
    let mut last = String::new();
    let asked = eventually(what, deadline, async || {
        match ask().await {
            Ok(answer) if answer.status != 503 => return Some(answer),
            Ok(answer) => last = answer.summary(),
            Err(error) => last = format!("{error:#}"),
        }
        None
    })
    .await;
    asked.with_context(|| format!("the last answer was: {last}"))
}

async fn poll<T>(
    what: &str,
    deadline: Duration,
    interval: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // A probe that hangs must not outlive the deadline.
        match tokio::time::timeout(left.max(interval), probe()).await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) if Instant::now() < end => tokio::time::sleep(interval).await,
            Ok(None) | Err(_) => bail!("after {deadline:?} still not so: {what}"),
        }
    }
}
