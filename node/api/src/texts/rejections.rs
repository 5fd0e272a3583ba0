//! The texts of the signature check's rejections.

use auth::Rejection;

use super::{Row, texts};

/// The row of a rejection.
pub(crate) fn rejection(rejection: &Rejection) -> Row {
    let (word, (vi, en)) = match rejection {
        Rejection::SignatureMissing => (
            "signature_missing",
            texts(
                [
                    "Yêu cầu không có chữ ký",
                    "Ký yêu cầu theo RFC 9421 với thẻ lgsp-v1; xem tiêu đề Accept-Signature.",
                ],
                [
                    "The request carries no signature",
                    "Sign the request according to RFC 9421 with the tag lgsp-v1; see the Accept-Signature header.",
                ],
            ),
        ),
        Rejection::Malformed { .. } => (
            "signature_malformed",
            texts(
                [
                    "Không đọc được trường của chữ ký",
                    "Một tiêu đề của chữ ký viết sai cú pháp. Trường `reason` cho biết chỗ sai.",
                ],
                [
                    "A field of the signature cannot be read",
                    "A header of the signature is malformed. The member `reason` says what is wrong.",
                ],
            ),
        ),
        Rejection::TooManySignatures { .. } => (
            "signatures_too_many",
            texts(
                ["Quá nhiều chữ ký", "Bỏ bớt chữ ký; chỉ cần một chữ ký mang thẻ lgsp-v1."],
                [
                    "Too many signatures",
                    "Remove some; one signature with the tag lgsp-v1 is enough.",
                ],
            ),
        ),
        Rejection::FieldTooLong { .. } => (
            "signature_too_long",
            texts(
                [
                    "Trường của chữ ký quá dài",
                    "Ký ít thành phần hơn; Signature-Input tối đa 4 KiB.",
                ],
                [
                    "A field of the signature is too long",
                    "Cover fewer components; Signature-Input has at most 4 KiB.",
                ],
            ),
        ),
        Rejection::TagMissing => (
            "tag_missing",
            texts(
                [
                    "Chữ ký thiếu thẻ lgsp-v1",
                    "Thêm tham số tag=\"lgsp-v1\" vào Signature-Input rồi ký lại.",
                ],
                [
                    "No signature carries the tag lgsp-v1",
                    "Add the parameter tag=\"lgsp-v1\" to Signature-Input and sign again.",
                ],
            ),
        ),
        Rejection::TagRepeated => (
            "tag_repeated",
            texts(
                ["Nhiều chữ ký mang thẻ lgsp-v1", "Chỉ để một chữ ký mang thẻ này."],
                [
                    "Several signatures carry the tag lgsp-v1",
                    "Keep only one signature with this tag.",
                ],
            ),
        ),
        Rejection::ParameterMissing { .. } => (
            "parameter_missing",
            texts(
                [
                    "Chữ ký thiếu tham số",
                    "Thêm tham số nêu ở trường `parameter` vào Signature-Input rồi ký lại.",
                ],
                [
                    "The signature lacks a parameter",
                    "Add the parameter named in the member `parameter` to Signature-Input and sign again.",
                ],
            ),
        ),
        Rejection::KeyUnknown => (
            "key_unknown_here",
            texts(
                [
                    "Không nhận ra khoá truy xuất",
                    "`keyid` phải là khoá truy xuất (AK…) do cụm này cấp. Kiểm tra khoá và địa chỉ máy chủ.",
                ],
                [
                    "The access key is not known",
                    "`keyid` must be an access key (AK...) issued by this cluster. Check the key and the server's address.",
                ],
            ),
        ),
        Rejection::KeyDisabled => (
            "key_disabled",
            texts(
                [
                    "Khoá truy xuất đã bị thu hồi",
                    "Khoá không còn dùng được. Xin quản trị viên cấp khoá mới.",
                ],
                [
                    "The access key was revoked",
                    "The key cannot be used any more. Ask the administrator for a new one.",
                ],
            ),
        ),
        Rejection::AlgorithmMismatch { .. } => (
            "algorithm_mismatch",
            texts(
                [
                    "Thuật toán không khớp với khoá",
                    "Mỗi khoá chỉ dùng một thuật toán, nêu ở trường `expected`. Ký lại bằng thuật toán đó.",
                ],
                [
                    "The algorithm is not the key's",
                    "A key has one algorithm, named in `expected`. Sign again with that one.",
                ],
            ),
        ),
        Rejection::ComponentMissing { .. } => (
            "component_missing",
            texts(
                [
                    "Chữ ký chưa bao trùm đủ thành phần",
                    "Thêm thành phần nêu ở `component` vào danh sách được ký.",
                ],
                [
                    "The signature does not cover enough",
                    "Add the component named in `component` to the covered components.",
                ],
            ),
        ),
        Rejection::ComponentRefused { .. } => (
            "component_refused",
            texts(
                [
                    "Thành phần được ký không được chấp nhận",
                    "Bỏ hoặc sửa thành phần nêu ở `component`; `reason` cho biết lý do.",
                ],
                [
                    "A covered component is refused",
                    "Remove or correct the component named in `component`; `reason` says why.",
                ],
            ),
        ),
        Rejection::AuthorityUnknown => (
            "authority_unknown",
            texts(
                [
                    "Tên máy chủ không thuộc nền tảng",
                    "Gửi yêu cầu tới một tên công khai đã cấu hình của nền tảng.",
                ],
                [
                    "The name is not one of this platform's",
                    "Send the request to one of the platform's configured public names.",
                ],
            ),
        ),
        Rejection::ClockOutOfWindow { .. } => (
            "clock_out_of_window",
            texts(
                [
                    "Thời gian của chữ ký ngoài khoảng cho phép",
                    "Đồng hồ của máy gửi lệch `skew_seconds` giây so với `server_time`. Chỉnh giờ (NTP) rồi ký lại.",
                ],
                [
                    "The signature's time is outside the window",
                    "The sender's clock is `skew_seconds` seconds away from `server_time`. Set it (NTP) and sign again.",
                ],
            ),
        ),
        Rejection::SignatureExpired => (
            "signature_expired",
            texts(
                ["Chữ ký đã hết hạn", "Thời điểm ở tham số `expires` đã qua. Ký lại."],
                [
                    "The signature has expired",
                    "The moment in its parameter `expires` has passed. Sign again.",
                ],
            ),
        ),
        Rejection::NonceMissing => (
            "nonce_missing",
            texts(
                [
                    "Chữ ký thiếu nonce",
                    "POST, PUT, PATCH và DELETE cần nonce từ 16 đến 128 ký tự, mỗi lần một giá trị mới.",
                ],
                [
                    "The signature has no nonce",
                    "POST, PUT, PATCH and DELETE need a nonce of 16 to 128 characters, a new one each time.",
                ],
            ),
        ),
        Rejection::SignatureInvalid { .. } => (
            "signature_invalid",
            texts(
                [
                    "Chữ ký không đúng",
                    "So SHA-256 của chuỗi gốc bạn đã ký với `base_sha256`: khác nhau là do thành phần, giống nhau là do khoá.",
                ],
                [
                    "The signature does not fit the request",
                    "Compare the SHA-256 of your signature base with `base_sha256`: if they differ, check the components; if they are equal, check the key.",
                ],
            ),
        ),
        Rejection::LegacyAlgorithmDisabled { .. } => (
            "legacy_algorithm_disabled",
            texts(
                [
                    "Cách ký cũ không được mở cho khoá này",
                    "Ký theo RFC 9421, hoặc đề nghị quản trị viên mở cách ký cũ cho khoá.",
                ],
                [
                    "The legacy profile is not open to this key",
                    "Sign according to RFC 9421, or ask the administrator to open the legacy profile for the key.",
                ],
            ),
        ),
        Rejection::DigestMismatch => (
            "body_digest_mismatch",
            texts(
                [
                    "Nội dung không khớp mã băm đã ký",
                    "Thân yêu cầu nhận được khác với Content-Digest. Gửi lại; nếu còn lỗi, kiểm tra máy trung gian.",
                ],
                [
                    "The body does not have the signed digest",
                    "The body received does not match Content-Digest. Send again; if it happens again, check the proxies in between.",
                ],
            ),
        ),
        Rejection::DigestUnsupported { .. } => (
            "digest_unsupported",
            texts(
                ["Mã băm không được hỗ trợ", "Dùng Content-Digest với sha-256 hoặc sha-512."],
                ["The digest is not supported", "Use Content-Digest with sha-256 or sha-512."],
            ),
        ),
        Rejection::ContentUnsigned => (
            "content_unsigned",
            texts(
                ["Nội dung chưa được ký", "Yêu cầu có nội dung phải ký cả content-digest."],
                ["The content is not signed", "A request with content must cover content-digest."],
            ),
        ),
        Rejection::KeyUnusable { .. } => (
            "key_unusable",
            texts(
                [
                    "Không dùng được khoá công khai",
                    "Khoá phải là PEM (SubjectPublicKeyInfo) đúng thuật toán và đủ mạnh; `reason` cho biết chỗ sai.",
                ],
                [
                    "The public key cannot be used",
                    "The key must be PEM (SubjectPublicKeyInfo), of the right algorithm and strong enough; `reason` says what is wrong.",
                ],
            ),
        ),
    };
    Row {
        word,
        kind: Some(rejection.as_str()),
        number: rejection.number(),
        status: rejection.status(),
        retryable: false,
        vi,
        en,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use model::{Digest, KeyAlgorithm, Moment};

    use super::*;

    /// One of each.
    pub(in crate::texts) fn all() -> Vec<Rejection> {
        vec![
            Rejection::SignatureMissing,
            Rejection::Malformed { field: "signature", reason: "it is none" },
            Rejection::TooManySignatures { max: 4 },
            Rejection::FieldTooLong { field: "signature-input", max: 4096 },
            Rejection::TagMissing,
            Rejection::TagRepeated,
            Rejection::ParameterMissing { parameter: "created" },
            Rejection::KeyUnknown,
            Rejection::KeyDisabled,
            Rejection::AlgorithmMismatch { expected: KeyAlgorithm::Ed25519 },
            Rejection::ComponentMissing { component: "@method" },
            Rejection::ComponentRefused {
                component: "@status".into(),
                reason: "it is of responses",
            },
            Rejection::AuthorityUnknown,
            Rejection::ClockOutOfWindow { server_time: Moment(0), skew_seconds: 1 },
            Rejection::SignatureExpired,
            Rejection::NonceMissing,
            Rejection::SignatureInvalid { base_digest: Digest([0; 32]), base: None, hint: None },
            Rejection::LegacyAlgorithmDisabled { reason: "hmac-sha1 is off" },
            Rejection::DigestMismatch,
            Rejection::DigestUnsupported { field: "content-digest" },
            Rejection::ContentUnsigned,
            Rejection::KeyUnusable { reason: "it is weak" },
        ]
    }

    #[test]
    fn words_are_those_of_the_profile() {
        for rejection in all() {
            let word = super::rejection(&rejection).word;
            let profile = rejection.as_str().replace('-', "_");
            // Two words are taken by the rules, for another meaning.
            assert!(
                word == profile || ["key_unknown", "digest_mismatch"].contains(&profile.as_str()),
                "{word}"
            );
        }
    }
}
