//! XML: what is refused, and where.

use lgsp_wire::xroad::{Element, XmlError, XmlLimits};

const LIMITS: XmlLimits = XmlLimits { octets_max: 200, depth_max: 4, elements_max: 6 };

fn parse(text: &str) -> Result<Element, XmlError> {
    Element::parse(text.as_bytes(), LIMITS)
}

#[test]
fn names_and_texts() {
    let text = "\u{feff}<?xml version='1.0' encoding='Utf-8'?>\r\n<!-- a --><a:x xmlns:a='urn:a' b='1' a:b='&lt;&#xe9;'>\
                p<![CDATA[<q>]]>&amp;<y xmlns='urn:b'/>\r\nr&#13;</a:x> <!-- b -->";
    let root = parse(text).expect("XML");
    assert!(root.is("urn:a", "x"));
    assert_eq!(root.text(), "p<q>&\nr\r");
    assert_eq!((root.attribute("", "b"), root.attribute("urn:a", "b")), (Some("1"), Some("<é")));
    assert_eq!(root.attribute("urn:b", "b"), None);
    let child = &root.children()[0];
    assert_eq!((child.namespace(), child.name()), ("urn:b", "y"));
    assert_eq!(&text[child.span()], "<y xmlns='urn:b'/>");
    assert!(text[root.span()].starts_with("<a:x ") && text[root.span()].ends_with("</a:x>"));
}

#[test]
fn what_is_refused() {
    for (text, at) in [
        ("<!DOCTYPE a><a/>", 0),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", 0),
        ("<a>&b;</a>", 3),
        ("<a>&nbsp;</a>", 3),
        ("<a><?b c?></a>", 3),
        ("<?xml-stylesheet href='a'?><a/>", 0),
    ] {
        let error = parse(text).expect_err(text);
        assert!(matches!(error, XmlError::Refused { at: a, .. } if a == at), "{text} {error:?}");
    }
}

#[test]
fn what_is_no_xml() {
    for text in [
        "",
        " ",
        "a",
        "<a>",
        "<a/><b/>",
        "<a/>b",
        "<a></b>",
        "</a>",
        "<a b='1' b='2'/>",
        "<a b=1/>",
        "<a b/>",
        "<a",
        "<a>&#0;</a>",
        "<a>&#x1;</a>",
        "<a>\0</a>",
        "<a>\u{fffe}</a>",
        "<a b='\u{1}'/>",
        "<a>&#xd800;</a>",
        "<a>&</a>",
        "<a>& b</a>",
        "<p:a/>",
        "<a p:b='1'/>",
        "<a xmlns:p='urn:p' xmlns:q='urn:p' p:b='1' q:b='2'/>",
        "&amp;<a/>",
        "<![CDATA[x]]><a/>",
        "<!-- a -- b --><a/>",
        " <?xml version='1.0'?><a/>",
        "<a/><?xml version='1.0'?>",
        "<a b='&c;'/>",
        "<!--",
        "<![CDATA[",
        "<a><![CDATA[</a>",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    assert!(matches!(Element::parse(b"<a>\xff</a>", LIMITS), Err(XmlError::Encoding { at: 3 })));
    for name in ["UTF-16", "windows-1258", ""] {
        let text = format!("<?xml version='1.0' encoding='{name}'?><a/>");
        assert!(matches!(parse(&text), Err(XmlError::Encoding { at: 0 })), "{name}");
    }
    let utf16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(Element::parse(&[b"\xff\xfe", utf16.as_slice()].concat(), LIMITS).is_err());
}

#[test]
fn limits_hold() {
    assert!(parse("<a><b><c><d/></c></b></a>").is_ok());
    let error = parse("<a><b><c><d><e/></d></c></b></a>").expect_err("five deep");
    assert!(matches!(error, XmlError::TooMuch { what: "depth", max: 4, at: 12 }), "{error:?}");
    assert!(parse("<a><b/><b/><b/><b/><b/></a>").is_ok());
    let error = parse("<a><b/><b/><b/><b/><b/><b/></a>").expect_err("seven");
    assert!(
        matches!(error, XmlError::TooMuch { what: "elements and attributes", max: 6, at: 23 }),
        "{error:?}"
    );
    let long = format!("<a>{}</a>", "x".repeat(193));
    assert!(parse(&long).is_ok());
    let error = parse(&format!("{long} ")).expect_err("201 octets");
    assert!(matches!(error, XmlError::TooLong { octets: 201, octets_max: 200 }), "{error:?}");
    let attributes = |count: usize| {
        let all: String = (0..count).map(|n| format!(" a{n}=''")).collect();
        let limits = XmlLimits { octets_max: 1 << 20, depth_max: 4, elements_max: 34 };
        Element::parse(format!("<a{all}/>").as_bytes(), limits)
    };
    assert!(attributes(32).is_ok());
    assert!(matches!(attributes(33), Err(XmlError::TooMuch { what: "attributes", .. })));
    let error = parse("<a b='1' c='2'><b/><b/><b/><b/></a>").expect_err("seven");
    assert!(
        matches!(error, XmlError::TooMuch { what: "elements and attributes", .. }),
        "{error:?}"
    );
    // Ten thousand deep, and ten thousand names of namespaces: an error, and no stack that ends.
    let limits = XmlLimits { octets_max: 1 << 20, depth_max: 64, elements_max: 100_000 };
    let deep = "<a>".repeat(10_000);
    assert!(matches!(Element::parse(deep.as_bytes(), limits), Err(XmlError::TooMuch { .. })));
    let names: String = (0..10_000).map(|n| format!(" xmlns:p{n}='urn:{n}'")).collect();
    let wide = format!("<a{names}/>");
    assert!(matches!(Element::parse(wide.as_bytes(), limits), Err(XmlError::Syntax { .. })));
}
