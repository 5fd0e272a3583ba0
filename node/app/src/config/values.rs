//! Values of the configuration as people write them: spans, sizes, addresses, URLs.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Declares a value that is written as a text: `FromStr` and `Display` are its forms.
macro_rules! text_value {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

/// A span of time, as `"30 s"` or `"250 ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

const SPANS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let scale = SPANS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms);
        let ms = number.zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
        ms.map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| {
            format!(
                "{text:?} is no span: a number and ms, s, min, h or d are expected, as \"30 s\""
            )
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, scale) = SPANS
            .into_iter()
            .find(|(_, scale)| ms > 0 && ms.is_multiple_of(*scale))
            .unwrap_or(("ms", 1));
        write!(f, "{} {unit}", ms / scale)
    }
}
text_value!(Span);

/// A number of octets, as `"64 MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let scale = SIZES.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
        let size = number.zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
        size.map(Self)
            .ok_or_else(|| format!("{text:?} is no size: a number and B, KiB, MiB, GiB or TiB are expected, as \"64 MiB\""))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = SIZES
            .into_iter()
            .find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale))
            .unwrap_or(("B", 1));
        write!(f, "{} {unit}", self.0 / scale)
    }
}
text_value!(Size);

fn split(text: &str) -> (Option<u64>, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().ok(), text[end..].trim_start())
}

/// Where others reach a port: `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The host name or address; an IPv6 address stands in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// The address, where the host is one and no name.
    pub fn address(&self) -> Option<IpAddr> {
        let bracketed = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        bracketed.unwrap_or(&self.host).parse().ok()
    }
}

impl FromStr for HostPort {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fail =
            || format!("{text:?} is no address: host:port is expected, as \"10.0.0.11:7443\"");
        let (host, port) = text.rsplit_once(':').ok_or_else(fail)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(fail)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host_ok = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_host(host),
        };
        if host_ok { Ok(Self { host: host.to_owned(), port }) } else { Err(fail()) }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
text_value!(HostPort);

/// The address of an API: `https://host` or `https://host:port`, and nothing after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiUrl(String);

impl ApiUrl {
    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host in it, without brackets.
    pub fn host(&self) -> &str {
        let rest = self.0.strip_prefix("https://").unwrap_or(&self.0);
        let host = match rest.rfind(':') {
            Some(colon) if !rest[colon..].contains(']') => &rest[..colon],
            _ => rest,
        };
        host.trim_matches(['[', ']'])
    }
}

impl FromStr for ApiUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("{text:?} is no API address: https://host:port is expected");
        let rest = text.strip_prefix("https://").ok_or_else(fail)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if !is_host(rest) && rest.parse::<HostPort>().is_err() {
            return Err(fail());
        }
        Ok(Self(format!("https://{rest}")))
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_value!(ApiUrl);

/// A host name or an IPv4 address.
pub(crate) fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_as_they_are_written() {
        for text in ["250 ms", "30 s", "5 min", "2 h", "7 d", "0 ms"] {
            assert_eq!(text.parse::<Span>().expect(text).to_string(), text);
        }
        for text in ["64 MiB", "1 GiB", "512 KiB", "3 B", "2 TiB"] {
            assert_eq!(text.parse::<Size>().expect(text).to_string(), text);
        }
        assert_eq!("64MiB".parse::<Size>(), Ok(Size(64 << 20)));
        for text in [
            "",
            "30",
            "s",
            "-1 s",
            "1.5 s",
            "30 sec",
            "99999999999999999999 s",
            "18446744073709551615 d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["64", "64 MB", "MiB", "99999999999 TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_name_a_host_and_a_port() {
        for text in ["10.0.0.11:7443", "nut-1.nghean.gov.vn:7443", "[::1]:7443"] {
            assert_eq!(text.parse::<HostPort>().expect(text).to_string(), text);
        }
        for text in ["10.0.0.11", ":7443", "a b:1", "host:0", "host:99999", "::1:7443", "[host]:1"]
        {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
        for (text, host) in [
            ("https://lgsp.nghean.gov.vn", "lgsp.nghean.gov.vn"),
            ("https://127.0.0.1:8443/", "127.0.0.1"),
            ("https://[::1]:8443", "::1"),
        ] {
            assert_eq!(text.parse::<ApiUrl>().expect(text).host(), host);
        }
        for text in ["http://a", "https://", "https://a/b", "lgsp.vn", "https://u@a"] {
            assert!(text.parse::<ApiUrl>().is_err(), "{text}");
        }
    }
}
