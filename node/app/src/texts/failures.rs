//! What went wrong, why, and how to mend it.

use super::texts;

texts! {
    WHY = "vì sao:", "why:";
    FIX = "cách sửa:", "to mend:";
    CODE = "mã:", "code:";
    TRACE = "mã tra nhật ký", "trace";

    OUTPUT = "Không ghi được kết quả ra.", "The output could not be written.";
    FIX_OUTPUT = "ghi vào nơi còn chỗ rồi chạy lại; lệnh có thể đã làm xong việc của nó", "write to where there is room, then run it again; the command may have done its work";

    USAGE = "Lệnh viết chưa đúng.", "The command is not written right.";
    USAGE_UNKNOWN_ARG = "không có tham số {arg}", "there is no argument {arg}";
    USAGE_UNKNOWN_COMMAND = "không có lệnh {arg}", "there is no command {arg}";
    USAGE_MISSING = "thiếu {arg}", "missing: {arg}";
    USAGE_VALUE = "giá trị {value} của {arg} không hợp lệ", "{value} is not a value of {arg}";
    USAGE_CONFLICT = "{arg} không đi cùng {other}", "{arg} does not go with {other}";
    USAGE_COUNT = "số giá trị của {arg} không đúng", "{arg} has too many values, or too few";
    USAGE_EQUALS = "{arg} cần dấu = trước giá trị", "{arg} needs a = before its value";
    USAGE_UTF8 = "tham số không phải UTF-8", "an argument is not UTF-8";
    REASON_SPAN = "cần một số và ms, s, min, h hoặc d, ví dụ \"30 s\"", "a number and ms, s, min, h or d are expected, as \"30 s\"";
    REASON_SIZE = "cần một số và B, KiB, MiB, GiB hoặc TiB, ví dụ \"64 MiB\"", "a number and B, KiB, MiB, GiB or TiB are expected, as \"64 MiB\"";
    REASON_URL = "cần dạng https://máy:cổng", "https://host:port is expected";
    REASON_ADDRESS = "cần dạng máy:cổng", "host:port is expected";
    REASON_RANGE = "ngoài khoảng cho phép", "it is outside the range";
    REASON_NUMBER = "cần một số", "a number is expected";
    USAGE_HELP = "xem: {command} --help", "see: {command} --help";
    USAGE_SIMILAR = "có phải bạn muốn: {similar}?   xem: {command} --help", "did you mean: {similar}?   see: {command} --help";

    REFUSED = "Cụm không nhận yêu cầu ({status}).", "The cluster did not take the request ({status}).";
    FIX_PERMISSION = "dùng hồ sơ có quyền này (--profile), hoặc nhờ quản trị cấp quyền", "use a profile that may do this (--profile), or ask an administrator to grant it";
    FIX_SIGNATURE = "kiểm tra access_key và tệp khoá bí mật trong hồ sơ {profile}; xem khoá: lgsp key list", "check access_key and the secret's file in the profile {profile}; see the keys: lgsp key list";
    FIX_CLOCK = "giờ của cụm là {server}, đồng hồ máy này lệch {skew} s: so cả hai với giờ đúng (date); máy này sai thì: timedatectl set-ntp true; cụm sai thì trên máy của một nút: lgsp cluster time show --data-dir …", "the cluster's time is {server}, this machine's clock is {skew} s from it: compare both with a clock that is right (date); if this machine's is wrong: timedatectl set-ntp true; if the cluster's is, on the machine of a node: lgsp cluster time show --data-dir …";
    FIX_UNIT = "tìm đơn vị: lgsp unit search \"…\"", "search for the unit: lgsp unit search \"…\"";
    FIX_CODE = "mã của tỉnh theo Quyết định 20/2020/QĐ-TTg, ví dụ: lgsp unit add H41.09 --name \"…\"", "codes of the province follow Decision 20/2020, for example: lgsp unit add H41.09 --name \"…\"";
    FIX_TOKEN = "xin mã mới trên một thành viên: lgsp member token", "ask a member for a new one: lgsp member token";
    FIX_RETRY = "thử lại sau ít giây; xem cụm: lgsp status", "try again in some seconds; see the cluster: lgsp status";
    FIX_APP = "xem các ứng dụng: lgsp app list", "see the applications: lgsp app list";
    FIX_NOT_ACCEPTED = "nhận gói tin trước: lgsp packet receive pk_…", "receive the packet first: lgsp packet receive pk_…";
    FIX_ENDED = "xem gói tin đã kết thúc thế nào: lgsp packet show pk_…", "see how the packet ended: lgsp packet show pk_…";
    FIX_PACKET = "xem các gói tin: lgsp packet list", "see the packets: lgsp packet list";
    LOOK_UNITS = "có thể đã thực hiện rồi; xem trước khi làm lại: lgsp unit list --all", "it may have been done; look before you repeat: lgsp unit list --all";
    LOOK_APPS = "có thể đã thêm rồi; xem trước khi làm lại: lgsp app list --all", "it may have been added; look before you repeat: lgsp app list --all";
    LOOK_KEYS = "có thể đã cấp một khoá mà không ai giữ khoá bí mật; xem: lgsp key list --all, thu hồi khoá thừa: lgsp key revoke AK…, rồi cấp lại", "a key may have been issued whose secret nobody holds; look: lgsp key list --all, revoke it: lgsp key revoke AK…, then issue again";
    LOOK_MEMBERS = "có thể đã gỡ rồi; xem trước khi làm lại: lgsp member list", "it may have been removed; look before you repeat: lgsp member list";
    LOOK_LOST = "có thể đã đóng một phần; xem: lgsp packet lost, rồi làm lại", "some may have been closed; look: lgsp packet lost, then do it again";
    LOOK_JOINED = "nút này có thể đã được ghi nhận; trên một thành viên xem: lgsp member list, gỡ nút thừa: lgsp member remove N, rồi xin mã mới: lgsp member token", "this node may have been admitted; look on a member: lgsp member list, remove what is left over: lgsp member remove N, then ask for a new token: lgsp member token";
    FIX_STATUS = "xem cụm: lgsp status", "see the cluster: lgsp status";

    UNREACHABLE = "Không kết nối được tới nút nào của cụm.", "No node of the cluster can be reached.";
    FIX_UNREACHABLE_URL = "kiểm tra nút đang chạy (lgsp run) và địa chỉ đã gõ", "check that a node runs (lgsp run) and the address that was typed";
    FIX_UNREACHABLE = "kiểm tra nút đang chạy (lgsp run) và địa chỉ trong hồ sơ {profile}", "check that a node runs (lgsp run) and the addresses in the profile {profile}";
    TLS = "{url} không chứng minh được là nút của cụm này.", "{url} does not prove that it is a node of this cluster.";
    FIX_TLS = "kiểm tra authority trong hồ sơ {profile} có đúng là của cụm này, và tên máy có trong chứng thư", "check that the authority in the profile {profile} is this cluster's, and that the certificate carries the host name";
    TLS_DATES = "Theo đồng hồ máy này ({now}), chứng thư của {url} không còn hoặc chưa có hiệu lực.", "By this machine's clock ({now}) the certificate of {url} is not valid yet, or no more.";
    FIX_TLS_DATES = "thường là đồng hồ sai: so với giờ đúng (date) rồi chỉnh: timedatectl set-ntp true; nếu máy này đúng giờ, xem trên máy của nút đó: timedatectl, journalctl -u lgsp", "mostly a clock is wrong: compare with one that is right (date), then set it: timedatectl set-ntp true; if this machine's is right, look on that node's machine: timedatectl, journalctl -u lgsp";
    NODE_SILENT = "Nút ở {path} không trả lời.", "The node on {path} does not answer.";
    FIX_NODE_SILENT = "chạy lệnh này trên máy của nút, với quyền của nút (sudo), khi nút đang chạy: lgsp run --data-dir {path}", "run this on the node's machine, with the node's rights (sudo), while it runs: lgsp run --data-dir {path}";
    FIX_TLS_JOIN = "mã gia nhập chỉ tin chứng thư của chính cụm: dùng địa chỉ đúng cụm đã tạo mã, ở nút không đặt api.tls_cert (bỏ tạm hai dòng tls_cert, tls_key rồi chạy lại nút đó); nếu cụm đã thay cơ quan chứng thư sau khi tạo mã thì tạo mã mới", "a join token trusts the cluster's own certificate alone: use an address of the cluster that made it, on a node without api.tls_cert (take tls_cert and tls_key out for the while and restart that node); if the authority was rotated after the token was made, make a new one";
    TIMEOUT = "{url} không trả lời trong {after}.", "{url} did not answer within {after}.";
    PROTOCOL = "{url} trả lời điều không hiểu được.", "{url} answered what cannot be understood.";
    FIX_PROTOCOL = "kiểm tra địa chỉ có đúng là API của LGSP, và hai phiên bản có cùng đời", "check that the address is an LGSP API, and that both versions are of one age";
    FILE = "Không dùng được tệp {path}.", "The file {path} cannot be used.";
    FIX_FILE = "kiểm tra đường dẫn và quyền: ls -l {path}", "check path and permissions: ls -l {path}";
    ALTERED = "Nội dung nhận được không khớp mã băm đã ký; đã bỏ.", "The content received does not have the digest that was signed; it was discarded.";
    FIX_ALTERED = "tải lại: lgsp packet receive …", "fetch it again: lgsp packet receive …";
    SIZE = "Tệp đổi kích thước trong khi gửi (lúc đầu {size} byte).", "The file changed its size while it was sent (it had {size} octets).";
    FIX_SIZE = "đợi tệp ghi xong rồi gửi lại", "wait until the file is written, then send it again";
    CLIENT = "Không dựng được kết nối.", "The connection cannot be set up.";

    PROFILE_MISSING = "Chưa có hồ sơ kết nối {path}.", "There is no connection profile {path}.";
    FIX_PROFILE_MISSING = "lgsp … --profile <thư-mục-dữ-liệu>/admin.toml, hoặc đặt LGSP_PROFILE; thử ngay: lgsp demo", "lgsp … --profile <data-dir>/admin.toml, or set LGSP_PROFILE; to try it out: lgsp demo";
    PROFILE_WRONG = "Hồ sơ kết nối {path} không dùng được.", "The connection profile {path} cannot be used.";
    FIX_PROFILE_WRONG = "hồ sơ có: urls, authority, access_key, secret_file; tạo mới: lgsp key issue APP --profile-file F", "a profile has: urls, authority, access_key, secret_file; make one: lgsp key issue APP --profile-file F";
    PROFILE_OPEN = "người khác đọc được tệp này", "others can read this file";
    FIX_PROFILE_OPEN = "chmod 600 {path}", "chmod 600 {path}";
    SECRET_NOWHERE = "khoá bí mật chỉ hiện trên màn hình hoặc ghi vào tệp 0600", "a secret is shown on a terminal only, or written to a file of mode 0600";
    SECRET_REFUSED = "Không in khoá bí mật ra nơi không phải màn hình.", "A secret is not printed to what is not a terminal.";
    FIX_SECRET = "thêm --secret-file F hoặc --profile-file F", "add --secret-file F or --profile-file F";

    SECRET_THERE = "Đã có tệp {path}.", "The file {path} is there already.";
    SECRET_THERE_WHY = "ghi đè có thể làm mất khoá bí mật duy nhất của một khoá đang dùng", "what is in it may be the only copy of a secret that is in use";
    FIX_SECRET_THERE = "chọn tệp khác, hoặc thêm --yes để ghi đè", "choose another file, or add --yes to write over it";

    CONFIG = "Tệp cấu hình không dùng được.", "The configuration cannot be used.";
    FIX_CONFIG = "sửa tệp rồi kiểm tra: lgsp config check {path}", "mend the file, then check it: lgsp config check {path}";
    DATA_DIR = "Thư mục dữ liệu {path} không trống.", "The data directory {path} is not empty.";
    DATA_DIR_WHY = "ở đó đã có dữ liệu; lgsp không ghi đè lên nút khác", "something is there; lgsp does not write over another node";
    FIX_DATA_DIR = "chọn thư mục khác: --data-dir …; nút đã có thì chạy: lgsp run --data-dir {path}", "choose another one: --data-dir …; if a node is there, run it: lgsp run --data-dir {path}";
    TOKEN_MALFORMED = "Mã gia nhập viết không đúng.", "The join token is not written right.";
    TOKEN_UNKNOWN = "Cụm không biết mã gia nhập này.", "The cluster does not know this join token.";
    TOKEN_USED = "Mã gia nhập này đã dùng rồi.", "This join token was used before.";
    TOKEN_USED_WHY = "mỗi mã chỉ cho một nút gia nhập, một lần", "a token lets one node join, once";
    TOKEN_EXPIRED = "Mã gia nhập này đã hết hạn.", "This join token has expired.";
    TOKEN_EXPIRED_WHY = "mã chỉ có hiệu lực ngắn, kể từ lúc tạo", "a token is good for a short while after it was made";

    CONFIRM_NEEDED = "Việc này cần xác nhận.", "This needs a confirmation.";
    CONFIRM_NEEDED_WHY = "không có người ở màn hình để gõ lại tên {name}", "nobody is at a terminal to type the name {name} again";
    FIX_CONFIRM = "thêm --yes nếu chắc chắn", "add --yes if you are sure";
    CONFIRM_WRONG = "Tên gõ lại không khớp; không làm gì cả.", "The name typed is another one; nothing was done.";
    FIX_CONFIRM_WRONG = "gõ đúng: {name}", "type exactly: {name}";

    CSV = "Danh sách đơn vị {path} sai ở dòng {line}.", "The list of units {path} is wrong in line {line}.";
    FIX_CSV = "cột cần có: code,name,kind,parent (kind: province, department, commune, ward, other, remote)", "the columns are: code,name,kind,parent (kind: province, department, commune, ward, other, remote)";
    TITLE = "Tiêu đề không dùng được.", "The title cannot be used.";
    FIX_TITLE = "thêm --title \"…\" (1 đến 500 ký tự)", "add --title \"…\" (1 to 500 characters)";
    FIX_SEND_AGAIN = "gửi tiếp từ chỗ đã dừng: {command}", "to go on from where it stopped: {command}";
    WAIT = "Quá {after} mà gói tin {packet} còn ở trạng thái {state}.", "After {after} the packet {packet} is still {state}.";
    FIX_WAIT = "xem tiếp: lgsp packet show {packet} --watch", "watch on: lgsp packet show {packet} --watch";
    ENDED = "Gói tin {packet} kết thúc ở trạng thái {state}.", "The packet {packet} ended as {state}.";
    NOTHING_WAITS = "Không có gói tin nào đang chờ.", "No packet is waiting.";
    FIX_NOTHING_WAITS = "chờ gói tin mới: lgsp packet receive --wait", "wait for a new one: lgsp packet receive --wait";
    FAILED = "Không làm được.", "It could not be done.";
    RUN = "Nút dừng vì lỗi.", "The node stopped because of an error.";
    FIX_RUN = "xem lý do ở trên và nhật ký: journalctl -u lgsp; LGSP_LOG=debug cho biết nhiều hơn", "see the reason above and the log: journalctl -u lgsp; LGSP_LOG=debug says more";
    DESCRIPTORS = "hệ thống cho nút quá ít bộ mô tả tệp", "the system grants the node too few file descriptors";
    TOO_FEW_WHY = "được {granted}, cần ít nhất {needed}", "it grants {granted}, and {needed} are needed at least";
    FIX_DESCRIPTORS = "đặt LimitNOFILE=65536 trong dịch vụ (hoặc chạy: ulimit -n 65536), rồi khởi động lại", "set LimitNOFILE=65536 in the service (or run: ulimit -n 65536), then start it again";
    THREADS = "hệ thống cho nút quá ít luồng", "the system grants the node too few threads";
    FIX_THREADS = "tăng TasksMax trong dịch vụ (hoặc ulimit -u), rồi khởi động lại", "raise TasksMax in the service (or ulimit -u), then start it again";
    MEMORY = "hệ thống cho nút quá ít bộ nhớ (MiB)", "the system grants the node too little memory (MiB)";
    FIX_MEMORY = "tăng MemoryMax trong dịch vụ, hoặc bộ nhớ của máy, rồi khởi động lại", "raise MemoryMax in the service, or the machine's memory, then start it again";
    NODE_LOCKED = "Một tiến trình khác đang dùng {path}.", "Another process is using {path}.";
    FIX_NODE_LOCKED = "xem tiến trình đó: systemctl status lgsp; mỗi thư mục chỉ chạy một lgsp run", "see that process: systemctl status lgsp; a directory runs under one lgsp run alone";
    NODE_NEWER = "{path} do một bản lgsp mới hơn ghi.", "{path} was written by a newer lgsp.";
    NODE_NEWER_WHY = "định dạng {found}; bản này chưa biết", "format {found}, which this version does not know";
    FIX_NODE_NEWER = "chạy bản mới hơn; xem bản này: lgsp --version", "run the newer version; see this one: lgsp --version";
    NODE_NONE = "{path} chưa có nút nào.", "There is no node in {path}.";
    FIX_NODE_NONE = "lập cụm: lgsp init --data-dir {path} …, hoặc gia nhập: lgsp join … --data-dir {path}", "found a cluster: lgsp init --data-dir {path} …, or join one: lgsp join … --data-dir {path}";
    NODE_DAMAGED = "Tệp {path} của nút bị hỏng.", "The node's file {path} is damaged.";
    FIX_NODE_DAMAGED = "chép lại tệp đó từ bản lưu; không có thì gỡ nút và gia nhập lại như nút mới", "copy that file back from its backup; without one remove the node and join as a new one";
    NODE_CORRUPT = "Dữ liệu của nút ở {path} bị hỏng; nút không được bỏ phiếu với dữ liệu này.", "The node's data in {path} is damaged; the node must not vote with it.";
    FIX_NODE_CORRUPT = "trên một thành viên: lgsp member remove N; ở đây xoá sạch thư mục dữ liệu, rồi gia nhập như nút mới", "on a member: lgsp member remove N; here empty the data directory, then join as a new node";
    NODE_LOG_GONE = "Nút này đã từng tham gia cụm, nhưng {path} không còn; nút không được bỏ phiếu như chưa từng hứa gì.", "This node has taken part in its cluster and {path} is gone; it must not vote as if it had promised nothing.";
    FIX_NODE_LOG_GONE = "gắn lại ổ đĩa nếu nó đang bị gỡ ra; nếu dữ liệu đã mất, trên một thành viên: lgsp member remove N; ở đây xoá sạch thư mục dữ liệu, rồi gia nhập như nút mới", "mount the disk again if it is not mounted; if the data are lost, on a member: lgsp member remove N; here empty the data directory, then join as a new node";

    NODE_REMOVED = "Nút này đã bị gỡ khỏi cụm và không chạy nữa.", "This node was removed from its cluster and does not run any more.";
    NODE_REMOVED_WHY = "việc gỡ là vĩnh viễn; {path} ghi nhớ điều đó", "a removal is for ever; {path} remembers it";
    FIX_NODE_REMOVED = "để máy này trở lại như nút mới: xoá sạch thư mục dữ liệu, lấy mã trên một thành viên (lgsp member token), rồi lgsp join …", "to bring this machine back as a new node: empty the data directory, ask a member for a token (lgsp member token), then lgsp join …";
    NODE_COPIED = "Thư mục dữ liệu của nút là một bản sao, hoặc máy vừa được khôi phục; nút không tự chạy với nó.", "The node's data directory is a copy, or this machine was restored; the node does not run with it by itself.";
    NODE_COPIED_WHY = "{path} cho thấy điều đó ({mark}); bản gốc có thể vẫn đang chạy, và một nút chỉ được sống một lần", "{path} shows it ({mark}); the original may still run, and a node lives once";
    FIX_NODE_COPIED = "nếu bản gốc không còn và sẽ không chạy lại: lgsp run --data-dir {directory} --moved (chỉ cần một lần); nếu không: dừng bản sao này, xoá nó", "if the original is gone and will never run again: lgsp run --data-dir {directory} --moved (needed once); else leave this copy down and delete it";
    NODE_TWICE = "Nút {node} đang sống ở hai nơi: {elsewhere} và {here}. Nút ở {here} dừng.", "Node {node} lives in two places: {elsewhere} and {here}. The one at {here} ends.";
    NODE_TWICE_WHY = "nút {by} gặp cả hai; một nút chỉ được sống một lần", "node {by} has met both; a node lives once";
    FIX_NODE_TWICE = "nếu máy này là bản sao: tắt nó, xoá thư mục dữ liệu; nếu máy này mới là bản đúng: dừng nút ở {elsewhere}, rồi chạy lại ở đây: lgsp run --moved", "if this machine is the copy: leave it down and delete its data directory; if this is the right one: stop the node at {elsewhere}, then start here again: lgsp run --moved";

    CONFIG_UNREADABLE = "không đọc được {path}: {reason}", "cannot read {path}: {reason}";
    CONFIG_MALFORMED = "{path}:{line}:{column} (dòng {line}, cột {column}): {reason}", "{path}:{line}:{column} (line {line}, column {column}): {reason}";
    UNFIT_NO_URL = "cần ít nhất một địa chỉ", "one address at least is needed";
    UNFIT_PORT = "cần một cổng cố định để nơi khác tìm được", "a port is needed: others must find it";
    UNFIT_UNREACHABLE = "máy khác không tới được địa chỉ {value}", "no other host can reach the address {value}";
    UNFIT_ONLY_V4 = "nút chỉ nghe IPv4 nên không dùng được {value}; đặt mesh.listen = \"[::]:7443\" để nghe cả hai, hoặc dùng một địa chỉ IPv4", "the node listens to IPv4 alone and cannot use {value}; set mesh.listen = \"[::]:7443\" for both, or use an IPv4 address";
    UNFIT_ONLY_V6 = "nút chỉ nghe IPv6 nên không dùng được {value}; đặt mesh.listen = \"[::]:7443\" để nghe cả hai, hoặc dùng một địa chỉ IPv6", "the node listens to IPv6 alone and cannot use {value}; set mesh.listen = \"[::]:7443\" for both, or use an IPv6 address";
    UNFIT_TLS_PAIR = "tls_cert và tls_key phải đi cùng nhau", "tls_cert and tls_key go together";
    UNFIT_NO_FILE = "không có tệp {value}", "there is no file {value}";
    UNFIT_HOST = "{value} không phải tên máy, cũng không phải địa chỉ", "{value} is neither a host name nor an address";
    UNFIT_ORIGIN = "{value} không phải nguồn web dạng https://máy[:cổng]; không nhận *", "{value} is no web origin like https://host[:port]; * is not taken";
    UNFIT_ZERO = "phải lớn hơn không", "it must be longer than nothing";
    UNFIT_HEARTBEATS = "bầu chọn phải đợi ít nhất hai nhịp heartbeat", "an election must wait for two heartbeats or more";
    UNFIT_OVER_MIN = "phải dài hơn election_min", "it must be longer than election_min";
    UNFIT_UNDER_SPARE = "không được nhỏ hơn storage.spare", "it must not be less than storage.spare";
    UNFIT_OVER_MAX = "phải dài hơn election_max", "it must be longer than election_max";
}
