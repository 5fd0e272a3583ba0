//! The population database (services 037 and 033): SOAP 1.1, a proof in the headers, and fields in a fixed order.

use bytes::Bytes;
use hyper::Method;
use wire::{
    gateway::PopulationCall,
    xroad::{Element, SOAP_LIMITS},
};

use crate::{
    hub::{Began, Hub},
    reply::{Head, Outcome, Reply, TEXT, XML, escaped},
};

const NAMESPACE: &str = "http://dancuquocgia.bca";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const OPERATIONS: [&str; 2] = ["TraCuuThongTinCongDan", "XacThucThongTinCongDan"];
/// The order that the real service demands; some may be left out.
const ORDER: [&str; 11] = [
    "MaYeuCau",
    "MaDVC",
    "MaTichHop",
    "MaCanBo",
    "MaDonVi",
    "TaiKhoan",
    "SoDienThoai",
    "SoDinhDanh",
    "SoCMND",
    "HoVaTen",
    "NgayThangNamSinh",
];
/// How far the caller's clock may be off.
const OFF_MS: u64 = 300_000;
const SURNAMES: [&str; 5] = ["Nguyễn", "Trần", "Lê", "Phạm", "Hồ"];
const NAMES: [&str; 6] = ["Văn An", "Thị Bình", "Đức Cường", "Thị Dung", "Minh Hải", "Thị Lan"];

fn refused(http: u16, why: &'static str, verdict: &str) -> Outcome {
    Outcome::refused(Reply::new(http, TEXT, format!("{why}\n")), verdict)
}

pub(super) fn answer(hub: &Hub, began: &Began, head: &Head, body: &Bytes) -> Outcome {
    let (user, secret, url) = hub.settings.population_user();
    let fields = head.fields();
    if head.method != Method::POST {
        return refused(405, "The service is called by POST.", "405");
    }
    let Ok(call) = PopulationCall::parse(&fields) else {
        return refused(401, "The headers Timestamp and Authorization prove the caller.", "401");
    };
    if call.user() != user || !call.is_proved(url, &secret) {
        return refused(401, "The proof is wrong.", "401");
    }
    if call.at().0.abs_diff(began.at.0) > OFF_MS {
        return refused(401, "The Timestamp is more than five minutes off.", "401");
    }
    if !head.headers.contains_key("x-road-client") {
        return refused(400, "The header X-Road-Client is missing.", "400").by(user);
    }
    match operation(body) {
        Ok((name, number)) => Outcome::ok(found(hub, name, &number)).by(user),
        Err(why) => fault(why).by(user),
    }
}

/// The operation and the number that is asked for, if the body is as it must be.
fn operation(body: &Bytes) -> Result<(&'static str, String), &'static str> {
    let envelope = Element::parse(body, SOAP_LIMITS).map_err(|_| "the body is no XML")?;
    let is_envelope = envelope.is(SOAP, "Envelope");
    let body = envelope.children().iter().find(|child| is_envelope && child.is(SOAP, "Body"));
    let body = body.ok_or("the body is no SOAP 1.1")?;
    let [asked] = body.children() else { return Err("the body has not one operation") };
    let name = OPERATIONS.into_iter().find(|name| asked.is(NAMESPACE, name));
    let name = name.ok_or("the operation is unknown")?;
    let mut next = 0;
    for field in asked.children() {
        let place = ORDER.iter().position(|known| *known == field.name());
        let place = place.ok_or("a field is unknown")?;
        if place < next {
            return Err("the fields are not in their order");
        }
        next = place + 1;
    }
    let text = |names: &[&str]| {
        let mut fields = asked.children().iter();
        fields
            .find(|field| names.contains(&field.name()))
            .map(|field| field.text().trim().to_owned())
    };
    if ["MaYeuCau", "MaDVC", "MaTichHop", "MaCanBo"].iter().any(|name| text(&[name]).is_none()) {
        return Err("a required field is missing");
    }
    let number = text(&["SoDinhDanh", "SoCMND"]).ok_or("SoDinhDanh or SoCMND is missing")?;
    Ok((name, number))
}

fn envelope(http: u16, content: &str) -> Reply {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"{SOAP}\"><soap:Body>{content}\
         </soap:Body></soap:Envelope>"
    );
    Reply::new(http, XML, text)
}

fn fault(why: &'static str) -> Outcome {
    let content = format!(
        "<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{}</faultstring></soap:Fault>",
        escaped(why)
    );
    Outcome::refused(envelope(500, &content), "fault")
}

/// Whoever has this number, made up from the seed. Which elements an answer has was not found.
fn found(hub: &Hub, name: &str, number: &str) -> Reply {
    let is_number = matches!(number.len(), 9 | 12) && number.bytes().all(|c| c.is_ascii_digit());
    let pick = |what: &str, limit| hub.settings.seed.below(&["person", number, what], 0, limit);
    let content = if is_number {
        let (surname, first) = (SURNAMES[pick("surname", 5)], NAMES[pick("name", 6)]);
        let born = format!(
            "{}{:02}{:02}",
            1950 + pick("year", 55),
            1 + pick("month", 12),
            1 + pick("day", 28)
        );
        let number = escaped(number);
        format!(
            "<TrangThai>1</TrangThai><SoDinhDanh>{number}</SoDinhDanh><HoVaTen><Ten>{surname} {first}</Ten>\
             </HoVaTen><NgayThangNamSinh><NgayThangNam>{born}</NgayThangNam></NgayThangNamSinh>"
        )
    } else {
        "<TrangThai>0</TrangThai><ThongBao>Không tìm thấy công dân</ThongBao>".to_owned()
    };
    envelope(200, &format!("<{name}Response xmlns=\"{NAMESPACE}\">{content}</{name}Response>"))
}
