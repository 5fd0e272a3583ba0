//! The authority that certifies the nodes.

use super::{
    help::{Entry, t},
    texts,
};

texts! {
    UNKNOWN = "Nút trả lời chưa biết cơ quan chứng thư của cụm.", "The node that answered does not know the cluster's authority yet.";
    FIX_UNKNOWN = "thử lại sau ít giây; xem cụm: lgsp status", "try again in a few seconds; see the cluster: lgsp status";
    SHOWN = "cơ quan chứng thư số {number}, dấu vân tay {fingerprint}", "authority number {number}, fingerprint {fingerprint}";
    ROTATED = "cơ quan chứng thư số {number} đã thay số trước; các nút tự lấy chứng thư mới", "authority number {number} replaces the former one; the nodes renew their certificates by themselves";
    OLDER_UNTIL = "cơ quan chứng thư cũ còn được công nhận đến {until}", "the older authority is honoured until {until}";
    TAKE = "trước lúc đó, nơi nào tin tệp authority.pem phải lấy tệp mới: lgsp cluster authority show --pem > authority.pem (hồ sơ của lgsp tự cập nhật)", "before then, whoever trusts a copy of authority.pem must take the new one: lgsp cluster authority show --pem > authority.pem (profiles of lgsp follow by themselves)";
    FOLLOWED = "hồ sơ {path} từ nay tin cơ quan chứng thư mới của cụm, dấu vân tay {fingerprint}", "the profile {path} trusts the cluster's new authority from now on, fingerprint {fingerprint}";
    SLOW = "cơ quan chứng thư chưa thay xong; cụm tự làm tiếp", "the authority is not rotated yet; the cluster goes on by itself";
    SLOW_WHY = "khoá cụm được thay trước, và việc đó cần đa số các nút", "the cluster key is rotated first, which needs a majority of the nodes";
    LOOK = "xem: lgsp cluster authority show", "see: lgsp cluster authority show";
    ASK_END = "Chấm dứt các cơ quan chứng thư cũ của cụm.", "End the older authorities of the cluster.";
    ENDED = "chỉ cơ quan chứng thư số {number} còn được công nhận", "only authority number {number} is honoured now";
    CHECK = "cơ quan chứng thư số {number}", "authority number {number}";
    CHECK_WANTED = "đang thay cơ quan chứng thư số {number}", "authority number {number} is being replaced";
    CHECK_OLDER = "cơ quan chứng thư số {number}; số trước còn được công nhận đến {until}", "authority number {number}; the one before is honoured until {until}";
    FIX_OLDER = "nơi nào tin tệp authority.pem lấy tệp mới trước lúc đó: lgsp cluster authority show --pem > authority.pem", "whoever trusts a copy of authority.pem must take the new one before then: lgsp cluster authority show --pem > authority.pem";
}

/// Help.
pub const HELP: Entry = Entry {
    path: "cluster authority",
    about: t(
        "Cơ quan chứng thư chứng nhận các nút của cụm",
        "The authority that certifies the nodes",
    ),
    examples: ["lgsp cluster authority show", "lgsp cluster authority rotate"],
    args: &[],
};

/// Help.
pub const HELP_SHOW: Entry = Entry {
    path: "cluster authority show",
    about: t(
        "Xem cơ quan chứng thư, và đến khi nào số cũ còn được công nhận",
        "Show the authority, and until when an older one is honoured",
    ),
    examples: ["lgsp cluster authority show", "lgsp cluster authority show --pem > authority.pem"],
    args: &[(
        "pem",
        t(
            "In các chứng thư cần tin (PEM), để ghi vào authority.pem",
            "Print the certificates to trust (PEM), for authority.pem",
        ),
    )],
};

/// Help.
pub const HELP_ROTATE: Entry = Entry {
    path: "cluster authority rotate",
    about: t(
        "Thay cơ quan chứng thư ngay khi cụm đang chạy; gỡ một nút thì cụm tự thay",
        "Rotate the authority while the cluster runs; the removal of a node does it by itself",
    ),
    examples: ["lgsp cluster authority rotate", "lgsp cluster authority rotate --overlap-days 90"],
    args: &[(
        "overlap_days",
        t(
            "Số cũ còn được công nhận bao nhiêu ngày; 0 là thôi ngay",
            "For how many days the one before is honoured; 0 ends it at once",
        ),
    )],
};

/// Help.
pub const HELP_END: Entry = Entry {
    path: "cluster authority end",
    about: t(
        "Thôi công nhận các cơ quan chứng thư cũ ngay, không đợi hết hạn",
        "End the older authorities now, whatever time they have left",
    ),
    examples: ["lgsp cluster authority end", "lgsp cluster authority end --yes"],
    args: &[],
};
