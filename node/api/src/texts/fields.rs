//! What is wrong with a field, in Vietnamese: the words' own reasons are English.

/// The Vietnamese of a reason that a word gives; the English one where there is none.
pub fn reason_vi(reason: &'static str) -> &'static str {
    match reason {
        "it is empty" => "không được để trống",
        "it is too long" => "quá dài",
        "it has a control character or a line break" => "có ký tự điều khiển hoặc xuống dòng",
        "1 to 64 characters are expected" => "cần từ 1 đến 64 ký tự",
        "letters without marks, digits, full stop, hyphen and underscore are allowed" => {
            "chỉ dùng chữ không dấu, chữ số, dấu chấm, gạch nối và gạch dưới"
        }
        "a code has at least one letter or digit" => "mã phải có ít nhất một chữ hoặc số",
        "2 to 40 characters are expected" => "cần từ 2 đến 40 ký tự",
        "lower-case letters, digits and inner hyphens are allowed" => {
            "chỉ dùng chữ thường không dấu, chữ số và gạch nối ở giữa"
        }
        "it begins with AK" => "phải bắt đầu bằng AK",
        "20 characters of base32 follow AK" => "sau AK phải là 20 ký tự base32",
        "64 hexadecimal characters of a SHA-256 are expected" => {
            "cần 64 ký tự thập lục phân của SHA-256"
        }
        "type/subtype is expected, at most 127 characters" => {
            "cần dạng type/subtype, tối đa 127 ký tự"
        }
        "it is not one of the list's words" => "không thuộc các giá trị cho phép",
        "1 to 255 octets are expected" => "cần từ 1 đến 255 byte",
        "it has a path separator or a control character" => {
            "có dấu phân cách đường dẫn hoặc ký tự điều khiển"
        }
        "it names a directory" => "là tên thư mục",
        "1 to 128 characters are expected" => "cần từ 1 đến 128 ký tự",
        "16 to 128 characters are expected" => "cần từ 16 đến 128 ký tự",
        "printable ASCII characters are expected" => "chỉ dùng ký tự ASCII in được",
        "it begins with pk_" => "phải bắt đầu bằng pk_",
        "it begins with sp_" => "phải bắt đầu bằng sp_",
        "26 characters of Crockford's base32 follow the prefix" => {
            "sau tiền tố phải là 26 ký tự base32 Crockford"
        }
        "not in its canonical form" => "không ở dạng chuẩn",
        "a number is expected" => "cần một số",
        "a moment of RFC 3339 with its offset is expected" => {
            "cần thời điểm theo RFC 3339 kèm múi giờ"
        }
        "base64 is expected" => "cần base64",
        "an IP address is expected" => "cần địa chỉ IP",
        "this algorithm needs a public key" => "thuật toán này cần khoá công khai",
        "this algorithm has no public key" => "thuật toán này không có khoá công khai",
        "it is given twice" => "được nêu hai lần",
        "an https URL is expected" => "cần URL https",
        "host:port is expected" => "cần dạng máy:cổng",
        "the list is too long" => "danh sách quá dài",
        other => other,
    }
}
