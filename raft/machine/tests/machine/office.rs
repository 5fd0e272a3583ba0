//! A province to test with: its words made from short names, and a state with a clock.

use std::collections::BTreeMap;

use machine::*;
use model::*;

/// The state as tests keep it.
pub type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// The moment at which every test begins.
pub const BEGIN: Moment = Moment(1_800_000_000_000);

/// Parses a word that the test wrote itself.
pub fn word<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not such a word"))
}

/// The access key that a short name stands for.
pub fn key_of(name: &str) -> AccessKey {
    let mut text = String::from("AK");
    for c in name.bytes().chain(std::iter::repeat(b'7')).take(20) {
        text.push(match c {
            b'a'..=b'z' => c.to_ascii_uppercase() as char,
            b'2'..=b'7' => c as char,
            b'0' | b'1' | b'8' | b'9' => (c - b'0' + b'A') as char,
            _ => '2',
        });
    }
    word(&text)
}

/// The digest that a short name stands for.
pub fn digest_of(name: &str) -> Digest {
    let mut octets = [0; 32];
    for (octet, c) in octets.iter_mut().zip(name.bytes()) {
        *octet = c;
    }
    Digest(octets)
}

/// A proof by a key, with everything that the machine does not look at filled in.
pub fn proof(key: AccessKey, created: Moment, nonce: &str) -> Proof {
    Proof {
        key,
        created,
        nonce: word(nonce),
        base: format!("nonce={nonce}").into(),
        signature: vec![7; 32],
        statement: b"{}".to_vec(),
    }
}

/// A node's own words.
pub fn new_node(name: &str) -> NewNode {
    NewNode {
        name: word(name),
        mesh_address: format!("{name}.example:7400"),
        api_url: format!("https://{name}.example:7443"),
        version: "0.1.0".into(),
        rules_max: RULES_KNOWN,
    }
}

pub fn rename_unit(code: &str, name: &str) -> Command {
    Command::RenameUnit(RenameUnit { code: word(code), name: word(name) })
}

/// An application.
pub fn new_app(app: &str, unit: &str, grants: &[Grant], targets: &[&str]) -> AddApp {
    AddApp {
        app: word(app),
        unit: word(unit),
        name: word(app),
        grants: grants.iter().copied().collect(),
        targets: targets.iter().map(|target| word(target)).collect(),
    }
}

/// The key of an application.
pub fn new_key(key: &str, app: &str) -> IssueKey {
    IssueKey {
        key: key_of(key),
        app: word(app),
        algorithm: KeyAlgorithm::HmacSha256,
        material: b"sealed".to_vec(),
        legacy: false,
        hmac_sha1: false,
        sealed_under: 1,
    }
}

/// A unit.
pub fn new_unit(
    code: &str,
    name: &str,
    kind: UnitKind,
    parent: Option<&str>,
    aliases: &[&str],
) -> NewUnit {
    NewUnit {
        code: word(code),
        name: word(name),
        kind,
        parent: parent.map(word),
        aliases: aliases.iter().map(|alias| word(alias)).collect(),
    }
}

/// The founding of the zone H41 by the application `quan-tri`.
pub fn founding() -> Found {
    Found {
        name: word("Nghệ An"),
        zone: word("H41"),
        cluster: "c0ffee".into(),
        authority: b"certificate".to_vec(),
        authority_key_sealed: b"sealed".to_vec(),
        node: new_node("nut-1"),
        admin: new_app("quan-tri", "H41", &[Grant::Admin], &[]),
        admin_key: new_key("quan-tri", "quan-tri"),
        node_key: digest_of("nut-1"),
        key_check: digest_of("key-1"),
    }
}

/// A request to some units.
pub fn request(targets: &[&str], deliver_by: Option<Moment>) -> Request {
    Request {
        targets: targets.iter().map(|target| word(target)).collect(),
        title: word("Công văn số 7"),
        importance: Importance::Urgent,
        media_type: word("application/pdf"),
        policy: ExchangePolicy { deliver_by },
    }
}

/// A state with its clock, and fresh ids and nonces.
#[derive(Clone, Default)]
pub struct Office {
    /// The state.
    pub state: State,
    /// The date of the next entry.
    pub at: Moment,
    /// All facts of what this office applied itself.
    pub facts: Vec<Vec<u8>>,
    /// How far the clocks are ahead of counted time since the beginning, in milliseconds.
    pub wrong_ms: i64,
    count: u128,
}

impl Office {
    /// Nothing yet.
    pub fn empty() -> Self {
        Self { at: BEGIN, ..Self::default() }
    }

    /// The zone H41 with three nodes that vote; three offices and a ministry, each with an application that
    /// sends and receives.
    pub fn founded() -> Self {
        let mut office = Self::empty();
        office.must(None, Command::Found(founding()));
        for (secret, node) in [("s2", "nut-2"), ("s3", "nut-3")] {
            let secret_digest = digest_of(secret);
            let expires_at = Moment(office.at.0 + 3_600_000);
            let token = IssueJoinToken { secret_digest, expires_at };
            office.must(Some("quan-tri"), Command::IssueJoinToken(token));
            let node = AdmitNode { secret_digest, node: new_node(node), key: digest_of(node) };
            office.must(None, Command::AdmitNode(node));
        }
        seat_voters(&mut office.state, &[NodeId(1), NodeId(2), NodeId(3)]);
        let local = UnitKind::Department;
        let units = vec![
            new_unit("H41.02", "Sở Nội vụ", local, Some("H41"), &[]),
            new_unit("H41.03", "Sở Tư pháp", local, Some("H41"), &[]),
            new_unit(
                "H41.05",
                "Sở Nông nghiệp và Môi trường",
                local,
                Some("H41"),
                &["000.00.05.H41"],
            ),
            new_unit("G22", "Văn phòng Chính phủ", UnitKind::Remote, None, &["000.00.00.G22"]),
        ];
        office.must(Some("quan-tri"), Command::AddUnits(AddUnits { units }));
        let both = &[Grant::Send, Grant::Receive];
        for (app, unit) in
            [("noi-vu", "H41.02"), ("tu-phap", "H41.03"), ("nong", "H41.05"), ("vpcp", "G22")]
        {
            office.must(Some("quan-tri"), Command::AddApp(new_app(app, unit, both, &[])));
            office.must(Some("quan-tri"), Command::IssueKey(new_key(app, app)));
        }
        office
    }

    /// A number that was not used before.
    pub fn fresh(&mut self) -> u128 {
        self.count += 1;
        self.count
    }

    /// A proposal, signed with an application's key, or else of the first node.
    pub fn proposal(&mut self, by: Option<&str>, command: Command) -> Proposal {
        let number = self.fresh();
        let by = match by {
            Some(by) => {
                Proposer::Signed(proof(key_of(by), self.at, &format!("nonce-{number:016}")))
            }
            None => Proposer::Node(self.node()),
        };
        Proposal { id: CommandId(number), by, command }
    }

    /// The first node that belongs to the cluster, or that founds it.
    pub fn node(&self) -> NodeId {
        let nodes = self.view().nodes();
        nodes.iter().find(|node| node.is_present()).map_or(NodeId(1), |node| node.node)
    }

    /// Applies a command of a node that must be obeyed.
    pub fn must_of(&mut self, node: u64, command: Command) -> Outcome {
        let mut proposal = self.proposal(None, command);
        proposal.by = Proposer::Node(NodeId(node));
        self.apply(proposal).0.unwrap_or_else(|refusal| panic!("refused: {refusal}"))
    }

    /// Removes a node that nothing needs.
    pub fn remove(&mut self, node: u64) {
        self.try_to_remove("quan-tri", node).0.expect("nothing needs the node");
    }

    /// Removes a node and gives up what only it has.
    pub fn give_up(&mut self, node: u64) {
        self.leave_and_remove("quan-tri", node, true).0.expect("nothing needs the node");
    }

    /// Has a node leave and removes it, as far as that goes; what the last step was answered.
    pub fn try_to_remove(&mut self, by: &str, node: u64) -> (Answer, Vec<Effect>) {
        self.leave_and_remove(by, node, false)
    }

    fn leave_and_remove(&mut self, by: &str, node: u64, gives_up: bool) -> (Answer, Vec<Effect>) {
        let node = NodeId(node);
        let leave = Command::LeaveNode(LeaveNode { node, gives_up });
        let leave = self.proposal(Some(by), leave);
        let (left, effects) = self.apply(leave);
        if left.is_err() {
            return (left, effects);
        }
        loop {
            let release =
                Command::ReleaseHoldings(ReleaseHoldings { node, packets_max: 2, through: None });
            match self.must(None, release) {
                Outcome::HoldingsReleased { is_released: false, needed_for: None } => {}
                _ => break,
            }
        }
        let remove = self.proposal(None, Command::RemoveNode(RemoveNode { node }));
        self.apply(remove)
    }

    /// Applies a proposal in an entry of its own.
    pub fn apply(&mut self, proposal: Proposal) -> (Answer, Vec<Effect>) {
        let entry = self.entry(vec![proposal]);
        let mut applied = apply(&mut self.state, &entry);
        self.facts.append(&mut applied.facts);
        (applied.answers.remove(0), applied.effects)
    }

    /// An entry at this time.
    pub fn entry(&self, proposals: Vec<Proposal>) -> Entry {
        Entry { at: self.at, proposals, tick: self.tick() }
    }

    /// How long the cluster has run; it begins at the date of the beginning, so that both are equal
    /// where no clock has jumped.
    pub fn tick(&self) -> Tick {
        Tick(self.at.0.saturating_add_signed(-self.wrong_ms))
    }

    /// The clocks jump, and counted time does not.
    pub fn jump(&mut self, ms: i64) {
        self.at = Moment(self.at.0.saturating_add_signed(ms));
        self.wrong_ms += ms;
    }

    /// Applies a command that must be obeyed.
    pub fn must(&mut self, by: Option<&str>, command: Command) -> Outcome {
        let proposal = self.proposal(by, command);
        self.apply(proposal).0.unwrap_or_else(|refusal| panic!("refused: {refusal}"))
    }

    /// Submits a small packet that must be accepted.
    pub fn submit(&mut self, by: &str, packet: u128, targets: &[&str]) {
        let command = SubmitPacket {
            packet: PacketId(packet),
            space: SpaceId(packet),
            request: request(targets, None),
            digest: digest_of("d1"),
            size: 10,
            holders: vec![NodeId(1), NodeId(2)],
            rides: false,
            idempotency: None,
        };
        self.must(Some(by), Command::SubmitPacket(command));
    }

    /// Accepts and confirms a packet.
    pub fn receive(&mut self, by: &str, packet: u128) {
        let packet = PacketId(packet);
        self.must(Some(by), Command::GrantPickup(GrantPickup { packet }));
        let receipts = vec![Receipt { packet, digest: digest_of("d1") }];
        self.must(Some(by), Command::ConfirmReceipts(ConfirmReceipts { receipts }));
    }

    /// A fact that was recorded.
    pub fn fact(&self, position: u64) -> Fact {
        decode(&self.facts[position as usize]).expect("a fact")
    }

    /// All facts about a packet.
    pub fn facts_of(&self, packet: u128) -> Vec<Fact> {
        let facts = (0..self.facts.len() as u64).map(|position| self.fact(position));
        facts.filter(|fact| fact.what.packet() == Some(PacketId(packet))).collect()
    }

    /// The signature under a fact, which must have one.
    pub fn evidence(&self, fact: &Fact) -> Signed {
        match self.fact(fact.evidence.expect("evidence")).what {
            What::Signed(signed) => signed,
            other => panic!("evidence is a signature and not {other:?}"),
        }
    }

    /// The read side.
    pub fn view(&self) -> View<'_, State> {
        View::new(&self.state)
    }
}
