//! Evidence: the signature of an application under what happened, with all that is needed to check it again.
//!
//! A public key makes it a proof for everybody. A shared secret makes it one for the platform alone, and the
//! receipt says so.

use auth::{ContentDigest, Material, PublicKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use machine::{Fact, Signed, What};
use model::{AccessKey, AppId, Digest, KeyAlgorithm, Moment, PacketId, UnitCode, tree::LeafHash};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

use crate::Error;

/// Octets of a signed body that a receipt shows: more than any request about one packet has. Of a longer one, and of
/// a list of packets, it tells the SHA-256.
pub const STATEMENT_SHOWN_MAX: usize = 8 << 10;

/// What names the digest of the body in a signature base: RFC 9421, and two fields of the legacy profile.
const DIGEST_LINES: [(&str, bool); 3] =
    [("\"content-digest\": ", false), ("content-digest: ", false), ("digest: ", true)];

/// Who can check a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CheckedBy {
    Anyone,
    Platform,
    Nobody,
}

/// The claim.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvidenceClaims {
    /// Which leaf of the history.
    pub(crate) position: u64,
    unit: String,
    app: String,
    key: String,
    algorithm: String,
    /// Says in a word what the missing public key means.
    checked_by: CheckedBy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    base: String,
    signature: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statement_digest: Option<String>,
    /// The salt of the leaf, where the claim has all that is in it: then it can be made again, and proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
}

/// Whose word the signature's origin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was verified here, with the application's public key.
    Verified,
    /// It was made with a secret that the platform shares: the platform alone can check it, and says that it did.
    PlatformOnly,
    /// The platform checked it when it came, and did not keep what was signed: that named a file, which goes with
    /// its content, Article 9(3).
    NotKept,
}

/// The body that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// There was none, or it carried the content.
    Absent,
    /// It is here, and is what the signature's base names.
    Shown(Vec<u8>),
    /// It was long, and only its SHA-256 is here.
    Digest {
        /// The SHA-256.
        digest: Digest,
        /// Whether the base names it. If not, it names only a SHA-512, which nobody can compare without the body.
        is_named: bool,
    },
}

/// A signature under what happened, as far as it could be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The unit that it speaks for.
    pub unit: UnitCode,
    /// The application.
    pub app: AppId,
    /// Its key.
    pub key: AccessKey,
    /// The key's algorithm.
    pub algorithm: KeyAlgorithm,
    /// Whether the signature was verified.
    pub origin: Origin,
    /// The body.
    pub statement: Statement,
    /// Whether what was signed names the packet. If not, only the platform says that it is about this packet.
    pub names_packet: bool,
    /// Whether what was signed names the digest of the content.
    pub names_content: bool,
    /// Where the signature stands in the history.
    pub position: u64,
    /// Whether that was proved. If not, as a body is left out that is about others too, the platform says so.
    pub is_in_history: bool,
}

impl EvidenceClaims {
    /// A body is shown where the request named this packet in its path: a list of many packets is about others, too,
    /// which whoever gets this receipt must not learn.
    pub(crate) fn of(position: u64, fact: &Fact, signed: &Signed, packet: PacketId) -> Self {
        let Signed { key, app, unit, algorithm, public_key, base, signature, statement } = signed;
        let id = packet.to_string();
        let is_about_it = base.windows(id.len()).any(|octets| octets == id.as_bytes());
        let is_shown = is_about_it && statement.len() <= STATEMENT_SHOWN_MAX;
        // A body that no base names would prove nothing.
        let known = Some(statement).filter(|octets| !octets.is_empty() && !base.is_empty());
        Self {
            position,
            unit: unit.to_string(),
            app: app.to_string(),
            key: key.to_string(),
            algorithm: algorithm.to_string(),
            checked_by: checked_by(*algorithm, base),
            public_key: (!public_key.is_empty()).then(|| URL_SAFE_NO_PAD.encode(public_key)),
            base: URL_SAFE_NO_PAD.encode(base),
            signature: URL_SAFE_NO_PAD.encode(signature),
            statement: known.filter(|_| is_shown).map(|octets| URL_SAFE_NO_PAD.encode(octets)),
            statement_digest: known.filter(|_| !is_shown).map(|octets| sha256(octets).to_string()),
            salt: (statement.is_empty() || is_shown && known.is_some())
                .then(|| URL_SAFE_NO_PAD.encode(fact.salt)),
        }
    }

    /// Whether the leaf can be made of it again.
    pub(crate) const fn is_whole(&self) -> bool {
        self.salt.is_some()
    }

    /// The leaf of the history, made again; none where a part of it is left out. The signature was recorded with what
    /// it is for, at the same moment.
    pub(crate) fn leaf(&self, at: Moment) -> Result<Option<LeafHash>, Error> {
        let Some(salt) = &self.salt else { return Ok(None) };
        let salt = octets(salt, "salt")?.try_into();
        let salt = salt.map_err(|_| Error::Evidence { part: "salt" })?;
        let optional = |text: &Option<String>, part| {
            text.as_ref().map_or(Ok(Vec::new()), |text| octets(text, part))
        };
        let algorithm = self.algorithm.parse();
        let signed = Signed {
            key: AccessKey::stored(&self.key),
            app: AppId::stored(&self.app),
            unit: UnitCode::stored(&self.unit),
            algorithm: algorithm.map_err(|_| Error::Evidence { part: "algorithm" })?,
            public_key: optional(&self.public_key, "public_key")?,
            base: octets(&self.base, "base")?,
            signature: octets(&self.signature, "signature")?,
            statement: optional(&self.statement, "statement")?,
        };
        let fact = Fact { at, what: What::Signed(signed), evidence: None, salt };
        Ok(Some(LeafHash::of(&fact.to_octets())))
    }

    /// Checks all that can be checked. `packet` and `content` are what the signed octets should name.
    pub(crate) fn check(
        &self,
        packet: PacketId,
        content: Option<Digest>,
    ) -> Result<Evidence, Error> {
        let algorithm: KeyAlgorithm =
            self.algorithm.parse().map_err(|_| Error::Evidence { part: "algorithm" })?;
        let base = octets(&self.base, "base")?;
        let origin = self.origin(algorithm, &base)?;
        let statement = self.statement(&base)?;
        let body = if let Statement::Shown(octets) = &statement { &octets[..] } else { &[] };
        let (base, body) = (String::from_utf8_lossy(&base), String::from_utf8_lossy(body));
        let named = packet.to_string();
        let names_packet = base.contains(&named) || body.contains(&named);
        let names_content = content.is_some_and(|digest| {
            base.contains(&STANDARD.encode(digest.0))
                || body.to_ascii_lowercase().contains(&digest.to_string())
        });
        Ok(Evidence {
            unit: UnitCode::stored(&self.unit),
            app: AppId::stored(&self.app),
            key: AccessKey::stored(&self.key),
            algorithm,
            origin,
            names_packet,
            names_content,
            statement,
            position: self.position,
            is_in_history: false,
        })
    }

    fn origin(&self, algorithm: KeyAlgorithm, base: &[u8]) -> Result<Origin, Error> {
        let signature = octets(&self.signature, "signature")?;
        if self.checked_by != checked_by(algorithm, base) {
            return Err(Error::Evidence { part: "checked_by" });
        }
        if self.public_key.is_none() != algorithm.is_symmetric() {
            return Err(Error::Evidence { part: "public_key" });
        }
        match (&self.public_key, self.checked_by) {
            (_, CheckedBy::Nobody) => Ok(Origin::NotKept),
            (None, _) => Ok(Origin::PlatformOnly),
            (Some(der), _) => {
                let der = octets(der, "public_key")?;
                let key = PublicKey::from_spki(algorithm, &der);
                let key = key.map_err(|_| Error::Evidence { part: "public_key" })?;
                if auth::raw::verify(&Material::Public(key), base, &signature) {
                    Ok(Origin::Verified)
                } else {
                    Err(Error::EvidenceForged)
                }
            }
        }
    }

    fn statement(&self, base: &[u8]) -> Result<Statement, Error> {
        match (&self.statement, &self.statement_digest) {
            (None, None) => Ok(Statement::Absent),
            (Some(statement), None) => {
                let statement = octets(statement, "statement")?;
                let named = named_digest(base)?;
                let same256 = named.sha256.map(|named| named == sha256(&statement).0);
                let same512 = named.sha512.map(|named| named[..] == Sha512::digest(&statement)[..]);
                match (same256, same512) {
                    (None, None) | (Some(false), _) | (_, Some(false)) => {
                        Err(Error::StatementOther)
                    }
                    _ => Ok(Statement::Shown(statement)),
                }
            }
            (None, Some(digest)) => {
                let digest: Digest =
                    digest.parse().map_err(|_| Error::Evidence { part: "statement_digest" })?;
                let named = named_digest(base)?;
                match (named.sha256, named.sha512) {
                    (Some(named), _) if named == digest.0 => {
                        Ok(Statement::Digest { digest, is_named: true })
                    }
                    (None, Some(_)) => Ok(Statement::Digest { digest, is_named: false }),
                    _ => Err(Error::StatementOther),
                }
            }
            (Some(_), Some(_)) => Err(Error::Evidence { part: "statement" }),
        }
    }

    /// Whose unit it says it is.
    pub(crate) fn is_of(&self, unit: &UnitCode) -> bool {
        self.unit == unit.as_str()
    }
}

const fn checked_by(algorithm: KeyAlgorithm, base: &[u8]) -> CheckedBy {
    match (base.is_empty(), algorithm.is_symmetric()) {
        (true, _) => CheckedBy::Nobody,
        (false, true) => CheckedBy::Platform,
        (false, false) => CheckedBy::Anyone,
    }
}

fn octets(text: &str, part: &'static str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Evidence { part })
}

fn sha256(octets: &[u8]) -> Digest {
    Digest(Sha256::digest(octets).into())
}

/// The body's digests that a base names, by whichever field. A line begins with the name of what was signed
/// and no value has a line break, so no value can pass for such a line.
fn named_digest(base: &[u8]) -> Result<ContentDigest, Error> {
    let mut found = ContentDigest::default();
    for line in base.split(|octet| *octet == b'\n') {
        let field = DIGEST_LINES.iter().find_map(|(name, is_old)| {
            line.strip_prefix(name.as_bytes()).map(|value| (value, *is_old))
        });
        let Some((value, is_old)) = field else { continue };
        let digest = match is_old {
            true => ContentDigest::parse_old(value),
            false => ContentDigest::parse("content-digest", value),
        };
        let digest = digest.map_err(|_| Error::Evidence { part: "base" })?;
        found.sha256 = found.sha256.or(digest.sha256);
        found.sha512 = found.sha512.or(digest.sha512);
    }
    Ok(found)
}
