//! Whatever comes in over the wire, a node answers and goes on.

use bytes::Bytes;
use machine::{Proposal, Proposer};
use proptest::prelude::*;

use crate::{
    cluster::{Cluster, id},
    office::command,
};

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().expect("a runtime").block_on(test)
}

const KINDS: [u8; 10] = [1, 2, 3, 4, 5, 6, 7, 16, 17, 18];

fn message() -> impl Strategy<Value = Vec<u8>> {
    let body = || proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        body(),
        (proptest::sample::select(&KINDS[..]), body()).prop_map(|(kind, body)| [
            &[1, kind],
            &body[..]
        ]
        .concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_message_makes_a_node_panic(
        messages in proptest::collection::vec(message(), 200),
    ) {
        run(async {
            // A node that has not been founded believes the least, and an intruder may tell it most.
            let mut cluster = Cluster::new();
            cluster.start(id(1)).await;
            let node = cluster.node(1);
            for message in messages {
                let handled = node.handle(id(2), Bytes::from(message));
                let limit = std::time::Duration::from_secs(60);
                let answer = tokio::time::timeout(limit, handled).await;
                let answer = answer.expect("an answer comes");
                assert!(answer.len() >= 2 && answer[0] == 1);
            }
        });
    }
}

/// Proposals as another node forwards them.
fn forwarded(proposals: &[Vec<u8>]) -> Bytes {
    let mut encoder = minicbor::Encoder::new(vec![1, 16]);
    let written = (|| {
        encoder.map(3)?.u8(0)?.array(proposals.len() as u64)?;
        for proposal in proposals {
            encoder.bytes(proposal)?;
        }
        encoder.u8(1)?.u64(5_000)?.u8(2)?.array(0)?.ok()
    })();
    written.expect("a vector takes every octet");
    encoder.into_writer().into()
}

/// Which of the proposals were applied, as the answer says.
fn applied(answer: &[u8]) -> Vec<bool> {
    assert_eq!(answer[..2], [1, 0], "an answer");
    let mut decoder = minicbor::Decoder::new(&answer[2..]);
    let count = decoder.array().expect("a list").expect("of known length");
    let mut fate = || {
        decoder.array().expect("a fate");
        let number = decoder.u8().expect("which one");
        decoder.skip().expect("what belongs to it");
        number == 0
    };
    (0..count).map(|_| fate()).collect()
}

#[test]
fn one_proposal_that_cannot_be_read_spoils_no_other() {
    run(async {
        let cluster = Cluster::of(1).await;
        let node = cluster.node(1);
        let by = |node, number| Proposal { by: Proposer::Node(id(node)), ..command(number) };
        let octets = |number| minicbor::to_vec(by(2, number)).expect("a proposal");
        // Octets behind a proposal would be taken for the next one.
        let longer = [octets(3), vec![0xf6]].concat();
        // Nor does a node propose in the name of another.
        let foreign = minicbor::to_vec(by(1, 5)).expect("a proposal");
        let message = forwarded(&[octets(1), b"none".to_vec(), longer, foreign, octets(2)]);
        let answer = node.handle(id(2), message).await;
        assert_eq!(applied(&answer), [true, false, false, false, true]);
        node.propose(command(4)).await.expect("answered").expect("accepted");
    });
}

#[test]
fn a_node_refuses_what_it_cannot_read_and_works_on() {
    run(async {
        let cluster = Cluster::of(1).await;
        let node = cluster.node(1);
        for message in [&[][..], &[1], &[9, 1, 2], &[1, 99], &[1, 16, 0xff], &[1, 6, 0xa0]] {
            let answer = node.handle(id(2), Bytes::copy_from_slice(message)).await;
            assert_eq!(answer[..2], [1, 1], "{message:?}");
        }
        node.propose(command(1)).await.expect("answered").expect("accepted");
    });
}
