//! Every word that can be said of a document: how grave it is, in two languages, and how to mend it.
//!
//! Words are stable: programs compare them, and people look them up.

use std::fmt;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody's rule is broken; it only looks odd.
    Odd,
    /// Real hubs or clients refuse it or lose something of it (section 7 of our collection).
    Refused,
    /// QCVN 102:2016 or its shape as the national SDK has it asks otherwise.
    Wrong,
    /// The document cannot be read any further.
    Unreadable,
}

/// A language that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Vietnamese.
    Vietnamese,
    /// English.
    English,
}

/// A sentence in both languages.
struct Text {
    vi: &'static str,
    en: &'static str,
}

impl Text {
    const fn in_(&self, language: Language) -> &'static str {
        match language {
            Language::Vietnamese => self.vi,
            Language::English => self.en,
        }
    }
}

macro_rules! words {
    ($($word:ident $text:literal $severity:ident
        $vi:literal $en:literal mend $mend_vi:literal $mend_en:literal)+) => {
        /// What is said of a document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Word {
            $(#[doc = $en] $word,)+
        }

        impl Word {
            /// Every word.
            pub const ALL: &[Self] = &[$(Self::$word,)+];

            /// The stable word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)+
                }
            }

            /// How grave it is.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$word => Severity::$severity,)+
                }
            }

            /// What is the matter, a sentence.
            pub const fn text(self, language: Language) -> &'static str {
                const fn text(word: Word) -> Text {
                    match word {
                        $(Word::$word => Text { vi: $vi, en: $en },)+
                    }
                }
                text(self).in_(language)
            }

            /// How to mend it, a sentence.
            pub const fn mend(self, language: Language) -> &'static str {
                const fn mend(word: Word) -> Text {
                    match word {
                        $(Word::$word => Text { vi: $mend_vi, en: $mend_en },)+
                    }
                }
                mend(self).in_(language)
            }
        }
    };
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

words! {
    NotXml "not_xml" Unreadable
        "Không tìm thấy dấu '<' mở đầu XML." "No '<' begins the XML."
        mend "Gửi tệp edXML, không phải tệp khác." "Send an edXML file, not another one."
    Encoding "encoding" Unreadable
        "Có byte không đúng bảng mã." "Octets do not belong to the encoding."
        mend "Ghi tệp bằng UTF-8." "Write the file in UTF-8."
    Utf16Unmarked "utf16_unmarked" Unreadable
        "UTF-16 mà không có dấu thứ tự byte." "UTF-16 without a byte order mark."
        mend "Ghi tệp bằng UTF-8." "Write the file in UTF-8."
    Declaration "declaration" Unreadable
        "Không đọc được khai báo XML." "The XML declaration cannot be read."
        mend "Viết <?xml version=\"1.0\" encoding=\"UTF-8\"?>." "Write <?xml version=\"1.0\" encoding=\"UTF-8\"?>."
    Dtd "dtd" Unreadable
        "Có DTD hoặc khai báo '<!'." "A DTD or another declaration with '<!'."
        mend "Bỏ khai báo đó." "Leave it out."
    ProcessingInstruction "processing_instruction" Unreadable
        "Có chỉ thị xử lý '<?'." "A processing instruction."
        mend "Bỏ chỉ thị đó." "Leave it out."
    Entity "entity" Unreadable
        "Có thực thể ngoài năm thực thể của XML." "An entity other than XML's five."
        mend "Viết thẳng ký tự." "Write the character itself."
    Character "character" Unreadable
        "Có ký tự mà XML không cho phép." "A character that XML does not allow."
        mend "Bỏ các ký tự điều khiển." "Leave control characters out."
    Syntax "syntax" Unreadable
        "Không đúng cú pháp XML." "The XML is not well-formed."
        mend "Tạo tệp bằng một thư viện XML." "Let an XML library write the file."
    Tags "tags" Unreadable
        "Thẻ đóng không khớp thẻ mở." "An end tag does not match its start tag."
        mend "Đóng đúng phần tử đang mở." "Close the element that is open."
    AttributeTwice "attribute_twice" Unreadable
        "Một thuộc tính xuất hiện hai lần." "An attribute stands twice."
        mend "Giữ lại một." "Keep one."
    Namespace "namespace" Unreadable
        "Tiền tố không gian tên chưa khai báo hoặc không được phép." "A namespace prefix is undeclared or reserved."
        mend "Khai báo xmlns:edXML ở phần bì." "Declare xmlns:edXML at the envelope."
    Cut "cut" Unreadable
        "Tệp bị cắt ngang." "The file ends too early."
        mend "Gửi lại trọn vẹn." "Send it again in full."
    AfterEnd "after_end" Unreadable
        "Có nội dung sau thẻ đóng của gốc." "Something follows the root's end."
        mend "Bỏ phần thừa." "Leave it out."
    Root "root" Unreadable
        "Gốc không phải là edXML của QCVN 102:2016." "The root is not the edXML of QCVN 102:2016."
        mend "Dùng gốc edXML trong không gian tên http://www.mic.gov.vn/TBT/QCVN_102_2016." "Use the root edXML in the namespace http://www.mic.gov.vn/TBT/QCVN_102_2016."
    EnvelopeMissing "envelope_missing" Unreadable
        "Không có phần bì edXMLEnvelope." "There is no edXMLEnvelope."
        mend "Thêm phần bì." "Add the envelope."
    EnvelopeTwice "envelope_twice" Unreadable
        "Có hai phần bì." "There are two envelopes."
        mend "Gửi mỗi văn bản trong một tệp." "Send each document in a file of its own."
    TooDeep "too_deep" Unreadable
        "Phần tử lồng nhau quá sâu." "Elements are nested too deep."
        mend "Bỏ các phần tử ngoài quy chuẩn." "Leave out elements that the regulation does not know."
    TooManyElements "too_many_elements" Unreadable
        "Quá nhiều phần tử." "Too many elements."
        mend "Chia văn bản thành nhiều tệp." "Split the document."
    TooManyAttributes "too_many_attributes" Unreadable
        "Quá nhiều thuộc tính trong một thẻ." "Too many attributes in a tag."
        mend "Bỏ các thuộc tính thừa." "Leave out what is not needed."
    TokenTooLong "token_too_long" Unreadable
        "Thẻ, tên, thuộc tính hoặc chú thích quá dài." "A tag, name, attribute or comment is too long."
        mend "Rút ngắn." "Make it shorter."
    TextTooLong "text_too_long" Unreadable
        "Giá trị của một phần tử quá dài." "The text of an element is too long."
        mend "Rút ngắn, hoặc đưa vào tệp đính kèm." "Make it shorter, or attach it."
    HeaderTooLong "header_too_long" Unreadable
        "Phần bì quá dài." "The envelope is too long."
        mend "Chia danh sách nơi nhận." "Split the receivers over several documents."
    TooManyReceivers "too_many_receivers" Unreadable
        "Quá nhiều nơi nhận." "Too many receivers."
        mend "Chia danh sách nơi nhận." "Split the receivers over several documents."
    TooManyRows "too_many_rows" Unreadable
        "Một danh sách quá dài." "A list is too long."
        mend "Chia danh sách." "Split the list."
    TooManyAttachments "too_many_attachments" Unreadable
        "Quá nhiều tệp đính kèm." "Too many attachments."
        mend "Gộp hoặc chia các tệp." "Combine them, or split the document."
    AttachmentTooLong "attachment_too_long" Unreadable
        "Tệp đính kèm quá lớn." "An attachment is too large."
        mend "Gửi tệp nhỏ hơn." "Send a smaller file."
    ContentTwice "content_twice" Unreadable
        "Một tệp đính kèm có hai nội dung." "An attachment has two contents."
        mend "Viết mỗi tệp một phần tử Attachment." "Write one Attachment a file."
    Base64Character "base64_character" Unreadable
        "Có ký tự không thuộc base64." "A character does not belong to base64."
        mend "Mã hoá lại tệp đính kèm." "Encode the attachment again."
    Base64AfterEnd "base64_after_end" Unreadable
        "Có dữ liệu sau phần kết của base64." "Data follows the end of base64."
        mend "Mã hoá lại tệp đính kèm, một lần cho cả tệp." "Encode the attachment again, as one."
    Base64Length "base64_length" Unreadable
        "Base64 thiếu ký tự ở cuối." "Base64 lacks characters at its end."
        mend "Gửi lại trọn vẹn." "Send it again in full."
    ZipBroken "zip_broken" Unreadable
        "Gói ZIP hỏng." "The ZIP is broken."
        mend "Nén lại tệp đính kèm." "Zip the attachment again."
    ZipMethod "zip_method" Unreadable
        "Gói ZIP dùng cách nén không hỗ trợ." "The ZIP uses a method other than deflate."
        mend "Nén bằng deflate." "Use deflate."
    ZipEncrypted "zip_encrypted" Unreadable
        "Gói ZIP có mật khẩu." "The ZIP is encrypted."
        mend "Nén không đặt mật khẩu." "Zip it without a password."
    ZipChecksum "zip_checksum" Unreadable
        "Nội dung ZIP sai tổng kiểm." "The content of the ZIP does not have its checksum or size."
        mend "Gửi lại trọn vẹn." "Send it again in full."
    ZipBomb "zip_bomb" Unreadable
        "Gói ZIP nở ra quá nhiều lần." "The ZIP unfolds to far too many times its size."
        mend "Gửi tệp không nén." "Send the file as it is."

    Missing "missing" Wrong
        "Thiếu một phần tử bắt buộc." "A required element is missing."
        mend "Thêm phần tử đó." "Add it."
    FromTwice "from_twice" Wrong
        "Có hai nơi gửi; chỉ nơi đầu được đọc." "There are two senders; only the first is read."
        mend "Giữ lại một From." "Keep one From."
    ElementTwice "element_twice" Wrong
        "Phần tử xuất hiện hai lần; chỉ lần đầu được đọc." "The element stands twice; only the first is read."
        mend "Giữ lại một." "Keep one."
    OrganCode "organ_code" Wrong
        "Mã định danh không hợp lệ." "This is no code of a body."
        mend "Dùng 1 đến 64 chữ cái không dấu, chữ số, dấu chấm, gạch." "Use 1 to 64 letters, digits, full stops, hyphens."
    Date "date" Wrong
        "Ngày không đúng dạng yyyy/MM/dd." "A date is not of the form yyyy/MM/dd."
        mend "Viết ngày có thật theo dạng 2026/11/20." "Write a real day like 2026/11/20."
    Time "time" Wrong
        "Thời điểm không đúng dạng yyyy/MM/dd HH:mm:ss." "A time is not of the form yyyy/MM/dd HH:mm:ss."
        mend "Viết theo dạng 2026/11/20 09:15:02, giờ Việt Nam." "Write it like 2026/11/20 09:15:02, Vietnam's time."
    CodeUnknown "code_unknown" Wrong
        "Mã không có trong danh mục." "The code is not in its list."
        mend "Dùng mã của danh mục." "Use a code of the list."
    Number "number" Wrong
        "Không phải là số nguyên." "This is no whole number."
        mend "Viết bằng chữ số." "Write digits only."
    ReferenceUnmatched "reference_unmatched" Wrong
        "Bản kê nêu tệp không được đính kèm." "The manifest names a file that is not attached."
        mend "Đính kèm tệp với cùng ContentId." "Attach the file under the same ContentId."
    AttachmentUnmatched "attachment_unmatched" Wrong
        "Tệp đính kèm không có trong bản kê." "An attachment is not in the manifest."
        mend "Thêm vào bản kê với cùng ContentId." "Add it to the manifest under the same ContentId."
    ContentIdTwice "content_id_twice" Wrong
        "Một ContentId dùng hai lần." "A ContentId is used twice."
        mend "Đặt cho mỗi tệp một ContentId." "Give each file a ContentId of its own."
    ContentMissing "content_missing" Wrong
        "Tệp đính kèm không có nội dung." "An attachment has no content."
        mend "Thêm ContentTransferEncoded." "Add ContentTransferEncoded."
    NamePath "name_path" Wrong
        "Tên tệp có phần đường dẫn." "A file name has parts of a path."
        mend "Chỉ ghi tên tệp." "Write the name alone."
    NameControl "name_control" Wrong
        "Tên tệp có ký tự điều khiển hoặc đổi chiều chữ." "A file name has characters that steer or turn text."
        mend "Bỏ các ký tự đó." "Leave them out."
    FieldTooLong "field_too_long" Wrong
        "Giá trị dài hơn mức cho phép khi ghi." "A value is longer than a writer may write."
        mend "Rút ngắn." "Make it shorter."
    Base64Unpadded "base64_unpadded" Wrong
        "Base64 thiếu dấu '=' ở cuối." "Base64 lacks its '=' at the end."
        mend "Thêm dấu '='." "Add it."

    StrayOctets "stray_octets" Refused
        "Có byte thừa trước XML." "Octets stand before the XML."
        mend "Bỏ các byte đó." "Leave them out."
    EncodingDeclared "encoding_declared" Refused
        "Bảng mã khai báo khác bảng mã thật." "The declared encoding is not the real one."
        mend "Khai báo encoding=\"UTF-8\" và ghi bằng UTF-8." "Declare encoding=\"UTF-8\" and write UTF-8."
    NotUtf8 "not_utf8" Refused
        "Tệp ghi bằng UTF-16." "The file is in UTF-16."
        mend "Ghi bằng UTF-8." "Write UTF-8."
    AttachmentLarge "attachment_large" Refused
        "Tệp đính kèm lớn hơn 50 MB; nhiều phần mềm không nhận." "An attachment has more than 50 MB, which clients refuse."
        mend "Chia nhỏ tệp." "Split the file."
    BusinessDropped "business_dropped" Refused
        "Có phần mềm bỏ qua văn bản thu hồi, cập nhật, thay thế." "Some clients drop recalls, updates and replacements unanswered."
        mend "Theo dõi trạng thái 15, 16; gọi điện nếu không có." "Watch for status 15 or 16; call if none comes."
    CodeLong "code_long" Refused
        "Mã định danh dài hơn 35 ký tự." "The code of a body has more than 35 characters."
        mend "Dùng mã theo Quyết định 20/2020/QĐ-TTg." "Use the code of Decision 20/2020."

    NullText "null_text" Odd
        "Giá trị là chữ 'null'; coi như không có." "The text is 'null'; it is read as nothing."
        mend "Bỏ phần tử." "Leave the element out."
    ResponseForEmpty "response_for_empty" Odd
        "ResponseFor rỗng; coi như không có." "An empty ResponseFor; it is read as nothing."
        mend "Bỏ phần tử." "Leave it out."
    NameMissing "name_missing" Odd
        "Thiếu tên cơ quan." "The name of a body is missing."
        mend "Thêm OrganName." "Add OrganName."
    TraceOrganMissing "trace_organ_missing" Odd
        "Một TraceHeader không có mã cơ quan." "A TraceHeader has no code of a body."
        mend "Thêm OrganId." "Add OrganId."
    TraceTwice "trace_twice" Odd
        "Có nhiều TraceHeader: trục đã chuyển tiếp." "There are several TraceHeaders: hubs passed it on."
        mend "Không cần sửa." "Nothing to mend."
    TraceMissing "trace_missing" Odd
        "Không có TraceHeader." "There is no TraceHeader."
        mend "Thêm TraceHeaderList." "Add a TraceHeaderList."
    BusinessMissing "business_missing" Odd
        "Không nói văn bản mới, thu hồi, cập nhật hay thay thế." "It does not say whether the document is new, recalled, updated or replaced."
        mend "Thêm Bussiness/BussinessDocType." "Add Bussiness/BussinessDocType."
    ElementUnknown "element_unknown" Odd
        "Phần tử lạ; bị bỏ qua." "An element that nobody knows; it is not read."
        mend "Bỏ phần tử, hoặc kiểm tra chính tả." "Leave it out, or check its spelling."
    NamespaceForeign "namespace_foreign" Odd
        "Phần tử thuộc không gian tên khác; bị bỏ qua." "An element of another namespace; it is not read."
        mend "Dùng không gian tên của QCVN 102:2016." "Use the namespace of QCVN 102:2016."
    NamespaceNone "namespace_none" Odd
        "Gốc không có không gian tên." "The root has no namespace."
        mend "Khai báo xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"." "Declare xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"."
    TextStray "text_stray" Odd
        "Có chữ giữa các phần tử; bị bỏ qua." "Text stands between elements; it is not read."
        mend "Bỏ phần chữ đó." "Leave it out."
    DateFar "date_far" Odd
        "Năm trước 1945 hoặc sau 2100." "A year before 1945 or after 2100."
        mend "Kiểm tra lại năm." "Check the year."
    CodeForm "code_form" Odd
        "Mã định danh không theo Quyết định 20/2020 hay QCVN 102:2016." "The code of a body has neither legal form."
        mend "Dùng mã theo Quyết định 20/2020/QĐ-TTg." "Use the code of Decision 20/2020."
    CidMissing "cid_missing" Odd
        "ContentId không bắt đầu bằng 'cid:'." "A ContentId does not begin with 'cid:'."
        mend "Viết 'cid:' trước." "Write 'cid:' before it."
    NameDiffers "name_differs" Odd
        "Tên tệp trong bản kê khác tên ở tệp đính kèm." "The manifest and the attachment name the file differently."
        mend "Dùng một tên." "Use one name."
    AttachmentNone "attachment_none" Odd
        "Văn bản mới không có tệp đính kèm." "A new document has no attachment."
        mend "Đính kèm văn bản." "Attach the document."
    AttachmentEmpty "attachment_empty" Odd
        "Tệp đính kèm rỗng." "An attachment is empty."
        mend "Kiểm tra lại tệp." "Check the file."
    ReasonMissing "reason_missing" Odd
        "Không nêu lý do." "No reason is given."
        mend "Nêu lý do." "Give one."
    ZipNot "zip_not" Odd
        "Kiểu là application/zip nhưng nội dung không phải ZIP; giữ nguyên." "The type is application/zip and the content is no ZIP; it is kept as it is."
        mend "Ghi đúng ContentType." "Write the right ContentType."
    ZipMore "zip_more" Odd
        "Gói ZIP có hơn một tệp; chỉ tệp đầu được đọc." "The ZIP has more than one file; only the first is read."
        mend "Đính kèm từng tệp, hoặc đặt tên có đuôi .zip." "Attach each file, or give it a name in .zip."
    ZipLate "zip_late" Odd
        "ContentType đứng sau nội dung; nội dung còn nén." "The ContentType stands after the content, which is left zipped."
        mend "Viết ContentType trước nội dung." "Write the ContentType before the content."
    NotesLeftOut "notes_left_out" Odd
        "Còn nhiều điều nữa không được liệt kê." "There is more of this that is not listed."
        mend "Sửa những điều đã nêu rồi kiểm tra lại." "Mend what is listed, and check again."
}

#[cfg(test)]
mod tests {
    use super::{Language, Word};
    use std::collections::BTreeSet;

    #[test]
    fn every_word_is_stable_unique_and_said_in_both_languages() {
        let words: BTreeSet<&str> = Word::ALL.iter().map(|word| word.as_str()).collect();
        assert_eq!(words.len(), Word::ALL.len());
        for word in Word::ALL {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(word.as_str().chars().all(plain), "{word}");
            let (vi, en) = (Language::Vietnamese, Language::English);
            assert_ne!(word.text(vi), word.text(en), "{word}");
            for sentence in [word.text(vi), word.text(en), word.mend(vi), word.mend(en)] {
                assert!(sentence.ends_with('.'), "{word}: {sentence}");
            }
        }
    }
}
