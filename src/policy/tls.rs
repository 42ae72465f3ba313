//! `[tls]`: encrypted connections, and the redis.conf that they are. Reads no file.

use super::{Auto, DirectiveValue, Policy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where the pairs of this host's servers are, and the authorities that they trust.
pub const DIRECTORY: &str = "/etc/redis-harden/tls";

/// Forward secrecy and authenticated encryption; of TLS 1.3 every suite has both. Names of openssl-ciphers(1).
const CIPHERS: &str = "ECDHE+AESGCM:ECDHE+CHACHA20";

/// `[tls]`: encrypted connections.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Tls {
    /// Whether clients are served by TLS, and `redis.port`, which is in clear text, is closed; `redis-harden tls init` makes the certificate.
    pub enabled: bool,
    /// TCP port of TLS.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Whether `redis.port` stays open beside it, as while clients move over.
    pub plain_port: bool,
    /// The certificate in PEM, with those above it; `auto` is `/etc/redis-harden/tls/NAME.pem`, which `redis-harden tls` writes.
    pub cert: Auto<PathBuf>,
    /// Its private key; `auto` is the same file, so that the pair is replaced at once.
    pub key: Auto<PathBuf>,
    /// The authorities by which clients, replicas and nodes are verified; `auto` is `/etc/redis-harden/tls/ca.crt`.
    pub ca: Auto<PathBuf>,
    /// Whether a client must have a certificate of its own: `required`, or `optional`, where its password is enough.
    pub clients: ClientCertificates,
    /// The versions that are spoken.
    pub protocols: Vec<Protocol>,
    /// The ciphers of TLS 1.2, as openssl-ciphers(1) names them.
    pub ciphers: String,
    /// Whether its primary is spoken to by TLS, once it is a replica.
    pub replication: bool,
    /// Whether the bus of a cluster is encrypted.
    pub cluster: bool,
    /// Who sees that a certificate was replaced in its file, and has the server read it: `systemd`, by a path unit; or `supervisor`, for
    /// containers and hosts without systemd, whose user `agent` then may `CONFIG SET`.
    pub watch: Watch,
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            enabled: false,
            port: 6380,
            plain_port: false,
            cert: Auto::Auto,
            key: Auto::Auto,
            ca: Auto::Auto,
            clients: ClientCertificates::Required,
            protocols: vec![Protocol::Tls12, Protocol::Tls13],
            ciphers: CIPHERS.into(),
            replication: true,
            cluster: true,
            watch: Watch::Systemd,
        }
    }
}

/// Whether a client must have a certificate of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    #[default]
    Required,
    Optional,
}

/// Who sees that a certificate was replaced in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Watch {
    #[default]
    Systemd,
    Supervisor,
}

/// A version that nobody has retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Protocol {
    #[serde(rename = "TLSv1.2")]
    Tls12,
    #[serde(rename = "TLSv1.3")]
    Tls13,
}

impl Protocol {
    fn word(self) -> &'static str {
        match self {
            Protocol::Tls12 => "TLSv1.2",
            Protocol::Tls13 => "TLSv1.3",
        }
    }
}

impl Policy {
    /// The port in clear text; 0 where it is closed.
    pub fn plain_port(&self) -> u16 {
        match self.tls.enabled && !self.tls.plain_port {
            true => 0,
            false => self.redis.port,
        }
    }

    /// The file of the server's certificate.
    pub fn tls_cert(&self) -> PathBuf {
        self.tls_file(&self.tls.cert, &format!("{}.pem", self.redis.name))
    }

    /// The file of its key.
    pub fn tls_key(&self) -> PathBuf {
        self.tls_file(&self.tls.key, &format!("{}.pem", self.redis.name))
    }

    /// The authorities that it trusts.
    pub fn tls_ca(&self) -> PathBuf {
        self.tls_file(&self.tls.ca, "ca.crt")
    }

    /// Whether `redis-harden tls` writes its pair: one that the policy names is somebody else's.
    pub fn has_own_pair(&self) -> bool {
        self.tls.cert == Auto::Auto && self.tls.key == Auto::Auto
    }

    /// Whether the supervisor itself has the server read a certificate that was replaced.
    pub fn is_watched_by_supervisor(&self) -> bool {
        self.tls.enabled && self.tls.watch == Watch::Supervisor
    }

    /// Whether it has to do with servers on other hosts.
    pub fn has_peers(&self) -> bool {
        !self.firewall.peers.is_empty() || self.primary().is_some() || self.is_clustered()
    }

    /// Whether it is a node of a cluster.
    pub fn is_clustered(&self) -> bool {
        let value = self.redis.directives.get("cluster-enabled");
        value.is_some_and(|v| *v == DirectiveValue::Flag(true) || v.text() == Some("yes"))
    }

    /// Name and argument of each directive, not quoted; none where TLS is off.
    pub fn tls_directives(&self) -> Vec<(&'static str, String)> {
        if !self.tls.enabled {
            return Vec::new();
        }
        let file = |path: PathBuf| path.to_string_lossy().into_owned();
        let yes_no = |flag| if flag { "yes" } else { "no" }.to_owned();
        let clients = match self.tls.clients {
            ClientCertificates::Required => "yes",
            ClientCertificates::Optional => "optional",
        };
        let protocols: Vec<&str> = self.tls.protocols.iter().map(|p| p.word()).collect();
        let mut lines = vec![
            ("tls-port", self.tls.port.to_string()),
            ("tls-cert-file", file(self.tls_cert())),
            ("tls-key-file", file(self.tls_key())),
            ("tls-ca-cert-file", file(self.tls_ca())),
            ("tls-auth-clients", clients.to_owned()),
            ("tls-protocols", protocols.join(" ")),
            ("tls-ciphers", self.tls.ciphers.clone()),
            ("tls-prefer-server-ciphers", "yes".to_owned()),
            ("tls-replication", yes_no(self.tls.replication)),
        ];
        if self.is_clustered() {
            lines.push(("tls-cluster", yes_no(self.tls.cluster)));
        }
        lines
    }

    fn tls_file(&self, given: &Auto<PathBuf>, auto: &str) -> PathBuf {
        match given {
            Auto::Value(path) => path.clone(),
            Auto::Auto => Path::new(DIRECTORY).join(auto),
        }
    }
}
