//! What sources and targets do: send, upload, receive, confirm.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::answered;
use crate::wire::{Answer, Conn, Credential, Endpoint, Request, multipart};

/// A unit with an application and its key.
#[derive(Debug, Clone)]
pub struct Party {
    /// The code of the unit.
    pub unit: String,
    /// The key of its application.
    pub key: Credential,
}

/// What an accepted target is given.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The packet.
    pub packet: String,
    /// The token that opens its content.
    pub token: String,
    /// The content's size.
    pub size: u64,
    /// The content's digest in hexadecimal.
    pub digest: String,
}

/// The SHA-256 of octets in hexadecimal.
pub fn digest_of(octets: &[u8]) -> String {
    hex::encode(Sha256::digest(octets))
}

impl Party {
    async fn call(&self, at: &Arc<Endpoint>, request: Request) -> Result<Answer> {
        Conn::new(at).call(&self.key.sign(&at.authority, request)).await
    }

    /// The request of a packet, without content.
    pub fn request(targets: &[&str], title: &str) -> Value {
        json!({ "targets": targets, "title": title, "media_type": "application/octet-stream" })
    }

    /// A small packet in one round trip, ready to be signed.
    pub fn submission(
        targets: &[&str],
        title: &str,
        file: &str,
        content: &[u8],
        repeat: &str,
    ) -> Request {
        let request =
            multipart(&Self::request(targets, title), file, "application/octet-stream", content);
        if repeat.is_empty() {
            request
        } else {
            request.header("idempotency-key", format!("\"{repeat}\""))
        }
    }

    /// Sends a small packet in one round trip. Any status is an answer.
    pub async fn submit(
        &self,
        at: &Arc<Endpoint>,
        targets: &[&str],
        title: &str,
        content: &[u8],
        repeat: &str,
    ) -> Result<Answer> {
        self.call(at, Self::submission(targets, title, "noi-dung.bin", content, repeat)).await
    }

    /// Opens a packet whose content comes later: the packet, its space and the token.
    pub async fn open(
        &self,
        at: &Arc<Endpoint>,
        targets: &[&str],
        title: &str,
        size: Option<u64>,
    ) -> Result<(String, String, String)> {
        let mut request = Self::request(targets, title);
        if let Some(size) = size {
            request["size"] = size.into();
        }
        let asked = async || self.call(at, Request::post("/v1/packets", &request)).await;
        let answer = answered("a packet is opened", ANSWER_TIME_MAX, asked).await?.success()?;
        Ok((answer.text("/packet"), answer.text("/space/id"), answer.text("/space/token")))
    }

    /// One `PATCH` of an upload, ready to be sent.
    pub fn patch(space: &str, token: &str, offset: u64, piece: Bytes) -> Request {
        Request::new("PATCH", format!("/v1/spaces/{space}/content"))
            .bearer(token)
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", offset.to_string())
            .body("application/offset+octet-stream", piece)
    }

    /// How much of an upload is durable.
    pub async fn offset(at: &Arc<Endpoint>, space: &str, token: &str) -> Result<Answer> {
        let request = Request::new("HEAD", format!("/v1/spaces/{space}/content"));
        Conn::new(at).call(&request.bearer(token).header("tus-resumable", "1.0.0")).await
    }

    /// Says that the content is whole.
    pub async fn commit(
        &self,
        at: &Arc<Endpoint>,
        packet: &str,
        size: u64,
        digest: &str,
    ) -> Result<Answer> {
        let body = json!({ "digest": digest, "size": size });
        self.call(at, Request::post(format!("/v1/packets/{packet}/commit"), &body)).await
    }

    /// A packet as this party sees it.
    pub async fn packet(&self, at: &Arc<Endpoint>, packet: &str) -> Result<Answer> {
        self.call(at, Request::get(format!("/v1/packets/{packet}"))).await
    }

    /// Says that this target is ready.
    pub async fn accept(&self, at: &Arc<Endpoint>, packet: &str) -> Result<Accepted> {
        let answer = self
            .call(at, Request::new("POST", format!("/v1/packets/{packet}/accept")))
            .await?
            .success()?;
        let size = answer.json()["size"].as_u64().context("an accepted packet has a size")?;
        Ok(Accepted {
            packet: packet.to_owned(),
            token: answer.text("/token"),
            size,
            digest: answer.text("/digest"),
        })
    }

    /// Says that this target is ready, and takes the content in the same answer.
    pub async fn accept_whole(&self, at: &Arc<Endpoint>, packet: &str) -> Result<Answer> {
        let request = Request::new("POST", format!("/v1/packets/{packet}/accept"))
            .header("accept", "application/octet-stream");
        self.call(at, request).await
    }

    /// Fetches the content, or a range of it such as `bytes=10-19`.
    pub async fn fetch(at: &Arc<Endpoint>, accepted: &Accepted, range: &str) -> Result<Answer> {
        let mut request = Request::get(format!("/v1/packets/{}/content", accepted.packet))
            .bearer(&accepted.token);
        if !range.is_empty() {
            request = request.header("range", range);
        }
        Conn::new(at).call(&request).await
    }

    /// Confirms what this target holds.
    pub async fn confirm(&self, at: &Arc<Endpoint>, packet: &str, digest: &str) -> Result<Answer> {
        let body = json!({ "digest": digest });
        self.call(at, Request::post(format!("/v1/packets/{packet}/confirm"), &body)).await
    }

    /// Accepts, takes, checks and confirms a packet; its content comes back.
    pub async fn receive(&self, at: &Arc<Endpoint>, packet: &str) -> Result<Bytes> {
        let accept = async || self.accept_whole(at, packet).await;
        let accepted = answered("an accept", ANSWER_TIME_MAX, accept).await?.success();
        let body = accepted.with_context(|| format!("accepting {packet}"))?.body;
        let digest = digest_of(&body);
        let confirm = async || self.confirm(at, packet, &digest).await;
        let confirmed = answered("a confirmation", ANSWER_TIME_MAX, confirm).await?.success();
        confirmed.with_context(|| format!("confirming {packet}"))?;
        Ok(body)
    }

    /// All items of a list, page by page.
    pub async fn list(&self, at: &Arc<Endpoint>, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut next = String::new();
        let mut conn = Conn::new(at);
        for _ in 0..LIST_PAGES_MAX {
            let cursor = if next.is_empty() {
                String::new()
            } else {
                format!("&cursor={}", crate::wire::percent(&next))
            };
            let request = Request::get(format!("{path}?limit=200{cursor}"));
            let answer = answered(path, ANSWER_TIME_MAX, async || {
                conn.call(&self.key.sign(&at.authority, request.clone())).await
            })
            .await?
            .success()?;
            let Value::Object(mut page) = answer.json() else { break };
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(cursor) => cursor.clone_into(&mut next),
                None => return Ok(items),
            }
        }
        ensure!(false, "{path} has more than {LIST_PAGES_MAX} pages");
        Ok(items)
    }
}

/// How long a party asks again while a node does not answer or answers 503: longer than an election
/// on two busy cores.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Pages of a list that are read: 200 000 items, more than any scene or load leaves.
const LIST_PAGES_MAX: usize = 1000;
