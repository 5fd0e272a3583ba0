//! Lengths, in octets and in time, between the widths that memory, files and stored forms have.
//!
//! Memory counts in `usize`, files in `u64`, stored and sent forms mostly in `u32`. What a peer
//! or a disk told is not converted here: it is checked first.

use std::time::Duration;

const _: () = assert!(usize::BITS == 64, "a length of a file fits into memory's");

/// A length or a number in `u64`, as memory counts.
pub fn in_memory(len: u64) -> usize {
    usize::try_from(len).expect("usize has 64 bits")
}

/// A length of something that is held in memory within a named limit, as stored and sent forms write it.
pub fn in_form<T: TryInto<u32>>(len: T) -> u32 {
    let len = len.try_into().ok();
    len.expect("what is written in one piece is below 4 GiB")
}

/// A span of time in milliseconds; the longest that a number holds where it is longer.
pub fn millis_of(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A span of time in microseconds; the longest that a number holds where it is longer.
pub fn micros_of(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
