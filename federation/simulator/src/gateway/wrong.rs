//! Refusals in the shape of WSO2's gateway.

use serde::Serialize;

use crate::reply::{JSON, Outcome, Reply};

#[derive(Serialize)]
struct Wrong {
    fault: WrongParts,
}

#[derive(Serialize)]
struct WrongParts {
    code: u32,
    message: &'static str,
    description: &'static str,
}

/// A refusal of the gateway itself.
pub(super) fn wrong(
    http: u16,
    code: u32,
    message: &'static str,
    description: &'static str,
) -> Outcome {
    let wrong = Wrong { fault: WrongParts { code, message, description } };
    let body = serde_json::to_vec(&wrong).expect("texts are JSON");
    Outcome::refused(Reply::new(http, JSON, body), code.to_string())
}
