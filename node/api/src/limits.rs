//! Shares: what one address, one application and one unit may hold of a node at once.
//!
//! Strangers (whoever has shown no good signature or token yet) are bounded by their address, callers by
//! their application and unit. Every number is a share of one node; what a caller is told when it has used
//! its share up stands in the connection guide.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Connections at once: each takes some 40 KiB of buffers, so this is well under the memory of a node
/// and far above the applications of a province.
pub const CONNECTIONS_MAX_DEFAULT: usize = 2048;
/// Connections of one address that have shown no good signature: a province's offices come from many
/// addresses, a program opens a few and signs at once. A gateway that many come through is named apart.
pub const CONNECTIONS_AN_ADDRESS_DEFAULT: usize = 256;
/// Requests a second of one application at one node: above what one application reaches on a machine of two
/// processors, so that it bounds a loop gone wild and not a busy day.
pub const REQUESTS_A_SECOND_DEFAULT: u32 = 2000;

/// A stranger's connection that asks nothing for so long is closed.
pub(crate) const STRANGER_IDLE_MAX: Duration = Duration::from_secs(10);
/// A stranger reads an answer (a document of some 200 KiB at the most) within this time.
pub(crate) const STRANGER_ANSWER_MAX: Duration = Duration::from_secs(30);
/// A stranger's connection gives way to nobody before it is so old: long enough for a handshake and a first
/// signature on a loaded node, so that a flood of newcomers does not push out the one among them that has a key.
pub(crate) const STRANGER_GRACE: Duration = Duration::from_secs(1);
/// Connections of strangers that an address may begin at once, and again a second; one that then shows a
/// good signature does not count. A probe each second and a program that starts are far below.
pub(crate) const STRANGERS_BURST: u32 = 1024;
/// See [`STRANGERS_BURST`].
pub(crate) const STRANGERS_A_SECOND: u32 = 64;
/// Addresses that are remembered. A bucket is full again within seconds, so only a flood from many
/// networks comes near; the rest share one place then.
pub(crate) const ADDRESSES_MAX: usize = 16 * 1024;

/// Streams of events, and polls that wait, of one key: one a process of an application.
pub(crate) const STREAMS_A_KEY_MAX: usize = 16;
/// The same of one unit, whatever its applications are.
pub(crate) const STREAMS_A_UNIT_MAX: usize = 64;

/// Requests with a body that are worked on side by side: twice what a load of 64 connections brings, above which
/// a node does not do more, only later.
pub(crate) const TURNS_MAX: usize = 128;
/// Requests of one application that wait for a turn: some seconds of its work.
pub(crate) const WAITING_AN_APP_MAX: usize = 1024;

/// The shares of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections_max: usize,
    /// Connections of one address that have shown no good signature yet.
    pub connections_an_address_max: usize,
    /// Addresses that many callers come through (a reverse proxy, a NAT): they have all the places of
    /// strangers.
    pub gateways: Vec<IpAddr>,
    /// Requests a second of one application.
    pub requests_a_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX_DEFAULT,
            connections_an_address_max: CONNECTIONS_AN_ADDRESS_DEFAULT,
            gateways: Vec::new(),
            requests_a_second: REQUESTS_A_SECOND_DEFAULT,
        }
    }
}

impl Limits {
    /// Places that strangers may take together: the other half is kept free for callers.
    pub(crate) const fn strangers_max(&self) -> usize {
        let half = self.connections_max / 2;
        if half == 0 { 1 } else { half }
    }

    /// Connections of one application: a quarter, so that one that opens many shuts nobody out.
    pub(crate) const fn connections_an_app_max(&self) -> usize {
        let quarter = self.connections_max / 4;
        if quarter == 0 { 1 } else { quarter }
    }

    /// Connections of one unit, whatever its applications are.
    pub(crate) const fn connections_a_unit_max(&self) -> usize {
        let half = self.connections_max / 2;
        if half == 0 { 1 } else { half }
    }

    /// What an address may have as a stranger.
    pub(crate) fn strangers_of(&self, address: IpAddr) -> usize {
        let is_gateway = self.gateways.iter().any(|gateway| network(*gateway) == address);
        let share = if is_gateway { usize::MAX } else { self.connections_an_address_max };
        share.min(self.strangers_max()).max(1)
    }
}

/// Who counts as one address: IPv4 as it is, IPv6 by its network of 64 bits, which one host has for itself.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// Declares the limits that `/metrics` counts, each with its word.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A limit that was reached.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Limit { $($(#[$doc])* $name,)* }

        impl Limit {
            /// All of them, in the order of their counts.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The label in `/metrics`.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

limits! {
    /// The node's places for connections: one that rested gave way, or the new one was closed.
    Connections = "connections",
    /// The places that strangers have together.
    ConnectionsOfStrangers = "connections_of_strangers",
    /// The places of one address.
    ConnectionsOfAddress = "connections_of_address",
    /// Connections of one address that come faster than they may.
    ConnectionsBegun = "connections_begun",
    /// The places of one application.
    ConnectionsOfApplication = "connections_of_application",
    /// The places of one unit.
    ConnectionsOfUnit = "connections_of_unit",
    /// The system's descriptors.
    Descriptors = "descriptors",
    /// Room for bodies of the whole node.
    Bodies = "bodies",
    /// Room for bodies of one application.
    BodiesOfApplication = "bodies_of_application",
    /// Room for bodies of one unit.
    BodiesOfUnit = "bodies_of_unit",
    /// Room for bodies of strangers.
    BodiesOfStrangers = "bodies_of_strangers",
    /// Room for bodies of one address.
    BodiesOfAddress = "bodies_of_address",
    /// A body that came more slowly than it may.
    BodyTime = "body_time",
    /// Streams of events of the whole node.
    Streams = "streams",
    /// Streams of events of one unit.
    StreamsOfUnit = "streams_of_unit",
    /// Streams of events of one key.
    StreamsOfKey = "streams_of_key",
    /// Requests a second of one application.
    Requests = "requests",
    /// Requests worked on side by side: further ones took turns.
    Turns = "turns",
    /// Requests of one application that wait for a turn.
    Waiting = "waiting",
}

/// How often each limit was reached.
#[derive(Debug)]
pub(crate) struct Reached([AtomicU64; Limit::ALL.len()]);

impl Default for Reached {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Reached {
    /// Counts one; the first of a node is told in the log, the rest stand in `/metrics`.
    pub(crate) fn count(&self, limit: Limit) {
        if self.0[limit as usize].fetch_add(1, Relaxed) == 0 {
            tracing::warn!(
                limit = limit.as_str(),
                "a limit was reached for the first time; lgsp_limit_reached_total counts on"
            );
        }
    }

    /// How often it was reached.
    pub(crate) fn of(&self, limit: Limit) -> u64 {
        self.0[limit as usize].load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one_and_a_mapped_address_as_ipv4() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }

    #[test]
    fn a_gateway_has_the_places_of_all_strangers() {
        let limits = Limits { gateways: vec![[10, 0, 0, 1].into()], ..Limits::default() };
        assert_eq!(limits.strangers_of([10, 0, 0, 1].into()), 1024);
        assert_eq!(limits.strangers_of([10, 0, 0, 2].into()), 256);
        let few = Limits { connections_max: 1, ..Limits::default() };
        assert_eq!((few.strangers_max(), few.connections_an_app_max()), (1, 1));
    }
}
