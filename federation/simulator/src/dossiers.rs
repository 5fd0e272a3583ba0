//! Dossiers of one-stop shops, by their number, as they were sent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Dossiers that are kept: a test does not send more.
pub const DOSSIERS_MAX: usize = 10_000;
/// Octets of all of them, as JSON: 6 KiB for each.
pub const DOSSIERS_OCTETS_MAX: usize = 64 << 20;

/// A dossier, as it was sent.
pub(crate) type Dossier = Map<String, Value>;

/// The dossiers.
#[derive(Default)]
pub(crate) struct Dossiers {
    by_number: BTreeMap<String, Dossier>,
    octets: usize,
}

/// Why dossiers are not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// One is known already.
    Known,
    /// None is known.
    Unknown,
    /// There would be too many, or they would be too long.
    Full,
}

fn octets(dossier: &Dossier) -> usize {
    serde_json::to_vec(dossier).map_or(0, |json| json.len())
}

impl Dossiers {
    pub(crate) fn get(&self, number: &str) -> Option<&Dossier> {
        self.by_number.get(number)
    }

    /// Takes dossiers over, all or none. Known ones are replaced where that is meant.
    pub(crate) fn take(
        &mut self,
        rows: Vec<(String, Dossier)>,
        is_updating: bool,
    ) -> Result<(), NotTaken> {
        let is_known = |number: &str| self.by_number.contains_key(number);
        if !is_updating && rows.iter().any(|(number, _)| is_known(number)) {
            return Err(NotTaken::Known);
        }
        let new: BTreeSet<_> =
            rows.iter().map(|(number, _)| number).filter(|number| !is_known(number)).collect();
        let added: usize = rows.iter().map(|(_, dossier)| octets(dossier)).sum();
        // What is replaced is counted as if it stayed: whoever is that near to the limit is told so.
        if self.by_number.len() + new.len() > DOSSIERS_MAX
            || self.octets.saturating_add(added) > DOSSIERS_OCTETS_MAX
        {
            return Err(NotTaken::Full);
        }
        for (number, dossier) in rows {
            self.put(number, dossier);
        }
        Ok(())
    }

    /// Puts fields into a dossier.
    pub(crate) fn extend(&mut self, number: &str, fields: &Dossier) -> Result<(), NotTaken> {
        let mut dossier = self.by_number.get(number).cloned().ok_or(NotTaken::Unknown)?;
        dossier.extend(fields.clone());
        if self.octets.saturating_add(octets(&dossier)) > DOSSIERS_OCTETS_MAX {
            return Err(NotTaken::Full);
        }
        self.put(number.to_owned(), dossier);
        Ok(())
    }

    fn put(&mut self, number: String, dossier: Dossier) {
        self.octets += octets(&dossier);
        if let Some(old) = self.by_number.insert(number, dossier) {
            self.octets = self.octets.saturating_sub(octets(&old));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dossier(text: &str) -> Dossier {
        Dossier::from_iter([("x".to_owned(), Value::from(text))])
    }

    #[test]
    fn only_new_ones_count_and_what_is_full_takes_no_more() {
        let mut dossiers = Dossiers::default();
        let rows = (0..DOSSIERS_MAX).map(|number| (number.to_string(), dossier("")));
        let rows: Vec<_> = rows.collect();
        assert_eq!(dossiers.take(rows.clone(), false), Ok(()));
        assert_eq!(dossiers.take(rows[..1].to_vec(), false), Err(NotTaken::Known));
        assert_eq!(dossiers.take(rows, true), Ok(()), "an update is none more");
        assert_eq!(dossiers.take(vec![("new".into(), dossier(""))], true), Err(NotTaken::Full));
        assert_eq!(dossiers.extend("new", &dossier("")), Err(NotTaken::Unknown));
        assert_eq!(dossiers.extend("1", &dossier("y")), Ok(()));
        assert_eq!(dossiers.get("1"), Some(&dossier("y")));
    }

    #[test]
    fn their_octets_are_bounded_and_come_back() {
        let mut dossiers = Dossiers::default();
        let half = dossier(&"x".repeat(DOSSIERS_OCTETS_MAX / 2 - 100));
        let quarter = dossier(&"x".repeat(DOSSIERS_OCTETS_MAX / 4));
        assert_eq!(dossiers.take(vec![("a".into(), half.clone())], false), Ok(()));
        assert_eq!(dossiers.take(vec![("b".into(), half.clone())], false), Ok(()));
        assert_eq!(dossiers.take(vec![("c".into(), quarter.clone())], false), Err(NotTaken::Full));
        assert_eq!(dossiers.extend("a", &quarter), Err(NotTaken::Full));
        // Replaced by a small one, a large one leaves its room.
        dossiers.put("a".into(), dossier(""));
        assert_eq!(dossiers.take(vec![("c".into(), quarter)], false), Ok(()));
    }
}
