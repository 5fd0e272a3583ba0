//! What this node hands out of contents, told to the other nodes and heard from them.

use std::{ops::Range, sync::Arc};

use model::{PacketId, UnitCode};

use crate::{
    backlog::{Backlog, HANDED_MAX, PICKUPS_WAITING_MAX},
    fetches::{Fetches, HandedPart},
    ports::Nodes,
};

/// Parts of one message to the other nodes: some 30 KiB.
const TOLD_AT_ONCE: usize = 512;

/// What has been handed out, by this node and by others, until it is told and recorded. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handing(Arc<Tables>);

struct Tables {
    fetches: Fetches,
    /// Parts that the other nodes have yet to hear of.
    parts: Backlog<HandedPart>,
    /// Who has had all of what, and it is not recorded yet.
    pickups: Backlog<(PacketId, UnitCode)>,
}

impl Default for Handing {
    fn default() -> Self {
        Self(Arc::new(Tables {
            fetches: Fetches::default(),
            parts: Backlog::new(HANDED_MAX),
            pickups: Backlog::new(PICKUPS_WAITING_MAX),
        }))
    }
}

impl Handing {
    /// Waits until something was handed out, and tells the other nodes which parts.
    pub(crate) async fn tell(&self, nodes: &dyn Nodes) {
        self.0.parts.added().await;
        for parts in self.0.parts.take().chunks(TOLD_AT_ONCE) {
            nodes.tell_handed(parts.to_vec()).await;
        }
    }

    /// Hears which parts another node has handed out.
    pub(crate) fn hear(&self, parts: Vec<HandedPart>) {
        // A member tells no more at once, and no code that is none: what has a fault there stays there.
        for part in parts.into_iter().take(TOLD_AT_ONCE) {
            let is_part = part.start < part.end
                && part.end <= part.size
                && part.target.as_str().len() <= UnitCode::LEN_MAX;
            if is_part && self.0.fetches.note(&part) {
                self.picked_up(part.packet, part.target);
            }
        }
    }

    /// A target has had all of a content. Twice does no harm: it is recorded once.
    pub(crate) fn picked_up(&self, packet: PacketId, target: UnitCode) {
        // The record is a courtesy to the source: under a flood some are left out, no receipt is.
        self.0.pickups.add((packet, target));
    }

    /// Takes the pickups that wait to be recorded.
    pub(crate) fn take_pickups(&self) -> Vec<(PacketId, UnitCode)> {
        self.0.pickups.take()
    }

    fn note(&self, part: HandedPart) {
        if self.0.fetches.note(&part) {
            self.picked_up(part.packet, part.target);
        } else {
            self.0.parts.add(part);
        }
    }
}

/// What one request hands out. It is noted with its last octet, as nothing is asked for behind that one where
/// the length is known (HTTP/1.1), or when the request ends before.
pub(crate) struct Handed {
    handing: Handing,
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
        handing: &Handing,
        packet: PacketId,
        target: UnitCode,
        size: u64,
        range: &Range<u64>,
    ) -> Self {
        let part = range.start..range.start;
        let mut handed =
            Self { handing: handing.clone(), packet, target, size, part, end: range.end };
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
        self.handing.note(part);
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if !self.part.is_empty() {
            self.note();
        }
    }
}
