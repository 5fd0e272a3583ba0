//! The registry and the cluster: units, applications, keys, members, status.

use std::{collections::BTreeSet, time::Duration};

use https::Method;
use model::{AccessKey, NodeId, UnitCode};
use serde_json::json;

use crate::{
    Added, App, Client, Error, IssuedKey, JoinRequest, JoinToken, Joined, Key, NewApp, NewKey,
    NewUnit, NodeStatus, Page, Ready, Role, Status, Unit,
    packets::{query, segment},
    send::{Call, Proof},
};

/// The units that travel in one request, so that a body stays far below the API's limit.
pub const UNITS_A_REQUEST: usize = 500;
/// The largest page that the API gives.
pub const PAGE_MAX: u32 = 200;

/// Whether a registered unit is the one that was to be added.
fn is_same_unit(new: &NewUnit, there: &Unit) -> bool {
    let aliases = |list: &[UnitCode]| list.iter().cloned().collect::<BTreeSet<_>>();
    (&new.code, new.name.as_str(), new.kind.as_str(), &new.parent)
        == (&there.code, there.name.as_str(), there.kind.as_str(), &there.parent)
        && aliases(&new.aliases) == aliases(&there.aliases)
}

/// Whether a registered application is the one that was to be added.
fn is_same_app(new: &NewApp, there: &App) -> bool {
    let targets = |list: &[UnitCode]| list.iter().cloned().collect::<BTreeSet<_>>();
    let grants: BTreeSet<&str> = new.grants.iter().map(|grant| grant.as_str()).collect();
    (&new.app, Some(&new.unit), new.name.as_str())
        == (&there.app, there.unit.as_ref(), there.name.as_str())
        && grants == there.grants.iter().map(String::as_str).collect::<BTreeSet<_>>()
        && targets(&new.targets) == targets(&there.targets)
}

impl Client {
    /// Registers units; gives how many were added.
    pub async fn add_units(&self, units: &[NewUnit]) -> Result<u64, Error> {
        let mut added = 0;
        for chunk in units.chunks(UNITS_A_REQUEST) {
            let mut doubt = false;
            let call = Call::post("/v1/admin/units", &json!({ "units": chunk }));
            added += match self.send_until(call, &mut doubt).await {
                Ok(answer) => answer.json::<Added>().await?.added,
                // The request was heard before its answer was lost, if all of it is there: it is all or none.
                Err(error) if doubt && error.word() == Some("unit_exists") => {
                    for unit in chunk {
                        if !self
                            .unit(&unit.code)
                            .await
                            .is_ok_and(|there| is_same_unit(unit, &there))
                        {
                            return Err(error);
                        }
                    }
                    chunk.len() as u64
                }
                Err(error) => return Err(error),
            };
        }
        Ok(added)
    }

    /// Gives a unit another name.
    pub async fn rename_unit(&self, code: &UnitCode, name: &str) -> Result<(), Error> {
        let path = format!("/v1/admin/units/{}/rename", segment(code.as_str()));
        self.send(Call::post(path, &json!({ "name": name }))).await.map(drop)
    }

    /// Removes a unit that nothing refers to any more.
    pub async fn remove_unit(&self, code: &UnitCode) -> Result<(), Error> {
        let path = format!("/v1/admin/units/{}/remove", segment(code.as_str()));
        let mut doubt = false;
        match self.send_until(Call::new(Method::Post, path), &mut doubt).await {
            // Heard before its answer was lost: it is gone, as was asked.
            Err(error) if doubt && error.word() == Some("unit_unknown") => Ok(()),
            sent => sent.map(drop),
        }
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
        let mut doubt = false;
        match self.send_until(Call::post("/v1/admin/apps", app), &mut doubt).await {
            Err(error) if doubt && error.word() == Some("app_exists") => {
                if self.has_app(app).await? { Ok(()) } else { Err(error) }
            }
            sent => sent.map(drop),
        }
    }

    /// Whether exactly this application is registered.
    async fn has_app(&self, app: &NewApp) -> Result<bool, Error> {
        let mut cursor = None;
        loop {
            let page = self.apps(cursor.as_deref(), PAGE_MAX).await?;
            if let Some(there) = page.items.iter().find(|there| there.app == app.app) {
                return Ok(is_same_app(app, there));
            }
            if page.next.is_none() {
                return Ok(false);
            }
            cursor = page.next;
        }
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

    /// Revokes a key, for ever: at once, or at a moment (RFC 3339) until which it goes on.
    pub async fn revoke_key(&self, key: &AccessKey, at: Option<&str>) -> Result<(), Error> {
        let body = at.map_or(json!({}), |at| json!({ "at": at }));
        self.send(Call::post(format!("/v1/admin/keys/{key}/revoke"), &body)).await.map(drop)
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

    /// Removes a member; one that holds what no other does only by `force`.
    pub async fn remove_member(&self, node: NodeId, force: bool) -> Result<(), Error> {
        let body = json!({ "force": force });
        let mut call = Call::post(format!("/v1/admin/members/{node}/remove"), &body);
        // Every content must find its majority among those who stay, which may take a while.
        call.timeout = Some(Duration::from_secs(120));
        let mut doubt = false;
        match self.send_until(call, &mut doubt).await {
            Err(error) if doubt && error.word() == Some("node_unknown") => {
                let members = self.members().await?;
                let gone =
                    members.iter().any(|there| there.node == node && there.role == Role::Removed);
                if gone { Ok(()) } else { Err(error) }
            }
            sent => sent.map(drop),
        }
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
        let certificate = answer.response.certificate().map(<[u8]>::to_vec);
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

#[cfg(test)]
mod tests {
    use model::{Grant, UnitKind};

    use super::*;

    fn code(text: &str) -> UnitCode {
        text.parse().expect("a code")
    }

    #[test]
    fn a_record_is_ours_only_if_all_of_it_is() {
        let new = NewUnit {
            code: code("H41.02"),
            name: "Sở Nội vụ".into(),
            kind: UnitKind::Department,
            parent: Some(code("H41")),
            aliases: vec![],
        };
        let there = Unit {
            code: new.code.clone(),
            name: new.name.clone(),
            kind: new.kind.as_str().into(),
            parent: new.parent.clone(),
            aliases: vec![],
            added_at: None,
            added_by: None,
            renamed_by: None,
        };
        assert!(is_same_unit(&new, &there));
        assert!(!is_same_unit(&new, &Unit { name: "Sở Y tế".into(), ..there.clone() }));
        assert!(!is_same_unit(&new, &Unit { parent: None, ..there }));

        let new = NewApp {
            app: "van-thu".parse().expect("an application"),
            unit: code("H41.02"),
            name: "Văn thư".into(),
            grants: vec![Grant::Send, Grant::Receive],
            targets: vec![],
        };
        let there = App {
            app: new.app.clone(),
            unit: Some(new.unit.clone()),
            name: new.name.clone(),
            grants: vec!["receive".into(), "send".into()],
            targets: vec![],
            added_at: None,
            added_by: None,
        };
        assert!(is_same_app(&new, &there));
        assert!(!is_same_app(&new, &App { grants: vec!["send".into()], ..there.clone() }));
        assert!(!is_same_app(&new, &App { targets: vec![code("H41.05")], ..there }));
    }
}
