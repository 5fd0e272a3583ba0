//! What is asked of a running node from its own machine, without a signature: by files in a directory
//! of its data directory.
//!
//! Whoever may write there may read the cluster key as well, so it lets nobody do what they could not
//! do anyway; and it works on the days on which no signature passes, because clocks are wrong. An ask
//! is an empty file `word.number`; its answer is `word.number.answer`, JSON. Nothing of the network
//! comes here.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use conductor::Exchange;
use model::{Moment, NodeId};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

/// Between two looks for asks: an operator waits for this.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Asks that are answered in one look; more wait for the next.
const ASKS_A_LOOK: usize = 8;
/// Between two looks for the answer.
const ANSWER_LOOK_EVERY: Duration = Duration::from_millis(100);

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What time it is for the cluster, and by which clocks.
    ShowTime,
    /// The clocks are right: see [`machine::ConfirmTime`].
    ConfirmTime,
}

impl Ask {
    const fn word(self) -> &'static str {
        match self {
            Self::ShowTime => "time-show",
            Self::ConfirmTime => "time-confirm",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        let (word, number) = name.split_once('.')?;
        let plain = number.bytes().all(|octet| octet.is_ascii_hexdigit());
        [Self::ShowTime, Self::ConfirmTime].into_iter().find(|ask| plain && ask.word() == word)
    }
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Why it could not be done; none if it was.
    pub failed: Option<String>,
    /// The node that answers.
    pub node: NodeId,
    /// Its own clock.
    pub own_clock: Moment,
    /// The cluster's date.
    pub date: Moment,
    /// Whether the node hears a majority; otherwise the date is the last one that it heard, carried on.
    pub fresh: bool,
    /// How far the trusted date is ahead of the cluster's, in milliseconds; behind, if negative.
    pub trusted_ahead_ms: Option<i64>,
    /// The clocks of the nodes.
    pub clocks: Vec<NodeClock>,
}

/// The clock of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeClock {
    /// Its number.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// How far it is ahead of the cluster's date; none where the node does not answer.
    pub ahead_ms: Option<i64>,
}

/// Answers what is asked in the directory until it is dropped. What was asked of an earlier run is
/// forgotten: whoever asked has stopped waiting.
pub(super) async fn answer_all(directory: PathBuf, exchange: Exchange) {
    if let Err(error) = renew(&directory) {
        let path = directory.display();
        return tracing::warn!(%error, %path, "this node cannot be asked from its own machine");
    }
    loop {
        sleep(LOOK_EVERY).await;
        for name in asked(&directory) {
            let path = directory.join(&name);
            // Taken before it is done: a second look must not do it again.
            if std::fs::remove_file(&path).is_err() {
                continue;
            }
            let Some(ask) = Ask::of_name(&name) else { continue };
            tracing::info!(ask = ask.word(), "asked from this machine");
            let answer = answer(ask, &exchange).await;
            if let Err(error) = write_answer(&directory, &name, &answer) {
                tracing::warn!(%error, "an ask from this machine could not be answered");
            }
        }
    }
}

fn renew(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::DirBuilder::new().mode(0o700).create(directory)
}

fn asked(directory: &Path) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(directory) else { return Vec::new() };
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    names.filter(|name| Ask::of_name(name).is_some()).take(ASKS_A_LOOK).collect()
}

async fn answer(ask: Ask, exchange: &Exchange) -> Answer {
    let failed = match ask {
        Ask::ShowTime => None,
        Ask::ConfirmTime => {
            exchange.members().confirm_time().await.err().map(|error| error.to_string())
        }
    };
    let told = exchange.members().clocks().await;
    Answer {
        failed,
        node: exchange.node(),
        own_clock: told.own,
        date: told.date,
        fresh: exchange.gate().fresh().is_ok(),
        trusted_ahead_ms: told.trusted_ahead_ms,
        clocks: told
            .nodes
            .into_iter()
            .map(|(node, name, ahead_ms)| NodeClock { node, name: name.to_string(), ahead_ms })
            .collect(),
    }
}

fn write_answer(directory: &Path, name: &str, answer: &Answer) -> io::Result<()> {
    let text = serde_json::to_vec(answer).map_err(io::Error::other)?;
    let path = directory.join(format!("{name}.answer"));
    let fresh = directory.join(format!("{name}.new"));
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, path)
}

/// Asks the node that runs on a directory; none if it does not answer within `patience`.
pub async fn ask(directory: &Path, ask: Ask, patience: Duration) -> io::Result<Option<Answer>> {
    let mut number = [0; 8];
    certs::system_random(&mut number);
    let path = directory.join(format!("{}.{}", ask.word(), hex::encode(number)));
    let answer = path.with_added_extension("answer");
    std::fs::File::options().write(true).create_new(true).open(&path)?;
    let asked = Instant::now();
    while asked.elapsed() < patience {
        sleep(ANSWER_LOOK_EVERY).await;
        match std::fs::read(&answer) {
            Ok(text) => {
                std::fs::remove_file(&answer).ok();
                return serde_json::from_slice(&text).map(Some).map_err(io::Error::other);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // Nobody took it, and nobody should do it later.
    std::fs::remove_file(&path).ok();
    Ok(None)
}
