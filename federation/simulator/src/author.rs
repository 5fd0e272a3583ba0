//! What scripted bodies write: documents of a scene, and statuses about what came. And how messages are read.

use model::Moment;
use wire::edxml::{
    Attachment, Business, BusinessInfo, Code, Count, Document, DocumentType, Error, Event, Hop,
    Limits, Message, Organ, OrganCode, Reader, ResponseFor, Said, Signer, Status, StatusCode,
    Trace, Unwritable, Writer,
};

use crate::{directory::Body, scene::Sent, time};

/// Reads a message; none if there is no envelope in it.
pub(crate) fn read(content: &[u8]) -> Result<Option<Message>, Error> {
    let mut found = None;
    let mut take = |event: Event<'_>| {
        if let Event::Message(message) = event {
            found = Some(*message);
        }
    };
    let mut reader = Reader::new(Limits::DEFAULT);
    reader.feed(content, &mut take)?;
    reader.finish(&mut take)?;
    Ok(found)
}

/// The text of a code that was understood or not.
pub(crate) fn text<T: Code>(said: Option<&Said<T>>) -> Option<String> {
    said.map(ToString::to_string)
}

/// How a document is referred to by whoever answers it.
pub(crate) fn about(document: &Document) -> ResponseFor {
    let (number, notation) = (&document.code_number, &document.code_notation);
    let code = match (number, notation) {
        (Some(number), Some(notation)) => Some(format!("{number}/{notation}")),
        (number, notation) => number.clone().or_else(|| notation.clone()),
    };
    ResponseFor {
        organ: document.from.id.clone(),
        code,
        date: document.date.clone(),
        document_id: document.id.clone(),
    }
}

fn organ(body: &Body) -> Organ {
    Organ {
        id: OrganCode::read(&body.code).map(Said::Known),
        name: Some(body.name.clone()),
        ..Organ::default()
    }
}

fn description(code: StatusCode) -> &'static str {
    match code {
        StatusCode::Arrived => "Đã đến",
        StatusCode::Refused => "Từ chối tiếp nhận",
        StatusCode::Accepted => "Đã tiếp nhận",
        StatusCode::Assigned => "Phân công xử lý",
        StatusCode::Processing => "Đang xử lý",
        StatusCode::Finished => "Hoàn thành",
        StatusCode::TakeBack => "Đề nghị thu hồi",
        StatusCode::RecallAgreed => "Đồng ý thu hồi, cập nhật",
        StatusCode::RecallRefused => "Từ chối thu hồi, cập nhật",
    }
}

/// Writes a status.
pub(crate) fn status(
    from: &Body,
    about: &ResponseFor,
    code: StatusCode,
    at: Moment,
) -> Result<Vec<u8>, Unwritable> {
    let status = Status {
        from: organ(from),
        response_for: Some(about.clone()),
        code: Some(Said::Known(code)),
        description: Some(description(code).to_owned()),
        at: time::local(at).map(Said::Known),
        staff: None,
    };
    let mut out = Vec::new();
    Writer::begin(&Message::Status(Box::new(status)), &mut out)?.finish(&mut out)?;
    Ok(out)
}

/// Writes the document of a scene, with one small file attached.
pub(crate) fn document(
    (from, to): (&Body, &Body),
    sent: &Sent,
    at: Moment,
) -> Result<Vec<u8>, Unwritable> {
    let date = time::day(at).map(Said::Known);
    let day = date.as_ref().map(ToString::to_string).unwrap_or_default();
    let (number, notation) = (&sent.number, &sent.notation);
    let file = Attachment::of_file("van-ban-1", &format!("{number}.txt"));
    let hop = Hop {
        organ: OrganCode::read(&from.code).map(Said::Known),
        at: time::local(at).map(Said::Known),
    };
    let business =
        BusinessInfo { business: Some(Said::Known(Business::New)), ..BusinessInfo::default() };
    let document = Document {
        from: organ(from),
        to: vec![organ(to)],
        id: Some(format!("{},{day},{number}/{notation}", from.code)),
        code_number: Some(number.clone()),
        code_notation: Some(notation.clone()),
        place: Some("Hà Nội".to_owned()),
        date,
        kind: DocumentType {
            number: Some(Said::Known(Count(1))),
            detail: None,
            name: Some("Công văn".to_owned()),
        },
        subject: Some(sent.subject.clone()),
        signer: Some(Signer { full_name: Some("Nguyễn Văn A".to_owned()), ..Signer::default() }),
        trace: Some(Trace { hops: vec![hop], business: Some(business), ..Trace::default() }),
        manifest: Some(vec![file.reference()]),
        ..Document::default()
    };
    let mut out = Vec::new();
    let writer = Writer::begin(&Message::Document(Box::new(document)), &mut out)?;
    let mut attaching = writer.attach(&file, &mut out)?;
    attaching.octets(sent.subject.as_bytes(), &mut out)?;
    attaching.end(&mut out)?.finish(&mut out)?;
    Ok(out)
}
