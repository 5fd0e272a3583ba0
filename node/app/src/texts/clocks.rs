//! Help for the cluster's time.

use super::help::{Entry, t};

/// Help.
pub const HELP_TIME: Entry = Entry {
    path: "cluster time",
    about: t(
        "Giờ của cụm; hỏi nút trên chính máy này, không cần chữ ký",
        "The cluster's time; asks the node of this machine, without a signature",
    ),
    examples: [
        "lgsp cluster time show --data-dir /var/lib/lgsp",
        "lgsp cluster time confirm --data-dir /var/lib/lgsp",
    ],
    args: &[],
};

/// Help.
pub const HELP_SHOW: Entry = Entry {
    path: "cluster time show",
    about: t(
        "Xem giờ của cụm và đồng hồ của các nút",
        "Show the cluster's time and the clocks of the nodes",
    ),
    examples: [
        "lgsp cluster time show --data-dir /var/lib/lgsp",
        "sudo lgsp cluster time show --data-dir /var/lib/lgsp -o json",
    ],
    args: &[],
};

/// Help.
pub const HELP_CONFIRM: Entry = Entry {
    path: "cluster time confirm",
    about: t(
        "Xác nhận giờ của cụm là đúng, khi đồng hồ đã chỉnh xong",
        "Confirm that the cluster's time is right, once the clocks are",
    ),
    examples: [
        "lgsp cluster time confirm --data-dir /var/lib/lgsp",
        "sudo lgsp cluster time confirm --data-dir /var/lib/lgsp",
    ],
    args: &[],
};
