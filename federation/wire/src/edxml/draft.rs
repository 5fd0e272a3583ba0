//! An envelope while it is read: each element is put where it belongs, in whatever order they come.

use rxml::{AttrMap, Namespace};

use super::{
    leaf::Leaf,
    limits::Limits,
    place::Place,
    spots::Spot,
    trail::Trail,
    values::{
        BusinessInfo, Document, Message, Organ, OtherInfo, Receiver, Reference, ResponseFor,
        Signature, SignedReference, Signer, Staff, Status, Trace, UpdateInfo,
    },
    words::Word,
};

/// What was read of the envelope so far. A status is told from a document by its code and its time, which come last.
#[derive(Default)]
pub(super) struct Draft {
    document: Document,
    /// What only a status has.
    status: Status,
    /// The spots that may stand once and stood, and where.
    seen: Vec<(Spot, Place)>,
    /// Where each `Reference` of the manifest stood.
    references: Vec<Place>,
    /// Rows of lists other than `To`.
    rows: usize,
}

impl Draft {
    /// An element that holds others opens: whether it is read. An error is the word of a limit.
    pub(super) fn open(
        &mut self,
        spot: Spot,
        attributes: &AttrMap,
        limits: &Limits,
        trail: &mut Trail,
    ) -> Result<bool, Word> {
        if spot.is_single() {
            if self.place_of(spot).is_some() {
                let word = if spot == Spot::From { Word::FromTwice } else { Word::ElementTwice };
                trail.note(word, "");
                return Ok(false);
            }
            self.seen.push((spot, trail.place()));
        }
        let document = &mut self.document;
        match spot {
            Spot::To if document.to.len() >= limits.receivers_max => {
                return Err(Word::TooManyReceivers);
            }
            Spot::To => document.to.push(Organ::default()),
            Spot::Signer => document.signer = Some(Signer::default()),
            Spot::Other => document.other = Some(OtherInfo::default()),
            Spot::StatusStaff => self.status.staff = Some(Staff::default()),
            Spot::Manifest => document.manifest = Some(Vec::new()),
            Spot::Traces => {
                let trace = document.trace.get_or_insert_default();
                trace.id = attribute(attributes, "id");
                trace.version = attribute(attributes, "version");
            }
            Spot::Business => self.trace().business = Some(BusinessInfo::default()),
            Spot::Signature => document.signature = Some(Signature::default()),
            Spot::ResponseFor
            | Spot::Hop
            | Spot::Update
            | Spot::Receiver
            | Spot::Replacement
            | Spot::Staff
            | Spot::SignedReference
            | Spot::Reference => {
                self.row(limits)?;
                self.push(spot, attributes);
            }
            _ => {}
        }
        Ok(true)
    }

    /// A row of a list begins.
    fn push(&mut self, spot: Spot, attributes: &AttrMap) {
        match spot {
            Spot::ResponseFor => self.document.response_for.push(Default::default()),
            Spot::Hop => self.trace().hops.push(Default::default()),
            Spot::Update => self.business().updates.push(Default::default()),
            Spot::Receiver => last(&mut self.business().updates).receivers.push(Default::default()),
            Spot::Replacement => self.business().replacements.push(Default::default()),
            Spot::Staff => self.business().staff.push(Default::default()),
            Spot::Reference => {
                self.document.manifest.get_or_insert_default().push(Default::default());
            }
            Spot::SignedReference => self.signature().references.push(SignedReference {
                uri: attribute(attributes, "URI"),
                ..SignedReference::default()
            }),
            _ => {}
        }
    }

    /// One row more of lists that are not receivers.
    fn row(&mut self, limits: &Limits) -> Result<(), Word> {
        self.rows += 1;
        if self.rows > limits.rows_max { Err(Word::TooManyRows) } else { Ok(()) }
    }

    /// An element that says something by its attribute `Algorithm` opens.
    pub(super) fn algorithm(
        &mut self,
        parent: Spot,
        name: &str,
        attributes: &AttrMap,
        limits: &Limits,
    ) -> Result<(), Word> {
        let Some(algorithm) = attribute(attributes, "Algorithm") else { return Ok(()) };
        match (parent, name) {
            (Spot::SignedInfo, "CanonicalizationMethod") => {
                self.signature().canonicalization = Some(algorithm);
            }
            (Spot::SignedInfo, "SignatureMethod") => self.signature().method = Some(algorithm),
            (Spot::SignedReference, "DigestMethod") => {
                last(&mut self.signature().references).digest_method = Some(algorithm);
            }
            (Spot::Transforms, "Transform") => {
                self.row(limits)?;
                last(&mut self.signature().references).transforms.push(algorithm);
            }
            _ => {}
        }
        Ok(())
    }

    /// An element that holds others closes: what it lacks is noted.
    pub(super) fn close(&mut self, spot: Spot, trail: &mut Trail) {
        match spot {
            Spot::From => organ_closes(&self.document.from, trail),
            Spot::To => organ_closes(last(&mut self.document.to), trail),
            Spot::ResponseFor if self.document.response_for.last() == Some(&Default::default()) => {
                self.document.response_for.pop();
                trail.note(Word::ResponseForEmpty, "");
            }
            Spot::ResponseFor => response_closes(last(&mut self.document.response_for), trail),
            Spot::Reference => {
                let manifest = self.document.manifest.get_or_insert_default();
                reference_closes(last(manifest), trail);
                self.references.push(trail.place());
            }
            Spot::Hop if last(&mut self.trace().hops).organ.is_none() => {
                trail.note(Word::TraceOrganMissing, "");
            }
            _ => {}
        }
    }

    /// A text closes: it is put where it belongs.
    pub(super) fn text(
        &mut self,
        parent: Spot,
        text: &str,
        limits: &Limits,
        trail: &mut Trail,
    ) -> Result<(), Word> {
        let Trail { path, notes } = trail;
        let name = path.name();
        let mut leaf = Leaf::new(text, path, notes);
        match parent {
            Spot::MessageHeader => self.of_message_header(name, &mut leaf),
            Spot::From => organ(&mut self.document.from, name, &mut leaf),
            Spot::To => organ(last(&mut self.document.to), name, &mut leaf),
            Spot::Code | Spot::Promulgation | Spot::DocumentType => {
                self.of_document(parent, name, &mut leaf);
            }
            Spot::Signer => self.of_signer(name, &mut leaf),
            Spot::Other => self.of_other(name, &mut leaf),
            Spot::ResponseFor => self.of_response(name, &mut leaf),
            Spot::StatusStaff => {
                staff(self.status.staff.get_or_insert_default(), name, &mut leaf);
            }
            Spot::Staff => staff(last(&mut self.business().staff), name, &mut leaf),
            Spot::Traces | Spot::Hop | Spot::Business | Spot::Update | Spot::Receiver => {
                self.of_trace(parent, name, &mut leaf);
            }
            Spot::Signature | Spot::SignedInfo | Spot::SignedReference | Spot::X509 => {
                self.of_signature(parent, name, &mut leaf);
            }
            Spot::Transforms if name == "Transform" => {}
            Spot::Reference => self.of_reference(name, &mut leaf),
            Spot::Replacement if name == "DocumentId" => {
                leaf.put(&mut last(&mut self.business().replacements).document_id);
            }
            Spot::Appendixes | Spot::Tasks | Spot::ToPlaces | Spot::Organs => {
                self.row(limits)?;
                self.of_list(parent, name, &mut leaf);
            }
            _ => leaf.unknown(),
        }
        Ok(())
    }

    fn of_message_header(&mut self, name: &str, leaf: &mut Leaf<'_>) {
        let (document, status) = (&mut self.document, &mut self.status);
        match name {
            "DocumentId" => leaf.put(&mut document.id),
            "Subject" => leaf.put(&mut document.subject),
            "Content" => leaf.put(&mut document.content),
            "DueDate" => leaf.put_day(&mut document.due),
            "SteeringType" => leaf.put_said(&mut document.steering, Word::CodeUnknown),
            "ApplicationType" => leaf.put(&mut document.application),
            "StatusCode" => leaf.put_said(&mut status.code, Word::CodeUnknown),
            "Description" => leaf.put(&mut status.description),
            "Timestamp" => leaf.put_said(&mut status.at, Word::Time),
            _ => leaf.unknown(),
        }
    }

    fn of_document(&mut self, parent: Spot, name: &str, leaf: &mut Leaf<'_>) {
        let document = &mut self.document;
        match (parent, name) {
            (Spot::Code, "CodeNumber") => leaf.put(&mut document.code_number),
            (Spot::Code, "CodeNotation") => leaf.put(&mut document.code_notation),
            (Spot::Promulgation, "Place") => leaf.put(&mut document.place),
            (Spot::Promulgation, "PromulgationDate") => {
                leaf.put_day(&mut document.date);
            }
            (Spot::DocumentType, "Type") => {
                leaf.put_said(&mut document.kind.number, Word::Number);
            }
            (Spot::DocumentType, "TypeDetail") => {
                leaf.put_said(&mut document.kind.detail, Word::Number);
            }
            (Spot::DocumentType, "TypeName") => leaf.put(&mut document.kind.name),
            _ => leaf.unknown(),
        }
    }

    fn of_signer(&mut self, name: &str, leaf: &mut Leaf<'_>) {
        let signer = self.document.signer.get_or_insert_default();
        match name {
            "Competence" => leaf.put(&mut signer.competence),
            "Position" => leaf.put(&mut signer.position),
            "FullName" => leaf.put(&mut signer.full_name),
            _ => leaf.unknown(),
        }
    }

    fn of_other(&mut self, name: &str, leaf: &mut Leaf<'_>) {
        let other = self.document.other.get_or_insert_default();
        match name {
            "Priority" => leaf.put_said(&mut other.priority, Word::CodeUnknown),
            "SphereOfPromulgation" => leaf.put(&mut other.sphere),
            "TyperNotation" => leaf.put(&mut other.typer),
            "PromulgationAmount" => leaf.put_said(&mut other.promulgation_amount, Word::Number),
            "PageAmount" => leaf.put_said(&mut other.page_amount, Word::Number),
            "ReplyFors" => leaf.put(&mut other.reply_for),
            "Direction" => leaf.put_said(&mut other.direction, Word::CodeUnknown),
            "ReferenceCodes" => leaf.put(&mut other.reference_codes),
            _ => leaf.unknown(),
        }
    }

    fn of_response(&mut self, name: &str, leaf: &mut Leaf<'_>) {
        let response = last(&mut self.document.response_for);
        match name {
            "OrganId" => leaf.put_organ(&mut response.organ),
            "Code" => leaf.put(&mut response.code),
            "PromulgationDate" => leaf.put_day(&mut response.date),
            "DocumentId" => leaf.put(&mut response.document_id),
            _ => leaf.unknown(),
        }
    }

    fn of_trace(&mut self, parent: Spot, name: &str, leaf: &mut Leaf<'_>) {
        match (parent, name) {
            (Spot::Traces, "Paper") => leaf.put(&mut self.trace().paper),
            (Spot::Hop, "OrganId") => {
                leaf.put_organ(&mut last(&mut self.trace().hops).organ);
            }
            (Spot::Hop, "Timestamp") => {
                leaf.put_said(&mut last(&mut self.trace().hops).at, Word::Time);
            }
            (Spot::Business, "DocumentId") => leaf.put(&mut self.business().document_id),
            (Spot::Business, "BussinessDocType") => {
                leaf.put_said(&mut self.business().business, Word::CodeUnknown);
            }
            (Spot::Business, "BussinessDocReason") => leaf.put(&mut self.business().reason),
            (Spot::Business, "Paper") => leaf.put(&mut self.business().paper),
            (Spot::Update, "DocumentInfo") => leaf.put(&mut self.update().document),
            (Spot::Update, "DocumentReceiver") => leaf.put(&mut self.update().receiver),
            (Spot::Receiver, "OrganId") => {
                leaf.put_organ(&mut self.receiver().organ);
            }
            (Spot::Receiver, "ReceiverType") => {
                leaf.put_said(&mut self.receiver().change, Word::CodeUnknown);
            }
            _ => leaf.unknown(),
        }
    }

    fn of_signature(&mut self, parent: Spot, name: &str, leaf: &mut Leaf<'_>) {
        let signature = self.signature();
        match (parent, name) {
            (Spot::Signature, "SignatureValue") => leaf.put(&mut signature.value),
            (Spot::SignedReference, "DigestValue") => {
                leaf.put(&mut last(&mut signature.references).digest_value);
            }
            (Spot::X509, "X509SubjectName") => leaf.put(&mut signature.subject),
            (Spot::X509, "X509Certificate") => leaf.put(&mut signature.certificate),
            // These speak by their attribute, which was read when they opened.
            (Spot::SignedInfo, "CanonicalizationMethod" | "SignatureMethod")
            | (Spot::SignedReference, "DigestMethod") => {}
            _ => leaf.unknown(),
        }
    }

    fn of_reference(&mut self, name: &str, leaf: &mut Leaf<'_>) {
        let reference = last(self.document.manifest.get_or_insert_default());
        match name {
            "ContentId" => leaf.put_content_id(&mut reference.content_id),
            "ContentType" => leaf.put(&mut reference.content_type),
            "Description" => leaf.put(&mut reference.description),
            "AttachmentName" => leaf.put_name(&mut reference.name),
            _ => leaf.unknown(),
        }
    }

    fn of_list(&mut self, parent: Spot, name: &str, leaf: &mut Leaf<'_>) {
        match (parent, name) {
            (Spot::Appendixes, "Appendix") => {
                leaf.push(&mut self.document.other.get_or_insert_default().appendixes);
            }
            (Spot::Tasks, "TaskCode") => leaf.push(&mut self.document.tasks),
            (Spot::ToPlaces, "Place") => leaf.push(&mut self.document.to_places),
            (Spot::Organs, "OrganId") => {
                let mut organ = None;
                leaf.put_organ(&mut organ);
                last(&mut self.business().replacements).organs.extend(organ);
            }
            _ => leaf.unknown(),
        }
    }

    fn trace(&mut self) -> &mut Trace {
        self.document.trace.get_or_insert_default()
    }

    fn business(&mut self) -> &mut BusinessInfo {
        self.trace().business.get_or_insert_default()
    }

    fn update(&mut self) -> &mut UpdateInfo {
        last(&mut self.business().updates)
    }

    fn receiver(&mut self) -> &mut Receiver {
        last(&mut self.update().receivers)
    }

    fn signature(&mut self) -> &mut Signature {
        self.document.signature.get_or_insert_default()
    }

    /// Where an element stood that may stand once.
    pub(super) fn place_of(&self, spot: Spot) -> Option<Place> {
        self.seen.iter().find(|(seen, _)| *seen == spot).map(|(_, place)| *place)
    }

    /// The envelope is complete: what it says, and where each `Reference` stood.
    pub(super) fn into_message(self, trail: &mut Trail) -> (Message, Vec<Place>) {
        let Self { mut document, mut status, references, .. } = self;
        let is_status = status.code.is_some() || status.at.is_some();
        // Whoever has receivers or files is a document, whatever else stands in its header.
        let is_document = !document.to.is_empty() || document.manifest.is_some();
        if !is_status || is_document {
            if is_status {
                trail.note_below("edXMLHeader/MessageHeader/StatusCode", Word::ElementUnknown, "");
            }
            return (Message::Document(Box::new(document)), references);
        }
        if document.response_for.len() > 1 {
            trail.note_below("edXMLHeader/MessageHeader/ResponseFor", Word::ElementTwice, "");
        }
        status.from = document.from;
        status.response_for = document.response_for.drain(..).next();
        (Message::Status(Box::new(status)), references)
    }
}

/// What an element says by an attribute, which may be empty.
fn attribute(attributes: &AttrMap, name: &str) -> Option<String> {
    attributes.get(Namespace::none(), name).cloned()
}

/// The row that is being read.
fn last<T: Default>(rows: &mut Vec<T>) -> &mut T {
    if rows.is_empty() {
        rows.push(T::default());
    }
    rows.last_mut().expect("there is one at least")
}

fn organ_closes(organ: &Organ, trail: &mut Trail) {
    if organ.id.is_none() {
        trail.note_below("OrganId", Word::Missing, "");
    }
    if organ.name.is_none() {
        trail.note(Word::NameMissing, "");
    }
}

fn response_closes(response: &ResponseFor, trail: &mut Trail) {
    for (below, is_missing) in [
        ("OrganId", response.organ.is_none()),
        ("Code", response.code.is_none()),
        ("PromulgationDate", response.date.is_none()),
    ] {
        if is_missing {
            trail.note_below(below, Word::Missing, "");
        }
    }
}

fn reference_closes(reference: &Reference, trail: &mut Trail) {
    for (below, is_missing) in [
        ("ContentId", reference.content_id.is_none()),
        ("ContentType", reference.content_type.is_none()),
        ("AttachmentName", reference.name.is_none()),
    ] {
        if is_missing {
            trail.note_below(below, Word::Missing, "");
        }
    }
}

fn organ(organ: &mut Organ, name: &str, leaf: &mut Leaf<'_>) {
    match name {
        "OrganId" => leaf.put_organ(&mut organ.id),
        "OrganizationInCharge" => leaf.put(&mut organ.in_charge),
        "OrganName" => leaf.put(&mut organ.name),
        "OrganAdd" => leaf.put(&mut organ.address),
        "Email" => leaf.put(&mut organ.email),
        "Telephone" => leaf.put(&mut organ.telephone),
        "Fax" => leaf.put(&mut organ.fax),
        "Website" => leaf.put(&mut organ.website),
        _ => leaf.unknown(),
    }
}

fn staff(staff: &mut Staff, name: &str, leaf: &mut Leaf<'_>) {
    match name {
        "Department" => leaf.put(&mut staff.department),
        "DepartmentId" => leaf.put(&mut staff.department_id),
        "Staff" => leaf.put(&mut staff.name),
        "StaffId" => leaf.put(&mut staff.id),
        "Email" => leaf.put(&mut staff.email),
        "Mobile" => leaf.put(&mut staff.mobile),
        _ => leaf.unknown(),
    }
}
