//! Packets: open, send, show, accept, confirm.

use https::Method;
use model::{Digest, FileName, IdempotencyKey, PacketId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    Accepted, Client, Error, NewPacket, Opened, PAGE_MAX, Packet, Page, Policy, Receipt,
    ReceiptResult, State, Submitted,
    body::{Part, multipart},
    send::Call,
};

/// Receipts that are asked for of one packet: more than there are of the largest circular.
const RECEIPTS_MAX: usize = 2_048;

/// One page of receipts.
#[derive(Deserialize)]
struct ReceiptPage {
    receipts: Vec<serde_json::Value>,
    #[serde(default)]
    next: Option<String>,
}

/// What stays as it is in a path segment and in a query value: the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one path segment.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A path with those parameters that have a value.
pub(crate) fn query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut target = path.to_owned();
    let mut mark = '?';
    for (name, value) in parameters {
        if let Some(value) = value {
            target.push(mark);
            target.push_str(name);
            target.push('=');
            target.push_str(&segment(value));
            mark = '&';
        }
    }
    target
}

/// An idempotency key that nobody else uses.
pub fn fresh_idempotency_key() -> IdempotencyKey {
    let key = format!("ik-{}", hex::encode(rand::random::<[u8; 16]>()));
    key.parse().expect("hexadecimal digits are an idempotency key")
}

/// A small content that travels inside the request.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Its name.
    pub name: &'a FileName,
    /// Its octets.
    pub octets: &'a [u8],
}

#[derive(Deserialize)]
struct Results {
    results: Vec<ReceiptResult>,
}

impl Client {
    /// Opens a packet whose content comes next. Repeats are one packet: without a key of the
    /// caller's, one is made for all attempts of this call.
    pub async fn open(
        &self,
        packet: &NewPacket,
        key: Option<&IdempotencyKey>,
    ) -> Result<Opened, Error> {
        let key = key.cloned().unwrap_or_else(fresh_idempotency_key).to_string();
        self.json(Call::post("/v1/packets", packet).header("idempotency-key", key)).await
    }

    /// Submits a packet with its content in one round trip.
    pub async fn submit(
        &self,
        packet: &NewPacket,
        file: File<'_>,
        key: Option<&IdempotencyKey>,
    ) -> Result<Submitted, Error> {
        // The part itself says how long it is; the policy travels with the request.
        let request = NewPacket { size: None, ..packet.clone() };
        let request =
            serde_json::to_vec(&request).expect("bodies have text keys and no failing parts");
        let parts = [
            Part {
                name: "request",
                file_name: None,
                media_type: "application/json",
                octets: &request,
            },
            Part {
                name: "content",
                file_name: Some(file.name.as_str()),
                media_type: packet.media_type.as_str(),
                octets: file.octets,
            },
        ];
        let (media_type, body) = multipart(&parts, rand::random());
        let key = key.cloned().unwrap_or_else(fresh_idempotency_key).to_string();
        let call = Call::new(Method::Post, "/v1/packets")
            .body(&media_type, body)
            .header("idempotency-key", key)
            // The body's digest proves nothing once the content is gone; this one does.
            .header(
                "packet-digest",
                auth::content_digest_sha256(&Sha256::digest(file.octets).into()),
            );
        self.json(call).await
    }

    /// Says that the content is whole, and which digest it has: from here on it is delivered.
    pub async fn commit(
        &self,
        packet: PacketId,
        digest: Digest,
        size: u64,
        policy: Option<&Policy>,
    ) -> Result<Submitted, Error> {
        let mut body = json!({ "digest": digest, "size": size });
        if let Some(policy) = policy {
            body["policy"] = json!(policy);
        }
        self.json(Call::post(format!("/v1/packets/{packet}/commit"), &body)).await
    }

    /// One packet, as the caller's unit may see it.
    pub async fn packet(&self, packet: PacketId) -> Result<Packet, Error> {
        self.json(Call::get(format!("/v1/packets/{packet}"))).await
    }

    /// The receipts of a packet, as the platform answers them, all pages in one list: for `lgsp verify` and other
    /// programs.
    pub async fn receipts(&self, packet: PacketId) -> Result<serde_json::Value, Error> {
        let (path, limit) = (format!("/v1/packets/{packet}/receipts"), PAGE_MAX.to_string());
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let paging = [("cursor", cursor.as_deref()), ("limit", Some(limit.as_str()))];
            let page: ReceiptPage = self.json(Call::get(query(&path, &paging))).await?;
            all.extend(page.receipts);
            // Whoever goes on for ever is no node of ours.
            if page.next.is_none() || all.len() >= RECEIPTS_MAX {
                return Ok(json!({ "receipts": all, "next": page.next }));
            }
            cursor = page.next;
        }
    }

    /// The platform's public keys, a JWK set, as the platform answers them.
    pub async fn platform_keys(&self) -> Result<serde_json::Value, Error> {
        self.json(Call::get("/.well-known/jwks.json".to_owned())).await
    }

    /// A page of what the caller's unit has sent, newest first.
    pub async fn sent(&self, cursor: Option<&str>, limit: u32) -> Result<Page<Packet>, Error> {
        let limit = limit.to_string();
        self.json(Call::get(query("/v1/packets", &[("cursor", cursor), ("limit", Some(&limit))])))
            .await
    }

    /// A page of what waits for the caller's unit, by importance, deadline and age.
    pub async fn inbox(&self, cursor: Option<&str>, limit: u32) -> Result<Page<Packet>, Error> {
        let limit = limit.to_string();
        self.json(Call::get(query("/v1/inbox", &[("cursor", cursor), ("limit", Some(&limit))])))
            .await
    }

    /// Takes a packet back.
    pub async fn cancel(&self, packet: PacketId) -> Result<State, Error> {
        self.json(Call::post(format!("/v1/packets/{packet}/cancel"), &json!({}))).await
    }

    /// Says that the caller's unit is ready for the content.
    pub async fn accept(&self, packet: PacketId) -> Result<Accepted, Error> {
        let call = Call::new(Method::Post, format!("/v1/packets/{packet}/accept"));
        self.json(call.header("accept", "application/json")).await
    }

    /// Confirms that the caller's unit holds the content with this digest.
    pub async fn confirm(&self, packet: PacketId, digest: Digest) -> Result<State, Error> {
        self.json(Call::post(format!("/v1/packets/{packet}/confirm"), &json!({ "digest": digest })))
            .await
    }

    /// Confirms several (1 to 1000) in one request.
    pub async fn confirm_all(&self, receipts: &[Receipt]) -> Result<Vec<ReceiptResult>, Error> {
        let call = Call::post("/v1/confirmations", &json!({ "receipts": receipts }));
        Ok(self.json::<Results>(call).await?.results)
    }

    /// Refuses a packet.
    pub async fn reject(&self, packet: PacketId, reason: &str) -> Result<State, Error> {
        self.json(Call::post(format!("/v1/packets/{packet}/reject"), &json!({ "reason": reason })))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded_and_empty_ones_left_out() {
        assert_eq!(query("/v1/units", &[("q", None), ("limit", Some("5"))]), "/v1/units?limit=5");
        assert_eq!(
            query("/v1/units", &[("q", Some("sở nội&vụ")), ("limit", Some("5"))]),
            "/v1/units?q=s%E1%BB%9F%20n%E1%BB%99i%26v%E1%BB%A5&limit=5"
        );
    }

    #[test]
    fn idempotency_keys_are_words_of_the_model() {
        assert!(fresh_idempotency_key().as_str().starts_with("ik-"));
        assert_ne!(fresh_idempotency_key(), fresh_idempotency_key());
    }
}
