//! Identifiers of X-Road: who calls, what is called, by which server (PR-REST section 4.1, PR-MESS section 2).
//!
//! In a path or a header each part is percent-encoded on its own and a slash stands between; the adapter of the Government
//! Office puts colons between instead (section 4.2).

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Characters of a part: what the database of a security server holds.
pub const PART_MAX: usize = 255;

/// What a path carries as it is, beside letters and digits (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One part of an identifier: a code of an instance, a class, a member, a subsystem, a server or a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part(String);

impl Part {
    /// Reads a part as it is, not encoded. None for what no header, path or XML can carry unchanged: an empty one, one
    /// of more than [`PART_MAX`] characters, a space at an end, a control character, `.` and `..`.
    pub fn parse(text: &str) -> Option<Self> {
        let count = text.chars().count();
        let is_part = (1..=PART_MAX).contains(&count)
            && text.trim() == text
            && !text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
            && !matches!(text, "." | "..");
        is_part.then(|| Self(text.to_owned()))
    }

    /// The part as it is, not encoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has only characters that new identifiers may have: letters, digits and `'()+,-.=?` (PR-REST section
    /// 4.8). Security servers refuse others since 7.3 when one is registered, and only warn of those that are.
    pub fn is_advised(&self) -> bool {
        self.0.chars().all(|c| c.is_alphanumeric() || "'()+,-.=?".contains(c))
    }

    fn encoded(&self) -> impl fmt::Display {
        utf8_percent_encode(&self.0, ENCODED)
    }

    /// Reads a part as it stands in a path or a query: percent-encoded.
    pub fn decode(text: &str) -> Option<Self> {
        let octets = text.as_bytes();
        let is_digit = |at: usize| octets.get(at).is_some_and(u8::is_ascii_hexdigit);
        let is_whole = |(at, c): (usize, &u8)| *c != b'%' || (is_digit(at + 1) && is_digit(at + 2));
        let is_whole = octets.iter().enumerate().all(is_whole);
        let text = percent_decode_str(text).decode_utf8().ok().filter(|_| is_whole)?;
        Self::parse(&text)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no identifier of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no identifier of {kind}")]
pub struct NoIdentifier {
    /// What it should have been.
    pub kind: &'static str,
}

fn join(parts: &[&Part]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| part.encoded().to_string()).collect();
    parts.join("/")
}

/// The parts of an encoded identifier, if there are between so many and so many.
fn split(text: &str, least: usize, most: usize) -> Option<Vec<Part>> {
    let parts: Vec<_> = text.split('/').take(most + 1).map(Part::decode).collect::<Option<_>>()?;
    (least..=most).contains(&parts.len()).then_some(parts)
}

/// A member: an office or a firm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId {
    /// The instance: `VN`.
    pub instance: Part,
    /// The class: `GOV`, `COM`.
    pub class: Part,
    /// The member's code in its class: an agency's code, a tax code.
    pub code: Part,
}

/// Who calls or is called: a member, or one of its subsystems.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    /// The member.
    pub member: MemberId,
    /// Its subsystem.
    pub subsystem: Option<Part>,
}

impl ClientId {
    /// Reads three or four encoded parts with slashes between.
    ///
    /// # Errors
    ///
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, NoIdentifier> {
        Self::of_parts(split(text, 3, 4))
    }

    /// Reads three or four parts with colons between, as `dstcode` has them: `VN:GOV:000.00.00.G22:vpcpdvcprovider`.
    ///
    /// # Errors
    ///
    /// Any other text.
    pub fn parse_colons(text: &str) -> Result<Self, NoIdentifier> {
        let parts = text.split(':').take(5).map(Part::parse).collect::<Option<Vec<_>>>();
        Self::of_parts(parts.filter(|parts| (3..=4).contains(&parts.len())))
    }

    /// The parts with colons between; none if one of them has a colon itself.
    pub fn to_colons(&self) -> Option<String> {
        let parts: Vec<_> = self.parts().into_iter().map(Part::as_str).collect();
        let is_free = parts.iter().all(|part| !part.contains(':'));
        is_free.then(|| parts.join(":"))
    }

    fn of_parts(parts: Option<Vec<Part>>) -> Result<Self, NoIdentifier> {
        let mut parts = parts.unwrap_or_default().into_iter();
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(instance), Some(class), Some(code), subsystem) => {
                Ok(Self { member: MemberId { instance, class, code }, subsystem })
            }
            _ => Err(NoIdentifier { kind: "a member or a subsystem" }),
        }
    }

    fn parts(&self) -> Vec<&Part> {
        let MemberId { instance, class, code } = &self.member;
        [instance, class, code].into_iter().chain(&self.subsystem).collect()
    }
}

/// Encoded parts with slashes between.
impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(&self.parts()))
    }
}

/// A service of REST. It has no version, and the code of security servers demands the subsystem that the specification
/// leaves free.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RestServiceId {
    /// The member that provides it.
    pub member: MemberId,
    /// The subsystem that provides it.
    pub subsystem: Part,
    /// The service's code.
    pub code: Part,
}

impl RestServiceId {
    /// Reads five encoded parts with slashes between.
    ///
    /// # Errors
    ///
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, NoIdentifier> {
        let parts = split(text, 5, 5).and_then(|parts| <[Part; 5]>::try_from(parts).ok());
        let [instance, class, code, subsystem, service] =
            parts.ok_or(NoIdentifier { kind: "a service of REST" })?;
        let member = MemberId { instance, class, code };
        Ok(Self { member, subsystem, code: service })
    }
}

/// Encoded parts with slashes between.
impl fmt::Display for RestServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemberId { instance, class, code } = &self.member;
        f.write_str(&join(&[instance, class, code, &self.subsystem, &self.code]))
    }
}

/// A service of SOAP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    /// Who provides it.
    pub provider: ClientId,
    /// The service's code.
    pub code: Part,
    /// Its version.
    pub version: Option<Part>,
}

/// One security server of a member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId {
    /// The member that runs it.
    pub owner: MemberId,
    /// Its code.
    pub code: Part,
}

impl ServerId {
    /// Reads four encoded parts with slashes between.
    ///
    /// # Errors
    ///
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, NoIdentifier> {
        let parts = split(text, 4, 4).and_then(|parts| <[Part; 4]>::try_from(parts).ok());
        let [instance, class, code, server] =
            parts.ok_or(NoIdentifier { kind: "a security server" })?;
        Ok(Self { owner: MemberId { instance, class, code }, code: server })
    }
}

/// Encoded parts with slashes between.
impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemberId { instance, class, code } = &self.owner;
        f.write_str(&join(&[instance, class, code, &self.code]))
    }
}

/// For whom the client calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepresentedParty {
    /// The class, if the party has one.
    pub class: Option<Part>,
    /// The party's code.
    pub code: Part,
}

impl RepresentedParty {
    /// Reads one or two encoded parts with a slash between.
    ///
    /// # Errors
    ///
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, NoIdentifier> {
        let mut parts = split(text, 1, 2).unwrap_or_default();
        let code = parts.pop().ok_or(NoIdentifier { kind: "a represented party" })?;
        Ok(Self { class: parts.pop(), code })
    }
}

/// Encoded parts with a slash between.
impl fmt::Display for RepresentedParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.class.iter().chain([&self.code]).collect();
        f.write_str(&join(&parts))
    }
}
