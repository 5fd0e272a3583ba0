//! What is wrong with a field, in Vietnamese: the words' own reasons are English.

/// What words say of themselves, and what it is in Vietnamese.
const REASONS: &[(&str, &str)] = &[
    ("it is empty", "không được để trống"),
    ("at most 500 characters are allowed", "tối đa 500 ký tự"),
    ("at most 200 characters are allowed", "tối đa 200 ký tự"),
    ("it has a control character or a line break", "có ký tự điều khiển hoặc xuống dòng"),
    ("it has a mark that reverses the direction of text", "có ký tự đảo chiều chữ"),
    ("it has no visible character", "không có ký tự nào nhìn thấy được"),
    (
        "one of these is expected: normal, urgent, very_urgent, flash",
        "cần một trong các giá trị: normal, urgent, very_urgent, flash",
    ),
    (
        "one of these is expected: province, department, commune, ward, other, remote",
        "cần một trong các giá trị: province, department, commune, ward, other, remote",
    ),
    (
        "one of these is expected: send, receive, admin",
        "cần một trong các giá trị: send, receive, admin",
    ),
    (
        "one of these is expected: hmac-sha256, rsa-v1_5-sha256, rsa-pss-sha512, ed25519, ecdsa-p256-sha256",
        "cần một trong các giá trị: hmac-sha256, rsa-v1_5-sha256, rsa-pss-sha512, ed25519, ecdsa-p256-sha256",
    ),
    ("1 to 64 characters are expected", "cần từ 1 đến 64 ký tự"),
    (
        "letters without marks, digits, full stop, hyphen and underscore are allowed",
        "chỉ dùng chữ không dấu, chữ số, dấu chấm, gạch nối và gạch dưới",
    ),
    ("a code has at least one letter or digit", "mã phải có ít nhất một chữ hoặc số"),
    ("2 to 40 characters are expected", "cần từ 2 đến 40 ký tự"),
    (
        "lower-case letters, digits and inner hyphens are allowed",
        "chỉ dùng chữ thường không dấu, chữ số và gạch nối ở giữa",
    ),
    ("it begins with AK", "phải bắt đầu bằng AK"),
    ("20 characters of base32 follow AK", "sau AK phải là 20 ký tự base32"),
    (
        "64 hexadecimal characters of a SHA-256 are expected",
        "cần 64 ký tự thập lục phân của SHA-256",
    ),
    ("type/subtype is expected, at most 127 characters", "cần dạng type/subtype, tối đa 127 ký tự"),
    ("at most 4096 characters of ASCII are allowed", "tối đa 4096 ký tự ASCII"),
    ("1 to 255 characters are expected", "cần từ 1 đến 255 ký tự"),
    (
        "it has a path separator or a control character",
        "có dấu phân cách đường dẫn hoặc ký tự điều khiển",
    ),
    ("it names a directory", "là tên thư mục"),
    ("1 to 128 characters are expected", "cần từ 1 đến 128 ký tự"),
    ("16 to 128 characters are expected", "cần từ 16 đến 128 ký tự"),
    ("printable ASCII characters are expected", "chỉ dùng ký tự ASCII in được"),
    ("it begins with pk_", "phải bắt đầu bằng pk_"),
    ("it begins with sp_", "phải bắt đầu bằng sp_"),
    (
        "26 characters of Crockford's base32 follow the prefix",
        "sau tiền tố phải là 26 ký tự base32 Crockford",
    ),
    ("not in its canonical form", "không ở dạng chuẩn"),
    ("a number is expected", "cần một số"),
    ("a moment of RFC 3339 with its offset is expected", "cần thời điểm theo RFC 3339 kèm múi giờ"),
    ("base64 is expected", "cần base64"),
    ("an IP address is expected", "cần địa chỉ IP"),
    ("this algorithm needs a public key", "thuật toán này cần khoá công khai"),
    ("this algorithm has no public key", "thuật toán này không có khoá công khai"),
    ("it is given twice", "được nêu hai lần"),
    ("no unit has this code", "không đơn vị nào mang mã này"),
    (
        "no unit has this code; in brackets is the nearest one",
        "không đơn vị nào mang mã này; trong ngoặc là mã gần nhất",
    ),
    ("it is missing", "còn thiếu"),
    ("there is no such field; there are", "không có trường này; các trường có thể dùng"),
    ("a text is expected", "cần một chuỗi ký tự"),
    ("true or false is expected", "cần true hoặc false"),
    ("a list is expected", "cần một danh sách"),
    ("an object is expected", "cần một đối tượng JSON"),
    ("a whole number from 0 on is expected", "cần một số nguyên không âm"),
    ("a whole number is expected", "cần một số nguyên"),
    ("another kind of value is expected", "cần giá trị thuộc kiểu khác"),
    ("the body is empty", "thân yêu cầu trống"),
    (
        "the text is UTF-16: save and send it as UTF-8",
        "văn bản ở dạng UTF-16: hãy lưu và gửi ở dạng UTF-8",
    ),
    (
        "the text is not UTF-8: save and send it as UTF-8",
        "văn bản không phải UTF-8: hãy lưu và gửi ở dạng UTF-8",
    ),
    ("the text ends before the JSON does", "văn bản kết thúc khi JSON chưa đủ"),
    (
        "the text is no JSON from this line and column on",
        "từ dòng và cột này, văn bản không còn là JSON",
    ),
    ("an https URL is expected", "cần URL https"),
    ("host:port is expected", "cần dạng máy:cổng"),
    ("the list is too long", "danh sách quá dài"),
    ("the list is empty", "danh sách trống"),
    ("1 to 512 units are expected, each once", "cần từ 1 đến 512 đơn vị, mỗi đơn vị một lần"),
    (
        "a moment from now on is expected, up to 30 days ahead",
        "cần thời điểm ở tương lai, không quá 30 ngày",
    ),
    ("at most 366 days are allowed", "tối đa 366 ngày"),
    // Of keys that are handed over.
    ("it is not PEM", "không phải PEM"),
    ("at most 8192 octets are allowed", "tối đa 8192 byte"),
    (
        "it is a certificate; the public key alone is expected",
        "đây là chứng thư; chỉ cần khoá công khai",
    ),
    (
        "it is a private key, which must stay with its owner",
        "đây là khoá riêng, phải ở lại với chủ của nó",
    ),
    ("a PEM block PUBLIC KEY is expected", "cần một khối PEM PUBLIC KEY"),
    (
        "a PEM block PRIVATE KEY without a password is expected",
        "cần một khối PEM PRIVATE KEY không đặt mật khẩu",
    ),
    ("the algorithm has no public key", "thuật toán này không có khoá công khai"),
    ("the algorithm has no private key", "thuật toán này không có khoá riêng"),
    ("it is not a key of its algorithm", "không phải khoá của thuật toán này"),
    ("it is a key of another algorithm", "đây là khoá của thuật toán khác"),
    ("it is not an RSA public key", "không phải khoá công khai RSA"),
    ("it is not an RSA private key", "không phải khoá riêng RSA"),
    ("an RSA key has 2048 to 8192 bits", "khoá RSA phải dài từ 2048 đến 8192 bit"),
    (
        "its exponent or modulus is out of range",
        "số mũ hoặc mô-đun của khoá nằm ngoài khoảng cho phép",
    ),
    ("it is not an Ed25519 public key", "không phải khoá công khai Ed25519"),
    ("it is not an Ed25519 private key", "không phải khoá riêng Ed25519"),
    ("it is a weak Ed25519 key", "khoá Ed25519 này yếu"),
    ("it is not a P-256 public key", "không phải khoá công khai P-256"),
    ("it is not a P-256 private key", "không phải khoá riêng P-256"),
];

/// The Vietnamese of a reason that a word gives; the English one where there is none.
pub fn reason_vi(reason: &str) -> &str {
    all().find(|(en, _)| *en == reason).map_or(reason, |(_, vi)| vi)
}

/// Every reason.
pub(super) fn all() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    REASONS.iter().chain(super::signing::REASONS)
}

#[cfg(test)]
mod tests {
    use std::{any::type_name, str::FromStr};

    use model::{
        AppId, FileName, Grant, Importance, KeyAlgorithm, Label, Malformed, MediaType, Title,
        UnitCode, UnitKind,
    };

    use super::*;

    fn speaks<T: FromStr<Err = Malformed>>(texts: &[&str]) {
        for text in texts {
            let Err(refused) = text.parse::<T>() else { panic!("{} {text:?}", type_name::<T>()) };
            let said = reason_vi(refused.reason);
            assert_ne!(said, refused.reason, "{} {text:?}", type_name::<T>());
            // The way out is the same in both: numbers, and words of ours.
            let numbers =
                |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            assert_eq!(numbers(said), numbers(refused.reason), "{said}");
        }
    }

    #[test]
    fn every_reason_of_a_field_is_vietnamese_too() {
        let long = "a".repeat(1000);
        let texts = ["", &long, "a\nb", "a\u{202e}b", "\u{200b}"];
        speaks::<Title>(&texts);
        speaks::<Label>(&texts);
        speaks::<FileName>(&texts);
        speaks::<FileName>(&["..", "a/b"]);
        speaks::<UnitCode>(&["", &long, "Sở", "..."]);
        speaks::<AppId>(&["", "A b", &long]);
        speaks::<MediaType>(&["", "pdf"]);
        for list in
            [speaks::<Importance>, speaks::<UnitKind>, speaks::<Grant>, speaks::<KeyAlgorithm>]
        {
            list(&["?"]);
        }
    }
}
