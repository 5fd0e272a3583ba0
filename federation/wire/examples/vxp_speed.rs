//! How many calls of the axis of documents one processor verifies: `vxp_speed [how many]`.
//!
//! The limit beside it is the HMAC alone, over the same octets, in the same run.

use std::{env, error::Error, hint::black_box, time::Instant};

use hmac::{Hmac, KeyInit, Mac};
use lgsp_wire::vxp::{
    Call, Code, Field, MessageType, Opaque, Request, Secret, Sending, ServiceType, Unverified,
};
use model::Moment;
use sha2::Sha256;

const SECRET: &str = "c2FtcGxlLXNlY3JldC1mb3ItdGVzdHMtb25seS0wMDE=";

fn per_second(what: &str, count: u64, began: Instant) {
    let nanos = began.elapsed().as_nanos().max(1);
    let rate = u128::from(count) * 1_000_000_000 / nanos;
    println!("{what:<52} {rate:>9} a second  ({} ns each)", nanos / u128::from(count.max(1)));
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = env::args().nth(1).map_or(Ok(500_000), |count| count.parse::<u64>())?;
    let secret = Secret::new(SECRET);
    let opaque = |text| Opaque::parse(text).ok_or("a value");
    let code = |text| Code::parse(text).ok_or("a code");
    let call = Call::SendEdoc(Sending {
        service: ServiceType::Document,
        kind: MessageType::Document,
        hash_file: opaque("2d918ad1a6d1571df30e60816632d3e94e6359c878cb3cda983fafd4c1ef88")?,
        from: code("H41.08")?,
        to: None,
    });
    let at = Moment(1_795_334_910_580);
    let request = Request { system: code("H41.08")?, at, call, extra: Vec::new() };
    let built = request.build(&secret)?;
    let mut fields: Vec<Field<'_>> = built.headers.iter().map(|header| header.field()).collect();
    fields.extend([("Host", &b"127.0.0.1"[..]), ("Content-Length", b"5791")]);

    let began = Instant::now();
    for _ in 0..count {
        black_box(Unverified::read(black_box(&fields))?.verify(&secret)?);
    }
    per_second("headers read and verified", count, began);

    let began = Instant::now();
    for _ in 0..count {
        let verified = Unverified::read(black_box(&fields))?.verify(&secret)?;
        black_box(Request::parse(built.endpoint, &verified, &[])?);
    }
    per_second("the same, and the call read to its values", count, began);

    let began = Instant::now();
    for _ in 0..count {
        black_box(black_box(&request).build(&secret)?);
    }
    per_second("calls built and signed", count, began);

    let signed = fields.iter().find(|field| field.0 == "XroadVnpt-sign-header");
    let signed = signed.ok_or("a signed header")?.1;
    let began = Instant::now();
    for _ in 0..count {
        let mac = Hmac::<Sha256>::new_from_slice(black_box(SECRET.as_bytes()))?;
        black_box(mac.chain_update(black_box(signed)).finalize());
    }
    per_second(&format!("the limit: HMAC alone over its {} octets", signed.len()), count, began);
    Ok(())
}
