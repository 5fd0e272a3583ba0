//! An answer: its head at once, its body whole up to a limit or piece by piece.

use std::{fmt, pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use crate::Error;

/// The head of an answer; its body is still to come.
#[derive(Debug)]
pub struct Response {
    origin: String,
    timeout: Duration,
    answer: reqwest::Response,
}

impl Response {
    pub(crate) fn new(origin: &str, timeout: Duration, answer: reqwest::Response) -> Self {
        Self { origin: origin.to_owned(), timeout, answer }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    /// A header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The certificate that the server presented, in DER.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.answer.extensions().get::<reqwest::tls::TlsInfo>()?.peer_certificate()
    }

    /// Reads the body whole, up to a limit.
    pub async fn whole(self, max: usize) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        let mut pieces = self.answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| Error::of(&self.origin, self.timeout, error))?;
            if whole.len() + piece.len() > max {
                return Err(Error::TooLong { url: self.origin, max });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Reads the body piece by piece.
    pub fn pieces(self) -> Pieces {
        Pieces { origin: self.origin, stream: Box::pin(self.answer.bytes_stream()) }
    }
}

/// The body of an answer, as it comes.
pub struct Pieces {
    origin: String,
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>,
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Pieces {
    /// The server that sends them.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The next piece, none after the last. A server that is silent for so long is not waited for.
    pub async fn next(&mut self, silence_max: Duration) -> Result<Option<Bytes>, Error> {
        match timeout(silence_max, self.stream.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(octets))) => Ok(Some(octets)),
            Ok(Some(Err(error))) => Err(Error::of(&self.origin, silence_max, error)),
            Err(_) => Err(Error::Timeout { url: self.origin.clone(), after: silence_max }),
        }
    }
}
