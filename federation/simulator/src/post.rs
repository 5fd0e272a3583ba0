//! Passing a message on: it is stored, delivered to each receiver, and scripted receivers will answer.

use std::sync::Arc;

use bytes::Bytes;
use model::Moment;
use sha2::{Digest, Sha256};
use wire::{
    edxml::{Business, Message, ResponseFor, StatusCode},
    vxp::{Acknowledgement, MessageType},
};

use crate::{
    author,
    directory::BodyIndex,
    hop,
    ledger::What,
    mail::New,
    scene::{Sent, Step},
    world::{Event, World},
};

/// A message on its way.
pub(crate) struct Letter {
    pub(crate) from: BodyIndex,
    pub(crate) to: Vec<BodyIndex>,
    pub(crate) kind: MessageType,
    pub(crate) content: Bytes,
    pub(crate) message: Message,
    /// How often each receiver gets it.
    pub(crate) copies: usize,
}

/// The subject and the number of a message, as the list of what was sent has them.
fn titles(message: &Message) -> (String, String) {
    match message {
        Message::Document(document) => {
            let about = author::about(document);
            (document.subject.clone().unwrap_or_default(), about.code.unwrap_or_default())
        }
        Message::Status(status) => {
            let about = status.response_for.as_ref().and_then(|about| about.code.clone());
            (status.description.clone().unwrap_or_default(), about.unwrap_or_default())
        }
    }
}

/// Passes a message on, and answers its identifier.
pub(crate) fn post(world: &mut World, letter: Letter, at: Moment) -> String {
    let Letter { from, to, kind, content, message, copies } = letter;
    let (title, notation) = titles(&message);
    let id = world.identifier("message");
    let entry = Note {
        status: match &message {
            Message::Status(status) => {
                status.code.as_ref().and_then(|code| code.known()).map(|code| code.as_str())
            }
            Message::Document(_) => None,
        },
        kind,
        from: world.directory.body(from).code.clone(),
        octets: content.len(),
        sha256: hex::encode(Sha256::digest(&content)),
    };
    let new = New { id: id.clone(), kind, from, content, title, notation, at };
    let index = world.mail.put(new);
    let asks = Asks::of(world, &message);
    for to in to {
        for _ in 0..copies {
            let delivery_id = world.identifier("delivery");
            let code = world.directory.body(to).code.clone();
            world.ledger.note(at, entry.says("delivered", &delivery_id, code));
            let delivery = world.mail.deliver(index, delivery_id, to);
            if let Some(asks) = &asks
                && world.is_scripted(to)
            {
                plan(world, delivery, to, asks, at);
            }
        }
    }
    id
}

struct Note {
    status: Option<&'static str>,
    kind: MessageType,
    from: String,
    octets: usize,
    sha256: String,
}

impl Note {
    fn says(&self, event: &'static str, document: &str, to: String) -> What {
        What::Document {
            event,
            document: document.to_owned(),
            from: self.from.clone(),
            to,
            kind: self.kind.as_str(),
            octets: self.octets,
            sha256: self.sha256.clone(),
            status: self.status,
        }
    }
}

/// What a message asks of those who get it, read once for all of them.
struct Asks {
    about: Arc<ResponseFor>,
    /// Whether it is a recall, an update or a take-back, which is agreed to or refused.
    is_change: bool,
    is_refused: bool,
}

impl Asks {
    /// None for a status that nobody answers.
    fn of(world: &World, message: &Message) -> Option<Self> {
        let (about, is_change, text) = match message {
            Message::Document(document) => {
                let business = document.trace.as_ref().and_then(|trace| trace.business.as_ref());
                let business = business.and_then(|business| business.business.as_ref()?.known());
                let is_change = matches!(business, Some(Business::Recall | Business::Update));
                (author::about(document), is_change, document.subject.as_deref())
            }
            Message::Status(status) => {
                if status.code.as_ref()?.known() != Some(&StatusCode::TakeBack) {
                    return None;
                }
                (status.response_for.clone()?, true, status.description.as_deref())
            }
        };
        let text = text.unwrap_or_default().to_lowercase();
        let words = &world.settings.bodies.refused_words;
        let is_refused = words.iter().any(|word| text.contains(&word.to_lowercase()));
        Some(Self { about: Arc::new(about), is_change, is_refused })
    }
}

/// A scripted body decides what it will answer, and when.
fn plan(world: &mut World, delivery: usize, to: BodyIndex, asks: &Asks, at: Moment) {
    let settings = world.settings.clone();
    let code = world.directory.body(to).code.as_str();
    let script = settings.bodies.script_of(code);
    let steps = match asks.is_refused {
        _ if script.steps.is_empty() => Vec::new(),
        true if asks.is_change => vec![(script.recall_after, StatusCode::RecallRefused)],
        false if asks.is_change => vec![(script.recall_after, StatusCode::RecallAgreed)],
        // Who refuses has seen it first.
        true => {
            let second = script.steps.get(1).unwrap_or(&script.steps[0]).0;
            vec![(script.steps[0].0, StatusCode::Arrived), (second, StatusCode::Refused)]
        }
        false => script.steps.clone(),
    };
    for (after, code) in steps {
        let event = Event::Answer { delivery, code, about: asks.about.clone() };
        if !world.schedule(at.plus(after), event) {
            failed(world, at, format!("answer {}", code.as_str()), "too much waits already");
        }
    }
}

fn failed(world: &mut World, at: Moment, step: String, why: impl ToString) {
    world.ledger.note(at, What::Failed { step, why: why.to_string() });
}

/// Lets everything happen that is due by now, in the order of its times.
pub(crate) fn settle(world: &mut World) {
    while let Some((at, event)) = world.due() {
        match event {
            Event::Answer { delivery, code, about } => {
                let (from, to) = {
                    let (delivery, message) = world.mail.delivery(delivery);
                    (delivery.to, message.from)
                };
                // Who answers has taken the document over.
                world.mail.acknowledge(delivery, Acknowledgement::Done, at);
                let written = author::status(world.directory.body(from), &about, code, at);
                let step = || format!("answer {}", code.as_str());
                match written {
                    Ok(content) => send(world, (from, to), content, at, step()),
                    Err(why) => failed(world, at, step(), why),
                }
            }
            Event::Step(Step::Fault(switch)) => world.turn(switch, at),
            Event::Step(Step::Clock(by)) => world.move_clock(by),
            Event::Step(Step::Send(sent)) => begin(world, &sent, at),
        }
    }
}

fn begin(world: &mut World, sent: &Sent, at: Moment) {
    let step = format!("send {}/{}", sent.number, sent.notation);
    let ends = [&sent.from, &sent.to].map(|code| world.directory.find(code.as_str()));
    let [Some(from), Some(to)] = ends else {
        return failed(world, at, step, "a body is not in the directory");
    };
    let bodies = (world.directory.body(from), world.directory.body(to));
    match author::document(bodies, sent, at) {
        Ok(content) => send(world, (from, to), content, at, step),
        Err(why) => failed(world, at, step, why),
    }
}

/// A scripted body sends what it wrote. The hub treats it like everybody's.
fn send(
    world: &mut World,
    (from, to): (BodyIndex, BodyIndex),
    content: Vec<u8>,
    at: Moment,
    step: String,
) {
    if !world.mail.has_room(content.len()) {
        return failed(world, at, step, "there is no room for more messages");
    }
    let message = match author::read(&content) {
        Ok(Some(message)) => message,
        Ok(None) => return failed(world, at, step, "it has no envelope"),
        Err(why) => return failed(world, at, step, why),
    };
    let (kind, content) = match &message {
        Message::Status(_) => (MessageType::Status, content),
        Message::Document(_) => (MessageType::Document, hop::stamped(content, at)),
    };
    let letter = Letter { from, to: vec![to], kind, content: content.into(), message, copies: 1 };
    post(world, letter, at);
}
