//! The registry and the cluster: units, applications, keys, members, status.

use std::time::Duration;

use model::{AccessKey, NodeId, UnitCode};
use serde_json::json;

use crate::{
    Added, App, Client, Error, IssuedKey, JoinRequest, JoinToken, Joined, Key, NewApp, NewKey,
    NewUnit, NodeStatus, Page, Ready, Status, Unit,
    packets::{query, segment},
    send::{Call, Proof},
};

/// The units that travel in one request, so that a body stays far below the API's limit.
const UNITS_A_REQUEST: usize = 500;

impl Client {
    /// Registers units; gives how many were added.
    pub async fn add_units(&self, units: &[NewUnit]) -> Result<u64, Error> {
        let mut added = 0;
        for chunk in units.chunks(UNITS_A_REQUEST) {
            let call = Call::post("/v1/admin/units", &json!({ "units": chunk }));
            added += self.json::<Added>(call).await?.added;
        }
        Ok(added)
    }

    /// One unit, by its code or an alias.
    pub async fn unit(&self, code: &UnitCode) -> Result<Unit, Error> {
        self.json(Call::get(format!("/v1/units/{}", segment(code.as_str())))).await
    }

    /// A page of the units, or of those that a search finds.
    pub async fn units(
        &self,
        search: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<Unit>, Error> {
        let limit = limit.to_string();
        let path =
            query("/v1/units", &[("q", search), ("cursor", cursor), ("limit", Some(&limit))]);
        self.json(Call::get(path)).await
    }

    /// Registers an application.
    pub async fn add_app(&self, app: &NewApp) -> Result<(), Error> {
        self.send(Call::post("/v1/admin/apps", app)).await.map(drop)
    }

    /// A page of the applications.
    pub async fn apps(&self, cursor: Option<&str>, limit: u32) -> Result<Page<App>, Error> {
        let limit = limit.to_string();
        self.json(Call::get(query(
            "/v1/admin/apps",
            &[("cursor", cursor), ("limit", Some(&limit))],
        )))
        .await
    }

    /// Issues a key. Its secret is in the answer and nowhere else, so a request that may have
    /// been heard is not repeated.
    pub async fn issue_key(&self, key: &NewKey) -> Result<IssuedKey, Error> {
        self.json(Call::post("/v1/admin/keys", key).only_unsent()).await
    }

    /// A page of the keys, without their secrets.
    pub async fn keys(&self, cursor: Option<&str>, limit: u32) -> Result<Page<Key>, Error> {
        let limit = limit.to_string();
        self.json(Call::get(query(
            "/v1/admin/keys",
            &[("cursor", cursor), ("limit", Some(&limit))],
        )))
        .await
    }

    /// Revokes a key, for ever.
    pub async fn revoke_key(&self, key: &AccessKey) -> Result<(), Error> {
        self.send(Call::post(format!("/v1/admin/keys/{key}/revoke"), &json!({}))).await.map(drop)
    }

    /// The cluster as the answering node sees it.
    pub async fn status(&self) -> Result<Status, Error> {
        self.json(Call::get("/v1/admin/status")).await
    }

    /// The members.
    pub async fn members(&self) -> Result<Vec<NodeStatus>, Error> {
        // Either a list of the API's form or a bare one is understood.
        let value: serde_json::Value = self.json(Call::get("/v1/admin/members")).await?;
        let list = match value {
            serde_json::Value::Object(mut object) => {
                object.remove("items").or_else(|| object.remove("nodes")).unwrap_or_default()
            }
            other => other,
        };
        serde_json::from_value(list).map_err(|error| Error::Protocol {
            url: self.current_url().to_owned(),
            what: format!("unexpected JSON ({error})"),
        })
    }

    /// Removes a member.
    pub async fn remove_member(&self, node: NodeId) -> Result<(), Error> {
        let mut call = Call::post(format!("/v1/admin/members/{node}/remove"), &json!({}));
        // Every content must find its majority among those who stay, which may take a while.
        call.timeout = Some(Duration::from_secs(120));
        self.send(call).await.map(drop)
    }

    /// Makes a token that lets one node join.
    pub async fn join_token(&self, minutes: Option<u32>) -> Result<JoinToken, Error> {
        let body = match minutes {
            Some(minutes) => json!({ "minutes": minutes }),
            None => json!({}),
        };
        self.json(Call::post("/v1/admin/join-tokens", &body).only_unsent()).await
    }

    /// Joins the cluster; the token inside is the proof. It is spent by the first request that is
    /// heard, so none is repeated that may have been.
    pub async fn join(&self, request: &JoinRequest) -> Result<Joined, Error> {
        self.json(Call::post("/v1/cluster/join", request).proof(Proof::Nothing).only_unsent()).await
    }

    /// Whether the current node lives: it answers at all.
    pub async fn live(&self) -> Result<(), Error> {
        let mut call = Call::get("/livez").proof(Proof::Nothing);
        call.timeout = Some(Duration::from_secs(2));
        self.once(&call).await.map(drop).map_err(|failed| failed.error)
    }

    /// The certificate that the current node presents, in DER.
    pub async fn certificate(&self) -> Result<Vec<u8>, Error> {
        let mut call = Call::get("/livez").proof(Proof::Nothing);
        call.timeout = Some(Duration::from_secs(5));
        let answer = self.once(&call).await.map_err(|failed| failed.error)?;
        let info = answer.response.extensions().get::<reqwest::tls::TlsInfo>();
        let certificate = info.and_then(|info| info.peer_certificate()).map(<[u8]>::to_vec);
        certificate
            .ok_or_else(|| Error::Protocol { url: answer.url, what: "no certificate".into() })
    }

    /// Whether the current node takes requests, and if not, why; asked once.
    pub async fn ready(&self) -> Result<Ready, Error> {
        let mut call = Call::get("/readyz").proof(Proof::Nothing);
        call.timeout = Some(Duration::from_secs(2));
        match self.once(&call).await {
            Ok(answer) => answer.json().await,
            Err(failed) => match failed.error {
                Error::Problem { status: 503, problem } => {
                    let reasons =
                        problem.more.get("reasons").and_then(|list| list.as_array()).cloned();
                    Ok(Ready { ready: false, reasons: reasons.unwrap_or_default() })
                }
                error => Err(error),
            },
        }
    }
}
