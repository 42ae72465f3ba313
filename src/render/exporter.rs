//! The exporter beside the server: how it reaches it, and what is mounted for that. It logs in as the policy's user `exporter`.

use super::Container;
use crate::policy::{ClientCertificates, Policy};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Pinned: what it asks is what the role `metrics` may.
pub const IMAGE: &str = "oliver006/redis_exporter:v1.74.0";
/// Where it serves the metrics.
pub const PORT: u16 = 9121;
/// Its passwords, as JSON of addresses: `{"redis://redis:6379": "…"}`.
pub const PASSWORDS: &str = "/run/secrets/redis-exporter.json";
/// Its own certificate and key, where the server asks for one.
const CERTIFICATE: [(&str, &str); 2] = [
    (
        "REDIS_EXPORTER_TLS_CLIENT_CERT_FILE",
        "/run/secrets/redis-exporter.crt",
    ),
    (
        "REDIS_EXPORTER_TLS_CLIENT_KEY_FILE",
        "/run/secrets/redis-exporter.key",
    ),
];

pub struct Exporter {
    pub environment: BTreeMap<&'static str, String>,
    /// The authorities that it trusts, and its own certificate and key: each mounted where it speaks TLS.
    pub tls: Vec<PathBuf>,
}

impl Exporter {
    /// The one of a container whose policy has its user, with the server at this host name.
    pub fn of(container: &Container, host: &str) -> Option<Exporter> {
        let policy = container.policy;
        let mut users = container.secrets.iter().map(|(name, _)| name.as_str());
        users.find(|name| *name == "exporter")?;
        let mut exporter = Exporter {
            environment: BTreeMap::from([
                ("REDIS_ADDR", address(policy, host)),
                ("REDIS_USER", "exporter".to_owned()),
                ("REDIS_PASSWORD_FILE", PASSWORDS.to_owned()),
                // Its user may not ask for the configuration.
                ("REDIS_EXPORTER_CONFIG_COMMAND", "-".to_owned()),
            ]),
            tls: Vec::new(),
        };
        if policy.plain_port() == 0 && policy.tls.enabled {
            exporter.by_tls(policy);
        }
        Some(exporter)
    }

    fn by_tls(&mut self, policy: &Policy) {
        let authorities = [("REDIS_EXPORTER_TLS_CA_CERT_FILE", policy.tls_ca())];
        let own = CERTIFICATE.map(|(variable, path)| (variable, PathBuf::from(path)));
        let needed = policy.tls.clients == ClientCertificates::Required;
        let files = authorities
            .into_iter()
            .chain(own.into_iter().filter(|_| needed));
        for (variable, path) in files {
            self.environment
                .insert(variable, path.display().to_string());
            self.tls.push(path);
        }
    }
}

fn address(policy: &Policy, host: &str) -> String {
    match policy.plain_port() {
        0 if policy.tls.enabled => format!("rediss://{host}:{}", policy.tls.port),
        port => format!("redis://{host}:{port}"),
    }
}
