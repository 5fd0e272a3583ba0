//! What is wrong with a signature, a digest or a key, in Vietnamese.

/// What the signature's checks say, and what it is in Vietnamese.
pub(super) const REASONS: &[(&str, &str)] = &[
    ("it is covered twice", "được ký hai lần"),
    ("it is not the name of a field in lower case", "không phải tên tiêu đề viết thường"),
    ("the request has no such field", "yêu cầu không có tiêu đề này"),
    ("this component takes no parameters", "thành phần này không nhận tham số"),
    ("a request has no status", "yêu cầu không có trạng thái"),
    (
        "the parameters are always covered and never listed",
        "các tham số luôn được ký và không được liệt kê",
    ),
    ("there is no such derived component", "không có thành phần dẫn xuất này"),
    ("the parameter name, and no other, is expected", "chỉ cần tham số name"),
    ("the query has no such parameter", "truy vấn không có tham số này"),
    ("a request has no other request to speak of", "yêu cầu không gắn với yêu cầu nào khác"),
    ("trailers are not accepted", "không nhận tiêu đề cuối (trailer)"),
    ("the query has this parameter twice", "truy vấn có tham số này hai lần"),
    (
        "component parameters (sf, bs, key) are not supported: cover the field as it is",
        "không hỗ trợ tham số thành phần (sf, bs, key): hãy ký tiêu đề như nó có",
    ),
    ("a comma is expected between parameters", "cần dấu phẩy giữa các tham số"),
    ("a component is a quoted name", "mỗi thành phần là một tên trong dấu nháy kép"),
    (
        "a date as in Sun, 06 Nov 1994 08:49:37 GMT is expected",
        "cần ngày giờ dạng Sun, 06 Nov 1994 08:49:37 GMT",
    ),
    ("a digest has the wrong length", "mã băm sai độ dài"),
    ("a digest is a byte sequence between colons", "mã băm là chuỗi byte giữa hai dấu hai chấm"),
    ("a digest is not base64", "mã băm không phải base64"),
    ("a parameter is given twice", "một tham số được nêu hai lần"),
    (
        "a quoted string or one bare word is expected",
        "cần một chuỗi trong dấu nháy kép hoặc một từ",
    ),
    ("a quoted value does not end", "thiếu dấu nháy kép đóng"),
    ("a signature is a byte sequence", "chữ ký là chuỗi byte giữa hai dấu hai chấm"),
    ("a string is expected", "cần một chuỗi trong dấu nháy kép"),
    ("a value has a line break or NUL", "giá trị có ký tự xuống dòng hoặc NUL"),
    ("algorithm=value is expected", "cần dạng thuật-toán=giá-trị"),
    ("an algorithm is named twice", "một thuật toán được nêu hai lần"),
    ("an algorithm, a space and base64 are expected", "cần tên thuật toán, một dấu cách và base64"),
    ("created and expires are integers", "created và expires là số nguyên"),
    ("created and expires are seconds since 1970", "created và expires tính bằng giây từ năm 1970"),
    (
        "expires is between created and 300 s after it",
        "expires phải nằm giữa created và 300 giây sau đó",
    ),
    ("hmac-sha1 is not open to this key", "khoá này không được dùng hmac-sha1"),
    ("it is UTF-16: save it as UTF-8", "văn bản ở dạng UTF-16: hãy lưu ở dạng UTF-8"),
    ("it is not ASCII", "có ký tự ngoài ASCII"),
    ("it is not a dictionary of RFC 9651", "không phải từ điển theo RFC 9651"),
    ("it is not a quoted string of RFC 9651", "không phải chuỗi trong dấu nháy kép theo RFC 9651"),
    ("it is not an inner list", "không phải danh sách trong ngoặc"),
    ("it is not printable ASCII", "có ký tự ASCII không in được"),
    ("keyid is a string", "keyid là một chuỗi trong dấu nháy kép"),
    ("keys of ECDSA sign by RFC 9421 only", "khoá ECDSA chỉ ký theo RFC 9421"),
    ("name=value is expected", "cần dạng tên=giá-trị"),
    ("nonce has 16 to 128 characters", "nonce dài từ 16 đến 128 ký tự"),
    ("nonce is a string", "nonce là một chuỗi trong dấu nháy kép"),
    ("rsa-sha1 is never accepted", "rsa-sha1 không bao giờ được chấp nhận"),
    ("the checksum has the wrong length", "mã kiểm sai độ dài"),
    ("the checksum is not base64", "mã kiểm không phải base64"),
    ("the label has no signature", "nhãn này không có chữ ký"),
    ("the secret is empty", "khoá bí mật trống"),
    ("the signature is not base64", "chữ ký không phải base64"),
    ("this key signs by RFC 9421 only", "khoá này chỉ ký theo RFC 9421"),
    ("too many components", "quá nhiều thành phần"),
    ("too many headers are covered", "quá nhiều tiêu đề được ký"),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use regex::Regex;

    use crate::reason_vi;

    /// What the signature's sources give as a reason: a new one is found missing here.
    #[test]
    fn every_reason_of_a_signature_is_vietnamese_too() {
        // What only a signer, or whoever configures the node, can meet.
        const OURS: [&str; 3] = [
            "it begins with https:// or http://",
            "one authority has one scheme",
            "a value has a line break or NUL",
        ];
        let given = r#"(?:malformed|unusable|disabled|Err|refused)\((?:\s*item,)?\s*"([^"]+)"|reason: "([^"]+)""#;
        let given = Regex::new(given).expect("a pattern");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../auth/src");
        let mut count = 0;
        for source in std::fs::read_dir(sources).expect("the sources") {
            let text = std::fs::read_to_string(source.expect("a source").path()).expect("text");
            for found in given.captures_iter(&text) {
                let reason = found.get(1).or(found.get(2)).expect("one of them").as_str();
                count += 1;
                assert!(reason_vi(reason) != reason || OURS.contains(&reason), "{reason}");
            }
        }
        assert!(count > 50, "{count}");
    }
}
