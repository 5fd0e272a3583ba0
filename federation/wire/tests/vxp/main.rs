//! The axis of documents: captured calls, forged ones, and what holds of any call and any answer.

#![allow(clippy::let_underscore_must_use, reason = "a test that fails says enough")]

mod answers;
mod captured;
mod properties;
mod tampered;
mod values;

use lgsp_wire::vxp::{Field, Secret};

/// The system's secret in every captured call.
fn secret() -> Secret {
    Secret::new("c2FtcGxlLXNlY3JldC1mb3ItdGVzdHMtb25seS0wMDE=")
}

/// A captured call: its line, its headers as they came, and its body.
struct Captured {
    file: &'static str,
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Captured {
    fn read(file: &'static str, octets: &[u8]) -> Self {
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&octets[..end]).expect("a head of ASCII");
        let mut lines = head.split("\r\n").map(str::to_owned);
        let line = lines.next().expect("a line of the request");
        let pair = |line: String| {
            let (name, value) = line.split_once(": ").expect("a header");
            (name.to_owned(), value.to_owned())
        };
        let headers = lines.map(pair).collect();
        Self { file, line, headers, body: octets[end + 4..].to_vec() }
    }

    fn fields(&self) -> Vec<Field<'_>> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }
}

fn all() -> Vec<Captured> {
    let files = [
        ("01", &include_bytes!("../vectors/vxp/01-getAgenciesList.http")[..]),
        ("02", include_bytes!("../vectors/vxp/02-getAgenciesListQD20.http")),
        ("03", include_bytes!("../vectors/vxp/03-getSynchronizeUnit.http")),
        ("04", include_bytes!("../vectors/vxp/04-registerAgency.http")),
        ("05", include_bytes!("../vectors/vxp/05-deleteAgency.http")),
        ("06", include_bytes!("../vectors/vxp/06-sendEdoc.http")),
        ("07", include_bytes!("../vectors/vxp/07-sendEdoc.http")),
        ("08", include_bytes!("../vectors/vxp/08-getReceivedEdocList.http")),
        ("09", include_bytes!("../vectors/vxp/09-getEdoc.http")),
        ("10", include_bytes!("../vectors/vxp/10-updateStatus.http")),
        ("11", include_bytes!("../vectors/vxp/11-getSentEdocList.http")),
    ];
    files.into_iter().map(|(file, octets)| Captured::read(file, octets)).collect()
}
