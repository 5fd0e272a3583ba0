//! The simulator as a client sees it: each call, each fault, and that two runs are alike.
//!
//! The client is our own and speaks HTTP by hand, so that nothing it bears hides what a real one would not bear.

mod axis;
mod client;
mod faults;
mod gateway;
mod ledger;
mod limits;
mod provided;
mod scenes;
mod xroad;

/// Half past eight on a Sunday in November 2026.
const NOW: model::Moment = model::Moment(1_795_915_815_000);
