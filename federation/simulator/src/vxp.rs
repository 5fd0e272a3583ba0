//! The axis of documents: thirteen calls, signed by HMAC over their headers (section 3).

use bytes::Bytes;
use wire::vxp::{Answer, Call, Code, Endpoint, Note, Nothing, Request, Unverified, Verified};

use crate::{
    directory::Refusal,
    hub::{Began, Hub},
    reply::{Head, Outcome, causes},
};

mod messages;
mod said;

use said::{Caller, INVALID, NO_RECEIVER, No, SYSTEM, WRONG_SECRET, done, listed, no, written};

/// Answers a call.
pub(crate) fn answer(
    hub: &Hub,
    began: &Began,
    endpoint: Endpoint,
    (head, body): (&Head, &Bytes),
) -> Outcome {
    let refused = |no: No| {
        let note = Note { code: no.code.to_owned(), description: no.text };
        Outcome::refused(written(&Answer::<Nothing>::Refused(note)), no.code)
    };
    if head.method.as_str() != endpoint.method() {
        return refused(no(INVALID, format!("Chi chap nhan {}", endpoint.method())));
    }
    let fields = head.fields();
    let believed = Unverified::read(&fields)
        .map_err(|error| no(INVALID, format!("Header khong hop le: {}", causes(&error))))
        .and_then(|unverified| believe(hub, unverified));
    let (verified, caller) = match believed {
        Ok(believed) => believed,
        Err(no) => return refused(no),
    };
    // The content of a document is no part of the call.
    let with = if endpoint == Endpoint::SendEdoc { &[][..] } else { &body[..] };
    let outcome = match Request::parse(endpoint, &verified, with) {
        Ok(request) => of_call(hub, began, &caller, (request.call, body)),
        Err(error) => Err(no(INVALID, format!("Tham so khong hop le: {}", causes(&error)))),
    };
    outcome.unwrap_or_else(refused).by(caller.system.as_str())
}

fn believe<'h>(hub: &Hub, unverified: Unverified<'h>) -> Result<(Verified<'h>, Caller), No> {
    let wrong = || no(WRONG_SECRET, "SystemId hoac SecretKey khong dung");
    let system = unverified.system_id().and_then(Code::parse).ok_or_else(wrong)?;
    let body = hub.world().directory.find(system.as_str()).ok_or_else(wrong)?;
    let secret = hub.settings.secret_of(system.as_str());
    // Which header differs is said: it is the integrator's most frequent question, and the secrets are for practice.
    let verified = unverified.verify(&secret);
    let verified = verified.map_err(|difference| no(WRONG_SECRET, difference.to_string()))?;
    Ok((verified, Caller { system, body }))
}

fn of_call(
    hub: &Hub,
    began: &Began,
    caller: &Caller,
    (call, body): (Call, &Bytes),
) -> Result<Outcome, No> {
    match call {
        Call::AgenciesList(id) => {
            let rows = hub.world().directory.list(id.as_ref().map(|id| id.as_str()));
            Ok(listed(hub, began, rows))
        }
        Call::AgenciesListQd20(level) => {
            let rows = hub.world().directory.list_qd20(level);
            Ok(listed(hub, began, rows))
        }
        Call::SynchronizeUnit => {
            let rows = hub.world().directory.changes();
            Ok(listed(hub, began, rows))
        }
        Call::RegisterAgency(asked) => {
            let registered = hub.world().directory.register(&asked, began.at);
            registered
                .map(|()| done(Nothing {}))
                .map_err(|refusal| of_directory(refusal, &asked.code))
        }
        Call::DeleteAgency(code) => {
            let removed = hub.world().directory.remove(&code, began.at);
            removed.map(|()| done(Nothing {})).map_err(|refusal| of_directory(refusal, &code))
        }
        Call::SendEdoc(sending) => messages::send(hub, began, caller, (&sending, body)),
        Call::ReceivedEdocList(waiting) => messages::received(hub, began, caller, &waiting),
        Call::GetEdoc(id, _) => messages::get(hub, caller, &id),
        Call::DownloadEdoc(id) => messages::download(hub, caller, &id),
        Call::UpdateStatus(id, word) => messages::acknowledge(hub, began, caller, (&id, word)),
        Call::SentEdocList(sent) => messages::sent(hub, began, caller, &sent),
        Call::CountReceiveEdoc(_) => {
            Ok(messages::count(hub, caller, wire::vxp::MessageType::Document))
        }
        Call::CountReceiveStatus(_) => {
            Ok(messages::count(hub, caller, wire::vxp::MessageType::Status))
        }
    }
}

fn of_directory(refusal: Refusal, code: &Code) -> No {
    match refusal {
        Refusal::Known => no(INVALID, format!("Don vi {code} da ton tai")),
        Refusal::Unknown => no(NO_RECEIVER, format!("Don vi {code} khong ton tai")),
        Refusal::NoParent => no(INVALID, "Don vi cap tren khong ton tai"),
        Refusal::TooLong => no(INVALID, "Ten hoac thu dien tu qua dai"),
        Refusal::Full => no(SYSTEM, "Danh ba day"),
    }
}
