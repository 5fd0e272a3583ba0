//! The texts of refusals that have to do with how the cluster works: its rules, its entries, its leases.

use machine::Refusal;

use super::texts;
use crate::texts::refusals::Said;

/// Whether a refusal is one of these.
pub(super) const fn is_of_rules(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NotYet
            | Refusal::RulesTooOld
            | Refusal::EntryFull
            | Refusal::NotLeaving
            | Refusal::LeaseHeld
            | Refusal::LetterUnknown
    )
}

// The rules say the same to the same request, except where another node or the client's own next step mends it.
pub(super) const fn is_retryable(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::EpochStale
            | Refusal::EntryFull
            | Refusal::NotYet
            | Refusal::HoldersTooFew
            | Refusal::NotFounded
            | Refusal::KeyVersionEnded
    )
}

/// What is said of such a refusal.
pub(super) fn rules(refusal: Refusal) -> Said {
    match refusal {
        Refusal::NotYet => (
            503,
            texts(
                [
                    "Cụm đang được nâng cấp",
                    "Chức năng này chạy được khi mọi nút đã dùng chương trình mới. Thử lại sau khi nâng cấp xong.",
                ],
                [
                    "The cluster is being upgraded",
                    "This works once every node runs the newer program. Try again when the upgrade is done.",
                ],
            ),
        ),
        Refusal::RulesTooOld => (
            409,
            texts(
                [
                    "Chương trình của nút quá cũ",
                    "Cụm đã dùng các quy tắc mà chương trình này chưa biết. Cài phiên bản mới hơn rồi thử lại.",
                ],
                [
                    "The node's program is too old",
                    "The cluster has adopted rules that this program does not know. Install a newer version and try again.",
                ],
            ),
        ),
        Refusal::EntryFull => (
            503,
            texts(
                ["Cụm đang rất bận", "Yêu cầu chưa được thực hiện. Gửi lại sau một giây."],
                [
                    "The cluster is very busy",
                    "The request was not carried out. Send it again in a second.",
                ],
            ),
        ),
        Refusal::NotLeaving => (
            409,
            texts(
                [
                    "Nút này chưa được yêu cầu rời cụm",
                    "Dùng `lgsp member remove` để gỡ nút ra khỏi cụm.",
                ],
                [
                    "The node has not been asked to leave",
                    "Remove the node with `lgsp member remove`.",
                ],
            ),
        ),
        Refusal::LeaseHeld => (
            409,
            texts(
                [
                    "Nút khác đang giữ quyền này",
                    "Mỗi việc chỉ do một nút làm. Chờ đến khi quyền được trả lại hoặc hết hạn.",
                ],
                [
                    "Another node holds this lease",
                    "One node at a time does this. Wait until the lease is given back or lapses.",
                ],
            ),
        ),
        _ => (
            404,
            texts(
                ["Không có thư này", "Thư không tồn tại hoặc đã được xử lý xong."],
                ["There is no such letter", "The letter does not exist, or is settled."],
            ),
        ),
    }
}
