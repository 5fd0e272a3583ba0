//! Documents of the national axis: the help of `lgsp edxml`.

use super::help::{Entry, t};

const FILE: &str = "file";

/// Help.
pub const HELP: Entry = Entry {
    path: "edxml",
    about: t(
        "Văn bản của trục liên thông quốc gia (edXML, QCVN 102:2016): xem, kiểm tra, tách, lập, trả lời",
        "Documents of the national axis (edXML, QCVN 102:2016): show, check, extract, build, answer",
    ),
    examples: [
        "lgsp edxml show cong-van.edxml",
        "lgsp edxml extract cong-van.edxml --to-dir cong-van",
    ],
    args: &[],
};

/// Help.
pub const HELP_SHOW: Entry = Entry {
    path: "edxml show",
    about: t(
        "Cho xem một văn bản hoặc một trạng thái, và các tệp đính kèm",
        "Show a document or a status message, and what is attached",
    ),
    examples: ["lgsp edxml show cong-van.edxml", "lgsp edxml show - -o json"],
    args: &[(FILE, t("Tệp edXML; - là đầu vào chuẩn", "The edXML file; - is standard input"))],
};

/// Help.
pub const HELP_CHECK: Entry = Entry {
    path: "edxml check",
    about: t(
        "Kiểm tra văn bản theo QCVN 102:2016: sai ở dòng nào, sửa thế nào; mã thoát 1 nếu có điều sai",
        "Check documents against QCVN 102:2016: which line is wrong and how to mend it; exit 1 if one is",
    ),
    examples: ["lgsp edxml check cong-van.edxml", "lgsp edxml check --strict - -o json"],
    args: &[
        ("files", t("Các tệp edXML; - là đầu vào chuẩn", "The edXML files; - is standard input")),
        (
            "strict",
            t(
                "Mã thoát 1 cả khi chỉ có điều lạ hoặc dễ bị từ chối",
                "Exit 1 for what is odd or often refused, too",
            ),
        ),
    ],
};

/// Help.
pub const HELP_EXTRACT: Entry = Entry {
    path: "edxml extract",
    about: t(
        "Ghi các tệp đính kèm ra thư mục, với tên an toàn, đã giải nén; ghi đủ cả hoặc không ghi gì",
        "Write what is attached into a directory, under safe names, unzipped; all of it or nothing",
    ),
    examples: [
        "lgsp edxml extract cong-van.edxml --to-dir cong-van",
        "lgsp edxml extract - --to-dir . --force",
    ],
    args: &[
        (FILE, t("Tệp edXML; - là đầu vào chuẩn", "The edXML file; - is standard input")),
        (
            "to_dir",
            t("Thư mục ghi vào; lập mới nếu chưa có", "Where to write; made if it is not there"),
        ),
        ("force", t("Ghi đè tệp đã có", "Write over files that exist")),
    ],
};

/// Help.
pub const HELP_BUILD: Entry = Entry {
    path: "edxml build",
    about: t(
        "Lập một văn bản edXML và in ra đầu ra chuẩn: mới, thu hồi, cập nhật, thay thế",
        "Build an edXML document on standard output: new, recall, update, replacement",
    ),
    examples: [
        "lgsp edxml build --from \"H41.08=Sở Khoa học và Công nghệ\" --to H41.101 --number 1542 --notation SKHCN-CĐS --subject \"V/v kết nối\" --attach cong-van.pdf > cong-van.edxml",
        "lgsp edxml build --kind recall --reason \"Sai phụ lục\" --from H41.08 --to H41.101 --number 1542 --notation SKHCN-CĐS --subject \"V/v thu hồi\" > thu-hoi.edxml",
    ],
    args: &[
        (
            "from",
            t("Nơi gửi: mã, có thể kèm tên", "The sender: its code, with its name or without"),
        ),
        ("to", t("Nơi nhận; dùng được nhiều lần", "A receiver; may be repeated")),
        ("subject", t("Trích yếu", "What it is about")),
        ("number", t("Số văn bản, ví dụ 1542", "The number, such as 1542")),
        ("notation", t("Ký hiệu, ví dụ SKHCN-CĐS", "The notation, such as SKHCN-CĐS")),
        (
            "attach",
            t(
                "Tệp đính kèm; dùng được nhiều lần. Loại khác pdf, doc, docx, zip được nén như SDK làm",
                "A file to attach; may be repeated. Types other than pdf, doc, docx, zip are zipped, as the SDK does",
            ),
        ),
        ("place", t("Nơi ban hành", "Where it was issued")),
        ("date", t("Ngày ban hành; mặc định hôm nay", "When it was issued; today by default")),
        ("type_", t("Loại văn bản: số và tên", "The type: its number and its name")),
        (
            "priority",
            t(
                "Độ khẩn: normal, urgent, very-urgent, express, express-timed",
                "Urgency: normal, urgent, very-urgent, express, express-timed",
            ),
        ),
        ("due", t("Hạn trả lời", "When an answer is due")),
        ("signer", t("Người ký", "Who signed it")),
        ("position", t("Chức vụ người ký", "The signer's position")),
        ("competence", t("Thẩm quyền ký, ví dụ KT. GIÁM ĐỐC", "By which power it was signed")),
        ("content", t("Nội dung tóm tắt", "What it says, in short")),
        (
            "document_id",
            t(
                "Mã văn bản; mặc định mã-gửi,ngày,số/ký-hiệu",
                "Its identifier; sender,date,number/notation by default",
            ),
        ),
        (
            "kind",
            t(
                "Nghiệp vụ: new, recall, update, replace",
                "What it is for: new, recall, update, replace",
            ),
        ),
        ("reason", t("Lý do thu hồi, cập nhật, thay thế", "Why it recalls, updates or replaces")),
        (
            "replaces",
            t(
                "Mã văn bản được thay; dùng được nhiều lần",
                "Identifier of what it replaces; may be repeated",
            ),
        ),
        (
            "add",
            t(
                "Cập nhật: nơi nhận thêm; dùng được nhiều lần",
                "Update: a receiver to add; may be repeated",
            ),
        ),
        (
            "remove",
            t(
                "Cập nhật: nơi nhận bỏ; dùng được nhiều lần",
                "Update: a receiver to remove; may be repeated",
            ),
        ),
        (
            "at",
            t(
                "Lúc gửi, giờ Việt Nam; mặc định bây giờ",
                "When it is sent, Vietnam's time; now by default",
            ),
        ),
    ],
};

/// Help.
pub const HELP_STATUS: Entry = Entry {
    path: "edxml status",
    about: t(
        "Trả lời một văn bản bằng một trạng thái, in ra đầu ra chuẩn",
        "Answer a document with a status message on standard output",
    ),
    examples: [
        "lgsp edxml status cong-van.edxml --code 03 --from \"H41.101=UBND phường Thành Vinh\" > status.edxml",
        "lgsp edxml status cong-van.edxml --code 02 --from H41.101 --note \"Gửi nhầm nơi nhận\" > status.edxml",
    ],
    args: &[
        (
            FILE,
            t(
                "Văn bản được trả lời; - là đầu vào chuẩn",
                "The document to answer; - is standard input",
            ),
        ),
        (
            "code",
            t(
                "01 đã đến, 02 từ chối, 03 tiếp nhận, 04 phân công, 05 đang xử lý, 06 hoàn thành, 13 xin lấy lại, 15 đồng ý thu hồi, 16 từ chối thu hồi",
                "01 arrived, 02 refused, 03 accepted, 04 assigned, 05 processing, 06 finished, 13 take back, 15 recall agreed, 16 recall refused",
            ),
        ),
        (
            "from",
            t("Nơi trả lời: mã, có thể kèm tên", "Who answers: its code, with its name or without"),
        ),
        ("note", t("Ghi chú, lý do", "A note, the reason")),
        ("staff", t("Người xử lý", "Who handles it")),
        ("department", t("Phòng xử lý", "The department that handles it")),
        ("mobile", t("Điện thoại người xử lý", "The handler's telephone")),
        ("email", t("Thư điện tử người xử lý", "The handler's e-mail")),
        (
            "at",
            t(
                "Lúc trả lời, giờ Việt Nam; mặc định bây giờ",
                "When it answers, Vietnam's time; now by default",
            ),
        ),
    ],
};

/// Help.
pub const HELP_SIGN_TEST: Entry = Entry {
    path: "edxml sign-test",
    about: t(
        "Kiểm tra chữ ký của một lần gọi VXP đã ghi lại: tiêu đề nào khác điều đã ký",
        "Test the signature of a captured VXP call: which header differs from what was signed",
    ),
    examples: [
        "lgsp edxml sign-test sendEdoc.http --secret-file vxp.secret",
        "lgsp edxml sign-test - --secret-file vxp.secret -o json",
    ],
    args: &[
        (
            FILE,
            t(
                "Lần gọi đã ghi: các dòng tiêu đề, dòng trống, thân nếu có; - là đầu vào chuẩn",
                "The captured call: its header lines, an empty line, the body if any; - is standard input",
            ),
        ),
        (
            "secret_file",
            t("Tệp chứa khoá bí mật của hệ thống", "The file with the system's secret"),
        ),
    ],
};
