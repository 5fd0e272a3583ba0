//! A node that joins, and what the platform says of itself.

use std::net::IpAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use conductor::{Admission, JoinRequest};
use machine::NewNode;
use model::{Digest, NodeId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{At, Whole, check::Check, schemas};
use crate::{problem::Problem, texts::Fault};

/// Names and addresses that one node may ask for in its certificate.
pub(super) const NAMES_MAX: usize = 32;
/// A certificate request in base64: an ECDSA one with many names is under 2 KiB.
pub(super) const REQUEST_MAX: usize = 16 * 1024;
/// Characters of the version of a program.
pub(super) const VERSION_MAX: usize = 64;
/// Characters of a host's name (RFC 1035 section 2.3.4).
pub(super) const HOST_MAX: usize = 253;

/// A node that wants to join.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Join {
    /// The join token that the operator was given.
    #[schema(schema_with = schemas::join_token)]
    token: String,
    /// The node's name for people.
    #[schema(schema_with = schemas::label)]
    name: String,
    /// Where other nodes reach it: `host:port`.
    #[schema(schema_with = schemas::mesh_address)]
    mesh_address: String,
    /// Where applications reach it.
    #[schema(schema_with = schemas::api_url)]
    api_url: String,
    /// Its certificate request, DER in base64.
    #[schema(schema_with = schemas::certificate_request)]
    certificate_request: String,
    #[serde(default)]
    #[schema(schema_with = schemas::dns_names)]
    dns_names: Vec<String>,
    #[serde(default)]
    #[schema(schema_with = schemas::ip_addresses)]
    ip_addresses: Vec<String>,
    /// The version of its program.
    #[schema(schema_with = schemas::version)]
    version: String,
    /// The newest rules that its program knows.
    #[schema(schema_with = schemas::rules)]
    rules_max: Whole,
}

impl Join {
    /// The request to the cluster.
    pub(crate) fn checked(self) -> Result<JoinRequest, Problem> {
        let token = self.token.parse().map_err(|_| Problem::new(Fault::JoinTokenMalformed))?;
        let mut check = Check::default();
        let name = check.word("/name", &self.name);
        if !is_host_and_port(&self.mesh_address) {
            check.wrong("/mesh_address", "host:port is expected");
        }
        if !self.api_url.strip_prefix("https://").is_some_and(is_authority) {
            check.wrong("/api_url", "an https URL is expected");
        }
        let request = BASE64_STANDARD.decode(&self.certificate_request).ok();
        if request.is_none() || self.certificate_request.len() > REQUEST_MAX {
            check.wrong("/certificate_request", "base64 is expected");
        }
        let named = self.dns_names.len();
        check.count("/dns_names", named, 0..=NAMES_MAX);
        check.count("/ip_addresses", self.ip_addresses.len(), 0..=NAMES_MAX.saturating_sub(named));
        for (index, name) in self.dns_names.iter().enumerate() {
            if !is_host(name) {
                check.wrong(
                    format_args!("/dns_names/{index}"),
                    "letters without marks, digits, full stop, hyphen and underscore are allowed",
                );
            }
        }
        let addresses = addresses(&mut check, &self.ip_addresses);
        if !(1..=VERSION_MAX).contains(&self.version.len())
            || !self.version.bytes().all(|c| c.is_ascii_graphic())
        {
            check.wrong("/version", "1 to 64 characters are expected");
        }
        let rules_max = u16::try_from(self.rules_max.0).map(machine::Rules);
        if rules_max.is_err() {
            check.wrong("/rules_max", "a number up to 65535 is expected");
        }
        let rules_max = rules_max.unwrap_or_default();
        let Self { mesh_address, api_url, version, dns_names, .. } = self;
        let join = name.zip(request).map(|(name, certificate_request)| JoinRequest {
            token,
            node: NewNode { name, mesh_address, api_url, version, rules_max },
            certificate_request,
            names: dns_names,
            addresses,
        });
        check.done(join)
    }
}

fn addresses(check: &mut Check, texts: &[String]) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => {
                check.wrong(format_args!("/ip_addresses/{index}"), "an IP address is expected")
            }
        }
    }
    addresses
}

fn is_host(text: &str) -> bool {
    (1..=HOST_MAX).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_'))
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_one = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_host(host),
    };
    // One spelling: neither a sign nor zeros before it.
    host_is_one && !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok()
}

fn is_authority(text: &str) -> bool {
    let text = text.strip_suffix('/').unwrap_or(text);
    is_host(text) || is_host_and_port(text)
}

/// A node may join.
#[derive(Serialize, ToSchema)]
pub(crate) struct Joined {
    /// Its number, never given to another.
    #[schema(value_type = u64)]
    node: NodeId,
    /// The random name that tells this cluster from every other.
    cluster: String,
    #[schema(schema_with = schemas::label)]
    name: String,
    #[schema(schema_with = schemas::zone)]
    zone: String,
    /// Its certificate, DER in base64.
    certificate: String,
    /// The authority's certificate, DER in base64.
    authority: String,
    /// The keys that seal secrets, in base64.
    cluster_key: String,
    /// The present members.
    members: Vec<JoinedMember>,
}

/// Where a member is reached.
#[derive(Serialize, ToSchema)]
pub(crate) struct JoinedMember {
    #[schema(value_type = u64)]
    node: NodeId,
    #[schema(example = "10.0.0.1:7443")]
    mesh_address: String,
    /// The SHA-256 of its public key (SubjectPublicKeyInfo): a certificate for another is not it.
    #[schema(schema_with = schemas::digest)]
    key: Digest,
}

impl From<Admission> for Joined {
    fn from(admission: Admission) -> Self {
        let members = admission.members.into_iter().map(|record| JoinedMember {
            node: record.node,
            mesh_address: record.now.mesh_address,
            key: record.key,
        });
        Self {
            node: admission.node,
            name: admission.cluster.name.to_string(),
            zone: admission.cluster.zone.to_string(),
            certificate: BASE64_STANDARD.encode(&admission.certificate),
            authority: BASE64_STANDARD.encode(&admission.authority),
            cluster_key: BASE64_STANDARD.encode(&*admission.cluster_key),
            cluster: admission.cluster.cluster,
            members: members.collect(),
        }
    }
}

/// Whether the node takes requests.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    pub(crate) ready: bool,
    /// Why not.
    #[schema(value_type = Vec<String>, example = json!(["no_majority"]))]
    pub(crate) reasons: Vec<&'static str>,
}

/// What the platform speaks, and its limits.
#[derive(Serialize, ToSchema)]
pub(crate) struct WellKnown {
    /// The clock of this node, for clients whose signatures are outside the window.
    #[schema(schema_with = schemas::moment)]
    pub(crate) server_time: At,
    /// Tags of signatures.
    #[schema(value_type = Vec<String>)]
    pub(crate) tags: [&'static str; 1],
    /// Algorithms of signatures.
    #[schema(value_type = Vec<String>)]
    pub(crate) algorithms: Vec<&'static str>,
    /// Digests of bodies.
    #[schema(value_type = Vec<String>)]
    pub(crate) digests: [&'static str; 2],
    pub(crate) tus: TusOffer,
    pub(crate) limits: Limits,
}

/// What spaces speak.
#[derive(Serialize, ToSchema)]
pub(crate) struct TusOffer {
    pub(crate) version: &'static str,
    pub(crate) extensions: &'static str,
    pub(crate) checksum_algorithms: &'static str,
}

/// Limits of requests.
#[derive(Serialize, ToSchema)]
pub(crate) struct Limits {
    /// The largest content.
    pub(crate) content_max: u64,
    /// The largest content in one round trip.
    pub(crate) one_round_max: usize,
    /// Targets of one packet.
    pub(crate) targets_max: usize,
    /// Receipts in one confirmation.
    pub(crate) receipts_max: usize,
    /// Units in one import.
    pub(crate) units_max: usize,
    /// Items of one page.
    pub(crate) page_max: usize,
    /// How old a signature may be.
    pub(crate) signature_age_max_seconds: u64,
    /// How far ahead a signer's clock may be.
    pub(crate) signature_ahead_max_seconds: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for text in ["10.0.0.1:7443", "node-1.lan:7443", "[::1]:7443"] {
            assert!(is_host_and_port(text), "{text}");
        }
        for text in
            ["", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:70000", "a b:1", "::1:1", "[x]:1", "a/b:1"]
        {
            assert!(!is_host_and_port(text), "{text}");
        }
        assert!(
            is_authority("lgsp.vn")
                && is_authority("lgsp.vn:8443/")
                && !is_authority("lgsp.vn/path")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,60}") {
            is_host_and_port(&text);
            is_authority(&text);
        }
    }
}
