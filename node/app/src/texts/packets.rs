//! What is said of packets: on their way, at their end, and while something is waited for.

use super::{
    help::{Entry, t},
    texts,
};

texts! {
    STILL_TRYING = "{what} Đang thử lại, nhiều nhất {timeout} (--timeout).", "{what} Trying again, for {timeout} at most (--timeout).";
    STILL_WAITING = "{what} chưa trả lời; muốn ghi thì cần đa số các nút. Chờ nhiều nhất {timeout} (--timeout).", "{what} has not answered yet; a change needs a majority of the nodes. Waiting for {timeout} at most (--timeout).";
    EMPTY_FILE = "Tệp {path} trống (0 byte); gói tin vẫn được gửi.", "The file {path} is empty (0 octets); the packet is sent all the same.";
    MORE_WAITS = "Còn gói tin đang chờ: chạy lại lệnh này.", "More packets are waiting: run this command again.";
    ASK_CANCEL = "Huỷ {name}: nội dung bị xoá ở mọi nút, đích chưa nhận thì không nhận nữa.", "Cancel {name}: every node deletes the content, and targets that have not received it never will.";
    ASK_CANCEL_SEVERAL = "Huỷ {name} gói tin: nội dung bị xoá ở mọi nút, đích chưa nhận thì không nhận nữa.", "Packets to cancel: {name}. Every node deletes their contents, and targets that have not received them never will.";
    DONE_CANCELLED = "đã huỷ {packet}", "{packet} was cancelled";
    DONE_REJECTED = "đã từ chối {packet}: {reason}", "{packet} was rejected: {reason}";
    LOOK_PACKETS = "có thể đã làm rồi; xem: lgsp packet show {packet}", "it may have been done; see: lgsp packet show {packet}";
}

/// Help.
pub const HELP_CANCEL: Entry = Entry {
    path: "packet cancel",
    about: t(
        "Huỷ gói tin mà đơn vị này đã gửi, ở những nơi chưa nhận",
        "Cancel packets that this unit has sent, wherever they were not received yet",
    ),
    examples: [
        "lgsp packet cancel pk_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "lgsp packet cancel pk_01ARZ3NDEKTSV4RRFFQ69G5FAV --yes -o json",
    ],
    args: &[("packets", t("Các gói tin, dạng pk_…", "The packets, such as pk_…"))],
};

/// Help.
pub const HELP_REJECT: Entry = Entry {
    path: "packet reject",
    about: t(
        "Từ chối gói tin gửi tới đơn vị này; nguồn thấy lý do",
        "Reject packets sent to this unit; their source sees the reason",
    ),
    examples: [
        "lgsp packet reject pk_01ARZ3NDEKTSV4RRFFQ69G5FAV --reason \"Gửi nhầm đơn vị\"",
        "lgsp packet reject pk_01ARZ3NDEKTSV4RRFFQ69G5FAV --reason \"Tệp không mở được\" -o json",
    ],
    args: &[
        ("packets", t("Các gói tin, dạng pk_…", "The packets, such as pk_…")),
        ("reason", t("Vì sao, 1 đến 200 ký tự", "Why, 1 to 200 characters")),
    ],
};
