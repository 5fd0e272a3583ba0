//! The body of every error, for the document; `problem` writes it.

use utoipa::ToSchema;

/// What went wrong and how to mend it (RFC 9457), in Vietnamese or English by `Accept-Language`.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used, in the OpenAPI document")]
pub(crate) struct Problem {
    /// Names this kind of problem. An identifier, to be compared and not be opened (RFC 9457 section 3.1.1); what
    /// to do is in `detail`. Those of a signature end as its profile says, like `nonce-reused`.
    #[schema(format = "uri", example = "https://lgsp.nghean.gov.vn/problems/unit-unknown")]
    r#type: String,
    /// What happened, in a few words.
    #[schema(example = "Không có đơn vị này")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What it means and what to do.
    #[schema(example = "Mã định danh không có trong danh bạ. Tìm bằng tên: GET /v1/units?q=….")]
    detail: String,
    /// The stable number.
    #[schema(example = "LGSP-1206")]
    code: String,
    /// The stable word.
    #[schema(example = "unit_unknown")]
    word: String,
    /// Names the request in our logs.
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    trace_id: String,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// What is wrong in the body, field by field.
    errors: Option<Vec<ProblemField>>,
}

/// What is wrong with one field.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used, in the OpenAPI document")]
pub(crate) struct ProblemField {
    /// A JSON pointer into the body.
    #[schema(example = "/targets/0")]
    pointer: String,
    /// What is wrong.
    #[schema(example = "không được để trống")]
    detail: String,
}
