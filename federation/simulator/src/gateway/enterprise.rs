//! The business register: one enterprise by its number, made up from the seed.

use hyper::Method;
use serde_json::json;

use super::wrong::wrong;
use crate::{
    hub::Hub,
    reply::{Head, Outcome, Reply},
};

const KINDS: [&str; 3] = ["Công ty TNHH", "Công ty cổ phần", "Doanh nghiệp tư nhân"];
const WORDS: [&str; 6] = ["Sông Lam", "Hồng Lĩnh", "Cửa Lò", "Phủ Quỳ", "Nam Đàn", "Con Cuông"];
const WORK: [(&str, &str); 3] = [
    ("4100", "Xây dựng nhà các loại"),
    ("0118", "Trồng rau, đậu các loại"),
    ("6201", "Lập trình máy vi tính"),
];

/// A number of an enterprise: ten digits, and three more for a branch.
fn is_number(text: &str) -> bool {
    let (number, branch) = text.split_at_checked(10).unwrap_or((text, "?"));
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|c| c.is_ascii_digit());
    digits(number, 10) && (branch.is_empty() || digits(branch.trim_start_matches('-'), 3))
}

pub(super) fn answer(hub: &Hub, head: &Head) -> Outcome {
    if head.method != Method::GET {
        return wrong(405, 405, "Method Not Allowed", "An enterprise is asked for by GET");
    }
    let number = head.query("msdn").unwrap_or_default();
    let seed = hub.settings.seed;
    // One number of ten belongs to nobody, so that a client meets the empty answer.
    let is_there = is_number(number) && seed.below(&["enterprise", number, "there"], 0, 10) > 0;
    if !is_there {
        let nothing =
            json!({ "DataCount": 0, "Status": "0", "Message": "Không tìm thấy doanh nghiệp" });
        return Outcome::refused(Reply::json(nothing.to_string()), "0");
    }
    let pick = |what: &str, limit| seed.below(&["enterprise", number, what], 0, limit);
    let (kind, word) = (KINDS[pick("kind", KINDS.len())], WORDS[pick("word", WORDS.len())]);
    let (work, name) = WORK[pick("work", WORK.len())];
    let found = json!({
        "MainInformation": {
            "ENTERPRISE_GDT_CODE": number,
            "NAME": format!("{kind} {word}"),
            "ENTERPRISE_STATUS": "Đang hoạt động",
        },
        "HOAdress": { "AddressFullText": format!("Số {} đường Quang Trung, tỉnh Nghệ An", 1 + pick("house", 200)) },
        "BusinessActivity": [{ "CODE": work, "NAME": name, "IS_MAIN": "1" }],
        "Member": [{ "FULL_NAME": "Nguyễn Văn A", "POSITION": "Giám đốc" }],
        "DataCount": 1,
        "Status": "1",
        "Message": "Thành công",
    });
    Outcome::ok(Reply::json(found.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_ten_digits_or_thirteen() {
        for text in ["2900325526", "2900325526001", "2900325526-001"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "29003255", "29003255260", "2900325526-01", "290032552a"] {
            assert!(!is_number(text), "{text}");
        }
    }
}
