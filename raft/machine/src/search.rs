//! How people find a unit: by the beginnings of words, without marks, Article 9(7).

use model::{UnitCode, fold};

use crate::v1::UnitRecord;

/// What somebody looks for, prepared once for all units.
pub(crate) struct Query {
    code: String,
    words: Vec<String>,
    folded: Vec<String>,
    phrase: String,
}

/// How well a unit fits, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// The code, or an alias, is what was asked.
    Code,
    /// The code, or an alias, begins so.
    CodeBegins,
    /// The words begin so, marks included, one after the other.
    ExactPhrase,
    /// The words begin so, marks included.
    Exact,
    /// The same without marks, one after the other.
    FoldedPhrase,
    /// The same without marks.
    Folded,
}

impl Query {
    pub(crate) fn new(query: &str) -> Self {
        let folded = fold(query);
        Self {
            code: query.to_lowercase(),
            words: words(&query.to_lowercase()),
            phrase: words(&folded).join(" "),
            folded: words(&folded),
        }
    }

    /// How well the unit fits, and how much of its name was not asked for; none if it does not fit.
    pub(crate) fn rank(&self, unit: &UnitRecord) -> Option<(Rank, usize)> {
        let codes = || [&unit.code].into_iter().chain(&unit.aliases);
        let begins = |code: &&UnitCode| code.as_str().to_lowercase().starts_with(&self.code);
        if let Some(code) = codes().filter(begins).min_by_key(|code| code.as_str().len()) {
            let rest = code.as_str().len() - self.code.len().min(code.as_str().len());
            return Some((if rest == 0 { Rank::Code } else { Rank::CodeBegins }, rest));
        }
        let folded = words(&fold(unit.name.as_str()));
        if self.folded.is_empty() || !all_begin(&self.folded, &folded) {
            return None;
        }
        let exact = all_begin(&self.words, &words(&unit.name.as_str().to_lowercase()));
        let phrase = format!(" {}", folded.join(" ")).contains(&format!(" {}", self.phrase));
        let rank = match (exact, phrase) {
            (true, true) => Rank::ExactPhrase,
            (true, false) => Rank::Exact,
            (false, true) => Rank::FoldedPhrase,
            (false, false) => Rank::Folded,
        };
        Some((rank, folded.len()))
    }
}

fn all_begin(asked: &[String], words: &[String]) -> bool {
    asked.iter().all(|asked| words.iter().any(|word| word.starts_with(asked)))
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
