//! What a reader bears, each number with its reason. Together they bound its memory: 16 MiB at the worst,
//! which tests hold it to, and some pages where nobody means harm.

/// Limits of one reader. [`Limits::DEFAULT`] is for whole documents of any kind; a caller may go below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Elements open at a time.
    pub depth_max: usize,
    /// Elements of the whole document.
    pub elements_max: u32,
    /// Attributes of one tag, declarations of namespaces apart.
    pub attributes_max: usize,
    /// Octets of the text of one element of the envelope.
    pub text_octets_max: usize,
    /// Octets of the text of one element of an attachment other than its content.
    pub field_octets_max: usize,
    /// Octets from the beginning to the end of the envelope.
    pub header_octets_max: u64,
    /// Receivers: elements `To`.
    pub receivers_max: usize,
    /// Rows of all other lists of the envelope together.
    pub rows_max: usize,
    /// Attachments.
    pub attachments_max: usize,
    /// Octets of one attachment after decoding, and after unzipping again.
    pub attachment_octets_max: u64,
    /// How many times their packed size the attachments of a document may unfold to, once they are together beyond
    /// [`ZIP_RATIO_FROM_OCTETS`].
    pub zip_ratio_max: u64,
    /// Findings that are kept.
    pub findings_max: usize,
}

/// Octets between two events of the XML reader: a tag with its attributes, or a comment. Each attribute
/// costs the reader some hundred octets before its tag is complete.
pub(super) const TAG_OCTETS_MAX: usize = 16 * 1_024;

/// Octets of one name or attribute, and of one piece of text as it comes from the XML reader.
pub(super) const TOKEN_OCTETS_MAX: usize = 4 * 1_024;

/// Octets before the XML: the ones seen in the wild are four (`1212`).
pub const STRAY_OCTETS_MAX: usize = 64;

/// Octets of the XML declaration; usual ones have 38 to 55.
pub(super) const DECLARATION_OCTETS_MAX: usize = 256;

/// Below this size the ZIPs of a document may unfold as they like: a picture of an empty page has so much, and harms
/// nobody.
pub const ZIP_RATIO_FROM_OCTETS: u64 = 16 << 20;

/// How many times its packed size a writer lets a file be: below what a reader bears, since it looks after
/// each piece and a reader within them.
pub(super) const PACK_RATIO_MAX: u64 = 150;

impl Limits {
    /// The limits of whole documents.
    pub const DEFAULT: Self = Self {
        // The deepest place of section 2.2 is the tenth level.
        depth_max: 32,
        // Nine for each receiver and eight for each attachment, at their limits, and half as many again.
        elements_max: 100_000,
        // No element of the regulation has more than two.
        attributes_max: 16,
        // A page of text has three thousand; certificates have six at most.
        text_octets_max: 64 * 1_024,
        // File systems bear 255.
        field_octets_max: 1_024,
        // Five thousand receivers with all they may say of themselves.
        header_octets_max: 4 << 20,
        // A province has some hundred and fifty bodies, and all provinces with all ministries five thousand.
        receivers_max: 5_000,
        // As many again, for updates and replacements.
        rows_max: 10_000,
        attachments_max: 1_000,
        // A ZIP without its 64-bit extension ends here too. Clients stop at 50 MB.
        attachment_octets_max: 4 << 30,
        // Tables in text form reach fifty; deflate itself ends at 1,032.
        zip_ratio_max: 200,
        findings_max: 1_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
