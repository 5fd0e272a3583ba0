//! Scripts: what a body that is not the integrator's does with a document, and when.

use std::{str::FromStr, time::Duration};

use wire::{
    edxml::{Code as _, StatusCode},
    vxp::Code,
};

use crate::time;

/// Statuses of one script: each code three times.
pub const SCRIPT_STEPS_MAX: usize = 18;

/// What a scripted body does with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The statuses that it sends, each so long after the document came.
    pub steps: Vec<(Duration, StatusCode)>,
    /// How long after a recall or an update it agrees or refuses.
    pub recall_after: Duration,
}

/// How long a body thinks about a recall unless its script says otherwise.
const RECALL_AFTER: Duration = Duration::from_secs(10);

impl Default for Script {
    fn default() -> Self {
        let (secs, hours) = (Duration::from_secs, |hours: u64| Duration::from_secs(hours * 3600));
        Self {
            steps: vec![
                (secs(2), StatusCode::Arrived),
                (secs(10), StatusCode::Accepted),
                (hours(1), StatusCode::Finished),
            ],
            recall_after: RECALL_AFTER,
        }
    }
}

/// The script of one body, or of all that have none of their own. It is written `body=status:after,…`, as in
/// `H37=01:2s,03:1min,recall:5s`; `*` is every body, and a body without statuses is silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptOf {
    /// Whose; none for all that have none of their own.
    pub body: Option<Code>,
    /// What it does.
    pub script: Script,
}

/// Why a text is no script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It has not the form of one.
    #[error("a script is written body=status:after,… as in H37=01:2s,03:1min,recall:5s")]
    Form,
    /// The body is no code.
    #[error("the body is a code, or * for every body")]
    Body,
    /// There is no such status.
    #[error("a status is one of 01 to 06, or recall")]
    Status,
    /// It is no span.
    #[error("a span is a number and a unit: ms, s, min, h or d")]
    Span,
    /// There are more than [`SCRIPT_STEPS_MAX`].
    #[error("a script has {SCRIPT_STEPS_MAX} statuses at most")]
    TooMany,
}

/// Whether a receiver says it of a document. Of recalls only when is chosen, and what by the document's subject.
fn is_answer(code: StatusCode) -> bool {
    !matches!(code, StatusCode::TakeBack | StatusCode::RecallAgreed | StatusCode::RecallRefused)
}

impl FromStr for ScriptOf {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let (body, words) = text.trim().split_once('=').ok_or(ScriptError::Form)?;
        let body = match body {
            "*" => None,
            code => Some(Code::parse(code).ok_or(ScriptError::Body)?),
        };
        let mut script = Script { steps: Vec::new(), recall_after: RECALL_AFTER };
        for word in words.split(',').filter(|word| !word.trim().is_empty()) {
            let (what, after) = word.split_once(':').ok_or(ScriptError::Form)?;
            let after = time::parse_span(after).ok_or(ScriptError::Span)?;
            match what.trim() {
                "recall" => script.recall_after = after,
                code => {
                    let code = StatusCode::read(code).filter(|code| is_answer(*code));
                    let code = code.ok_or(ScriptError::Status)?;
                    script.steps.push((after, code));
                }
            }
        }
        if script.steps.len() > SCRIPT_STEPS_MAX {
            return Err(ScriptError::TooMany);
        }
        // Whoever only says when recalls are answered leaves the rest as it is.
        if script.steps.is_empty() && !words.trim().is_empty() {
            script.steps = Script::default().steps;
        }
        Ok(Self { body, script })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_says_what_comes_when() {
        let of: ScriptOf = "H37=01:2s,03:1 min,recall:5s".parse().expect("a script");
        assert_eq!(of.body, Code::parse("H37"));
        let secs = Duration::from_secs;
        let steps = vec![(secs(2), StatusCode::Arrived), (secs(60), StatusCode::Accepted)];
        assert_eq!(of.script, Script { steps, recall_after: secs(5) });
        let silent: ScriptOf = "*=".parse().expect("a script");
        assert_eq!((silent.body, silent.script.steps.len()), (None, 0));
        let recall: ScriptOf = "*=recall:1min".parse().expect("a script");
        assert_eq!(recall.script, Script { recall_after: secs(60), ..Script::default() });
        let many = format!("*={}", "01:1s,".repeat(SCRIPT_STEPS_MAX + 1));
        for (text, error) in [
            ("H37", ScriptError::Form),
            ("H37=01", ScriptError::Form),
            ("ư=01:1s", ScriptError::Body),
            ("H37=99:1s", ScriptError::Status),
            ("H37=13:1s", ScriptError::Status),
            ("H37=01:soon", ScriptError::Span),
            (many.as_str(), ScriptError::TooMany),
        ] {
            assert_eq!(text.parse::<ScriptOf>(), Err(error), "{text}");
        }
    }
}
