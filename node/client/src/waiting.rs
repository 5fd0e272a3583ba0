//! Who waits with a client: people should not look at a silent screen.

use std::{pin::pin, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{
    Client, Error,
    send::{Answer, Call, Failed},
};

/// A request goes unanswered for so long before it is told, and again after each such time.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// What is waited for.
#[derive(Debug)]
pub enum Waiting<'a> {
    /// An answer of this node: it was reached, or is being reached.
    Answer(&'a str),
    /// Every node was asked in vain, and all are asked again; this is why the last one was.
    Again(&'a Error),
}

/// Who is told what is waited for, and for how long it has gone so.
pub(crate) type Watcher = Box<dyn Fn(Waiting<'_>, Duration) + Send + Sync>;

impl Client {
    /// Has somebody told whenever an answer is long in coming, and whenever all nodes are asked again. The first one
    /// who asks is told, for this client and its clones.
    pub fn watch(&self, told: impl Fn(Waiting<'_>, Duration) + Send + Sync + 'static) {
        self.set_watcher(Box::new(told));
    }

    /// One attempt of a request that began then.
    pub(crate) async fn once_watched(&self, call: &Call, begun: Instant) -> Result<Answer, Failed> {
        let url = self.current_url().to_owned();
        let mut attempt = pin!(self.once(call));
        // The time of the attempts before counts: nodes that are down one after the other are one silence.
        let passed = begun.elapsed().as_secs() / TOLD_EVERY.as_secs();
        let mut next = begun + TOLD_EVERY * u32::try_from(passed + 1).unwrap_or(u32::MAX);
        loop {
            tokio::select! {
                done = &mut attempt => return done,
                () = sleep_until(next) => self.tell(Waiting::Answer(&url), begun.elapsed()),
            }
            next += TOLD_EVERY;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{Options, Trust, send::Proof};

    /// Finding 27: whoever waits for a node that has not answered hears so before it gives up.
    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_silent_is_told_of() {
        // It takes connections, and never says a word.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let trust = Trust::PinnedAuthority([0; 32]);
        let client = Client::new(Options::new(vec![url.clone()], trust, None)).expect("a client");
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        client.watch(move |waiting, since| {
            if let Waiting::Answer(url) = waiting {
                heard.lock().expect("nobody panics").push((url.to_owned(), since.as_secs()));
            }
        });
        let call = Call::get("/livez").proof(Proof::Nothing);
        let failed = client.once_watched(&call, Instant::now()).await.expect_err("it is silent");
        assert_eq!(told.lock().expect("nobody panics").first(), Some(&(url, 2)));
        // The connection never stood: nobody can have heard the request.
        assert!(!failed.error.may_have_happened(), "{:?}", failed.error);
    }
}
