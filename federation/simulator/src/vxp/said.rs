//! What the axis says: that it is done, a list, or no.

use serde::{Serialize, de::DeserializeOwned};
use wire::vxp::{Answer, Code, Listed, Note};

use crate::{
    directory::BodyIndex,
    fault::Fault,
    hub::{Began, Hub},
    reply::{Outcome, Reply},
    seed::Seed,
};

/// Why the axis says no: a code, and a text without marks as the axis writes them.
///
/// The codes are those of a province's document API, which copies the axis (section 4.6); the axis' own were not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct No {
    pub(super) code: &'static str,
    pub(super) text: String,
}

pub(super) const INVALID: &str = "10";
pub(super) const WRONG_SECRET: &str = "15";
pub(super) const NO_RECEIVER: &str = "18";
pub(super) const NO_SENDER: &str = "19";
pub(super) const SYSTEM: &str = "20";
pub(super) const FILE: &str = "21";
pub(super) const FORMAT: &str = "22";

pub(super) fn no(code: &'static str, text: impl Into<String>) -> No {
    No { code, text: text.into() }
}

/// Whoever called and was believed.
pub(super) struct Caller {
    /// The registered identifier, as it was sent.
    pub(super) system: Code,
    pub(super) body: BodyIndex,
}

/// The answer, whatever it is.
pub(super) fn written<P: Serialize + DeserializeOwned>(answer: &Answer<P>) -> Reply {
    Reply::json(answer.write())
}

pub(super) fn done<P: Serialize + DeserializeOwned>(payload: P) -> Outcome {
    Outcome::ok(written(&Answer::Done(Note::success(), payload)))
}

/// A list, as the faults that strike it leave it.
pub(super) fn listed<T: Serialize + DeserializeOwned>(
    hub: &Hub,
    began: &Began,
    mut rows: Vec<T>,
) -> Outcome {
    let seed = hub.settings.seed;
    if began.struck.by(Fault::Shrinking) {
        rows.truncate(rows.len() / 2);
    }
    if began.struck.by(Fault::Forgetful) && !rows.is_empty() {
        // Other rows each time, and one at least.
        let forgotten = seed.below(&["forgetful"], began.number, rows.len());
        let number = began.number.to_string();
        let mut index = 0;
        rows.retain(|_| {
            let is_this = index == forgotten;
            index += 1;
            !is_this && seed.below(&["forgetful", &number], as_number(index), 2) == 0
        });
    }
    if began.struck.by(Fault::Unordered) {
        rows = shuffled(seed, began.number, rows);
    }
    done(Listed { rows })
}

fn as_number(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX)
}

/// The rows in another order; two and more are never left as they were.
fn shuffled<T>(seed: Seed, number: u64, rows: Vec<T>) -> Vec<T> {
    let number = number.to_string();
    let mut rows: Vec<_> = rows.into_iter().enumerate().collect();
    rows.sort_by_key(|(index, _)| seed.roll(&["unordered", &number], as_number(*index)));
    if rows.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        rows.reverse();
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shuffled_and_none_is_lost() {
        for count in 2..50_u32 {
            let mut rows = shuffled(Seed(3), 1, (0..count).collect());
            assert!(rows.windows(2).any(|pair| pair[0] > pair[1]), "{count}");
            rows.sort_unstable();
            assert_eq!(rows, (0..count).collect::<Vec<_>>());
        }
    }
}
