//! Frames: a length, a number, a kind and a body. Pure: octets in, frames or a reason out.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The largest message of a channel: a batch of log entries or a small content with its envelope.
pub const MESSAGE_MAX: usize = 8 * 1024 * 1024;

/// The largest greeting: a word or two about each of a hundred nodes.
pub const GREETING_MAX: usize = 64 * 1024;

/// Length of the body, number and kind.
pub(crate) const HEADER: usize = 4 + 8 + 1;

/// Bodies up to this size are copied behind their header, so that many leave in one write.
const COPIED_MAX: usize = 4 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first frame of a lane, both ways: the number tells apart the processes of a node, the body
    /// is its greeting, behind the channel where the caller speaks.
    Open,
    /// The first frame of a bulk stream: the body is its header.
    Bulk,
    Request,
    Answer,
    /// The request arrived, and there is no answer to it.
    Failure,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Open, Self::Bulk, Self::Request, Self::Answer, Self::Failure];
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub kind: Kind,
    pub number: u64,
    pub body: Bytes,
}

/// Gathers frames into as few pieces as go out in one write.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: Vec<Bytes>,
    open: BytesMut,
}

impl Outbox {
    pub fn push(&mut self, frame: Frame) {
        self.open.reserve(HEADER + frame.body.len().min(COPIED_MAX));
        self.open.put_u32(u32::try_from(frame.body.len()).expect("a body is within its limit"));
        self.open.put_u64(frame.number);
        self.open.put_u8(frame.kind as u8);
        if frame.body.len() <= COPIED_MAX {
            self.open.extend_from_slice(&frame.body);
        } else {
            self.pieces.push(self.open.split().freeze());
            self.pieces.push(frame.body);
        }
    }

    /// All pieces in order; the outbox is empty afterwards.
    pub fn take(&mut self) -> Vec<Bytes> {
        let mut pieces = std::mem::take(&mut self.pieces);
        if !self.open.is_empty() {
            pieces.push(self.open.split().freeze());
        }
        pieces
    }
}

/// Cuts arriving octets into frames.
#[derive(Debug, Default)]
pub(crate) struct Inbox(BytesMut);

impl Inbox {
    pub fn push(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// What has arrived behind the frames taken, for a reader of another kind.
    pub fn into_rest(self) -> BytesMut {
        self.0
    }

    /// The next whole frame, if it has arrived; an error is for good.
    pub fn next(&mut self) -> Result<Option<Frame>, &'static str> {
        let Some(header) = self.0.get(..HEADER) else { return Ok(None) };
        let mut header = header;
        let size = header.get_u32() as usize;
        let number = header.get_u64();
        let kind =
            *Kind::ALL.get(usize::from(header.get_u8())).ok_or("a frame of an unknown kind")?;
        // Judged before its body is awaited, so nobody makes us gather more than the limit.
        if size > MESSAGE_MAX {
            return Err("a frame beyond the limit");
        }
        if self.0.len() < HEADER + size {
            return Ok(None);
        }
        self.0.advance(HEADER);
        let body = self.0.split_to(size).freeze();
        if self.0.is_empty() {
            // The room of a large frame goes with its body, instead of staying with the lane.
            self.0 = BytesMut::new();
        }
        Ok(Some(Frame { kind, number, body }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let frame = (0..5usize, any::<u64>(), 0..3usize, any::<u8>()).prop_map(
            |(kind, number, size, octet)| {
                let size = [0, 17, COPIED_MAX + 1][size];
                Frame { kind: Kind::ALL[kind], number, body: Bytes::from(vec![octet; size]) }
            },
        );
        proptest::collection::vec(frame, 0..12)
    }

    proptest! {
        #[test]
        fn frames_arrive_as_they_were_sent_however_they_are_cut(frames in frames(), cut in 1..5000usize) {
            let mut outbox = Outbox::default();
            frames.iter().cloned().for_each(|frame| outbox.push(frame));
            let octets = outbox.take().concat();
            prop_assert!(outbox.take().is_empty());
            let (mut inbox, mut arrived) = (Inbox::default(), Vec::new());
            for piece in octets.chunks(cut) {
                inbox.push(piece);
                while let Some(frame) = inbox.next().unwrap() {
                    arrived.push(frame);
                }
            }
            prop_assert_eq!(arrived, frames);
        }

        #[test]
        fn any_octets_are_frames_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut inbox = Inbox::default();
            inbox.push(&octets);
            let mut taken = 0;
            while let Ok(Some(frame)) = inbox.next() {
                taken += HEADER + frame.body.len();
            }
            prop_assert!(taken <= octets.len());
        }
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_by_its_header() {
        let mut inbox = Inbox::default();
        inbox.push(&(MESSAGE_MAX as u32 + 1).to_be_bytes());
        inbox.push(&[0; 8]);
        assert_eq!(inbox.next(), Ok(None));
        inbox.push(&[2]);
        assert!(inbox.next().is_err());
    }

    #[test]
    fn the_format_never_changes() {
        let mut outbox = Outbox::default();
        outbox.push(Frame {
            kind: Kind::Request,
            number: 0x0102,
            body: Bytes::from_static(b"xin"),
        });
        assert_eq!(outbox.take(), [Bytes::from_static(b"\0\0\0\x03\0\0\0\0\0\0\x01\x02\x02xin")]);
    }
}
