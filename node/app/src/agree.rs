//! Numbers of crates that do not know each other and must agree: whoever changes one of them meets the other here.

use std::time::Duration;

const fn ms(span: Duration) -> u128 {
    span.as_millis()
}

// A signature that the door takes is taken by the machine, whose nonces are kept for as long.
const _: () = assert!(ms(auth::AGE_MAX) == machine::PROOF_AGE_MAX_MS as u128);
const _: () = assert!(ms(auth::AHEAD_MAX) == machine::PROOF_AHEAD_MAX_MS as u128);

// The longest life that an operator may ask for is one that the state takes.
const _: () =
    assert!(ms(conductor::JOIN_TOKEN_TIME_MAX) <= machine::JOIN_TOKEN_TIME_MAX_MS as u128);

// What the contents say to each other is a message of the mesh, with the octet that says whom it is for.
const _: () = assert!(content::MESSAGE_MAX < mesh::MESSAGE_MAX);

// The client asks for no more at once than the API gives, and sends no more than a command takes.
const _: () = assert!(client::PAGE_MAX as usize == api::PAGE_MAX);
const _: () = assert!(client::UNITS_A_REQUEST <= machine::UNITS_A_COMMAND_MAX);
const _: () = assert!(client::LOST_CLOSED_MAX as usize == machine::LOST_A_COMMAND_MAX);

// A stream that lost two signs of life and a little more is taken for dead; one that lost a single one is not.
const _: () = assert!(ms(client::SILENCE_MAX) > 2 * ms(api::COMMENT_EVERY));
const _: () = assert!(ms(client::SILENCE_MAX) < 3 * ms(api::COMMENT_EVERY));
