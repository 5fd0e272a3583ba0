//! Answers of the axis: the first octet chooses what was asked for, the rest is the body.

#![no_main]

use std::fmt::Debug;

use lgsp_wire::vxp::{
    Accepted, Agency, Answer, Counted, Fetched, Listed, Nothing, Received, SentRow, UnitChange,
};
use libfuzzer_sys::fuzz_target;

fn check<P: PartialEq + Debug>(
    body: &[u8],
    read: impl Fn(&[u8]) -> Option<Answer<P>>,
    write: impl Fn(&Answer<P>) -> Vec<u8>,
) {
    if let Some(answer) = read(body) {
        assert_eq!(read(&write(&answer)).expect("what was read can be written"), answer);
    }
}

macro_rules! of {
    ($kind:ty, $body:expr) => {
        check($body, |body| Answer::<$kind>::read(200, body).ok(), Answer::<$kind>::write)
    };
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    match kind % 8 {
        0 => of!(Nothing, body),
        1 => of!(Accepted, body),
        2 => of!(Fetched, body),
        3 => of!(Counted, body),
        4 => of!(Listed<Agency>, body),
        5 => of!(Listed<UnitChange>, body),
        6 => of!(Listed<Received>, body),
        _ => of!(Listed<SentRow>, body),
    }
});
