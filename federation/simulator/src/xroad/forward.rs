//! The adapter of the Government Office: a path that is forwarded to whom `dstcode` names (section 4.2).
//!
//! `providerurl` is never followed: it is somebody's word, and the simulator calls nobody.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wire::{vxp::Secret, xroad::Forward};

use super::members::{PORTAL, is_member, is_provider, trouble};
use crate::{
    dossiers::NotTaken,
    hub::{Began, Hub},
    reply::{Head, Outcome, Reply, causes},
    world::World,
};

/// Octets of a call, which is JSON: a hundred dossiers with all they say.
const CALL_OCTETS_MAX: usize = 1 << 20;
/// How long a session lives.
const SESSION_LIFE: Duration = Duration::from_secs(1800);

const FIELDS: [(&str, &str); 3] =
    [("TP", "Tư pháp"), ("XD", "Xây dựng"), ("NN", "Nông nghiệp và Môi trường")];
/// Procedures of Nghệ An: codes carry the province's as their ending.
const PROCEDURES: [(&str, &str); 2] = [
    ("1.012790.000.00.00.H41", "Đăng ký khai sinh"),
    ("1.009982.000.00.00.H41", "Cấp giấy phép xây dựng nhà ở riêng lẻ"),
];

#[derive(Deserialize)]
struct Login {
    username: String,
    password: Secret,
}

#[derive(Deserialize)]
struct Asked {
    session: String,
    madonvi: Option<String>,
    service: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn refused(code: u8, message: &str) -> Outcome {
    let body = json!({ "error_code": code, "message": message }).to_string();
    Outcome::refused(Reply::json(body), code.to_string())
}

fn result(rows: Value) -> Outcome {
    Outcome::ok(Reply::json(json!({ "error_code": 0, "result": rows }).to_string()))
}

/// Answers a call.
pub(super) fn answer(hub: &Hub, began: &Began, head: &Head, body: &Bytes) -> Outcome {
    let call = match Forward::parse(&head.target, &head.fields()) {
        Ok(call) => call,
        Err(error) => return trouble(hub, head, "client.invalid_request", &causes(&error)),
    };
    let destination = call.destination().0.clone();
    if !is_member(&hub.world(), &destination.member) {
        let kind = "server.clientproxy.unknown_member";
        return trouble(hub, head, kind, "There is no such member");
    }
    let subsystem = destination.subsystem.as_ref().map(|part| part.as_str());
    if !is_provider(&destination.member) || subsystem != Some(PORTAL) {
        let kind = "server.serverproxy.network_error";
        return trouble(hub, head, kind, "The security server of the member is offline");
    }
    if head.method != Method::POST {
        return refused(1, "Chỉ nhận POST");
    }
    if body.len() > CALL_OCTETS_MAX {
        return refused(1, "Nội dung quá dài");
    }
    if call.path().ends_with("/login") {
        return login(hub, began, body);
    }
    let Ok(asked) = serde_json::from_slice::<Asked>(body) else {
        return refused(1, "Nội dung phải có session và service");
    };
    let mut world = hub.world();
    if !world.sessions.is_good(&asked.session, began.at) {
        return refused(2, "Phiên không hợp lệ hoặc đã hết hạn");
    }
    data(&mut world, &asked).by(hub.settings.adapter_user().0)
}

fn login(hub: &Hub, began: &Began, body: &Bytes) -> Outcome {
    let Ok(login) = serde_json::from_slice::<Login>(body) else {
        return refused(1, "Nội dung phải có username và password");
    };
    let (user, password) = hub.settings.adapter_user();
    if login.username != user || login.password != password {
        return refused(1, "Sai tài khoản hoặc mật khẩu");
    }
    let mut world = hub.world();
    let session = world.identifier("session");
    world.sessions.issue(session.clone(), began.at, began.at.plus(SESSION_LIFE));
    let body = json!({ "session": session, "error_code": 0 }).to_string();
    Outcome::ok(Reply::json(body)).by(user)
}

fn data(world: &mut World, asked: &Asked) -> Outcome {
    let text = |name: &str| asked.rest.get(name).and_then(Value::as_str);
    match asked.service.as_str() {
        "LayDanhMucCoQuan" => {
            let row = |body: &crate::directory::Body| json!({ "MADONVI": body.code102, "TENDONVI": body.name, "CAPDONVI": "1" });
            result(world.directory.tops().map(row).collect())
        }
        "LayDanhMucLinhVuc" => {
            let row = |(code, name)| json!({ "MALINHVUC": code, "TENLINHVUC": name });
            result(FIELDS.into_iter().map(row).collect())
        }
        "LayDanhSachTTHC" => result(PROCEDURES.into_iter().map(procedure).collect()),
        "LayThuTuc" => {
            let wanted = text("maTTHC").unwrap_or_default();
            let found = PROCEDURES.into_iter().filter(|(code, _)| *code == wanted);
            result(found.map(procedure).collect())
        }
        "DongBoHoSoMC" => synchronise(world, asked),
        "TraCuuHoSo" => {
            let found = text("mahoso").and_then(|number| world.dossiers.get(number));
            result(found.into_iter().cloned().map(Value::from).collect())
        }
        "CapNhatTienDoHoSoMC" => {
            let number = text("mahoso").unwrap_or_default();
            taken(world.dossiers.extend(number, &asked.rest))
        }
        "LayDanhSachHoiDap" => result(json!([])),
        _ => refused(3, "Không có dịch vụ này"),
    }
}

fn procedure((code, name): (&str, &str)) -> Value {
    json!({ "MATTHC": code, "TENTTHC": name })
}

/// Takes dossiers over, each by its number; one that is known already needs `isUpdating`.
fn synchronise(world: &mut World, asked: &Asked) -> Outcome {
    let is_updating = asked.rest.get("isUpdating").is_some_and(|value| {
        value.as_bool().unwrap_or_else(|| value.as_str().is_some_and(|text| text == "true"))
    });
    let Some(rows) = asked.rest.get("data").and_then(Value::as_array) else {
        return refused(1, "data phải là một danh sách hồ sơ");
    };
    let dossier = |row: &Value| {
        let number = row.get("MaHoSo")?.as_str()?.to_owned();
        let mut dossier = row.as_object()?.clone();
        if let Some(unit) = &asked.madonvi {
            dossier.insert("MADONVI".to_owned(), Value::from(unit.as_str()));
        }
        Some((number, dossier))
    };
    match rows.iter().map(dossier).collect::<Option<Vec<_>>>() {
        Some(dossiers) => taken(world.dossiers.take(dossiers, is_updating)),
        None => refused(1, "Mỗi hồ sơ phải có MaHoSo"),
    }
}

fn taken(done: Result<(), NotTaken>) -> Outcome {
    match done {
        Ok(()) => result(json!([])),
        Err(NotTaken::Unknown) => refused(3, "Không có hồ sơ này"),
        Err(NotTaken::Known) => refused(4, "Hồ sơ đã có"),
        Err(NotTaken::Full) => refused(5, "Hết chỗ"),
    }
}
