//! Writes a configuration as a file that explains itself.

use std::fmt::Write;

use serde::Serialize;

use super::Config;

/// One part of the file: its head, and its settings as TOML writes them.
type Part = (&'static str, Vec<(&'static str, Option<String>)>);

/// The file of a configuration, with a comment for every part. It reads back as the same.
pub fn to_toml(config: &Config) -> String {
    let mut text = String::new();
    let c = config;
    let parts: [Part; 7] = [
        (
            "# Configuration of one LGSP node. Check it with: lgsp config check FILE\n# Units are written: \"30 s\", \"64 MiB\". Secrets are never in this file.\n",
            vec![("data_dir", value(&c.data_dir)), ("name", value(&c.name))],
        ),
        (
            "\n# Between the nodes: QUIC over UDP. `advertise` is where the other nodes reach this one. `peers`\n\
             # are hints where others are; needed only if nodes have moved and do not find one another.\n[mesh]\n",
            vec![
                ("listen", value(c.mesh.listen)),
                ("advertise", value(&c.mesh.advertise)),
                ("peers", value(&c.mesh.peers)),
            ],
        ),
        (
            "\n# For applications: HTTPS. Without tls_cert and tls_key the cluster's authority makes the\n\
             # certificate, for the hosts of public_urls and for those listed in hosts.\n[api]\n",
            vec![
                ("listen", value(c.api.listen)),
                ("public_urls", value(&c.api.public_urls)),
                ("hosts", value(&c.api.hosts)),
                ("tls_cert", c.api.tls_cert.as_ref().and_then(value)),
                ("tls_key", c.api.tls_key.as_ref().and_then(value)),
                ("cors_origins", value(&c.api.cors_origins)),
            ],
        ),
        (
            "\n# Below the reserve uploads are refused, so that the log never fails for want of space; the spare\n# is what the log keeps for itself on such a day, and not more than the reserve. A packet\n# that has ended leaves the state after ended_kept; the history has it for good.\n[storage]\n",
            vec![
                ("reserve", value(c.storage.reserve)),
                ("spare", value(c.storage.spare)),
                ("content_max", value(c.storage.content_max)),
                ("ended_kept", value(c.storage.ended_kept)),
            ],
        ),
        (
            "\n# level: error, warn, info, debug, trace. format: text, json. The log goes to stderr.\n[log]\n",
            vec![("level", value(c.log.level)), ("format", value(c.log.format))],
        ),
        (
            "\n# What an address and an application may hold of this node. Strangers (no good signature yet) have half\n\
             # of the connections at the most and are bounded by address; gateways are addresses that many callers\n\
             # come through. A caller over requests_a_second gets 429, and so does a source with too much under way\n\
             # (octets_a_unit: a quarter of the disk where it is not said).\n[limits]\n",
            vec![
                ("connections", value(c.limits.connections)),
                ("connections_an_address", value(c.limits.connections_an_address)),
                ("gateways", value(&c.limits.gateways)),
                ("requests_a_second", value(c.limits.requests_a_second)),
                ("open_packets_a_target", value(c.limits.open_packets_a_target)),
                ("octets_a_unit", c.limits.octets_a_unit.and_then(value)),
            ],
        ),
        (
            "\n# Waiting and giving up. Keep it equal on every node.\n[timing]\n",
            vec![
                ("heartbeat", value(c.timing.heartbeat)),
                ("election_min", value(c.timing.election_min)),
                ("election_max", value(c.timing.election_max)),
                ("propose_deadline", value(c.timing.propose_deadline)),
                ("fresh_max", value(c.timing.fresh_max)),
                ("persist_every", value(c.timing.persist_every)),
            ],
        ),
    ];
    for (head, settings) in parts {
        text.push_str(head);
        for (key, value) in settings {
            if let Some(value) = value {
                writeln!(text, "{key} = {value}").expect("a String takes every text");
            }
        }
    }
    text
}

/// A value as TOML writes it on one line; none for what TOML cannot write.
fn value(value: impl Serialize) -> Option<String> {
    toml::Value::try_from(value).ok().map(|value| value.to_string())
}
