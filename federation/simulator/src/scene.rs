//! Scenes: what happens by itself, step by step. A line is a step; `#` begins a comment.
//!
//! ```text
//! # The Government Office asks, the axis is slow for ten minutes, and the next day begins.
//! at 0 s    send from=G22 to=H41.08 number=7816 notation=VPCP-TTĐT subject=V/v báo cáo kết nối
//! at 5 min  fault vxp.getEdoc=slow:1
//! at 15 min fault vxp.getEdoc=slow:0
//! at 1 h    clock forward 1 d
//! ```

use std::{str::FromStr, time::Duration};

use wire::vxp::Code;

use crate::{
    fault::{Switch, SwitchError},
    time,
};

/// Steps of one scene: a day with one each ten seconds.
pub const STEPS_MAX: usize = 10_000;

/// A scene.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scene {
    pub(crate) steps: Vec<(Duration, Step)>,
}

impl Scene {
    /// The switches that it turns.
    pub(crate) fn switches(&self) -> impl Iterator<Item = &Switch> {
        self.steps.iter().filter_map(|(_, step)| match step {
            Step::Fault(switch) => Some(switch),
            Step::Send(_) | Step::Clock(_) => None,
        })
    }
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A scripted body sends a document.
    Send(Box<Sent>),
    /// A switch is turned.
    Fault(Switch),
    /// The clock is moved.
    Clock(ClockMove),
}

/// A document that a scripted body sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) from: Code,
    pub(crate) to: Code,
    pub(crate) number: String,
    pub(crate) notation: String,
    pub(crate) subject: String,
}

/// How the clock is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockMove {
    /// Later.
    Forward(Duration),
    /// Earlier.
    Back(Duration),
}

/// Why a text moves no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the clock is moved by «forward 90 s» or «back 1 h»; units are ms, s, min, h and d")]
pub struct ClockMoveError;

impl FromStr for ClockMove {
    type Err = ClockMoveError;

    fn from_str(text: &str) -> Result<Self, ClockMoveError> {
        let (word, span) = text.trim().split_once(' ').ok_or(ClockMoveError)?;
        let span = time::parse_span(span).ok_or(ClockMoveError)?;
        match word {
            "forward" => Ok(Self::Forward(span)),
            "back" => Ok(Self::Back(span)),
            _ => Err(ClockMoveError),
        }
    }
}

impl ClockMove {
    pub(crate) fn ms(self) -> i64 {
        let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        match self {
            Self::Forward(span) => ms(span),
            Self::Back(span) => -ms(span),
        }
    }
}

/// What is wrong with a scene, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the scene is wrong")]
pub struct SceneError {
    /// The line, from one.
    pub line: usize,
    /// Why.
    #[source]
    pub why: StepError,
}

/// What is wrong with a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// It does not begin with a time.
    #[error("a step begins with «at», a number and a unit: ms, s, min, h or d")]
    Time,
    /// It does nothing that is known.
    #[error("a step does one of send, fault, clock")]
    Verb,
    /// A document lacks a field, or a field is wrong.
    #[error(
        "a document is written from=… to=… number=… notation=… subject=…, the subject last; {0} is missing or wrong"
    )]
    Field(&'static str),
    /// The switch is wrong.
    #[error("the fault is wrong")]
    Fault(#[from] SwitchError),
    /// The clock cannot be moved so.
    #[error("the move of the clock is wrong")]
    Clock(#[from] ClockMoveError),
    /// There are more than [`STEPS_MAX`].
    #[error("a scene has {STEPS_MAX} steps at most")]
    TooMany,
}

impl FromStr for Scene {
    type Err = SceneError;

    fn from_str(text: &str) -> Result<Self, SceneError> {
        let mut steps = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let error = |why| SceneError { line: index + 1, why };
            if steps.len() == STEPS_MAX {
                return Err(error(StepError::TooMany));
            }
            steps.push(step(line).map_err(error)?);
        }
        Ok(Self { steps })
    }
}

fn step(line: &str) -> Result<(Duration, Step), StepError> {
    let mut words = line.split_whitespace();
    let (at, number, unit) = (words.next(), words.next(), words.next());
    let (Some("at"), Some(number), Some(unit)) = (at, number, unit) else {
        return Err(StepError::Time);
    };
    let after = time::parse_span(&format!("{number} {unit}")).ok_or(StepError::Time)?;
    let verb = words.next().ok_or(StepError::Verb)?;
    let rest = words.collect::<Vec<_>>().join(" ");
    let step = match verb {
        "send" => Step::Send(Box::new(sent(&rest)?)),
        "fault" => Step::Fault(rest.parse()?),
        "clock" => Step::Clock(rest.parse()?),
        _ => return Err(StepError::Verb),
    };
    Ok((after, step))
}

fn sent(rest: &str) -> Result<Sent, StepError> {
    let (fields, subject) = rest.split_once("subject=").ok_or(StepError::Field("subject"))?;
    let text = |name: &'static str| {
        let mut fields = fields.split_whitespace().filter_map(|field| field.split_once('='));
        let found = fields.find(|(known, _)| *known == name).map(|(_, value)| value);
        found.filter(|value| !value.is_empty()).ok_or(StepError::Field(name))
    };
    let code = |name| Code::parse(text(name)?).ok_or(StepError::Field(name));
    let subject = subject.trim();
    if subject.is_empty() {
        return Err(StepError::Field("subject"));
    }
    Ok(Sent {
        from: code("from")?,
        to: code("to")?,
        number: text("number")?.to_owned(),
        notation: text("notation")?.to_owned(),
        subject: subject.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_read() {
        let scene: Scene = "# A comment.\n\n\
             at 0 s   send from=G22 to=H41.08 number=7816 notation=VPCP-TTĐT subject=V/v báo cáo\n\
             at 5 min fault vxp.getEdoc=slow:1\n\
             at 1 h   clock forward 1 d\n"
            .parse()
            .expect("a scene");
        let after: Vec<_> = scene.steps.iter().map(|(after, _)| after.as_secs()).collect();
        assert_eq!(after, [0, 300, 3600]);
        let Step::Send(sent) = &scene.steps[0].1 else { panic!("a document is sent") };
        assert_eq!((sent.to.as_str(), sent.subject.as_str()), ("H41.08", "V/v báo cáo"));
        assert_eq!(scene.steps[2].1, Step::Clock(ClockMove::Forward(Duration::from_secs(86_400))));
    }

    #[test]
    fn a_wrong_step_says_where_and_why() {
        for (step, why) in [
            ("send from=G22", StepError::Time),
            ("at 1 s sing", StepError::Verb),
            ("at 1 s send from=G22 subject=x", StepError::Field("to")),
            ("at 1 s send from=G22 to=ư subject=x", StepError::Field("to")),
            ("at 1 s fault vxp.getEdoc", StepError::Fault(SwitchError::Form)),
            ("at 1 s clock sideways 1 s", StepError::Clock(ClockMoveError)),
        ] {
            let read = format!("# first\n{step}\n").parse::<Scene>();
            assert_eq!(read, Err(SceneError { line: 2, why }), "{step}");
        }
    }
}
