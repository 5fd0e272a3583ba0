//! The configuration of a node: one file, unknown keys refused, all of it checked before a port
//! opens. Secrets are never in it; what must be equal on every node is replicated instead.

mod values;
mod write;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use model::{Label, lengths::in_form};
use serde::{Deserialize, Serialize};

use crate::{
    texts::{Lang, Said, Text, failures as t, reasons},
    written,
};

pub use values::{ApiUrl, HostPort, Size, Span};
pub use write::to_toml;

/// The name of the file in a data directory.
pub const FILE: &str = "lgsp.toml";
/// The longest configuration file: a few pages.
const FILE_MAX: u64 = 256 * 1024;

/// The configuration of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where everything of the node lies; relative to the file.
    pub data_dir: PathBuf,
    /// The node's name for people.
    pub name: Label,
    /// Between the nodes.
    pub mesh: Mesh,
    /// For applications.
    pub api: Api,
    /// The disk.
    #[serde(default)]
    pub storage: Storage,
    /// The log.
    #[serde(default)]
    pub log: Log,
    /// What an address and an application may hold of the node.
    #[serde(default)]
    pub limits: Limits,
    /// Waiting and giving up.
    #[serde(default)]
    pub timing: Timing,
}

/// How the node speaks to the other nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mesh {
    /// The address that it listens on (UDP).
    pub listen: SocketAddr,
    /// Where the others reach it.
    pub advertise: HostPort,
    /// Hints: at each of these some other node is, whatever is known otherwise. Needed only where so
    /// many nodes have new addresses that they do not find one another.
    #[serde(default)]
    pub peers: Vec<HostPort>,
}

/// How the node speaks to applications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// The address that it listens on (TCP).
    pub listen: SocketAddr,
    /// The addresses that clients use for it; the first one is told to others.
    pub public_urls: Vec<ApiUrl>,
    /// Further host names and addresses for the certificate that the cluster makes.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The operator's own certificate chain, instead of the cluster's. Who trusts the cluster's authority
    /// alone, as one that joins by a token, does not trust it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// The web origins whose pages may send into spaces.
    #[serde(default)]
    pub cors_origins: Vec<String>,
}

/// What the node may do to its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// What is kept free: below it uploads are refused, so that the log never fails. Not less than the spare.
    pub reserve: Size,
    /// What log and state keep for themselves, in a file that holds nothing: given back when somebody
    /// else has filled the disk.
    pub spare: Size,
    /// The largest content that is taken.
    pub content_max: Size,
    /// How long a packet stays in the state after its end. Its content has gone long before.
    pub ended_kept: Span,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            reserve: Size(512 << 20),
            spare: Size(64 << 20),
            content_max: Size(16 << 30),
            ended_kept: Span(std::time::Duration::from_millis(machine::ENDED_KEPT_MS)),
        }
    }
}

/// What an address and an application may hold of this node at once; the rest follows from these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once. Strangers have half of them at the most, an application a quarter, a unit half;
    /// fewer where the system grants too few descriptors.
    pub connections: u32,
    /// Connections of one address that have shown no good signature yet.
    pub connections_an_address: u32,
    /// Addresses that many callers come through (a reverse proxy, a NAT): the bound of one address is not
    /// for them.
    pub gateways: Vec<IpAddr>,
    /// Requests a second of one application; twice as many in a burst.
    pub requests_a_second: u32,
    /// Packets of one source to one target whose delivery is not final: a month of a busy service.
    pub open_packets_a_target: u32,
    /// Octets of all contents that one unit has under way; a quarter of the disk where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub octets_a_unit: Option<Size>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: in_form(api::CONNECTIONS_MAX_DEFAULT),
            connections_an_address: in_form(api::CONNECTIONS_AN_ADDRESS_DEFAULT),
            gateways: Vec::new(),
            requests_a_second: api::REQUESTS_A_SECOND_DEFAULT,
            open_packets_a_target: 100_000,
            octets_a_unit: None,
        }
    }
}

/// How much the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Only what failed.
    Error,
    /// And what should be looked at.
    Warn,
    /// And what an operator likes to know.
    Info,
    /// And what a developer likes to know.
    Debug,
    /// And every step.
    Trace,
}

impl Level {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Format {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// The log, which goes to stderr.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How much it says.
    pub level: Level,
    /// How it is written.
    pub format: Format,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: Format::Text }
    }
}

/// Waiting and giving up; equal on every node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// Between two heartbeats of the leader.
    pub heartbeat: Span,
    /// The shortest wait before an election.
    pub election_min: Span,
    /// The longest.
    pub election_max: Span,
    /// How long a proposal is tried before its caller is told.
    pub propose_deadline: Span,
    /// How old the last word of a majority may be when a key is checked.
    pub fresh_max: Span,
    /// Between two syncs of the state.
    pub persist_every: Span,
}

impl Default for Timing {
    fn default() -> Self {
        let usual = consensus::Timing::default();
        Self {
            heartbeat: Span(usual.heartbeat),
            election_min: Span(usual.election_min),
            election_max: Span(usual.election_max),
            propose_deadline: Span(usual.propose_deadline),
            fresh_max: Span(usual.fresh_max),
            persist_every: Span(usual.persist_every),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: Said,
    },
    /// The file is no text in UTF-8.
    #[error("{}: {encoding}", path.display())]
    Encoding {
        /// Which.
        path: PathBuf,
        /// What it is instead.
        encoding: written::Encoding,
    },
    /// A place in the file is wrong.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        reason: Said,
    },
    /// Two settings do not go together, or one points at nothing.
    #[error("{key}: {}", reason.fill(Lang::En, &[("value", value)]))]
    Unfit {
        /// The setting, as `api.tls_key`.
        key: &'static str,
        /// What is wrong with it.
        reason: Text,
        /// What stands there, where the reason names it.
        value: String,
    },
}

impl Error {
    /// What is wrong, in a language.
    pub fn in_lang(&self, lang: Lang) -> String {
        match self {
            Self::Unreadable { path, reason } => t::CONFIG_UNREADABLE
                .fill(lang, &[("path", &path.display()), ("reason", &reason.in_lang(lang))]),
            Self::Encoding { path, encoding } => {
                format!("{}: {}", path.display(), encoding.in_lang(lang))
            }
            Self::Malformed { path, line, column, reason } => t::CONFIG_MALFORMED.fill(
                lang,
                &[
                    ("path", &path.display()),
                    ("line", line),
                    ("column", column),
                    ("reason", &reason.in_lang(lang)),
                ],
            ),
            Self::Unfit { key, reason, value } => {
                format!("{key}: {}", reason.fill(lang, &[("value", value)]))
            }
        }
    }
}

/// A setting that does not go together with the others.
fn unfit(key: &'static str, reason: Text) -> Result<(), Error> {
    unfit_value(key, reason, "")
}

/// The same, naming what stands there.
fn unfit_value(key: &'static str, reason: Text, value: impl ToString) -> Result<(), Error> {
    Err(Error::Unfit { key, reason, value: value.to_string() })
}

impl Config {
    /// A configuration of which only the necessary is said.
    pub fn new(data_dir: PathBuf, name: Label, mesh: Mesh, api: Api) -> Self {
        Self {
            data_dir,
            name,
            mesh,
            api,
            storage: Storage::default(),
            log: Log::default(),
            limits: Limits::default(),
            timing: Timing::default(),
        }
    }

    /// Reads and checks a file. Paths in it are relative to it.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let unreadable = |reason: Said| Error::Unreadable { path: path.to_owned(), reason };
        let failed = |error| unreadable(Said::of(|lang| reasons::of_io(lang, &error)));
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.len() > FILE_MAX {
            let max = Size(FILE_MAX);
            let say = |lang| t::CONFIG_TOO_LARGE.fill(lang, &[("max", &max)]);
            return Err(unreadable(Said::of(say)));
        }
        let text = written::read(path).map_err(|error| match written::Encoding::of(&error) {
            Some(encoding) => Error::Encoding { path: path.to_owned(), encoding },
            None => failed(error),
        })?;
        let mut config = Self::parse(&text, path)?;
        for origin in &mut config.api.cors_origins {
            // Browsers send origins without a slash, people paste addresses with one.
            origin.truncate(origin.trim_end_matches('/').len());
        }
        let base = path.parent().unwrap_or(Path::new(""));
        for relative in
            [Some(&mut config.data_dir), config.api.tls_cert.as_mut(), config.api.tls_key.as_mut()]
                .into_iter()
                .flatten()
        {
            if relative.is_relative() {
                // Without the `.` that a configuration usually says: paths are shown to people.
                *relative = base.join(&*relative).components().collect();
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Reads a text; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        written::from_toml(text).map_err(|wrong| Error::Malformed {
            path: path.to_owned(),
            line: wrong.line,
            column: wrong.column,
            reason: wrong.reason,
        })
    }

    /// Checks what single values cannot: how they go together, and the files they name.
    pub fn check(&self) -> Result<(), Error> {
        if self.api.public_urls.is_empty() {
            return unfit("api.public_urls", t::UNFIT_NO_URL);
        }
        if self.mesh.listen.port() == 0 || self.api.listen.port() == 0 {
            return unfit("listen", t::UNFIT_PORT);
        }
        self.check_addresses()?;
        if self.api.tls_cert.is_some() != self.api.tls_key.is_some() {
            return unfit("api.tls_key", t::UNFIT_TLS_PAIR);
        }
        for (key, file) in
            [("api.tls_cert", &self.api.tls_cert), ("api.tls_key", &self.api.tls_key)]
        {
            if let Some(file) = file
                && !file.is_file()
            {
                return unfit_value(key, t::UNFIT_NO_FILE, file.display());
            }
            // Whoever checks a configuration may not be allowed to read the key: the node says that.
            let read = file.as_ref().map(|file| written::read_pem(file));
            if let (Some(file), Some(Err(error))) = (file, read)
                && written::Encoding::of(&error).is_some()
            {
                return unfit_value(key, t::UNFIT_ENCODING, file.display());
            }
        }
        if let Some(host) = self
            .api
            .hosts
            .iter()
            .find(|host| host.parse::<IpAddr>().is_err() && !values::is_host(host))
        {
            return unfit_value("api.hosts", t::UNFIT_HOST, host);
        }
        if let Some(origin) = self.api.cors_origins.iter().find(|origin| !is_origin(origin)) {
            return unfit_value("api.cors_origins", t::UNFIT_ORIGIN, origin);
        }
        for (key, value) in [
            ("limits.connections", self.limits.connections),
            ("limits.connections_an_address", self.limits.connections_an_address),
            ("limits.requests_a_second", self.limits.requests_a_second),
            ("limits.open_packets_a_target", self.limits.open_packets_a_target),
        ] {
            if value == 0 {
                return unfit(key, t::UNFIT_ZERO);
            }
        }
        // Contents would take what the node gives back of its spare.
        if self.storage.reserve.0 < self.storage.spare.0 {
            return unfit("storage.reserve", t::UNFIT_UNDER_SPARE);
        }
        self.check_timing()
    }

    /// Addresses that nobody can call, or that this node's sockets cannot answer at.
    fn check_addresses(&self) -> Result<(), Error> {
        let mesh = &self.mesh;
        for (key, named) in std::iter::once(("mesh.advertise", &mesh.advertise))
            .chain(mesh.peers.iter().map(|peer| ("mesh.peers", peer)))
        {
            let Some(address) = named.address() else { continue };
            if is_nobodys(address) {
                return unfit_value(key, t::UNFIT_UNREACHABLE, named);
            }
            let listen = mesh.listen;
            // A socket that is open to every IPv6 address takes IPv4 in as well.
            let both = listen.is_ipv6() && listen.ip().is_unspecified();
            if address.is_ipv4() != listen.is_ipv4() && !both {
                let value = format!("{named} (mesh.listen = {listen})");
                let reason = if listen.is_ipv4() { t::UNFIT_ONLY_V4 } else { t::UNFIT_ONLY_V6 };
                return unfit_value(key, reason, value);
            }
        }
        for url in &self.api.public_urls {
            if url.host().parse::<IpAddr>().is_ok_and(is_nobodys) {
                return unfit_value("api.public_urls", t::UNFIT_UNREACHABLE, url);
            }
        }
        Ok(())
    }

    fn check_timing(&self) -> Result<(), Error> {
        let timing = &self.timing;
        if timing.heartbeat.0.is_zero() {
            return unfit("timing.heartbeat", t::UNFIT_ZERO);
        }
        if timing.election_min.0 < timing.heartbeat.0 * 2 {
            return unfit("timing.election_min", t::UNFIT_HEARTBEATS);
        }
        if timing.election_max.0 <= timing.election_min.0 {
            return unfit("timing.election_max", t::UNFIT_OVER_MIN);
        }
        if timing.fresh_max.0 <= timing.election_max.0 {
            return unfit("timing.fresh_max", t::UNFIT_OVER_MAX);
        }
        if timing.propose_deadline.0 <= timing.election_max.0 {
            return unfit("timing.propose_deadline", t::UNFIT_OVER_MAX);
        }
        Ok(())
    }

    /// The names and addresses that the node's certificate carries for HTTPS.
    pub fn certificate_hosts(&self) -> (Vec<String>, Vec<IpAddr>) {
        let urls = self.api.public_urls.iter().map(ApiUrl::host);
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for host in urls.chain(self.api.hosts.iter().map(String::as_str)) {
            match host.parse::<IpAddr>() {
                Ok(address) if !addresses.contains(&address) => addresses.push(address),
                Err(_) if !names.iter().any(|name| name == host) => names.push(host.to_owned()),
                _ => {}
            }
        }
        (names, addresses)
    }
}

/// Whether no single host has such an address: `0.0.0.0`, `[::]`, a group's or everybody's.
fn is_nobodys(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let everybody = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    address.is_unspecified() || address.is_multicast() || everybody
}

/// Whether browsers send such an origin: scheme, host and perhaps a port, without a path. Any origin
/// (`*`) is none: pages of strangers would send into spaces.
fn is_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    // The scheme apart, an origin is written like an address of the API.
    host.is_some_and(|host| format!("https://{host}").parse::<ApiUrl>().is_ok())
}

#[cfg(test)]
mod tests;
