//! A document as text: XML events become the message and the attached files.

use rxml::{
    Error as XmlError, Namespace, NcName, Options, Parse, Parser,
    error::EndOrError,
    parser::{CommentMode, WithOptions},
};

use super::{
    content::{Content, Form, Sum},
    draft::Draft,
    event::{Attached, Event, Take},
    finding::{Error, Finding},
    leaf::Leaf,
    limits::{Limits, TAG_OCTETS_MAX, TOKEN_OCTETS_MAX},
    outside::{Outside, Skipped},
    place::Place,
    prologue::{Before, Passed, Prologue},
    rules::{self, Matching, Places},
    spots::Spot,
    trail::Trail,
    unzip::Unfolded,
    values::{Attachment, Message, NAMESPACE},
    words::Word,
    xml_errors::word_of,
};

/// Above this size clients refuse an attachment (section 6): 50 MB.
const CLIENTS_BEAR_OCTETS: u64 = 50_000_000;

/// Why a step ends early.
pub(super) enum Stop {
    /// At the place where the reader is.
    Word(Word),
    Error(Error),
}

impl From<Word> for Stop {
    fn from(word: Word) -> Self {
        Self::Word(word)
    }
}

/// A reader of text, whose encoding is behind it.
pub(super) struct Text {
    limits: Limits,
    prologue: Option<Prologue>,
    /// The encoding that is declared, and where.
    declared: Option<(Place, String)>,
    /// Before the root, and after it.
    outside: Option<Outside>,
    /// Whether the octets were UTF-16.
    pub(super) is_utf16: bool,
    xml: Parser,
    /// Where the reader is, and where the last `<` stood.
    at: Place,
    tag_at: Place,
    /// Octets since the last event.
    quiet: usize,
    elements: u32,
    header_octets: u64,
    spots: Vec<Spot>,
    trail: Trail,
    leaf: String,
    draft: Option<Draft>,
    has_message: bool,
    is_whole: bool,
    attachment: Attachment,
    content: Option<Content>,
    sum: Option<Sum>,
    window: Option<Box<[u8]>>,
    unfolded: Unfolded,
    /// Whether the content of an attachment began, and nothing but base64 came since: such a text goes
    /// around the XML reader, to which it is one token that it need not see.
    is_lane: bool,
    /// The tag of the content is known not to close itself.
    is_open: bool,
    /// Whether a tag, or nothing, came last, and only space since: outside of texts it says nothing and
    /// goes around the XML reader too, which takes half of the time for it.
    is_between: bool,
    matching: Matching,
}

impl Text {
    pub(super) fn new(limits: Limits) -> Self {
        let options = Options {
            max_token_length: TOKEN_OCTETS_MAX,
            comments: CommentMode::Discard,
            context: None,
        };
        Self {
            limits,
            prologue: Some(Prologue::new()),
            declared: None,
            outside: None,
            is_utf16: false,
            xml: Parser::with_options(options),
            at: Place::START,
            tag_at: Place::START,
            quiet: 0,
            elements: 0,
            header_octets: 0,
            spots: Vec::new(),
            trail: Trail::new(limits.findings_max),
            leaf: String::new(),
            draft: None,
            has_message: false,
            is_whole: false,
            attachment: Attachment::default(),
            content: None,
            sum: None,
            window: None,
            unfolded: Unfolded::default(),
            is_lane: false,
            is_open: false,
            is_between: true,
            matching: Matching::default(),
        }
    }

    pub(super) fn error(&self, stop: Stop) -> Error {
        match stop {
            Stop::Word(word) => self.trail.error(self.at, word, ""),
            Stop::Error(error) => error,
        }
    }

    /// Something is the matter with the tag that was just read.
    fn at_tag(&self, word: Word) -> Stop {
        Stop::Error(self.trail.error(self.tag_at, word, ""))
    }

    /// Something is the matter with the content of an attachment: with a character, or with all of it.
    fn in_content(&self, word: Word) -> Stop {
        let is_character = matches!(word, Word::Base64Character | Word::Base64AfterEnd);
        let place = if is_character { self.at } else { self.trail.place() };
        Stop::Error(self.trail.error(place, word, ""))
    }

    /// More text in UTF-8, which may be cut amid a character.
    pub(super) fn push(&mut self, text: &[u8], take: Take<'_>) -> Result<(), Stop> {
        let Some(prologue) = &mut self.prologue else { return self.go(text, take) };
        let passed = prologue.push(text);
        self.at = prologue.at();
        match passed? {
            Passed::More => Ok(()),
            Passed::Over(before, at, held, rest) => {
                self.prologue = None;
                self.at = at;
                self.note_before(before);
                self.outside = Some(Outside::new(at));
                self.go(&held, take)?;
                self.go(rest, take)
            }
        }
    }

    fn note_before(&mut self, before: Before) {
        if before.is_stray {
            self.trail.note_at(Place::START, "", Word::StrayOctets, "");
        }
        self.declared = before.declared.map(|declared| (before.began_at, declared));
    }

    /// Text of the root, or around it.
    fn go(&mut self, text: &[u8], take: Take<'_>) -> Result<(), Stop> {
        let Some(outside) = &mut self.outside else { return self.run(text, false, take) };
        let skipped = outside.skip(text);
        self.at = outside.at();
        match skipped? {
            Skipped::All => Ok(()),
            Skipped::Else(at, held, rest) => {
                self.at = at;
                if self.elements > 0 {
                    return Err(Word::AfterEnd.into());
                }
                self.outside = None;
                self.run(held, false, take)?;
                self.run(rest, false, take)
            }
        }
    }

    /// Text of the root.
    fn run(&mut self, mut text: &[u8], is_last: bool, take: Take<'_>) -> Result<(), Stop> {
        loop {
            if self.is_lane && !self.is_open {
                // A tag that closes itself has its end still to tell, and what follows it is no content.
                let parsed = self.xml.parse(&mut &[][..], false);
                self.is_open = true;
                match parsed {
                    Ok(Some(event)) => self.event(event, take)?,
                    Ok(None) | Err(EndOrError::NeedMoreData) => {}
                    Err(EndOrError::Error(error)) => return Err(word_of(error).into()),
                }
                continue;
            }
            if self.is_lane && !text.is_empty() {
                text = self.run_lane(text, take)?;
            }
            if self.is_between {
                text = self.skip_space(text)?;
            }
            // So that no step takes in more than a tag may have, whatever the size of the piece.
            let size = text.len().min(TAG_OCTETS_MAX + 1 - self.quiet);
            let mut piece = &text[..size];
            let parsed = self.xml.parse(&mut piece, is_last && size == text.len());
            let taken = size - piece.len();
            self.advance(&text[..taken])?;
            text = &text[taken..];
            match parsed {
                Ok(Some(event)) => {
                    self.quiet = 0;
                    self.event(event, take)?;
                    if self.spots.is_empty() {
                        self.outside = Some(Outside::new(self.at));
                        return self.go(text, take);
                    }
                }
                Ok(None) => return Ok(()),
                Err(EndOrError::NeedMoreData) => {
                    self.quiet += taken;
                    if self.quiet > TAG_OCTETS_MAX {
                        return Err(self.at_tag(Word::TokenTooLong));
                    }
                    if text.is_empty() {
                        return Ok(());
                    }
                }
                Err(EndOrError::Error(XmlError::ElementMismatch)) => {
                    return Err(self.at_tag(Word::Tags));
                }
                Err(EndOrError::Error(error)) => return Err(word_of(error).into()),
            }
        }
    }

    /// Base64 that goes around the XML reader; what is left of the text.
    fn run_lane<'t>(&mut self, text: &'t [u8], take: Take<'_>) -> Result<&'t [u8], Stop> {
        let Some(content) = &mut self.content else { return Ok(text) };
        let (read, pushed) = content.push(text, &mut |octets| take(Event::Octets(octets)));
        self.at = self.at.after_ascii(&text[..read]);
        pushed.map_err(|word| self.in_content(word))?;
        let rest = &text[read..];
        self.is_lane = rest.is_empty();
        match rest.first() {
            // A tag, a comment or a reference: the XML reader's.
            None | Some(b'<' | b'&') => Ok(rest),
            Some(_) => Err(self.in_content(Word::Base64Character)),
        }
    }

    /// Space between tags goes around the XML reader; what is left of the text.
    fn skip_space<'t>(&mut self, text: &'t [u8]) -> Result<&'t [u8], Stop> {
        let space = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
        let begin = text.iter().position(|octet| !space(octet)).unwrap_or(text.len());
        let (space, rest) = text.split_at(begin);
        self.at = self.at.after_ascii(space);
        self.is_between = rest.is_empty();
        self.count_header(space)?;
        Ok(rest)
    }

    fn advance(&mut self, taken: &[u8]) -> Result<(), Stop> {
        let (at, tag) = self.at.after_markup(taken);
        self.at = at;
        self.tag_at = tag.unwrap_or(self.tag_at);
        self.count_header(taken)
    }

    fn count_header(&mut self, taken: &[u8]) -> Result<(), Stop> {
        if !self.has_message && self.content.is_none() {
            self.header_octets += u64::try_from(taken.len()).expect("a slice has fewer octets");
            if self.header_octets > self.limits.header_octets_max {
                return Err(Word::HeaderTooLong.into());
            }
        }
        Ok(())
    }

    fn event(&mut self, event: rxml::Event, take: Take<'_>) -> Result<(), Stop> {
        match event {
            // The prologue has read the one that may stand.
            rxml::Event::XmlDeclaration(..) => Err(Word::ProcessingInstruction.into()),
            rxml::Event::StartElement(_, (namespace, name), attributes) => {
                self.open(&namespace, name, &attributes, take)
            }
            rxml::Event::EndElement(_) => self.close(take),
            rxml::Event::Text(_, text) => self.take_text(&text, take),
        }
    }

    fn open(
        &mut self,
        namespace: &Namespace<'_>,
        name: NcName,
        attributes: &rxml::AttrMap,
        take: Take<'_>,
    ) -> Result<(), Stop> {
        self.elements += 1;
        let parent = self.spots.last().copied();
        let wanted = self.spot_of(parent, namespace, &name);
        let depth = self.trail.depth();
        self.trail.open(name, self.tag_at);
        for (is_over, word) in [
            (depth >= self.limits.depth_max, Word::TooDeep),
            (self.elements > self.limits.elements_max, Word::TooManyElements),
            (attributes.len() > self.limits.attributes_max, Word::TooManyAttributes),
        ] {
            if is_over {
                return Err(self.at_tag(word));
            }
        }
        let spot = wanted.map_err(|word| self.at_tag(word))?;
        let opened = self.enter(spot, parent, attributes, take);
        let spot = opened.map_err(|word| self.at_tag(word))?;
        self.is_between = !matches!(spot, Spot::Leaf | Spot::Content);
        self.spots.push(spot);
        Ok(())
    }

    /// What an element is, by its name and its parent.
    fn spot_of(
        &mut self,
        parent: Option<Spot>,
        namespace: &Namespace<'_>,
        name: &NcName,
    ) -> Result<Spot, Word> {
        let is_ours = namespace.is_none() || namespace.as_str() == NAMESPACE;
        match parent {
            None if !is_ours || name.as_str() != "edXML" => Err(Word::Root),
            None => {
                if namespace.is_none() {
                    self.trail.note_child(name, self.tag_at, Word::NamespaceNone, "");
                }
                Ok(Spot::Root)
            }
            Some(Spot::Skipped) => Ok(Spot::Skipped),
            Some(_) if !is_ours => {
                self.trail.note_child(name, self.tag_at, Word::NamespaceForeign, namespace);
                Ok(Spot::Skipped)
            }
            Some(parent) => {
                let spot = parent.child(name);
                if spot == Spot::Skipped {
                    self.trail.note_child(name, self.tag_at, Word::ElementUnknown, "");
                }
                Ok(spot)
            }
        }
    }

    /// An element opens: what it is read as.
    fn enter(
        &mut self,
        spot: Spot,
        parent: Option<Spot>,
        attributes: &rxml::AttrMap,
        take: Take<'_>,
    ) -> Result<Spot, Word> {
        match spot {
            Spot::Root | Spot::Attachments => {}
            Spot::Envelope if self.has_message || self.draft.is_some() => {
                return Err(Word::EnvelopeTwice);
            }
            Spot::Envelope => self.draft = Some(Draft::default()),
            Spot::Attachment => self.begin_attachment()?,
            Spot::Content => self.begin_content(take)?,
            Spot::Leaf => {
                self.leaf.clear();
                if let (Some(draft), Some(parent)) = (&mut self.draft, parent)
                    && !attributes.is_empty()
                {
                    draft.algorithm(parent, self.trail.path.name(), attributes, &self.limits)?;
                }
            }
            Spot::Skipped => {}
            _ => {
                let Some(draft) = &mut self.draft else { return Ok(Spot::Skipped) };
                if !draft.open(spot, attributes, &self.limits, &mut self.trail)? {
                    return Ok(Spot::Skipped);
                }
            }
        }
        Ok(spot)
    }

    fn begin_attachment(&mut self) -> Result<(), Word> {
        if self.matching.attachment_count() >= self.limits.attachments_max {
            return Err(Word::TooManyAttachments);
        }
        self.attachment = Attachment::default();
        self.sum = None;
        Ok(())
    }

    fn begin_content(&mut self, take: Take<'_>) -> Result<(), Word> {
        if self.sum.is_some() {
            return Err(Word::ContentTwice);
        }
        let is_zipped = self.attachment.is_zipped() && self.attachment.name.is_some();
        self.content =
            Some(Content::new(is_zipped, &self.limits, self.unfolded, self.window.take()));
        (self.is_lane, self.is_open) = (true, false);
        take(Event::Begin(&self.attachment));
        Ok(())
    }

    fn close(&mut self, take: Take<'_>) -> Result<(), Stop> {
        self.is_lane = false;
        let Some(spot) = self.spots.pop() else { return Ok(()) };
        match spot {
            Spot::Leaf => self.close_leaf()?,
            Spot::Envelope => self.close_envelope(take),
            Spot::Content => self.close_content(take)?,
            Spot::Attachment => self.close_attachment(take)?,
            _ => {
                if let Some(draft) = &mut self.draft {
                    draft.close(spot, &mut self.trail);
                }
            }
        }
        self.trail.close();
        self.is_between = !matches!(self.spots.last(), Some(Spot::Leaf | Spot::Content));
        Ok(())
    }

    fn close_leaf(&mut self) -> Result<(), Stop> {
        let text = std::mem::take(&mut self.leaf);
        let parent = self.spots.last().copied().unwrap_or(Spot::Skipped);
        if parent == Spot::Attachment {
            self.attachment_field(&text);
        } else if let Some(draft) = &mut self.draft {
            draft
                .text(parent, &text, &self.limits, &mut self.trail)
                .map_err(|word| Stop::Error(self.trail.error(self.trail.place(), word, "")))?;
        }
        self.leaf = text;
        Ok(())
    }

    fn attachment_field(&mut self, text: &str) {
        let Trail { path, notes } = &mut self.trail;
        let name = path.name();
        let mut leaf = Leaf::new(text, path, notes);
        let attachment = &mut self.attachment;
        match name {
            "ContentId" => leaf.put_content_id(&mut attachment.content_id),
            "AttachmentName" => leaf.put_name(&mut attachment.name),
            "Description" => leaf.put(&mut attachment.description),
            "FieldName" => leaf.put(&mut attachment.field_name),
            "MimeType" => leaf.put(&mut attachment.mime_type),
            "Format" => leaf.put(&mut attachment.format),
            "ContentType" => leaf.put(&mut attachment.content_type),
            _ => leaf.unknown(),
        }
    }

    fn close_envelope(&mut self, take: Take<'_>) {
        let Some(draft) = self.draft.take() else { return };
        let places = Places::of(&draft, self.trail.place());
        let (message, references) = draft.into_message(&mut self.trail);
        rules::look_at(&message, &places, &mut self.trail);
        if let Message::Document(document) = &message {
            let manifest = document.manifest.as_deref().unwrap_or_default();
            self.matching.references(manifest, &references);
        }
        self.has_message = true;
        take(Event::Message(Box::new(message)));
    }

    fn close_content(&mut self, take: Take<'_>) -> Result<(), Stop> {
        let Some(content) = self.content.take() else { return Ok(()) };
        let finished = content.finish(&mut |octets| take(Event::Octets(octets)));
        let (sum, window) = finished.map_err(|word| self.in_content(word))?;
        self.window = Some(window);
        for (is_so, word) in [
            (sum.is_unpadded, Word::Base64Unpadded),
            (sum.octets > CLIENTS_BEAR_OCTETS, Word::AttachmentLarge),
            (sum.form == Form::NotZip, Word::ZipNot),
            (sum.form == Form::UnzippedFirst, Word::ZipMore),
        ] {
            if is_so {
                self.trail.note(word, "");
            }
        }
        if matches!(sum.form, Form::Unzipped | Form::UnzippedFirst) {
            self.unfolded.packed = self.unfolded.packed.saturating_add(sum.packed_octets);
            self.unfolded.octets = self.unfolded.octets.saturating_add(sum.octets);
        }
        self.sum = Some(sum);
        Ok(())
    }

    fn close_attachment(&mut self, take: Take<'_>) -> Result<(), Stop> {
        if self.sum.is_none() {
            self.trail.note(Word::ContentMissing, "");
            self.begin_content(take)?;
            self.close_content(take)?;
        } else if self.sum.is_some_and(|sum| sum.octets == 0) {
            self.trail.note(Word::AttachmentEmpty, "");
        }
        self.is_lane = false;
        let Some(mut sum) = self.sum.take() else { return Ok(()) };
        let attachment = std::mem::take(&mut self.attachment);
        if attachment.is_zipped() && sum.form == Form::Plain && sum.octets > 0 {
            sum.form = Form::LeftZipped;
            self.trail.note(Word::ZipLate, "");
        }
        for (below, is_missing) in [
            ("ContentId", attachment.content_id.is_none()),
            ("AttachmentName", attachment.name.is_none()),
            ("ContentType", attachment.content_type.is_none()),
        ] {
            if is_missing {
                self.trail.note_below(below, Word::Missing, "");
            }
        }
        let place = self.trail.place();
        let (id, name) = (attachment.content_id.as_deref(), attachment.name.as_deref());
        self.matching.attachment(place, id, name);
        let Sum { octets, packed_octets, sha256, form, .. } = sum;
        take(Event::End(&Attached { attachment, place, form, octets, packed_octets, sha256 }));
        Ok(())
    }

    fn take_text(&mut self, text: &str, take: Take<'_>) -> Result<(), Stop> {
        match self.spots.last() {
            Some(Spot::Leaf) => {
                let is_field = self.spots.iter().rev().nth(1) == Some(&Spot::Attachment);
                let Limits { field_octets_max, text_octets_max, .. } = self.limits;
                let octets_max = if is_field { field_octets_max } else { text_octets_max };
                if self.leaf.len() + text.len() > octets_max {
                    let place = self.trail.place();
                    return Err(Stop::Error(self.trail.error(place, Word::TextTooLong, "")));
                }
                self.leaf.push_str(text);
                Ok(())
            }
            // Base64 with character references or comments in it: the slow way.
            Some(Spot::Content) => {
                let Some(content) = &mut self.content else { return Ok(()) };
                let (read, pushed) =
                    content.push(text.as_bytes(), &mut |octets| take(Event::Octets(octets)));
                pushed.map_err(|word| self.in_content(word))?;
                if read < text.len() { Err(Word::Base64Character.into()) } else { Ok(()) }
            }
            Some(Spot::Skipped) | None => Ok(()),
            Some(_) => {
                let text = text.trim_ascii();
                if !text.is_empty() {
                    self.trail.note(Word::TextStray, text);
                }
                Ok(())
            }
        }
    }

    /// There is no more text.
    pub(super) fn finish(&mut self, take: Take<'_>) -> Result<(), Stop> {
        if let Some(prologue) = &self.prologue {
            return Err(prologue.end().into());
        }
        if self.outside.as_ref().is_some_and(|outside| !outside.is_complete()) {
            return Err(Word::Cut.into());
        }
        self.run(&[], true, take)?;
        self.is_whole = self.has_message;
        if self.has_message { Ok(()) } else { Err(Word::EnvelopeMissing.into()) }
    }

    /// The document was read.
    pub(super) fn end(mut self) -> Vec<Finding> {
        // What is missing from a document that was not read to its end is not missing.
        if self.is_whole {
            self.matching.look_at(&mut self.trail);
        }
        if self.is_utf16 {
            self.trail.note_at(Place::START, "", Word::NotUtf8, "");
        }
        if let Some((place, declared)) = self.declared.take() {
            let name = declared.to_ascii_lowercase();
            let is_real = if self.is_utf16 { name.starts_with("utf-16") } else { name == "utf-8" };
            if !is_real {
                self.trail.note_at(place, "", Word::EncodingDeclared, &declared);
            }
        }
        let mut findings = self.trail.into_findings();
        findings.sort_by_key(|finding| finding.place);
        findings
    }
}
