//! The header `lgspaccesstoken`.

use lgsp_wire::{
    gateway::{PARTNER_OCTETS_MAX, PartnerError, PartnerToken},
    vxp::{HeaderError, Secret},
};

fn token() -> PartnerToken {
    PartnerToken {
        access_key: Secret::new("ak"),
        secret_key: Secret::new("sk"),
        app_name: "csdl_gia".to_owned(),
        partner_code: "0.0.H30".to_owned(),
        partner_code_cus: "000.00.01.H29".to_owned(),
    }
}

/// The JSON of section 4.5, encoded with Python.
const TEXT: &str = "eyJBY2Nlc3NLZXkiOiJhayIsIlNlY3JldEtleSI6InNrIiwiQXBwTmFtZSI6ImNzZGxfZ2lhIiwiUGFydG5lckNvZGUiOiIwLjAuSDMwIiwiUGFydG5lckNvZGVDdXMiOiIwMDAuMDAuMDEuSDI5In0=";

#[test]
fn as_it_is_sent() {
    let header = token().header().expect("a header");
    assert_eq!((header.name(), header.value()), ("lgspaccesstoken", TEXT));
    let header = token().authorization().expect("a header");
    assert_eq!((header.name(), header.value()), ("Authorization", TEXT));
    for text in [TEXT, TEXT.trim_end_matches('=')] {
        let own = [("LGSPAccessToken", text.as_bytes()), ("Authorization", b"Bearer x")];
        assert_eq!(PartnerToken::parse(&own).expect("a token"), token());
        let other = [("authorization", text.as_bytes())];
        assert_eq!(PartnerToken::parse_authorization(&other).expect("a token"), token());
    }
    assert_eq!(
        format!("{:?} {:?}", token(), token().header()),
        "PartnerToken Ok(Header(\"lgspaccesstoken\", ..))"
    );
}

#[test]
fn wrong_ones() {
    let parse = |text: &str| PartnerToken::parse(&[("lgspaccesstoken", text.as_bytes())]);
    let missing = PartnerToken::parse(&[("Authorization", TEXT.as_bytes())]);
    assert!(matches!(missing, Err(PartnerError::Headers(HeaderError::Missing { .. }))));
    let twice = [("lgspaccesstoken", TEXT.as_bytes()), ("lgspaccesstoken", b"e30=")];
    let twice = PartnerToken::parse(&twice);
    assert!(matches!(twice, Err(PartnerError::Headers(HeaderError::Repeated { .. }))));
    assert!(matches!(parse("a\0"), Err(PartnerError::Headers(HeaderError::Broken { .. }))));
    for text in ["!", "Bearer x", "a", "ey J9"] {
        assert!(matches!(parse(text), Err(PartnerError::Base64)), "{text}");
    }
    // Nothing, `{}`, `[]`, an array of the five, `{"AccessKey":"a","SecretKey":""}`, and the same without the secret.
    for text in [
        "",
        "e30=",
        "W10=",
        "WyJhIiwiYiIsImMiLCJkIiwiZSJd",
        "eyJBY2Nlc3NLZXkiOiJhIiwiU2VjcmV0S2V5IjoiIn0=",
        "eyJBY2Nlc3NLZXkiOiJhIn0=",
    ] {
        assert!(matches!(parse(text), Err(PartnerError::Json)), "{text}");
    }
    assert!(matches!(parse(&"A".repeat(PARTNER_OCTETS_MAX + 1)), Err(PartnerError::TooLong)));
    let mut long = token();
    long.app_name = "a".repeat(PARTNER_OCTETS_MAX);
    assert!(matches!(long.header(), Err(PartnerError::TooLong)));
    long.access_key = Secret::new("");
    assert!(matches!(long.header(), Err(PartnerError::Json)));
}
