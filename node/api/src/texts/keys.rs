//! The texts of refusals about the keys that everything hangs on: the last administrator's, the cluster's.

use machine::Refusal;

use super::{refusals::Said, texts};

/// What is said of such a refusal.
pub(super) fn keys(refusal: Refusal) -> Said {
    match refusal {
        Refusal::LastAdminKey => (
            409,
            texts(
                [
                    "Không thể thu hồi khoá quản trị cuối cùng",
                    "Phát hành một khoá quản trị khác trước, rồi thu hồi khoá này.",
                ],
                [
                    "The last administrator's key stays",
                    "Issue another administrator's key first, then revoke this one.",
                ],
            ),
        ),
        Refusal::RotationsFull => (
            409,
            texts(
                [
                    "Khoá cụm đã được thay quá nhiều lần",
                    "Mỗi phiên bản cũ được giữ nhiều nhất 32 ngày. Xem `cluster_key` trong GET /v1/admin/status rồi thay lại sau `oldest_until`. Gỡ một nút thì vẫn thay được khoá.",
                ],
                [
                    "The cluster key was rotated too often",
                    "Each older version is kept for up to 32 days. See `cluster_key` in GET /v1/admin/status and rotate again after `oldest_until`. The removal of a node rotates the key all the same.",
                ],
            ),
        ),
        _ => (
            409,
            texts(
                [
                    "Phiên bản khoá cụm đã kết thúc",
                    "Nút này chưa theo kịp lần thay khoá cụm. Gửi lại yêu cầu.",
                ],
                [
                    "The version of the cluster key has ended",
                    "This node has not kept up with a rotation of the cluster key. Repeat the request.",
                ],
            ),
        ),
    }
}
