//! Calls of the axis: any headers, and any parameters and body behind a right signature.
//!
//! The first line chooses the call; then each line is a parameter, `name=value`, up to an empty line; the rest is the body.

#![no_main]

use hmac::{Hmac, KeyInit, Mac};
use lgsp_wire::vxp::{Endpoint, Field, Request, Secret, Unverified};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

const SECRET: &str = "fuzz";

fn lines(data: &[u8]) -> (Vec<(&str, &str)>, &[u8]) {
    let (head, body) = match data.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let head = std::str::from_utf8(head).unwrap_or_default();
    (head.split('\n').map(|line| line.split_once('=').unwrap_or((line, ""))).collect(), body)
}

fn signed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let names: Vec<_> = pairs.iter().map(|pair| pair.0).collect();
    let text = |text: String| serde_json::Value::from(text).to_string();
    let json: Vec<_> = pairs
        .iter()
        .map(|(name, value)| {
            format!("{}:{}", text(format!("XroadVnpt-{name}")), text((*value).to_owned()))
        })
        .collect();
    let json = format!("{{{}}}", json.join(","));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
    let hash = hex::encode(mac.chain_update(&json).finalize().into_bytes());
    let mut headers: Vec<_> =
        pairs.iter().map(|(n, v)| (format!("XroadVnpt-{n}"), (*v).to_owned())).collect();
    headers.push(("XroadVnpt-sign-header".to_owned(), json));
    headers.push(("XroadVnpt-sign-header-key".to_owned(), names.join(";")));
    headers.push(("XroadVnpt-hash-header".to_owned(), hash));
    headers
}

fuzz_target!(|data: &[u8]| {
    let secret = Secret::new(SECRET);
    let (pairs, body) = lines(data);
    // As they are: the fuzzer writes the signing headers itself.
    let raw: Vec<Field<'_>> = pairs.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
    if let Ok(read) = Unverified::read(&raw) {
        let found = read.differences(&secret);
        let first = read.verify(&secret).err();
        assert_eq!(first.as_ref(), found.first());
    }
    // And behind a signature that is right.
    let Some(((name, _), pairs)) = pairs.split_first() else { return };
    let headers = signed(pairs);
    let fields: Vec<Field<'_>> = headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    let Ok(read) = Unverified::read(&fields) else { return };
    let Ok(verified) = read.verify(&secret) else { return };
    let Some(endpoint) = Endpoint::of_name(name) else { return };
    let Ok(request) = Request::parse(endpoint, &verified, body) else { return };
    let built = request.build(&secret).expect("what was read can be sent");
    let fields: Vec<_> = built.headers.iter().map(|header| header.field()).collect();
    let verified = Unverified::read(&fields).expect("headers").verify(&secret).expect("signed");
    let again = Request::parse(endpoint, &verified, &built.body).expect("the same call");
    assert_eq!(again, request);
});
