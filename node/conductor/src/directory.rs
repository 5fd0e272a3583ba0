//! Who is there: units, and which one a strange code may mean (Article 9(7)).

use machine::{Refusal, UnitRecord, View};
use model::UnitCode;

use crate::door::{Core, Error};

/// Strange codes that are looked for at once; more help nobody.
const STRANGE_UNITS_MAX: usize = 50;
/// Characters of a zone: a letter and two digits.
const ZONE_LEN: usize = 3;

/// The door of whoever looks for a unit. It reads and proposes nothing.
pub struct Directory {
    core: Core,
}

impl Directory {
    pub(crate) fn new(core: Core) -> Self {
        Self { core }
    }

    /// Units in the order of their codes; plain directory search, answered even without a majority.
    pub async fn units(&self, after: Option<&UnitCode>, limit: usize) -> Vec<UnitRecord> {
        View::new(&*self.core.consensus.shared_view().await).units(after, limit)
    }

    /// Units whose name or code fits, best first, without regard to diacritics, Article 9(7).
    pub async fn search_units(&self, query: &str, limit: usize) -> Vec<UnitRecord> {
        View::new(&*self.core.consensus.shared_view().await).search_units(query, limit)
    }

    /// One unit, by its code or an alias.
    pub async fn unit(&self, code: &UnitCode) -> Result<UnitRecord, Error> {
        let known = || self.core.consensus.peek(|rows| View::new(rows).unit(code));
        if let Some(unit) = known() {
            return Ok(unit);
        }
        self.core.consensus.read_index().await?;
        known().ok_or(Error::Refused(Refusal::UnitUnknown))
    }

    /// Which of these codes no unit has, as this node knows it, each with the unit that it may mean.
    pub async fn strange_units(&self, codes: &[UnitCode]) -> Vec<StrangeUnit> {
        // A list of codes, each in several spellings: too many rows for a read under the lock.
        let rows = self.core.consensus.shared_view().await;
        let view = View::new(&*rows);
        let strange = codes.iter().enumerate().filter(|(_, code)| view.unit(code).is_none());
        let strange = strange.take(STRANGE_UNITS_MAX).map(|(index, code)| StrangeUnit {
            index,
            meant: spellings(code).into_iter().find(|code| view.unit(code).is_some()),
        });
        strange.collect()
    }
}

/// A code in a list that no unit has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrangeUnit {
    /// Its place in the list.
    pub index: usize,
    /// The code that its writer may have meant.
    pub meant: Option<UnitCode>,
}

/// How else a code may be spelt: in capitals, and with a full stop behind the zone and each two characters.
fn spellings(code: &UnitCode) -> Vec<UnitCode> {
    let dotted = code.as_str().to_ascii_uppercase().replace(['-', '_'], ".");
    let bare = dotted.replace('.', "");
    let zone = bare.len().min(ZONE_LEN);
    let (zone, rest) = bare.split_at(zone);
    let pairs: Vec<&str> =
        rest.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect();
    let spelt = [dotted.clone(), format!("{zone}.{rest}"), format!("{zone}.{}", pairs.join("."))];
    spelt.iter().filter_map(|code| code.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spelt_in_other_ways() {
        let means = |written: &str, code: &str| {
            let written: UnitCode = written.parse().expect("a code");
            spellings(&written).iter().any(|spelt| spelt.as_str() == code)
        };
        for written in ["h41.02", "H4102", "h4102", "H41-02", " h41_02 "] {
            assert!(means(written, "H41.02"), "{written}");
        }
        assert!(means("h410203", "H41.02.03") && means("H41.0203", "H41.02.03"));
        assert!(means("h41", "H41") && !means("H42.02", "H41.02"));
        for short in ["a", "-", "a-"] {
            spellings(&short.parse().unwrap_or_else(|_| "a".parse().expect("a code")));
        }
    }
}
