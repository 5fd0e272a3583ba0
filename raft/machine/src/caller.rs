//! The application that asks, once its signature was checked.

use model::{AppId, Digest, KeyAlgorithm, UnitCode};

use crate::v1::{By, Proof, Signed};

/// How the line of a signature base begins that names the content's own digest: RFC 9421, and the legacy profile.
/// No value has a line break, so no value can pass for such a line.
const CONTENT_LINES: [&str; 2] = ["\"packet-digest\": ", "packet-digest: "];

/// The application that signed, after window, key and nonce were checked against the entry's time.
pub(crate) struct Caller<'p> {
    pub(crate) app: AppId,
    pub(crate) unit: UnitCode,
    pub(crate) proof: &'p Proof,
    pub(crate) algorithm: KeyAlgorithm,
    /// What signatures of its key are checked with.
    pub(crate) material: Vec<u8>,
}

impl Caller<'_> {
    /// As the history keeps it: whoever has it can check the signature again (D18).
    pub(crate) fn evidence(&self) -> Signed {
        let proof = self.proof;
        Signed {
            key: proof.key.clone(),
            app: self.app.clone(),
            unit: self.unit.clone(),
            algorithm: self.algorithm,
            // What is kept of a shared secret is sealed, and is nobody's to check with.
            public_key: match self.algorithm.is_symmetric() {
                true => Vec::new(),
                false => self.material.clone(),
            },
            base: proof.base.clone(),
            signature: proof.signature.clone(),
            statement: proof.statement.clone(),
        }
    }

    /// Whether the signature covers a digest of the content, and it is not this one. A body that carries a content
    /// goes with it, so its own digest proves nothing later; what this field names is proved by the base for ever.
    pub(crate) fn signed_another_content(&self, digest: Digest) -> bool {
        names_another(&self.proof.base, digest)
    }

    /// As records keep it.
    pub(crate) fn by(&self) -> By {
        By { key: self.proof.key.clone(), app: self.app.clone() }
    }
}

fn names_another(base: &[u8], digest: Digest) -> bool {
    let is_other = |value: &[u8]| {
        let expected = digest.to_field();
        let members = value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
        let mut named = members.filter(|member| member.starts_with(b"sha-256="));
        named.next() != Some(expected.as_bytes()) || named.next().is_some()
    };
    let lines = base.split(|octet| *octet == b'\n');
    let value = |line: &[u8]| {
        let is_named = |name: &&str| line.starts_with(name.as_bytes());
        CONTENT_LINES.iter().find(|name| is_named(name)).map(|name| name.len())
    };
    let values = lines.filter_map(|line| value(line).map(|from| line[from..].trim_ascii()));
    // An empty dictionary is none (RFC 9651, 3.2).
    values.filter(|value| !value.is_empty()).any(is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_that_a_base_names_is_the_one_or_another() {
        let (ours, other) = (Digest([1; 32]), Digest([2; 32]));
        let (own, another) = (ours.to_field(), other.to_field());
        let signed = |value: &str| {
            ["\"packet-digest\": ", "packet-digest: "].map(|name| {
                let base = format!("\"@method\": POST\n{name}{value}\n\"@path\": /v1/packets");
                names_another(base.as_bytes(), ours)
            })
        };
        assert_eq!(signed(&own), [false; 2]);
        assert_eq!(signed(&format!("sha-512=:AAAA:, {own}")), [false; 2]);
        assert_eq!(signed(""), [false; 2], "it names none");
        for wrong in [another.clone(), format!("{own}, {another}"), format!("{own};x"), "x".into()]
        {
            assert_eq!(signed(&wrong), [true; 2], "{wrong}");
        }
        // The body's own digest is another field, and most name none.
        let body = format!("\"content-digest\": {another}\n\"x-packet-digest\": {another}");
        assert!(!names_another(body.as_bytes(), ours) && !names_another(b"", ours));
    }
}
