//! Gateways: the shapes of section 4 as they are written there, wrong ones, and what holds of any.

#![allow(clippy::let_underscore_must_use, reason = "a test that fails says enough")]

mod partner;
mod population;
mod properties;
mod tokens;

use lgsp_wire::vxp::{Field, Header};

fn fields(headers: &[Header]) -> Vec<Field<'_>> {
    headers.iter().map(Header::field).collect()
}
