//! SOAP: headers, contents and faults.

use lgsp_wire::xroad::{
    Class, HeaderFault, MemberId, RepresentedParty, RequestHash, ServerId, ServiceId, SoapBody,
    SoapError, SoapFault, SoapHeader, SoapMessage, SoapText, XmlError,
};

use crate::{client, part};

/// In the shape of PR-META's examples: other prefixes, another order, line breaks in the hash.
const ANSWER: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xroad="http://x-road.eu/xsd/xroad.xsd"
    xmlns:iden="http://x-road.eu/xsd/identifiers">
  <S:Header>
    <xroad:protocolVersion> 4.0 </xroad:protocolVersion>
    <xroad:issue>1542/SKHCN-CĐS</xroad:issue>
    <xroad:id>411d6755</xroad:id>
    <xroad:requestHash algorithmId="http://www.w3.org/2001/04/xmlenc#sha512">
      Zvs1uF2GW3zdma1r9K9keOGhNPOjCr3TEZNpxfpRCtsq
      qy3ljiLorMZ3e5iNZtX6Ek60xtV12Gue8Mme1ryZmQ==
    </xroad:requestHash>
    <xroad:userId/>
    <other xmlns="urn:other">x</other>
    <xroad:service iden:objectType="SERVICE">
      <iden:xRoadInstance>VN</iden:xRoadInstance>
      <iden:memberClass>GOV</iden:memberClass>
      <iden:memberCode>G22</iden:memberCode>
      <iden:serviceCode>traCuu</iden:serviceCode>
      <iden:serviceVersion>v1</iden:serviceVersion>
    </xroad:service>
    <xroad:client iden:objectType="SUBSYSTEM">
      <iden:xRoadInstance>VN</iden:xRoadInstance>
      <iden:memberClass>GOV</iden:memberClass>
      <iden:memberCode>H41.08</iden:memberCode>
      <iden:subsystemCode>lgsp</iden:subsystemCode>
    </xroad:client>
  </S:Header>
  <S:Body><p:traCuuResponse xmlns:p="urn:p"><p:x>1</p:x></p:traCuuResponse></S:Body>
</S:Envelope>"#;

fn text(text: &str) -> SoapText {
    SoapText::parse(text).expect("a text")
}

fn header() -> SoapHeader {
    let service = ServiceId {
        provider: client("VN/GOV/G22/dvc"),
        code: part("traCuu"),
        version: Some(part("v1")),
    };
    let header = SoapHeader::new(client("VN/GOV/H41.08/lgsp"), service, text("29f4d011"));
    let mut header = header.expect("an identifier");
    let owner = MemberId { instance: part("VN"), class: part("GOV"), code: part("G22") };
    header.server = Some(ServerId { owner, code: part("ss1") });
    header.party = Some(RepresentedParty { class: Some(part("COM")), code: part("0106001236") });
    header.user = Some(text("VN040123456789"));
    header.issue = Some(text("1542/SKHCN-CĐS & <a>"));
    header
}

const CONTENT: &str = r#"<p:traCuu xmlns:p="urn:p"><ma>7</ma></p:traCuu>"#;

fn written() -> String {
    String::from_utf8(SoapMessage::write(&header(), CONTENT).expect("a message")).expect("UTF-8")
}

#[test]
fn as_it_is_sent() {
    let expected = include_str!("../vectors/xroad-request.xml").trim_end();
    assert_eq!(written(), expected);
    let read = SoapMessage::read(expected.as_bytes()).expect("a message");
    assert_eq!(read.header, Some(header()));
    assert!(read.is_request() && !read.is_answer());
    let SoapBody::Content(content) = &read.body else { panic!("{read:?}") };
    assert!(content.is("urn:p", "traCuu") && content.children()[0].is("", "ma"));
    assert_eq!(&expected[content.span()], CONTENT);
}

#[test]
fn as_others_send_it() {
    let read = SoapMessage::read(ANSWER.as_bytes()).expect("a message");
    assert!(read.is_answer() && !read.is_request());
    let header = read.header.expect("a header");
    assert_eq!(header.client, client("VN/GOV/H41.08/lgsp"));
    assert_eq!(header.service.provider, client("VN/GOV/G22"));
    assert_eq!(
        (header.id().as_str(), header.user.as_ref().map(SoapText::as_str)),
        ("411d6755", Some(""))
    );
    let hash = header.request_hash.as_ref().expect("a hash");
    assert_eq!(
        hash.value.as_str(),
        "Zvs1uF2GW3zdma1r9K9keOGhNPOjCr3TEZNpxfpRCtsqqy3ljiLorMZ3e5iNZtX6Ek60xtV12Gue8Mme1ryZmQ=="
    );
    // Sent back, the fields keep their order.
    let again =
        SoapMessage::write(&header, "<p:traCuuResponse xmlns:p='urn:p'/>").expect("a message");
    let again = String::from_utf8(again).expect("UTF-8");
    let names =
        ["protocolVersion", "issue", "id>411", "requestHash", "userId", "service ", "client "];
    let places: Vec<_> = names
        .iter()
        .map(|name| again.find(&format!("<xrd:{name}")).unwrap_or_else(|| panic!("{name}")))
        .collect();
    assert!(places.is_sorted(), "{again}");
    // A field that is added stands behind those that came.
    let mut more = header.clone();
    more.party = Some(RepresentedParty { class: None, code: part("7") });
    let more = SoapMessage::write(&more, "<p:x xmlns:p='urn:p'/>").expect("a message");
    let more = String::from_utf8(more).expect("UTF-8");
    assert!(more.find("<repr:representedParty>") > more.find("</xrd:client>"), "{more}");
    assert_eq!(SoapMessage::read(again.as_bytes()).expect("a message").header, Some(header));
}

#[test]
fn the_hash_of_a_request() {
    // printf abc | openssl dgst -sha512 -binary | base64
    let hash = RequestHash::of_request(b"abc");
    assert_eq!(
        hash.value.as_str(),
        "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="
    );
    assert!(hash.is_of(b"abc") && !hash.is_of(b"abd"));
    let mut other = hash.clone();
    other.algorithm = text("http://www.w3.org/2001/04/xmlenc#sha256");
    assert!(!other.is_of(b"abc"));
}

#[test]
fn an_answer_must_repeat_its_request() {
    let request = header();
    let mut answer = request.clone();
    answer.request_hash = Some(RequestHash::of_request(b"abc"));
    assert!(answer.differences(&request).is_empty());
    answer.user = None;
    answer.issue = Some(text("other"));
    answer.party = None;
    answer.client = client("VN/GOV/H41.09");
    answer.service.version = None;
    assert_eq!(
        answer.differences(&request),
        ["client", "service", "representedParty", "userId", "issue"]
    );
}

#[test]
fn header_fields_missing_twice_or_wrong() {
    use HeaderFault::{Missing, Twice, Wrong};
    let fault = |from: &str, to: &str| {
        let changed = written().replacen(from, to, 1);
        assert_ne!(changed, written(), "{from}");
        match SoapMessage::read(changed.as_bytes()) {
            Err(SoapError::Header(fault)) => fault,
            other => panic!("{from}: {other:?}"),
        }
    };
    let without = |name: &str| {
        let begin = written().find(&format!("<xrd:{name}")).expect("a field");
        let end = written().find(&format!("</xrd:{name}>")).expect("its end") + name.len() + 7;
        fault(&written()[begin..end], "")
    };
    for name in ["client", "service", "id", "protocolVersion"] {
        assert!(matches!(without(name), Missing { name: n } if n == name), "{name}");
    }
    let id = "<xrd:id>29f4d011</xrd:id>";
    assert_eq!(fault(id, &id.repeat(2)), Twice { name: "id" });
    assert_eq!(fault(id, "<xrd:id> </xrd:id>"), Missing { name: "id" });
    for (from, to, field) in [
        (">4.0<", ">4.x<", "protocolVersion"),
        (">4.0<", "><", "protocolVersion"),
        ("\"SUBSYSTEM\"", "\"MEMBER\"", "client"),
        (" id:objectType=\"SUBSYSTEM\"", "", "client"),
        (" id:objectType=\"SUBSYSTEM\"", " objectType=\"SUBSYSTEM\"", "client"),
        ("<id:subsystemCode>lgsp</id:subsystemCode>", "", "client"),
        ("<id:memberClass>GOV</id:memberClass>", "", "client"),
        ("<id:memberClass>GOV<", "<id:memberClass> <", "client"),
        ("<id:subsystemCode>lgsp<", "<id:subsystemCode>..<", "client"),
        (
            "<id:memberClass>GOV</id:memberClass>",
            "<id:memberClass>GOV</id:memberClass><id:memberClass>GOV</id:memberClass>",
            "client",
        ),
        ("\"SERVICE\"", "\"CENTRALSERVICE\"", "service"),
        ("<id:serviceCode>traCuu</id:serviceCode>", "", "service"),
        ("\"SERVER\"", "\"SERVICE\"", "securityServer"),
        ("<id:serverCode>ss1</id:serverCode>", "", "securityServer"),
        ("<repr:partyCode>0106001236</repr:partyCode>", "", "representedParty"),
        (">29f4d011<", "><a/><", "id"),
        (">VN040123456789<", ">a&#10;b<", "userId"),
    ] {
        assert!(matches!(fault(from, to), Wrong { name, .. } if name == field), "{to}");
    }
    let long = "a".repeat(1025);
    assert!(matches!(fault("VN040123456789", &long), Wrong { name: "userId", .. }));
    let service = header().service;
    assert_eq!(SoapHeader::new(client("VN/GOV/H41"), service, text("  ")), None);
}

#[test]
fn envelopes_that_are_none() {
    let e = "xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'";
    for message in [
        "<a/>".to_owned(),
        "<Envelope/>".to_owned(),
        "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Body><a/></e:Body></e:Envelope>".to_owned(),
        format!("<e:Envelope {e}/>"),
        format!("<e:Envelope {e}><e:Body/></e:Envelope>"),
        format!("<e:Envelope {e}><e:Body><a/><b/></e:Body></e:Envelope>"),
        format!("<e:Envelope {e}><e:Body><a/></e:Body></e:Envelope>"),
        format!("<e:Envelope {e}><e:Body><a/></e:Body><e:Body><a/></e:Body></e:Envelope>"),
        format!("<e:Envelope {e}><e:Header/><e:Header/><e:Body><a/></e:Body></e:Envelope>"),
    ] {
        let read = SoapMessage::read(message.as_bytes());
        assert!(matches!(read, Err(SoapError::Form { .. })), "{message}: {read:?}");
    }
    for message in ["", "{}", "<html>", "<!DOCTYPE a><a/>"] {
        assert!(
            matches!(SoapMessage::read(message.as_bytes()), Err(SoapError::Xml(_))),
            "{message}"
        );
    }
    for content in [
        "",
        "a",
        "<a/><b/>",
        "<a>",
        "<p:a/>",
        "<?xml version='1.0'?><a/>",
        "\u{feff}<a/>",
        "</e:Body>",
    ] {
        assert!(SoapMessage::write(&header(), content).is_err(), "{content}");
    }
    let nested = |depth: usize| {
        let content = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        SoapMessage::write(&header(), &content)
    };
    assert!(nested(62).is_ok());
    assert!(matches!(nested(63), Err(SoapError::Xml(XmlError::TooMuch { what: "depth", .. }))));
}

#[test]
fn faults_come_with_200_too() {
    let fault = SoapFault {
        code: "Server.ServerProxy.ServiceFailed.HttpError".to_owned(),
        message: "Lỗi & <x>".to_owned(),
        actor: String::new(),
        detail: Some("7d7f3f80".to_owned()),
    };
    for header in [None, Some(header())] {
        let message = SoapMessage::write_fault(header.as_ref(), &fault);
        let read = SoapMessage::read(&message).expect("a fault");
        assert_eq!(read, SoapMessage { header, body: SoapBody::Fault(fault.clone()) });
        assert!(!read.is_answer() && !read.is_request());
    }
    assert_eq!(fault.x_road().map(|kind| kind.class()), Some(Class::Provider));
    let bare = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Header><w xmlns='urn:w'/></e:Header>\
                <e:Body><e:Fault><e:faultcode>e:Server</e:faultcode><faultstring>x</faultstring><detail><faultDetail xmlns='urn:w'>y</faultDetail></detail></e:Fault></e:Body></e:Envelope>";
    let read = SoapMessage::read(bare.as_bytes()).expect("a fault");
    let SoapBody::Fault(fault) = read.body else { panic!() };
    assert_eq!(
        (fault.code.as_str(), fault.message.as_str(), fault.detail),
        ("e:Server", "x", None)
    );
}

#[test]
fn whose_fault_it_is() {
    let is_ours = |code: &str, detail: Option<&str>| {
        let (code, detail) = (code.to_owned(), detail.map(str::to_owned));
        SoapFault { code, message: String::new(), actor: String::new(), detail }.x_road().is_some()
    };
    assert!(is_ours("server.clientproxy.unknown_member", None));
    assert!(is_ours("Client.InvalidSoap", None) && is_ours("Client", Some("7")));
    for code in
        ["", "Client", "Server", "e:Client", "e:Server.ServerProxy.X", "Sender", "app.Error"]
    {
        assert!(!is_ours(code, None), "{code}");
    }
}
