//! Bodies: how long an answer may be, and the multipart form of small packets.

use bytes::Bytes;

/// The longest JSON answer that is read: a page of 200 packets with many targets is far below.
pub(crate) const BODY_MAX: usize = 16 * 1024 * 1024;

/// One part of a form.
pub(crate) struct Part<'a> {
    pub name: &'a str,
    pub file_name: Option<&'a str>,
    pub media_type: &'a str,
    pub octets: &'a [u8],
}

/// Writes `multipart/form-data` (RFC 7578); gives its media type and its octets.
pub(crate) fn multipart(parts: &[Part<'_>], random: [u8; 16]) -> (String, Bytes) {
    let boundary = format!("lgsp-{}", hex::encode(random));
    let size: usize = parts.iter().map(|part| part.octets.len() + 512).sum();
    let mut body = Vec::with_capacity(size);
    for part in parts {
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", part.name)
                .as_bytes(),
        );
        if let Some(name) = part.file_name {
            // As browsers do: UTF-8 as it is, and the three characters that would end it escaped.
            let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
            body.extend_from_slice(format!("; filename=\"{name}\"").as_bytes());
        }
        body.extend_from_slice(format!("\r\nContent-Type: {}\r\n\r\n", part.media_type).as_bytes());
        body.extend_from_slice(part.octets);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_written_as_browsers_write_it() {
        let parts = [
            Part {
                name: "request",
                file_name: None,
                media_type: "application/json",
                octets: b"{}",
            },
            Part {
                name: "content",
                file_name: Some("Công \"văn\".pdf"),
                media_type: "application/pdf",
                octets: b"%PDF",
            },
        ];
        let (media_type, body) = multipart(&parts, [0xab; 16]);
        let boundary =
            media_type.strip_prefix("multipart/form-data; boundary=").expect("the media type");
        let text = String::from_utf8(body.to_vec()).expect("text parts");
        assert_eq!(
            text,
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"request\"\r\nContent-Type: application/json\r\n\r\n{{}}\r\n\
                 --{boundary}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"Công %22văn%22.pdf\"\r\n\
                 Content-Type: application/pdf\r\n\r\n%PDF\r\n--{boundary}--\r\n"
            )
        );
    }
}
