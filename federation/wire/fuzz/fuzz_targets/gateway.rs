//! Gateways: the first octet chooses the parser, the first line is a header's value, the rest is the body.

#![no_main]

use lgsp_wire::{
    gateway::{PartnerToken, PopulationCall, TokenAnswer, TokenRequest, read_bearer},
    vxp::{Field, Header},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let end = rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len());
    let (value, body) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
    let fields = |headers: &[Header]| -> Vec<(String, Vec<u8>)> {
        headers.iter().map(|h| (h.name().to_owned(), h.value().as_bytes().to_vec())).collect()
    };
    match kind % 6 {
        0 | 1 => {
            let name = if kind % 6 == 0 { "Authorization" } else { "Content-Type" };
            let Ok(request) = TokenRequest::parse(&[(name, value)], body) else { return };
            let built = request.build();
            let owned = fields(&built.headers);
            let all: Vec<Field<'_>> =
                owned.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
            let again = TokenRequest::parse(&all, built.body.as_bytes());
            assert_eq!(again.expect("what was read can be sent"), request);
        }
        2 => {
            let Ok(answer) = TokenAnswer::read(200, rest) else { return };
            let again = TokenAnswer::read(200, &answer.write());
            assert_eq!(again.expect("what was read can be written"), answer);
        }
        3 => {
            let Ok(token) = PartnerToken::parse(&[("lgspaccesstoken", value)]) else { return };
            // JSON may be shorter than we write it, and base64 without padding.
            let Ok(header) = token.header() else { return };
            assert_eq!(PartnerToken::parse(&[header.field()]).expect("the same token"), token);
        }
        4 => {
            let all: [Field<'_>; 2] = [("Authorization", value), ("Timestamp", body)];
            let Ok(call) = PopulationCall::parse(&all) else { return };
            let headers = call.headers();
            let again = PopulationCall::parse(&[headers[0].field(), headers[1].field()]);
            assert_eq!(again.expect("what was read can be sent"), call);
        }
        _ => {
            read_bearer(&[("Authorization", value)]).ok();
        }
    }
});
