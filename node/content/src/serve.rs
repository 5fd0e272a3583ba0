//! Answers the messages of peers.

use std::sync::Arc;

use bytes::Bytes;
use model::NodeId;

use crate::{
    Error,
    copies::Copies,
    files::Files,
    holdings::Holdings,
    protocol::{self, About, AskHolds, HOLDS_MAX, Operation, Outcome, ReadRaw},
    writers::Writers,
};

/// Answers peers, each question by the part that it is for.
pub(crate) struct Responder {
    copies: Arc<Copies>,
    files: Arc<Files>,
    holdings: Arc<Holdings>,
    writers: Arc<Writers>,
}

impl Responder {
    pub fn new(
        copies: Arc<Copies>,
        files: Arc<Files>,
        holdings: Arc<Holdings>,
        writers: Arc<Writers>,
    ) -> Self {
        Self { copies, files, holdings, writers }
    }

    /// Answers a peer's message.
    pub async fn handle(&self, from: NodeId, message: Bytes) -> Bytes {
        match self.answer(message).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%from, %error, "a peer's message was refused");
                protocol::refusal(outcome_of(&error))
            }
        }
    }

    async fn answer(&self, message: Bytes) -> Result<Bytes, Error> {
        let (operation, body) =
            protocol::split(&message).ok_or(Error::Malformed { what: "a message" })?;
        match operation {
            Operation::Put => Ok(protocol::raw_answer(&self.copies.take(body).await?)),
            Operation::Describe => {
                let About { space } = protocol::decode(&body)?;
                Ok(protocol::answer(&self.holdings.describe(space).await?))
            }
            Operation::Read => {
                let ask: ReadRaw = protocol::decode(&body)?;
                Ok(protocol::raw_answer(&self.holdings.raw(ask).await?))
            }
            Operation::Fence => {
                Ok(protocol::answer(&self.files.fence(&protocol::decode(&body)?).await?))
            }
            Operation::Stand => {
                let About { space } = protocol::decode(&body)?;
                Ok(protocol::answer(&self.writers.stand(space).await?))
            }
            Operation::Holds => {
                let AskHolds { spaces } = protocol::decode(&body)?;
                if spaces.len() > HOLDS_MAX {
                    return Err(Error::Malformed { what: "a list of spaces" });
                }
                let mut holdings = Vec::with_capacity(spaces.len());
                for space in spaces {
                    holdings.push(self.holdings.holding(space).await as u8);
                }
                Ok(protocol::raw_answer(&holdings))
            }
            Operation::Append => Err(Error::Malformed { what: "a stream's header as a message" }),
        }
    }
}

fn outcome_of(error: &Error) -> Outcome {
    match error {
        Error::Missing { .. } => Outcome::Missing,
        Error::Purged { .. } => Outcome::Purged,
        Error::Fenced { .. } => Outcome::Fenced,
        Error::Full | Error::TooMany => Outcome::Full,
        Error::Malformed { .. } | Error::TooLarge { .. } => Outcome::Malformed,
        _ => Outcome::Failed,
    }
}
