//! The messages of the axis and where each stands: what was sent, and one delivery for each receiver.
//!
//! An item stays in its receiver's list until it is called done, so it is delivered at least once.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use model::Moment;
use wire::vxp::{Acknowledgement, MessageType};

use crate::directory::BodyIndex;

/// Messages that are kept, done ones too: what was sent can be asked for for ever.
pub const MESSAGES_MAX: usize = 500_000;
/// Deliveries of them, of which a message has one for each receiver. The last message may go beyond it by the bodies of
/// the directory.
pub const DELIVERIES_MAX: usize = 500_000;
/// Octets of all of them together.
pub const CONTENTS_OCTETS_MAX: usize = 2 << 30;

/// A message that was sent.
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) kind: MessageType,
    pub(crate) from: BodyIndex,
    /// As it is passed on: with the hub's `TraceHeader`.
    pub(crate) content: Bytes,
    pub(crate) title: String,
    pub(crate) notation: String,
    pub(crate) sent_at: Moment,
    deliveries: Vec<usize>,
}

/// A message at one receiver.
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) message: usize,
    pub(crate) to: BodyIndex,
    /// The receiver's last acknowledgement.
    pub(crate) said: Option<Acknowledgement>,
    pub(crate) updated_at: Moment,
}

/// What an identifier names.
#[derive(Clone, Copy)]
enum Named {
    Message(usize),
    Delivery(usize),
}

/// The messages.
#[derive(Default)]
pub(crate) struct Mail {
    messages: Vec<Message>,
    deliveries: Vec<Delivery>,
    named: HashMap<String, Named>,
    waiting: HashMap<(BodyIndex, bool), BTreeSet<usize>>,
    octets: usize,
}

/// A message that is to be sent.
pub(crate) struct New {
    pub(crate) id: String,
    pub(crate) kind: MessageType,
    pub(crate) from: BodyIndex,
    pub(crate) content: Bytes,
    pub(crate) title: String,
    pub(crate) notation: String,
    pub(crate) at: Moment,
}

fn is_status(kind: MessageType) -> bool {
    kind == MessageType::Status
}

impl Mail {
    /// Whether there is room for one more of this size.
    pub(crate) fn has_room(&self, octets: usize) -> bool {
        self.messages.len() < MESSAGES_MAX
            && self.deliveries.len() < DELIVERIES_MAX
            && self.octets.saturating_add(octets) <= CONTENTS_OCTETS_MAX
    }

    /// Takes a message; deliveries are added to it.
    pub(crate) fn put(&mut self, new: New) -> usize {
        let index = self.messages.len();
        self.octets += new.content.len();
        self.named.insert(new.id.clone(), Named::Message(index));
        let New { id, kind, from, content, title, notation, at: sent_at } = new;
        let deliveries = Vec::new();
        let message = Message { id, kind, from, content, title, notation, sent_at, deliveries };
        self.messages.push(message);
        index
    }

    /// Delivers a message to one receiver.
    pub(crate) fn deliver(&mut self, message: usize, id: String, to: BodyIndex) -> usize {
        let index = self.deliveries.len();
        let Message { kind, sent_at, .. } = self.messages[message];
        self.named.insert(id.clone(), Named::Delivery(index));
        self.deliveries.push(Delivery { id, message, to, said: None, updated_at: sent_at });
        self.messages[message].deliveries.push(index);
        self.waiting.entry((to, is_status(kind))).or_default().insert(index);
        index
    }

    pub(crate) fn delivery(&self, index: usize) -> (&Delivery, &Message) {
        let delivery = &self.deliveries[index];
        (delivery, &self.messages[delivery.message])
    }

    /// What waits for a receiver, the oldest first.
    pub(crate) fn waiting(
        &self,
        to: BodyIndex,
        kind: MessageType,
    ) -> impl Iterator<Item = (&Delivery, &Message)> {
        let waiting = self.waiting.get(&(to, is_status(kind)));
        waiting.into_iter().flatten().map(|index| self.delivery(*index))
    }

    /// How many wait.
    pub(crate) fn count(&self, to: BodyIndex, kind: MessageType) -> usize {
        self.waiting.get(&(to, is_status(kind))).map_or(0, BTreeSet::len)
    }

    /// A message that a body may read: it sent it, or it was delivered to it.
    pub(crate) fn readable(&self, id: &str, by: BodyIndex) -> Option<&Message> {
        match self.named.get(id)? {
            Named::Message(index) => Some(&self.messages[*index]).filter(|m| m.from == by),
            Named::Delivery(index) => {
                let (delivery, message) = self.delivery(*index);
                (delivery.to == by).then_some(message)
            }
        }
    }

    /// The last document of a sender with a notation.
    pub(crate) fn last_sent(&self, by: BodyIndex, notation: &str) -> Option<&Message> {
        let is_it = |m: &&Message| m.from == by && m.notation == notation && !is_status(m.kind);
        self.messages.iter().rev().find(is_it)
    }

    /// A message by its sender's identifier.
    pub(crate) fn sent(&self, id: &str, by: BodyIndex) -> Option<&Message> {
        match self.named.get(id)? {
            Named::Message(index) => Some(&self.messages[*index]).filter(|m| m.from == by),
            Named::Delivery(_) => None,
        }
    }

    /// A delivery by its receiver's identifier.
    pub(crate) fn delivered(&self, id: &str, to: BodyIndex) -> Option<usize> {
        match self.named.get(id)? {
            Named::Delivery(index) => (self.deliveries[*index].to == to).then_some(*index),
            Named::Message(_) => None,
        }
    }

    /// What became of a message, receiver by receiver.
    pub(crate) fn outcomes<'m>(
        &'m self,
        message: &'m Message,
    ) -> impl Iterator<Item = &'m Delivery> {
        message.deliveries.iter().map(|index| &self.deliveries[*index])
    }

    /// A receiver acknowledges; what is done leaves the list.
    pub(crate) fn acknowledge(&mut self, index: usize, word: Acknowledgement, at: Moment) {
        let delivery = &mut self.deliveries[index];
        (delivery.said, delivery.updated_at) = (Some(word), at);
        let kind = self.messages[delivery.message].kind;
        let waiting = self.waiting.entry((delivery.to, is_status(kind))).or_default();
        match word {
            Acknowledgement::Done => waiting.remove(&index),
            // What failed or is being taken over is offered again.
            Acknowledgement::Processing | Acknowledgement::Fail => waiting.insert(index),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_full_takes_no_more() {
        let mut mail = Mail::default();
        let new = |number: usize, content: Bytes| New {
            id: number.to_string(),
            kind: MessageType::Document,
            from: 0,
            content,
            title: String::new(),
            notation: String::new(),
            at: Moment(0),
        };
        mail.put(new(0, Bytes::from_static(b"1234")));
        assert!(mail.has_room(CONTENTS_OCTETS_MAX - 4) && !mail.has_room(CONTENTS_OCTETS_MAX - 3));
        for number in 1..MESSAGES_MAX {
            assert!(mail.has_room(0), "{number}");
            mail.put(new(number, Bytes::new()));
        }
        assert!(!mail.has_room(0));
    }

    #[test]
    fn messages_to_many_are_counted_by_their_receivers() {
        let mut mail = Mail::default();
        let new = New {
            id: "m".to_owned(),
            kind: MessageType::Document,
            from: 0,
            content: Bytes::new(),
            title: String::new(),
            notation: String::new(),
            at: Moment(0),
        };
        let message = mail.put(new);
        for number in 0..DELIVERIES_MAX {
            assert!(mail.has_room(0), "{number}");
            mail.deliver(message, number.to_string(), 1);
        }
        assert!(!mail.has_room(0));
    }
}
