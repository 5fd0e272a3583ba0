//! The errors of X-Road by name, and their spelling before version 7.8.

/// Errors that a service of `troubles` answers with: its code, and the whole type.
const TROUBLES: &[(&str, &str)] = &[
    ("network_error", "server.serverproxy.network_error"),
    ("io_error", "server.serverproxy.io_error"),
    ("http_error", "server.serverproxy.service_failed.http_error"),
    ("unknown_host", "server.clientproxy.unknown_host"),
    ("maintenance_mode", "server.serverproxy.maintenance_mode"),
    ("global_conf_outdated", "server.clientproxy.global_conf_outdated"),
    ("timestamping_failed", "server.clientproxy.timestamping_failed"),
    ("logging_failed", "server.clientproxy.logging_failed"),
    ("hsm_non_operational", "signer.hsm_non_operational"),
    ("database_error", "server.clientproxy.database_error"),
    ("internal_error", "server.clientproxy.internal_error"),
    ("service_disabled", "server.serverproxy.service_disabled"),
    ("unknown_member", "server.clientproxy.unknown_member"),
    ("unknown_service", "server.serverproxy.unknown_service"),
    ("invalid_security_server", "server.clientproxy.invalid_security_server"),
    ("service_missing_url", "server.serverproxy.service_missing_url"),
    ("access_denied", "server.serverproxy.access_denied"),
    ("ssl_authentication_failed", "server.clientproxy.ssl_authentication_failed"),
    ("invalid_client_identifier", "server.clientproxy.invalid_client_identifier"),
    ("service_type", "server.serverproxy.service_type"),
    ("invalid_request", "client.invalid_request"),
    ("inconsistent_response", "server.clientproxy.inconsistent_response"),
    ("missing_signature", "server.clientproxy.missing_signature"),
    ("cert_validation", "server.clientproxy.cert_validation"),
    ("client_proxy_version_not_supported", "server.serverproxy.client_proxy_version_not_supported"),
];

/// The whole type of an error.
pub(super) fn of(code: &str) -> Option<&'static str> {
    TROUBLES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind)
}

/// Words whose capitals do not follow from the new spelling.
const ODD: [(&str, &str); 4] = [
    ("serverproxy", "ServerProxy"),
    ("clientproxy", "ClientProxy"),
    // The old name has its words the other way round.
    ("global_conf_outdated", "OutdatedGlobalConf"),
    ("ssl_authentication_failed", "SslAuthenticationFailed"),
];

/// `server.serverproxy.network_error` as it was written before: `Server.ServerProxy.NetworkError`.
pub(super) fn before_78(kind: &str) -> String {
    let part = |part: &str| {
        let odd = ODD.iter().find(|(new, _)| *new == part).map(|(_, old)| (*old).to_owned());
        odd.unwrap_or_else(|| part.split('_').map(capital).collect())
    };
    kind.split('.').map(part).collect::<Vec<_>>().join(".")
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use wire::xroad::{Class, ErrorType};

    use super::*;

    #[test]
    fn both_spellings_of_each_error_mean_the_same_to_a_client() {
        assert_eq!(
            before_78("server.serverproxy.network_error"),
            "Server.ServerProxy.NetworkError"
        );
        for (_, kind) in TROUBLES {
            let class = |text: &str| ErrorType::parse(text).expect("a type").class();
            assert_ne!(class(kind), Class::Unknown, "{kind}");
            assert_eq!(class(kind), class(&before_78(kind)), "{kind}");
        }
    }
}
