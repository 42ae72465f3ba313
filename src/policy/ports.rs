//! The TCP ports that a server listens on, by its directives, whoever has them: a policy, a file or a running server.

use super::{Cidr, DirectiveValue, Policy};

/// How far the cluster bus is from the port. Source: Redis's cluster.h, CLUSTER_PORT_INCR.
const BUS: u16 = 10_000;

/// In clear text, by TLS, and the cluster's bus. `get` gives a directive's argument.
pub fn listening(get: impl Fn(&str) -> Option<String>) -> Vec<u16> {
    let port = |name: &str| number(&get, name);
    let (plain, tls) = (port("port"), port("tls-port"));
    let bus = bus(&get);
    let mut ports: Vec<u16> = [plain, tls, bus].into_iter().filter(|p| *p != 0).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The cluster's bus; 0 without one.
pub fn bus(get: impl Fn(&str) -> Option<String>) -> u16 {
    let is = |name: &str| get(name).is_some_and(|value| value == "yes");
    let port = |name: &str| number(&get, name);
    let (plain, tls) = (port("port"), port("tls-port"));
    match (is("cluster-enabled"), port("cluster-port")) {
        (false, _) => 0,
        (true, 0) => {
            let base = if is("tls-cluster") { tls } else { plain };
            // The server does not start where that is no port.
            base.checked_add(BUS).unwrap_or(0)
        }
        (true, own) => own,
    }
}

fn number(get: impl Fn(&str) -> Option<String>, name: &str) -> u16 {
    get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Policy {
    /// The host of the primary that it makes its server a replica of.
    pub fn primary(&self) -> Option<String> {
        let named = |name: &str| self.redis.directives.get(name).and_then(argument);
        let of = named("replicaof").or_else(|| named("slaveof"))?;
        of.split_whitespace().next().map(str::to_owned)
    }

    /// Those of the server that it makes.
    pub fn ports(&self) -> Vec<u16> {
        listening(|name| self.argument(name))
    }

    /// Who may reach one of these: of the bus, which asks for no password, the other nodes, where the policy names them.
    pub fn clients_of(&self, port: u16) -> &[Cidr] {
        let firewall = &self.firewall;
        let is_bus = bus(|name| self.argument(name)) == port;
        match is_bus && !firewall.peers.is_empty() {
            true => &firewall.peers,
            false => &firewall.allow,
        }
    }

    /// The argument of a directive that says something of a port, as the server will have it.
    pub fn argument(&self, name: &str) -> Option<String> {
        if name == "port" {
            return Some(self.plain_port().to_string());
        }
        let tls = self.tls_directives().into_iter();
        let mut ours = tls.filter(|(known, _)| *known == name);
        let ours = ours.next().map(|(_, value)| value);
        ours.or_else(|| self.redis.directives.get(name).and_then(argument))
    }
}

/// As `CONFIG GET` would say it.
fn argument(value: &DirectiveValue) -> Option<String> {
    match value {
        DirectiveValue::Flag(flag) => Some(if *flag { "yes" } else { "no" }.to_owned()),
        DirectiveValue::Number(number) => Some(number.to_string()),
        DirectiveValue::Line(_) => value.text().map(str::to_ascii_lowercase),
        DirectiveValue::Lines(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Policies;

    #[test]
    fn every_port_is_known_also_those_that_a_directive_opens() {
        for (text, ports) in [
            ("", vec![6379]),
            ("[redis]\nport = 0\n", vec![]),
            ("[redis.directives]\ntls-port = 6380\n", vec![6379, 6380]),
            (
                "[redis.directives]\ntls-port = \"6380\"\n",
                vec![6379, 6380],
            ),
            (
                "[redis]\nport = 0\n[redis.directives]\ntls-port = 6380\ncluster-enabled = true\ntls-cluster = \"yes\"\n",
                vec![6380, 16380],
            ),
            (
                "[redis.directives]\ncluster-enabled = \"yes\"\n",
                vec![6379, 16379],
            ),
            (
                "[redis.directives]\ncluster-enabled = \"yes\"\ncluster-port = 7000\n",
                vec![6379, 7000],
            ),
            ("[tls]\nenabled = true\n", vec![6380]),
            (
                "[tls]\nenabled = true\nplain-port = true\n",
                vec![6379, 6380],
            ),
            ("[tls]\nport = 6380\n", vec![6379]),
            (
                "[tls]\nenabled = true\nport = 6379\n[redis.directives]\ncluster-enabled = true\n",
                vec![6379, 16379],
            ),
        ] {
            let policies = Policies::parse("test.toml", text).unwrap();
            assert_eq!(policies.instances[0].ports(), ports, "{text}");
        }
    }

    #[test]
    fn the_bus_is_for_the_peers_where_there_are_any() {
        let of = |peers: &str| {
            let text = format!(
                "[firewall]\nallow = [\"10.1.0.0/16\"]\npeers = [{peers}]\n[redis.directives]\ncluster-enabled = \"yes\"\n"
            );
            let policies = Policies::parse("test.toml", &text).unwrap();
            let policy = &policies.instances[0];
            [6379, 16379].map(|port| policy.clients_of(port)[0].to_string())
        };
        assert_eq!(of("\"10.2.0.0/16\""), ["10.1.0.0/16", "10.2.0.0/16"]);
        assert_eq!(of(""), ["10.1.0.0/16", "10.1.0.0/16"]);
    }

    #[test]
    fn a_rate_is_a_number_in_a_second_or_a_minute() {
        let refused = |rate: &str| {
            let text = format!("[firewall]\nconnection-rate = \"{rate}\"\n");
            Policies::parse("test.toml", &text).is_err()
        };
        for good in ["off", "1/second", "100/minute", "1000000/second"] {
            assert!(!refused(good), "{good}");
        }
        for wrong in [
            "",
            "0/second",
            "+5/second",
            "5",
            "5/hour",
            "5/second ",
            "1000001/minute",
            "on",
        ] {
            assert!(refused(wrong), "{wrong}");
        }
        assert!(Policies::parse("test.toml", "[firewall]\nports = [9121, 22]\n").is_err());
    }
}
