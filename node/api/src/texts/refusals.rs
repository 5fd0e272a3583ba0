//! The texts of the rules' refusals.

use machine::Refusal;

use super::{
    Row,
    keys::keys,
    rules::{is_of_rules, is_retryable, rules},
    texts,
};

/// The row of a refusal.
pub(crate) fn refusal(refusal: Refusal) -> Row {
    let (status, (vi, en)) = match refusal {
        Refusal::AlreadyFounded
        | Refusal::NotFounded
        | Refusal::TokenUnknown
        | Refusal::TokenUsed
        | Refusal::TokenExpired
        | Refusal::NodeUnknown
        | Refusal::NodeNeeded => cluster(refusal),
        Refusal::ZoneMalformed
        | Refusal::CodeMalformed
        | Refusal::CodeOutsideZone
        | Refusal::UnitExists
        | Refusal::UnitUnknown
        | Refusal::ParentUnknown
        | Refusal::AppExists
        | Refusal::AppUnknown
        | Refusal::KeyExists
        | Refusal::KeyUnknown => registry(refusal),
        Refusal::KeyRevoked
        | Refusal::NotGranted
        | Refusal::TargetNotGranted
        | Refusal::ProofMissing
        | Refusal::ClockOutOfWindow
        | Refusal::NonceReused => access(refusal),
        Refusal::LastAdminKey | Refusal::RotationsFull | Refusal::KeyVersionEnded => keys(refusal),
        Refusal::ContentLost => super::content_lost(),
        Refusal::UnitInUse => super::unit_in_use(),
        refusal if is_of_rules(refusal) => rules(refusal),
        _ => exchange(refusal),
    };
    Row {
        word: refusal.as_str(),
        // The profile of signatures has these two types for another meaning.
        kind: match refusal {
            Refusal::KeyUnknown => Some("key-not-found"),
            Refusal::DigestMismatch => Some("receipt-digest-mismatch"),
            _ => None,
        },
        number: refusal.number(),
        status,
        retryable: is_retryable(refusal),
        vi,
        en,
    }
}

pub(super) type Said = (u16, (super::Text, super::Text));

fn cluster(refusal: Refusal) -> Said {
    match refusal {
        Refusal::AlreadyFounded => (
            409,
            texts(
                [
                    "Cụm đã được khởi tạo",
                    "Cụm này đã được khởi tạo trước đó. Dùng `lgsp join` để thêm nút.",
                ],
                [
                    "The cluster was founded before",
                    "This cluster exists already. Use `lgsp join` to add a node.",
                ],
            ),
        ),
        Refusal::NotFounded => (
            503,
            texts(
                [
                    "Cụm chưa được khởi tạo",
                    "Nút này chưa thuộc cụm nào đã khởi tạo. Chạy `lgsp init`, hoặc chờ nút theo kịp rồi thử lại.",
                ],
                [
                    "The cluster has not been founded",
                    "This node is not part of a founded cluster. Run `lgsp init`, or wait until it has caught up and try again.",
                ],
            ),
        ),
        Refusal::TokenUnknown => (
            401,
            texts(
                [
                    "Không nhận ra mã gia nhập",
                    "Cụm này không phát hành mã gia nhập đó. Xin quản trị viên một mã mới.",
                ],
                [
                    "The join token is not known",
                    "This cluster has not issued that join token. Ask the administrator for a new one.",
                ],
            ),
        ),
        Refusal::TokenUsed => (
            401,
            texts(
                [
                    "Mã gia nhập đã được dùng",
                    "Mỗi mã gia nhập chỉ dùng được một lần. Xin quản trị viên một mã mới.",
                ],
                [
                    "The join token was used before",
                    "A join token works once. Ask the administrator for a new one.",
                ],
            ),
        ),
        Refusal::TokenExpired => (
            401,
            texts(
                [
                    "Mã gia nhập đã hết hạn",
                    "Thời hạn của mã gia nhập đã qua. Xin quản trị viên một mã mới.",
                ],
                [
                    "The join token has expired",
                    "Join tokens are valid for a short time. Ask the administrator for a new one.",
                ],
            ),
        ),
        Refusal::NodeUnknown => (
            404,
            texts(
                [
                    "Không có nút này",
                    "Nút không tồn tại hoặc đã bị loại khỏi cụm. Xem danh sách bằng `lgsp member list`.",
                ],
                [
                    "There is no such node",
                    "The node does not exist or was removed. See `lgsp member list`.",
                ],
            ),
        ),
        _ => (
            409,
            texts(
                [
                    "Chưa thể loại nút này",
                    "Nút còn giữ nội dung mà các nút khác chưa có đủ. Chờ việc sao chép xong hoặc thêm nút, rồi thử lại.",
                ],
                [
                    "The node is still needed",
                    "The node holds contents that the others lack. Wait until they are copied or add a node, then try again.",
                ],
            ),
        ),
    }
}

fn registry(refusal: Refusal) -> Said {
    match refusal {
        Refusal::ZoneMalformed => (
            422,
            texts(
                [
                    "Vùng triển khai không hợp lệ",
                    "Vùng phải là mã cấp 1 như H41, và đơn vị quản trị phải thuộc vùng đó.",
                ],
                [
                    "The zone and the unit do not fit",
                    "The zone is a level-1 code such as H41, and the administrator's unit belongs to it.",
                ],
            ),
        ),
        Refusal::CodeMalformed => (
            422,
            texts(
                [
                    "Mã định danh không đúng quy định",
                    "Mã của đơn vị thuộc vùng phải theo Quyết định 20/2020/QĐ-TTg, ví dụ H41.05 hoặc H41.05.12.",
                ],
                [
                    "The identifier code is malformed",
                    "A code of the zone must follow Decision 20/2020/QD-TTg, such as H41.05 or H41.05.12.",
                ],
            ),
        ),
        Refusal::CodeOutsideZone => (
            422,
            texts(
                [
                    "Mã không khớp với vùng",
                    "Đơn vị trong vùng phải mang mã của vùng; đơn vị ngoài vùng phải khai loại `remote`.",
                ],
                [
                    "The code does not fit the zone",
                    "A unit of the zone carries the zone's code; a unit from outside must have the kind `remote`.",
                ],
            ),
        ),
        Refusal::UnitExists => (
            409,
            texts(
                [
                    "Đơn vị đã được đăng ký",
                    "Mã hoặc bí danh này đã có trong danh bạ. Kiểm tra bằng `lgsp unit show`.",
                ],
                [
                    "The unit is registered already",
                    "The code or an alias is in the directory. Check with `lgsp unit show`.",
                ],
            ),
        ),
        Refusal::UnitUnknown => (
            404,
            texts(
                [
                    "Không có đơn vị này",
                    "Mã định danh (nêu trong `errors`) không có trong danh bạ. Tìm bằng tên: GET /v1/units?q=….",
                ],
                [
                    "There is no such unit",
                    "The code (named in `errors`) is not in the directory. Search by name: GET /v1/units?q=...",
                ],
            ),
        ),
        Refusal::ParentUnknown => (
            422,
            texts(
                [
                    "Đơn vị cấp trên chưa được đăng ký",
                    "Đăng ký đơn vị cấp trên trước, hoặc đặt nó trước trong cùng danh sách.",
                ],
                [
                    "The unit above is not registered",
                    "Register the unit above first, or put it earlier in the same list.",
                ],
            ),
        ),
        Refusal::AppExists => (
            409,
            texts(
                ["Ứng dụng đã được đăng ký", "Tên ứng dụng này đã có. Chọn tên khác."],
                [
                    "The application is registered already",
                    "An application of this name exists. Choose another name.",
                ],
            ),
        ),
        Refusal::AppUnknown => (
            404,
            texts(
                [
                    "Không có ứng dụng này",
                    "Xem danh sách bằng `lgsp app list`, hoặc đăng ký ứng dụng trước.",
                ],
                [
                    "There is no such application",
                    "See `lgsp app list`, or register the application first.",
                ],
            ),
        ),
        Refusal::KeyExists => (
            409,
            texts(
                [
                    "Khoá đã được phát hành",
                    "Khoá truy xuất này đã có. Gửi lại yêu cầu để nhận khoá khác.",
                ],
                [
                    "The key was issued before",
                    "This access key exists. Repeat the request to get another one.",
                ],
            ),
        ),
        _ => (
            404,
            texts(
                [
                    "Không có khoá này",
                    "Khoá truy xuất không có trong cụm. Xem danh sách bằng `lgsp key list`.",
                ],
                [
                    "There is no such key",
                    "The access key is not known in the cluster. See `lgsp key list`.",
                ],
            ),
        ),
    }
}

fn access(refusal: Refusal) -> Said {
    match refusal {
        Refusal::KeyRevoked => (
            401,
            texts(
                [
                    "Khoá đã bị thu hồi",
                    "Khoá truy xuất này không còn dùng được. Xin quản trị viên cấp khoá mới.",
                ],
                [
                    "The key was revoked",
                    "This access key cannot be used any more. Ask the administrator for a new one.",
                ],
            ),
        ),
        Refusal::NotGranted => (
            403,
            texts(
                [
                    "Ứng dụng chưa được cấp quyền",
                    "Ứng dụng của khoá này chưa được cấp quyền cho việc đó. Đề nghị quản trị viên cấp quyền.",
                ],
                [
                    "The application has not been granted this",
                    "The key's application lacks the grant for this. Ask the administrator for it.",
                ],
            ),
        ),
        Refusal::TargetNotGranted => (
            403,
            texts(
                [
                    "Không được gửi tới đích này",
                    "Ứng dụng chỉ được gửi tới những đơn vị đã đăng ký cho nó. Đề nghị quản trị viên bổ sung đích.",
                ],
                [
                    "The application may not send to this target",
                    "The application may send only to the units registered for it. Ask the administrator to add the target.",
                ],
            ),
        ),
        Refusal::ProofMissing => (
            401,
            texts(
                ["Yêu cầu cần có chữ ký", "Ký yêu cầu theo RFC 9421 với thẻ lgsp-v1 và một nonce."],
                [
                    "The request needs a signature",
                    "Sign the request according to RFC 9421 with the tag lgsp-v1 and a nonce.",
                ],
            ),
        ),
        Refusal::ClockOutOfWindow => (
            401,
            texts(
                [
                    "Thời gian của chữ ký ngoài khoảng cho phép",
                    "Đồng hồ của máy gửi lệch so với nền tảng. Chỉnh giờ (NTP) rồi ký lại.",
                ],
                [
                    "The signature's time is outside the window",
                    "The sender's clock differs from the platform's. Set it (NTP) and sign again.",
                ],
            ),
        ),
        _ => (
            401,
            texts(
                [
                    "Nonce đã được dùng",
                    "Mỗi nonce chỉ dùng được một lần. Ký lại với nonce mới và giữ nguyên Idempotency-Key.",
                ],
                [
                    "The nonce was used before",
                    "A nonce is accepted only once. Sign again with a new nonce and the same Idempotency-Key.",
                ],
            ),
        ),
    }
}

fn exchange(refusal: Refusal) -> Said {
    match refusal {
        Refusal::TargetsMalformed => (
            422,
            texts(
                ["Danh sách đích không hợp lệ", "Cần từ 1 đến 512 đích, mỗi đích một lần."],
                ["The targets are malformed", "Give 1 to 512 targets, each once."],
            ),
        ),
        Refusal::DeadlineMalformed => (
            422,
            texts(
                ["Thời hạn không hợp lệ", "`deliver_by` phải ở tương lai và không quá 30 ngày."],
                [
                    "The deadline is malformed",
                    "`deliver_by` must be in the future and at most 30 days away.",
                ],
            ),
        ),
        Refusal::PacketUnknown => (
            404,
            texts(
                [
                    "Không có gói tin này",
                    "Gói tin không tồn tại, hoặc đơn vị của bạn không phải nguồn hay đích của nó. Kiểm tra mã gói tin.",
                ],
                [
                    "There is no such packet",
                    "The packet does not exist, or your unit is neither its source nor a target. Check the packet's id.",
                ],
            ),
        ),
        Refusal::SpaceUnknown => (
            404,
            texts(
                [
                    "Không có không gian này",
                    "Không gian không tồn tại hoặc đã đóng. Tạo gói tin mới để nhận không gian mới.",
                ],
                [
                    "There is no such space",
                    "The space does not exist or is gone. Open a new packet to get a new space.",
                ],
            ),
        ),
        Refusal::SpaceExpired => (
            410,
            texts(
                [
                    "Không gian đã hết hạn",
                    "Nội dung không đến trong thời hạn của không gian. Tạo gói tin mới.",
                ],
                [
                    "The space has expired",
                    "The content did not arrive while the space was open. Open a new packet.",
                ],
            ),
        ),
        Refusal::AlreadySealed => (
            409,
            texts(
                [
                    "Gói tin đã được niêm phong",
                    "Nội dung đã chốt và không thể thay đổi. Muốn gửi nội dung khác, tạo gói tin mới.",
                ],
                [
                    "The packet is sealed",
                    "Its content is final. To send another content, open a new packet.",
                ],
            ),
        ),
        Refusal::EpochStale => (
            409,
            texts(
                [
                    "Nút khác đã tiếp quản không gian",
                    "Hỏi lại vị trí bằng HEAD rồi gửi tiếp từ đó.",
                ],
                [
                    "Another node has taken over the space",
                    "Ask for the offset with HEAD and go on from there.",
                ],
            ),
        ),
        Refusal::SizeMismatch => (
            422,
            texts(
                [
                    "Kích thước không khớp",
                    "Nội dung nhận được không có kích thước đã khai. Kiểm tra tệp và gửi lại.",
                ],
                [
                    "The size does not fit",
                    "The content does not have the announced size. Check the file and send again.",
                ],
            ),
        ),
        Refusal::HoldersTooFew => (
            503,
            texts(
                [
                    "Nội dung chưa được lưu bền trên đa số nút",
                    "Chưa đủ nút giữ nội dung. Thử lại sau giây lát.",
                ],
                [
                    "The content is not durable on a majority",
                    "Too few nodes hold the content. Try again in a moment.",
                ],
            ),
        ),
        Refusal::IdempotencyConflict => (
            422,
            texts(
                [
                    "Idempotency-Key đã dùng cho yêu cầu khác",
                    "Cùng một khoá phải đi với cùng một yêu cầu. Dùng khoá mới cho yêu cầu mới.",
                ],
                [
                    "The Idempotency-Key was used for another request",
                    "The same key goes with the same request. Use a new key for a new request.",
                ],
            ),
        ),
        Refusal::IdempotencyFull => (
            429,
            texts(
                [
                    "Quá nhiều Idempotency-Key",
                    "Ứng dụng đã dùng hết số khoá được nhớ trong 7 ngày. Gửi không kèm khoá, hoặc chờ khoá cũ hết hạn.",
                ],
                [
                    "Too many idempotency keys",
                    "The application has used up the keys remembered for 7 days. Send without one, or wait until older ones expire.",
                ],
            ),
        ),
        Refusal::NotSealed => (
            409,
            texts(
                [
                    "Nội dung chưa đến đủ",
                    "Bên gửi chưa chốt nội dung của gói tin. Chờ thông báo rồi nhận.",
                ],
                [
                    "The packet's content has not arrived",
                    "The source has not sealed the packet. Wait for the notice.",
                ],
            ),
        ),
        Refusal::NotATarget => (
            403,
            texts(
                [
                    "Đơn vị không phải đích của gói tin",
                    "Chỉ đích của gói tin mới được làm việc này. Kiểm tra khoá và mã gói tin.",
                ],
                [
                    "The unit is not a target of this packet",
                    "Only a target of the packet may do this. Check the key and the packet's id.",
                ],
            ),
        ),
        Refusal::DigestMismatch => (
            422,
            texts(
                [
                    "Mã băm không khớp",
                    "Mã SHA-256 khác với mã mà bên gửi đã ký. Tải hoặc gửi lại nội dung rồi tính lại mã băm.",
                ],
                [
                    "The digest does not match",
                    "The SHA-256 is not the one that the source signed. Fetch or send the content again and compute it anew.",
                ],
            ),
        ),
        Refusal::AlreadyEnded => (
            409,
            texts(
                [
                    "Gói tin đã kết thúc",
                    "Gói tin hoặc chuyển giao này đã kết thúc. Xem trạng thái bằng GET /v1/packets/{id}.",
                ],
                [
                    "It has ended before",
                    "The packet or this delivery has ended. See its state with GET /v1/packets/{id}.",
                ],
            ),
        ),
        Refusal::NotAccepted => (
            409,
            texts(
                [
                    "Đích chưa báo sẵn sàng",
                    "Gọi POST /v1/packets/{id}/accept trước khi tải nội dung.",
                ],
                [
                    "The target has not accepted the packet",
                    "Call POST /v1/packets/{id}/accept before fetching the content.",
                ],
            ),
        ),
        Refusal::ListMalformed => (
            422,
            texts(
                ["Danh sách rỗng hoặc quá dài", "Cần từ 1 đến 1000 mục trong một yêu cầu."],
                ["The list is empty or too long", "Give 1 to 1000 items in one request."],
            ),
        ),
        _ => (
            409,
            texts(
                ["Mã định danh đã được dùng", "Mã sinh ra trùng với mã đã có. Gửi lại yêu cầu."],
                [
                    "The identifier is in use",
                    "A generated identifier exists already. Repeat the request.",
                ],
            ),
        ),
    }
}
