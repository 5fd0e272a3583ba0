//! A copy that is being fetched: a file beside the others, which counts only once it is in its place.

use std::sync::Arc;

use bytes::Bytes;
use model::SpaceId;

use crate::{
    Error,
    disk::{File, Write},
    record::{FENCE_PLACES, FILE_HEAD, Fence, Identity, SEAL_PLACE, SealMark},
    volume::Volume,
};

/// What the name of an unfinished copy ends with.
pub(crate) const PART: &str = ".part";

/// An unfinished copy.
pub(crate) struct Part {
    pub space: SpaceId,
    file: Arc<dyn File>,
    volume: Arc<Volume>,
}

/// What the header of a complete copy says.
pub(crate) struct FileHeader {
    pub identity: Identity,
    pub mark: SealMark,
}

impl FileHeader {
    /// The header's octets, with the promise that the log here has made.
    fn encode(&self, fence: Option<Fence>) -> Vec<u8> {
        let mut header = vec![0; FILE_HEAD];
        let mut put = |at: usize, form: &[u8]| header[at..at + form.len()].copy_from_slice(form);
        put(0, &self.identity.encode());
        put(SEAL_PLACE, &self.mark.encode());
        if let Some(fence) = fence {
            put(FENCE_PLACES[0], &fence.encode());
        }
        header
    }
}

impl Part {
    pub async fn create(volume: Arc<Volume>, space: SpaceId, path: &str) -> Result<Self, Error> {
        let created = volume.disk().create(path).await;
        let file = created.map_err(|source| volume.write_failed("create a copy", source))?;
        Ok(Self { space, file, volume })
    }

    /// Writes frames, if the disk has room for them.
    pub async fn write(&self, offset: u64, frames: Bytes) -> Result<(), Error> {
        self.volume.check_room().await?;
        let written = self.file.write(vec![Write { offset, bytes: frames }], false).await;
        written.map_err(|source| self.volume.write_failed("write a copy", source))
    }

    /// Writes the header and makes the whole copy durable.
    pub async fn finish(&self, header: &FileHeader, fence: Option<Fence>) -> Result<(), Error> {
        let write = Write { offset: 0, bytes: header.encode(fence).into() };
        self.volume.write_synced(&*self.file, vec![write], "write a copy").await
    }
}
