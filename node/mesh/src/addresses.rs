//! Where one peer may be: the addresses that it is called at, in turn.
//!
//! Addresses are hints: which node answers at one is for its certificate to say.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;

/// The addresses of one peer, shared by its links.
#[derive(Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// As `host:port`, the likeliest first.
    named: Vec<String>,
    /// Where the peer has answered last.
    answered: Option<SocketAddr>,
}

/// What one attempt tries.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// The address that has answered last.
    Again(SocketAddr),
    /// A named one, and which of the addresses that its name has.
    Named(String, usize),
}

impl Addresses {
    pub fn new(named: &[String]) -> Self {
        let addresses = Self::default();
        addresses.name(named);
        addresses
    }

    /// Names the addresses anew.
    pub fn name(&self, named: &[String]) {
        named.clone_into(&mut self.0.lock().named);
    }

    /// The addresses as they were named.
    pub fn named(&self) -> Vec<String> {
        self.0.lock().named.clone()
    }

    /// The peer has answered here.
    pub fn answered(&self, at: SocketAddr) {
        self.0.lock().answered = Some(at);
    }

    /// What to try in a turn: where it has answered last every other time, as most absences are
    /// restarts; and each other address, and each address of a name, in between.
    fn turn(&self, turn: usize) -> Option<Turn> {
        let inner = self.0.lock();
        let turn = match inner.answered {
            Some(at) if turn.is_multiple_of(2) || inner.named.is_empty() => {
                return Some(Turn::Again(at));
            }
            Some(_) => turn / 2,
            None => turn,
        };
        let round = turn.checked_div(inner.named.len())?;
        Some(Turn::Named(inner.named[turn % inner.named.len()].clone(), round))
    }

    /// The address for a turn, which this node's own can reach. A name is looked up each time, for
    /// its addresses may have changed.
    pub async fn resolve(&self, turn: usize, ours: SocketAddr) -> Option<SocketAddr> {
        let (name, round) = match self.turn(turn)? {
            Turn::Again(at) => return Some(at),
            Turn::Named(name, round) => (name, round),
        };
        let found = tokio::net::lookup_host(name).await.ok()?;
        let usable: Vec<_> = found.filter(|found| reaches(ours, *found)).collect();
        usable.get(round.checked_rem(usable.len())?).copied()
    }
}

/// Whether a socket that is bound to one address can send to the other: both of one family, or the
/// socket open to both.
fn reaches(ours: SocketAddr, theirs: SocketAddr) -> bool {
    ours.is_ipv4() == theirs.is_ipv4() || (ours.is_ipv6() && ours.ip().is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn every_address_has_its_turn_and_the_last_good_one_every_other() {
        let named = ["a:1".to_owned(), "b:2".to_owned()];
        let addresses = Addresses::new(&named);
        let of = |turn| match addresses.turn(turn).expect("something to try") {
            Turn::Named(name, round) => format!("{name}/{round}"),
            Turn::Again(at) => at.to_string(),
        };
        assert_eq!([of(0), of(1), of(2), of(3)], ["a:1/0", "b:2/0", "a:1/1", "b:2/1"]);
        addresses.answered(at("10.0.0.3:7"));
        assert_eq!([of(0), of(1), of(2), of(3)], ["10.0.0.3:7", "a:1/0", "10.0.0.3:7", "b:2/0"]);
        addresses.name(&[]);
        assert_eq!([of(0), of(1)], ["10.0.0.3:7", "10.0.0.3:7"]);
        assert_eq!(Addresses::default().turn(0), None, "nothing is known");
    }

    #[test]
    fn only_addresses_that_the_socket_can_send_to_are_tried() {
        for (ours, theirs, reached) in [
            ("0.0.0.0:1", "10.0.0.1:2", true),
            ("0.0.0.0:1", "[fd00::1]:2", false),
            ("[::]:1", "[fd00::1]:2", true),
            ("[::]:1", "10.0.0.1:2", true),
            ("[::1]:1", "10.0.0.1:2", false),
        ] {
            assert_eq!(reaches(at(ours), at(theirs)), reached, "{ours} to {theirs}");
        }
    }

    #[tokio::test]
    async fn a_name_gives_every_address_that_it_has() {
        // Numeric addresses need no server; each family has its own socket.
        let addresses = Addresses::new(&["127.0.0.1:7".to_owned(), "[::1]:7".to_owned()]);
        assert_eq!(addresses.resolve(0, at("0.0.0.0:1")).await, Some(at("127.0.0.1:7")));
        assert_eq!(addresses.resolve(1, at("0.0.0.0:1")).await, None);
        assert_eq!(addresses.resolve(1, at("[::]:1")).await, Some(at("[::1]:7")));
    }
}
