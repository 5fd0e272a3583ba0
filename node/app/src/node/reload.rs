//! SIGHUP: the configuration is read again. What can change while the node runs does so; the log
//! says what did, and what waits for a restart.

use super::run::Node;
use crate::{
    config::{Api, Config, Log, Mesh},
    options::RunOptions,
};

/// Reads the configuration again. One that is wrong changes nothing, and the log says why.
pub(super) fn reload(node: &Node, options: &mut RunOptions) {
    let config = match Config::load(&options.path) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(
                path = %options.path.display(), %error,
                "the configuration cannot be used: the node goes on with the former one"
            );
            return;
        }
    };
    let mut done = Vec::new();
    if renew_https(node, &config) {
        done.push("api.tls_cert, api.tls_key");
    }
    if config.log.level != options.config.log.level {
        (options.set_level)(config.log.level);
        done.push("log.level");
    }
    if config.mesh.peers != options.config.mesh.peers {
        node.members.hint(options.hints(&config));
        node.mesh.set_peers(&node.members.addresses());
        done.push("mesh.peers");
    }
    let waits = waiting(&node.config, &config);
    tracing::info!(
        took_over = listed(&done),
        needs_restart = listed(&waits),
        "the configuration was read again (SIGHUP)"
    );
    options.config = config;
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// Presents the operator's certificate as it lies on the disk now; whether it did.
fn renew_https(node: &Node, config: &Config) -> bool {
    let (Some(chain), Some(key)) = (&config.api.tls_cert, &config.api.tls_key) else {
        return false;
    };
    // The node's own certificate is the mesh's, too: it is not replaced while the node runs.
    if node.config.api.tls_cert.is_none() {
        return false;
    }
    let read = crate::written::certified(chain, key);
    match read.and_then(|(chain, key)| node.https.replace(chain, &key)) {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(
                chain = %chain.display(), %error,
                "the HTTPS certificate cannot be used: the former one stays"
            );
            false
        }
    }
}

/// The settings that differ from those that the node was started with, and that it cannot take over
/// while it runs.
fn waiting(ours: &Config, new: &Config) -> Vec<&'static str> {
    let tls = ours.api.tls_cert.is_some() == new.api.tls_cert.is_some();
    let api = Api {
        tls_cert: if tls { ours.api.tls_cert.clone() } else { new.api.tls_cert.clone() },
        tls_key: if tls { ours.api.tls_key.clone() } else { new.api.tls_key.clone() },
        ..new.api.clone()
    };
    let mesh = Mesh { peers: ours.mesh.peers.clone(), ..new.mesh.clone() };
    let log = Log { level: ours.log.level, ..new.log.clone() };
    let parts = [
        ("data_dir", ours.data_dir != new.data_dir),
        ("name", ours.name != new.name),
        ("mesh", ours.mesh != mesh),
        ("api", ours.api != api),
        ("storage", ours.storage != new.storage),
        ("log.format", ours.log != log),
        ("limits", ours.limits != new.limits),
        ("timing", ours.timing != new.timing),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Level, Size};

    #[test]
    fn only_what_cannot_be_taken_over_waits_for_a_restart() {
        let text = include_str!("../../../../deploy/lgsp.toml");
        let ours = Config::parse(text, std::path::Path::new("lgsp.toml")).expect("the sample");
        let mut new = ours.clone();
        new.log.level = Level::Debug;
        new.mesh.peers = vec!["10.0.0.9:7443".parse().expect("an address")];
        assert_eq!(waiting(&ours, &new), [""; 0]);
        new.storage.reserve = Size(1);
        new.mesh.advertise = "10.0.0.9:7443".parse().expect("an address");
        assert_eq!(waiting(&ours, &new), ["mesh", "storage"]);
        // A certificate in the place of another is taken over; the first one is not.
        let mut with = ours.clone();
        with.api.tls_cert = Some("a.pem".into());
        let mut other = with.clone();
        other.api.tls_cert = Some("b.pem".into());
        assert_eq!(waiting(&with, &other), [""; 0]);
        assert_eq!(waiting(&ours, &with), ["api"]);
    }
}
