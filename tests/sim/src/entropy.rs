//! The process's entropy, from the seed: the keys of hash maps and the choices of `select!` come from
//! the system's `getrandom`, which this binary answers itself.
//!
//! Only the simulation's binary has this; no product code is linked with it.

use std::sync::atomic::{AtomicU64, Ordering};

static STATE: AtomicU64 = AtomicU64::new(0);

/// Everything that asks the system for random octets gets them from this seed.
pub fn seed(seed: u64) {
    STATE.store(seed, Ordering::Relaxed);
}

fn next() -> u64 {
    // SplitMix64: good enough for hash keys, and one line.
    let mut z = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Stands in for the C library's function of that name.
///
/// # Safety
///
/// As for the C function: `buffer` must be valid for writing `length` octets.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    for index in 0..length {
        // SAFETY: the caller promises `length` writable octets at `buffer`.
        unsafe { buffer.add(index).write(next() as u8) };
    }
    length as isize
}
