//! What a holder lacks of a large content, read from the log here.

use model::SpaceId;

use crate::{
    Error, FrameSink,
    layout::Layout,
    reader::{PIECE, Source},
    record::FrameHead,
    store::Store,
};

/// Sends the frames of the log here that the holder lacks, from a sequence on, which lies where the frames before
/// it ended if that is known; gives the next sequence, and where it will lie.
pub(crate) async fn catch_up(
    store: &Store,
    space: SpaceId,
    base: &Layout,
    (from, at): (u64, Option<u64>),
    sink: &mut dyn FrameSink,
) -> Result<(u64, u64), Error> {
    let Some(mut place) = base.find(from) else { return Ok((base.next, base.end)) };
    let opened = store.disk.open(&crate::files::space_path(space)).await;
    let file = opened.map_err(crate::store::disk_error("open a file"))?;
    let source = Source::Here { file, base: 0, small: false };
    if place.first < from && at.is_none() {
        // Within a mixed run.
        store.walk((space, &source), &mut place, |head| head.sequence >= from).await?;
    }
    let (mut at, mut next) = (at.unwrap_or(place.at), from);
    while at < base.end {
        let len = (base.end - at).min(PIECE as u64) as usize;
        let mut octets = store.read_raw(space, &source, at, len).await?.freeze();
        let begun = at;
        // A log that another epoch has cut meanwhile goes on with other frames.
        while let Some(head) = FrameHead::parse(&octets, space)
            .filter(|head| head.sequence == next && head.total() <= octets.len())
        {
            let frame = octets.split_to(head.total());
            at += head.total() as u64;
            next += 1;
            sink.send(frame).await.map_err(|_| Error::Unavailable { space })?;
        }
        if at == begun {
            return Err(Error::Damaged { space, what: "its frames here" });
        }
    }
    Ok((base.next, base.end))
}
