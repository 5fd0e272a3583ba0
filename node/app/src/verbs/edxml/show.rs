//! `edxml show`: what a clerk wants to know of a document or a status.

use std::{fmt::Display, path::Path};

use serde_json::{Value, json};
use wire::edxml::{
    Attached, Business, Document, Event, Message, Organ, ReceiverChange, ResponseFor, Said, Status,
};

use super::{
    super::Done,
    source::{plain, read, unreadable},
};
use crate::{
    cli::{Exit, Out, size_text},
    texts::{Text, edxml as t},
};

/// Shows one file. One that ends too early is shown as far as it goes, and is a failure.
pub fn show(out: &Out, path: &Path) -> Done {
    let mut attached: Vec<Attached> = Vec::new();
    let whole = read(out, path, |event| {
        if let Event::End(one) = event {
            attached.push(one.clone());
        }
        Ok(())
    })?;
    if let Err(error) = &whole.end {
        if out.is_table()
            && let Some(message) = &whole.message
        {
            table(out, message, &attached);
        }
        return Err(unreadable(out, path, error));
    }
    let message = whole.message.expect("a document that is read to its end has an envelope");
    if !out.is_table() {
        out.json("lgsp.edxml/1", told(&message, &attached, whole.findings.len()));
        return Ok(Exit::Ok);
    }
    table(out, &message, &attached);
    if !whole.findings.is_empty() {
        let (count, path) = (whole.findings.len(), path.display());
        out.warn(out.fill(t::LOOK, &[("count", &count), ("path", &path)]));
    }
    Ok(Exit::Ok)
}

fn table(out: &Out, message: &Message, attached: &[Attached]) {
    let mut rows = Rows { out, rows: Vec::new() };
    match message {
        Message::Document(document) => rows.document(document),
        Message::Status(status) => rows.status(status),
    }
    out.rows(&[t::COL_WHAT, t::COL_SAID], rows.rows);
    if attached.is_empty() {
        return;
    }
    let name = |one: &Attached| one.attachment.name.as_deref().map_or_else(String::new, plain);
    out.print("");
    files(out, &attached.iter().map(|one| (name(one), one)).collect::<Vec<_>>());
}

/// Attachments by the names that people are told; below them their digests, in lines that `sha256sum -c` takes.
pub fn files(out: &Out, files: &[(String, &Attached)]) {
    let row = |(name, one): &(String, &Attached)| {
        let form = out.text(t::form(one.form).1).to_owned();
        vec![name.clone(), size_text(one.octets), form]
    };
    out.rows(&[t::COL_FILE, t::COL_SIZE, t::COL_FORM], files.iter().map(row).collect());
    out.print("");
    for (name, one) in files {
        out.print(format_args!("{}  {name}", hex::encode(one.sha256)));
    }
}

/// Rows of what is said, each under its name.
struct Rows<'o> {
    out: &'o Out,
    rows: Vec<Vec<String>>,
}

impl Rows<'_> {
    fn row(&mut self, what: Text, said: impl Display) {
        self.rows.push(vec![self.out.text(what).to_owned(), plain(&said.to_string())]);
    }

    /// What may be left unsaid.
    fn may(&mut self, what: Text, said: Option<impl Display>) {
        if let Some(said) = said {
            self.row(what, said);
        }
    }

    /// What every document says; that it does not is told.
    fn must(&mut self, what: Text, said: Option<impl Display>) {
        match said {
            Some(said) => self.row(what, said),
            None => self.row(what, self.out.text(t::UNSAID)),
        }
    }

    fn document(&mut self, document: &Document) {
        self.must(t::FROM, organ(&document.from));
        for to in &document.to {
            self.must(t::TO, organ(to));
        }
        self.must(t::CODE, code(document));
        self.must(t::DATE, document.date.as_ref());
        self.may(t::PLACE, document.place.as_ref());
        self.must(t::TYPE, document.kind.name.as_ref());
        self.business(document);
        self.must(t::SUBJECT, document.subject.as_ref());
        self.may(t::CONTENT, document.content.as_ref());
        let priority = document.other.as_ref().and_then(|other| other.priority.as_ref());
        self.may(t::PRIORITY, priority.map(|said| self.coded(said, |code| t::priority(*code))));
        self.may(t::SIGNER, signer(document));
        self.may(t::DUE, document.due.as_ref());
        self.may(t::DOCUMENT_ID, document.id.as_ref());
        for response in &document.response_for {
            self.row(t::RESPONSE_FOR, answered(response));
        }
        for hop in document.trace.iter().flat_map(|trace| &trace.hops) {
            let unsaid = || self.out.text(t::UNSAID).to_owned();
            let organ = hop.organ.as_ref().map_or_else(unsaid, ToString::to_string);
            let at = hop.at.as_ref().map_or_else(unsaid, ToString::to_string);
            self.row(t::TRACE, format!("{organ}, {at}"));
        }
        if document.signature.is_some() {
            self.row(t::SIGNATURE, self.out.text(t::SIGNATURE_THERE));
        }
    }

    fn business(&mut self, document: &Document) {
        let info = document.trace.as_ref().and_then(|trace| trace.business.as_ref());
        let kind = info.and_then(|info| info.business.as_ref());
        self.must(t::KIND, kind.map(|said| self.coded(said, |code: &Business| t::kind(*code))));
        let Some(info) = info else { return };
        self.may(t::REASON, info.reason.as_ref());
        for replaced in &info.replacements {
            self.must(t::REPLACES, replaced.document_id.as_ref());
        }
        for receiver in info.updates.iter().flat_map(|update| &update.receivers) {
            let what = match receiver.change.as_ref().and_then(Said::known) {
                Some(ReceiverChange::Removed) => t::RECEIVER_REMOVED,
                _ => t::RECEIVER_ADDED,
            };
            self.must(what, receiver.organ.as_ref());
        }
    }

    fn status(&mut self, status: &Status) {
        self.must(t::FROM, organ(&status.from));
        self.must(t::RESPONSE_FOR, status.response_for.as_ref().map(answered));
        let id = status.response_for.as_ref().and_then(|answered| answered.document_id.as_ref());
        self.may(t::DOCUMENT_ID, id);
        let code = status.code.as_ref();
        self.must(t::STATUS, code.map(|said| self.coded(said, |code| t::status(*code))));
        self.may(t::NOTE, status.description.as_ref());
        let staff = status.staff.as_ref().map(|staff| {
            let parts = [&staff.name, &staff.department, &staff.mobile, &staff.email];
            parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(", ")
        });
        self.may(t::STAFF, staff.filter(|staff| !staff.is_empty()));
        self.must(t::AT, status.at.as_ref());
    }

    /// A code, and what it means where that is known.
    fn coded<C: wire::edxml::Code>(&self, said: &Said<C>, text: impl Fn(&C) -> Text) -> String {
        match said.known() {
            Some(code) => format!("{said} – {}", self.out.text(text(code))),
            None => said.to_string(),
        }
    }
}

fn organ(organ: &Organ) -> Option<String> {
    match (&organ.id, &organ.name) {
        (None, None) => None,
        (Some(id), None) => Some(id.to_string()),
        (None, Some(name)) => Some(name.clone()),
        (Some(id), Some(name)) => Some(format!("{name} ({id})")),
    }
}

/// Number and notation, as people write them: `1542/SKHCN-CĐS`.
fn code(document: &Document) -> Option<String> {
    let parts = [&document.code_number, &document.code_notation].map(Option::as_deref);
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn signer(document: &Document) -> Option<String> {
    let signer = document.signer.as_ref()?;
    let parts = [&signer.competence, &signer.position, &signer.full_name];
    let parts: Vec<_> = parts.into_iter().flatten().cloned().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn answered(response: &ResponseFor) -> String {
    let organ = response.organ.as_ref().map(ToString::to_string);
    let date = response.date.as_ref().map(ToString::to_string);
    let parts: Vec<_> = [response.code.clone(), organ, date].into_iter().flatten().collect();
    parts.join(", ")
}

fn told(message: &Message, attached: &[Attached], found: usize) -> Value {
    let mut told = match message {
        Message::Document(document) => told_document(document),
        Message::Status(status) => told_status(status),
    };
    let one = |one: &Attached| {
        json!({
            "name": one.attachment.name, "content_id": one.attachment.content_id,
            "content_type": one.attachment.content_type, "size": one.octets,
            "sha256": hex::encode(one.sha256), "form": t::form(one.form).0,
        })
    };
    told["attachments"] = attached.iter().map(one).collect();
    told["findings"] = found.into();
    told
}

fn said(value: Option<&impl ToString>) -> Value {
    value.map_or(Value::Null, |value| value.to_string().into())
}

fn told_organ(organ: &Organ) -> Value {
    json!({ "code": said(organ.id.as_ref()), "name": organ.name, "email": organ.email })
}

fn told_response(response: &ResponseFor) -> Value {
    json!({
        "organ": said(response.organ.as_ref()), "code": response.code,
        "date": said(response.date.as_ref()), "document_id": response.document_id,
    })
}

fn told_document(document: &Document) -> Value {
    let trace = document.trace.as_ref();
    let hops = trace.iter().flat_map(|trace| &trace.hops);
    let hops: Vec<_> = hops
        .map(|hop| json!({ "organ": said(hop.organ.as_ref()), "at": said(hop.at.as_ref()) }))
        .collect();
    let info = trace.and_then(|trace| trace.business.as_ref());
    let replaced = info.iter().flat_map(|info| &info.replacements);
    let receivers = info.iter().flat_map(|info| &info.updates).flat_map(|one| &one.receivers);
    let receivers: Vec<_> = receivers
        .map(
            |one| json!({ "organ": said(one.organ.as_ref()), "change": said(one.change.as_ref()) }),
        )
        .collect();
    let signer = document.signer.as_ref().map(|signer| {
        json!({
            "name": signer.full_name, "position": signer.position, "competence": signer.competence,
        })
    });
    json!({
        "message": "document",
        "from": told_organ(&document.from),
        "to": document.to.iter().map(told_organ).collect::<Vec<_>>(),
        "document_id": document.id, "number": document.code_number, "notation": document.code_notation,
        "place": document.place, "date": said(document.date.as_ref()),
        "type": { "number": said(document.kind.number.as_ref()), "name": document.kind.name },
        "kind": said(info.and_then(|info| info.business.as_ref())),
        "reason": info.and_then(|info| info.reason.as_ref()),
        "replaces": replaced.map(|one| &one.document_id).collect::<Vec<_>>(),
        "receiver_changes": receivers,
        "subject": document.subject, "content": document.content,
        "priority": said(document.other.as_ref().and_then(|other| other.priority.as_ref())),
        "signer": signer, "due": said(document.due.as_ref()),
        "response_for": document.response_for.iter().map(told_response).collect::<Vec<_>>(),
        "trace": hops, "signed": document.signature.is_some(),
    })
}

fn told_status(status: &Status) -> Value {
    let staff = status.staff.as_ref().map(|staff| {
        json!({
            "name": staff.name, "department": staff.department,
            "mobile": staff.mobile, "email": staff.email,
        })
    });
    json!({
        "message": "status", "from": told_organ(&status.from),
        "response_for": status.response_for.as_ref().map(told_response),
        "code": said(status.code.as_ref()), "note": status.description, "staff": staff,
        "at": said(status.at.as_ref()),
    })
}
