//! What a cluster on trial needs on one machine, in the demonstration and in the tests: addresses for its nodes, and
//! the search for what should be gone.

mod places;
mod search;

pub use places::{Addresses, free_port};
pub use search::{Found, Searched, forms_of, search};
