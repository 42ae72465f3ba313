//! A twin with everything that an attack on it needs: a witness who may look, stolen passwords, and another host.

use super::blueprint::{Blueprint, digest};
use super::outside::{self, HERE};
use super::twin::Twin;
use crate::host::{Host, Network};
use crate::redis::session::{Reply, Session};
use crate::redis::users::User;
use crate::redis::{Login, Silence, fields};
use crate::setting::firewall;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::time::Duration;

/// One attempt's.
pub struct Arena<'a> {
    pub host: &'a Host,
    pub blueprint: &'a Blueprint,
    pub twin: Twin,
    /// Whose passwords are stolen.
    pub users: Vec<String>,
    other_host: OnceCell<Result<Network, String>>,
}

impl<'a> Arena<'a> {
    /// Of a twin that has just started.
    pub fn open(host: &'a Host, blueprint: &'a Blueprint, twin: Twin) -> Result<Arena<'a>, String> {
        let mut arena = Arena {
            host,
            blueprint,
            twin,
            users: Vec::new(),
            other_host: OnceCell::new(),
        };
        let mut witness = arena.witness()?;
        let reply = witness.ask(&["ACL", "LIST"]).map_err(|e| e.to_string())?;
        let Reply::Array(lines) = reply else {
            return Err("the twin does not tell its users".to_owned());
        };
        let lines: Vec<String> = lines.iter().map(crate::redis::session::text).collect();
        let stolen = format!("#{}", digest(&blueprint.stolen));
        for user in User::parse_all(&lines.join("\n")) {
            let watcher = user.name == blueprint.watcher.user;
            if watcher || !user.on || user.nopass || user.hashes.is_empty() {
                continue;
            }
            let given = witness.ask(&["ACL", "SETUSER", &user.name, &stolen]);
            given.map_err(|e| format!("stealing a password: {e}"))?;
            arena.users.push(user.name);
        }
        if blueprint.directives.bus_port.is_some() {
            let all = ["CLUSTER", "ADDSLOTSRANGE", "0", "16383"];
            witness.ask(&all).map_err(|e| e.to_string())?;
        }
        Ok(arena)
    }

    /// Until it serves keys: a node of a cluster does so two seconds after it has its slots. Source: cluster.c, `CLUSTER_WRITABLE_DELAY`.
    pub fn serve_keys(&self) -> Result<(), String> {
        if self.blueprint.directives.bus_port.is_none() {
            return Ok(());
        }
        let mut witness = self.witness()?;
        for _ in 0..400 {
            let info = witness.text(&["CLUSTER", "INFO"]);
            if info.is_ok_and(|info| info.contains("cluster_state:ok")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the twin's cluster does not come up".to_owned())
    }

    /// Somebody who sees everything, and is no attacker.
    pub fn witness(&self) -> Result<Session, String> {
        let watcher = Some(&self.blueprint.watcher);
        let session = self.twin.session(self.blueprint, watcher);
        session.map_err(|e| format!("looking at the twin: {e}"))
    }

    /// The users that an application's password could be of.
    pub fn applications(&self) -> impl Iterator<Item = &String> {
        let ours = &self.blueprint.ours;
        self.users.iter().filter(move |name| !ours.contains(name))
    }

    /// Who may do everything, where that is somebody of ours.
    pub fn admin(&self) -> Option<&String> {
        let mut admins = self.users.iter().filter(|name| *name == "admin");
        admins.next().filter(|_| self.is_contained())
    }

    pub fn login(&self, user: &str) -> Login {
        Login {
            user: user.to_owned(),
            password: self.blueprint.stolen.clone(),
        }
    }

    /// Whether it is in our sandbox.
    pub fn is_contained(&self) -> bool {
        self.blueprint.stage.contained
    }

    /// Another host, which can send it packets.
    pub fn other_host(&self) -> Result<&Network, String> {
        let beside = || {
            let addresses = &self.blueprint.directives.addresses;
            let filter = self.blueprint.filter.as_deref();
            outside::beside(self.host, &self.twin.network, addresses, filter)
        };
        self.other_host
            .get_or_init(beside)
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Whether the packet filter has refused a connection of the twin's to others.
    pub fn is_filtered_outwards(&self) -> Result<bool, String> {
        let counts = self.twin.network.run(|| firewall::counts(self.host));
        let counts = counts
            .and_then(|counted| counted)
            .map_err(|e| e.to_string())?;
        Ok(counts
            .and_then(|c| c.outgoing)
            .is_some_and(|count| count.packets > 0))
    }

    /// Does something on that host.
    pub fn from_outside<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T, String> {
        self.other_host()?.run(job).map_err(|e| e.to_string())
    }

    /// Where that host could reach it.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let own = self.blueprint.directives.addresses.iter().copied();
        std::iter::once(IpAddr::from(HERE)).chain(own).collect()
    }

    /// A number of INFO.
    pub fn number(&self, section: &str, field: &str) -> Result<u64, String> {
        let info = self.witness()?.text(&["INFO", section]);
        let info = info.map_err(|e: Silence| e.to_string())?;
        let number = fields(&info).get(field).and_then(|text| text.parse().ok());
        number.ok_or_else(|| format!("the twin does not tell {field}"))
    }
}
