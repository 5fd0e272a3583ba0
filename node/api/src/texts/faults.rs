//! The texts of requests that are wrong before any rule is asked, and of the world's failures.

use super::{Row, texts};

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $word:literal $number:literal $status:literal $retryable:literal
       [$vi_title:literal, $vi:literal] [$en_title:literal, $en:literal],)*) => {
        /// What is wrong with a request, or with the world.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($(#[$doc])* $variant,)*
        }

        impl Fault {
            /// Every fault.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The fault's row.
            pub(crate) fn row(self) -> Row {
                match self {
                    $(Self::$variant => {
                        let (vi, en) = texts([$vi_title, $vi], [$en_title, $en]);
                        Row { word: $word, kind: None, number: $number, status: $status, retryable: $retryable, vi, en }
                    })*
                }
            }
        }
    };
}

faults! {
    /// JSON that cannot be read.
    JsonMalformed = "json_malformed" 1101 400 false
        ["Không đọc được JSON", "Thân yêu cầu không phải JSON đúng dạng. Xem `errors` để biết chỗ sai."]
        ["The JSON cannot be read", "The body is not JSON of the expected form. See `errors` for what is wrong."],
    /// JSON whose fields are not what they should be.
    FieldsMalformed = "fields_malformed" 1102 422 false
        ["Có trường không hợp lệ", "Sửa các trường nêu trong `errors` rồi gửi lại."]
        ["Some fields are malformed", "Correct the fields named in `errors` and send again."],
    /// A query parameter that cannot be read.
    QueryMalformed = "query_malformed" 1103 400 false
        ["Tham số truy vấn không hợp lệ", "Sửa tham số nêu ở `parameter`; `expected`, `min` và `max` cho biết giá trị được phép. Tham số lạ cũng bị từ chối."]
        ["A query parameter is malformed", "Correct the parameter named in `parameter`; `expected`, `min` and `max` say what is allowed. Unknown parameters are refused too."],
    /// A header that cannot be read.
    HeaderMalformed = "header_malformed" 1104 400 false
        ["Tiêu đề không hợp lệ", "Sửa tiêu đề nêu ở `header` rồi gửi lại."]
        ["A header is malformed", "Correct the header named in `header` and send again."],
    /// A path segment that is no identifier.
    IdMalformed = "id_malformed" 1105 400 false
        ["Mã trong đường dẫn không hợp lệ", "Mã phải viết đúng như nền tảng đã cấp."]
        ["An identifier in the path is malformed", "Write the identifier exactly as the platform gave it."],
    /// No such route.
    RouteUnknown = "route_unknown" 1106 404 false
        ["Không có đường dẫn này", "Xem các đường dẫn ở /openapi.json."]
        ["There is no such route", "See the routes in /openapi.json."],
    /// The route has other methods.
    MethodNotAllowed = "method_not_allowed" 1107 405 false
        ["Phương thức không được hỗ trợ", "Dùng một phương thức nêu ở tiêu đề Allow."]
        ["The method is not allowed here", "Use one of the methods in the Allow header."],
    /// A body of another media type than the route takes.
    MediaTypeUnsupported = "media_type_unsupported" 1108 415 false
        ["Kiểu nội dung không được hỗ trợ", "Đặt Content-Type là kiểu nêu ở `expected`."]
        ["The media type is not supported", "Set Content-Type to what `expected` names."],
    /// A body over the route's limit.
    BodyTooLarge = "body_too_large" 1109 413 false
        ["Thân yêu cầu quá lớn", "Thân yêu cầu vượt giới hạn `max` byte. Với nội dung lớn, tạo gói tin rồi gửi vào không gian."]
        ["The body is too large", "The body is over the limit of `max` octets. To send a large content, open a packet and send the content into its space."],
    /// The client broke off.
    BodyIncomplete = "body_incomplete" 1110 400 true
        ["Thân yêu cầu bị đứt giữa chừng", "Kết nối đứt trước khi nhận đủ. Gửi lại."]
        ["The body broke off", "The connection ended before the body was whole. Send again."],
    /// The client sends too slowly.
    BodyTooSlow = "body_too_slow" 1111 408 true
        ["Thân yêu cầu đến quá chậm", "Không nhận được byte nào trong thời gian cho phép. Gửi lại."]
        ["The body came too slowly", "Nothing came within the time allowed. Send again."],
    /// No media type that we can answer with.
    NotAcceptable = "not_acceptable" 1112 406 false
        ["Không có kiểu trả lời phù hợp", "Đặt Accept là một kiểu nêu ở `expected`."]
        ["No acceptable media type", "Set Accept to one of what `expected` names."],
    /// Multipart that cannot be read.
    MultipartMalformed = "multipart_malformed" 1113 400 false
        ["Không đọc được multipart", "Cần các phần theo thứ tự: request, policy (nếu có), content."]
        ["The multipart body cannot be read", "Parts are expected in this order: request, policy (if any), content."],
    /// A PUT without a digest.
    ContentDigestMissing = "content_digest_missing" 1114 400 false
        ["Thiếu Content-Digest", "Gửi kèm Content-Digest với sha-256 của nội dung."]
        ["Content-Digest is missing", "Send Content-Digest with the sha-256 of the content."],
    /// A range outside the content.
    RangeOutside = "range_not_satisfiable" 1115 416 false
        ["Khoảng yêu cầu nằm ngoài nội dung", "Nội dung có `size` byte. Yêu cầu một khoảng trong đó."]
        ["The range lies outside the content", "The content has `size` octets. Ask for a range within it."],
    /// A status that the server itself gave.
    RequestRefused = "request_refused" 1116 400 false
        ["Yêu cầu không hợp lệ", "Kiểm tra yêu cầu theo /openapi.json."]
        ["The request is malformed", "Check the request against /openapi.json."],
    /// Too many streams or uploads.
    TooMany = "too_many" 1117 503 true
        ["Quá tải tạm thời", "Nút này đã đạt giới hạn `max` (`what`). Thử lại sau, hoặc ở nút khác."]
        ["Too many at once", "This node has reached its limit of `max` (`what`). Try again later, or at another node."],
    /// One caller, or one address, holds all that it may of something.
    ShareUsed = "share_used" 1144 429 true
        ["Đã dùng hết phần của mình", "Ứng dụng, đơn vị hoặc địa chỉ này đã dùng hết phần `max` (`what`) của mình ở nút này. Chờ các yêu cầu đang làm xong rồi gửi lại."]
        ["The share is used up", "This application, unit or address has used up its share of `max` (`what`) at this node. Wait until the requests in progress have finished, then send again."],
    /// More requests a second than one application may send to a node.
    RateLimited = "rate_limited" 1145 429 true
        ["Gửi quá nhanh", "Ứng dụng gửi quá `max` yêu cầu mỗi giây tới nút này. Chờ số giây nêu ở Retry-After rồi gửi lại; xem RateLimit."]
        ["Too many requests a second", "The application sends more than `max` requests a second to this node. Wait for the seconds in Retry-After, then send again; see RateLimit."],
    /// The system of this node grants no further descriptor.
    NodeShort = "node_short" 1146 503 true
        ["Nút tạm hết bộ mô tả tệp", "Hệ thống của nút này không cấp thêm bộ mô tả tệp. Thử lại sau giây lát, hoặc ở nút khác; quản trị viên tăng LimitNOFILE."]
        ["The node has no file descriptor left", "The system of this node grants no more file descriptors. Try again in a moment, or at another node; an administrator should raise LimitNOFILE."],
    /// `Tus-Resumable` is missing or another.
    TusVersion = "tus_version" 1121 412 false
        ["Phiên bản tus không được hỗ trợ", "Gửi kèm Tus-Resumable: 1.0.0."]
        ["The tus version is not supported", "Send Tus-Resumable: 1.0.0."],
    /// An extension that is not offered.
    TusExtension = "tus_extension" 1122 400 false
        ["Phần mở rộng tus không được hỗ trợ", "Chỉ dùng các phần mở rộng nêu ở Tus-Extension; tắt gửi song song và Upload-Defer-Length."]
        ["The tus extension is not supported", "Use only what Tus-Extension names; switch off parallel uploads and Upload-Defer-Length."],
    /// `Upload-Metadata` that cannot be read.
    TusMetadata = "tus_metadata" 1123 400 false
        ["Không đọc được Upload-Metadata", "Cần các cặp khoá và base64, cách nhau bằng dấu phẩy; `errors` cho biết khoá nào sai và vì sao."]
        ["Upload-Metadata cannot be read", "Pairs of a key and base64 are expected, separated by commas; `errors` says which key is wrong and why."],
    /// `Upload-Checksum` that cannot be read, or of another algorithm.
    TusChecksumUnsupported = "tus_checksum_unsupported" 1124 400 false
        ["Upload-Checksum không được hỗ trợ", "Dùng sha256 hoặc sha1 kèm giá trị base64."]
        ["Upload-Checksum is not supported", "Use sha256 or sha1 with a value in base64."],
    /// The checksum does not hold.
    TusChecksumMismatch = "tus_checksum_mismatch" 1125 460 true
        ["Mã kiểm của đoạn không khớp", "Đoạn đã bị hỏng trên đường và đã bỏ. Gửi lại đoạn này."]
        ["The chunk's checksum does not match", "The chunk was damaged on the way and dropped. Send it again."],
    /// The upload goes on elsewhere.
    OffsetMismatch = "offset_mismatch" 1127 409 true
        ["Vị trí gửi không khớp", "Không gian đang ở vị trí `offset`. Gửi tiếp từ đó."]
        ["The offset does not match", "The space continues at `offset`. Go on from there."],
    /// Another request writes.
    SpaceBusy = "space_busy" 1128 423 true
        ["Không gian đang được ghi", "Một yêu cầu khác đang ghi vào không gian này. Thử lại sau giây lát."]
        ["The space is being written", "Another request writes into this space. Try again in a moment."],
    /// PATCH after the seal.
    SpaceSealed = "space_sealed" 1129 403 false
        ["Không gian đã niêm phong", "Nội dung đã chốt; không thể ghi thêm."]
        ["The space is sealed", "The content is final; nothing can be written any more."],
    /// A content that is too large.
    ContentTooLarge = "content_too_large" 1130 413 false
        ["Nội dung quá lớn", "Nội dung vượt giới hạn `max` byte hoặc kích thước đã khai."]
        ["The content is too large", "The content is over the limit of `max` octets or the announced size."],
    /// The content has not arrived whole.
    ContentIncomplete = "content_incomplete" 1131 409 true
        ["Nội dung chưa đến đủ", "Mới có `have` trong `want` byte. Gửi nốt phần còn lại vào không gian rồi chốt lại."]
        ["The content has not arrived whole", "`have` of `want` octets have arrived. Send the rest into the space, then commit again."],
    /// The content is gone.
    ContentPurged = "content_purged" 1132 410 false
        ["Nội dung đã được xoá", "Gói tin đã kết thúc nên nội dung đã xoá khỏi nền tảng. Cần lại thì đề nghị bên gửi gửi gói mới."]
        ["The content was purged", "The packet has ended, so its content is gone from the platform. Ask the source to send it again if it is needed."],
    /// A bearer token that opens nothing.
    TokenInvalid = "token_invalid" 1133 401 false
        ["Mã truy cập không mở được không gian này", "Dùng mã nhận được khi tạo gói tin hoặc khi báo sẵn sàng, hoặc ký yêu cầu."]
        ["The token does not open this space", "Use the token given when the packet was opened or accepted, or sign the request."],
    /// A join token that is none of ours.
    JoinTokenMalformed = "join_token_malformed" 1134 400 false
        ["Mã gia nhập không thuộc cụm này", "Chép lại nguyên vẹn mã do `lgsp` in ra ở cụm cần gia nhập."]
        ["The join token is not one of this cluster", "Copy the whole token that `lgsp` printed at the cluster to be joined."],
    /// A joining node that cannot be certified.
    JoinRequestMalformed = "join_request_malformed" 1141 422 false
        ["Không cấp được chứng thư cho nút", "Yêu cầu chứng thư hoặc tên máy của nút không hợp lệ, xem `field`. Mã gia nhập vẫn còn dùng được: sửa cấu hình rồi chạy lại `lgsp join`."]
        ["The node cannot be certified", "The certificate request or a host name of the node is malformed, see `field`. The join token is still valid: correct the configuration and run `lgsp join` again."],
    /// A content of which too many pieces were taken back.
    TooManyPieces = "too_many_pieces" 1142 409 false
        ["Nội dung bị gián đoạn quá nhiều lần", "Quá nhiều đoạn của nội dung này đã bị bỏ vì sai mã kiểm, hoặc các đoạn được gửi luân phiên tới nhiều nút. Tạo gói tin mới và gửi cả nội dung tới một nút."]
        ["The upload was interrupted too often", "Too many pieces of this content were taken back because their checksum was wrong, or the pieces were sent to several nodes in turn. Open a new packet and send all of it to one node."],
    /// A member that holds what no other does.
    OnlyCopy = "only_copy" 1143 409 false
        ["Nút này giữ bản duy nhất", "Nút giữ bản ghi (`entries`) hoặc nội dung (`contents`) mà các nút còn trả lời không có; gỡ nút là mất chúng. Chạy lại nút đó hoặc xem «Đĩa quay về bản cũ» trong sách vận hành; nếu chấp nhận mất: `lgsp member remove --force`."]
        ["That node holds the only copy", "The node holds entries (`entries`) or contents (`contents`) that no other node that answers has; removing it would lose them. Start it again, or see `A disk went back` in the operations guide; to accept the loss: `lgsp member remove --force`."],
    /// Cut off from a majority.
    Unavailable = "unavailable" 1501 503 true
        ["Tạm thời không phục vụ được", "Nút này chưa liên lạc được với đa số nút. Thử lại sau, hoặc ở nút khác."]
        ["Unavailable for the moment", "This node cannot reach a majority of the nodes. Try again later, or at another node."],
    /// The answer did not come.
    OutcomeUnknown = "outcome_unknown" 1502 503 true
        ["Chưa biết kết quả", "Câu trả lời không đến kịp; việc có thể đã hoặc chưa thực hiện. Gửi lại với cùng Idempotency-Key và nonce mới."]
        ["The outcome is not known", "The answer did not come in time; it may or may not have happened. Repeat with the same Idempotency-Key and a new nonce."],
    /// No holder of the content answers.
    ContentUnreachable = "content_unreachable" 1504 503 true
        ["Tạm thời chưa lấy được nội dung", "Các nút trả lời đều không giữ nội dung này; có thể nó ở một nút đang vắng mặt. Thử lại sau."]
        ["The content cannot be reached for the moment", "None of the nodes that answer holds the content; it may be on a node that is away. Try again later."],
    /// The disk is full up to its reserve.
    DiskFull = "disk_full" 1503 507 true
        ["Hết chỗ lưu", "Đĩa của nền tảng đã đến mức dự trữ nên tạm ngừng nhận nội dung. Báo quản trị viên; thử lại sau."]
        ["The disk is full", "The platform's disk is at its reserve, so contents are not taken for now. Tell the administrator; try again later."],
    /// Ours.
    Internal = "internal" 1599 500 true
        ["Lỗi của nền tảng", "Nền tảng gặp lỗi. Gửi `trace_id` cho quản trị viên."]
        ["An error of the platform", "Something went wrong here. Give the `trace_id` to the administrator."],
}
