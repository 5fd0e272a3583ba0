//! Handshakes under way: a share an address and a rate, and places kept for where members come from.
//!
//! Nobody is known before the end of a handshake, and each costs a signature: so they are bounded by the
//! address, which a retry has shown to be the caller's own as soon as a few are under way.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

/// Handshakes of strangers' addresses at a time: each costs a signature and some 50 KiB.
const STRANGERS_MAX: usize = 64;
/// The same for addresses from which a member has come: whoever fills the others does not keep members out.
const MEMBERS_MAX: usize = 64;
/// Handshakes of one stranger's address at a time: a node begins two, and a few of them may share an address.
const AN_ADDRESS_MAX: usize = 16;
/// Handshakes that a stranger's address may begin in a second. A node that finds nobody tries a few.
const A_SECOND_MAX: u32 = 64;
/// Addresses that are remembered; those that are at rest are forgotten beyond it, members' last.
const ADDRESSES_MAX: usize = 1024;
const SECOND: Duration = Duration::from_secs(1);

/// The handshakes of one endpoint.
#[derive(Default)]
pub(crate) struct Handshakes(Mutex<Table>);

#[derive(Default)]
struct Table {
    strangers: usize,
    members: usize,
    addresses: HashMap<IpAddr, Address>,
}

struct Address {
    under_way: usize,
    /// A member has come from here.
    is_members: bool,
    begun: u32,
    since: Instant,
}

/// A handshake under way, until it is dropped.
pub(crate) struct Handshake {
    all: Arc<Handshakes>,
    address: IpAddr,
    as_member: bool,
}

impl Handshakes {
    /// How many are under way.
    pub(crate) fn count(&self) -> usize {
        let table = self.0.lock();
        table.strangers + table.members
    }

    /// One more from that address; none where its share, its rate or all places are used up.
    pub(crate) fn begin(self: &Arc<Self>, from: IpAddr) -> Option<Handshake> {
        let (address, now) = (network(from), Instant::now());
        let mut table = self.0.lock();
        table.forget();
        let Table { strangers, members, addresses } = &mut *table;
        let entry = addresses.entry(address).or_insert(Address {
            under_way: 0,
            is_members: false,
            begun: 0,
            since: now,
        });
        if now.duration_since(entry.since) >= SECOND {
            (entry.begun, entry.since) = (0, now);
        }
        let as_member = entry.is_members;
        let (count, max) = match as_member {
            true => (members, MEMBERS_MAX),
            false => (strangers, STRANGERS_MAX),
        };
        let over = entry.under_way >= AN_ADDRESS_MAX || entry.begun >= A_SECOND_MAX;
        if *count >= max || (over && !as_member) {
            return None;
        }
        *count += 1;
        entry.under_way += 1;
        entry.begun += 1;
        Some(Handshake { all: self.clone(), address, as_member })
    }

    /// A member has come from there: from now on its handshakes have places of their own.
    pub(crate) fn is_members(&self, from: IpAddr) {
        let mut table = self.0.lock();
        if let Some(entry) = table.addresses.get_mut(&network(from)) {
            entry.is_members = true;
        }
    }
}

impl Table {
    /// Keeps the table small: what is at rest goes, strangers' addresses first.
    fn forget(&mut self) {
        if self.addresses.len() < ADDRESSES_MAX {
            return;
        }
        let rests = |entry: &Address| entry.under_way == 0 && entry.since.elapsed() >= SECOND;
        self.addresses.retain(|_, entry| !rests(entry) || entry.is_members);
        if self.addresses.len() >= ADDRESSES_MAX {
            // Fewer than the limit are under way, so most of these go.
            self.addresses.retain(|_, entry| entry.under_way > 0);
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut table = self.all.0.lock();
        match self.as_member {
            true => table.members -= 1,
            false => table.strangers -= 1,
        }
        if let Some(entry) = table.addresses.get_mut(&self.address) {
            entry.under_way -= 1;
        }
    }
}

/// Who counts as one address: IPv4 as it is, IPv6 by its network of 64 bits, which one host has for itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn begin_all(all: &Arc<Handshakes>, address: u8) -> Vec<Handshake> {
        std::iter::from_fn(|| all.begin(from(address))).take(200).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_share_and_members_have_places_of_their_own() {
        let all = Arc::<Handshakes>::default();
        drop(all.begin(from(9)).expect("a place"));
        all.is_members(from(9));
        let held: Vec<_> = (1..=4).map(|address| begin_all(&all, address)).collect();
        assert!(held.iter().all(|held| held.len() == AN_ADDRESS_MAX));
        assert!(all.begin(from(5)).is_none(), "strangers have used their places up");
        assert_eq!(begin_all(&all, 9).len(), MEMBERS_MAX);
        assert_eq!(all.count(), STRANGERS_MAX);
        drop(held);
        assert!(all.begin(from(5)).is_some());
        assert_eq!(all.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_begins_so_many_a_second() {
        let all = Arc::<Handshakes>::default();
        for _ in 0..A_SECOND_MAX {
            drop(all.begin(from(1)).expect("a place"));
        }
        assert!(all.begin(from(1)).is_none() && all.begin(from(2)).is_some());
        tokio::time::advance(SECOND).await;
        assert!(all.begin(from(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_not_remembered_for_ever() {
        let all = Arc::<Handshakes>::default();
        for number in 0..4 * ADDRESSES_MAX as u32 {
            let _ = all.begin(IpAddr::from(number.to_be_bytes()));
            if number % 500 == 0 {
                tokio::time::advance(SECOND).await;
            }
        }
        assert!(all.0.lock().addresses.len() <= ADDRESSES_MAX);
    }
}
