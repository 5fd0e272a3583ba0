//! What was issued and lives for a while: tokens of the gateway, sessions of the adapter.

use std::collections::BTreeMap;

use model::Moment;

/// Tokens or sessions that live at a time: a client that asks anew for each call of a busy hour. The one that expires
/// first makes room.
pub(crate) const LIVING_MAX: usize = 10_000;

/// What was issued, and until when each is good.
#[derive(Default)]
pub(crate) struct Living(BTreeMap<String, Moment>);

impl Living {
    pub(crate) fn issue(&mut self, token: String, now: Moment, until: Moment) {
        if self.0.len() >= LIVING_MAX {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() >= LIVING_MAX {
            let first =
                self.0.iter().min_by_key(|(_, until)| **until).map(|(token, _)| token.clone());
            first.and_then(|first| self.0.remove(&first));
        }
        self.0.insert(token, until);
    }

    /// Whether it is good at a moment.
    pub(crate) fn is_good(&self, token: &str, now: Moment) -> bool {
        self.0.get(token).is_some_and(|until| *until > now)
    }

    /// It is good no longer.
    pub(crate) fn end(&mut self, token: &str) {
        self.0.remove(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_issued_ends_by_its_time_by_word_and_for_want_of_room() {
        let mut all = Living::default();
        for number in 0..=u64::try_from(LIVING_MAX).expect("small") {
            all.issue(number.to_string(), Moment(0), Moment(10 + number));
        }
        assert!(!all.is_good("0", Moment(1)), "it made room");
        assert!(all.is_good("1", Moment(10)) && !all.is_good("1", Moment(11)));
        all.end("5");
        assert!(!all.is_good("5", Moment(1)));
    }
}
