//! What this node hands out of contents, told to the other nodes and heard from them.

use std::ops::Range;

use model::{PacketId, UnitCode};

use crate::{Exchange, fetches::HandedPart};

/// Parts of one message to the other nodes: some 30 KiB.
const TOLD_AT_ONCE: usize = 512;

impl Exchange {
    /// Tells the other nodes which parts this one has handed out.
    pub(crate) async fn tell_handed(&self) {
        let parts = self.inner.handed.take();
        for parts in parts.chunks(TOLD_AT_ONCE) {
            self.inner.parts.nodes.tell_handed(parts.to_vec()).await;
        }
    }

    /// Hears which parts another node has handed out.
    pub fn hear_handed(&self, parts: Vec<HandedPart>) {
        // A member tells no more at once, and no code that is none: what has a fault there stays there.
        for part in parts.into_iter().take(TOLD_AT_ONCE) {
            let is_part = part.start < part.end
                && part.end <= part.size
                && part.target.as_str().len() <= UnitCode::LEN_MAX;
            if is_part && self.inner.fetches.note(&part) {
                self.picked_up(part.packet, part.target);
            }
        }
    }

    /// A target has had all of a content. Twice does no harm: it is recorded once.
    pub(crate) fn picked_up(&self, packet: PacketId, target: UnitCode) {
        // The record is a courtesy to the source: under a flood some are left out, no receipt is.
        self.inner.pickups.add((packet, target));
    }
}

/// What one request hands out. It is noted with its last octet, as nothing is asked for behind that one where
/// the length is known (HTTP/1.1), or when the request ends before.
pub(crate) struct Handed {
    exchange: Exchange,
    packet: PacketId,
    target: UnitCode,
    size: u64,
    /// Handed out and not noted yet.
    part: Range<u64>,
    end: u64,
}

impl Handed {
    /// A request for a range of a content.
    pub(crate) fn new(
        exchange: &Exchange,
        packet: PacketId,
        target: UnitCode,
        size: u64,
        range: &Range<u64>,
    ) -> Self {
        let part = range.start..range.start;
        let mut handed =
            Self { exchange: exchange.clone(), packet, target, size, part, end: range.end };
        if size == 0 {
            // Nobody asks for the octets of an empty content.
            handed.note();
        }
        handed
    }

    /// So many more octets are the connection's now.
    pub(crate) fn out(&mut self, octets: usize) {
        self.part.end += octets as u64;
        if self.part.end >= self.end {
            self.note();
        }
    }

    fn note(&mut self) {
        let (packet, target, size) = (self.packet, self.target.clone(), self.size);
        let part = HandedPart { packet, target, start: self.part.start, end: self.part.end, size };
        self.part.start = self.part.end;
        let inner = &self.exchange.inner;
        if inner.fetches.note(&part) {
            self.exchange.picked_up(packet, part.target);
        } else {
            inner.handed.add(part);
        }
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if !self.part.is_empty() {
            self.note();
        }
    }
}
