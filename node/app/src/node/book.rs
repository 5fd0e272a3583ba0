//! The address book: where each node was last known to be, kept on disk, so that nodes find one
//! another without asking the quorum that they are about to form (D22).
//!
//! Addresses are hints. A wrong one costs an attempt: who answers there is for its certificate to
//! say. What a node tells of itself is its own word; what others tell is kept apart from it.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use model::NodeId;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::greeting::{Greeting, Heard, LifeId, OTHERS_MAX};

/// The version of the file.
const FORMAT: u32 = 1;
/// Nodes that the book knows: a cluster has fewer. Removed ones leave when it is written.
const NODES_MAX: usize = 2 * OTHERS_MAX;
/// The longest address: a host name has 253 octets at most.
const ADDRESS_MAX: usize = 300;
/// Ended lives that are remembered of a node; each is a move to another machine.
const ENDED_MAX: usize = 16;

/// What is known of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Where it wants to be called, as it has told over a connection that its certificate proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// Where it was met last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SocketAddr>,
    /// Where others say that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<String>,
    /// The start in which it has told that, as the others say.
    #[serde(default)]
    pub heard_start: u64,
    /// Its life; none until it was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<LifeId>,
    /// The last start that it has told.
    #[serde(default)]
    pub start: u64,
    /// The process of that start.
    #[serde(default)]
    pub process: u64,
    /// Its lives that have ended: the node was moved, and what is left behind is not it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<LifeId>,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    format: u32,
    #[serde(default)]
    nodes: Vec<Row>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    node: NodeId,
    #[serde(flatten)]
    place: Place,
}

/// The address book of one node.
pub(super) struct Book {
    path: PathBuf,
    places: Mutex<BTreeMap<NodeId, Place>>,
    /// Held while the file is written, so that an older state never replaces a newer one.
    writing: Mutex<()>,
    changed: watch::Sender<u64>,
}

impl Book {
    /// Reads the book. One that cannot be read is begun anew: it holds hints alone.
    pub(super) fn open(path: PathBuf) -> Self {
        let places = match std::fs::read_to_string(&path) {
            Ok(text) => read(&text).unwrap_or_else(|reason| {
                tracing::warn!(path = %path.display(), reason, "the address book is begun anew");
                BTreeMap::new()
            }),
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "the address book is begun anew");
                }
                BTreeMap::new()
            }
        };
        let (places, writing) = (Mutex::new(places), Mutex::default());
        Self { path, places, writing, changed: watch::channel(0).0 }
    }

    /// Tells whenever an address has changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What is known of a node.
    pub(super) fn place(&self, node: NodeId) -> Place {
        self.places.lock().get(&node).cloned().unwrap_or_default()
    }

    /// Where a node may be: its own word first, then where it was met, then what others say.
    pub(super) fn addresses(&self, node: NodeId) -> Vec<String> {
        let place = self.place(node);
        let seen = place.seen.map(|at| at.to_string());
        [place.told, seen, place.heard].into_iter().flatten().collect()
    }

    /// What this node tells others of their fellows.
    pub(super) fn others(&self, but: NodeId) -> Vec<Heard> {
        let places = self.places.lock();
        let known = places.iter().filter(|(node, _)| **node != but).filter_map(|(node, place)| {
            let told = place.told.clone().map(|told| (told, place.start));
            let heard = || place.heard.clone().map(|heard| (heard, place.heard_start));
            let (mesh_address, start) = told.or_else(heard)?;
            Some(Heard { node: *node, mesh_address, start })
        });
        known.take(OTHERS_MAX).collect()
    }

    /// Records what a node has told and where it was met; whether the file must be written.
    pub(super) fn met(&self, node: NodeId, at: SocketAddr, greeting: &Greeting) -> bool {
        self.change(node, |place| {
            if let Some(before) = place.life.filter(|before| *before != greeting.life) {
                place.ended.retain(|ended| *ended != before);
                place.ended.push(before);
                let over = place.ended.len().saturating_sub(ENDED_MAX);
                place.ended.drain(..over);
            }
            if fits(&greeting.mesh_address) {
                place.told = Some(greeting.mesh_address.clone());
                place.heard = None;
            }
            (place.seen, place.life) = (Some(at), Some(greeting.life));
            (place.start, place.process) = (greeting.start, greeting.process);
        })
    }

    /// Records what a node tells of another; whether the file must be written. What a node has told
    /// itself in that start or a later one is known better.
    pub(super) fn hear(&self, heard: &Heard) -> bool {
        self.change(heard.node, |place| {
            let newer = place.told.is_none() || heard.start > place.start;
            let differs = place.told.as_ref() != Some(&heard.mesh_address);
            if fits(&heard.mesh_address) && newer && differs && heard.start >= place.heard_start {
                place.heard = Some(heard.mesh_address.clone());
                place.heard_start = heard.start;
            }
        })
    }

    /// Forgets the nodes that have no place in the cluster.
    pub(super) fn keep(&self, belongs: impl Fn(NodeId) -> bool) {
        self.places.lock().retain(|node, _| belongs(*node));
    }

    fn change(&self, node: NodeId, change: impl FnOnce(&mut Place)) -> bool {
        let mut places = self.places.lock();
        if places.len() >= NODES_MAX && !places.contains_key(&node) {
            return false;
        }
        let place = places.entry(node).or_default();
        let before = place.clone();
        change(place);
        let changed = *place != before;
        drop(places);
        if changed {
            self.changed.send_modify(|count| *count += 1);
        }
        changed
    }

    /// Writes the file, whole or not at all.
    pub(super) fn save(&self) -> Result<(), certs::Error> {
        let _writing = self.writing.lock();
        let places = self.places.lock().clone();
        let nodes = places.into_iter().map(|(node, place)| Row { node, place }).collect();
        let written = Written { format: FORMAT, nodes };
        let text = toml::to_string(&written).expect("a book is made of numbers and texts");
        certs::write_file(&self.path, text.as_bytes(), certs::Access::Public)
    }
}

fn fits(address: &str) -> bool {
    address.len() <= ADDRESS_MAX && address.parse::<crate::config::HostPort>().is_ok()
}

fn read(text: &str) -> Result<BTreeMap<NodeId, Place>, String> {
    let written: Written = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if written.format != FORMAT {
        return Err(format!("it has format {}", written.format));
    }
    Ok(written.nodes.into_iter().map(|row| (row.node, row.place)).take(NODES_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::greeting::VERSION;

    fn book() -> (tempfile::TempDir, Book) {
        let directory = tempfile::tempdir().expect("a directory");
        let book = Book::open(directory.path().join("addresses.toml"));
        (directory, book)
    }

    fn greeting(address: &str, life: u8, start: u64) -> Greeting {
        Greeting {
            version: VERSION,
            life: LifeId([life; 16]),
            start,
            process: 1,
            mesh_address: address.into(),
            others: Vec::new(),
        }
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn heard(node: u64, address: &str, start: u64) -> Heard {
        Heard { node: NodeId(node), mesh_address: address.into(), start }
    }

    #[test]
    fn what_was_known_is_known_after_a_restart() {
        let (directory, book) = book();
        assert!(book.met(NodeId(2), at(7), &greeting("b:1", 5, 3)));
        assert!(book.hear(&heard(3, "c:1", 4)));
        book.save().expect("written");
        let again = Book::open(directory.path().join("addresses.toml"));
        for node in [NodeId(2), NodeId(3), NodeId(4)] {
            assert_eq!(again.place(node), book.place(node));
        }
        assert_eq!(again.addresses(NodeId(2)), ["b:1", "127.0.0.1:7"]);
        assert_eq!(again.others(NodeId(2)), [heard(3, "c:1", 4)]);
        assert!(!again.met(NodeId(2), at(7), &greeting("b:1", 5, 3)), "nothing new");
    }

    #[test]
    fn a_nodes_own_word_outweighs_hearsay_until_a_later_start() {
        let (_directory, book) = book();
        book.met(NodeId(2), at(7), &greeting("b:1", 5, 3));
        assert!(!book.hear(&heard(2, "old:1", 2)));
        assert!(!book.hear(&heard(2, "other:1", 3)));
        assert!(book.hear(&heard(2, "b:2", 4)));
        assert_eq!(book.addresses(NodeId(2)), ["b:1", "127.0.0.1:7", "b:2"]);
        assert!(!book.hear(&heard(2, "no address", 5)));
        book.met(NodeId(2), at(8), &greeting("b:2", 5, 4));
        assert_eq!(book.addresses(NodeId(2)), ["b:2", "127.0.0.1:8"]);
    }

    #[test]
    fn a_life_that_was_left_is_remembered_as_ended() {
        let (_directory, book) = book();
        book.met(NodeId(2), at(7), &greeting("b:1", 5, 3));
        book.met(NodeId(2), at(8), &greeting("b:2", 6, 1));
        let place = book.place(NodeId(2));
        assert_eq!((place.life, place.ended), (Some(LifeId([6; 16])), vec![LifeId([5; 16])]));
    }

    #[test]
    fn a_damaged_book_is_begun_anew() {
        let (directory, _) = book();
        let path = directory.path().join("addresses.toml");
        for text in ["format = 9\n", "format = \"x\"", "\0\0"] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(Book::open(path.clone()).others(NodeId(1)), []);
        }
    }
}
