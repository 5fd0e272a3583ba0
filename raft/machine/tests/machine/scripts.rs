//! Runs the scripts of `tests/scripts`: commands in the regulation's words, and what follows.
//!
//! A line at the margin is a command, `verb key=value …`, of which `from=2` names the node that proposes;
//! `wait 5m` lets time pass, `clocks +5m` makes the clocks jump, `begin` founds a province, and `vote 1,2` is
//! what consensus says of who votes. Indented lines below say what is expected: `ok`, `ok: …` or
//! `refused: word`; every effect, if any is listed; and what the state then says. After every
//! command the state is audited, and a refusal must have changed nothing but what it may.

use std::{collections::BTreeMap, fs, path::Path};

use machine::*;
use model::*;

use crate::office::*;

#[test]
fn scripts_come_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut seen = Vec::new();
    let mut count = 0;
    for file in fs::read_dir(folder).expect("the folder of scripts") {
        let path = file.expect("a script").path();
        let text = fs::read_to_string(&path).expect("a script is text");
        Script::new(&path.display().to_string()).run(&text, &mut seen);
        count += 1;
    }
    assert!(count > 0, "no script was found");
    let missing: Vec<_> = Refusal::ALL.iter().filter(|r| !seen.contains(r)).collect();
    // A million idempotency keys, and an entry that is full, are for tests of their own.
    let elsewhere = [&Refusal::IdempotencyFull, &Refusal::EntryFull];
    assert_eq!(missing, elsewhere, "no script shows these refusals");
}

pub(crate) struct Script {
    pub(crate) place: String,
    office: Office,
    answer: Option<Answer>,
    effects: Vec<Effect>,
}

pub(crate) type Words<'a> = BTreeMap<&'a str, &'a str>;

impl Script {
    fn new(file: &str) -> Self {
        Self { place: file.into(), office: Office::empty(), answer: None, effects: Vec::new() }
    }

    fn run(&mut self, text: &str, seen: &mut Vec<Refusal>) {
        let file = self.place.clone();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            self.place = format!("{file}:{}: {line}", number + 1);
            let mut expected = Vec::new();
            while let Some((_, next)) = lines.next_if(|(_, next)| next.starts_with(' ')) {
                expected.push(next.trim());
            }
            match line.split_once('#').map_or(line, |(line, _)| line).trim() {
                "" => assert!(expected.is_empty(), "{}", self.place),
                line => self.step(line, &expected),
            }
            match &self.answer {
                Some(Err(refusal)) => seen.push(*refusal),
                Some(Ok(Outcome::Receipts(answers))) => {
                    seen.extend(answers.iter().filter_map(|answer| answer.refusal));
                }
                _ => {}
            }
        }
    }

    fn step(&mut self, line: &str, expected: &[&str]) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        self.answer = None;
        match verb {
            "begin" => self.office = Office::founded(),
            "wait" => self.office.at.0 += span(rest),
            "clocks" => {
                let ms = span(rest.trim_start_matches(['+', '-'])) as i64;
                self.office.jump(if rest.starts_with('-') { -ms } else { ms });
            }
            "look" => {}
            "flood" => self.flood(&words(rest)),
            "turn" => self.turn_whole(&words(rest)),
            // All steps at once; the answer is that of the last one.
            "remove-node" => {
                let words = words(rest);
                let (answer, effects) =
                    self.office.try_to_remove(words["by"], number(words["node"]));
                (self.answer, self.effects) = (Some(answer), effects);
            }
            "vote" => {
                let voters: Vec<_> = list(rest).map(|node| NodeId(number(node))).collect();
                seat_voters(&mut self.office.state, &voters);
            }
            _ => self.command(verb, &words(rest)),
        }
        assert_eq!(audit(&self.office.state), Vec::<String>::new(), "{}", self.place);
        self.compare(expected);
    }

    /// One source submits so many packets, one after the other, and takes each back where that is said.
    fn flood(&mut self, words: &Words) {
        let targets: Vec<_> = list(words["to"]).collect();
        let first = number(words["packet"]);
        for packet in first..first + number(words["count"]) {
            self.office.submit(words["by"], packet.into(), &targets);
            if words.contains_key("cancel") {
                let packet = PacketId(packet.into());
                let cancel = Command::CancelPacket(CancelPacket { packet });
                self.office.must(Some(words["by"]), cancel);
            }
        }
    }

    /// So many whole rotations of the cluster key, with a pause after each; the first is wanted already
    /// where nobody asks.
    fn turn_whole(&mut self, words: &Words) {
        for _ in 0..number(words["count"]) {
            if let Some(by) = words.get("by") {
                let rotate = RotateClusterKey { ends_tokens: false };
                self.office.must(Some(by), Command::RotateClusterKey(rotate));
            }
            let key = self.office.view().cluster_key().expect("a founded cluster has a key");
            let version = key.last + 1;
            let check = digest_of(&format!("key-{version}"));
            let mut step = |node, step| {
                self.office.must_of(node, Command::TurnClusterKey(step));
            };
            step(1, TurnClusterKey::Stage { version, check });
            step(2, TurnClusterKey::Hold { version });
            step(1, TurnClusterKey::Activate { version });
            let sealed = self.office.view().sealed_before(version, RESEALED_A_COMMAND_MAX);
            let material = || b"anew".to_vec().into();
            let resealed = |key: KeyRecord| Resealed { key: key.key, material: material() };
            let secrets = sealed.into_iter().map(resealed).collect();
            let authority = Some(material());
            let mut step = |step| {
                self.office.must(None, Command::TurnClusterKey(step));
            };
            step(TurnClusterKey::Reseal { version, secrets, authority });
            step(TurnClusterKey::End { version });
            self.office.at.0 += words.get("pause").map_or(0, |pause| span(pause));
        }
    }

    fn command(&mut self, verb: &str, words: &Words) {
        let command = self.command_of(verb, words);
        let mut proposal = self.office.proposal(words.get("by").copied(), command);
        if let Some(id) = words.get("id") {
            proposal.id = CommandId(1_000_000 + u128::from(number(id)));
        }
        if let Proposer::Node(node) = &mut proposal.by
            && let Some(named) = words.get("node").filter(|_| SAID_OF_ITSELF.contains(&verb))
        {
            *node = NodeId(number(named));
        }
        if let Proposer::Node(node) = &mut proposal.by
            && let Some(named) = words.get("from")
        {
            *node = NodeId(number(named));
        }
        if let Some(carrier) = words.get("carrier").filter(|_| verb == "report") {
            proposal.by = Proposer::Carrier {
                node: NodeId(number(words["node"])),
                lease: word(carrier),
                fence: number(words["fence"]),
            };
        }
        if let Proposer::Signed(proof) = &mut proposal.by {
            if let Some(key) = words.get("signed-with") {
                proof.key = key_of(key);
            }
            if let Some(nonce) = words.get("nonce") {
                proof.nonce = word(&format!("chosen-nonce-{nonce:0>8}"));
                proof.base = format!("nonce={}", proof.nonce).into();
            }
            if let Some(digest) = words.get("names") {
                let digest = digest_of(digest).to_field();
                proof.base = format!("\"@method\": POST\n\"packet-digest\": {digest}\n").into();
            }
            if let Some(created) = words.get("created") {
                proof.created = self.moment(created);
            }
        }
        let before = self.office.state.clone();
        let (answer, effects) = self.office.apply(proposal);
        if answer.is_err() {
            // What rode with it has to go.
            let expected = |effect: &Effect| matches!(effect, Effect::Unwanted(_));
            assert!(effects.iter().all(expected), "{}: a refusal has effects", self.place);
            // All but the clock, the nonces and the remembered answers.
            let kept = |state: &State| {
                let mut state = state.clone();
                state.retain(|key, _| ![2, 20, 21, 29, 50].contains(&key[0]));
                state
            };
            let same = kept(&before) == kept(&self.office.state);
            assert!(same, "{}: a refusal has changed something", self.place);
        }
        (self.answer, self.effects) = (Some(answer), effects);
    }

    fn compare(&self, expected: &[&str]) {
        let mut effects = Vec::new();
        let mut answered = self.answer.is_none();
        for line in expected {
            let (what, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
            let rest = rest.trim();
            let (found, wanted) = match what {
                "ok" | "refused" => {
                    answered = true;
                    let found = self.answer.as_ref().map(|answer| self.told(answer));
                    (found.unwrap_or_default(), (*line).to_owned())
                }
                "effect" => {
                    effects.push(rest.to_owned());
                    continue;
                }
                _ => self.looked_up(what, rest),
            };
            let plain_ok = wanted == "ok" && found.starts_with("ok");
            assert!(found == wanted || plain_ok, "{}\n  {line}\n  found: {found}", self.place);
        }
        let found: Vec<_> = self.effects.iter().map(told_effect).collect();
        let listed = !effects.is_empty() && self.answer.is_some();
        assert!(!listed || effects == found, "{}\n  effects: {found:#?}", self.place);
        assert!(answered, "{}: nothing is said of the answer", self.place);
    }

    fn told(&self, answer: &Answer) -> String {
        let outcome = match answer {
            Ok(outcome) => outcome,
            Err(refusal) => return format!("refused: {}", refusal.as_str()),
        };
        let again = |repeated: &bool| if *repeated { " again" } else { "" };
        match outcome {
            Outcome::Done => "ok".into(),
            Outcome::NodeAdmitted(node) => format!("ok: node {node}"),
            Outcome::SpaceGranted(granted) => format!(
                "ok: space {} of {} until {}{}",
                granted.space.0,
                granted.packet.0,
                self.moment_told(granted.expires_at),
                again(&granted.repeated)
            ),
            Outcome::SpaceClaimed { packet, epoch, size } => {
                let size = size.map_or("unknown".into(), |size| size.to_string());
                format!("ok: packet {} epoch {epoch} size {size}", packet.0)
            }
            Outcome::Accepted { packet, repeated, .. } => {
                format!("ok: accepted {}{}", packet.0, again(repeated))
            }
            Outcome::PickupGranted { packet, space } => {
                format!("ok: packet {} in space {}", packet.0, space.0)
            }
            Outcome::Receipts(answers) => {
                let told = answers.iter().map(|answer| {
                    let how = answer.refusal.map_or("taken", Refusal::as_str);
                    format!("{} {how}", answer.packet.0)
                });
                format!("ok: {}", told.collect::<Vec<_>>().join(", "))
            }
            Outcome::TimePassed { settled, more } => {
                format!("ok: settled {settled}{}", if *more { ", more" } else { "" })
            }
            Outcome::HoldingsReleased { is_released: true, .. } => "ok: released".into(),
            Outcome::HoldingsReleased { needed_for: None, .. } => "ok: released in part".into(),
            Outcome::HoldingsReleased { needed_for: Some(packet), .. } => {
                format!("ok: needed for {}", packet.0)
            }
            Outcome::LeaseTaken { fence } => format!("ok: fence {fence}"),
        }
    }

    /// What the state says about something, and what the script says it should.
    fn looked_up(&self, what: &str, rest: &str) -> (String, String) {
        let view = self.office.view();
        let (of, wanted) = rest.split_once(' ').unwrap_or((rest, ""));
        let of = of.trim_end_matches(':');
        let packet = || view.packet(PacketId(number(of).into())).expect("the packet");
        let list = |packets: Vec<PacketRecord>| joined(packets.iter().map(|p| p.packet.0));
        let found = match what {
            "state" => packet().state.to_string(),
            "delivery" => {
                let (unit, _) = wanted.split_once(' ').expect("delivery PACKET UNIT STATE");
                let packet = packet();
                let delivery = packet.delivery_to(&word(unit)).expect("a delivery");
                let reason = delivery.reason.as_ref().map(|reason| format!(" ({reason})"));
                format!("{unit} {}{}", delivery.state, reason.unwrap_or_default())
            }
            "sealed" => packet().sealed_by.map(|app| app.to_string()).unwrap_or_default(),
            "due" => self.moment_told(packet().due_at),
            "holders" => joined(packet().holders),
            "debtors" => joined(packet().debtors),
            "purged" => joined(packet().purged.iter().map(|(node, _)| *node)),
            "evidence" => {
                let sent =
                    |fact: &Fact| matches!(fact.what, What::Requested(_) | What::Accepted(_));
                let fact = self.office.facts_of(packet().packet.0).into_iter().rfind(sent);
                self.nonce_of(&fact.expect("a packet was sent"))
            }
            "receipt" => {
                let (unit, _) = wanted.split_once(' ').expect("receipt PACKET UNIT NONCE");
                let settled = |fact: &Fact| match &fact.what {
                    What::Confirmed(step) | What::Rejected(step) => step.target == word(unit),
                    _ => false,
                };
                let facts = self.office.facts_of(packet().packet.0);
                let nonces: Vec<_> =
                    facts.iter().filter(|f| settled(f)).map(|f| self.nonce_of(f)).collect();
                format!("{unit} {}", nonces.join(","))
            }
            "facts" => joined(self.office.facts_of(number(of).into()).iter().map(kind)),
            "row" => view.packet_row(PacketId(number(of).into())).map_or("gone", |_| "kept").into(),
            "inbox" => list(view.inbox(&word(of), None, 100)),
            "sent" => list(view.sent(&word(of), None, 100)),
            "undestroyed" => joined(packet().undestroyed),
            "debts" => {
                joined(view.debts(NodeId(number(of)), None, 100).0.iter().map(|space| space.0))
            }
            "lease" => view.lease(&word(of)).map_or("never taken".into(), |lease| {
                let holder = lease.holder.map_or("free".into(), |node| format!("node {node}"));
                format!("{holder}, fence {}", lease.fence)
            }),
            "letters" => {
                joined(view.due_letters(&word(of), 10).iter().map(|letter| letter.letter.0))
            }
            "letter" => {
                let letter = view.letter(LetterId(number(of))).expect("a letter");
                let said = letter.said.map(|said| format!(" ({said})")).unwrap_or_default();
                format!("{:?} after {}{said}", letter.state, letter.tries)
            }
            "unit" => {
                view.unit(&word(of)).map_or("gone".into(), |u| format!("{} {}", u.code, u.name))
            }
            // The page of three events after a position.
            "read" => {
                let (unit, after) = of.split_once('@').expect("read UNIT@POSITION");
                let feed = view.feed(&word(unit), number(after), 3);
                let reset = feed.reset.map(|position| format!("reset {position}"));
                let told = feed
                    .events
                    .iter()
                    .map(|event| format!("{} {}", event.position, event.kind.as_str()));
                reset.into_iter().chain(told).collect::<Vec<_>>().join(", ")
            }
            "feed" => {
                // Before it stand the two events of the province's beginning: its application, its key.
                let feed = view.feed(&word(of), 2, 100);
                let told = feed.events.iter().map(|event| match &event.about {
                    About::Packet(news) => {
                        let target = news.target.as_ref().map(|target| format!(" {target}"));
                        let kind = event.kind.as_str().trim_start_matches("packet.");
                        format!("{kind} {}{}", news.packet.0, target.unwrap_or_default())
                    }
                    About::Access(news) => self.access_told(event, news),
                });
                told.collect::<Vec<_>>().join(", ")
            }
            "ticks" => {
                // Which came first: the issue of a key, or the removal of a node.
                let (key, node) = of.split_once('/').expect("ticks KEY/NODE");
                let key = view.key(&key_of(key)).expect("a key");
                let node = view.node(NodeId(number(node))).expect("a node");
                let told = |later: bool| if later { "later" } else { "earlier" };
                let counted = told(Some(key.issued_tick) > node.removed_tick);
                let dated = told(Some(key.issued_at) > node.removed_at);
                format!("issued {counted}, dated {dated}")
            }
            "made" => {
                let (what, name) = of.split_once('/').expect("made KIND/NAME");
                let by = match what {
                    "unit" => view.unit(&word(name)).and_then(|unit| unit.added_by),
                    "name" => view.unit(&word(name)).and_then(|unit| unit.renamed_by),
                    "app" => view.app(&word(name)).and_then(|app| app.added_by),
                    "key" => view.key(&key_of(name)).and_then(|key| key.issued_by),
                    "revoked" => view.key(&key_of(name)).and_then(|key| key.revoked_by),
                    "node" => view.node(NodeId(number(name))).and_then(|node| node.admitted_by),
                    "removed" => view.node(NodeId(number(name))).and_then(|node| node.removed_by),
                    "token" => view.join_token(&digest_of(name)).and_then(|token| token.issued_by),
                    _ => panic!("{}: nobody makes {what}", self.place),
                };
                by.map_or("by nobody".into(), |by| format!("by {} with {}", by.app, by.key))
            }
            "trusted" => {
                let (trusted, _) = view.trusted().expect("there were entries");
                return (self.moment_told(trusted), rest.into());
            }
            "lost" => {
                return (joined(view.lost(None, 100).iter().map(|p| p.packet.0)), rest.into());
            }
            "members" => return (joined(view.members()), rest.into()),
            "rules" => return (view.rules().0.to_string(), rest.into()),
            "cluster-key" => return (self.cluster_key_told(), rest.into()),
            "authority" => return (self.authority_told(), rest.into()),
            "receipt-keys" => {
                let told = |key: ReceiptKeyRecord| match key.ended {
                    Some(end) => format!("{} until fact {}", key.keys.version, end.facts),
                    None => key.keys.version.to_string(),
                };
                let keys: Vec<_> = view.receipt_keys().into_iter().map(told).collect();
                return (keys.join(", "), rest.into());
            }
            "sealed-before" => {
                let (version, keys) = rest.split_once(' ').expect("sealed-before VERSION KEYS");
                let before = view.sealed_before(number(version) as u32, 100);
                let mut found: Vec<_> = before.into_iter().map(|key| key.key).collect();
                let mut wanted: Vec<_> = keys.split(' ').map(key_of).collect();
                found.sort();
                wanted.sort();
                return (joined(found), joined(wanted));
            }
            "live" => {
                return (joined(view.live(None, 100).iter().map(|id| id.0)), rest.into());
            }
            _ => panic!("{}: nobody knows what {what} is", self.place),
        };
        (found, wanted.into())
    }

    /// The nonce of the signature under a fact.
    fn nonce_of(&self, fact: &Fact) -> String {
        let base = String::from_utf8(self.office.evidence(fact).base).expect("a text");
        base.trim_start_matches("nonce=chosen-nonce-").into()
    }

    fn access_told(&self, event: &Event, news: &AccessNews) -> String {
        let ends = news.ends_at.map(|at| format!(" at {}", self.moment_told(at)));
        let what =
            if news.key.is_some() { format!("key of {}", news.app) } else { news.app.to_string() };
        let (kind, by) = (event.kind.as_str(), &news.by.app);
        format!("{kind} {what} by {by} of {}{}", event.source, ends.unwrap_or_default())
    }

    fn cluster_key_told(&self) -> String {
        let key = self.office.view().cluster_key().expect("a founded cluster has a key");
        let mut told = vec![format!("active {}, last {}", key.active, key.last)];
        let mut tell = |holds: bool, what: String| told.extend(holds.then_some(what));
        tell(key.wanted, "wanted".into());
        tell(key.ends_tokens, "ends tokens".into());
        let staged = key.staged.as_ref().map(|staged| joined(&staged.holders));
        tell(staged.is_some(), format!("staged at {}", staged.unwrap_or_default()));
        tell(key.tokens_from > 1, format!("tokens from {}", key.tokens_from));
        let until = |time: Option<Time>| time.map(|until| self.moment_told(until.date));
        let (tokens, contents) = (until(key.tokens_until), until(key.contents_until()));
        tell(tokens.is_some(), format!("tokens of older until {}", tokens.unwrap_or_default()));
        tell(contents.is_some(), format!("contents until {}", contents.unwrap_or_default()));
        tell(key.opens_from > 1, format!("opens from {}", key.opens_from));
        tell(key.older.len() > 2, format!("{} older", key.older.len()));
        told.join(", ")
    }

    fn authority_told(&self) -> String {
        let record = self.office.view().authority().expect("a founded cluster has an authority");
        let mut told = vec![format!("number {}", record.number)];
        told.extend(record.wanted.map(|ms| format!("wanted with {}h", ms / 3_600_000)));
        told.extend(
            record.older.iter().map(|older| {
                format!("{} until {}", older.number, self.moment_told(older.until.date))
            }),
        );
        told.join(", ")
    }

    pub(crate) fn moment(&self, text: &str) -> Moment {
        match text.strip_prefix('-') {
            Some(ago) => Moment(self.office.at.0 - span(ago)),
            None => Moment(self.office.at.0 + span(text.trim_start_matches('+'))),
        }
    }

    fn moment_told(&self, moment: Moment) -> String {
        let ms = moment.0 as i64 - self.office.at.0 as i64;
        let (sign, ms) = (if ms < 0 { '-' } else { '+' }, ms.unsigned_abs());
        let units = [(86_400_000, 'd'), (3_600_000, 'h'), (60_000, 'm'), (1000, 's')];
        let unit = units.iter().find(|(size, _)| ms >= *size && ms % size == 0);
        unit.map_or(format!("{sign}{ms}ms"), |(size, unit)| format!("{sign}{}{unit}", ms / size))
    }
}

/// What a node says of itself: `node=` is the node that proposes.
const SAID_OF_ITSELF: [&str; 9] = [
    "update-node",
    "confirm-time",
    "stage-key",
    "hold-key",
    "purge",
    "hold",
    "pulse",
    "take",
    "give-back",
];

fn told_effect(effect: &Effect) -> String {
    match effect {
        Effect::Notice { unit, position } => format!("notice to {unit} at {position}"),
        Effect::Purge => "purge".into(),
        Effect::Unwanted(space) => format!("content of space {} is unwanted", space.0),
        Effect::Letter(carrier) => format!("letter for {carrier}"),
        Effect::KeyRevoked(key) => format!("key revoked {key}"),
        Effect::NodesChanged => "nodes changed".into(),
        Effect::ClusterKeyTurned => "cluster key turned".into(),
        Effect::AuthorityTurned => "authority turned".into(),
    }
}

fn words(rest: &str) -> Words<'_> {
    rest.split_whitespace()
        .map(|word| word.split_once('=').unwrap_or_else(|| panic!("{word} is not key=value")))
        .collect()
}

pub(crate) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|item| !item.is_empty())
}

fn joined(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not a number"))
}

pub(crate) fn span(text: &str) -> u64 {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "d" => 86_400_000,
        "h" => 3_600_000,
        "m" => 60_000,
        "s" => 1000,
        "ms" => 1,
        other => panic!("{other:?} is not a unit of time"),
    };
    number(digits) * unit
}

/// The kind of a fact, as in `Confirmed`.
fn kind(fact: &Fact) -> String {
    let told = format!("{:?}", fact.what);
    told.split('(').next().unwrap_or_default().to_lowercase()
}
