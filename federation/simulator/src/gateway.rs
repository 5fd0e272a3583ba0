//! A gateway with OAuth2 and what a province republishes behind it: business register, shared lists, population.
//!
//! Tokens come for client credentials in all three shapes. Errors have the shape of WSO2's gateway, which real hosts run.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Map, Value, json};
use wire::gateway::{ErrorCode, Refused, Token, TokenAnswer, TokenRequest, read_bearer};
use wire::vxp::Secret;

use crate::{
    fault::Fault,
    hub::{Began, Hub},
    lists::{NotAdded, ROW_OCTETS_MAX},
    reply::{Head, JSON, Outcome, Reply, causes},
};

mod enterprise;
mod population;
mod wrong;

use wrong::wrong;

/// A call of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Token,
    Enterprise,
    Category,
    Metadata,
    Population,
}

const SCOPE: &str = "am_application_scope default";
const REGISTER: &str = "/apiCSDLDKDN/";
const LISTS: &str = "/dmdc/";
/// Versions that may stand behind the name of a service.
const VERSION: &str = "1.0/";
const POPULATION: &str = "/csdldc/037";

impl Call {
    /// The call of a path.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let behind = |root: &str| {
            let rest = path.strip_prefix(root)?;
            Some(rest.strip_prefix(VERSION).unwrap_or(rest))
        };
        if let Some(rest) = behind(REGISTER) {
            return (rest == "chiTietDoanhNghiep").then_some(Self::Enterprise);
        }
        if let Some(rest) = behind(LISTS) {
            let of = [("Category/", Self::Category), ("Metadata/", Self::Metadata)];
            return of.into_iter().find(|(name, _)| rest.starts_with(name)).map(|(_, call)| call);
        }
        [("/token", Self::Token), (POPULATION, Self::Population)]
            .into_iter()
            .find(|(known, _)| *known == path)
            .map(|(_, call)| call)
    }

    /// Its name in switches and in the ledger.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Enterprise => "enterprise",
            Self::Category => "category",
            Self::Metadata => "metadata",
            Self::Population => "population",
        }
    }
}

/// Answers a call.
pub(crate) fn answer(
    hub: &Hub,
    began: &Began,
    call: Call,
    (head, body): (&Head, &Bytes),
) -> Outcome {
    match call {
        Call::Token => token(hub, began, head, body),
        Call::Population => population::answer(hub, began, head, body),
        Call::Enterprise | Call::Category | Call::Metadata => match unproved(hub, began, head) {
            None => {
                let outcome = match call {
                    Call::Enterprise => enterprise::answer(hub, head),
                    _ => list(hub, call, head, body),
                };
                outcome.by(hub.settings.gateway_client().0)
            }
            Some(refused) => refused,
        },
    }
}

fn token(hub: &Hub, began: &Began, head: &Head, body: &Bytes) -> Outcome {
    let refused = |code: ErrorCode, description: String| {
        let (http, verdict) = (code.http(), code.as_str().to_owned());
        let answer =
            TokenAnswer::Refused(Refused { code, description: Some(description), uri: None });
        Outcome::refused(Reply::new(http, JSON, answer.write().to_vec()), verdict)
    };
    if head.method != Method::POST {
        return refused(ErrorCode::InvalidRequest, "a token is asked for by POST".to_owned());
    }
    let request = match TokenRequest::parse(&head.fields(), body) {
        Ok(request) => request,
        Err(error) => return refused(error.code(), causes(&error)),
    };
    let (client, secret) = hub.settings.gateway_client();
    if request.client() != client || *request.secret() != secret {
        return refused(
            ErrorCode::InvalidClient,
            "the client is unknown or its secret wrong".to_owned(),
        );
    }
    let life = hub.settings.token_life;
    let mut world = hub.world();
    let access = world.identifier("token");
    world.tokens.issue(access.clone(), began.at, began.at.plus(life));
    drop(world);
    let token = Token::new(Secret::new(access), Some(SCOPE.to_owned()), Some(life));
    let answer = TokenAnswer::Issued(token.expect("a header can carry a UUID"));
    Outcome::ok(Reply::json(answer.write().to_vec())).by(client)
}

/// The refusal of a call that has no token that is good.
fn unproved(hub: &Hub, began: &Began, head: &Head) -> Option<Outcome> {
    let Ok(Some(token)) = read_bearer(&head.fields()) else {
        let description = "Make sure your API invocation call has a header: Authorization: Bearer";
        return Some(wrong(401, 900_902, "Missing Credentials", description));
    };
    let mut world = hub.world();
    if began.struck.by(Fault::ExpiredToken) {
        world.tokens.end(token.expose());
    }
    let is_good = world.tokens.is_good(token.expose(), began.at);
    let description = "Access failure: the token is expired or unknown";
    (!is_good).then(|| wrong(401, 900_901, "Invalid Credentials", description))
}

/// The name of a list, behind `Category/` or `Metadata/`.
fn list_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn list(hub: &Hub, call: Call, head: &Head, body: &Bytes) -> Outcome {
    let name = list_name(head.path());
    let unknown = || wrong(404, 404, "Not Found", "There is no such list");
    match (&head.method, call) {
        (&Method::GET, Call::Metadata) => {
            let columns = hub.world().lists.columns(name);
            columns.map_or_else(unknown, |columns| Outcome::ok(Reply::json(columns)))
        }
        (&Method::GET, _) => {
            let rows = hub.world().lists.rows(name);
            rows.map_or_else(unknown, |rows| Outcome::ok(Reply::json(rows)))
        }
        (&Method::POST, Call::Category) => {
            let added = if body.len() > ROW_OCTETS_MAX {
                Some(Err(NotAdded::TooLong))
            } else {
                let row = serde_json::from_slice::<Map<String, Value>>(body).unwrap_or_default();
                hub.world().lists.add(name, row)
            };
            let said = |text: &str, count: u8| {
                let body = json!({ "MSG": text, "Count": count }).to_string();
                let reply = Reply::json(body);
                if count > 0 { Outcome::ok(reply) } else { Outcome::refused(reply, "0") }
            };
            match added {
                None => unknown(),
                Some(Ok(())) => said("Done", 1),
                Some(Err(NotAdded::Duplicate)) => said("Data not insert: key is duplicate", 0),
                Some(Err(NotAdded::NoKey)) => said("Data not insert: key is missing", 0),
                Some(Err(NotAdded::TooLong)) => said("Data not insert: row is too long", 0),
                Some(Err(NotAdded::Full)) => said("Data not insert: list is full", 0),
            }
        }
        _ => wrong(405, 405, "Method Not Allowed", "A list is read by GET and added to by POST"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Family;

    /// A name that only one of the two knows would be a switch that never strikes.
    #[test]
    fn switches_name_these_calls() {
        let calls =
            [Call::Token, Call::Enterprise, Call::Category, Call::Metadata, Call::Population];
        assert_eq!(calls.map(Call::name).to_vec(), Family::Gateway.calls());
    }
}
