//! Rules over a whole message: what it lacks, and what does not fit together.

use std::collections::BTreeMap;

use super::{
    codes::{Business, Said, StatusCode},
    draft::Draft,
    place::Place,
    spots::Spot,
    trail::Trail,
    values::{Document, Message, Reference, Status},
    words::Word,
};

const ENVELOPE: &str = "edXML/edXMLEnvelope";
const HEADER: &str = "edXML/edXMLEnvelope/edXMLHeader";
const MESSAGE: &str = "edXML/edXMLEnvelope/edXMLHeader/MessageHeader";
const TRACE: &str = "edXML/edXMLEnvelope/edXMLHeader/TraceHeaderList";

/// Where the parts of an envelope stood, each at its parent's place where it is missing.
pub(super) struct Places {
    message: Place,
    code: Place,
    promulgation: Place,
    kind: Place,
    trace: Place,
    has_from: bool,
    has_trace: bool,
}

impl Places {
    /// Those of an envelope that stood at a place.
    pub(super) fn of(draft: &Draft, envelope: Place) -> Self {
        let header = draft.place_of(Spot::Header).unwrap_or(envelope);
        let message = draft.place_of(Spot::MessageHeader).unwrap_or(header);
        Self {
            message,
            code: draft.place_of(Spot::Code).unwrap_or(message),
            promulgation: draft.place_of(Spot::Promulgation).unwrap_or(message),
            kind: draft.place_of(Spot::DocumentType).unwrap_or(message),
            trace: draft.place_of(Spot::Traces).unwrap_or(header),
            has_from: draft.place_of(Spot::From).is_some(),
            has_trace: draft.place_of(Spot::Traces).is_some(),
        }
    }
}

/// What a message lacks, and what is odd about it.
pub(super) fn look_at(message: &Message, places: &Places, trail: &mut Trail) {
    if !places.has_from {
        missing(places.message, MESSAGE, "From", trail);
    }
    match message {
        Message::Document(document) => document_rules(document, places, trail),
        Message::Status(status) => status_rules(status, places, trail),
    }
}

fn missing(place: Place, path: &str, below: &str, trail: &mut Trail) {
    trail.note_at(place, &format!("{path}/{below}"), Word::Missing, "");
}

fn document_rules(document: &Document, places: &Places, trail: &mut Trail) {
    let Places { message, code, promulgation, kind, trace, .. } = *places;
    for (is_missing, place, below) in [
        (document.to.is_empty(), message, "To"),
        (document.code_number.is_none(), code, "Code/CodeNumber"),
        (document.code_notation.is_none(), code, "Code/CodeNotation"),
        (document.place.is_none(), promulgation, "PromulgationInfo/Place"),
        (document.date.is_none(), promulgation, "PromulgationInfo/PromulgationDate"),
        (document.kind.number.is_none(), kind, "DocumentType/Type"),
        (document.kind.name.is_none(), kind, "DocumentType/TypeName"),
        (document.subject.is_none(), message, "Subject"),
    ] {
        if is_missing {
            missing(place, MESSAGE, below, trail);
        }
    }
    if !places.has_trace {
        trail.note_at(trace, HEADER, Word::TraceMissing, "");
    }
    let Some(traces) = &document.trace else { return };
    if traces.hops.len() > 1 {
        trail.note_at(trace, TRACE, Word::TraceTwice, "");
    }
    let business = traces.business.as_ref();
    let kind = business.and_then(|info| info.business.as_ref());
    match kind.map(Said::known) {
        None if business.is_none() => trail.note_at(trace, TRACE, Word::BusinessMissing, ""),
        None => missing(trace, TRACE, "Bussiness/BussinessDocType", trail),
        Some(Some(Business::New)) if document.manifest.as_ref().is_none_or(Vec::is_empty) => {
            trail.note_at(message, ENVELOPE, Word::AttachmentNone, "");
        }
        Some(Some(Business::Recall | Business::Update | Business::Replace)) => {
            trail.note_at(trace, TRACE, Word::BusinessDropped, "");
            if business.is_some_and(|info| info.reason.is_none()) {
                trail.note_at(trace, TRACE, Word::ReasonMissing, "");
            }
        }
        _ => {}
    }
    if kind.and_then(Said::known) == Some(&Business::Replace)
        && business.is_some_and(|info| info.replacements.is_empty())
    {
        missing(trace, TRACE, "Bussiness/ReplacementInfoList", trail);
    }
}

fn status_rules(status: &Status, places: &Places, trail: &mut Trail) {
    let place = places.message;
    if status.code.is_none() {
        missing(place, MESSAGE, "StatusCode", trail);
    }
    if status.response_for.is_none() {
        missing(place, MESSAGE, "ResponseFor", trail);
    }
    if status.at.is_none() {
        missing(place, MESSAGE, "Timestamp", trail);
    }
    let refuses = matches!(
        status.code.as_ref().and_then(Said::known),
        Some(StatusCode::Refused | StatusCode::TakeBack | StatusCode::RecallRefused)
    );
    if refuses && status.description.is_none() {
        trail.note_at(place, MESSAGE, Word::ReasonMissing, "");
    }
}

/// A file that the manifest names, or that is attached.
struct Named {
    place: Place,
    id: Option<String>,
    name: Option<String>,
}

/// What the manifest names, and what is attached, until both are complete.
#[derive(Default)]
pub(super) struct Matching {
    references: Vec<Named>,
    attachments: Vec<Named>,
}

const MANIFEST: &str = "edXML/edXMLEnvelope/edXMLBody/edXMLManifest/Reference";
const ATTACHED: &str = "edXML/AttachmentEncoded/Attachment";

impl Matching {
    pub(super) fn references(&mut self, manifest: &[Reference], places: &[Place]) {
        let named = |(reference, place): (&Reference, &Place)| Named {
            place: *place,
            id: reference.content_id.clone(),
            name: reference.name.clone(),
        };
        self.references.extend(manifest.iter().zip(places).map(named));
    }

    pub(super) fn attachment(&mut self, place: Place, id: Option<&str>, name: Option<&str>) {
        let (id, name) = (id.map(str::to_owned), name.map(str::to_owned));
        self.attachments.push(Named { place, id, name });
    }

    pub(super) fn attachment_count(&self) -> usize {
        self.attachments.len()
    }

    /// Both are complete.
    pub(super) fn look_at(&self, trail: &mut Trail) {
        let references = by_id(&self.references, MANIFEST, trail);
        let attachments = by_id(&self.attachments, ATTACHED, trail);
        for reference in references.values() {
            let id = reference.id.as_deref().unwrap_or_default();
            match attachments.get(id) {
                None => trail.note_at(reference.place, MANIFEST, Word::ReferenceUnmatched, id),
                Some(attachment) if attachment.name != reference.name => {
                    let name = attachment.name.as_deref().unwrap_or_default();
                    trail.note_at(attachment.place, ATTACHED, Word::NameDiffers, name);
                }
                Some(_) => {}
            }
        }
        for (id, attachment) in &attachments {
            if !references.contains_key(id) {
                trail.note_at(attachment.place, ATTACHED, Word::AttachmentUnmatched, id);
            }
        }
    }
}

/// The first of each identifier; those after it are noted.
fn by_id<'n>(named: &'n [Named], path: &str, trail: &mut Trail) -> BTreeMap<&'n str, &'n Named> {
    let mut found = BTreeMap::new();
    for one in named {
        // What has no identifier was noted where it stands.
        let Some(id) = one.id.as_deref() else { continue };
        if found.contains_key(id) {
            trail.note_at(one.place, path, Word::ContentIdTwice, id);
        } else {
            found.insert(id, one);
        }
    }
    found
}
