//! How the program ends: one list for its help, its guide and its tests.

use super::{Lang, Text, help::t};
use crate::cli::Exit;

/// Heading.
pub const HEADING: Text = t("Mã thoát:", "Exit codes:");

/// Every exit code, in order.
pub const ALL: &[(Exit, Text)] = &[
    (Exit::Ok, t("đã xong", "it is done")),
    (Exit::Failed, t("không làm được", "it could not be done")),
    (Exit::Usage, t("lệnh hoặc tệp viết chưa đúng", "the command or a file is wrong")),
    (Exit::Degraded, t("đã xong, nhưng cụm suy giảm", "it is done, but the cluster is degraded")),
    (
        Exit::Unreachable,
        t(
            "không tới được cụm, hoặc không kịp thời gian chờ",
            "the cluster cannot be reached, or not in time",
        ),
    ),
    (Exit::NotPermitted, t("không được phép", "it is not permitted")),
    (Exit::NotFound, t("không có thứ được nêu", "there is no such thing")),
    (
        Exit::Conflict,
        t("trái với điều đã có hoặc đã xảy ra", "it conflicts with what exists or has happened"),
    ),
    (
        Exit::Removed,
        t(
            "lgsp run: nút đã bị gỡ, chạy lại cũng không ích gì",
            "lgsp run: the node was removed, starting it again does not help",
        ),
    ),
    (
        Exit::Twice,
        t(
            "lgsp run: nút đang chạy ở nơi khác, chạy lại cũng không ích gì",
            "lgsp run: the node runs elsewhere, starting it again does not help",
        ),
    ),
];

/// The list as the help ends with it.
pub fn listed(lang: Lang) -> String {
    let line = |(exit, text): &(Exit, Text)| format!("\n  {}  {}", *exit as u8, text.in_lang(lang));
    let lines: String = ALL.iter().map(line).collect();
    format!("{}{lines}", HEADING.in_lang(lang))
}

/// Every line of the list.
#[cfg(test)]
pub(super) fn messages() -> Vec<(String, Text)> {
    let line = |(exit, text): &(Exit, Text)| (format!("{}", *exit as u8), *text);
    std::iter::once(("HEADING".to_owned(), HEADING)).chain(ALL.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finding 17: the codes are the same everywhere, and written down.
    #[test]
    fn the_guides_list_every_exit_code() {
        for (lang, name) in [(Lang::Vi, "van-hanh.md"), (Lang::En, "operations.md")] {
            let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
            let guide = std::fs::read_to_string(&path).expect("the guide");
            for (number, (exit, text)) in ALL.iter().enumerate() {
                assert_eq!(*exit as usize, number);
                let row = format!("| {number} | {} |", text.in_lang(lang));
                assert!(guide.contains(&row), "{name} lacks {row}");
            }
        }
    }
}
