//! Sending a large content by tus: piece by piece, and from the told offset at another node.

use std::{io::SeekFrom, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use https::Method;
use model::{Digest, FileName, MediaType, lengths::in_memory};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt},
    time::sleep,
};

use crate::{
    Client, Error, Space,
    send::{Call, Failed, Proof},
};

/// One piece: the only part of a content in memory, and what is sent again when a node dies.
pub const PIECE: usize = 4 * 1024 * 1024;
/// Failures in a row without a single octet more, before giving up: over a minute of waiting.
const STALLS_MAX: u32 = 40;
/// The longest pause between two of them.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A content that was sent whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its digest, as it was read here.
    pub digest: Digest,
    /// Its size.
    pub size: u64,
    /// How often it went on after a failure.
    pub resumed: u32,
}

impl Client {
    /// Tells a space what will come: its size, and the file's name for those who fetch it.
    pub async fn create_upload(
        &self,
        space: &Space,
        size: u64,
        name: Option<&FileName>,
        media_type: &MediaType,
    ) -> Result<(), Error> {
        let call = Call::new(Method::Post, format!("/v1/spaces/{}", space.id))
            .header("tus-resumable", "1.0.0")
            .header("upload-length", size.to_string())
            .header("upload-metadata", metadata(name, media_type))
            .proof(Proof::Bearer(space.token.clone()));
        match self.send(call).await {
            // An earlier run has told it, and has sent all of it or is still sending.
            Err(error) if matches!(error.word(), Some("space_sealed" | "space_busy")) => Ok(()),
            sent => sent.map(drop),
        }
    }

    /// Sends `size` octets into a space. `progress` hears each offset that is durable on a
    /// majority, and the node that said so. The source is sought back when a node loses a piece.
    ///
    /// The first offset is asked for, so an upload begun earlier goes on where it ended.
    pub async fn upload<R>(
        &self,
        space: &Space,
        size: u64,
        source: &mut R,
        mut progress: impl FnMut(u64, &str),
    ) -> Result<Sent, Error>
    where
        R: AsyncRead + AsyncSeek + Unpin,
    {
        let mut reader = Reader { source, size, hasher: Sha256::new(), hashed: 0, at: None };
        let (mut stalls, mut resumed) = (0, 0);
        let mut offset = self.upload_offset(space).await?;
        while offset < size {
            let piece = reader.piece(offset).await?;
            let failed = match self.patch(space, offset, piece).await {
                Ok((next, url)) if next > offset => {
                    (offset, stalls) = (next, 0);
                    progress(offset, &url);
                    continue;
                }
                Ok((_, url)) => {
                    Error::Protocol { url, what: "an upload offset that does not grow".into() }
                        .into()
                }
                Err(failed) => failed,
            };
            if !may_resume(&failed.error) || stalls >= STALLS_MAX {
                return Err(failed.error);
            }
            sleep(pause(stalls, failed.wait)).await;
            (stalls, resumed) = (stalls + 1, resumed + 1);
            let told = self.upload_offset(space).await?;
            stalls = if told > offset { 0 } else { stalls };
            offset = told;
        }
        Ok(Sent { digest: reader.finish().await?, size, resumed })
    }

    /// The offset up to which a space's content is durable, from whichever node answers.
    pub async fn upload_offset(&self, space: &Space) -> Result<u64, Error> {
        let call = Call::new(Method::Head, content_path(space))
            .header("tus-resumable", "1.0.0")
            .proof(Proof::Bearer(space.token.clone()));
        self.send(call).await?.number("upload-offset")
    }

    async fn patch(
        &self,
        space: &Space,
        offset: u64,
        piece: Bytes,
    ) -> Result<(u64, String), Failed> {
        let mut call = Call::new(Method::Patch, content_path(space))
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", offset.to_string())
            .proof(Proof::Bearer(space.token.clone()));
        call.body = Some(("application/offset+octet-stream".to_owned(), piece));
        let answer = self.once(&call).await?;
        Ok((answer.number("upload-offset")?, answer.url))
    }
}

/// What tus calls the metadata: keys, each with a value in base64.
fn metadata(name: Option<&FileName>, media_type: &MediaType) -> String {
    let kind = format!("filetype {}", BASE64_STANDARD.encode(media_type.as_str()));
    match name {
        Some(name) => format!("filename {},{kind}", BASE64_STANDARD.encode(name.as_str())),
        None => kind,
    }
}

fn content_path(space: &Space) -> String {
    format!("/v1/spaces/{}/content", space.id)
}

/// 409 and 423 say that the offset is another or that a dead connection still holds it.
fn may_resume(error: &Error) -> bool {
    error.may_retry()
        || matches!(error.status(), Some(409 | 423))
        || matches!(error, Error::Tls { .. })
}

fn pause(stalls: u32, asked: Option<Duration>) -> Duration {
    let grown = Duration::from_millis(50 << stalls.min(6));
    asked.unwrap_or(grown).min(PAUSE_MAX).max(Duration::from_millis(50))
}

/// Reads pieces anywhere, and hashes every octet exactly once, in order.
struct Reader<'a, R> {
    source: &'a mut R,
    size: u64,
    hasher: Sha256,
    hashed: u64,
    /// Where the source stands; unknown before the first read.
    at: Option<u64>,
}

impl<R: AsyncRead + AsyncSeek + Unpin> Reader<'_, R> {
    /// The piece at an offset; what lies before it and was not hashed yet is read for that alone.
    async fn piece(&mut self, offset: u64) -> Result<Bytes, Error> {
        while self.hashed < offset {
            self.read(self.hashed, PIECE.min(in_memory(offset - self.hashed))).await?;
        }
        self.read(offset, PIECE).await
    }

    async fn read(&mut self, offset: u64, max: usize) -> Result<Bytes, Error> {
        let wrong = |_| Error::Size { size: self.size };
        if self.at != Some(offset) {
            self.source.seek(SeekFrom::Start(offset)).await.map_err(wrong)?;
        }
        let length = usize::try_from(self.size - offset).unwrap_or(usize::MAX).min(max);
        let mut octets = vec![0; length];
        self.source.read_exact(&mut octets).await.map_err(wrong)?;
        let end = offset + length as u64;
        self.at = Some(end);
        if end > self.hashed {
            self.hasher.update(&octets[in_memory(self.hashed - offset)..]);
            self.hashed = end;
        }
        Ok(octets.into())
    }

    /// The digest, once every octet was read; a source that has grown is not what was promised.
    async fn finish(mut self) -> Result<Digest, Error> {
        while self.hashed < self.size {
            self.read(self.hashed, PIECE).await?;
        }
        let wrong = |_| Error::Size { size: self.size };
        self.source.seek(SeekFrom::Start(self.size)).await.map_err(wrong)?;
        if self.source.read(&mut [0]).await.map_err(wrong)? != 0 {
            return Err(Error::Size { size: self.size });
        }
        Ok(Digest(self.hasher.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn reader(source: &mut Cursor<Vec<u8>>, size: u64) -> Reader<'_, Cursor<Vec<u8>>> {
        Reader { source, size, hasher: Sha256::new(), hashed: 0, at: None }
    }

    #[test]
    fn names_travel_in_base64() {
        let kind = "application/pdf".parse().expect("a media type");
        let name = "Công văn.pdf".parse().expect("a file name");
        assert_eq!(
            metadata(Some(&name), &kind),
            "filename Q8O0bmcgdsSDbi5wZGY=,filetype YXBwbGljYXRpb24vcGRm"
        );
        assert_eq!(metadata(None, &kind), "filetype YXBwbGljYXRpb24vcGRm");
    }

    #[tokio::test]
    async fn each_octet_is_hashed_once_whatever_is_sent_again() {
        let octets: Vec<u8> = (0..PIECE as u32 * 2 + 7).map(|i| (i / 251) as u8).collect();
        let whole = Digest(Sha256::digest(&octets).into());
        let size = octets.len() as u64;
        for offsets in
            [vec![0, PIECE as u64, 2 * PIECE as u64], vec![0, 0, 5, 9], vec![size - 1], vec![]]
        {
            let mut source = Cursor::new(octets.clone());
            let mut reader = reader(&mut source, size);
            for offset in offsets {
                let piece = reader.piece(offset).await.expect("a piece");
                assert_eq!(piece, octets[offset as usize..][..piece.len()]);
            }
            assert_eq!(reader.finish().await.expect("a digest"), whole);
        }
    }

    #[tokio::test]
    async fn a_source_of_another_size_is_refused() {
        for size in [9, 11] {
            let mut source = Cursor::new(vec![1; 10]);
            assert!(matches!(reader(&mut source, size).finish().await, Err(Error::Size { .. })));
        }
    }
}
