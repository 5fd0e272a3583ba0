//! What is said of a file that is no text in UTF-8.

use super::texts;

texts! {
    UTF_16 = "tệp lưu ở dạng UTF-16 (Notepad gọi là «Unicode» hoặc «UTF-16»)", "the file is UTF-16 (Notepad calls it “Unicode” or “UTF-16”)";
    OTHER = "tệp không phải UTF-8 (thấy ở dòng {line})", "the file is not UTF-8 (seen in line {line})";
    FIX = "lưu lại ở dạng UTF-8. Notepad: Lưu thành (Save As) → Mã hoá (Encoding): UTF-8; Linux: iconv -f UTF-16 -t UTF-8 {path} > TỆP-MỚI", "save it as UTF-8. Notepad: Save As → Encoding: UTF-8; Linux: iconv -f UTF-16 -t UTF-8 {path} > NEW-FILE";
    FIX_OTHER = "lưu lại ở dạng UTF-8; nếu là tệp khoá, dùng dạng PEM, không dùng dạng nhị phân (DER)", "save it as UTF-8; if it is a key, use PEM and not the binary form (DER)";
}
