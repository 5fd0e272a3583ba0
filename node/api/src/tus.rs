//! tus 1.0.0: its headers, read and written. What they do to a space is in `routes::spaces`.
//!
//! Concatenation and deferred length are not offered: clients were seen to hang or to storm on them.

use auth::UploadChecksum;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use model::{FileName, MediaType};

use crate::{header::is_kind, names, problem::Problem, texts::Fault};

/// `Tus-Resumable`.
pub(crate) const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
/// `Upload-Offset`.
pub(crate) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// `Upload-Length`.
pub(crate) const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
/// `Upload-Metadata`.
pub(crate) const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
/// `Upload-Expires`.
pub(crate) const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// `Upload-Checksum`.
pub(crate) const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
/// `X-HTTP-Method-Override`.
pub(crate) const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
/// `Upload-Defer-Length`.
pub(crate) const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");

/// The version that we speak.
pub(crate) const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
/// The extensions that we speak.
pub(crate) const EXTENSIONS: &str = "creation,creation-with-upload,checksum,expiration,termination";
/// The media type of a PATCH.
pub(crate) const OFFSET_OCTET_STREAM: &str = "application/offset+octet-stream";

/// Up to this size a body with a checksum is held in memory until the checksum holds, so that wrong
/// octets are never written: the chunks that most clients send. A larger one streams and is taken back.
pub(crate) const HELD_MAX: usize = 4 * 1024 * 1024;
/// `Upload-Metadata` that is read; the header as a whole is limited by the server too.
pub(crate) const METADATA_MAX: usize = 4096;

/// `Tus-Resumable` must be there and must be ours.
pub(crate) fn check_version(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(TUS_RESUMABLE) == Some(&VERSION) {
        return Ok(());
    }
    Err(Problem::new(Fault::TusVersion).header(HeaderName::from_static("tus-version"), VERSION))
}

/// A request for an extension that we do not offer is answered by a plain 400, never by a 5xx.
pub(crate) fn check_extensions(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(UPLOAD_CONCAT) || headers.contains_key(UPLOAD_DEFER_LENGTH) {
        return Err(Problem::new(Fault::TusExtension));
    }
    Ok(())
}

/// A header that is a count of octets; none when it is not there.
pub(crate) fn octet_count(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    match text.parse() {
        Ok(count) if plain && values.next().is_none() => Ok(Some(count)),
        _ => Err(Problem::new(Fault::HeaderMalformed).member("header", name.as_str())),
    }
}

/// What `Upload-Metadata` says of the content.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Metadata {
    /// `filename` (or `name`, as Uppy writes it).
    pub(crate) file_name: Option<FileName>,
}

impl Metadata {
    /// Reads `key base64,key base64,key`; keys that we do not know are left alone, as tus asks.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(UPLOAD_METADATA) else { return Ok(Self::default()) };
        let text = value.to_str().ok().filter(|text| text.len() <= METADATA_MAX);
        let text = text.ok_or_else(|| {
            Problem::new(Fault::TusMetadata)
                .error("", "at most 4096 characters of ASCII are allowed")
        })?;
        Self::parse(text).map_err(|(key, reason)| {
            Problem::new(Fault::TusMetadata).error(format!("/{key}"), reason)
        })
    }

    fn parse(text: &str) -> Result<Self, (&str, &'static str)> {
        let mut metadata = Self::default();
        let mut second = None;
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let told = |reason| (key, reason);
            match key {
                "filename" => {
                    metadata.file_name =
                        names::file_name(&text_of(value).map_err(told)?).map_err(told)?
                }
                "name" => {
                    second = names::file_name(&text_of(value).map_err(told)?).map_err(told)?
                }
                // What kind the content is was signed with the packet's request: a hint that comes later,
                // from whoever has the token, must be one and changes nothing. Uppy sends an empty one.
                "filetype" | "type" => {
                    let kind = text_of(value).map_err(told)?;
                    if !kind.is_empty() {
                        kind.parse::<MediaType>().map_err(|error| told(error.reason))?;
                    }
                }
                _ => {}
            }
        }
        metadata.file_name = metadata.file_name.or(second);
        Ok(metadata)
    }
}

/// The text of a value.
fn text_of(value: &str) -> Result<String, &'static str> {
    let octets = BASE64_STANDARD.decode(value.trim()).map_err(|_| "base64 is expected")?;
    String::from_utf8(octets).map_err(|_| "the text is not UTF-8: save and send it as UTF-8")
}

/// The checksum that the headers announce, if any.
pub(crate) fn checksum(headers: &HeaderMap) -> Result<Option<UploadChecksum>, Problem> {
    let Some(value) = headers.get(UPLOAD_CHECKSUM) else { return Ok(None) };
    let checksum = UploadChecksum::parse(value.as_bytes());
    checksum.map(Some).map_err(|_| Problem::new(Fault::TusChecksumUnsupported))
}

/// The method that a client means who can only POST (`X-HTTP-Method-Override`).
///
/// Only with a space's token: a signature covers the method that was sent, so the header could turn
/// what was signed into something else.
pub(crate) fn overridden(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if *method != Method::POST || bearer(headers).is_none() {
        return None;
    }
    let named = headers.get(METHOD_OVERRIDE)?.as_bytes();
    let mut offered = [Method::PATCH, Method::DELETE, Method::HEAD].into_iter();
    offered.find(|method| named.eq_ignore_ascii_case(method.as_str().as_bytes()))
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the body is what a PATCH carries.
pub(crate) fn is_offset_octet_stream(headers: &HeaderMap) -> bool {
    is_kind(headers, OFFSET_OCTET_STREAM)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(name: HeaderName, value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter(HeaderValue::from_bytes(value).ok().map(|value| (name, value)))
    }

    #[test]
    fn metadata_of_the_known_clients_is_read() {
        let name = BASE64_STANDARD.encode("Công văn số 12.pdf");
        let kind = BASE64_STANDARD.encode("application/pdf");
        let expected = Metadata { file_name: "Công văn số 12.pdf".parse().ok() };
        for text in [
            format!("filename {name},filetype {kind}"),
            format!("name {name},type {kind},relativePath bnVsbA=="),
            format!("filename {name}, filetype {kind},is_confidential"),
        ] {
            assert_eq!(Metadata::parse(&text).expect("well-formed"), expected, "{text}");
        }
        assert_eq!(Metadata::parse("filename ,filetype "), Ok(Metadata::default()));
        // A path is cut to its last part.
        for path in ["../../etc/passwd", "C:\\Users\\an\\passwd"] {
            let text = format!("filename {}", BASE64_STANDARD.encode(path));
            let read = Metadata::parse(&text).expect("well-formed");
            assert_eq!(read.file_name, "passwd".parse().ok());
        }
    }

    #[test]
    fn bad_metadata_is_refused_with_the_reason() {
        let encoded = |text: &[u8]| BASE64_STANDARD.encode(text);
        for (text, key, reason) in [
            ("filename !!!".to_owned(), "filename", "base64 is expected"),
            (format!("filename {}", encoded(b"..")), "filename", "it names a directory"),
            (
                format!("name {}", encoded("ệ".repeat(256).as_bytes())),
                "name",
                "1 to 255 characters are expected",
            ),
            (
                format!("filename {}", encoded(b"C\xf4ng")),
                "filename",
                "the text is not UTF-8: save and send it as UTF-8",
            ),
            (
                "filetype cGRm".to_owned(),
                "filetype",
                "type/subtype is expected, at most 127 characters",
            ),
        ] {
            assert_eq!(Metadata::parse(&text), Err((key, reason)), "{text}");
        }
    }

    #[test]
    fn checksums_are_of_known_algorithms() {
        let read = |text: &str| checksum(&headers(UPLOAD_CHECKSUM, text.as_bytes()));
        assert!(matches!(
            read("sha1 Lve95gjOVATpfV8EL5X4nxwjKHE="),
            Ok(Some(UploadChecksum::Sha1(_)))
        ));
        assert!(matches!(checksum(&HeaderMap::new()), Ok(None)));
        for text in ["", "sha256", "md5 AAAA", "sha1 AAAA", "sha256 %%%"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_of_octets_are_plain_numbers() {
        assert_eq!(
            octet_count(&headers(UPLOAD_OFFSET, b"70"), &UPLOAD_OFFSET).ok(),
            Some(Some(70))
        );
        assert_eq!(octet_count(&HeaderMap::new(), &UPLOAD_OFFSET).ok(), Some(None));
        for text in ["", "-1", "+1", "1.0", " 1 2", "99999999999999999999999", "0x10"] {
            assert!(
                octet_count(&headers(UPLOAD_OFFSET, text.as_bytes()), &UPLOAD_OFFSET).is_err(),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_harm(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Metadata::of(&headers(UPLOAD_METADATA, &octets));
            let _ = checksum(&headers(UPLOAD_CHECKSUM, &octets));
            let _ = octet_count(&headers(UPLOAD_LENGTH, &octets), &UPLOAD_LENGTH);
            let _ = check_version(&headers(TUS_RESUMABLE, &octets));
        }

        #[test]
        fn anything_like_metadata_is_read_without_harm(text in "([a-z]{1,8} [A-Za-z0-9+/]{0,12}={0,2},?){0,20}") {
            let _ = Metadata::parse(&text);
        }
    }
}
