//! Why the system or a library said no, where its own words would be English.

use std::io::ErrorKind as K;

use rustls::CertificateError as C;

use super::{Lang, Text, help::t};

/// What an operating system's error means.
pub fn of_io(lang: Lang, error: &std::io::Error) -> String {
    match (lang, io_text(error.kind())) {
        (Lang::Vi, Some(text)) => text.vi.to_owned(),
        _ => error.to_string(),
    }
}

fn io_text(kind: K) -> Option<Text> {
    Some(match kind {
        K::NotFound => t("không có tệp hoặc thư mục này", "there is no such file or directory"),
        K::PermissionDenied => t("không có quyền", "permission is denied"),
        K::AlreadyExists => t("đã có sẵn", "it is there already"),
        K::IsADirectory => t("đây là thư mục, không phải tệp", "it is a directory, no file"),
        K::NotADirectory => t("đây không phải thư mục", "it is no directory"),
        K::StorageFull => t("ổ đĩa đã đầy", "the disk is full"),
        K::QuotaExceeded => t("đã hết hạn mức ổ đĩa", "the disk quota is used up"),
        K::FileTooLarge => t("tệp quá lớn", "the file is too large"),
        K::ReadOnlyFilesystem => t("ổ đĩa chỉ đọc", "the file system is read-only"),
        K::InvalidFilename => {
            t("tên tệp không dùng được ở đây", "the file name cannot be used here")
        }
        K::InvalidData => t("nội dung tệp không đúng dạng", "the file is not of the right form"),
        K::ConnectionRefused => t("không có gì nghe ở địa chỉ đó", "nothing listens there"),
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
            t("kết nối bị ngắt", "the connection was cut")
        }
        K::UnexpectedEof => t("kết nối kết thúc giữa chừng", "the connection ended half-way"),
        K::TimedOut => t("hết thời gian chờ", "it took too long"),
        K::HostUnreachable | K::NetworkUnreachable => {
            t("không có đường mạng tới đó", "there is no way to it on the network")
        }
        K::NetworkDown => t("mạng không hoạt động", "the network is down"),
        K::AddrInUse => t("địa chỉ đang được dùng", "the address is in use"),
        K::AddrNotAvailable => t("máy này không có địa chỉ đó", "this machine has no such address"),
        _ => return None,
    })
}

/// Why a certificate was refused.
pub fn of_certificate(lang: Lang, refused: &C) -> String {
    let text = match refused {
        C::UnknownIssuer => t(
            "chứng thư không do cơ quan chứng thư này cấp",
            "the certificate was not issued by this authority",
        ),
        C::Expired | C::ExpiredContext { .. } => {
            t("chứng thư đã hết hiệu lực", "the certificate has expired")
        }
        C::NotValidYet | C::NotValidYetContext { .. } => {
            t("chứng thư chưa có hiệu lực", "the certificate is not valid yet")
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            t("chứng thư không mang tên máy này", "the certificate does not carry this host name")
        }
        C::Revoked => t("chứng thư đã bị thu hồi", "the certificate was revoked"),
        C::BadEncoding => t("chứng thư bị hỏng", "the certificate is damaged"),
        C::BadSignature => {
            t("chữ ký trên chứng thư không đúng", "the signature on the certificate is wrong")
        }
        other => return other.to_string(),
    };
    text.in_lang(lang).to_owned()
}

/// Why a join token is none.
pub fn of_token(lang: Lang, error: &certs::Error) -> String {
    let certs::Error::Token(reason) = error else { return error.to_string() };
    let vi = match *reason {
        "it begins with jn_" => "mã phải bắt đầu bằng jn_",
        "base64url without padding follows the prefix" => "sau jn_ có ký tự không thuộc mã",
        "cut short" => "mã bị thiếu phần cuối",
        "made by a newer version" => "mã do phiên bản mới hơn tạo",
        "more than one token" => "có nhiều hơn một mã",
        other => other,
    };
    if lang == Lang::Vi { vi.to_owned() } else { error.to_string() }
}

/// What stands at the bottom of a failed connection.
pub fn of_connection(lang: Lang, error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    let mut io = None;
    loop {
        if let Some(found) = last.downcast_ref::<std::io::Error>() {
            io = Some(found).filter(|found| io_text(found.kind()).is_some()).or(io);
        }
        // An error that another one carries is no source of it by itself.
        let carried = last.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        match carried.map(|inner| inner as &(dyn std::error::Error + 'static)).or(last.source()) {
            Some(next) => last = next,
            None => break,
        }
    }
    let said = last.to_string();
    if lang == Lang::En {
        return said;
    }
    // Names are looked up by a library that has no error of its own for it.
    if said.contains("lookup address") || said.contains("dns error") {
        return "không tìm thấy tên máy này".to_owned();
    }
    io.map_or(said, |error| of_io(lang, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Finding 11: no English word where Vietnamese is spoken.
    #[test]
    fn the_systems_reasons_are_in_the_language_of_the_talk() {
        for number in [2, 13, 17, 20, 21, 28, 30, 32, 36, 98, 99, 104, 110, 111, 113, 122] {
            let error = std::io::Error::from_raw_os_error(number);
            assert!(!of_io(Lang::Vi, &error).contains("os error"), "{error}");
        }
        for token in ["jn", "jn_ä", "jn_abcd"] {
            let error = token.parse::<certs::JoinToken>().map(drop).expect_err("no token");
            assert!(of_token(Lang::Vi, &error).contains("mã"), "{token}");
        }
        let refused = std::io::Error::from(K::ConnectionRefused);
        let wrapped = std::io::Error::other(std::io::Error::other(refused));
        assert_eq!(of_connection(Lang::Vi, &wrapped), "không có gì nghe ở địa chỉ đó");
        assert_eq!(
            of_certificate(Lang::Vi, &C::UnknownIssuer),
            "chứng thư không do cơ quan chứng thư này cấp"
        );
    }
}
