//! sentinel.conf, as Sentinel itself leaves it: it rewrites its file, so the file is what runs.
//! Source: Redis sentinel.c, sentinelHandleConfiguration and rewriteConfigSentinelOption.

use super::config;
use std::net::IpAddr;

/// The port of a Sentinel that names none.
const PORT: u16 = 26379;

/// What one Sentinel has been told and has learned.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sentinel {
    pub masters: Vec<Master>,
    /// Whom it speaks to: masters, their replicas, other Sentinels.
    pub others: Vec<String>,
    /// 0 for TLS alone.
    pub port: u16,
    /// Addresses that it listens on; none means every one.
    pub bind: Vec<String>,
    /// Whether a client has to give a password.
    pub asks_password: bool,
    /// Whether scripts may be set by whoever can connect.
    pub scripts_by_clients: bool,
    /// Whether it speaks TLS with masters, replicas and the other Sentinels. Source: Redis sentinel.c instanceLinkNegotiateTLS.
    pub encrypts: bool,
}

/// A master that it watches.
#[derive(Debug, PartialEq, Eq)]
pub struct Master {
    pub name: String,
    pub address: String,
    pub quorum: usize,
    /// Whether it has a password for it.
    pub authenticates: bool,
    /// The other Sentinels that it has met there.
    pub others: usize,
}

impl Sentinel {
    /// Reads a file. What Sentinel would refuse is left out: then it does not run.
    pub fn parse(text: &str) -> Sentinel {
        let mut found = Sentinel {
            port: PORT,
            ..Sentinel::default()
        };
        for (name, arguments) in config::parse(text) {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            match (name.as_str(), arguments.as_slice()) {
                ("port", [port]) => found.port = port.parse().unwrap_or(PORT),
                ("bind", addresses) => {
                    found.bind = addresses.iter().map(|a| (*a).to_owned()).collect();
                }
                ("tls-replication", [answer]) => {
                    found.encrypts = answer.eq_ignore_ascii_case("yes");
                }
                ("requirepass", [password]) => found.asks_password |= !password.is_empty(),
                ("aclfile", [_]) => found.asks_password = true,
                ("user", ["default", rules @ ..]) => found.asks_password |= closes(rules),
                ("sentinel", [option, rest @ ..]) => found.option(option, rest),
                _ => {}
            }
        }
        found
    }

    fn option(&mut self, option: &str, arguments: &[&str]) {
        const OTHERS: [&str; 4] = ["monitor", "known-sentinel", "known-replica", "known-slave"];
        if let (true, [_, address, ..]) = (
            OTHERS.iter().any(|o| option.eq_ignore_ascii_case(o)),
            arguments,
        ) {
            self.others.push((*address).to_owned());
        }
        match (option.to_ascii_lowercase().as_str(), arguments) {
            ("monitor", [name, address, _, quorum]) => self.masters.push(Master {
                name: (*name).to_owned(),
                address: (*address).to_owned(),
                quorum: quorum.parse().unwrap_or(0),
                authenticates: false,
                others: 0,
            }),
            ("auth-pass", [name, _]) => self.of(name, |m| m.authenticates = true),
            ("known-sentinel", [name, ..]) => self.of(name, |m| m.others += 1),
            ("deny-scripts-reconfig", [answer]) => {
                self.scripts_by_clients = answer.eq_ignore_ascii_case("no");
            }
            _ => {}
        }
    }

    fn of(&mut self, name: &str, change: impl FnOnce(&mut Master)) {
        if let Some(master) = self.masters.iter_mut().find(|m| m.name == name) {
            change(master);
        }
    }

    /// Whether other hosts can connect: Sentinel turns protected-mode off. Source: sentinel.c initSentinelConfig.
    pub fn listens_beyond_loopback(&self) -> bool {
        self.bind.is_empty() || self.bind.iter().any(|a| !is_loopback(a))
    }
}

impl Master {
    /// Whether only this host finds it there.
    pub fn is_on_loopback(&self) -> bool {
        is_loopback(&self.address)
    }

    /// What is wrong with how many have to agree; nothing where a majority does.
    pub fn agreement(&self) -> Option<String> {
        let all = self.others + 1;
        if all < 3 {
            return Some(format!("{}:only-{all}-sentinels", self.name));
        }
        let majority = all / 2 + 1;
        let fits = (majority..=all).contains(&self.quorum);
        (!fits).then(|| format!("{}:quorum-{}-of-{all}", self.name, self.quorum))
    }
}

/// `off`, or a password, and no later `nopass` or `on` without one.
fn closes(rules: &[&str]) -> bool {
    let password = rules.iter().any(|r| r.starts_with(['#', '>']));
    let off = rules.iter().rev().find(|r| matches!(**r, "on" | "off"));
    let open = rules.iter().rposition(|r| *r == "nopass");
    let closed_again = rules.iter().rposition(|r| r.starts_with(['#', '>']));
    off == Some(&"off") || password && open.is_none_or(|open| closed_again > Some(open))
}

fn is_loopback(address: &str) -> bool {
    let address = address.strip_prefix('-').unwrap_or(address);
    let parsed = address.parse::<IpAddr>();
    address == "localhost" || parsed.is_ok_and(|a| a.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's Sentinel 7.0.15 rewrote it after it had met two others (options that nothing here reads left out).
    const MET: &str = "bind 10.0.0.1\nport 26379\nsentinel myid 7d\nsentinel monitor mymaster 10.0.0.5 6379 2\n\
        sentinel auth-pass mymaster s3\nuser default on nopass sanitize-payload ~* &* +@all\n\
        sentinel known-sentinel mymaster 10.0.0.2 26379 aa\nsentinel known-sentinel mymaster 10.0.0.3 26379 bb\n";

    #[test]
    fn what_sentinel_writes_is_read() {
        let found = Sentinel::parse(MET);
        let [master] = found.masters.as_slice() else {
            panic!("one master")
        };
        assert_eq!((master.quorum, master.others), (2, 2));
        assert_eq!(found.others, ["10.0.0.5", "10.0.0.2", "10.0.0.3"]);
        assert!(master.authenticates && !master.is_on_loopback());
        assert_eq!(master.agreement(), None);
        assert!(!found.asks_password && found.listens_beyond_loopback());
    }

    #[test]
    fn one_view_is_no_agreement() {
        let alone = Sentinel::parse("sentinel monitor m 127.0.0.1 6379 2\n");
        let master = &alone.masters[0];
        assert_eq!(master.agreement().as_deref(), Some("m:only-1-sentinels"));
        assert!(master.is_on_loopback() && !master.authenticates);
        let three = MET.replace("6379 2", "6379 1");
        let found = Sentinel::parse(&three);
        assert_eq!(
            found.masters[0].agreement().as_deref(),
            Some("mymaster:quorum-1-of-3")
        );
    }

    #[test]
    fn a_default_user_closes_the_door_only_with_a_password_that_counts() {
        for (line, closed) in [
            ("user default off nopass ~* +@all", true),
            ("user default on #abc ~* +@all", true),
            ("user default on #abc nopass ~* +@all", false),
            ("user default on nopass ~* +@all", false),
            ("requirepass x", true),
            ("requirepass \"\"", false),
        ] {
            assert_eq!(Sentinel::parse(line).asks_password, closed, "{line}");
        }
    }
}
