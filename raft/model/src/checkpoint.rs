//! Checkpoints: a tree's head as a signed text (C2SP `tlog-checkpoint` in a C2SP `signed-note`).
//!
//! No key and no signature is made here. Who signs hands in a [`Signer`], who verifies hands in the
//! check of an Ed25519 signature; texts, key identifiers and rules are here.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::{
    Malformed,
    tree::{TreeHash, TreeHead},
};

/// Octets of a note: a checkpoint with some dozen signatures of witnesses has 3 KiB, and one by a
/// post-quantum key 5 KiB.
pub const NOTE_OCTETS_MAX: usize = 64 << 10;
/// Signature lines of a note: the specification wants at least 16 to be accepted.
pub const SIGNATURES_MAX: usize = 64;

/// The specification's number for Ed25519.
const ED25519: u8 = 1;
/// What a signature line begins with.
const DASH: &str = "\u{2014} ";

/// The name of a key, and of a log: not empty, without white space and `+`; usually an address
/// without its scheme, `history.lgsp.example`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let is_wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if text.is_empty() || text.contains(is_wrong) {
            return Err(Malformed::new("key name", "a text without spaces and plus is expected"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Somebody's Ed25519 key, as those know it who verify.
///
/// Printed as `name+identifier+base64`, the form that other programs for such notes take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    /// Its name.
    pub name: KeyName,
    /// The public key as RFC 8032 encodes it (32 octets).
    pub public: [u8; 32],
}

impl NoteKey {
    /// The first four octets of SHA-256 over name, newline, kind of key, and key.
    pub fn id(&self) -> u32 {
        let hash = Sha256::new().chain_update(self.name.as_str()).chain_update([b'\n', ED25519]);
        let [a, b, c, d, ..]: [u8; 32] = hash.chain_update(self.public).finalize().into();
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = [&[ED25519], &self.public[..]].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id(), STANDARD.encode(octets))
    }
}

impl FromStr for NoteKey {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = |reason| Malformed::new("verifier key", reason);
        // Base64 may contain a plus, a name and an identifier may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("name+identifier+base64 is expected"));
        };
        let octets = STANDARD.decode(key).map_err(|_| wrong("the key is no base64"))?;
        let [ED25519, public @ ..] = octets.as_slice() else {
            return Err(wrong("only Ed25519 keys are known here"));
        };
        let public = public.try_into().map_err(|_| wrong("an Ed25519 key has 32 octets"))?;
        let key = Self { name: name.parse()?, public };
        if format!("{:08x}", key.id()) != id {
            return Err(wrong("the identifier is that of another name or key"));
        }
        Ok(key)
    }
}

/// Whoever signs notes with an Ed25519 key.
pub trait Signer {
    /// The key, as others know it.
    fn key(&self) -> NoteKey;
    /// The signature of RFC 8032 over these octets.
    fn sign(&self, octets: &[u8]) -> [u8; 64];
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key's name.
    pub name: KeyName,
    /// The key's identifier.
    pub id: u32,
    /// The signature itself: 64 octets of an Ed25519 key, any number of others.
    pub octets: Vec<u8>,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = [&self.id.to_be_bytes(), self.octets.as_slice()].concat();
        write!(f, "{DASH}{} {}", self.name, STANDARD.encode(octets))
    }
}

impl FromStr for Signature {
    type Err = Malformed;
    fn from_str(line: &str) -> Result<Self, Malformed> {
        let wrong = |reason| Malformed::new("signature line", reason);
        let form = "a dash, a name and base64 are expected";
        let rest = line.strip_prefix(DASH).ok_or(wrong(form))?;
        let (name, octets) = rest.split_once(' ').ok_or(wrong(form))?;
        let octets = STANDARD.decode(octets).map_err(|_| wrong(form))?;
        let Some((id, octets)) = octets.split_first_chunk().filter(|(_, rest)| !rest.is_empty())
        else {
            return Err(wrong("it has no signature"));
        };
        Ok(Self { name: name.parse()?, id: u32::from_be_bytes(*id), octets: octets.to_vec() })
    }
}

/// Why a note is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is no note, or no checkpoint.
    #[error("it cannot be read")]
    Malformed(#[from] Malformed),
    /// No key that is known has signed it.
    #[error("no key that is known has signed it")]
    Unknown,
    /// A signature by a known key is wrong.
    #[error("the signature of {name} is wrong")]
    Wrong {
        /// Whose.
        name: KeyName,
    },
    /// It is another log's.
    #[error("it is a checkpoint of {origin}")]
    OtherOrigin {
        /// Of which log.
        origin: String,
    },
}

/// A text with its signatures. What it says is worth nothing before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// A text that nobody has signed yet; ends with a newline.
    ///
    /// # Errors
    ///
    /// The text does not end with a newline, or has other control characters.
    pub fn new(text: String) -> Result<Self, Malformed> {
        let wrong = |reason| Malformed::new("note", reason);
        if text.len() > NOTE_OCTETS_MAX {
            return Err(wrong("it is too long"));
        }
        if !text.ends_with('\n') {
            return Err(wrong("a note ends with a newline"));
        }
        if text.chars().any(|c| c < ' ' && c != '\n') {
            return Err(wrong("a note has no control characters but newlines"));
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Adds a signature over the text.
    pub fn sign(&mut self, signer: &dyn Signer) {
        let key = signer.key();
        let octets = signer.sign(self.text.as_bytes()).to_vec();
        self.signatures.push(Signature { id: key.id(), name: key.name, octets });
    }

    /// The signatures, none of them checked.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The text, if one of `keys` has signed it. Signatures by other keys say nothing.
    ///
    /// `check` is told a public key, the signed octets and a signature of 64 octets (RFC 8032).
    ///
    /// # Errors
    ///
    /// No such key has signed, or one of their signatures is wrong.
    pub fn verify(
        &self,
        keys: &[NoteKey],
        check: impl Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
    ) -> Result<&str, NoteError> {
        let mut is_signed = false;
        for signature in &self.signatures {
            let is_its = |key: &&NoteKey| key.name == signature.name && key.id() == signature.id;
            let Some(key) = keys.iter().find(is_its) else { continue };
            let octets = signature.octets.as_slice().try_into();
            if !octets.is_ok_and(|octets| check(&key.public, self.text.as_bytes(), octets)) {
                return Err(NoteError::Wrong { name: key.name.clone() });
            }
            is_signed = true;
        }
        if is_signed { Ok(&self.text) } else { Err(NoteError::Unknown) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl FromStr for Note {
    type Err = Malformed;
    fn from_str(note: &str) -> Result<Self, Malformed> {
        let wrong = |reason| Malformed::new("note", reason);
        if note.len() > NOTE_OCTETS_MAX {
            return Err(wrong("it is too long"));
        }
        // The text may have empty lines of its own: the last one ends it.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(wrong("an empty line is expected"))?;
        let lines = lines.strip_suffix('\n').ok_or(wrong("a note ends with a newline"))?;
        let mut parsed = Self::new(format!("{text}\n"))?;
        if lines.split('\n').count() > SIGNATURES_MAX {
            return Err(wrong("it has too many signatures"));
        }
        parsed.signatures = lines.split('\n').map(str::parse).collect::<Result<_, _>>()?;
        Ok(parsed)
    }
}

/// What a log says of itself at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of the key that it signs with.
    pub origin: KeyName,
    /// Its size and root.
    pub head: TreeHead,
}

impl Checkpoint {
    /// The checkpoint as a note with one signature, by the log's own key.
    pub fn signed(head: TreeHead, signer: &dyn Signer) -> Note {
        let checkpoint = Self { origin: signer.key().name, head };
        let mut note = Note { text: checkpoint.to_string(), signatures: Vec::new() };
        note.sign(signer);
        note
    }

    /// Reads a checkpoint of the log whose key this is, and believes nothing that this key has not signed.
    ///
    /// # Errors
    ///
    /// It cannot be read, is another log's, or is not signed by the key.
    pub fn verified(
        note: &str,
        key: &NoteKey,
        check: impl Fn(&[u8; 32], &[u8], &[u8; 64]) -> bool,
    ) -> Result<Self, NoteError> {
        let note: Note = note.parse()?;
        let checkpoint: Self = note.verify(std::slice::from_ref(key), check)?.parse()?;
        if checkpoint.origin != key.name {
            return Err(NoteError::OtherOrigin { origin: checkpoint.origin.to_string() });
        }
        Ok(checkpoint)
    }
}

/// The note's text: origin, size and root, a line each.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.head.root.0);
        write!(f, "{}\n{}\n{root}\n", self.origin, self.head.size)
    }
}

impl FromStr for Checkpoint {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = |reason| Malformed::new("checkpoint", reason);
        let text = text.strip_suffix('\n').ok_or(wrong("it ends with a newline"))?;
        let mut lines = text.split('\n');
        let mut line = || lines.next().ok_or(wrong("origin, size and root are expected"));
        let (origin, size, root) = (line()?, line()?, line()?);
        if size.len() > 1 && size.starts_with('0') || !size.bytes().all(|c| c.is_ascii_digit()) {
            return Err(wrong("the size is a number without zeros before it"));
        }
        let size = size.parse().map_err(|_| wrong("the size is no 64-bit number"))?;
        let root = STANDARD.decode(root).ok().and_then(|octets| octets.try_into().ok());
        let root = TreeHash(root.ok_or(wrong("the root is base64 of 32 octets"))?);
        // Whoever reads it could not check what such lines say.
        if lines.next().is_some() {
            return Err(wrong("further lines are not known here"));
        }
        Ok(Self { origin: origin.parse()?, head: TreeHead { size, root } })
    }
}
