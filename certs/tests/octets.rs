//! Properties: whatever octets a stranger sends as a certificate or as a request for one, the answer
//! is a refusal and never a panic, and what passes the check is certified.

#![allow(clippy::let_underscore_must_use, reason = "a test that fails says enough")]

use std::net::IpAddr;

use lgsp_certs::{
    Authority, CERTIFICATE_LIFE, Error, NodeKey, NodeRequest, carries_hosts, check_request,
    identity_of, key_digest, needs_renewal, not_after, renew_at,
};
use model::{Moment, NodeId};
use proptest::{prelude::*, sample::Index};

const CLUSTER: &str = "nghe-an";
const NOW: Moment = Moment::from_secs(1_795_334_851);

/// A request of our own, and a certificate for it.
fn genuine() -> (Vec<u8>, Vec<u8>) {
    let request = NodeKey::generate().expect("a key").request().expect("a request");
    let certificate = authority().issue(&ask(&request), NOW).expect("a certificate");
    (request, certificate.to_vec())
}

fn authority() -> Authority {
    Authority::create(CLUSTER, 1, NOW).expect("an authority")
}

fn ask(request: &[u8]) -> NodeRequest {
    NodeRequest {
        node: NodeId(7),
        cluster: CLUSTER.to_owned(),
        request: request.to_vec(),
        names: vec!["n7.nghean.gov.vn".to_owned()],
        addresses: vec![IpAddr::from([10, 0, 0, 7])],
    }
}

/// One change to octets that were right.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Remove(Index, Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        4 => (place(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        // The octets that lengths and tags are made of.
        4 => (place(), prop_oneof![Just(0), Just(0x30), Just(0x7f), Just(0x80), Just(0x84), Just(0xff)])
            .prop_map(|(at, octet)| Change::Set(at, octet)),
        1 => (place(), place()).prop_map(|(from, to)| Change::Remove(from, to)),
        1 => (place(), proptest::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, octets)| Change::Insert(at, octets)),
        1 => (place(), place()).prop_map(|(from, to)| Change::Repeat(from, to)),
        1 => place().prop_map(Change::Cut),
    ]
}

fn changed(octets: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    for change in changes {
        if octets.is_empty() {
            break;
        }
        let length = octets.len();
        let range = |from: &Index, to: &Index| {
            let (from, to) = (from.index(length), to.index(length));
            from.min(to)..from.max(to)
        };
        match change {
            Change::Flip(at, bit) => octets[at.index(length)] ^= bit,
            Change::Set(at, octet) => octets[at.index(length)] = *octet,
            Change::Remove(from, to) => drop(octets.drain(range(from, to))),
            Change::Insert(at, more) => {
                let at = at.index(length);
                drop(octets.splice(at..at, more.iter().copied()));
            }
            Change::Repeat(from, to) => {
                let part = octets[range(from, to)].to_vec();
                let at = to.index(length);
                drop(octets.splice(at..at, part));
            }
            Change::Cut(at) => octets.truncate(at.index(length)),
        }
    }
    octets
}

/// Everything that reads a certificate; what it answers counts less than that it answers.
fn read_certificate(octets: &[u8]) -> Result<NodeId, Error> {
    let _ = not_after(octets);
    let _ = renew_at(octets);
    let _ = needs_renewal(octets, NOW);
    let _ = carries_hosts(octets, &["n7.nghean.gov.vn".to_owned()], &[]);
    identity_of(octets, CLUSTER)
}

/// A request that passes is certified; one that does not is refused for what it is.
fn read_request(octets: &[u8]) -> Result<(), TestCaseError> {
    let asked = ask(octets);
    match check_request(octets, &asked.names, &asked.addresses) {
        Ok(key) => {
            let issued = authority().issue(&asked, NOW);
            prop_assert!(issued.is_ok(), "passed the check and is refused: {:?}", issued.err());
            let issued = issued.expect("just checked");
            prop_assert_eq!(identity_of(&issued, CLUSTER).ok(), Some(NodeId(7)));
            prop_assert_eq!(not_after(&issued).ok(), Some(NOW.plus(CERTIFICATE_LIFE)));
            prop_assert_eq!(key_digest(&issued).ok(), Some(key), "one key, one digest");
        }
        Err(error) => prop_assert!(
            matches!(error, Error::Request(_) | Error::KeyKind),
            "an error of the request's: {error:?}"
        ),
    }
    Ok(())
}

#[test]
fn what_is_genuine_passes() {
    let (request, certificate) = genuine();
    let asked = ask(&request);
    check_request(&request, &asked.names, &asked.addresses).expect("a genuine request");
    assert_eq!(read_certificate(&certificate).expect("a genuine certificate"), NodeId(7));
}

#[test]
fn every_cut_and_every_changed_bit_is_refused() {
    let (request, certificate) = genuine();
    let (names, addresses) = (Vec::new(), Vec::new());
    for length in 0..request.len() {
        let cut = check_request(&request[..length], &names, &addresses);
        assert!(matches!(cut, Err(Error::Request(_))), "cut to {length}");
    }
    // What a request says is signed by the key that it names; the frame around that is not.
    assert_eq!(request[1] & 0xfc, 0x80, "a frame of up to three octets of length");
    let said = 2 + usize::from(request[1] & 3);
    assert!(request[said + 1] < 0x80, "what it says has one octet of length");
    let end = said + 2 + usize::from(request[said + 1]);
    for at in said * 8..end * 8 {
        let mut flipped = request.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        assert!(check_request(&flipped, &names, &addresses).is_err(), "bit {at}");
    }
    for length in 0..certificate.len() {
        assert!(read_certificate(&certificate[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn nesting_and_lengths_beyond_measure_are_refused() {
    let (_, certificate) = genuine();
    for depth in [100, 10_000] {
        // Each sequence holds the next; the lengths are right.
        let mut nested = vec![0x05, 0x00];
        for _ in 0..depth {
            let length = u32::try_from(nested.len()).expect("short enough").to_be_bytes();
            let head = [&[0x30, 0x84][..], &length[..]].concat();
            nested.splice(0..0, head);
        }
        for octets in [nested, vec![0x30; depth], vec![0xff; depth], [0x30, 0x80].repeat(depth)] {
            assert!(check_request(&octets, &[], &[]).is_err());
            assert!(read_certificate(&octets).is_err());
        }
    }
    let longest = [&[0x30, 0x88][..], &[0xff; 8][..], &certificate].concat();
    assert!(check_request(&longest, &[], &[]).is_err() && read_certificate(&longest).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_request_is_refused_or_certified(
        changes in proptest::collection::vec(change(), 1..5),
    ) {
        let (request, certificate) = genuine();
        read_request(&changed(&request, &changes))?;
        // One document where the other belongs.
        read_request(&changed(&certificate, &changes))?;
    }

    #[test]
    fn a_changed_certificate_names_its_node_or_nobody(
        changes in proptest::collection::vec(change(), 1..5),
    ) {
        let (request, certificate) = genuine();
        let _ = read_certificate(&changed(&certificate, &changes));
        prop_assert!(read_certificate(&changed(&request, &changes)).is_err());
    }

    #[test]
    fn octets_of_any_kind_are_refused(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(check_request(&octets, &[], &[]).is_err());
        prop_assert!(read_certificate(&octets).is_err());
    }

    #[test]
    fn names_of_any_kind_are_refused_or_certified(
        names in proptest::collection::vec("\\PC{0,70}|[a-z0-9.-]{0,40}|(node-9\\.)?[a-zA-Z.]{0,5}lgsp\\.internal\\.?", 0..3),
    ) {
        let (request, _) = genuine();
        let asked = NodeRequest { names: names.clone(), ..ask(&request) };
        match check_request(&request, &asked.names, &asked.addresses) {
            Ok(_) => {
                let issued = authority().issue(&asked, NOW);
                let issued = issued.map_err(|error| TestCaseError::fail(format!("{names:?}: {error:?}")))?;
                prop_assert_eq!(identity_of(&issued, CLUSTER).ok(), Some(NodeId(7)));
            }
            Err(error) => prop_assert!(matches!(error, Error::HostName(_)), "{:?}", error),
        }
    }
}
