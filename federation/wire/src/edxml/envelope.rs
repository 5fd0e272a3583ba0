//! The envelope as the national SDK writes it: its order, its namespaces, nothing else.

use super::{
    codes::Business,
    limits::Limits,
    values::{
        BusinessInfo, Document, Hop, Message, Organ, OtherInfo, Reference, ResponseFor, Signature,
        SignedReference, Staff, Status, Trace, UpdateInfo,
    },
    words::Word,
    xml::{PLAIN, Unwritable, Xml},
};

type Written = Result<(), Unwritable>;

/// Writes what is in the envelope.
pub(super) fn write(message: &Message, xml: &mut Xml<'_>) -> Written {
    match message {
        Message::Document(document) => write_document(document, xml),
        Message::Status(status) => xml.element("edXMLHeader", &[], |xml| {
            xml.element("MessageHeader", &[], |xml| write_status(status, xml))
        }),
    }
}

fn write_document(document: &Document, xml: &mut Xml<'_>) -> Written {
    xml.element("edXMLHeader", &[], |xml| {
        xml.element("MessageHeader", &[], |xml| write_message_header(document, xml))?;
        if let Some(trace) = &document.trace {
            write_trace(trace, xml)?;
        }
        match &document.signature {
            None => Ok(()),
            Some(signature) => {
                xml.spelt(PLAIN, "Signature", &[], |xml| write_signature(signature, xml))
            }
        }
    })?;
    let Some(manifest) = &document.manifest else { return Ok(()) };
    xml.element("edXMLBody", &[], |xml| {
        xml.element("edXMLManifest", &[("version", Some("1.0"))], |xml| {
            let write = |reference| write_reference(reference, xml);
            manifest.iter().try_for_each(write)
        })
    })
}

fn write_message_header(document: &Document, xml: &mut Xml<'_>) -> Written {
    if document.to.is_empty() {
        return Err(xml.refuse("To", Word::Missing));
    }
    if document.to.len() > Limits::DEFAULT.receivers_max {
        return Err(xml.refuse("To", Word::TooManyReceivers));
    }
    xml.element("From", &[], |xml| write_organ(&document.from, xml))?;
    for organ in &document.to {
        xml.element("To", &[], |xml| write_organ(organ, xml))?;
    }
    xml.text("DocumentId", document.id.as_ref())?;
    xml.element("Code", &[], |xml| {
        xml.required("CodeNumber", document.code_number.as_ref())?;
        xml.required("CodeNotation", document.code_notation.as_ref())
    })?;
    xml.element("PromulgationInfo", &[], |xml| {
        xml.required("Place", document.place.as_ref())?;
        xml.required_said("PromulgationDate", document.date.as_ref(), Word::Date)
    })?;
    xml.element("DocumentType", &[], |xml| {
        xml.required_said("Type", document.kind.number.as_ref(), Word::Number)?;
        xml.said("TypeDetail", document.kind.detail.as_ref(), Word::Number)?;
        xml.required("TypeName", document.kind.name.as_ref())
    })?;
    xml.required("Subject", document.subject.as_ref())?;
    xml.text("Content", document.content.as_ref())?;
    if let Some(signer) = &document.signer {
        xml.element("SignerInfo", &[], |xml| {
            xml.text("Competence", signer.competence.as_ref())?;
            xml.text("Position", signer.position.as_ref())?;
            xml.required("FullName", signer.full_name.as_ref())
        })?;
    }
    xml.said("DueDate", document.due.as_ref(), Word::Date)?;
    if let Some(other) = &document.other {
        xml.element("OtherInfo", &[], |xml| write_other(other, xml))?;
    }
    for response in &document.response_for {
        xml.element("ResponseFor", &[], |xml| write_response(response, false, xml))?;
    }
    xml.said("SteeringType", document.steering.as_ref(), Word::CodeUnknown)?;
    write_list("ResponseForTask", "TaskCode", &document.tasks, xml)?;
    xml.text("ApplicationType", document.application.as_ref())?;
    write_list("ToPlaces", "Place", &document.to_places, xml)
}

fn write_organ(organ: &Organ, xml: &mut Xml<'_>) -> Written {
    xml.required_said("OrganId", organ.id.as_ref(), Word::OrganCode)?;
    xml.text("OrganizationInCharge", organ.in_charge.as_ref())?;
    xml.text("OrganName", organ.name.as_ref())?;
    xml.text("OrganAdd", organ.address.as_ref())?;
    xml.text("Email", organ.email.as_ref())?;
    xml.text("Telephone", organ.telephone.as_ref())?;
    xml.text("Fax", organ.fax.as_ref())?;
    xml.text("Website", organ.website.as_ref())
}

fn write_other(other: &OtherInfo, xml: &mut Xml<'_>) -> Written {
    xml.said("Priority", other.priority.as_ref(), Word::CodeUnknown)?;
    xml.text("SphereOfPromulgation", other.sphere.as_ref())?;
    xml.text("TyperNotation", other.typer.as_ref())?;
    xml.said("PromulgationAmount", other.promulgation_amount.as_ref(), Word::Number)?;
    xml.said("PageAmount", other.page_amount.as_ref(), Word::Number)?;
    xml.text("ReplyFors", other.reply_for.as_ref())?;
    xml.said("Direction", other.direction.as_ref(), Word::CodeUnknown)?;
    xml.text("ReferenceCodes", other.reference_codes.as_ref())?;
    write_list("Appendixes", "Appendix", &other.appendixes, xml)
}

/// The SDK writes the date last in a document and the identifier last in a status.
fn write_response(response: &ResponseFor, is_status: bool, xml: &mut Xml<'_>) -> Written {
    xml.required_said("OrganId", response.organ.as_ref(), Word::OrganCode)?;
    xml.required("Code", response.code.as_ref())?;
    if !is_status {
        xml.text("DocumentId", response.document_id.as_ref())?;
    }
    xml.required_said("PromulgationDate", response.date.as_ref(), Word::Date)?;
    if is_status { xml.text("DocumentId", response.document_id.as_ref()) } else { Ok(()) }
}

fn write_list(
    list: &'static str,
    row: &'static str,
    rows: &[String],
    xml: &mut Xml<'_>,
) -> Written {
    if rows.is_empty() {
        return Ok(());
    }
    xml.element(list, &[], |xml| rows.iter().try_for_each(|text| xml.text(row, Some(text))))
}

fn write_trace(trace: &Trace, xml: &mut Xml<'_>) -> Written {
    let attributes = [("id", trace.id.as_deref()), ("version", trace.version.as_deref())];
    xml.element("TraceHeaderList", &attributes, |xml| {
        trace.hops.iter().try_for_each(|hop| write_hop(hop, xml))?;
        if let Some(business) = &trace.business {
            xml.element("Bussiness", &[], |xml| write_business(business, xml))?;
        }
        xml.text("Paper", trace.paper.as_ref())
    })
}

fn write_hop(hop: &Hop, xml: &mut Xml<'_>) -> Written {
    xml.element("TraceHeader", &[], |xml| {
        xml.said("OrganId", hop.organ.as_ref(), Word::OrganCode)?;
        xml.said("Timestamp", hop.at.as_ref(), Word::Time)
    })
}

fn write_business(business: &BusinessInfo, xml: &mut Xml<'_>) -> Written {
    xml.text("DocumentId", business.document_id.as_ref())?;
    let kind = business.business.as_ref();
    xml.required_said("BussinessDocType", kind, Word::CodeUnknown)?;
    xml.text("BussinessDocReason", business.reason.as_ref())?;
    xml.text("Paper", business.paper.as_ref())?;
    for update in &business.updates {
        xml.element("BussinessDocumentInfo", &[], |xml| write_update(update, xml))?;
    }
    if business.replacements.is_empty()
        && kind.and_then(|said| said.known()) == Some(&Business::Replace)
    {
        return Err(xml.refuse("ReplacementInfoList", Word::Missing));
    }
    if !business.replacements.is_empty() {
        xml.element("ReplacementInfoList", &[], |xml| {
            for replacement in &business.replacements {
                xml.element("ReplacementInfo", &[], |xml| {
                    xml.text("DocumentId", replacement.document_id.as_ref())?;
                    let organs = &replacement.organs;
                    xml.element("OrganIdList", &[], |xml| {
                        let write = |organ| xml.said("OrganId", Some(organ), Word::OrganCode);
                        organs.iter().try_for_each(write)
                    })
                })?;
            }
            Ok(())
        })?;
    }
    for staff in &business.staff {
        xml.element("StaffInfo", &[], |xml| write_staff(staff, xml))?;
    }
    Ok(())
}

fn write_update(update: &UpdateInfo, xml: &mut Xml<'_>) -> Written {
    xml.text("DocumentInfo", update.document.as_ref())?;
    xml.text("DocumentReceiver", update.receiver.as_ref())?;
    if update.receivers.is_empty() {
        return Ok(());
    }
    xml.element("ReceiverList", &[], |xml| {
        for receiver in &update.receivers {
            xml.element("Receiver", &[], |xml| {
                xml.required_said("OrganId", receiver.organ.as_ref(), Word::OrganCode)?;
                xml.required_said("ReceiverType", receiver.change.as_ref(), Word::CodeUnknown)
            })?;
        }
        Ok(())
    })
}

fn write_staff(staff: &Staff, xml: &mut Xml<'_>) -> Written {
    xml.text("Department", staff.department.as_ref())?;
    xml.text("DepartmentId", staff.department_id.as_ref())?;
    xml.text("Staff", staff.name.as_ref())?;
    xml.text("StaffId", staff.id.as_ref())?;
    xml.text("Email", staff.email.as_ref())?;
    xml.text("Mobile", staff.mobile.as_ref())
}

fn write_signature(signature: &Signature, xml: &mut Xml<'_>) -> Written {
    xml.element("SignedInfo", &[], |xml| {
        xml.algorithm("CanonicalizationMethod", signature.canonicalization.as_deref())?;
        xml.algorithm("SignatureMethod", signature.method.as_deref())?;
        signature.references.iter().try_for_each(|one| write_signed(one, xml))
    })?;
    xml.text("SignatureValue", signature.value.as_ref())?;
    if signature.subject.is_none() && signature.certificate.is_none() {
        return Ok(());
    }
    xml.element("KeyInfo", &[], |xml| {
        xml.element("X509Data", &[], |xml| {
            xml.text("X509SubjectName", signature.subject.as_ref())?;
            xml.text("X509Certificate", signature.certificate.as_ref())
        })
    })
}

fn write_signed(reference: &SignedReference, xml: &mut Xml<'_>) -> Written {
    xml.element("Reference", &[("URI", reference.uri.as_deref())], |xml| {
        if !reference.transforms.is_empty() {
            xml.element("Transforms", &[], |xml| {
                let write = |one: &String| xml.algorithm("Transform", Some(one));
                reference.transforms.iter().try_for_each(write)
            })?;
        }
        xml.algorithm("DigestMethod", reference.digest_method.as_deref())?;
        xml.text("DigestValue", reference.digest_value.as_ref())
    })
}

fn write_reference(reference: &Reference, xml: &mut Xml<'_>) -> Written {
    xml.element("Reference", &[], |xml| {
        let id = reference.content_id.as_ref().map(|id| format!("cid:{id}"));
        xml.required("ContentId", id.as_ref())?;
        xml.required("ContentType", reference.content_type.as_ref())?;
        xml.text("Description", reference.description.as_ref())?;
        xml.required("AttachmentName", reference.name.as_ref())
    })
}

fn write_status(status: &Status, xml: &mut Xml<'_>) -> Written {
    xml.element("From", &[], |xml| write_organ(&status.from, xml))?;
    let Some(response) = &status.response_for else {
        return Err(xml.refuse("ResponseFor", Word::Missing));
    };
    xml.element("ResponseFor", &[], |xml| write_response(response, true, xml))?;
    if let Some(staff) = &status.staff {
        xml.element("StaffInfo", &[], |xml| write_staff(staff, xml))?;
    }
    xml.required_said("StatusCode", status.code.as_ref(), Word::CodeUnknown)?;
    xml.text("Description", status.description.as_ref())?;
    xml.required_said("Timestamp", status.at.as_ref(), Word::Time)
}
