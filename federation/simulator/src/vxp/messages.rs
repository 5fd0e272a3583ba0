//! Sending, listing, fetching and acknowledging documents and statuses.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wire::{
    edxml::{Message, StatusCode, hash_file},
    vxp::{
        Accepted, Acknowledgement, Code, Counted, Fetched, MessageType, Nothing, Opaque, Received,
        Sending, Sent, SentRow, ServiceType, TransportStatus, Waiting,
    },
};

use super::said::{
    Caller, FILE, FORMAT, INVALID, NO_RECEIVER, NO_SENDER, No, SYSTEM, done, listed, no,
};
use crate::{
    author,
    directory::BodyIndex,
    fault::Fault,
    hop,
    hub::{Began, Hub},
    mail::Delivery,
    post::{self, Letter},
    reply::{Outcome, Reply, causes},
    time,
    world::World,
};

/// The file without the CR LF that the SDK sends behind it, if it is the file that was announced.
fn file(sending: &Sending, body: &Bytes) -> Result<Bytes, No> {
    let end = body.len() - if body.ends_with(b"\r\n") { 2 } else { 0 };
    let is_announced = |file: &[u8]| {
        let sha256: [u8; 32] = Sha256::digest(file).into();
        hash_file::is_spelt(&sha256, sending.hash_file.as_str())
    };
    // A file may end in CR LF itself, so both are asked.
    [body.slice(..end), body.clone()]
        .into_iter()
        .find(|file| is_announced(file))
        .ok_or_else(|| no(FILE, "hash-file khong dung voi noi dung tep"))
}

/// Whom a message names as its sender and its receivers.
fn ends(message: &Message) -> (Option<String>, Vec<String>) {
    match message {
        Message::Document(document) => {
            let to = document.to.iter().filter_map(|organ| author::text(organ.id.as_ref()));
            (author::text(document.from.id.as_ref()), to.collect())
        }
        Message::Status(status) => {
            let about = status.response_for.as_ref();
            let to = about.and_then(|about| author::text(about.organ.as_ref()));
            (author::text(status.from.id.as_ref()), to.into_iter().collect())
        }
    }
}

fn wrong_sender(from: &str, caller: &Caller) -> No {
    let registered = &caller.system;
    no(NO_SENDER, format!("Don vi gui {from} khong dung voi ma da dang ky: {registered}"))
}

pub(super) fn send(
    hub: &Hub,
    began: &Began,
    caller: &Caller,
    (sending, body): (&Sending, &Bytes),
) -> Result<Outcome, No> {
    if sending.from != caller.system {
        return Err(wrong_sender(sending.from.as_str(), caller));
    }
    let content = file(sending, body)?;
    let message = author::read(&content);
    let message =
        message.map_err(|error| no(FORMAT, format!("Sai dinh dang edXML: {}", causes(&error))))?;
    let message =
        message.ok_or_else(|| no(FORMAT, "Sai dinh dang edXML: khong co edXMLEnvelope"))?;
    let (from, mut to) = ends(&message);
    if from.as_deref() != Some(caller.system.as_str()) {
        return Err(wrong_sender(from.as_deref().unwrap_or_default(), caller));
    }
    if let Some(codes) = &sending.to {
        to = codes.iter().map(Code::to_string).collect();
    }
    let content = match (&message, sending.kind) {
        (Message::Document(_), MessageType::Document) => {
            hop::stamped(content.into(), began.at).into()
        }
        (Message::Status(_), MessageType::Status) => content,
        _ => return Err(no(FORMAT, "messagetype khong dung voi noi dung tep")),
    };
    let mut world = hub.world();
    if !world.mail.has_room(content.len()) {
        return Err(no(SYSTEM, "He thong day"));
    }
    let to = match taken_back(&world, caller, &message) {
        Some(to) => to,
        None => receivers(&world, &to)?,
    };
    let copies = if began.struck.by(Fault::Duplicate) { 2 } else { 1 };
    let letter = Letter { from: caller.body, to, kind: sending.kind, content, message, copies };
    let document = post::post(&mut world, letter, began.at);
    Ok(done(Accepted { document: document.clone() }).about(document))
}

/// Who has the document that its sender asks back by a status, whose `ResponseFor` names the sender itself.
fn taken_back(world: &World, caller: &Caller, message: &Message) -> Option<Vec<BodyIndex>> {
    let Message::Status(status) = message else { return None };
    if status.code.as_ref()?.known() != Some(&StatusCode::TakeBack) {
        return None;
    }
    let notation = status.response_for.as_ref()?.code.as_deref()?;
    let document = world.mail.last_sent(caller.body, notation)?;
    Some(world.mail.outcomes(document).map(|delivery| delivery.to).collect())
}

/// The receivers, each once; none may be unknown.
fn receivers(world: &World, codes: &[String]) -> Result<Vec<BodyIndex>, No> {
    let mut all = Vec::with_capacity(codes.len());
    for code in codes {
        let unknown = || no(NO_RECEIVER, format!("Don vi nhan {code} khong ton tai"));
        let body = world.directory.find(code).ok_or_else(unknown)?;
        all.push(body);
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|body| seen.insert(*body));
    if all.is_empty() { Err(no(NO_RECEIVER, "Khong co don vi nhan")) } else { Ok(all) }
}

fn status_of(delivery: &Delivery) -> TransportStatus {
    delivery.said.map_or(TransportStatus::Initial, TransportStatus::Acknowledged)
}

fn described(status: &TransportStatus) -> &'static str {
    match status {
        TransportStatus::Initial => "Khoi tao",
        TransportStatus::Acknowledged(Acknowledgement::Processing) => "Dang xu ly",
        TransportStatus::Acknowledged(Acknowledgement::Done) => "Da nhan",
        TransportStatus::Acknowledged(Acknowledgement::Fail) => "Loi",
        TransportStatus::Other(_) => "",
    }
}

pub(super) fn received(
    hub: &Hub,
    began: &Began,
    caller: &Caller,
    waiting: &Waiting,
) -> Result<Outcome, No> {
    let day = |given: &Option<Opaque>| match given {
        None => Ok(None),
        Some(text) => match time::parse_day(text.as_str()) {
            Some(day) => Ok(Some(day)),
            None => Err(no(INVALID, "fromDate, toDate phai la yyyy/MM/dd")),
        },
    };
    let (since, until) = (day(&waiting.from_date)?, day(&waiting.to_date)?);
    let world = hub.world();
    // The SDK's parameters leak from one call into the next (section 3.1): nobody asks for what it sent itself, nor for
    // what has left the list.
    let sender = waiting.from.as_ref().filter(|code| **code != caller.system);
    let sender = sender.map(|code| world.directory.find(code.as_str()));
    let left = Acknowledgement::Done.as_str();
    let asked = waiting.status.as_ref().filter(|word| word.as_str() != left);
    let rows = world.mail.waiting(caller.body, waiting.kind).filter(|(delivery, message)| {
        let day = time::day(message.sent_at);
        let is_of_day = since.is_none_or(|since| day >= Some(since))
            && until.is_none_or(|until| day <= Some(until));
        let stands = asked.is_none_or(|word| status_of(delivery).as_str() == word.as_str());
        is_of_day && stands && sender.is_none_or(|sender| sender == Some(message.from))
    });
    let size =
        waiting.page_size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX));
    // Whether pages count from zero or one was not found; the first is both.
    let page = waiting.page_index.unwrap_or(1).saturating_sub(1);
    let skipped = usize::try_from(page).unwrap_or(usize::MAX).saturating_mul(size);
    let skipped = if page == 0 { 0 } else { skipped };
    let row = |(delivery, message): (&Delivery, &crate::mail::Message)| {
        let status = status_of(delivery);
        Received {
            document: delivery.id.clone(),
            service: Some(ServiceType::Document.as_str().to_owned()),
            kind: Some(message.kind.as_str().to_owned()),
            created_time: Some(time::written(message.sent_at)),
            updated_time: Some(time::written(delivery.updated_at)),
            from: Some(world.directory.body(message.from).code.clone()),
            to: Some(world.directory.body(delivery.to).code.clone()),
            status_desc: Some(described(&status).to_owned()),
            status: Some(status),
        }
    };
    let rows: Vec<_> = rows.skip(skipped).take(size).map(row).collect();
    drop(world);
    Ok(listed(hub, began, rows))
}

fn unknown(id: &Opaque) -> No {
    no(INVALID, format!("Khong tim thay van ban {id}"))
}

fn content(hub: &Hub, caller: &Caller, id: &Opaque) -> Result<Bytes, No> {
    let world = hub.world();
    let message = world.mail.readable(id.as_str(), caller.body).ok_or_else(|| unknown(id))?;
    Ok(message.content.clone())
}

pub(super) fn get(hub: &Hub, caller: &Caller, id: &Opaque) -> Result<Outcome, No> {
    let content = content(hub, caller, id)?.to_vec();
    Ok(done(Fetched { content }).about(id.as_str()))
}

pub(super) fn download(hub: &Hub, caller: &Caller, id: &Opaque) -> Result<Outcome, No> {
    let content = content(hub, caller, id)?;
    let reply = Reply::new(200, "application/octet-stream", content);
    Ok(Outcome::ok(reply).about(id.as_str()))
}

pub(super) fn acknowledge(
    hub: &Hub,
    began: &Began,
    caller: &Caller,
    (id, word): (&Opaque, Acknowledgement),
) -> Result<Outcome, No> {
    let mut world = hub.world();
    let delivery = world.mail.delivered(id.as_str(), caller.body).ok_or_else(|| unknown(id))?;
    world.mail.acknowledge(delivery, word, began.at);
    Ok(done(Nothing {}).about(id.as_str()))
}

pub(super) fn sent(hub: &Hub, began: &Began, caller: &Caller, sent: &Sent) -> Result<Outcome, No> {
    let world = hub.world();
    let id = &sent.document;
    let message = world.mail.sent(id.as_str(), caller.body).ok_or_else(|| unknown(id))?;
    let row = |delivery: &Delivery| {
        let status = status_of(delivery);
        let text = |text: &str| Some(text.to_owned());
        SentRow {
            service_type: text(ServiceType::Document.as_str()),
            message_type: text(message.kind.as_str()),
            title: text(&message.title),
            notation: text(&message.notation),
            from_code: text(&world.directory.body(message.from).code),
            to_code: world.directory.body(delivery.to).code.clone(),
            sender_doc_id: text(&message.id),
            receiver_doc_id: text(&delivery.id),
            send_status: text("done"),
            send_status_desc: text("Da gui"),
            sent_time: Some(time::written(message.sent_at)),
            receive_status: text(status.as_str()),
            receive_status_desc: text(described(&status)),
            received_time: delivery.said.map(|_| time::written(delivery.updated_at)),
        }
    };
    let rows: Vec<_> = world.mail.outcomes(message).map(row).collect();
    drop(world);
    Ok(listed(hub, began, rows).about(id.as_str()))
}

pub(super) fn count(hub: &Hub, caller: &Caller, kind: MessageType) -> Outcome {
    let count = hub.world().mail.count(caller.body, kind);
    done(Counted { count: u64::try_from(count).unwrap_or(u64::MAX) })
}
