//! The cluster key, and what follows from the removal of a node.

use super::{
    help::{Entry, t},
    texts,
};

texts! {
    ROTATING = "đang thay khoá cụm: {phase}", "the cluster key is being rotated: {phase}";
    ROTATED = "khoá cụm đang dùng phiên bản {version}", "version {version} of the cluster key is in use";
    ROTATE_SLOW = "khoá cụm chưa thay xong: {phase}; cụm tự làm tiếp", "the cluster key is not rotated yet: {phase}; the cluster goes on by itself";
    ROTATE_SLOW_WHY = "các nút đã giữ phiên bản mới: {holders}", "nodes that hold the new version: {holders}";
    ROTATE_FULL = "chưa thay được khoá cụm: còn giữ {count} phiên bản cũ", "the cluster key cannot be rotated now: older versions kept: {count}";
    ROTATE_FULL_WHY = "mỗi phiên bản cũ được giữ đến khi không còn nội dung nào cần nó, nhiều nhất 32 ngày; gỡ một nút thì vẫn thay được khoá", "each older version is kept until no content needs it, for at most 32 days; the removal of a node rotates the key all the same";
    FIX_ROTATE_FULL = "thay lại sau {until}", "rotate again after {until}";
    FIX_ROTATE_SLOW = "xem: lgsp check", "see: lgsp check";
    OLD_TOKENS = "mã tạm cấp theo phiên bản cũ còn dùng được đến {until}", "tokens of older versions are good until {until}";
    OLD_CONTENTS = "phiên bản cũ còn giữ để mở nội dung đang lưu, chậm nhất đến {until}", "older versions are kept to open stored contents, until {until} at the latest";
    EXPOSED_NONE = "không còn khoá HMAC nào mà nút đã gỡ có thể đã đọc", "no HMAC key is left that the removed node could read";
    EXPOSED = "nút {node}, hay ai có đĩa của nó, có thể đã đọc bí mật của {count} khoá HMAC:", "node {node}, or whoever has its disk, could read the secrets of these HMAC keys ({count}):";
    EXPOSED_MORE = "và {count} khoá nữa", "and {count} more";
    EXPOSED_OTHERS = "khoá bất đối xứng (ed25519, rsa, ecdsa) không cần làm gì; khoá cụm tự thay", "keys of the other algorithms need nothing; the cluster key is rotated by itself";
    ASK_RENEW = "Số khoá HMAC sẽ được cấp lại: {name}.", "HMAC keys to be issued anew: {name}.";
    RENEWED = "{app}: {old} → {new}, hồ sơ ở {path}", "{app}: {old} → {new}, its profile is in {path}";
    RENEWED_UNTIL = "khoá cũ còn dùng được đến {until}; giao hồ sơ mới cho từng ứng dụng trước lúc đó", "the old keys are good until {until}; give each application its new profile before";
    NOT_REMOVED = "nút {node} chưa bị gỡ", "node {node} was not removed";
    CHECK_EXPOSED = "nút đã gỡ {node} có thể đã đọc {count} khoá HMAC đang dùng", "HMAC keys in use that the removed node {node} could read: {count}";
    CHECK_CLUSTER_KEY = "khoá cụm phiên bản {version}, mọi bí mật đã niêm phong theo nó", "the cluster key is at version {version}, and every secret is sealed under it";
    CHECK_CLUSTER_KEY_TURNING = "đang thay khoá cụm: {phase}, các nút đã giữ phiên bản mới: {holders}", "the cluster key is being rotated: {phase}, nodes that hold the new version: {holders}";
    FIX_CLUSTER_KEY = "cụm tự làm tiếp; nếu kéo dài, chạy lại nút chưa giữ phiên bản mới", "the cluster goes on by itself; if it takes long, start the node that lacks the new version";
}

/// Help.
pub const HELP_CLUSTER_KEY: Entry = Entry {
    path: "cluster key",
    about: t(
        "Khoá niêm phong bí mật và sinh mã tạm của cụm",
        "The key that seals the cluster's secrets and derives its tokens",
    ),
    examples: ["lgsp cluster key rotate", "lgsp cluster key rotate --end-tokens"],
    args: &[],
};

/// Help.
pub const HELP_ROTATE: Entry = Entry {
    path: "cluster key rotate",
    about: t(
        "Thay khoá cụm ngay khi cụm đang chạy; gỡ một nút thì cụm tự thay",
        "Rotate the cluster key while the cluster runs; the removal of a node does it by itself",
    ),
    examples: ["lgsp cluster key rotate", "lgsp cluster key rotate --end-tokens -o json"],
    args: &[(
        "end_tokens",
        t(
            "Mã tạm cấp theo khoá cũ hết hiệu lực ngay khi thay xong, không đợi một ngày",
            "Tokens of the old key end with the rotation, not a day later",
        ),
    )],
};

/// Help.
pub const HELP_RENEW: Entry = Entry {
    path: "key renew",
    about: t(
        "Cấp lại các khoá HMAC mà một nút đã gỡ có thể đã đọc; khoá cũ còn dùng thêm một thời gian",
        "Issue anew the HMAC keys that a removed node could read; the old ones go on for a while",
    ),
    examples: [
        "lgsp key renew --since-removal 3 --to-dir khoa-moi",
        "lgsp key renew --since-removal 3 --to-dir khoa-moi --overlap-days 0",
    ],
    args: &[
        ("since_removal", t("Số của nút đã gỡ", "The number of the removed node")),
        (
            "to_dir",
            t(
                "Thư mục ghi khoá mới: mỗi khoá một hồ sơ và một tệp bí mật (0600)",
                "Where the new keys go: a profile and a secret file (0600) for each",
            ),
        ),
        (
            "overlap_days",
            t(
                "Khoá cũ còn dùng bao nhiêu ngày; 0 là thu hồi ngay",
                "For how many days the old keys go on; 0 revokes them at once",
            ),
        ),
    ],
};
