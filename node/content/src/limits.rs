//! Limits that hold wherever a content is stored or sent.

/// The largest content of the small path: what comes whole in one multipart body. Above it, a
/// file of its own costs less than its share of a segment's group commit delays others.
pub const SMALL_MAX: usize = 1 << 20;
/// The largest meta: a file name, a media type and room for more.
pub const META_MAX: usize = 4096;
/// The size of a segment by default: a purge of its last record frees it whole.
pub const SEGMENT_BYTES: u32 = 64 << 20;
