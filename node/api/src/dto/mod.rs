//! The bodies of requests and answers: serde and OpenAPI live here, and only here.
//!
//! What comes in is text until [`check`] has made words of it; unknown fields are refused.

pub(crate) mod admin;
pub(crate) mod authority;
pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod lost;
pub(crate) mod packets;
pub(crate) mod params;
pub(crate) mod problems;
pub(crate) mod schemas;
pub(crate) mod units;

use model::Moment;
use serde::{Serialize, Serializer};

/// A moment as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Moment);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl At {
    pub(crate) fn some(moment: Option<Moment>) -> Option<Self> {
        moment.map(Self)
    }
}

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in a stable order.
    pub(crate) items: Vec<T>,
    /// Asks for the next page as `?cursor=`; null on the last one.
    pub(crate) next: Option<String>,
}
