//! The history beside a state: what the facts of its entries must be.

use machine::*;
use model::{
    PacketId,
    tree::{Frontier, LeafHash},
};

use crate::office::State;

/// All facts, as a node's history has them.
pub struct History {
    facts: Vec<Vec<u8>>,
    frontier: Frontier,
}

impl History {
    /// The history of what was applied so far.
    pub fn of(facts: Vec<Vec<u8>>) -> Self {
        let mut frontier = Frontier::default();
        facts.iter().for_each(|fact| frontier.push(LeafHash::of(fact)));
        Self { facts, frontier }
    }

    fn fact(&self, position: u64) -> Fact {
        decode(&self.facts[position as usize]).expect("a fact is read as strictly as a command")
    }

    /// What was applied adds to the end, the state counts it, and evidence lies before what it is for.
    pub fn follow(&mut self, applied: &Applied, state: &State) {
        assert_eq!(applied.position, self.frontier.size());
        for octets in &applied.facts {
            self.frontier.push(LeafHash::of(octets));
            self.facts.push(octets.clone());
            let position = self.frontier.size() - 1;
            if let Some(evidence) = self.fact(position).evidence {
                assert!(evidence < position);
                assert!(matches!(self.fact(evidence).what, What::Signed(_)));
            }
        }
        assert_eq!(View::new(state).history(), self.frontier, "the state knows the root");
        // As the state knows it at that moment, so the history knows it from then on.
        for octets in &applied.facts {
            if let Ok(Fact { what: What::Destroyed(destroyed), .. }) = decode(octets) {
                let packet = PacketRecord::of_history(*destroyed);
                let known = View::new(state).packet(packet.packet);
                assert!(known.is_none_or(|known| known == packet), "{packet:?}");
            }
        }
    }

    /// A packet that was destroyed everywhere.
    pub fn packet(&self, packet: PacketId) -> Option<PacketRecord> {
        let facts = self.facts.iter().rev().map(|fact| decode(fact).expect("a fact"));
        let mut destroyed = facts.filter_map(|fact: Fact| match fact.what {
            What::Destroyed(destroyed) => Some(PacketRecord::of_history(*destroyed)),
            _ => None,
        });
        destroyed.find(|found| found.packet == packet)
    }
}
