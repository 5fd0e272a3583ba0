//! What `verify` says of receipts: what each proves, or why it proves nothing.

use receipts::{Error, KeySetError, Kind, Unreadable};

use super::{
    Lang, Text,
    failures::TECHNICAL,
    help::{Entry, t},
    texts,
};

texts! {
    COL_PROVED = "ĐIỀU CHỨNG MINH", "PROVED";
    COL_FINDING = "KẾT QUẢ", "FINDING";

    WHAT = "biên nhận", "receipt";
    ACCEPTED = "gói tin đã được nền tảng nhận, {at}", "the platform accepted the packet, {at}";
    CONFIRMED = "đích {target} xác nhận đã giữ nội dung, {at}", "the target {target} confirmed that it holds the content, {at}";
    REJECTED = "đích {target} từ chối gói tin, {at}: {reason}", "the target {target} refused the packet, {at}: {reason}";
    DESTROYED = "nội dung đã bị huỷ trên mọi nút từng giữ nó, {at}", "every node that held the content has destroyed it, {at}";
    PACKET = "gói tin", "packet";
    CONTENT = "nội dung", "content";
    CONTENT_IS = "{size} byte, SHA-256 {digest}", "{size} octets, SHA-256 {digest}";
    DESTRUCTION = "đã huỷ", "destroyed";
    DESTROYED_BY = "nút {node}, {at}", "node {node}, {at}";
    UNDESTROYED = "chưa huỷ", "undestroyed";
    UNDESTROYED_BY = "nút {nodes} đã bị gỡ trước khi huỷ", "removed before it had destroyed the content: node {nodes}";
    SIGNATURE = "chữ ký nền tảng", "platform's signature";
    SIGNED_BY = "{issuer}, khoá {key}", "{issuer}, key {key}";
    SIGNED_BY_ENDED = "{issuer}, khoá cũ {key}, dùng đến {until}", "{issuer}, former key {key}, in use until {until}";
    SIGNED_BY_FORMER = "{issuer}, khoá cũ {key}", "{issuer}, former key {key}";
    HISTORY = "lịch sử", "history";
    IN_HISTORY = "sự việc {position} trong {size}, mốc do {log} ký", "fact {position} of {size}, the checkpoint is signed by {log}";
    EVIDENCE_PLACE = "chữ ký ứng dụng trong lịch sử", "application's signature in the history";
    EVIDENCE_IN_HISTORY = "sự việc {position}, cùng mốc", "fact {position}, by the same checkpoint";
    EVIDENCE_SAID = "sự việc {position}: theo lời nền tảng, vì thân yêu cầu nói cả về gói tin khác", "fact {position}: the platform says so; the body is about other packets, too";
    APPLICATION = "chữ ký ứng dụng", "application's signature";
    APPLICATION_NONE = "sự việc này không do ứng dụng nào ký", "no application has signed this";
    APPLICATION_IS = "{unit}, ứng dụng {app}, khoá {key} ({algorithm}): đúng", "{unit}, application {app}, key {key} ({algorithm}): it is right";
    APPLICATION_SHARED = "{unit}, ứng dụng {app}, khoá {key} ({algorithm}): chỉ nền tảng kiểm tra được, vì khoá bí mật là chung", "{unit}, application {app}, key {key} ({algorithm}): only the platform can check it, since the secret is shared";
    APPLICATION_NOT_KEPT = "{unit}, ứng dụng {app}, khoá {key} ({algorithm}): theo lời nền tảng, vì điều đã ký có tên tệp nên không được giữ", "{unit}, application {app}, key {key} ({algorithm}): the platform says so; what was signed named a file, and was not kept";
    SIGNED = "điều ứng dụng ký", "what it signed";
    SIGNED_BOTH = "có tên gói tin và mã băm của nội dung", "it names the packet and the content's digest";
    SIGNED_PACKET = "có tên gói tin, không có mã băm của nội dung", "it names the packet, not the content's digest";
    SIGNED_CONTENT = "có mã băm của nội dung, không có tên gói tin", "it names the content's digest, not the packet";
    SIGNED_NEITHER = "không có tên gói tin, không có mã băm của nội dung: theo lời nền tảng", "it names neither the packet nor the content's digest: the platform says so";
    SIGNED_LONG = "thân yêu cầu dài, biên nhận chỉ có mã băm {digest}", "the body was long, the receipt has its digest alone: {digest}";
    FILE = "tệp", "file";
    FILE_SAME = "{path} đúng là nội dung đó", "{path} is that content";
    FILE_NONE = "biên nhận này không nói gì về nội dung", "this receipt says nothing of a content";

    DONE_ONE = "biên nhận đúng", "the receipt holds";
    DONE_SEVERAL = "mọi biên nhận đều đúng: {count}", "all receipts hold: {count}";
    BAD_ONE = "Biên nhận này không chứng minh được gì.", "This receipt proves nothing.";
    BAD_SEVERAL = "Có biên nhận không chứng minh được gì: {bad} trong {count}.", "Some receipts prove nothing: {bad} of {count}.";
    BAD_SEVERAL_WHY = "xem từng biên nhận ở trên", "each is told above";
    NO_RECEIPT = "{path} không phải biên nhận.", "{path} is no receipt.";
    NO_KEYS = "{path} không dùng được làm bộ khoá của nền tảng.", "{path} cannot be used as a platform's keys.";
    KEYS_MISSING = "Thiếu bộ khoá công khai của nền tảng.", "The platform's public keys are missing.";
    KEYS_MISSING_WHY = "không có --keys, và không có tệp {path}", "there is no --keys, and no file {path}";

    FIX_RECEIPT = "lấy biên nhận từ một nút, lưu nguyên câu trả lời: GET /v1/packets/pk_…/receipts", "take the receipts from a node and keep the answer as it is: GET /v1/packets/pk_…/receipts";
    FIX_KEYS = "lấy bộ khoá từ một nút mà bạn tin: curl --cacert authority.pem https://NÚT:8443/.well-known/jwks.json -o {path}", "take the keys from a node that you trust: curl --cacert authority.pem https://NODE:8443/.well-known/jwks.json -o {path}";
    FIX_OTHER_KEYS = "lấy lại bộ khoá từ nền tảng đã cấp biên nhận: https://NÚT:8443/.well-known/jwks.json", "take the keys again from the platform that gave the receipt: https://NODE:8443/.well-known/jwks.json";
    FIX_ALTERED = "đừng tin nội dung của nó; lấy lại từ nền tảng: GET /v1/packets/pk_…/receipts", "believe nothing that it says; take it again from the platform: GET /v1/packets/pk_…/receipts";
    FIX_NEWER = "kiểm tra bằng bản lgsp mới hơn; xem bản này: lgsp --version", "verify it with a newer lgsp; see this one: lgsp --version";
    FIX_PLATFORM = "báo nền tảng: nền tảng đã ký điều mà chứng cứ không cho thấy", "tell the platform: it has signed what the evidence does not show";
    FIX_FILE = "so với tệp đúng như lúc gửi, không đổi một byte", "compare the file exactly as it was sent, not an octet changed";
    FIX_NO_FILE = "bỏ --file, hoặc dùng biên nhận loại accepted, confirmed hay destroyed", "leave out --file, or use a receipt of the kind accepted, confirmed or destroyed";

    TOO_LONG = "tệp dài hơn mọi biên nhận", "it is longer than any receipt";
    TOO_MANY = "quá nhiều biên nhận trong một tệp", "it has too many receipts";
    NO_RECEIPTS = "danh sách không có biên nhận nào", "the list has no receipt";
    KEYS_TOO_LONG = "dài hơn hoặc nhiều khoá hơn bộ khoá của một nền tảng", "it is longer, or has more keys, than any platform's set";
    KEYS_WRONG = "khoá thứ {index} dùng không được: {reason}", "key {index} cannot be used: {reason}";
    KEYS_INCOMPLETE = "cần một khoá P-256 cho biên nhận và một khoá Ed25519 cho lịch sử", "a P-256 key for receipts and an Ed25519 key for the history are needed";
    OTHER_TYPE = "phần đầu không phải của biên nhận (ES256, lgsp-receipt+jwt)", "its header is not that of a receipt (ES256, lgsp-receipt+jwt)";
    UNKNOWN_KEY = "bộ khoá không có khoá {kid} mà nó nêu", "the keys do not have the one that it names, {kid}";
    KEY_ENDED = "khoá {name} đã hết dùng trước đó: nó chỉ ký các sự việc trước {facts}", "the use of the key {name} had ended before: it signed facts before {facts} alone";
    FORGED = "chữ ký của nền tảng không khớp: đã bị sửa, hoặc không do nền tảng cấp", "the platform's signature does not fit: it was changed, or the platform did not give it";
    OTHER_FORM = "đã ký, nhưng theo dạng mà bản này chưa biết", "it is signed, but in a form that this version does not know";
    OTHER_FACT = "sự việc trong đó không phải loại có biên nhận", "its fact is not of a kind that receipts are made of";
    DISAGREES = "mục `{claim}` không đúng với sự việc trong lịch sử", "its claim `{claim}` is not what the fact in the history says";
    EVIDENCE = "phần `{part}` của chứng cứ không dùng được", "the part `{part}` of its evidence cannot be used";
    EVIDENCE_FORGED = "chữ ký của ứng dụng không khớp với điều được cho là đã ký", "the application's signature does not fit what it is said to have signed";
    EVIDENCE_OTHER = "chứng cứ do đơn vị khác ký", "another unit has signed the evidence";
    STATEMENT_OTHER = "thân yêu cầu trong chứng cứ không phải thân đã được ký", "the body in the evidence is not the one that was signed";
    EVIDENCE_UNPROVED = "chứng cứ thiếu phần chứng minh, hoặc thừa", "the proof of its evidence is missing, or there is nothing that it could prove";
    PROOF = "sự việc không nằm trong lịch sử mà nền tảng đã ký", "its fact is not in the history that the platform has signed";
    CHECKPOINT = "mốc của lịch sử không do khoá nào trong bộ khoá ký", "none of the keys has signed the checkpoint of the history";
    FETCHED = "số biên nhận đã ghi vào {path}: {count}; kiểm tra bằng: lgsp verify {path}", "receipts written to {path}: {count}; verify them with: lgsp verify {path}";
    FETCHED_NONE = "gói tin chưa có biên nhận nào cho đơn vị này", "the packet has no receipt for this unit yet";
    OTHER_LENGTH = "tệp có {found} byte, nội dung có {expected}", "the file has {found} octets, the content had {expected}";
    OTHER_CONTENT = "tệp có SHA-256 {found}, nội dung có {expected}", "the file has the SHA-256 {found}, the content had {expected}";
}

/// Help.
pub const HELP_FETCH: Entry = Entry {
    path: "packet receipts",
    about: t(
        "Lấy biên nhận của một gói tin và khoá công khai của nền tảng, để kiểm tra bằng lgsp verify",
        "Fetch the receipts of a packet and the platform's public keys, for lgsp verify",
    ),
    examples: [
        "lgsp packet receipts pk_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "lgsp packet receipts pk_01ARZ3NDEKTSV4RRFFQ69G5FAV --to bien-nhan.json",
    ],
    args: &[(
        "to",
        t("Tệp ghi biên nhận; mặc định PACKET.receipts.json", "The file to write; PACKET.receipts.json by default"),
    )],
};

/// Help.
pub const HELP: Entry = Entry {
    path: "verify",
    about: t(
        "Kiểm tra biên nhận của nền tảng, không cần nút nào: chữ ký, lịch sử, chứng cứ, tệp",
        "Verify the platform's receipts without any node: signature, history, evidence, file",
    ),
    examples: [
        "lgsp verify receipts.json --keys jwks.json",
        "lgsp verify receipts.json --keys jwks.json --file cong-van.pdf -o json",
    ],
    args: &[
        (
            "receipt",
            t(
                "Tệp JSON có một biên nhận, hoặc câu trả lời của nền tảng có nhiều biên nhận",
                "A JSON file with one receipt, or the platform's answer with several",
            ),
        ),
        (
            "keys",
            t(
                "Bộ khoá công khai của nền tảng (JWKS); mặc định tệp .jwks.json cạnh hồ sơ kết nối",
                "The platform's public keys (JWKS); by default the file .jwks.json beside the profile",
            ),
        ),
        (
            "file",
            t("Tệp đã gửi hoặc đã nhận, để so với nội dung", "The file that was sent or received, to compare"),
        ),
    ],
};

/// What happened, by its kind.
pub const fn kind(kind: Kind) -> Text {
    match kind {
        Kind::Accepted => ACCEPTED,
        Kind::Confirmed => CONFIRMED,
        Kind::Rejected => REJECTED,
        Kind::Destroyed => DESTROYED,
    }
}

/// Why a receipt proves nothing.
pub fn why(lang: Lang, error: &Error) -> String {
    match error {
        Error::TooLong => TOO_LONG.in_lang(lang).to_owned(),
        Error::OtherType => OTHER_TYPE.in_lang(lang).to_owned(),
        Error::UnknownKey { kid } => UNKNOWN_KEY.fill(lang, &[("kid", kid)]),
        Error::KeyEnded { name, facts } => {
            KEY_ENDED.fill(lang, &[("name", name), ("facts", facts)])
        }
        Error::Forged => FORGED.in_lang(lang).to_owned(),
        Error::Claims(_) | Error::Fact(_) => OTHER_FORM.in_lang(lang).to_owned(),
        Error::OtherFact => OTHER_FACT.in_lang(lang).to_owned(),
        Error::Disagrees { claim } => DISAGREES.fill(lang, &[("claim", claim)]),
        Error::Evidence { part } => EVIDENCE.fill(lang, &[("part", part)]),
        Error::EvidenceForged => EVIDENCE_FORGED.in_lang(lang).to_owned(),
        Error::EvidenceOther => EVIDENCE_OTHER.in_lang(lang).to_owned(),
        Error::EvidenceUnproved => EVIDENCE_UNPROVED.in_lang(lang).to_owned(),
        Error::StatementOther => STATEMENT_OTHER.in_lang(lang).to_owned(),
        Error::Hash { .. } | Error::Proof(_) | Error::OtherSize { .. } => {
            PROOF.in_lang(lang).to_owned()
        }
        Error::Checkpoint(_) => CHECKPOINT.in_lang(lang).to_owned(),
        Error::NoContent => FILE_NONE.in_lang(lang).to_owned(),
        Error::OtherLength { expected, found } => {
            OTHER_LENGTH.fill(lang, &[("expected", expected), ("found", found)])
        }
        Error::OtherContent { expected, found } => {
            OTHER_CONTENT.fill(lang, &[("expected", expected), ("found", found)])
        }
    }
}

/// What to do about it.
pub const fn fix(error: &Error) -> Text {
    match error {
        Error::UnknownKey { .. } | Error::Checkpoint(_) => FIX_OTHER_KEYS,
        Error::Claims(_) | Error::Fact(_) | Error::OtherFact => FIX_NEWER,
        Error::Disagrees { .. }
        | Error::Evidence { .. }
        | Error::EvidenceForged
        | Error::EvidenceOther
        | Error::StatementOther => FIX_PLATFORM,
        Error::NoContent => FIX_NO_FILE,
        Error::OtherLength { .. } | Error::OtherContent { .. } => FIX_FILE,
        Error::TooLong
        | Error::OtherType
        | Error::KeyEnded { .. }
        | Error::EvidenceUnproved
        | Error::Forged
        | Error::Hash { .. }
        | Error::Proof(_)
        | Error::OtherSize { .. } => FIX_ALTERED,
    }
}

/// Why a file is no receipt.
pub fn unreadable(lang: Lang, error: &Unreadable) -> String {
    match error {
        Unreadable::TooLong { .. } => TOO_LONG.in_lang(lang).to_owned(),
        Unreadable::TooMany => TOO_MANY.in_lang(lang).to_owned(),
        Unreadable::None => NO_RECEIPTS.in_lang(lang).to_owned(),
        Unreadable::Form(reason) => technical(lang, reason),
    }
}

/// Why a file is no set of keys.
pub fn no_keys(lang: Lang, error: &KeySetError) -> String {
    match error {
        KeySetError::TooLong => KEYS_TOO_LONG.in_lang(lang).to_owned(),
        KeySetError::Form(reason) => technical(lang, reason),
        KeySetError::Key { index, reason } => {
            KEYS_WRONG.fill(lang, &[("index", &(index + 1)), ("reason", reason)])
        }
        KeySetError::Incomplete => KEYS_INCOMPLETE.in_lang(lang).to_owned(),
    }
}

/// A library's own words. They repeat parts of the file, which is a stranger's: nothing of it may steer a terminal.
fn technical(lang: Lang, reason: &dyn std::fmt::Display) -> String {
    let reason = reason.to_string().replace(char::is_control, "\u{fffd}");
    TECHNICAL.fill(lang, &[("reason", &reason)])
}

#[cfg(test)]
mod tests {
    use receipts::Receipt;

    use super::*;

    #[test]
    fn nothing_of_a_file_steers_the_terminal() {
        let error = Receipt::parse_all(b"{\"payload\":\"\",\"\\u001b[2J\":1}").expect_err("no receipt");
        assert!(error.to_string().len() > 4 && format!("{error:?}").contains("[2J"));
        for lang in [Lang::Vi, Lang::En] {
            assert!(!unreadable(lang, &error).contains('\u{1b}'));
        }
    }
}
