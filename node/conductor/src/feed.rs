//! The stream of a unit's feed: what a reader is told next, and when the stream ends, as values.
//!
//! Each way of telling an application what happened reads this one stream and decides nothing but how
//! a value is written: server-sent events and the long poll today. A reader over a connection that stays open asks
//! to be greeted; one that keeps its position, as a webhook's sender does in the state, begins after it.

use std::{pin::Pin, time::Duration};

use auth::VerifiedCaller;
use model::UnitCode;
use tokio::time::{Instant, sleep_until};

use crate::{
    door,
    hold::{self, Hold},
    notices::{Heard, Listener, Notices, Waiting},
};

/// A stream that has nothing to tell looks at its key so often: half of the time within which a revoked key
/// dies anywhere.
const KEY_CHECK_EVERY: Duration = Duration::from_secs(1);

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With what awaits its caller, then after the position it has seen, or at the present end.
    Greeted(Option<u64>),
    /// After this position, with what happened since.
    After(u64),
}

/// What a reader asks of its stream.
pub struct Reader {
    /// Where it begins.
    pub begin: Begin,
    /// Events that it takes at once.
    pub page_max: usize,
    /// After so long without a word it hears a [`Told::Beat`]; none where silence does no harm.
    pub beat_every: Option<Duration>,
    /// The stream ends after so long.
    pub life: Duration,
    /// Ends when the stream has to: the server drains, or another reader needs the place. It is dropped with
    /// the stream, and with it all that it holds.
    pub stop: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// What a reader is told.
#[derive(Debug, PartialEq)]
pub enum Told {
    /// What awaits the caller, once, ahead of everything (Articles 13(1) and 14(1)).
    Started(Waiting),
    /// What happened: that something was missed, events, and how far the reader has come, which may be further than
    /// the last event where what follows is for others.
    Heard(Heard),
    /// Nothing happened for a while.
    Beat,
}

impl Told {
    /// Whether it says anything but how far the reader has come.
    fn is_for_the_caller(&self) -> bool {
        match self {
            Self::Heard(heard) => heard.behind.is_some() || !heard.events.is_empty(),
            Self::Started(_) | Self::Beat => true,
        }
    }
}

/// Why a stream ends. The reader goes on after its position, at this node or another.
#[derive(Debug)]
pub enum End {
    /// Its life is over, or it was stopped.
    Over,
    /// The key may not hear more, or the node does not hear of the cluster and cannot know.
    Lost(hold::Error),
}

/// The feed of a caller's unit as one reader is told it.
///
/// The caller's key and the node's knowledge of the cluster are looked at before each word, also for a reader
/// that is slower than the feed.
pub struct FeedStream {
    listener: Listener,
    hold: Hold,
    reader: Reader,
    after: u64,
    is_greeted: bool,
    /// The last look found something for the caller, or nothing. Until then the stream's life is not over: who
    /// asks for what is there is told it, however many pages of what is for others lie before it.
    was_answered: bool,
    /// Who asks for what is there is told it even where the stream has to end.
    has_looked: bool,
    is_stopped: bool,
    ends_at: Instant,
    beat_at: Option<Instant>,
}

impl Notices {
    /// Opens the feed of the caller's unit for one reader. A position that another node gave out may be ahead
    /// of this one, which catches up first.
    pub async fn feed(
        &self,
        caller: &VerifiedCaller,
        reader: Reader,
    ) -> Result<FeedStream, door::Error> {
        // It listens before it looks: what comes between is not missed.
        let listener = self.listen(caller);
        let seen = match reader.begin {
            Begin::Greeted(seen) => seen,
            Begin::After(seen) => Some(seen),
        };
        if seen.is_some_and(|seen| seen > listener.last()) {
            self.core.consensus.read_index().await?;
        }
        let now = Instant::now();
        Ok(FeedStream {
            hold: Hold::on(&self.core.consensus, caller.key(), None),
            after: seen.unwrap_or_default(),
            is_greeted: matches!(reader.begin, Begin::After(_)),
            was_answered: false,
            has_looked: matches!(reader.begin, Begin::Greeted(_)),
            is_stopped: false,
            ends_at: now + reader.life,
            beat_at: reader.beat_every.map(|every| now + every),
            listener,
            reader,
        })
    }
}

impl FeedStream {
    /// Whose feed it is.
    pub fn unit(&self) -> &UnitCode {
        self.listener.unit()
    }

    /// The position after which it goes on.
    pub fn position(&self) -> u64 {
        self.after
    }

    /// What the reader is told next. It may be dropped while it waits, and asked again: nothing is lost.
    pub async fn next(&mut self) -> Result<Told, End> {
        loop {
            // What comes after the key's death is not its holder's any more, and a node that is stale hands out
            // nothing.
            let may_tell = self.hold.look().map_err(End::Lost)?;
            if self.is_over().await {
                // It says that nothing more has happened, which only a node that hears of the cluster can know.
                return Err(self.hold.fresh().map_or_else(End::Lost, |()| End::Over));
            }
            let told = if may_tell { self.look().await } else { None };
            self.has_looked = true;
            self.was_answered = told.as_ref().is_none_or(Told::is_for_the_caller);
            if let Some(told) = told {
                return Ok(told);
            }
            self.wait().await;
            let (now, every) = (Instant::now(), self.reader.beat_every);
            if self.beat_at.is_some_and(|at| now >= at) {
                self.beat_at = every.map(|every| now + every);
                return Ok(Told::Beat);
            }
        }
    }

    async fn is_over(&mut self) -> bool {
        // A stop that has come is heard here also where the feed is never at rest.
        if !self.is_stopped {
            self.is_stopped = tokio::select! {
                biased;
                () = &mut self.reader.stop => true,
                () = std::future::ready(()) => false,
            };
        }
        (self.is_stopped && self.has_looked)
            || (self.was_answered && Instant::now() >= self.ends_at)
    }

    /// What there is to tell now, if there is anything.
    async fn look(&mut self) -> Option<Told> {
        if !self.is_greeted {
            let waiting = self.listener.waiting().await;
            self.is_greeted = true;
            if self.reader.begin == Begin::Greeted(None) {
                self.after = waiting.position;
            }
            return Some(Told::Started(waiting));
        }
        let heard = self.listener.hear(self.after, self.reader.page_max)?;
        self.after = heard.position;
        Some(Told::Heard(heard))
    }

    /// Waits until the feed may have grown, or something else is due.
    async fn wait(&mut self) {
        let key_check_at = Instant::now() + KEY_CHECK_EVERY;
        let next = self.beat_at.unwrap_or(key_check_at).min(key_check_at).min(self.ends_at);
        tokio::select! {
            () = self.listener.changed() => {}
            () = &mut self.reader.stop, if !self.is_stopped => self.is_stopped = true,
            () = sleep_until(next) => {}
        }
    }
}

/// A reader on any task may own a stream: a connection's, or one that sends by itself.
const _: fn() = || {
    fn is_owned_by_a_task<T: Send + 'static>() {}
    is_owned_by_a_task::<FeedStream>();
};
