//! The closed lists of API and data, as people read them: the glossary's words.

use super::{Lang, Text, help::t};

/// States of packets and of deliveries, by the glossary.
const STATES: &[(&str, Text)] = &[
    ("requested", t("Đã tiếp nhận yêu cầu", "Request accepted")),
    ("awaiting_content", t("Chờ nội dung", "Awaiting content")),
    ("received", t("Đã nhận đủ", "Content received")),
    ("planned", t("Đã lập kế hoạch", "Planned")),
    ("notified", t("Đã báo đích", "Destination notified")),
    ("accepted", t("Đích sẵn sàng nhận", "Destination ready")),
    ("picked_up", t("Đích đã lấy", "Picked up")),
    ("confirmed", t("Đích xác nhận", "Confirmed")),
    ("completed", t("Hoàn tất, đã xoá nội dung", "Completed, content purged")),
    ("needs_decision", t("Cần bên gửi quyết định", "Sender must decide")),
    ("rejected", t("Bị từ chối", "Rejected")),
    ("expired", t("Hết hạn", "Expired")),
    ("cancelled", t("Đã huỷ", "Cancelled")),
    ("failed", t("Lỗi", "Failed")),
];

/// Kinds of units.
const KINDS: &[(&str, Text)] = &[
    ("province", t("tỉnh", "province")),
    ("department", t("sở, ban, ngành", "department")),
    ("commune", t("xã", "commune")),
    ("ward", t("phường", "ward")),
    ("other", t("đơn vị khác", "other")),
    ("remote", t("đơn vị ngoài vùng", "remote")),
];

/// Whether a key may sign.
const KEYS: &[(&str, Text)] =
    &[("active", t("đang dùng", "active")), ("revoked", t("đã thu hồi", "revoked"))];

/// What an application may do.
const GRANTS: &[(&str, Text)] = &[
    ("send", t("gửi", "send")),
    ("receive", t("nhận", "receive")),
    ("admin", t("quản trị", "admin")),
];

/// How far a rotation of the cluster key is.
const PHASES: &[(&str, Text)] = &[
    ("wanted", t("đã yêu cầu", "asked for")),
    ("handed_out", t("đang giao khoá mới cho các nút", "handing the new key to the nodes")),
    ("resealing", t("đang niêm phong lại các bí mật", "sealing the secrets anew")),
    ("settled", t("đã xong", "done")),
    ("unknown", t("chưa rõ", "unknown")),
];

/// Whether a node takes part.
const STANDINGS: &[(&str, Text)] = &[
    ("full", t("đầy đủ", "full")),
    ("copied", t("thư mục chép", "a copy")),
    ("went_back", t("đĩa quay về bản cũ", "its disk went back")),
    ("catching_up", t("đang bắt kịp", "catching up")),
    ("apart", t("đứng riêng", "apart")),
];

/// The phase of a rotation of the cluster key.
pub fn phase(lang: Lang, word: &str) -> String {
    shown(PHASES, lang, word)
}

/// The standing of a node.
pub fn standing(lang: Lang, word: &str) -> String {
    shown(STANDINGS, lang, word)
}

/// A state of a packet or delivery.
pub fn state(lang: Lang, word: &str) -> String {
    shown(STATES, lang, word)
}

/// A kind of unit.
pub fn kind(lang: Lang, word: &str) -> String {
    shown(KINDS, lang, word)
}

/// The status of a key.
pub fn key(lang: Lang, word: &str) -> String {
    shown(KEYS, lang, word)
}

/// A grant.
pub fn grant(lang: Lang, word: &str) -> String {
    shown(GRANTS, lang, word)
}

/// A word that a newer node has and we do not is shown as it is.
fn shown(list: &[(&str, Text)], lang: Lang, word: &str) -> String {
    let known = list.iter().find(|(own, _)| *own == word);
    known.map_or_else(|| word.to_owned(), |(_, text)| text.in_lang(lang).to_owned())
}

/// Every word of people's, by the word that it stands for.
#[cfg(test)]
pub(super) fn messages() -> Vec<(String, Text)> {
    let lists = [
        ("state", STATES),
        ("kind", KINDS),
        ("key", KEYS),
        ("grant", GRANTS),
        ("phase", PHASES),
        ("standing", STANDINGS),
    ];
    let words = lists.into_iter().flat_map(|(list, words)| {
        words.iter().map(move |(word, text)| (format!("{list} {word}"), *text))
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use model::{DeliveryState, Grant, KeyStatus, PacketState, UnitKind};

    use super::*;

    #[test]
    fn every_word_of_the_closed_lists_has_its_words_for_people() {
        let words = |list: &[(&'static str, Text)]| -> Vec<&str> {
            list.iter().map(|(word, _)| *word).collect()
        };
        let states = words(STATES);
        for state in PacketState::ALL.iter().map(|state| state.as_str()) {
            assert!(states.contains(&state), "{state}");
        }
        for state in DeliveryState::ALL.iter().map(|state| state.as_str()) {
            assert!(states.contains(&state), "{state}");
        }
        let all = |own: Vec<&str>, list| assert_eq!(own, words(list));
        all(UnitKind::ALL.iter().map(|word| word.as_str()).collect(), KINDS);
        all(KeyStatus::ALL.iter().map(|word| word.as_str()).collect(), KEYS);
        all(Grant::ALL.iter().map(|word| word.as_str()).collect(), GRANTS);
        assert_eq!(state(Lang::Vi, "of tomorrow"), "of tomorrow");
    }

    #[test]
    fn the_states_are_those_of_the_glossary() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/glossary.md");
        let glossary = std::fs::read_to_string(path).expect("the glossary");
        for (word, text) in STATES {
            let row = format!("| `{word}` | {} | {} |", text.vi, text.en);
            assert!(glossary.contains(&row), "{row}");
        }
    }
}
