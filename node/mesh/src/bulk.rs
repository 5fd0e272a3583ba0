//! Bulk streams: chunks of up to 1 MiB in order, held back by the reader's pace.

use bytes::{Buf, Bytes, BytesMut};
use model::NodeId;
use quinn::{RecvStream, SendStream, VarInt};

use crate::Error;

/// The largest chunk of a bulk stream.
pub const CHUNK_MAX: usize = 1024 * 1024;

/// Length before each chunk.
const HEADER: usize = 4;

/// The sending half of a bulk stream. Dropped without `finish`, the reader sees a failure.
#[derive(Debug)]
pub struct Sender {
    node: NodeId,
    stream: SendStream,
    /// Whether all that was begun is sent; a send that was dropped halfway leaves half a chunk.
    whole: bool,
    finished: bool,
}

impl Sender {
    pub(crate) const fn new(node: NodeId, stream: SendStream) -> Self {
        Self { node, stream, whole: true, finished: false }
    }

    /// Sends a chunk; waits while the reader is behind. Dropped before its end, it spoils the
    /// stream: nothing more can be sent, and the reader sees a failure.
    pub async fn send(&mut self, chunk: Bytes) -> Result<(), Error> {
        if chunk.len() > CHUNK_MAX {
            return Err(Error::TooLarge { size: chunk.len(), limit: CHUNK_MAX });
        }
        let size = u32::try_from(chunk.len()).expect("a chunk is within its limit");
        let mut pieces = [Bytes::copy_from_slice(&size.to_be_bytes()), chunk];
        self.write(&mut pieces).await
    }

    pub(crate) async fn write(&mut self, pieces: &mut [Bytes]) -> Result<(), Error> {
        if !std::mem::replace(&mut self.whole, false) {
            return Err(Error::Lost(self.node));
        }
        self.stream.write_all_chunks(pieces).await.map_err(|_| Error::Lost(self.node))?;
        self.whole = true;
        Ok(())
    }

    /// Ends the stream well: the reader sees its end after the last chunk.
    pub fn finish(mut self) -> Result<(), Error> {
        if !self.whole {
            return Err(Error::Lost(self.node));
        }
        self.finished = true;
        self.stream.finish().map_err(|_| Error::Lost(self.node))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // By itself the library would end the stream well, and a cut content would look whole.
        if !self.finished {
            // The connection may be gone: then the reader has failed already.
            self.stream.reset(VarInt::from_u32(1)).ok();
        }
    }
}

/// The receiving half of a bulk stream. Dropped early, it stops the sender.
#[derive(Debug)]
pub struct Receiver {
    node: NodeId,
    stream: RecvStream,
    buffer: BytesMut,
}

impl Receiver {
    pub(crate) const fn new(node: NodeId, stream: RecvStream, buffer: BytesMut) -> Self {
        Self { node, stream, buffer }
    }

    /// The next chunk, or nothing at the good end of the stream.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, Error> {
        if !self.fill(HEADER).await? {
            return match self.buffer.is_empty() {
                true => Ok(None),
                false => Err(self.broken("a chunk is cut short")),
            };
        }
        let size = (&self.buffer[..HEADER]).get_u32() as usize;
        if size > CHUNK_MAX {
            return Err(self.broken("a chunk beyond the limit"));
        }
        if !self.fill(HEADER + size).await? {
            return Err(self.broken("a chunk is cut short"));
        }
        self.buffer.advance(HEADER);
        Ok(Some(self.buffer.split_to(size).freeze()))
    }

    /// Reads until so many octets are there; false when the stream ends before.
    async fn fill(&mut self, size: usize) -> Result<bool, Error> {
        while self.buffer.len() < size {
            let room = size.max(READ) - self.buffer.len();
            match self.stream.read_chunk(room, true).await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk.bytes),
                Ok(None) => return Ok(false),
                Err(_) => return Err(Error::Lost(self.node)),
            }
        }
        Ok(true)
    }

    const fn broken(&self, reason: &'static str) -> Error {
        Error::Protocol { node: self.node, reason }
    }
}

/// Octets read ahead when little is asked for: the headers of small chunks come together.
const READ: usize = 16 * 1024;
