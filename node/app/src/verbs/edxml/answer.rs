//! `edxml status`: the answer to a document. The other side finds what is answered by sender, code, date and identifier.

use wire::edxml::{
    Document, Message, Organ, OrganCode, ResponseFor, Said, Staff, Status, StatusCode, Writer,
};

use super::{
    super::Done,
    now,
    source::{read, shown, unreadable},
    unwritable,
};
use crate::{
    cli::{AnswerArgs, Exit, Failure, Out},
    texts::edxml as t,
};

/// Answers a document, or what a status message is about.
pub fn answer(out: &Out, args: AnswerArgs) -> Done {
    let whole = read(out, &args.file, |_| Ok(()))?;
    let message = match (whole.end, whole.message) {
        (Ok(()), message) => message,
        // Whoever refuses a document may say so of one that came damaged.
        (Err(_), Some(message)) if args.code == StatusCode::Refused => Some(message),
        (Err(error), _) => return Err(unreadable(out, &args.file, &error)),
    };
    let message = message.expect("a document that is read to its end has an envelope");
    let response = match &message {
        Message::Document(document) => response_of(document),
        // The sender's wish to take a document back is answered with what that was about.
        Message::Status(status) => status.response_for.clone().unwrap_or_default(),
    };
    complete(out, &args, &response)?;
    if out.is_table() {
        warn(out, &args, &message);
    }
    let staff = Staff {
        department: args.department,
        name: args.staff,
        email: args.email,
        mobile: args.mobile,
        ..Staff::default()
    };
    let status = Status {
        from: Organ {
            id: Some(Said::Known(args.from.code)),
            name: args.from.name,
            ..Organ::default()
        },
        response_for: Some(response),
        staff: (staff != Staff::default()).then_some(staff),
        code: Some(Said::Known(args.code)),
        description: args.note,
        at: Some(Said::Known(args.at.unwrap_or_else(now))),
    };
    let mut text = Vec::new();
    let written = Writer::begin(&Message::Status(Box::new(status)), &mut text)
        .and_then(|writer| writer.finish(&mut text));
    written.map_err(|error| unwritable(out, &error))?;
    out.octets(&text);
    Ok(Exit::Ok)
}

fn response_of(document: &Document) -> ResponseFor {
    let code = document.code_number.as_ref().zip(document.code_notation.as_ref());
    ResponseFor {
        organ: document.from.id.clone(),
        code: code.map(|(number, notation)| format!("{number}/{notation}")),
        date: document.date.clone(),
        document_id: document.id.clone(),
    }
}

/// Refuses an answer of which nobody would know what it is about.
fn complete(out: &Out, args: &AnswerArgs, response: &ResponseFor) -> Result<(), Failure> {
    let needed = [
        (t::FROM, response.organ.as_ref().and_then(Said::known).is_some()),
        (t::CODE, response.code.is_some()),
        (t::DATE, response.date.as_ref().and_then(Said::known).is_some()),
    ];
    let missing = needed.into_iter().filter(|(_, is_there)| !is_there);
    let missing: Vec<_> = missing.map(|(what, _)| out.text(what)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (path, missing) = (shown(out, &args.file), missing.join("; "));
    Err(Failure::new(Exit::Failed, out.fill(t::UNANSWERABLE, &[("path", &path)]))
        .why(out.fill(t::UNANSWERABLE_WHY, &[("missing", &missing)]))
        .fix(out.fill(t::FIX_UNANSWERABLE, &[("path", &args.file.display())]))
        .code(9808))
}

fn warn(out: &Out, args: &AnswerArgs, message: &Message) {
    let needs_note =
        matches!(args.code, StatusCode::Refused | StatusCode::TakeBack | StatusCode::RecallRefused);
    if needs_note && args.note.is_none() {
        out.warn(out.text(t::NO_NOTE));
    }
    let Message::Document(document) = message else { return };
    let parties = document.to.iter().chain([&document.from]).filter_map(|organ| organ.id.as_ref());
    let code = &args.from.code;
    if !parties.filter_map(Said::known).any(|party: &OrganCode| party == code) {
        out.warn(out.fill(t::STRANGER, &[("code", &code.as_str())]));
    }
}
