//! What an error of X-Road means for us, by its type alone: the status of HTTP says little (section 2.2).
//!
//! Version 7.8.0 renamed every type, from `Server.ServerProxy.NetworkError` to `server.serverproxy.network_error`; in lower
//! case and without underscores both are the same word.

use std::fmt;

/// Octets of an error's type that are looked at.
pub const TYPE_MAX: usize = 256;

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The way to the destination: it is offline.
    Transport,
    /// The provider gave no usable answer.
    Provider,
    /// A security server is being maintained.
    Maintenance,
    /// A security server is ill.
    Server,
    /// The service was switched off, with a notice for people.
    Disabled,
    /// There is no such destination.
    Destination,
    /// The right to call is missing.
    Right,
    /// Our connection to our security server, or the identifier that we claim, is wrong.
    Identity,
    /// The service speaks the other protocol: REST for SOAP, or SOAP for REST.
    Protocol,
    /// Our message is wrong.
    Message,
    /// The evidence is broken: signatures, certificates, an answer that does not match.
    Evidence,
    /// A security server is too old.
    Version,
    /// A type that this table does not have.
    Unknown,
}

/// Whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Yes, ever more slowly.
    BackOff,
    /// Yes, but only a call that may happen twice: nobody knows whether it happened.
    IfIdempotent,
    /// Yes, after a while.
    Later,
    /// Yes, slowly, and somebody should know.
    SlowlyWithAlarm,
    /// No; the sender is told.
    Never,
    /// No; our operator is told.
    NeverWithAlarm,
}

impl Class {
    /// Whether to try again.
    pub fn retry(self) -> Retry {
        match self {
            Self::Transport => Retry::BackOff,
            Self::Provider => Retry::IfIdempotent,
            Self::Maintenance => Retry::Later,
            Self::Server => Retry::SlowlyWithAlarm,
            Self::Identity | Self::Evidence => Retry::NeverWithAlarm,
            Self::Disabled
            | Self::Destination
            | Self::Right
            | Self::Protocol
            | Self::Message
            | Self::Version
            | Self::Unknown => Retry::Never,
        }
    }
}

/// Codes in lower case without underscores, as 7.8 and earlier versions both become.
const CODES: &[(&str, Class)] = &[
    ("networkerror", Class::Transport),
    ("ioerror", Class::Transport),
    ("httperror", Class::Transport),
    ("unknownhost", Class::Transport),
    ("maintenancemode", Class::Maintenance),
    ("globalconfoutdated", Class::Server),
    // The name before 7.8 has its words the other way round.
    ("outdatedglobalconf", Class::Server),
    ("malformedglobalconf", Class::Server),
    ("timestampingfailed", Class::Server),
    ("timestamperfailed", Class::Server),
    ("loggingfailed", Class::Server),
    ("hsmnonoperational", Class::Server),
    ("hsminternalerror", Class::Server),
    ("cannotcreatesignature", Class::Server),
    ("databaseerror", Class::Server),
    ("internalerror", Class::Server),
    ("servicedisabled", Class::Disabled),
    ("unknownmember", Class::Destination),
    ("unknownservice", Class::Destination),
    ("invalidsecurityserver", Class::Destination),
    ("servicemissingurl", Class::Destination),
    ("servicemalformedurl", Class::Destination),
    ("accessdenied", Class::Right),
    ("sslauthenticationfailed", Class::Identity),
    ("invalidclientidentifier", Class::Identity),
    ("servicetype", Class::Protocol),
    ("invalidrequest", Class::Message),
    ("badrequest", Class::Message),
    ("invalidhttpmethod", Class::Message),
    ("invalidcontenttype", Class::Message),
    ("missingheaderfield", Class::Message),
    ("duplicateheaderfield", Class::Message),
    ("missingheader", Class::Message),
    ("missingsoap", Class::Message),
    ("malformedsoap", Class::Message),
    ("missingrest", Class::Message),
    ("invalidrest", Class::Message),
    ("invalidmessage", Class::Message),
    ("mimeparsingfailed", Class::Message),
    ("missingbody", Class::Message),
    ("invalidbody", Class::Message),
    ("inconsistentheaders", Class::Message),
    ("invalidprotocolversion", Class::Message),
    ("inconsistentresponse", Class::Evidence),
    ("missingsignature", Class::Evidence),
    ("invalidsignaturevalue", Class::Evidence),
    ("malformedsignature", Class::Evidence),
    ("certvalidation", Class::Evidence),
    ("clientproxyversionnotsupported", Class::Version),
];

/// Codes that begin like this: further words follow.
const BEGINNINGS: [(&str, Class); 2] =
    [("invalidsoap", Class::Message), ("signatureverification", Class::Evidence)];

/// In the middle of a type: the provider's side failed, whatever the code behind it says.
const SERVICE_FAILED: &str = "servicefailed";

/// Which part of X-Road speaks. The longest name that fits comes first.
const ORIGINS: [(&str, Origin); 5] = [
    ("server.serverproxy.opmonitor", Origin::Monitor),
    ("server.serverproxy", Origin::ProviderServer),
    ("server.clientproxy", Origin::ConsumerServer),
    ("client", Origin::Client),
    ("signer", Origin::Signer),
];

/// Which part of X-Road speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The consumer's security server: ours, when we call.
    ConsumerServer,
    /// The provider's security server.
    ProviderServer,
    /// The monitoring of the provider's security server.
    Monitor,
    /// The caller's mistake.
    Client,
    /// The keeper of the keys.
    Signer,
}

/// The type of an error as it came, in either spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorType(String);

impl ErrorType {
    /// Takes a type as it came: one to [`TYPE_MAX`] visible ASCII characters, one of them a letter or a digit; none for
    /// another text.
    pub fn parse(text: &str) -> Option<Self> {
        let is_type = text.len() <= TYPE_MAX
            && text.bytes().all(|c| c.is_ascii_graphic())
            && text.bytes().any(|c| c.is_ascii_alphanumeric());
        is_type.then(|| Self(text.to_owned()))
    }

    /// The type as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case and without underscores: the same for both spellings.
    pub fn plain(&self) -> String {
        self.0.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
    }

    /// Which part of X-Road speaks; none if it is none of them, so a provider's own word.
    pub fn origin(&self) -> Option<Origin> {
        let plain = self.plain();
        let is_of = |(name, _): &&(&str, Origin)| {
            let rest = plain.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        ORIGINS.iter().find(is_of).map(|(_, origin)| *origin)
    }

    /// What it means for us.
    pub fn class(&self) -> Class {
        let plain = self.plain();
        if plain.split('.').any(|part| part == SERVICE_FAILED) {
            return Class::Provider;
        }
        // From the end on: the last known part is the most exact.
        plain.split('.').rev().find_map(class_of).unwrap_or(Class::Unknown)
    }
}

fn class_of(code: &str) -> Option<Class> {
    let known = CODES.iter().find(|(known, _)| *known == code);
    let known = known.or_else(|| BEGINNINGS.iter().find(|(known, _)| code.starts_with(known)));
    known.map(|(_, class)| *class)
}

impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
