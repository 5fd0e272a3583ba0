//! Why the system, a library or a word of ours said no: their own words are English, and not always plain.

use std::io::ErrorKind as K;

use rustls::CertificateError as C;

use super::{Lang, Text, texts};
use crate::written::Encoding;

texts! {
    IO_NOT_FOUND = "không có tệp hoặc thư mục này", "there is no such file or directory";
    IO_PERMISSION = "không có quyền", "permission is denied";
    IO_EXISTS = "đã có sẵn", "it already exists";
    IO_DIRECTORY = "đây là thư mục, không phải tệp", "it is a directory, not a file";
    IO_NO_DIRECTORY = "đây không phải thư mục", "it is not a directory";
    IO_NOT_EMPTY = "thư mục không trống", "the directory is not empty";
    IO_FULL = "ổ đĩa đã đầy", "the disk is full";
    IO_QUOTA = "đã hết hạn mức ổ đĩa", "the disk quota is used up";
    IO_TOO_LARGE = "tệp quá lớn", "the file is too large";
    IO_READ_ONLY = "ổ đĩa chỉ đọc", "the file system is read-only";
    IO_NAME = "tên tệp không dùng được ở đây", "the file name cannot be used here";
    IO_FORM = "nội dung tệp không đúng dạng", "the file is not of the right form";
    IO_DISK = "ổ đĩa báo lỗi khi đọc hoặc ghi", "the disk reported an error while it was read or written";
    IO_FILES = "hệ thống không cho mở thêm tệp", "the system does not allow more files to be opened";
    IO_BUSY = "đang có chương trình khác dùng", "another program is using it";
    IO_STALE = "ổ đĩa mạng không còn gắn ở đây", "the network disk is no longer mounted here";
    IO_MEMORY = "máy không đủ bộ nhớ", "the machine does not have enough memory";
    IO_UNSUPPORTED = "hệ thống này không làm được việc đó", "this system cannot do that";
    IO_REFUSED = "không có gì nghe ở địa chỉ đó", "nothing is listening at that address";
    IO_CUT = "kết nối bị ngắt", "the connection was cut";
    IO_HALF = "kết nối kết thúc giữa chừng", "the connection ended half-way";
    IO_TIME = "hết thời gian chờ", "it took too long";
    IO_NO_WAY = "không có đường mạng tới đó", "the network has no route to it";
    IO_NETWORK = "mạng không hoạt động", "the network is down";
    IO_IN_USE = "địa chỉ đang được dùng", "the address is in use";
    IO_NOT_OURS = "máy này không có địa chỉ đó", "this machine does not have that address";
    IO_OTHER = "lỗi hệ thống số {number}", "system error {number}";
    CONNECTION_OTHER = "kết nối hỏng; thêm --debug để xem lý do kỹ thuật", "the connection failed; add --debug for the technical reason";
    NO_HOST = "không tìm thấy tên máy này", "the host name cannot be found";

    CERT_ISSUER = "chứng thư không do cơ quan chứng thư này cấp", "the certificate was not issued by this authority";
    CERT_EXPIRED = "chứng thư đã hết hiệu lực", "the certificate has expired";
    CERT_EARLY = "chứng thư chưa có hiệu lực", "the certificate is not valid yet";
    CERT_NAME = "chứng thư không mang tên máy này", "the certificate does not carry this host name";
    CERT_REVOKED = "chứng thư đã bị thu hồi", "the certificate was revoked";
    CERT_DAMAGED = "chứng thư bị hỏng", "the certificate is damaged";
    CERT_SIGNATURE = "chữ ký trên chứng thư không đúng", "the signature on the certificate is wrong";
    CERT_OTHER = "chứng thư không dùng được ở đây", "the certificate cannot be used here";

    PEM_NO_CERTIFICATE = "trong tệp không có chứng thư nào (BEGIN CERTIFICATE)", "there is no certificate in it (BEGIN CERTIFICATE)";
    PEM_NO_KEY = "trong tệp không có khoá riêng (BEGIN PRIVATE KEY)", "there is no private key in it (BEGIN PRIVATE KEY)";

    TOKEN_PREFIX = "mã phải bắt đầu bằng jn_", "a token begins with jn_";
    TOKEN_LETTERS = "sau jn_ có ký tự không thuộc mã", "after jn_ there is a character that no token has";
    TOKEN_SHORT = "mã bị thiếu phần cuối", "the end of the token is missing";
    TOKEN_NEWER = "mã do phiên bản mới hơn tạo", "the token was made by a newer version";
    TOKEN_SEVERAL = "có nhiều hơn một mã", "there is more than one token";
    TOKEN_OTHER = "mã không đọc được", "the token cannot be read";

    VALUE_SPAN = "cần một số và ms, s, min, h hoặc d, ví dụ \"30 s\"", "a number and ms, s, min, h or d are expected, such as \"30 s\"";
    VALUE_SIZE = "cần một số và B, KiB, MiB, GiB hoặc TiB, ví dụ \"64 MiB\"", "a number and B, KiB, MiB, GiB or TiB are expected, such as \"64 MiB\"";
    VALUE_URL = "cần dạng https://máy:cổng", "https://host:port is expected";
    VALUE_HOST_PORT = "cần dạng máy:cổng, ví dụ 10.0.0.11:7443", "host:port is expected, such as 10.0.0.11:7443";
    VALUE_SOCKET = "cần địa chỉ IP và cổng, ví dụ 0.0.0.0:7443", "an IP address and a port are expected, such as 0.0.0.0:7443";
    VALUE_IP = "cần địa chỉ IP", "an IP address is expected";
    VALUE_RANGE = "cần số từ {from} đến {to}", "a number from {from} to {to} is expected";
    VALUE_NUMBER = "cần một số", "a number is expected";
    VALUE_LENGTH = "{reason}; ở đây có {count} ký tự", "{reason}; characters given: {count}";

    ANSWER_JSON = "câu trả lời không phải JSON cần có", "the answer is not the JSON expected";
    ANSWER_LACKS = "câu trả lời thiếu thông tin cần có", "the answer lacks what is needed";
    ANSWER_LONG = "câu trả lời quá dài", "the answer is too long";
    ANSWER_OFFSET = "vị trí gửi không tăng", "the upload does not advance";
    SETUP_KEY = "lệnh này cần khoá để ký", "this command needs a key to sign with";
    SETUP_OTHER = "thiết lập không dùng được; thêm --debug để xem lý do kỹ thuật", "a setting cannot be used; add --debug for the technical reason";
}

/// What an operating system's error means, or that a file is in another encoding.
pub fn of_io(lang: Lang, error: &std::io::Error) -> String {
    if let Some(encoding) = Encoding::of(error) {
        return encoding.in_lang(lang);
    }
    match (io_text(error), error.raw_os_error()) {
        (Some(text), _) => text.in_lang(lang).to_owned(),
        (None, Some(number)) => IO_OTHER.fill(lang, &[("number", &number)]),
        (None, None) => error.to_string(),
    }
}

fn io_text(error: &std::io::Error) -> Option<Text> {
    Some(match error.kind() {
        K::NotFound => IO_NOT_FOUND,
        K::PermissionDenied => IO_PERMISSION,
        K::AlreadyExists => IO_EXISTS,
        K::IsADirectory => IO_DIRECTORY,
        K::NotADirectory => IO_NO_DIRECTORY,
        K::DirectoryNotEmpty => IO_NOT_EMPTY,
        K::StorageFull => IO_FULL,
        K::QuotaExceeded => IO_QUOTA,
        K::FileTooLarge => IO_TOO_LARGE,
        K::ReadOnlyFilesystem => IO_READ_ONLY,
        K::InvalidFilename => IO_NAME,
        K::InvalidData => IO_FORM,
        K::ResourceBusy | K::ExecutableFileBusy => IO_BUSY,
        K::StaleNetworkFileHandle => IO_STALE,
        K::OutOfMemory => IO_MEMORY,
        K::Unsupported => IO_UNSUPPORTED,
        K::ConnectionRefused => IO_REFUSED,
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => IO_CUT,
        K::UnexpectedEof => IO_HALF,
        K::TimedOut => IO_TIME,
        K::HostUnreachable | K::NetworkUnreachable => IO_NO_WAY,
        K::NetworkDown => IO_NETWORK,
        K::AddrInUse => IO_IN_USE,
        K::AddrNotAvailable => IO_NOT_OURS,
        // Numbers of Linux that have no kind of their own.
        _ => match error.raw_os_error()? {
            5 => IO_DISK,
            23 | 24 => IO_FILES,
            _ => return None,
        },
    })
}

/// Why a certificate was refused.
pub fn of_certificate(lang: Lang, refused: &C) -> String {
    let text = match refused {
        C::UnknownIssuer => CERT_ISSUER,
        C::Expired | C::ExpiredContext { .. } => CERT_EXPIRED,
        C::NotValidYet | C::NotValidYetContext { .. } => CERT_EARLY,
        C::NotValidForName | C::NotValidForNameContext { .. } => CERT_NAME,
        C::Revoked => CERT_REVOKED,
        C::BadEncoding => CERT_DAMAGED,
        C::BadSignature => CERT_SIGNATURE,
        _ => CERT_OTHER,
    };
    text.in_lang(lang).to_owned()
}

/// What a file of certificates or keys lacks.
pub fn of_pem(lang: Lang, reason: &str) -> &'static str {
    let text = if reason.contains("key") { PEM_NO_KEY } else { PEM_NO_CERTIFICATE };
    text.in_lang(lang)
}

/// Why a join token is none.
pub fn of_token(lang: Lang, error: &certs::Error) -> String {
    let certs::Error::Token(reason) = error else { return error.to_string() };
    let text = match *reason {
        "it begins with jn_" => TOKEN_PREFIX,
        "base64url without padding follows the prefix" => TOKEN_LETTERS,
        "cut short" => TOKEN_SHORT,
        "made by a newer version" => TOKEN_NEWER,
        "more than one token" => TOKEN_SEVERAL,
        _ => TOKEN_OTHER,
    };
    text.in_lang(lang).to_owned()
}

/// Why a text is none of our words. Where its length is wrong, the length that it has is said too; the text itself
/// is not: it may be a secret in the wrong place.
pub fn of_word(lang: Lang, error: &model::Malformed, given: &str) -> String {
    let reason = match lang {
        Lang::Vi => api::reason_vi(error.reason),
        Lang::En => error.reason,
    };
    let count = given.chars().count();
    if lengths(error.reason).is_none_or(|(min, max)| (min..=max).contains(&count)) {
        return reason.to_owned();
    }
    VALUE_LENGTH.fill(lang, &[("reason", &reason), ("count", &count)])
}

/// How many characters a reason allows, where it is about that.
fn lengths(reason: &str) -> Option<(usize, usize)> {
    let (before, _) = reason.split_once(" characters")?;
    let words: Vec<&str> = before.split_whitespace().collect();
    let number = |word: &str| word.parse().ok();
    match words.as_slice() {
        [min, "to", max] => Some((number(min)?, number(max)?)),
        [.., "at", "most", max] => Some((0, number(max)?)),
        _ => None,
    }
}

/// Why a value is none, as those say it who parse it; nothing where that is not known.
pub fn of_value(lang: Lang, said: &str) -> Option<String> {
    if let Some((_, range)) = said.split_once(" is not in ") {
        let (from, to) = range.split_once("..=").or_else(|| range.split_once(".."))?;
        return Some(VALUE_RANGE.fill(lang, &[("from", &from), ("to", &to)]));
    }
    const KNOWN: [(&str, Text); 8] = [
        ("is no span", VALUE_SPAN),
        ("is no size", VALUE_SIZE),
        ("is no API address", VALUE_URL),
        ("host:port is expected", VALUE_HOST_PORT),
        ("socket address", VALUE_SOCKET),
        ("IP address", VALUE_IP),
        ("digit", VALUE_NUMBER),
        ("too large to fit", VALUE_NUMBER),
    ];
    if let Some((_, text)) = KNOWN.iter().find(|(mark, _)| said.contains(mark)) {
        return Some(text.in_lang(lang).to_owned());
    }
    // What words of ours say of themselves, behind their name.
    let reason = said.strip_prefix("no valid ").and_then(|said| said.split_once(": "))?.1;
    Some(match lang {
        Lang::Vi => api::reason_vi(reason).to_owned(),
        Lang::En => reason.to_owned(),
    })
}

/// What the client could not understand.
pub fn of_answer(lang: Lang, what: &str) -> String {
    let text = match what {
        what if what.contains("JSON") => ANSWER_JSON,
        what if what.starts_with("more than") => ANSWER_LONG,
        what if what.contains("offset") => ANSWER_OFFSET,
        _ => ANSWER_LACKS,
    };
    text.in_lang(lang).to_owned()
}

/// Why a key is none of its algorithm.
pub fn of_key(lang: Lang, reason: &str) -> String {
    match lang {
        Lang::Vi => api::reason_vi(reason).to_owned(),
        Lang::En => reason.to_owned(),
    }
}

/// Why the client cannot be set up.
pub fn of_setup(lang: Lang, what: &str) -> String {
    if let Some(reason) = what.strip_prefix("the private key cannot be used: ") {
        return of_key(lang, reason);
    }
    let text = if what.contains("needs a key") { SETUP_KEY } else { SETUP_OTHER };
    text.in_lang(lang).to_owned()
}

/// What stands at the bottom of a failed connection.
pub fn of_connection(lang: Lang, error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    let mut io = None;
    loop {
        if let Some(found) = last.downcast_ref::<std::io::Error>() {
            io = Some(found).filter(|found| io_text(found).is_some()).or(io);
        }
        // An error that another one carries is no source of it by itself.
        let carried = last.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match carried.map(|inner| inner as &(dyn std::error::Error + 'static)).or(last.source()) {
            Some(next) => last = next,
            None => break,
        }
    }
    let said = last.to_string();
    // Names are looked up by a library that has no error of its own for it.
    if said.contains("lookup address") || said.contains("dns error") {
        return NO_HOST.in_lang(lang).to_owned();
    }
    if io.is_none() && said.contains("timed out") {
        return IO_TIME.in_lang(lang).to_owned();
    }
    match (io, lang) {
        (Some(error), _) => of_io(lang, error),
        (None, Lang::En) => said,
        (None, Lang::Vi) => CONNECTION_OTHER.vi.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finding 11: no English word where Vietnamese is spoken.
    #[test]
    fn the_systems_reasons_are_in_the_language_of_the_talk() {
        for number in [2, 5, 13, 17, 20, 21, 24, 28, 30, 32, 36, 39, 61, 98, 99, 104, 110, 113, 122] {
            let error = std::io::Error::from_raw_os_error(number);
            for lang in [Lang::Vi, Lang::En] {
                assert!(!of_io(lang, &error).contains("os error"), "{error}");
            }
        }
        for token in ["jn", "jn_ä", "jn_abcd"] {
            let error = token.parse::<certs::JoinToken>().map(drop).expect_err("no token");
            assert!(of_token(Lang::Vi, &error).contains("mã"), "{token}");
        }
        let refused = std::io::Error::from(K::ConnectionRefused);
        let wrapped = std::io::Error::other(std::io::Error::other(refused));
        assert_eq!(of_connection(Lang::Vi, &wrapped), IO_REFUSED.vi);
        assert_eq!(of_certificate(Lang::Vi, &C::UnknownIssuer), CERT_ISSUER.vi);
    }

    /// Finding 9: what is too long says how long it may be, and how long it is.
    #[test]
    fn lengths_are_told_in_characters() {
        let of = |lang, text: &str| {
            let refused = text.parse::<model::Label>().expect_err("no label");
            of_word(lang, &refused, text)
        };
        let long = "ệ".repeat(201);
        assert_eq!(of(Lang::Vi, &long), "tối đa 200 ký tự; ở đây có 201 ký tự");
        assert!(of(Lang::En, &long).ends_with("characters given: 201"));
        assert_eq!(of(Lang::Vi, "a\nb"), "có ký tự điều khiển hoặc xuống dòng");
        let code = "H".repeat(65).parse::<model::UnitCode>().expect_err("no code");
        assert!(of_word(Lang::Vi, &code, &"H".repeat(65)).contains("65"));
    }
}
