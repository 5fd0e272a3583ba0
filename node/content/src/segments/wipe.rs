//! The octets that make a record dead: a head that says so, and zeros over its key.

use bytes::Bytes;

use crate::{
    disk::Write,
    index::RecordAt,
    record::{RECORD_HEAD, RecordHead, WIPED},
};

/// The writes that make records of one segment dead, in order.
pub(crate) fn wipes_of<'a>(records: impl IntoIterator<Item = &'a RecordAt>) -> Vec<Write> {
    let wipe = |record: &RecordAt| wipe_range(record.offset, record.total, WIPED);
    let mut writes: Vec<Write> = records.into_iter().map(wipe).collect();
    writes.sort_by_key(|write| write.offset);
    writes
}

/// The write that makes a range dead, with zeros over its first octets.
pub(crate) fn wipe_range(offset: u32, len: u32, zeros: u32) -> Write {
    let octets = match len as usize {
        // Padding before a good record has no room for a head.
        len if len < RECORD_HEAD => vec![0; len],
        _ => {
            let mut octets = RecordHead::dead(len).encode().to_vec();
            octets.resize((zeros.min(len) as usize).max(RECORD_HEAD), 0);
            octets
        }
    };
    Write { offset: u64::from(offset), bytes: Bytes::from(octets) }
}
