//! One space's log at this holder: what is known of it in memory.

use std::{io, sync::Arc};

use bytes::BytesMut;
use model::{SpaceId, lengths::in_memory};

use crate::{
    disk::File,
    layout::Layout,
    protocol::Standing,
    record::{FILE_HEAD, FRAME_HEAD, Fence, FrameHead, Identity, SEAL_PLACE, SealMark},
    source::Source,
};

/// Octets read at once while scanning.
const WINDOW: usize = 1 << 20;

/// The log of a space: its file, and what stands in it.
pub(crate) struct Log {
    pub space: SpaceId,
    pub file: Arc<dyn File>,
    pub fence: Option<Fence>,
    /// Which of the two places takes the next fence.
    pub fence_place: usize,
    pub identity: Option<Identity>,
    pub layout: Layout,
    pub mark: Option<SealMark>,
}

impl Log {
    /// The log of a file that was just created.
    pub fn empty(space: SpaceId, file: Arc<dyn File>) -> Self {
        let layout = Layout::default();
        Self { space, file, fence: None, fence_place: 0, identity: None, layout, mark: None }
    }

    /// Reads a log as far as it is good.
    pub async fn read(space: SpaceId, file: Arc<dyn File>) -> io::Result<Self> {
        let header = file.read(0, FILE_HEAD).await?;
        let (fence, fence_place) = Fence::of_header(&header);
        let identity = Identity::parse(&header, space);
        let mark = header.get(SEAL_PLACE..).and_then(SealMark::parse);
        let layout = match identity {
            Some(_) => scan_frames(&*file, space).await?,
            None => Layout::default(),
        };
        Ok(Self { space, file, fence, fence_place, identity, layout, mark })
    }

    /// The highest epoch that was promised; 0 if none was.
    pub fn promised(&self) -> u32 {
        self.fence.map_or(0, |fence| fence.epoch)
    }

    /// The log as raw octets.
    pub fn source(&self) -> Source {
        Source::file(self.space, self.file.clone())
    }

    /// How the log stands, as a writer is told.
    pub fn standing(&self) -> Standing {
        let identity = self.identity.as_ref();
        Standing {
            granted: false,
            promised: self.promised(),
            identity: identity.map_or_else(Vec::new, |identity| identity.encode().to_vec()),
            tenures: self.layout.tenures(),
            end: self.layout.end,
            writer: None,
            sealed: self.layout.seal().map(|seal| seal.offset),
        }
    }
}

/// Reads frames from the beginning, as far as they are whole and follow each other.
async fn scan_frames(file: &dyn File, space: SpaceId) -> io::Result<Layout> {
    let mut layout = Layout::default();
    let (mut octets, mut start) = (BytesMut::new(), layout.end);
    loop {
        let mut from = in_memory(layout.end - start);
        let head = |octets: &[u8]| FrameHead::parse(octets, space).map(|head| head.total());
        let needed = octets.get(from..).and_then(head).unwrap_or(FRAME_HEAD);
        if octets.len() < from + needed || octets.len() < from + FRAME_HEAD {
            octets = file.read(layout.end, WINDOW).await?;
            (start, from) = (layout.end, 0);
        }
        let Some(head) = octets.get(from..).and_then(|frame| FrameHead::parse_whole(frame, space))
        else {
            break;
        };
        if layout.push(&head).is_err() {
            break;
        }
    }
    Ok(layout)
}
