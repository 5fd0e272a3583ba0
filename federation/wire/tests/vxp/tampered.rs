//! One octet of one header is changed, or a header comes or goes: the finding is at that header.

use lgsp_wire::vxp::{
    Difference, HEADER_OCTETS_MAX, HEADERS_MAX, HeaderError, ReadError, SIGNED_MAX, Secret,
    Unverified,
};

use crate::{Captured, all, secret};

const PREFIX: &str = "XroadVnpt-";

fn findings(call: &Captured) -> Vec<Difference> {
    let fields = call.fields();
    let unverified = Unverified::read(&fields).expect("headers of a call");
    let found = unverified.differences(&secret());
    let first = Unverified::read(&fields).expect("headers of a call").verify(&secret()).err();
    assert_eq!(first.as_ref(), found.first(), "both agree");
    found
}

/// The same octet string with one octet changed to another that a header may have.
fn changed(value: &str, at: usize) -> String {
    let mut octets = value.as_bytes().to_vec();
    octets[at] = if octets[at] == b'7' { b'8' } else { b'7' };
    String::from_utf8(octets).expect("ASCII")
}

#[test]
fn each_octet_of_each_value() {
    let mut changes = 0;
    for index in 0..all().len() {
        for header in 0..all()[index].headers.len() {
            let (name, value) = all()[index].headers[header].clone();
            let Some(name) = name.strip_prefix(PREFIX) else { continue };
            for at in 0..value.len() {
                let mut call = all().swap_remove(index);
                call.headers[header].1 = changed(&value, at);
                changes += 1;
                let fields = call.fields();
                let read = Unverified::read(&fields);
                match name {
                    // Nothing signs the version.
                    "version" => assert_eq!(findings(&call), []),
                    "hash-header" => assert_eq!(findings(&call), [Difference::Hash]),
                    // The JSON is broken, or it is another one and its hash is wrong.
                    "sign-header" => match read {
                        Ok(_) => assert_eq!(findings(&call)[0], Difference::Hash),
                        Err(ReadError::Values(_) | ReadError::Foreign { .. }) => {}
                        Err(other) => panic!("{other}"),
                    },
                    "sign-header-key" => {
                        let found = findings(&call);
                        assert!(matches!(found[0], Difference::Missing { .. }), "{found:?}");
                        assert!(found.iter().any(|one| matches!(one, Difference::Unsigned { .. })));
                    }
                    _ => {
                        assert_eq!(findings(&call), [Difference::Value { name: name.to_owned() }]);
                    }
                }
            }
        }
    }
    assert!(changes > 4_000, "{changes} octets were changed");
}

#[test]
fn each_header_is_needed() {
    for index in 0..all().len() {
        for header in 0..all()[index].headers.len() {
            let mut call = all().swap_remove(index);
            let (whole, _) = call.headers.remove(header);
            let Some(name) = whole.strip_prefix(PREFIX) else {
                assert_eq!(findings(&call), [], "{whole} is not the signature's");
                continue;
            };
            match name {
                "version" => assert_eq!(findings(&call), []),
                "hash-header" | "sign-header" | "sign-header-key" => {
                    let fields = call.fields();
                    let error = Unverified::read(&fields).expect_err("it is missing");
                    let missing = HeaderError::Missing { name: whole.clone() };
                    assert!(matches!(error, ReadError::Headers(e) if e == missing));
                }
                _ => assert_eq!(findings(&call), [Difference::Missing { name: name.to_owned() }]),
            }
        }
    }
}

#[test]
fn a_parameter_that_nothing_signs() {
    for mut call in all() {
        call.headers.push(("xroadvnpt-Status".to_owned(), "done".to_owned()));
        if call.file == "10" {
            assert_eq!(findings(&call), [], "the same value again is the same parameter");
            continue;
        }
        assert_eq!(findings(&call), [Difference::Unsigned { name: "Status".to_owned() }]);
    }
}

#[test]
fn another_secret_and_no_secret() {
    for call in all() {
        let fields = call.fields();
        for text in
            ["", "c2FtcGxlLXNlY3JldC1mb3ItdGVzdHMtb25seS0wMDI=", "sample-secret-for-tests-only-001"]
        {
            let unverified = Unverified::read(&fields).expect("headers of a call");
            assert_eq!(unverified.verify(&Secret::new(text)).err(), Some(Difference::Hash));
        }
    }
}

#[test]
fn a_hash_in_capitals_is_no_hash_of_the_sdk() {
    let mut call = all().swap_remove(0);
    for (name, value) in &mut call.headers {
        if name.ends_with("hash-header") {
            *value = value.to_uppercase();
        }
    }
    assert_eq!(findings(&call), [Difference::Hash]);
}

#[test]
fn repeated_headers_and_octets_that_break_lines() {
    for name in ["systemid", "sign-header", "sign-header-key", "hash-header"] {
        let whole = format!("{PREFIX}{name}");
        let mut call = all().swap_remove(0);
        call.headers.push((whole.to_uppercase(), "other".to_owned()));
        let fields = call.fields();
        let error = Unverified::read(&fields).expect_err("two values");
        let ReadError::Headers(HeaderError::Repeated { name: found }) = error else {
            panic!("{error}")
        };
        assert!(found.eq_ignore_ascii_case(&whole), "{found}");
        for octet in [b'\r', b'\n', 0, 0x7f, 0x80, 0xc3, 0xff] {
            let call = all().swap_remove(0);
            let mut fields = call.fields();
            let value = [b"H41".as_slice(), &[octet], b".08"].concat();
            let place = fields.iter().position(|field| field.0 == whole).expect("it is there");
            fields[place].1 = &value;
            let error = Unverified::read(&fields).expect_err("a forbidden octet");
            let broken = HeaderError::Broken { name: whole.clone(), at: 3 };
            assert!(matches!(error, ReadError::Headers(e) if e == broken), "{name} {octet}");
        }
    }
}

/// A call whose signed JSON and list of names are given; the hash is nobody's.
fn read_signed(json: &str, names: &str) -> Result<(), ReadError> {
    let fields = [
        ("XroadVnpt-sign-header", json.as_bytes()),
        ("XroadVnpt-sign-header-key", names.as_bytes()),
        ("XroadVnpt-hash-header", b"00".as_slice()),
    ];
    Unverified::read(&fields).map(|_| ())
}

#[test]
fn signed_values_that_are_not_an_object_of_texts() {
    let a = r#"{"XroadVnpt-a":"1"}"#;
    assert!(read_signed(a, "a").is_ok());
    for json in [
        "",
        "{",
        "null",
        "[]",
        "\"\"",
        "1",
        r#"{"XroadVnpt-a":1}"#,
        r#"{"XroadVnpt-a":null}"#,
        r#"{"XroadVnpt-a":{}}"#,
        r#"{"XroadVnpt-a":"1","XroadVnpt-a":"1"}"#,
        r#"{"XroadVnpt-a":"1","XroadVnpt-\u0061":"1"}"#,
        r#"{"XroadVnpt-a":"1","XROADVNPT-A":"2"}"#,
        r#"{"XroadVnpt-a":"\ud800"}"#,
        r#"{"XroadVnpt-a":"1"} x"#,
    ] {
        assert!(matches!(read_signed(json, "a"), Err(ReadError::Values(_))), "{json}");
    }
    assert!(read_signed(r#"{"XroadVnpt-docId":"1","XroadVnpt-docid":"1"}"#, "docId;docid").is_ok());
    for json in [
        r#"{"a":"1"}"#,
        r#"{"XroadVnpt-":"1"}"#,
        r#"{"XroadVnpt-a b":"1"}"#,
        r#"{"XroadVnpt-sign-header":"1"}"#,
        r#"{"XroadVnpt-VERSION":"1"}"#,
        r#"{"XroadVnpté":"1"}"#,
    ] {
        let read = read_signed(&json.replace('é', "\\u00e9"), "a");
        assert!(matches!(read, Err(ReadError::Foreign { .. })), "{json}");
    }
    for names in ["", "a;", ";a", "a;a", "a b", "hash-header", "a;version"] {
        assert!(matches!(read_signed(a, names), Err(ReadError::Named { .. })), "{names}");
    }
}

#[test]
fn limits_hold() {
    let names = |count: usize| (0..count).map(|n| format!("p{n}")).collect::<Vec<_>>();
    let json = |names: &[String]| {
        let pairs: Vec<_> = names.iter().map(|n| format!("\"XroadVnpt-{n}\":\"1\"")).collect();
        format!("{{{}}}", pairs.join(","))
    };
    let (most, more) = (names(SIGNED_MAX), names(SIGNED_MAX + 1));
    assert!(read_signed(&json(&most), &most.join(";")).is_ok());
    assert!(matches!(read_signed(&json(&most), &more.join(";")), Err(ReadError::TooMany)));
    assert!(matches!(read_signed(&json(&more), &most.join(";")), Err(ReadError::Values(_))));

    let call = all().swap_remove(0);
    let long = vec![b'a'; HEADER_OCTETS_MAX + 1];
    let mut fields = call.fields();
    fields.push(("Cookie", &long[1..]));
    assert!(Unverified::read(&fields).is_ok());
    fields.push(("Cookie", &long));
    let error = Unverified::read(&fields).expect_err("one is too long");
    assert!(matches!(error, ReadError::Headers(HeaderError::TooLong { name }) if name == "Cookie"));

    let mut fields = call.fields();
    fields.resize(HEADERS_MAX, ("X-Other", b"1"));
    assert!(Unverified::read(&fields).is_ok());
    fields.push(("X-Other", b"1"));
    let error = Unverified::read(&fields).expect_err("too many");
    assert!(matches!(error, ReadError::Headers(HeaderError::TooMany { count: 20_001 })));
}
