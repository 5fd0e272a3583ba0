//! Which call a request is, by its method and path.

use wire::vxp::Endpoint;

use crate::{fault::Family, gateway, reply::Head, xroad};

/// A call, or a question to the simulator itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Vxp(Endpoint),
    Gateway(gateway::Call),
    XRoad(xroad::Call),
    Control,
    Unknown,
}

impl Route {
    pub(crate) fn of(head: &Head) -> Self {
        let path = head.path();
        if path == "/_sim" || path.starts_with("/_sim/") {
            return Self::Control;
        }
        if let Some(endpoint) = path.strip_prefix('/').and_then(Endpoint::of_name) {
            return Self::Vxp(endpoint);
        }
        if let Some(call) = gateway::Call::of(path) {
            return Self::Gateway(call);
        }
        xroad::Call::of(head).map_or(Self::Unknown, Self::XRoad)
    }

    /// How switches and the ledger name it; none for what is no call.
    pub(crate) fn name(self) -> Option<(Family, &'static str)> {
        match self {
            Self::Vxp(endpoint) => Some((Family::Vxp, endpoint.name())),
            Self::Gateway(call) => Some((Family::Gateway, call.name())),
            Self::XRoad(call) => Some((Family::XRoad, call.name())),
            Self::Control | Self::Unknown => None,
        }
    }
}
