//! The only door: [`verify`] is the only maker of a [`VerifiedCaller`].
//!
//! It proves the head. What was signed of the body is a digest, so a request is [`Signed<Head>`] until its body was
//! compared, and [`Signed<Whole>`] then. Only the second proposes (D20); the claim of a space, whose body is content, is the
//! one exception.

use std::{ops::Deref, time::Duration};

use model::{AccessKey, AppId, Digest, Grants, Moment, Nonce, UnitCode};
use sha2::{Digest as _, Sha256};

use crate::{
    ContentDigest, KeyLookup, KeyMaterial, PublicNames, Rejection, RequestHead, TAG, cavage,
    profile,
};

/// The oldest signature that is accepted. The machine checks the same against its own time.
pub const AGE_MAX: Duration = Duration::from_secs(300);
/// How far a signer's clock may be ahead of ours.
pub const AHEAD_MAX: Duration = Duration::from_secs(60);

/// The settings of the door.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The names that requests may be sent to.
    pub names: PublicNames,
    /// How old a signature may be.
    pub age_max: Duration,
    /// How far a signer's clock may be ahead.
    pub ahead_max: Duration,
    /// The tag that a signature must carry; others are passed over.
    pub tag: &'static str,
    /// Whether a refusal shows the signature base that we built: only in a sandbox.
    pub show_base: bool,
}

impl Policy {
    /// The profile `lgsp-v1` for these names: 300 s back, 60 s ahead.
    pub fn new(names: PublicNames) -> Self {
        Self { names, age_max: AGE_MAX, ahead_max: AHEAD_MAX, tag: TAG, show_base: false }
    }

    /// The value of `Accept-Signature` that goes with a 401 (RFC 9421 section 5).
    pub fn accept_signature(&self) -> String {
        format!(
            "lgsp=(\"@method\" \"@target-uri\" \"content-digest\");created;nonce;keyid;tag=\"{}\"",
            self.tag
        )
    }

    /// Whether a signature of that time is accepted now.
    pub(crate) fn check_window(&self, created: Moment, now: Moment) -> Result<(), Rejection> {
        if created.plus(self.age_max) < now || created > now.plus(self.ahead_max) {
            return Err(Rejection::ClockOutOfWindow {
                server_time: now,
                skew_seconds: created.secs().cast_signed().saturating_sub(now.secs().cast_signed()),
            });
        }
        Ok(())
    }

    /// The refusal of a signature that does not fit this base.
    pub(crate) fn invalid(&self, base: &[u8], hint: Option<&'static str>) -> Rejection {
        Rejection::SignatureInvalid {
            base_digest: Digest(Sha256::digest(base).into()),
            base: self.show_base.then(|| String::from_utf8_lossy(base).into_owned()),
            hint,
        }
    }
}

/// What remains of a checked signature: enough to check window, key and nonce again when the
/// request becomes a command, and to be kept as evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Whose signature it was.
    pub key: AccessKey,
    /// The moment that the signer wrote.
    pub created: Moment,
    /// Passes once in the whole cluster; the machine sees to it.
    pub nonce: Nonce,
    /// The octets that were signed: the signature base.
    pub base: Vec<u8>,
    /// The signature's octets.
    pub signature: Vec<u8>,
}

/// Who calls, proven by a signature over the head of a request. Only [`verify`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedCaller {
    key: AccessKey,
    app: AppId,
    unit: UnitCode,
    grants: Grants,
    is_legacy: bool,
}

impl VerifiedCaller {
    /// The access key that signed.
    pub fn key(&self) -> &AccessKey {
        &self.key
    }

    /// The application that the key was issued to.
    pub fn app(&self) -> &AppId {
        &self.app
    }

    /// The application's unit.
    pub fn unit(&self) -> &UnitCode {
        &self.unit
    }

    /// What the application may do.
    pub fn grants(&self) -> Grants {
        self.grants
    }

    /// Whether the request was signed by the legacy profile: the answer then carries
    /// `Deprecation` and `Sunset`.
    pub fn is_legacy(&self) -> bool {
        self.is_legacy
    }
}

/// The head of a request was signed; its body was not compared yet.
#[derive(Debug, Clone)]
pub struct Head {
    content: ContentDigest,
}

/// The head was signed, and the body is the one that was signed with it.
#[derive(Debug, Clone)]
pub struct Whole {
    statement: Vec<u8>,
}

/// A signed request, and how much of it is proven: [`Head`] or [`Whole`].
#[derive(Debug, Clone)]
pub struct Signed<Part> {
    caller: VerifiedCaller,
    evidence: Option<Evidence>,
    part: Part,
}

impl<Part> Signed<Part> {
    /// Who signed.
    pub fn caller(&self) -> &VerifiedCaller {
        &self.caller
    }

    /// The evidence for a command; always there for methods that change something, and for
    /// others when the signature has a nonce.
    pub fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }
}

/// Functions that only need to know who calls take the caller.
impl<Part> Deref for Signed<Part> {
    type Target = VerifiedCaller;

    fn deref(&self) -> &VerifiedCaller {
        &self.caller
    }
}

impl Signed<Head> {
    /// What the body must hash to; its checker also refuses a body where none was signed.
    pub fn content(&self) -> ContentDigest {
        self.part.content
    }

    /// Compares the body, and keeps it as what the caller states (D18). Not for a body that carries a content.
    ///
    /// # Errors
    ///
    /// The body has another digest than the one that was signed, or none was signed and the body is not empty.
    pub fn with_statement(self, body: &[u8]) -> Result<Signed<Whole>, Rejection> {
        self.check(body)?;
        Ok(self.whole(body.to_vec()))
    }

    /// Compares a body that carries a content: nothing of it is kept as a statement.
    ///
    /// # Errors
    ///
    /// As [`with_statement`](Self::with_statement).
    pub fn with_content(self, body: &[u8]) -> Result<Signed<Whole>, Rejection> {
        self.check(body)?;
        Ok(self.whole(Vec::new()))
    }

    fn check(&self, body: &[u8]) -> Result<(), Rejection> {
        let mut digest = self.part.content.checker();
        digest.update(body);
        digest.finish()
    }

    fn whole(self, statement: Vec<u8>) -> Signed<Whole> {
        let Self { caller, evidence, .. } = self;
        Signed { caller, evidence, part: Whole { statement } }
    }
}

impl Signed<Whole> {
    /// The body as it was signed and compared; empty where there is none, or it carried a content.
    pub fn statement(&self) -> &[u8] {
        &self.part.statement
    }
}

/// What a profile has proven, before it is given to a caller.
pub(crate) struct Proven {
    pub(crate) key: AccessKey,
    pub(crate) material: KeyMaterial,
    pub(crate) is_legacy: bool,
    pub(crate) evidence: Option<Evidence>,
    pub(crate) content: ContentDigest,
}

/// Checks the signature of a request's head.
///
/// By RFC 9421 when there is a `Signature-Input`, otherwise by the legacy profile. Whether the
/// nonce was seen before is for the machine to say, and the body for its digest.
pub fn verify(
    head: &RequestHead<'_>,
    now: Moment,
    keys: &(impl KeyLookup + ?Sized),
    policy: &Policy,
) -> Result<Signed<Head>, Rejection> {
    let proven = if head.has("signature-input") {
        profile::verify(head, now, keys, policy)?
    } else if cavage::is_present(head) {
        cavage::verify(head, now, keys, policy)?
    } else {
        return Err(Rejection::SignatureMissing);
    };
    let Proven { key, material, is_legacy, evidence, content } = proven;
    let KeyMaterial { app, unit, grants, .. } = material;
    let caller = VerifiedCaller { key, app, unit, grants, is_legacy };
    Ok(Signed { caller, evidence, part: Head { content } })
}
