//! REST of X-Road and the forwarding adapter: the first line is the target, then each line is a header, `name: value`, up
//! to an empty line; the rest is the body of an answer.

#![no_main]

use lgsp_wire::{
    vxp::{Field, Header},
    xroad::{
        Arrived, ErrorType, Evidence, Fault, Forward, RestRequest, passed_answers, passed_requests,
    },
};
use libfuzzer_sys::fuzz_target;

fn fields(headers: &[Header]) -> Vec<Field<'_>> {
    headers.iter().map(Header::field).collect()
}

fuzz_target!(|data: &[u8]| {
    let (head, body) = match data.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split('\n');
    let target = lines.next().unwrap_or_default();
    let all: Vec<Field<'_>> = lines
        .map(|line| line.split_once(": ").unwrap_or((line, "")))
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    if let Ok(request) = RestRequest::parse("POST", target, &all) {
        // What is encoded anew may be longer than what was read.
        if request.target().len() <= lgsp_wire::xroad::TARGET_MAX {
            let again = RestRequest::parse("POST", &request.target(), &fields(&request.headers()));
            assert_eq!(again.expect("what was read can be sent"), request);
        }
    }
    if let Ok(arrived) = Arrived::parse(&all) {
        let again = Arrived::parse(&fields(&arrived.headers()));
        assert_eq!(again.expect("what was read can be sent"), arrived);
    }
    if let Ok(evidence) = Evidence::parse(&all) {
        let again = Evidence::parse(&fields(&evidence.headers()));
        assert_eq!(again.expect("what was read can be sent"), evidence);
    }
    if let Ok(call) = Forward::parse(target, &all)
        && let Ok(built) = call.build()
    {
        let again = Forward::parse(&built.target, &fields(&built.headers));
        assert_eq!(again.expect("what was built can be read"), call);
    }
    Fault::of_answer(&all, body).ok();
    if let Ok(fault) = Fault::of_body(body) {
        let again = Fault::of_body(&fault.answer(None).body);
        assert_eq!(again.expect("what was read can be sent"), fault);
    }
    if let Some(kind) = ErrorType::parse(target) {
        assert_eq!(ErrorType::parse(&kind.plain()).map(|plain| plain.class()), Some(kind.class()));
    }
    assert!(passed_answers(&all).len() <= all.len() && passed_requests(&all).len() <= all.len());
});
