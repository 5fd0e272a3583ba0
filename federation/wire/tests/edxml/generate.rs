//! Messages as somebody might write them: every field there or not, every character that XML bears.

use lgsp_wire::edxml::{
    Attachment, Business, BusinessInfo, Code, Count, Day, Direction, Document, DocumentType, Hop,
    LocalTime, Message, Organ, OrganCode, OtherInfo, Priority, Receiver, ReceiverChange, Reference,
    Replacement, ResponseFor, Said, Signature, SignedReference, Signer, Staff, Status, StatusCode,
    Steering, Trace, UpdateInfo,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// A text that a document may say: without spaces around it, and not the word for nothing.
pub fn text() -> impl Strategy<Value = String> + Clone {
    let letters = "[a-zA-Z0-9ăâđêôơưÂ&<>\"'\\]\\[/.,:;=\t\n\r \u{85}\u{2028}\u{FFFD}😀-😎]{1,30}";
    let trim = |text: String| text.trim_matches([' ', '\t', '\r', '\n']).to_owned();
    letters.prop_map(trim).prop_filter("says something", |text| !["", "null"].contains(&&text[..]))
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn maybe<S: Strategy>(value: S) -> impl Strategy<Value = Option<S::Value>> {
    option::of(value)
}

fn code<T: Copy + std::fmt::Debug + 'static>(
    all: &'static [T],
) -> impl Strategy<Value = Said<T>> + Clone {
    select(all).prop_map(Said::Known)
}

fn count() -> impl Strategy<Value = Said<Count>> {
    any::<u32>().prop_map(|number| Count(number).into())
}

fn organ_code() -> impl Strategy<Value = Said<OrganCode>> {
    "[0-9A-Za-z._-]{1,64}"
        .prop_filter("no word for nothing", |code| code != "null")
        .prop_map(|code| OrganCode::read(&code).expect("a code").into())
}

fn time() -> impl Strategy<Value = Said<LocalTime>> {
    (-62_135_596_800_i64..253_402_275_600)
        .prop_map(|seconds| LocalTime::from_unix_seconds(seconds).expect("a time").into())
}

fn day() -> impl Strategy<Value = Said<Day>> {
    time().prop_map(|time| time.known().expect("a time").day().into())
}

fn organ() -> impl Strategy<Value = Organ> {
    let texts = (maybe(text()), maybe(text()), maybe(text()), maybe(text()), maybe(text()));
    (organ_code(), texts, maybe(text()), maybe(text())).prop_map(
        |(id, (in_charge, name, address, email, telephone), fax, website)| Organ {
            id: Some(id),
            in_charge,
            name,
            address,
            email,
            telephone,
            fax,
            website,
        },
    )
}

fn response_for() -> impl Strategy<Value = ResponseFor> {
    (organ_code(), text(), day(), maybe(text())).prop_map(|(organ, code, date, document_id)| {
        ResponseFor { organ: Some(organ), code: Some(code), date: Some(date), document_id }
    })
}

fn staff() -> impl Strategy<Value = Staff> {
    let texts = (maybe(text()), maybe(text()), maybe(text()));
    (texts, maybe(text()), maybe(text()), maybe(text())).prop_map(
        |((department, department_id, name), id, email, mobile)| Staff {
            department,
            department_id,
            name,
            id,
            email,
            mobile,
        },
    )
}

fn other() -> impl Strategy<Value = OtherInfo> {
    let texts = (maybe(text()), maybe(text()), maybe(text()), maybe(text()));
    let codes = (maybe(code(Priority::ALL)), maybe(code(Direction::ALL)));
    (texts, codes, maybe(count()), maybe(count()), texts_of_appendixes()).prop_map(
        |(texts, (priority, direction), promulgation_amount, page_amount, appendixes)| {
            let (sphere, typer, reply_for, reference_codes) = texts;
            OtherInfo {
                priority,
                sphere,
                typer,
                promulgation_amount,
                page_amount,
                reply_for,
                direction,
                reference_codes,
                appendixes,
            }
        },
    )
}

fn texts_of_appendixes() -> impl Strategy<Value = Vec<String>> {
    texts()
}

fn business() -> impl Strategy<Value = BusinessInfo> {
    let receiver = (organ_code(), code(ReceiverChange::ALL))
        .prop_map(|(organ, change)| Receiver { organ: Some(organ), change: Some(change) });
    let update = (maybe(text()), maybe(text()), vec(receiver, 0..3))
        .prop_map(|(document, receiver, receivers)| UpdateInfo { document, receiver, receivers });
    let replacement = (maybe(text()), vec(organ_code(), 0..3))
        .prop_map(|(document_id, organs)| Replacement { document_id, organs });
    let lists = (vec(update, 0..3), vec(replacement, 1..3), vec(staff(), 0..3));
    (code(Business::ALL), maybe(text()), maybe(text()), maybe(text()), lists).prop_map(
        |(business, document_id, reason, paper, (updates, replacements, staff))| BusinessInfo {
            document_id,
            business: Some(business),
            reason,
            paper,
            updates,
            replacements,
            staff,
        },
    )
}

fn trace() -> impl Strategy<Value = Trace> {
    let hop = (maybe(organ_code()), maybe(time())).prop_map(|(organ, at)| Hop { organ, at });
    let attribute = || maybe(prop_oneof![text(), Just(String::new()), Just(" a\tb\n".to_owned())]);
    (attribute(), attribute(), maybe(text()), vec(hop, 0..3), maybe(business())).prop_map(
        |(id, version, paper, hops, business)| Trace { id, version, paper, hops, business },
    )
}

fn signature() -> impl Strategy<Value = Signature> {
    let reference = (maybe(prop_oneof![text(), Just(String::new())]), texts(), maybe(text()))
        .prop_flat_map(|(uri, transforms, digest_method)| {
            maybe(text()).prop_map(move |digest_value| SignedReference {
                uri: uri.clone(),
                transforms: transforms.clone(),
                digest_method: digest_method.clone(),
                digest_value,
            })
        });
    let texts = (maybe(text()), maybe(text()), maybe(text()));
    (texts, maybe(text()), maybe(text()), vec(reference, 0..3)).prop_map(
        |((canonicalization, method, value), subject, certificate, references)| Signature {
            canonicalization,
            method,
            references,
            value,
            subject,
            certificate,
        },
    )
}

type Files = Vec<(Attachment, Vec<u8>)>;

fn files() -> impl Strategy<Value = Files> {
    let ending = select(&["pdf", "DOCX", "zip", "xlsx", "txt", "xsl", ""][..]);
    let fields = (maybe(text()), maybe(text()), maybe(text()), maybe(text()));
    let octets = prop_oneof![
        vec(any::<u8>(), 0..200),
        (any::<u8>(), 0_usize..60_000).prop_map(|(octet, length)| vec![octet; length]),
    ];
    vec((text(), ending, fields, octets), 0..4).prop_map(|files| {
        let file = |(index, (name, ending, fields, octets)): (usize, (String, &str, _, _))| {
            let name = format!("{name}.{ending}");
            let (description, field_name, mime_type, format) = fields;
            let attachment = Attachment {
                description,
                field_name,
                mime_type,
                format,
                ..Attachment::of_file(&format!("{index}-ư&"), &name)
            };
            (attachment, octets)
        };
        files.into_iter().enumerate().map(file).collect()
    })
}

fn document() -> impl Strategy<Value = (Document, Files)> {
    let head = (organ(), vec(organ(), 1..4), maybe(text()), text(), text(), text(), day());
    let kind = (count(), maybe(count()), text()).prop_map(|(number, detail, name)| DocumentType {
        number: Some(number),
        detail,
        name: Some(name),
    });
    let signer =
        (maybe(text()), maybe(text()), text()).prop_map(|(competence, position, full_name)| {
            Signer { competence, position, full_name: Some(full_name) }
        });
    let middle = (kind, text(), maybe(text()), maybe(signer), maybe(day()), maybe(other()));
    let lists = (vec(response_for(), 0..3), texts(), texts());
    let end =
        (maybe(code(Steering::ALL)), maybe(text()), maybe(trace()), maybe(signature()), files());
    (head, middle, lists, end, any::<bool>()).prop_map(|(head, middle, lists, end, has_body)| {
        let (from, to, id, code_number, code_notation, place, date) = head;
        let (kind, subject, content, signer, due, other) = middle;
        let (response_for, tasks, to_places) = lists;
        let (steering, application, trace, signature, files) = end;
        let manifest: Vec<Reference> = files.iter().map(|(file, _)| file.reference()).collect();
        let has_body = has_body || !manifest.is_empty();
        let document = Document {
            from,
            to,
            id,
            code_number: Some(code_number),
            code_notation: Some(code_notation),
            place: Some(place),
            date: Some(date),
            kind,
            subject: Some(subject),
            content,
            signer,
            due,
            other,
            response_for,
            steering,
            tasks,
            application,
            to_places,
            trace,
            signature,
            manifest: has_body.then_some(manifest),
        };
        (document, files)
    })
}

fn status() -> impl Strategy<Value = Status> {
    let codes = (code(StatusCode::ALL), time());
    (organ(), response_for(), maybe(staff()), codes, maybe(text())).prop_map(
        |(from, response_for, staff, (code, at), description)| Status {
            from,
            response_for: Some(response_for),
            staff,
            code: Some(code),
            description,
            at: Some(at),
        },
    )
}

/// A message that may be written, and the files that it announces.
pub fn message() -> impl Strategy<Value = (Message, Files)> {
    prop_oneof![
        document().prop_map(|(document, files)| (Message::Document(Box::new(document)), files)),
        status().prop_map(|status| (Message::Status(Box::new(status)), Vec::new())),
    ]
}
