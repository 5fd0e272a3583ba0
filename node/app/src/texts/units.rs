//! Lists of units, what differs in them, and what still refers to a unit.

use super::{
    help::{Entry, t},
    texts,
};

texts! {
    ENCODING = "tệp không phải UTF-8 hay UTF-16 (có thể là Windows-1258 hoặc TCVN3): tên sẽ thành tên khác", "the file is neither UTF-8 nor UTF-16 (perhaps Windows-1258 or TCVN3): names would become other names";
    FIX_ENCODING = "trong Excel: Lưu thành (Save As) → «CSV UTF-8 (Comma delimited)»; trong LibreOffice: Lưu thành → CSV, bộ ký tự UTF-8", "in Excel: Save As → “CSV UTF-8 (Comma delimited)”; in LibreOffice: Save As → CSV, character set UTF-8";
    NO_COLUMNS = "dòng đầu phải có các cột code, name, kind (và parent), cách nhau bằng dấu phẩy, chấm phẩy hoặc tab", "the first line must name the columns code, name, kind (and parent), separated by commas, semicolons or tabs";
    ROW = "không đọc được dòng này như một dòng CSV: kiểm tra dấu ngoặc kép", "this line cannot be read as CSV: check its quotation marks";
    TWICE = "mã {code} đã có ở dòng {line}", "the code {code} is already in line {line}";
    CELL = "cột {column}, giá trị «{value}»: {why}", "column {column}, value “{value}”: {why}";
    NO_PARENT = "đơn vị cấp trên {parent} của {code} không có trong tệp, cũng chưa đăng ký", "{parent}, the unit above {code}, is neither in the file nor registered";
    CIRCLE = "{code} và {parent} là cấp trên của nhau", "{code} and {parent} are each above the other";
    FIX_PARENT = "thêm đơn vị cấp trên vào tệp, hoặc sửa cột parent", "add the unit above it to the file, or correct the column parent";

    COL_LINE = "DÒNG", "LINE";
    COL_CHANGE = "THAY ĐỔI", "CHANGE";
    COL_REGISTERED = "ĐÃ ĐĂNG KÝ", "REGISTERED";
    COL_FILE = "TRONG TỆP", "IN THE FILE";
    ADD = "thêm", "add";
    RENAME = "đổi tên", "rename";
    OTHER_NAME = "khác tên", "different name";
    OTHER_KIND = "khác loại", "different kind";
    OTHER_PARENT = "khác cấp trên", "different parent";
    DIFFERING = "{count} đơn vị đã đăng ký khác với trong tệp và được giữ nguyên:", "Units that are registered differently from the file and stay as they are ({count}):";
    FIX_DIFFERING = "đổi tên theo tệp: lgsp unit import {path} --update; loại và cấp trên không đổi được: gỡ (lgsp unit remove) rồi thêm lại", "to take the names from the file: lgsp unit import {path} --update; kind and parent cannot be changed: remove the unit (lgsp unit remove), then add it again";
    DONE_IMPORTED = "đã thêm {added} đơn vị, đổi tên {renamed}, giữ nguyên {unchanged}", "units added: {added}, renamed: {renamed}, unchanged: {unchanged}";
    DRY_RUN = "chưa thay đổi gì; sẽ thêm {added} đơn vị, đổi tên {renamed}", "nothing was changed; units to add: {added}, to rename: {renamed}";

    DONE_RENAMED = "{code} nay có tên {name}", "{code} is now called {name}";
    DONE_REMOVED = "đã gỡ đơn vị {code}", "the unit {code} was removed";
    ASK_REMOVE_UNIT = "Gỡ đơn vị {name}.", "Remove the unit {name}.";
    STILL_UNITS = "đơn vị cấp dưới: {list}", "units below it: {list}";
    STILL_APPS = "ứng dụng: {list}", "applications: {list}";
    STILL_PACKETS = "những gì đã gửi hay thông báo tới mã này", "what was sent to its code, or notices to it";
    FIX_STILL = "gỡ hoặc chuyển những thứ đó trước; ứng dụng không gỡ được: thu hồi khoá của nó (lgsp key revoke) và giữ đơn vị; mã đã từng nhận gì thì giữ lại: đổi tên (lgsp unit rename)", "remove those first; an application cannot be removed: revoke its keys (lgsp key revoke) and keep the unit; a code that ever had a notice is kept: rename it (lgsp unit rename)";
}

/// Help.
pub const HELP_IMPORT: Entry = Entry {
    path: "unit import",
    about: t(
        "Thêm các đơn vị từ tệp CSV; báo những đơn vị đã đăng ký khác với tệp",
        "Add units from a CSV file; report those that are registered differently",
    ),
    examples: ["lgsp unit import don-vi.csv --dry-run", "lgsp unit import don-vi.csv --update"],
    args: &[
        (
            "file",
            t(
                "Cột: code,name,kind,parent; UTF-8 hoặc UTF-16; dấu phẩy, chấm phẩy hoặc tab; thứ tự dòng tuỳ ý",
                "Columns: code,name,kind,parent; UTF-8 or UTF-16; commas, semicolons or tabs; lines in any order",
            ),
        ),
        (
            "dry_run",
            t("Chỉ báo khác biệt, không thay đổi gì", "Report the differences, change nothing"),
        ),
        ("update", t("Đổi tên đơn vị đã có theo tệp", "Rename registered units as the file says")),
    ],
};

/// Help.
pub const HELP_RENAME: Entry = Entry {
    path: "unit rename",
    about: t("Đổi tên một đơn vị; mã không đổi", "Rename a unit; its code stays"),
    examples: [
        "lgsp unit rename H41 --name \"Tỉnh Nghệ An\"",
        "lgsp unit rename H41.02 --name \"Sở Nội vụ\" -o json",
    ],
    args: &[("name", t("Tên mới", "The new name"))],
};

/// Help.
pub const HELP_REMOVE: Entry = Entry {
    path: "unit remove",
    about: t(
        "Gỡ một đơn vị đăng ký nhầm: chưa có ứng dụng, cấp dưới hay thông báo nào gắn với mã",
        "Remove a unit registered by mistake: no application or unit below refers to it, no notice was ever sent to it",
    ),
    examples: ["lgsp unit remove H41.950", "lgsp unit remove H41.950 --yes"],
    args: &[],
};
