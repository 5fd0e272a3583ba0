//! Any values of X-Road.

use lgsp_wire::{
    vxp::Opaque,
    xroad::{
        ClientId, MemberId, Part, RepresentedParty, RestServiceId, ServerId, ServiceId, SoapText,
    },
};
use proptest::{option, prelude::*};

pub fn part() -> impl Strategy<Value = Part> {
    let text = prop_oneof!["[!-~]([ -~]{0,10}[!-~])?", "\\PC{1,12}"];
    text.prop_filter_map("a part", |text: String| Part::parse(&text))
}

pub fn member() -> impl Strategy<Value = MemberId> {
    (part(), part(), part()).prop_map(|(instance, class, code)| MemberId { instance, class, code })
}

pub fn client() -> impl Strategy<Value = ClientId> {
    (member(), option::of(part())).prop_map(|(member, subsystem)| ClientId { member, subsystem })
}

pub fn rest_service() -> impl Strategy<Value = RestServiceId> {
    (member(), part(), part()).prop_map(|(member, subsystem, code)| RestServiceId {
        member,
        subsystem,
        code,
    })
}

pub fn service() -> impl Strategy<Value = ServiceId> {
    (client(), part(), option::of(part())).prop_map(|(provider, code, version)| ServiceId {
        provider,
        code,
        version,
    })
}

pub fn server() -> impl Strategy<Value = ServerId> {
    (member(), part()).prop_map(|(owner, code)| ServerId { owner, code })
}

pub fn party() -> impl Strategy<Value = RepresentedParty> {
    (option::of(part()), part()).prop_map(|(class, code)| RepresentedParty { class, code })
}

pub fn opaque() -> impl Strategy<Value = Opaque> {
    "[!-~]([ -~]{0,30}[!-~])?".prop_map(|text| Opaque::parse(&text).expect("a value"))
}

pub fn soap_text() -> impl Strategy<Value = SoapText> {
    "\\PC{0,20}".prop_filter_map("a text", |text: String| SoapText::parse(&text))
}

/// Text that XML can carry.
pub fn carried() -> impl Strategy<Value = String> {
    "(\\PC|[\t\r\n]){0,20}".prop_map(|text: String| text.replace(['\u{fffe}', '\u{ffff}'], ""))
}
