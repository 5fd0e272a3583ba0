//! The help of every command and argument. Examples are the same in both languages.

use super::Text;

/// The help of one command.
#[derive(Debug)]
pub struct Entry {
    /// Its path, as `packet send`; empty for the program itself.
    pub path: &'static str,
    /// What it does.
    pub about: Text,
    /// Two examples.
    pub examples: [&'static str; 2],
    /// Its own arguments.
    pub args: &'static [(&'static str, Text)],
}

pub(super) const fn t(vi: &'static str, en: &'static str) -> Text {
    Text { vi, en }
}

/// The arguments that mean the same wherever they stand.
const COMMON: &[(&str, Text)] = &[
    (
        "output",
        t(
            "Dạng dữ liệu: table hoặc wide cho người, json hoặc ndjson cho chương trình, csv cho bảng tính",
            "Form of the data: table or wide for people, json or ndjson for programs, csv for spreadsheets",
        ),
    ),
    (
        "lang",
        t(
            "Ngôn ngữ: vi, en; mặc định theo LGSP_LANG rồi theo máy",
            "Language: vi, en; LGSP_LANG or the locale by default",
        ),
    ),
    ("color", t("Màu: auto, always, never", "Colour: auto, always, never")),
    (
        "profile",
        t("Hồ sơ kết nối tới cụm (TOML)", "Profile of the connection to the cluster (TOML)"),
    ),
    ("timeout", t("Thời gian chờ một lần gọi", "How long one request may take")),
    ("debug", t("In cả lý do kỹ thuật", "Print the technical reason too")),
    ("data_dir", t("Thư mục dữ liệu của nút", "The node's data directory")),
    ("name", t("Tên cho người đọc", "The name that people read")),
    (
        "mesh_listen",
        t("Địa chỉ nghe các nút khác (UDP)", "Address to listen on for the other nodes (UDP)"),
    ),
    (
        "mesh_advertise",
        t("Địa chỉ mà các nút khác gọi tới nút này", "Where the other nodes reach this one"),
    ),
    (
        "api_listen",
        t("Địa chỉ nghe ứng dụng (HTTPS)", "Address to listen on for applications (HTTPS)"),
    ),
    (
        "api_url",
        t(
            "Địa chỉ mà ứng dụng gọi tới; dùng được nhiều lần",
            "Address that applications use; may be repeated",
        ),
    ),
    (
        "host",
        t(
            "Thêm tên máy hoặc địa chỉ vào chứng thư; dùng được nhiều lần",
            "Further host name or address for the certificate; may be repeated",
        ),
    ),
    ("limit", t("Nhiều nhất bao nhiêu dòng", "How many lines at most")),
    ("all", t("Lấy hết", "All of them")),
    ("yes", t("Không hỏi lại (cho kịch bản tự động)", "Do not ask (for scripts)")),
    (
        "wait",
        t(
            "Chờ đến khi xong, mặc định 60 s: --wait hoặc --wait=5min",
            "Wait until it is done, 60 s by default: --wait or --wait=5min",
        ),
    ),
    ("packet", t("Gói tin, dạng pk_…", "The packet, such as pk_…")),
    ("code", t("Mã định danh của đơn vị, ví dụ H41.02", "The unit's identifier code, such as H41.02")),
];

/// The text of an argument: the command's own, else the common one.
pub fn arg(path: &str, id: &str) -> Option<Text> {
    let own = ALL.iter().find(|entry| entry.path == path).map_or(&[][..], |entry| entry.args);
    own.iter().chain(COMMON).find(|(name, _)| *name == id).map(|(_, text)| *text)
}

/// What every command and every argument says of itself.
#[cfg(test)]
pub(super) fn messages() -> Vec<(String, Text)> {
    let common = COMMON.iter().map(|(arg, text)| (format!("* {arg}"), *text));
    let own = ALL.iter().flat_map(|entry| {
        let path = format!("lgsp {}", entry.path).trim().to_owned();
        let args = entry.args.iter().map(move |(arg, text)| (format!("lgsp {} {arg}", entry.path), *text));
        std::iter::once((path, entry.about)).chain(args)
    });
    common.chain(own).collect()
}

/// Every command.
pub const ALL: &[Entry] = &[
    Entry {
        path: "",
        about: t(
            "LGSP: mang gói tin giữa các cơ quan của tỉnh, và quên nội dung khi đã tới nơi.",
            "LGSP: carries packets between the offices of a province, and forgets their content once it has arrived.",
        ),
        examples: ["lgsp demo", "lgsp packet send cong-van.pdf --to H41.02"],
        args: &[],
    },
    Entry {
        path: "demo",
        about: t(
            "Chạy thử: 3 nút trên máy này, gửi tệp thật, tắt đột ngột nút dẫn đầu, xem nội dung biến mất",
            "Try it out: 3 nodes on this machine, real files, a killed leader, content that is gone",
        ),
        examples: ["lgsp demo", "lgsp demo --once -o json"],
        args: &[
            (
                "once",
                t("Chạy đến hết rồi thoát với mã 0 hoặc 1", "Run to the end and exit with 0 or 1"),
            ),
            ("keep", t("Giữ lại dữ liệu thử", "Keep the trial data")),
        ],
    },
    Entry {
        path: "init",
        about: t("Lập cụm mới với nút đầu tiên", "Found a new cluster with its first node"),
        examples: [
            "lgsp init --data-dir /var/lib/lgsp --name nut-1 --mesh-advertise 10.0.0.11:7443 --api-url https://10.0.0.11:8443",
            "lgsp init --data-dir d1 --name nut-1 --zone H41 --mesh-listen 127.0.0.1:7443 --mesh-advertise 127.0.0.1:7443 --api-listen 127.0.0.1:8443 --api-url https://127.0.0.1:8443",
        ],
        args: &[
            ("zone", t("Mã cấp 1 của tỉnh", "The province's level-1 code")),
            ("cluster_name", t("Tên của cụm", "The cluster's name")),
        ],
    },
    Entry {
        path: "join",
        about: t("Đưa máy này vào cụm đã có", "Let this machine join a cluster"),
        examples: [
            "LGSP_JOIN_TOKEN=jn_… lgsp join https://10.0.0.11:8443 --data-dir /var/lib/lgsp --name nut-2 --mesh-advertise 10.0.0.12:7443 --api-url https://10.0.0.12:8443",
            "LGSP_JOIN_TOKEN=jn_… lgsp join https://127.0.0.1:8443 --data-dir d2 --name nut-2 --mesh-listen 127.0.0.1:7444 --mesh-advertise 127.0.0.1:7444 --api-listen 127.0.0.1:8444 --api-url https://127.0.0.1:8444",
        ],
        args: &[
            ("url", t("Địa chỉ API của một thành viên", "The address of a member's API")),
            (
                "token",
                t(
                    "Mã gia nhập, dùng một lần (lgsp member token)",
                    "The join token, good once (lgsp member token)",
                ),
            ),
        ],
    },
    Entry {
        path: "run",
        about: t("Chạy nút", "Run the node"),
        examples: ["lgsp run --data-dir /var/lib/lgsp", "lgsp run --config /etc/lgsp/lgsp.toml"],
        args: &[
            ("config", t("Tệp cấu hình", "The configuration")),
            (
                "peer",
                t(
                    "Gợi ý: một nút khác đang ở địa chỉ này (khi các nút đổi địa chỉ và không tìm thấy nhau)",
                    "A hint: some other node is there (where nodes have new addresses and do not find one another)",
                ),
            ),
            (
                "moved",
                t(
                    "Nút đã chuyển sang máy hoặc thư mục này; bản gốc không còn chạy (chỉ cần một lần)",
                    "The node was moved to this machine or directory; its original is gone (needed once)",
                ),
            ),
        ],
    },
    Entry {
        path: "status",
        about: t(
            "Cụm ra sao, trong một màn hình; thoát với 3 khi suy giảm",
            "The cluster on one screen; exits with 3 when it is degraded",
        ),
        examples: ["lgsp status", "lgsp status -o json --profile /var/lib/lgsp/admin.toml"],
        args: &[],
    },
    Entry {
        path: "check",
        about: t("Kiểm tra từng phần, kèm cách sửa (cũng là: lgsp doctor)", "Check every part, with what to do (also: lgsp doctor)"),
        examples: ["lgsp check", "lgsp check --nagios"],
        args: &[(
            "nagios",
            t(
                "Một dòng và mã thoát 0/1/2/3 cho hệ giám sát",
                "One line and exit codes 0/1/2/3 for monitoring",
            ),
        )],
    },
    Entry {
        path: "recover",
        about: t(
            "Khi đĩa quay về bản cũ: xem nút đã dừng này giữ gì, và quyết định thay cho nó",
            "When a disk went back to an older state: what this stopped node holds, and how to decide for it",
        ),
        examples: [
            "lgsp recover --data-dir /var/lib/lgsp",
            "lgsp recover --data-dir /var/lib/lgsp --as-source",
        ],
        args: &[
            ("data_dir", t("Thư mục của nút", "The node's directory")),
            (
                "trust",
                t(
                    "Cho nút bỏ phiếu lại với trí nhớ hiện có; cái đã quên thì mất",
                    "Lets the node vote again with the memory it has; what it forgot is lost",
                ),
            ),
            (
                "as_source",
                t(
                    "Lấy nút này làm nút duy nhất; các nút khác gia nhập lại",
                    "Makes this the only node; the others join anew",
                ),
            ),
        ],
    },
    Entry {
        path: "cluster",
        about: t("Việc của cả cụm", "Commands for the whole cluster"),
        examples: [
            "lgsp cluster time show --data-dir /var/lib/lgsp",
            "lgsp cluster time confirm --data-dir /var/lib/lgsp",
        ],
        args: &[],
    },
    super::clocks::HELP_TIME,
    super::clocks::HELP_SHOW,
    super::clocks::HELP_CONFIRM,
    Entry {
        path: "member",
        about: t("Các nút của cụm", "The nodes of the cluster"),
        examples: ["lgsp member list", "lgsp member token"],
        args: &[],
    },
    Entry {
        path: "member list",
        about: t("Liệt kê các nút", "List the nodes"),
        examples: ["lgsp member list", "lgsp member list -o json"],
        args: &[],
    },
    Entry {
        path: "member token",
        about: t("Tạo mã gia nhập cho một nút mới", "Make a join token for one new node"),
        examples: ["lgsp member token", "lgsp member token --minutes 10"],
        args: &[("minutes", t("Hiệu lực bao nhiêu phút", "For how many minutes it is valid"))],
    },
    Entry {
        path: "member remove",
        about: t("Gỡ một nút khỏi cụm, vĩnh viễn", "Remove a node from the cluster, for good"),
        examples: ["lgsp member remove 3", "lgsp member remove 3 --yes"],
        args: &[
            ("node", t("Số của nút", "The node's number")),
            (
                "force",
                t(
                    "Gỡ cả khi nút giữ bản duy nhất của bản ghi hoặc nội dung, và mất chúng",
                    "Even if the node holds the only copy of entries or contents, which are then lost",
                ),
            ),
        ],
    },
    super::identity::HELP_CLUSTER_KEY,
    super::identity::HELP_ROTATE,
    super::authority::HELP,
    super::authority::HELP_SHOW,
    super::authority::HELP_ROTATE,
    super::authority::HELP_END,
    Entry {
        path: "unit",
        about: t("Các đơn vị", "The units"),
        examples: ["lgsp unit search \"so noi vu\"", "lgsp unit import don-vi.csv"],
        args: &[],
    },
    Entry {
        path: "unit add",
        about: t("Thêm một đơn vị", "Add a unit"),
        examples: [
            "lgsp unit add H41.02 --name \"Sở Nội vụ\" --kind department --parent H41",
            "lgsp unit add 000.00.00.G22 --name \"Bộ X\" --kind remote",
        ],
        args: &[
            (
                "kind",
                t(
                    "province, department, commune, ward, other hoặc remote",
                    "province, department, commune, ward, other or remote",
                ),
            ),
            ("parent", t("Đơn vị cấp trên", "The unit above it")),
            (
                "alias",
                t(
                    "Mã khác của cùng đơn vị; dùng được nhiều lần",
                    "Another code of the same unit; may be repeated",
                ),
            ),
        ],
    },
    super::units::HELP_IMPORT,
    super::units::HELP_RENAME,
    super::units::HELP_REMOVE,
    Entry {
        path: "unit show",
        about: t("Xem một đơn vị", "Show a unit"),
        examples: ["lgsp unit show H41.02", "lgsp unit show H41.02 -o json"],
        args: &[],
    },
    Entry {
        path: "unit list",
        about: t("Liệt kê các đơn vị", "List the units"),
        examples: ["lgsp unit list", "lgsp unit list --all -o json"],
        args: &[],
    },
    Entry {
        path: "unit search",
        about: t(
            "Tìm đơn vị theo tên hoặc mã; không cần dấu",
            "Search units by name or code; accents do not matter",
        ),
        examples: ["lgsp unit search so noi vu", "lgsp unit search \"thành vinh\""],
        args: &[("words", t("Các từ cần tìm", "The words to find"))],
    },
    Entry {
        path: "app",
        about: t("Các ứng dụng", "The applications"),
        examples: ["lgsp app list", "lgsp app add van-ban-noi-vu --unit H41.02"],
        args: &[],
    },
    Entry {
        path: "app add",
        about: t("Thêm một ứng dụng của một đơn vị", "Add an application of a unit"),
        examples: [
            "lgsp app add van-ban-noi-vu --unit H41.02",
            "lgsp app add cong-dich-vu --unit H41.02 --grant send --target H41.03,H41.04",
        ],
        args: &[
            (
                "app",
                t(
                    "Tên trong cụm: chữ thường, số, gạch nối",
                    "Its name in the cluster: lower case, digits, hyphens",
                ),
            ),
            ("unit", t("Đơn vị mà ứng dụng đại diện", "The unit it acts for")),
            ("grant", t("Quyền: send, receive, admin", "Grants: send, receive, admin")),
            ("target", t("Chỉ được gửi tới các đơn vị này", "May send to these units only")),
        ],
    },
    Entry {
        path: "app list",
        about: t("Liệt kê các ứng dụng", "List the applications"),
        examples: ["lgsp app list", "lgsp app list -o json"],
        args: &[],
    },
    Entry {
        path: "key",
        about: t("Các khoá của ứng dụng", "The applications' keys"),
        examples: ["lgsp key list", "lgsp key issue van-ban-noi-vu --profile-file noi-vu.toml"],
        args: &[],
    },
    Entry {
        path: "key issue",
        about: t(
            "Cấp khoá cho ứng dụng; khoá bí mật chỉ hiện một lần",
            "Issue a key to an application; its secret is shown once",
        ),
        examples: [
            "lgsp key issue van-ban-noi-vu --profile-file noi-vu.toml",
            "lgsp key issue van-ban-noi-vu --algorithm ed25519 --public-key cong-khai.pem",
        ],
        args: &[
            ("app", t("Ứng dụng", "The application")),
            (
                "algorithm",
                t(
                    "hmac-sha256, rsa-v1_5-sha256, rsa-pss-sha512, ed25519, ecdsa-p256-sha256",
                    "hmac-sha256, rsa-v1_5-sha256, rsa-pss-sha512, ed25519, ecdsa-p256-sha256",
                ),
            ),
            ("public_key", t("Khoá công khai (PEM) của cơ quan", "The agency's public key (PEM)")),
            ("legacy", t("Cho phép kiểu ký cũ", "Allow legacy signatures")),
            (
                "hmac_sha1",
                t("Cho phép HMAC-SHA1 trong kiểu cũ", "Allow HMAC-SHA1 in legacy signatures"),
            ),
            (
                "secret_file",
                t("Ghi khoá bí mật vào tệp này (0600)", "Write the secret key to this file (0600)"),
            ),
            (
                "profile_file",
                t(
                    "Ghi hồ sơ kết nối đầy đủ vào tệp này (0600)",
                    "Write a whole connection profile to this file (0600)",
                ),
            ),
        ],
    },
    Entry {
        path: "key list",
        about: t("Liệt kê các khoá, không có phần bí mật", "List the keys, without their secrets"),
        examples: ["lgsp key list", "lgsp key list -o json"],
        args: &[],
    },
    super::identity::HELP_RENEW,
    Entry {
        path: "key revoke",
        about: t("Thu hồi một khoá, vĩnh viễn", "Revoke a key, for good"),
        examples: [
            "lgsp key revoke AKAAAAAAAAAAAAAAAAAAAA",
            "lgsp key revoke AKAAAAAAAAAAAAAAAAAAAA --yes",
        ],
        args: &[("access_key", t("Khoá truy xuất", "The access key"))],
    },
    Entry {
        path: "packet",
        about: t("Các gói tin", "The packets"),
        examples: [
            "lgsp packet send cong-van.pdf --to H41.02",
            "lgsp packet receive --wait --confirm",
        ],
        args: &[],
    },
    Entry {
        path: "packet send",
        about: t("Gửi một tệp tới một hay nhiều đơn vị", "Send a file to one or several units"),
        examples: [
            "lgsp packet send cong-van.pdf --to H41.02 --title \"Công văn số 12\" --profile noi-vu.toml",
            "lgsp packet send ban-do.zip --to H41.02,H41.03 --importance urgent --wait",
        ],
        args: &[
            ("file", t("Tệp cần gửi", "The file")),
            ("to", t("Mã các đơn vị nhận", "The codes of the units it goes to")),
            (
                "title",
                t(
                    "Tiêu đề; mặc định là tên tệp. Tiêu đề được lưu lâu dài",
                    "Its title; the file's name by default. Titles are kept for good",
                ),
            ),
            (
                "importance",
                t("normal, urgent, very_urgent hoặc flash", "normal, urgent, very_urgent or flash"),
            ),
            (
                "media_type",
                t(
                    "Kiểu nội dung; mặc định theo đuôi tệp",
                    "Its media type; by the file's ending by default",
                ),
            ),
            (
                "deliver_by",
                t(
                    "Hạn chót, ví dụ 2026-11-23T17:00:00+07:00",
                    "The deadline, such as 2026-11-23T17:00:00+07:00",
                ),
            ),
            (
                "idempotency_key",
                t(
                    "Khoá chống lặp: gửi lại cùng khoá là cùng một gói tin",
                    "Idempotency key: a repeat with the same one is the same packet",
                ),
            ),
        ],
    },
    Entry {
        path: "packet list",
        about: t(
            "Các gói tin đã gửi, hoặc đang chờ đơn vị này (--inbox)",
            "What was sent, or what waits for this unit (--inbox)",
        ),
        examples: ["lgsp packet list", "lgsp packet list --inbox -o json"],
        args: &[("inbox", t("Các gói tin đang chờ đơn vị này", "What waits for this unit"))],
    },
    Entry {
        path: "packet show",
        about: t("Đường đi của một gói tin, theo giờ", "The path of a packet, with times"),
        examples: [
            "lgsp packet show pk_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "lgsp packet show pk_01ARZ3NDEKTSV4RRFFQ69G5FAV --watch",
        ],
        args: &[("watch", t("Theo dõi đến khi gói tin kết thúc", "Watch until the packet ends"))],
    },
    super::receipts::HELP_FETCH,
    super::packets::HELP_CANCEL,
    super::packets::HELP_REJECT,
    Entry {
        path: "packet lost",
        about: t(
            "Các gói tin đã mất nội dung, và đóng chúng (--close)",
            "Packets whose content is lost, and their end (--close)",
        ),
        examples: ["lgsp packet lost", "lgsp packet lost --close"],
        args: &[(
            "close",
            t(
                "Đóng tất cả: chuyển giao còn mở là thất bại, nguồn và đích được báo",
                "Close all of them: open deliveries have failed, sources and targets are told",
            ),
        )],
    },
    Entry {
        path: "packet receive",
        about: t(
            "Nhận gói tin vào tệp, kiểm tra mã băm, và xác nhận nếu muốn",
            "Receive packets into files, check their digests, and confirm them if wanted",
        ),
        examples: [
            "lgsp packet receive --confirm --to-dir den",
            "lgsp packet receive pk_01ARZ3NDEKTSV4RRFFQ69G5FAV --confirm",
        ],
        args: &[
            (
                "packet",
                t(
                    "Chỉ gói tin này; mặc định mọi gói tin đang chờ",
                    "This packet only; whatever waits by default",
                ),
            ),
            ("to_dir", t("Thư mục để tệp vào", "The directory for the files")),
            (
                "confirm",
                t(
                    "Xác nhận đã nhận; nội dung sẽ bị xoá trên cụm",
                    "Confirm; the cluster then forgets the content",
                ),
            ),
            ("wait", t("Chờ gói tin mới, mặc định 60 s", "Wait for a new one, 60 s by default")),
        ],
    },
    Entry {
        path: "packet confirm",
        about: t(
            "Xác nhận đã nhận một gói tin; nội dung sẽ bị xoá trên cụm",
            "Confirm a packet; the cluster then forgets its content",
        ),
        examples: [
            "lgsp packet confirm pk_01ARZ3NDEKTSV4RRFFQ69G5FAV --file cong-van.pdf",
            "lgsp packet confirm pk_01ARZ3NDEKTSV4RRFFQ69G5FAV --digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ],
        args: &[
            ("file", t("Tệp đã nhận, để tính mã băm", "The file received, to take its digest of")),
            ("digest", t("Mã băm SHA-256 đã tính", "Its SHA-256, if it is known")),
        ],
    },
    super::receipts::HELP,
    super::edxml_help::HELP,
    super::edxml_help::HELP_SHOW,
    super::edxml_help::HELP_CHECK,
    super::edxml_help::HELP_EXTRACT,
    super::edxml_help::HELP_BUILD,
    super::edxml_help::HELP_STATUS,
    super::edxml_help::HELP_SIGN_TEST,
    super::simulate::HELP,
    super::simulate::HELP_NATIONAL,
    super::settings::HELP,
    super::settings::HELP_CHECK,
    super::settings::HELP_SHOW,
    Entry {
        path: "completion",
        about: t(
            "In phần tự điền lệnh cho bash, zsh, fish, elvish, powershell",
            "Print shell completion for bash, zsh, fish, elvish, powershell",
        ),
        examples: [
            "lgsp completion bash > ~/.local/share/bash-completion/completions/lgsp",
            "lgsp completion zsh > _lgsp",
        ],
        args: &[("shell", t("Tên trình lệnh", "The shell"))],
    },
];
