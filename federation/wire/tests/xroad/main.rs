//! X-Road: identifiers, REST, SOAP, errors and lists, as they are specified and as security servers really send them.

#![allow(clippy::let_underscore_must_use, reason = "a test that fails says enough")]

mod faults;
mod forward;
mod identifiers;
mod lists;
mod properties;
mod rest;
mod soap;
mod strategies;
mod xml;

use lgsp_wire::{
    vxp::{Field, Header, Opaque},
    xroad::{ClientId, Part, RestServiceId},
};

fn fields(headers: &[Header]) -> Vec<Field<'_>> {
    headers.iter().map(Header::field).collect()
}

fn part(text: &str) -> Part {
    Part::parse(text).expect("a part")
}

fn client(text: &str) -> ClientId {
    ClientId::parse(text).expect("a client")
}

fn service(text: &str) -> RestServiceId {
    RestServiceId::parse(text).expect("a service")
}

fn opaque(text: &str) -> Opaque {
    Opaque::parse(text).expect("a value")
}
