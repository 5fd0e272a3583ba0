//! Identifiers and their encoding.

use lgsp_wire::xroad::{ClientId, PART_MAX, Part, RepresentedParty, RestServiceId, ServerId};

use crate::{client, part, service};

#[test]
fn parts_that_nothing_carries_are_none() {
    let long = "a".repeat(PART_MAX + 1);
    for text in ["", " ", " a", "a ", "a\0", "a\nb", "a\u{85}b", ".", "..", "\u{fffe}", &long] {
        assert_eq!(Part::parse(text), None, "{text:?}");
    }
    for text in ["a", "...", "a b", "H41.08", "a/b", "a:b", "é", "\u{200b}", &"é".repeat(PART_MAX)]
    {
        assert!(Part::parse(text).is_some(), "{text:?}");
    }
    assert!(part("000.00.00.G22").is_advised() && part("a'()+,-.=?9").is_advised());
    for text in ["a:b", "a/b", "a%b", "a;b", "a\\b", "a\u{200b}", "a b", "a_b"] {
        assert!(!part(text).is_advised(), "{text:?}");
    }
}

#[test]
fn each_part_is_encoded_on_its_own() {
    let odd =
        ClientId { member: client("VN/GOV/x").member, subsystem: Some(part("một/hai ba?+%:")) };
    let text = "VN/GOV/x/m%E1%BB%99t%2Fhai%20ba%3F%2B%25%3A";
    assert_eq!(odd.to_string(), text);
    assert_eq!(client(text), odd);
    // What others leave as it is, and lower case in escapes.
    assert_eq!(client("VN/GOV/x/m%e1%bb%99t%2fhai%20ba%3f+%25:"), odd);
    assert_eq!(client("VN/GOV/0106001236").subsystem, None);
    let dotted = "VN/GOV/000.00.00.G22/vpcpdvcprovider";
    assert_eq!(client(dotted).to_string(), dotted);
}

#[test]
fn wrong_ones() {
    for text in [
        "",
        "VN",
        "VN/GOV",
        "VN/GOV/x/y/z",
        "/VN/GOV/x",
        "VN/GOV/x/",
        "VN//x",
        "VN/GOV/%",
        "VN/GOV/%2",
        "VN/GOV/%zz",
        "VN/GOV/%FF",
        "VN/GOV/%00",
        "VN/GOV/.",
        "VN/GOV/%2E%2e",
        "VN/GOV/%20x",
    ] {
        assert!(ClientId::parse(text).is_err(), "{text}");
    }
    for text in ["VN/GOV/x/y", "VN/GOV/x/y/z/v"] {
        assert!(RestServiceId::parse(text).is_err(), "{text}");
    }
    for text in ["VN/GOV/x", "VN/GOV/x/y/z"] {
        assert!(ServerId::parse(text).is_err(), "{text}");
    }
    for text in ["", "a/b/c", "a/", "/b"] {
        assert!(RepresentedParty::parse(text).is_err(), "{text}");
    }
    assert_eq!(service("VN/GOV/x/y/z").to_string(), "VN/GOV/x/y/z");
    let party = RepresentedParty::parse("COM/1").expect("a party");
    assert_eq!((party.class.as_ref().map(Part::as_str), party.code.as_str()), (Some("COM"), "1"));
    let party = RepresentedParty::parse("1").expect("a party");
    assert_eq!((party.class, party.code.as_str()), (None, "1"));
}

#[test]
fn with_colons() {
    let text = "VN:GOV:000.00.00.G22:vpcpdvcprovider";
    let id = ClientId::parse_colons(text).expect("a client");
    assert_eq!(id, client("VN/GOV/000.00.00.G22/vpcpdvcprovider"));
    assert_eq!(id.to_colons().as_deref(), Some(text));
    for text in ["", "VN:GOV", "VN:GOV:x:y:z", "VN::x", "VN:GOV:x:"] {
        assert!(ClientId::parse_colons(text).is_err(), "{text}");
    }
    assert_eq!(client("VN/GOV/a%3Ab").to_colons(), None);
}
