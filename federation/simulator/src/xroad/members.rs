//! Who is there, and how X-Road says that it fails.

use wire::xroad::{ErrorType, Fault, MemberId, Part, RestServiceId};

use super::troubles;
use crate::{
    directory::BodyIndex,
    hub::Hub,
    provided::{Provided, Unprovided},
    reply::{Head, Outcome, Reply},
    settings::ErrorNames,
    world::World,
};

/// The instance of Việt Nam.
pub(super) const INSTANCE: &str = "VN";
pub(super) const GOVERNMENT: &str = "GOV";
/// The Government Office, whose subsystem for the National Public Service Portal is the simulator's own.
pub(super) const PROVIDER: &str = "000.00.00.G22";
pub(super) const PORTAL: &str = "vpcpdvcprovider";
/// The one service of the portal that speaks SOAP: which body has a code.
pub(super) const SOAP_SERVICE: &str = "traCuuDonVi";
/// Every province and ministry has it.
pub(super) const COMMON: &str = "lgsp";
/// Its services are errors.
pub(super) const TROUBLES: &str = "troubles";

pub(super) fn part(text: &str) -> Part {
    Part::parse(text).expect("a code fits an identifier")
}

pub(super) fn member(code: &str) -> MemberId {
    MemberId { instance: part(INSTANCE), class: part(GOVERNMENT), code: part(code) }
}

fn is_of_government(member: &MemberId) -> bool {
    member.instance.as_str() == INSTANCE && member.class.as_str() == GOVERNMENT
}

pub(super) fn is_provider(member: &MemberId) -> bool {
    is_of_government(member) && member.code.as_str() == PROVIDER
}

/// The body of the integrator's first system, while it is there.
fn own_body(world: &World) -> Option<BodyIndex> {
    let system = world.settings.systems.first()?;
    world.directory.find(system.code.as_str())
}

/// The integrator's own member, whose services are provided: its first system's.
pub(super) fn own_member(hub: &Hub) -> Option<MemberId> {
    let world = hub.world();
    let body = own_body(&world)?;
    let code = Part::parse(&world.directory.body(body).code102)?;
    Some(MemberId { instance: part(INSTANCE), class: part(GOVERNMENT), code })
}

/// Whether a member is the integrator's own, by either of its codes.
pub(super) fn is_own(hub: &Hub, member: &MemberId) -> bool {
    let world = hub.world();
    let own = own_body(&world);
    is_of_government(member) && own.is_some() && world.directory.find(member.code.as_str()) == own
}

/// A service that is provided by the integrator.
pub(super) fn provided<'h>(
    hub: &'h Hub,
    (member, subsystem): (&MemberId, Option<&str>),
    code: &str,
) -> Option<&'h Provided> {
    if subsystem != Some(COMMON) || !is_own(hub, member) {
        return None;
    }
    hub.settings.provided.iter().find(|provided| provided.code.as_str() == code)
}

/// How X-Road says that a provider gave no answer.
pub(super) fn unprovided(error: &Unprovided) -> &'static str {
    match error {
        Unprovided::Unreachable { .. } => "server.serverproxy.network_error",
        Unprovided::Late | Unprovided::Broken(_) => "server.serverproxy.service_failed.http_error",
    }
}

pub(super) fn service(code: &str) -> RestServiceId {
    RestServiceId { member: member(PROVIDER), subsystem: part(PORTAL), code: part(code) }
}

/// Whether there is such a member: a ministry or a province, by its code of QCVN 102 or its own, or the integrator's.
pub(super) fn is_member(world: &World, member: &MemberId) -> bool {
    let Some(body) = world.directory.find(member.code.as_str()) else { return false };
    is_of_government(member)
        && (own_body(world) == Some(body) || world.directory.body(body).parent.is_none())
}

/// The type of an error in the spelling that the settings ask for.
pub(super) fn spelt(hub: &Hub, kind: &str) -> String {
    match hub.settings.error_names {
        ErrorNames::Since78 => kind.to_owned(),
        ErrorNames::Before78 => troubles::before_78(kind),
    }
}

/// An error of X-Road itself, by its type since 7.8.
pub(super) fn trouble(hub: &Hub, head: &Head, kind: &str, message: &str) -> Outcome {
    let kind = spelt(hub, kind);
    let detail = hub.world().identifier("detail");
    let fault = Fault {
        kind: ErrorType::parse(&kind).expect("the types of the table are words of visible ASCII"),
        message: message.to_owned(),
        detail,
    };
    let answer = fault.answer(head.header("accept"));
    let headers = answer.headers.iter();
    let headers = headers.map(|h| (h.name().to_owned(), h.value().to_owned())).collect();
    Outcome::refused(Reply { http: answer.http, headers, body: answer.body.into() }, kind)
}
