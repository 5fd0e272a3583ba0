//! Documents of the national axis: what `lgsp edxml` says of them. What is found in a document is said by `wire`.

use wire::edxml::{
    Business, Form, Language, Priority, Severity, StatusCode,
};
use wire::vxp::{Difference, HEADER_OCTETS_MAX, HEADERS_MAX, HeaderError, ReadError, SIGNED_MAX};

use super::{Lang, Text, texts};

texts! {
    COL_WHAT = "MỤC", "WHAT";
    COL_SAID = "NỘI DUNG", "SAID";
    COL_FILE = "TỆP ĐÍNH KÈM", "ATTACHMENT";
    COL_SIZE = "KÍCH THƯỚC", "SIZE";
    COL_FORM = "DẠNG", "FORM";
    COL_HEADER = "TIÊU ĐỀ", "HEADER";

    FROM = "nơi gửi", "from";
    TO = "nơi nhận", "to";
    CODE = "số, ký hiệu", "code";
    DATE = "ngày ban hành", "date";
    PLACE = "nơi ban hành", "place";
    TYPE = "loại văn bản", "type";
    KIND = "nghiệp vụ", "kind";
    REASON = "lý do", "reason";
    REPLACES = "thay cho", "replaces";
    RECEIVER_ADDED = "thêm nơi nhận", "receiver added";
    RECEIVER_REMOVED = "bỏ nơi nhận", "receiver removed";
    SUBJECT = "trích yếu", "subject";
    CONTENT = "nội dung tóm tắt", "content";
    PRIORITY = "độ khẩn", "urgency";
    SIGNER = "người ký", "signer";
    DUE = "hạn trả lời", "due";
    RESPONSE_FOR = "trả lời văn bản", "in answer to";
    DOCUMENT_ID = "mã văn bản", "document id";
    TRACE = "qua trục", "passed";
    SIGNATURE = "chữ ký XML", "XML signature";
    SIGNATURE_THERE = "có; trục thêm TraceHeader sau khi ký nên không kiểm tra được", "present; hubs append a TraceHeader after signing, so it cannot be checked";
    STATUS = "trạng thái", "status";
    NOTE = "ghi chú", "note";
    STAFF = "người xử lý", "handled by";
    AT = "lúc", "at";
    UNSAID = "(không ghi)", "(not said)";

    KIND_NEW = "văn bản mới", "new document";
    KIND_RECALL = "thu hồi", "recall";
    KIND_UPDATE = "cập nhật", "update";
    KIND_REPLACE = "thay thế", "replacement";

    PRIORITY_NORMAL = "thường", "normal";
    PRIORITY_URGENT = "khẩn", "urgent";
    PRIORITY_VERY_URGENT = "thượng khẩn", "very urgent";
    PRIORITY_EXPRESS = "hoả tốc", "express";
    PRIORITY_EXPRESS_TIMED = "hoả tốc hẹn giờ", "express at a fixed hour";

    STATUS_ARRIVED = "đã đến, văn thư chưa xử lý", "arrived, no clerk has handled it";
    STATUS_REFUSED = "từ chối", "refused";
    STATUS_ACCEPTED = "đã tiếp nhận, vào sổ", "accepted, registered";
    STATUS_ASSIGNED = "đang phân công", "being assigned";
    STATUS_PROCESSING = "đang xử lý", "being processed";
    STATUS_FINISHED = "đã hoàn thành", "finished";
    STATUS_TAKE_BACK = "bên gửi xin lấy lại", "the sender asks to take it back";
    STATUS_RECALL_AGREED = "đồng ý thu hồi, cập nhật", "agrees to the recall or update";
    STATUS_RECALL_REFUSED = "từ chối thu hồi, cập nhật", "refuses the recall or update";

    FORM_PLAIN = "nguyên tệp", "as it is";
    FORM_UNZIPPED = "đã giải nén", "unzipped";
    FORM_UNZIPPED_FIRST = "đã giải nén, chỉ tệp đầu trong gói ZIP", "unzipped, the first file of its ZIP only";
    FORM_NOT_ZIP = "nguyên tệp (ghi là ZIP nhưng không phải)", "as it is (said to be a ZIP, and none)";
    FORM_LEFT_ZIPPED = "còn nén (ContentType đứng sau nội dung)", "still zipped (ContentType stands after the content)";

    SEVERITY_ODD = "lạ", "odd";
    SEVERITY_REFUSED = "dễ bị từ chối", "often refused";
    SEVERITY_WRONG = "sai", "wrong";
    SEVERITY_UNREADABLE = "không đọc được", "unreadable";
    FOUND = "{path}:{line}:{column}: {severity}: {text}", "{path}:{line}:{column}: {severity}: {text}";
    FOUND_AT = "    {element} [{word}]", "    {element} [{word}]";
    FOUND_VALUE = "    {element} «{value}» [{word}]", "    {element} «{value}» [{word}]";
    FOUND_MEND = "    cách sửa: {mend}", "    to mend: {mend}";
    STDIN = "(stdin)", "(stdin)";

    CHECK_GOOD = "số văn bản đúng quy chuẩn: {count}; điều đáng xem: {odd}", "documents as the regulation asks: {count}; things to look at: {odd}";
    CHECK_BAD = "Có văn bản không đúng quy chuẩn: {bad} trong {count}.", "Some documents are not as the regulation asks: {bad} of {count}.";
    CHECK_BAD_WHY = "xem từng điều ở trên", "each finding is told above";
    FIX_CHECK = "sửa những điều đã nêu rồi kiểm tra lại: lgsp edxml check {path}", "mend what is listed, then check again: lgsp edxml check {path}";

    UNREADABLE = "Không đọc được văn bản {path}.", "The document {path} cannot be read.";
    UNREADABLE_WHY = "dòng {line}, cột {column}, {element}: {text}", "line {line}, column {column}, {element}: {text}";
    ROOT = "đầu tệp", "beginning of the file";
    LOOK = "văn bản có {count} điều đáng xem; xem: lgsp edxml check {path}", "the document has things to look at: {count}; see: lgsp edxml check {path}";

    EXTRACTED = "số tệp đã ghi vào {path}: {count}", "files written to {path}: {count}";
    EXTRACTED_NONE = "văn bản không có tệp đính kèm nào", "the document has no attachment";
    RENAMED = "«{name}» được ghi là «{safe}»", "«{name}» is written as «{safe}»";
    EXISTS = "Đã có tệp {path}; không ghi gì cả.", "The file {path} exists; nothing was written.";
    EXISTS_LATE = "Tệp {path} vừa xuất hiện; các tệp trước đó đã ghi xong.", "The file {path} has just appeared; those before it are written.";
    FIX_EXISTS = "chọn thư mục khác (--to-dir), hoặc ghi đè: --force", "choose another directory (--to-dir), or write over it: --force";

    STOPPED = "Đã dừng; không ghi gì cả.", "Stopped; nothing was written.";
    FIX_STOPPED = "chạy lại lệnh này", "run the command again";

    UNWRITABLE = "Không ghi được văn bản.", "The document cannot be written.";
    UNWRITABLE_WHY = "{element}: {text}", "{element}: {text}";
    CUT = "Văn bản chưa trọn vẹn; đừng gửi phần đã ghi ra.", "The document is not complete; do not send what was written.";
    BUILT = "văn bản đã ghi; số tệp đính kèm: {count}, {size}", "the document is written; attachments: {count}, {size}";
    KIND_NEEDS = "Loại nghiệp vụ này thiếu thông tin.", "This kind of document lacks something.";
    KIND_NEEDS_REPLACES = "thay thế phải nêu văn bản được thay", "a replacement names the document that it stands for";
    KIND_NEEDS_CHANGE = "chỉ cập nhật mới thêm, bỏ nơi nhận", "only an update adds or removes receivers";
    KIND_NEEDS_NO_REPLACES = "chỉ thay thế mới nêu văn bản được thay", "only a replacement names what it replaces";
    FIX_REPLACES = "thêm --replaces ID, ví dụ --replaces \"H41.08,2026/11/20,1542/SKHCN-CĐS\"", "add --replaces ID, such as --replaces \"H41.08,2026/11/20,1542/SKHCN-CĐS\"";
    FIX_CHANGE = "bỏ --add, --remove, hoặc đặt --kind update", "leave out --add and --remove, or say --kind update";
    FIX_NO_REPLACES = "bỏ --replaces, hoặc đặt --kind replace", "leave out --replaces, or say --kind replace";
    NO_REASON = "không nêu lý do (--reason); bên nhận sẽ hỏi", "no reason is given (--reason); the receivers will ask";
    NO_NOTE = "trạng thái này cần lý do (--note); bên kia sẽ hỏi", "this status needs a reason (--note); the other side will ask";
    STRANGER = "{code} không phải nơi gửi hay nơi nhận của văn bản; trục có thể từ chối", "{code} is neither sender nor receiver of the document; the axis may refuse it";
    UNANSWERABLE = "Không trả lời được {path}.", "{path} cannot be answered.";
    UNANSWERABLE_WHY = "bên kia nối trạng thái với văn bản theo nơi gửi, số, ký hiệu và ngày; ở đây thiếu: {missing}", "the other side finds the document by its sender, code and date; missing here: {missing}";
    FIX_UNANSWERABLE = "xem: lgsp edxml show {path}; xin bên gửi gửi lại", "see: lgsp edxml show {path}; ask its sender to send it again";
    NAME = "Tệp {path} không có tên dùng được.", "The file {path} has no name that can be used.";
    FIX_NAME = "đặt cho tệp một tên UTF-8, không có ký tự điều khiển", "give the file a name in UTF-8 without control characters";

    SIGN_HOLDS = "chữ ký đúng: hệ thống {system}, số tiêu đề được ký: {count}", "the signature holds: system {system}, signed headers: {count}";
    SIGN_HEADER = "khớp điều đã ký", "as it was signed";
    SIGN_BODY_PADDED = "đúng là SHA-256 của thân, đủ 64 chữ số", "is the SHA-256 of the body, 64 digits";
    SIGN_BODY_UNPADDED = "đúng là SHA-256 của thân, viết kiểu SDK, thiếu số 0", "is the SHA-256 of the body, as the SDK spells it: zeros are missing";
    SIGN_BODY_DIFFERS = "không phải SHA-256 của thân", "is not the SHA-256 of the body";
    SIGN_DIFFERS = "Chữ ký không đúng.", "The signature does not hold.";
    SIGN_DIFFERS_WHY = "số tiêu đề sai: {count}; xem từng tiêu đề ở trên", "headers that differ: {count}; each is told above";
    FIX_SIGN_HASH = "kiểm tra khoá bí mật (dùng nguyên văn, không giải mã base64) và sign-header không bị sửa trên đường", "check the secret (its text as it is, base64 not decoded) and that nothing on the way changed sign-header";
    FIX_SIGN_VALUE = "tìm proxy thêm, sửa hoặc bỏ tiêu đề XroadVnpt-; chương trình phải ký đúng giá trị mà nó gửi", "look for a proxy that adds, changes or removes XroadVnpt- headers; a program must sign the very values that it sends";
    FIX_SIGN_BODY = "so tệp với lúc ký; thân là tệp rồi CR LF", "compare the file with the one that was signed; the body is the file, then CR LF";
    DIFFERS_HASH = "không phải HMAC của sign-header: khoá bí mật khác, hoặc một trong hai đã bị sửa", "is not the HMAC of sign-header: another secret, or one of the two was changed";
    DIFFERS_MISSING = "được nêu là đã ký nhưng không có", "is named as signed and is missing";
    DIFFERS_NO_VALUE = "được nêu là đã ký nhưng không có giá trị trong sign-header", "is named as signed and has no value in sign-header";
    DIFFERS_VALUE = "khác giá trị đã ký", "differs from its signed value";
    DIFFERS_NOT_NAMED = "có giá trị đã ký nhưng không được nêu trong sign-header-key", "has a signed value and is not named in sign-header-key";
    DIFFERS_UNSIGNED = "không được ký", "is not signed";
    CAPTURE = "{path} không phải một lần gọi VXP đọc được.", "{path} is no call of VXP that can be read.";
    FIX_CAPTURE = "lưu nguyên văn các dòng tiêu đề, mỗi dòng «Tên: giá trị», dòng trống ở cuối", "save the header lines as they went over the wire, each «Name: value», and an empty line at their end";
    CAPTURE_LINE = "dòng {line} không phải «Tên: giá trị»", "line {line} is not «Name: value»";
    CAPTURE_LONG = "phần tiêu đề dài hơn {max} byte", "its headers are longer than {max} octets";
    CAPTURE_MANY = "có hơn {max} tiêu đề", "it has more than {max} headers";
    CAPTURE_LONG_ONE = "tiêu đề {name} dài hơn {max} byte", "the header {name} is longer than {max} octets";
    CAPTURE_BROKEN = "tiêu đề {name} có byte không được phép ở vị trí {at}", "the header {name} has a forbidden octet at {at}";
    CAPTURE_REPEATED = "tiêu đề {name} có hai lần với hai giá trị", "the header {name} stands twice with different values";
    CAPTURE_MISSING = "thiếu tiêu đề {name}", "the header {name} is missing";
    CAPTURE_VALUES = "XroadVnpt-sign-header không phải một đối tượng JSON gồm các chuỗi", "XroadVnpt-sign-header is no JSON object of texts";
    CAPTURE_FOREIGN = "XroadVnpt-sign-header ký {name}, vốn không phải tham số", "XroadVnpt-sign-header signs {name}, which is no parameter";
    CAPTURE_NAMED = "XroadVnpt-sign-header-key nêu sai tên {name}", "XroadVnpt-sign-header-key names {name} wrongly";
    CAPTURE_SIGNED = "có hơn {max} tham số được ký", "more than {max} parameters are signed";

    VALUE_BODY = "cần mã định danh, có thể kèm tên, ví dụ H41.08 hoặc \"H41.08=Sở Khoa học và Công nghệ\"", "a code of a body is needed, with its name or without: H41.08 or \"H41.08=Sở Khoa học và Công nghệ\"";
    VALUE_TYPE = "cần số và tên loại văn bản, ví dụ \"1=Công văn\"", "a number and a name are needed, such as \"1=Công văn\"";
    VALUE_DAY = "cần một ngày có thật, ví dụ 2026-11-20", "a real day is needed, such as 2026-11-20";
    VALUE_TIME = "cần giờ Việt Nam, ví dụ \"2026-11-20 09:15:02\"", "a time of Vietnam's clocks is needed, such as \"2026-11-20 09:15:02\"";
    VALUE_STATUS = "cần một trong 01, 02, 03, 04, 05, 06, 13, 15, 16", "one of 01, 02, 03, 04, 05, 06, 13, 15, 16 is needed";
}

/// Where documents of this platform's province are issued.
pub const PLACE_USUAL: &str = "Nghệ An";
/// The type of most documents: its number and name.
pub const TYPE_USUAL: &str = "1=Công văn";

/// The language in which `wire` speaks.
pub const fn language(lang: Lang) -> Language {
    match lang {
        Lang::Vi => Language::Vietnamese,
        Lang::En => Language::English,
    }
}

/// What a document is for.
pub const fn kind(business: Business) -> Text {
    match business {
        Business::New => KIND_NEW,
        Business::Recall => KIND_RECALL,
        Business::Update => KIND_UPDATE,
        Business::Replace => KIND_REPLACE,
    }
}

/// How urgent it is.
pub const fn priority(priority: Priority) -> Text {
    match priority {
        Priority::Normal => PRIORITY_NORMAL,
        Priority::Urgent => PRIORITY_URGENT,
        Priority::VeryUrgent => PRIORITY_VERY_URGENT,
        Priority::Express => PRIORITY_EXPRESS,
        Priority::ExpressTimed => PRIORITY_EXPRESS_TIMED,
    }
}

/// What a status says.
pub const fn status(code: StatusCode) -> Text {
    match code {
        StatusCode::Arrived => STATUS_ARRIVED,
        StatusCode::Refused => STATUS_REFUSED,
        StatusCode::Accepted => STATUS_ACCEPTED,
        StatusCode::Assigned => STATUS_ASSIGNED,
        StatusCode::Processing => STATUS_PROCESSING,
        StatusCode::Finished => STATUS_FINISHED,
        StatusCode::TakeBack => STATUS_TAKE_BACK,
        StatusCode::RecallAgreed => STATUS_RECALL_AGREED,
        StatusCode::RecallRefused => STATUS_RECALL_REFUSED,
    }
}

/// How an attachment stood in its document: the stable word, and the text.
pub const fn form(form: Form) -> (&'static str, Text) {
    match form {
        Form::Plain => ("plain", FORM_PLAIN),
        Form::Unzipped => ("unzipped", FORM_UNZIPPED),
        Form::UnzippedFirst => ("unzipped_first", FORM_UNZIPPED_FIRST),
        Form::NotZip => ("not_zip", FORM_NOT_ZIP),
        Form::LeftZipped => ("left_zipped", FORM_LEFT_ZIPPED),
    }
}

/// How grave a finding is: the stable word, and the text.
pub const fn severity(severity: Severity) -> (&'static str, Text) {
    match severity {
        Severity::Odd => ("odd", SEVERITY_ODD),
        Severity::Refused => ("refused", SEVERITY_REFUSED),
        Severity::Wrong => ("wrong", SEVERITY_WRONG),
        Severity::Unreadable => ("unreadable", SEVERITY_UNREADABLE),
    }
}

/// How a header differs from what was signed: the stable word, its name without the prefix, and the text.
pub fn difference(difference: &Difference) -> (&'static str, &str, Text) {
    match difference {
        Difference::Hash => ("hash", "hash-header", DIFFERS_HASH),
        Difference::Missing { name } => ("missing", name, DIFFERS_MISSING),
        Difference::NoValue { name } => ("no_value", name, DIFFERS_NO_VALUE),
        Difference::Value { name } => ("value", name, DIFFERS_VALUE),
        Difference::NotNamed { name } => ("not_named", name, DIFFERS_NOT_NAMED),
        Difference::Unsigned { name } => ("unsigned", name, DIFFERS_UNSIGNED),
    }
}

/// Why the headers of a call cannot be read.
pub fn unreadable_call(lang: Lang, error: &ReadError) -> String {
    match error {
        ReadError::Headers(error) => of_headers(lang, error),
        ReadError::Values(_) => CAPTURE_VALUES.in_lang(lang).to_owned(),
        ReadError::Foreign { name } => CAPTURE_FOREIGN.fill(lang, &[("name", name)]),
        ReadError::Named { name } => CAPTURE_NAMED.fill(lang, &[("name", name)]),
        ReadError::TooMany => CAPTURE_SIGNED.fill(lang, &[("max", &SIGNED_MAX)]),
    }
}

fn of_headers(lang: Lang, error: &HeaderError) -> String {
    match error {
        HeaderError::TooMany { .. } => CAPTURE_MANY.fill(lang, &[("max", &HEADERS_MAX)]),
        HeaderError::TooLong { name } => {
            CAPTURE_LONG_ONE.fill(lang, &[("name", name), ("max", &HEADER_OCTETS_MAX)])
        }
        HeaderError::Broken { name, at } => {
            CAPTURE_BROKEN.fill(lang, &[("name", name), ("at", at)])
        }
        HeaderError::Repeated { name } => CAPTURE_REPEATED.fill(lang, &[("name", name)]),
        HeaderError::Missing { name } => CAPTURE_MISSING.fill(lang, &[("name", name)]),
    }
}
