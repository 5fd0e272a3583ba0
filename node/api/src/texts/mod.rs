//! What people read when something is refused, in Vietnamese and English: what happened, and how to mend it.
//!
//! Every refusal of the rules, every rejection of a signature and every fault of a request has its
//! row; the words and numbers are stable, the sentences may be improved.

mod faults;
mod fields;
mod keys;
mod refusals;
mod rejections;
mod rules;
mod signing;

pub(crate) use faults::Fault;
pub use fields::reason_vi;
pub(crate) use refusals::refusal;
pub(crate) use rejections::rejection;

use crate::lang::Lang;

/// What happened, and how to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    /// What happened, in a few words.
    pub(crate) title: &'static str,
    /// What it means and what to do.
    pub(crate) detail: &'static str,
}

/// One kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// The stable word.
    pub(crate) word: &'static str,
    /// The last part of the problem's type where it is not the word with hyphens.
    kind: Option<&'static str>,
    /// The stable number, as in `LGSP-1203`.
    pub(crate) number: u16,
    /// The HTTP status.
    pub(crate) status: u16,
    /// Whether the same request may succeed later as it is.
    pub(crate) retryable: bool,
    vi: Text,
    en: Text,
}

impl Row {
    /// The last part of the problem's type, written as the signature's profile writes its own.
    pub(crate) fn kind(&self) -> String {
        self.kind.map_or_else(|| self.word.replace('_', "-"), str::to_owned)
    }

    /// The texts in a language.
    pub(crate) const fn text(&self, lang: Lang) -> Text {
        match lang {
            Lang::Vi => self.vi,
            Lang::En => self.en,
        }
    }
}

/// Shortens the tables: a status, the Vietnamese title and detail, the English ones.
const fn texts(vi: [&'static str; 2], en: [&'static str; 2]) -> (Text, Text) {
    (Text { title: vi[0], detail: vi[1] }, Text { title: en[0], detail: en[1] })
}

/// Something still refers to a unit that is to go.
const fn unit_in_use() -> (u16, (Text, Text)) {
    let texts = texts(
        [
            "Đơn vị còn được dùng",
            "Còn đơn vị cấp dưới hoặc ứng dụng gắn với đơn vị này, hoặc đã từng có thông báo gửi tới mã của nó. Mã đã dùng thì giữ lại, chỉ đổi tên được.",
        ],
        [
            "The unit is in use",
            "Units below it or applications refer to it, or a notice was sent to its code before. A code that was used is kept: only its name can change.",
        ],
    );
    (409, texts)
}

/// The content of a packet is gone from every node.
const fn content_lost() -> (u16, (Text, Text)) {
    let texts = texts(
        [
            "Nội dung gói tin không còn ở nút nào",
            "Sau một sự cố, không nút nào còn giữ nội dung này. Quản trị viên đang xử lý; nguồn cần gửi lại nội dung trong một gói tin mới.",
        ],
        [
            "No node holds the packet's content any more",
            "After an incident no node holds this content. The administrator is told; the source should send the content again, in a new packet.",
        ],
    );
    (410, texts)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use machine::Refusal;

    use super::*;

    fn rows() -> Vec<Row> {
        let refusals = Refusal::ALL.iter().map(|refusal| super::refusal(*refusal));
        let faults = Fault::ALL.iter().map(|fault| fault.row());
        refusals.chain(rejections::tests::all().iter().map(rejection)).chain(faults).collect()
    }

    #[test]
    fn every_row_speaks_both_languages() {
        for row in rows() {
            for lang in [Lang::Vi, Lang::En] {
                let text = row.text(lang);
                assert!(!text.title.is_empty() && !text.title.ends_with('.'), "{}", row.word);
                assert!(text.detail.ends_with(['.', '?']), "{} in {}", row.word, lang.tag());
            }
            assert_ne!(row.vi.title, row.en.title, "{}", row.word);
            assert_ne!(row.vi.detail, row.en.detail, "{}", row.word);
            assert!(row.en.detail.is_ascii(), "{}", row.word);
            assert!((400..=599).contains(&row.status), "{}", row.word);
        }
    }

    /// Every message in both languages, so that a change of one is read by whoever reviews it.
    #[test]
    fn every_message_is_in_the_file_of_messages() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messages.txt");
        let mut rows = rows();
        rows.sort_by_key(|row| row.number);
        let rows = rows.iter().map(|row| {
            let Row { number, word, vi, en, .. } = row;
            let (vi, en) = ([vi.title, vi.detail].join(". "), [en.title, en.detail].join(". "));
            format!("LGSP-{number} {word}\nvi: {vi}\nen: {en}\n")
        });
        let reasons =
            fields::all().map(|(en, vi)| format!("errors[].detail\nvi: {vi}\nen: {en}\n"));
        let now = rows.chain(reasons).collect::<Vec<_>>().join("\n");
        if std::env::var_os("UPDATE_MESSAGES").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))
                .expect("a directory");
            std::fs::write(path, &now).expect("written");
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        let differing = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
        assert!(
            now == kept,
            "UPDATE_MESSAGES=1 writes {path} anew; the first difference: {differing:?}"
        );
    }

    #[test]
    fn numbers_are_unique_and_words_are_words() {
        let mut numbers = HashSet::new();
        for row in rows() {
            assert!(numbers.insert(row.number), "{} repeats {}", row.word, row.number);
            assert!(row.word.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{}", row.word);
        }
    }

    #[test]
    fn a_type_stands_for_one_word() {
        let mut words = HashMap::new();
        for row in rows() {
            let kind = row.kind();
            assert!(kind.bytes().all(|c| c.is_ascii_lowercase() || c == b'-'), "{kind}");
            assert_eq!(*words.entry(kind.clone()).or_insert(row.word), row.word, "{kind}");
        }
    }

    #[test]
    fn the_types_of_the_signature_are_the_profiles() {
        let kinds: HashSet<String> = rows().iter().map(Row::kind).collect();
        for kind in [
            "signature-missing",
            "key-unknown",
            "key-disabled",
            "algorithm-mismatch",
            "component-missing",
            "tag-missing",
            "digest-mismatch",
            "clock-out-of-window",
            "nonce-missing",
            "nonce-reused",
            "signature-invalid",
            "legacy-algorithm-disabled",
        ] {
            assert!(kinds.contains(kind), "{kind}");
        }
        assert_eq!(super::rejection(&auth::Rejection::KeyUnknown).kind(), "key-unknown");
        assert_eq!(super::rejection(&auth::Rejection::DigestMismatch).kind(), "digest-mismatch");
    }

    #[test]
    fn refusals_keep_the_machines_words_and_numbers() {
        for refusal in Refusal::ALL {
            let row = super::refusal(*refusal);
            assert_eq!((row.word, row.number), (refusal.as_str(), refusal.number()));
        }
    }
}
