//! `edxml build`: a document of its own, on standard output, as the national SDK writes it.

use std::path::{Path, PathBuf};

use wire::edxml::{
    Attachment, Business, BusinessInfo, Document, DocumentType, Hop, Limits, LocalTime, Message,
    Organ, OtherInfo, Receiver, ReceiverChange, Replacement, Said, Signer, Trace, Unwritable,
    UpdateInfo, Writer, has_path, steers,
};

use super::{
    super::Done,
    now,
    source::{PIECE, Source},
    unwritable,
};
use crate::{
    cli::{Body, BuildArgs, Exit, Failure, Kind, Out, size_text},
    texts::{Text, edxml as t},
};

/// Builds a document. Nothing is written before all that can be known to be wrong is looked at.
pub fn build(out: &Out, args: &BuildArgs) -> Done {
    fitting(out, args)?;
    let attachments = attachments(out, &args.attach)?;
    let mut document = document_of(args, args.at.unwrap_or_else(now));
    document.manifest = Some(attachments.iter().map(|(_, one)| one.reference()).collect())
        .filter(|all: &Vec<_>| !all.is_empty());
    let mut text = Vec::with_capacity(2 * PIECE);
    let begun = Writer::begin(&Message::Document(Box::new(document)), &mut text);
    let mut writer = begun.map_err(|error| unwritable(out, &error))?;
    if args.kind != Kind::New && args.reason.is_none() && out.is_table() {
        out.warn(out.text(t::NO_REASON));
    }
    let cut = |error: Unwritable| cut(out, &unwritable(out, &error));
    let mut size = 0_u64;
    for (path, attachment) in &attachments {
        let mut attaching = writer.attach(attachment, &mut text).map_err(cut)?;
        let mut source = Source::open(out, path).map_err(|failure| self::cut(out, &failure))?;
        while let Some(piece) = source.piece().map_err(|failure| self::cut(out, &failure))? {
            size += u64::try_from(piece.len()).expect("a piece is some pages");
            attaching.octets(piece, &mut text).map_err(cut)?;
            out.octets(&text);
            text.clear();
        }
        writer = attaching.end(&mut text).map_err(cut)?;
    }
    writer.finish(&mut text).map_err(cut)?;
    out.octets(&text);
    if out.is_table() {
        let size = size_text(size);
        out.done(t::BUILT, &[("count", &attachments.len()), ("size", &size)]);
    }
    Ok(Exit::Ok)
}

/// A failure in the midst of a document: what stands in the output is none.
fn cut(out: &Out, failure: &Failure) -> Failure {
    let why = failure.why.as_ref().map_or_else(String::new, |why| format!(" {why}"));
    let mut cut = Failure::new(Exit::Failed, out.text(t::CUT))
        .why(format!("{}{why}", failure.what))
        .code(9805);
    cut.fix.clone_from(&failure.fix);
    cut
}

/// Whether what was given belongs to this kind of document.
fn fitting(out: &Out, args: &BuildArgs) -> Result<(), Failure> {
    let is_replacing = args.kind == Kind::Replace;
    let wrong: Option<(Text, Text)> = if is_replacing && args.replaces.is_empty() {
        Some((t::KIND_NEEDS_REPLACES, t::FIX_REPLACES))
    } else if !is_replacing && !args.replaces.is_empty() {
        Some((t::KIND_NEEDS_NO_REPLACES, t::FIX_NO_REPLACES))
    } else if args.kind != Kind::Update && !(args.add.is_empty() && args.remove.is_empty()) {
        Some((t::KIND_NEEDS_CHANGE, t::FIX_CHANGE))
    } else {
        None
    };
    wrong.map_or(Ok(()), |(why, fix)| {
        Err(Failure::new(Exit::Usage, out.text(t::KIND_NEEDS))
            .why(out.text(why))
            .fix(out.text(fix))
            .code(9806))
    })
}

/// What is attached: each file, and what is said of it.
fn attachments<'a>(
    out: &Out,
    paths: &'a [PathBuf],
) -> Result<Vec<(&'a Path, Attachment)>, Failure> {
    let attachment = |(index, path): (usize, &'a PathBuf)| {
        let unusable = |error| Failure::file(out.lang, path, &error);
        let metadata = std::fs::metadata(path).map_err(unusable)?;
        if metadata.is_dir() {
            return Err(unusable(std::io::ErrorKind::IsADirectory.into()));
        }
        if metadata.len() > Limits::DEFAULT.attachment_octets_max {
            return Err(unusable(std::io::ErrorKind::FileTooLarge.into()));
        }
        // Opened now and not kept: a thousand files would be a thousand descriptors.
        std::fs::File::open(path).map_err(unusable)?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.filter(|name| !name.chars().any(steers) && !has_path(name));
        let Some(name) = name else {
            let what = out.fill(t::NAME, &[("path", &path.display())]);
            return Err(Failure::new(Exit::Usage, what).fix(out.text(t::FIX_NAME)).code(9807));
        };
        Ok((path.as_path(), Attachment::of_file(&format!("tep-{}", index + 1), name)))
    };
    paths.iter().enumerate().map(attachment).collect()
}

fn organ(body: &Body) -> Organ {
    Organ { id: Some(Said::Known(body.code.clone())), name: body.name.clone(), ..Organ::default() }
}

fn document_of(args: &BuildArgs, at: LocalTime) -> Document {
    let date = args.date.unwrap_or(at.day());
    let sender = args.from.code.as_str();
    let id = format!("{sender},{date},{}/{}", args.number, args.notation);
    let signer = args.signer.as_ref().map(|name| Signer {
        competence: args.competence.clone(),
        position: args.position.clone(),
        full_name: Some(name.clone()),
    });
    let other = args.priority.map(|urgency| OtherInfo {
        priority: Some(Said::Known(urgency.into())),
        ..OtherInfo::default()
    });
    let hop = Hop { organ: Some(Said::Known(args.from.code.clone())), at: Some(Said::Known(at)) };
    Document {
        from: organ(&args.from),
        to: args.to.iter().map(organ).collect(),
        id: Some(args.document_id.clone().unwrap_or(id)),
        code_number: Some(args.number.clone()),
        code_notation: Some(args.notation.clone()),
        place: Some(args.place.clone()),
        date: Some(Said::Known(date)),
        kind: DocumentType {
            number: Some(Said::Known(args.type_.number)),
            detail: None,
            name: Some(args.type_.name.clone()),
        },
        subject: Some(args.subject.clone()),
        content: args.content.clone(),
        signer,
        due: args.due.map(Said::Known),
        other,
        trace: Some(Trace {
            hops: vec![hop],
            business: Some(business_of(args)),
            ..Trace::default()
        }),
        ..Document::default()
    }
}

/// What the document is for, with what an update and a replacement say beside it.
fn business_of(args: &BuildArgs) -> BusinessInfo {
    let changed = |bodies: &[Body], change: ReceiverChange| -> Vec<Receiver> {
        let receiver = |body: &Body| Receiver {
            organ: Some(Said::Known(body.code.clone())),
            change: Some(Said::Known(change)),
        };
        bodies.iter().map(receiver).collect()
    };
    let mut receivers = changed(&args.add, ReceiverChange::Added);
    receivers.extend(changed(&args.remove, ReceiverChange::Removed));
    let is_changed = !receivers.is_empty();
    let update = UpdateInfo { receivers, ..UpdateInfo::default() };
    let organs: Vec<_> = args.to.iter().map(|to| Said::Known(to.code.clone())).collect();
    let replaced =
        |id: &String| Replacement { document_id: Some(id.clone()), organs: organs.clone() };
    BusinessInfo {
        business: Some(Said::Known(Business::from(args.kind))),
        reason: args.reason.clone(),
        updates: is_changed.then_some(update).into_iter().collect(),
        replacements: args.replaces.iter().map(replaced).collect(),
        ..BusinessInfo::default()
    }
}
