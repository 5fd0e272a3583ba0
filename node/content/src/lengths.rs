//! Lengths, in octets and in time, between the widths that memory, files and stored forms have.
//!
//! Memory counts in `usize`, files in `u64`, records, frames and segments in `u32`. What a peer
//! wrote is not converted here: it is checked first.

use std::time::Duration;

const _: () = assert!(usize::BITS == 64, "a length of a file fits into memory's");

/// A length of a file, as memory counts.
pub(crate) fn in_memory(len: u64) -> usize {
    usize::try_from(len).expect("usize has 64 bits")
}

/// A length within a record, a frame or a segment, as their heads write it.
pub(crate) fn in_form<T: TryInto<u32>>(len: T) -> u32 {
    let len = len.try_into().ok();
    len.expect("records, frames and segments are below 4 GiB")
}

/// A span of time in microseconds, as counters keep it.
pub(crate) fn micros_of(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
