//! What the demonstration says while it goes on.

use super::texts;

texts! {
    HEAD = "LGSP bản dùng thử: 3 nút, 3 tiến trình trên máy này. Không dùng cho dữ liệu thật.", "LGSP demonstration: 3 nodes, 3 processes on this machine. Not for real data.";
    STEP_START = "khởi động cụm", "starting the cluster";
    STEP_REGISTER = "đăng ký đơn vị, ứng dụng, khoá", "registering units, applications, keys";
    STEP_SEARCH = "tìm đơn vị", "searching for units";
    STEP_SEND = "gửi gói tin", "sending packets";
    STEP_RECEIVE = "nhận gói tin", "receiving packets";
    STEP_UPLOAD = "gửi tệp lớn", "sending the large file";
    STEP_KILL = "tắt đột ngột nút dẫn đầu", "killing the leader";
    STEP_PURGE = "xoá nội dung", "purging the content";
    STEP_RESTART = "chạy lại nút đã tắt", "running the killed node again";
    STEP_CANARY = "tìm chuỗi mốc", "searching for the canary";
    STARTED = "3 nút đang chạy, nút {leader} dẫn đầu", "3 nodes are running, node {leader} leads";
    FOUNDED = "lập cụm: nút 1 ở {url}", "the cluster is founded: node 1 at {url}";
    JOINED = "nút {node} gia nhập: {url}", "node {node} joined: {url}";
    UNITS = "đăng ký {count} đơn vị của tỉnh Nghệ An", "units of the province of Nghệ An registered: {count}";
    KEYS = "tạo {count} ứng dụng và khoá", "applications and keys made: {count}";
    SEARCH = "tìm \"{query}\" thấy: {found}", "a search for \"{query}\" finds: {found}";
    SENT = "gửi \"{title}\" ({size}) {source} → {targets}", "sent \"{title}\" ({size}) {source} → {targets}";
    RECEIVED = "{target} được báo qua SSE, tải về, mã băm khớp, xác nhận: {packet}", "{target} was told by SSE, fetched it, the digest matches, confirmed: {packet}";
    COMPLETED = "{packet} hoàn tất sau {ms} ms", "{packet} completed after {ms} ms";
    BIG_BEGIN = "gửi tệp 64 MiB từng phần (tus) qua nút {node}", "sending a 64 MiB file piece by piece (tus) through node {node}";
    BIG_AT = "đã gửi {done} / {total} qua {url}", "{done} / {total} sent through {url}";
    KILLED = "kill -9 nút {node} (đang dẫn đầu và đang nhận tệp), ở {percent} %", "kill -9 of node {node} (it leads and takes the file), at {percent} %";
    WRITES_AGAIN = "cụm ghi được trở lại sau {ms} ms; nút {leader} dẫn đầu", "the cluster takes writes again after {ms} ms; node {leader} leads";
    BIG_DONE = "tệp gửi xong trong {seconds} s, {resumed} lần nối tiếp; mã băm {digest}", "the file is sent in {seconds} s, resumed: {resumed}; digest {digest}";
    PURGED = "nội dung đã xoá trên các nút còn sống; nút {node} còn nợ xoá {debt} gói tin", "the content is purged on the nodes that run; packets that node {node} still has to purge: {debt}";
    RESTARTED = "nút {node} chạy lại và trả hết nợ xoá sau {ms} ms", "node {node} runs again and has paid its purge debt after {ms} ms";
    GONE = "tải lại nội dung cũ: {status} (đã xoá)", "fetching the old content again: {status} (purged)";
    CANARY = "tìm chuỗi mốc trong {files} tệp, {size} của 3 nút: {found} chỗ (tệp đã nhận thì có: {control})", "searching for the canary in the files of 3 nodes ({files}, {size}); found: {found} (in the received files: {control})";
    WAY = "Đường đi của gói tin:", "The path of the packets:";
    READY = "Cụm đang chạy.", "The cluster is up.";
    URLS = "API", "API";
    ADMIN = "Quản trị", "Administration";
    OFFICES = "Cơ quan", "Offices";
    TRY = "Thử ngay:", "Try it:";
    STAYS = "Ctrl-C để dừng; dữ liệu thử ở {path} sẽ bị xoá.", "Ctrl-C to stop; the trial data in {path} will be removed.";
    KEPT = "Dữ liệu thử giữ lại ở {path}.", "The trial data is kept in {path}.";
    STOPPED = "Đã dừng 3 nút.", "The 3 nodes are stopped.";
    FAILED = "Bản dùng thử hỏng ở bước: {step}", "The demonstration failed at: {step}";
    LOGS = "nhật ký các nút: {path}", "the nodes' logs: {path}";
    NOT_READY = "nút {node} không sẵn sàng sau {seconds} s", "node {node} is not ready after {seconds} s";
    EXITED = "nút {node} tự dừng ({status}); dòng cuối: {last}", "node {node} stopped by itself ({status}); its last line: {last}";
    COMMAND = "lệnh {command} thất bại: {last}", "the command {command} failed: {last}";
    TOO_LONG = "quá {seconds} s mà chưa thấy: {what}", "after {seconds} s still missing: {what}";
    FOUND_CANARY = "nội dung còn sót trong {path}", "content is left in {path}";
    CONTROL = "không thấy chuỗi mốc trong tệp đã nhận: phép tìm không đáng tin", "the canary is not in the received files: the search cannot be trusted";
}
