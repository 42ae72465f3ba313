//! `[firewall]`: who may reach the server, and whom it may reach.

use crate::policy::rate::ConnectionRate;
use crate::policy::scalar::Cidr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[firewall]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Firewall {
    /// Whether a packet filter of our own guards Redis's ports.
    pub enabled: bool,
    /// Networks that may reach Redis's ports; loopback always may.
    pub allow: Vec<Cidr>,
    /// Networks that Redis itself may connect to (replication, cluster, Sentinel); no other reaches the bus of a cluster.
    pub peers: Vec<Cidr>,
    /// Further TCP ports of this host that only `allow` reaches, such as an exporter's.
    pub ports: Vec<u16>,
    /// Name servers that Redis may ask (port 53), where it is given names instead of addresses.
    pub resolvers: Vec<Cidr>,
    /// How often one source may connect: `off`, or such as `100/second`; an IPv6 source is a /64.
    pub connection_rate: ConnectionRate,
    /// Redis's ports where Docker or another publishes them from a container: `report` them, or `close` them to all but `allow`.
    pub published_ports: PublishedPorts,
}

/// What becomes of a port of Redis's that passes the host on its way to a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PublishedPorts {
    #[default]
    Report,
    Close,
}

impl Default for Firewall {
    fn default() -> Self {
        Firewall {
            enabled: true,
            allow: Vec::new(),
            peers: Vec::new(),
            ports: Vec::new(),
            resolvers: Vec::new(),
            connection_rate: ConnectionRate::Off,
            published_ports: PublishedPorts::Report,
        }
    }
}
