//! What a twin is made from: the instance's program, configuration, users and sandbox, and directories of memory in place of its own.
//! Files that the server's user may write are read as such: no link is followed, and nothing of them is believed but by the twin.

mod files;
mod stock;

use super::outside::THERE;
use crate::contain::ground::Scratch;
use crate::facts::Facts;
use crate::host::Host;
use crate::policy::{Policy, Role};
use crate::redis::Login;
use crate::redis::config;
use crate::setting::firewall;
use crate::setting::secret::hex;
use crate::supervise::settings::Settings;
use crate::supervise::twin::Stage;
use files::Ground;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Ready to be started any number of times.
pub struct Blueprint {
    pub stage: Stage,
    /// The program that runs us, by a name that is nobody else's.
    pub exe: PathBuf,
    /// Who watches the twin. It exists nowhere else, and neither does its password.
    pub watcher: Login,
    /// The password that every other user gets as well: what an attacker has stolen.
    pub stolen: String,
    pub directives: Directives,
    /// Users of ours: what they may is not for an application.
    pub ours: Vec<String>,
    /// Users whose work is a copy of all data: a replica's and a backup's.
    pub copiers: Vec<String>,
    /// The packet filter that apply has rendered.
    pub filter: Option<PathBuf>,
    /// Whether that lets the server connect to no other host of ours.
    pub held_back: bool,
    /// Why a program in the server's place would be somewhere else than the server.
    pub other_sandbox: Option<String>,
}

/// What its configuration says of how it is reached.
#[derive(Clone, Debug, Default)]
pub struct Directives {
    pub port: u16,
    pub tls_port: u16,
    pub bus_port: Option<u16>,
    pub socket: Option<PathBuf>,
    /// Addresses of this host that it binds.
    pub addresses: Vec<IpAddr>,
    pub maxclients: usize,
    pub has_acl_file: bool,
}

impl Blueprint {
    /// Of an instance; an error says why it has no twin.
    pub fn of(host: &Host, facts: &Facts, policy: &Policy) -> Result<Blueprint, String> {
        if !facts.is_root() || !host.is_live_root() || !host.is_running() {
            return Err("a twin is made by root, on a running host".to_owned());
        }
        if !facts.may_unshare() {
            let why = "namespaces cannot be made here (CAP_SYS_ADMIN is missing)";
            return Err(why.to_owned());
        }
        for (program, package) in [("ip", "iproute2"), ("unshare", "util-linux")] {
            if host.find_program(program).is_none() {
                return Err(format!("{program} is not installed ({package})"));
            }
        }
        let settings = Settings::load(host, &policy.settings_file()).map_err(|e| e.to_string())?;
        let contained = settings.is_some();
        let (settings, conf) = match settings {
            Some(settings) => files::ours(host, settings)?,
            None => stock::settings(host, facts, policy)?,
        };
        let watcher = Login {
            user: format!("prove-{}", random()?.get(..8).unwrap_or_default()),
            password: random()?,
        };
        let directives = Directives::of(&conf);
        let mut ground = Ground::of(host, facts, &settings)?;
        ground.add_configuration(&settings, &conf, &directives, &user_line(&watcher))?;
        let args = vec![
            settings.config.display().to_string(),
            "--supervised".to_owned(),
            "no".to_owned(),
            "--daemonize".to_owned(),
            "no".to_owned(),
        ];
        let other_sandbox = match contained {
            true => None,
            false => stock::other_sandbox(host, facts, policy),
        };
        Ok(Blueprint {
            exe: format!("/proc/{}/exe", std::process::id()).into(),
            watcher,
            stolen: random()?,
            directives,
            copiers: match contained {
                true => ours(policy, &[Role::Replica, Role::Backup]),
                false => Vec::new(),
            },
            ours: match contained {
                true => ours(policy, &[Role::Admin, Role::Agent]),
                false => Vec::new(),
            },
            held_back: contained && is_held_back(host, policy)?,
            filter: filter(host)?.filter(|_| contained),
            other_sandbox,
            stage: Stage {
                program: settings.server.clone(),
                args,
                contained,
                scratch: ground.nested()?,
                settings,
            },
        })
    }

    /// In one line.
    pub fn describe(&self) -> String {
        let (stage, settings) = (&self.stage, &self.stage.settings);
        let sandbox = match stage.contained {
            true => "our sandbox",
            false => "no sandbox of ours",
        };
        let over: Vec<String> = self
            .scratch()
            .iter()
            .map(|s| s.path.display().to_string())
            .collect();
        format!(
            "{} {} as {}, in {sandbox}; memory over {}",
            settings.server.display(),
            settings.config.display(),
            settings.user,
            over.join(" ")
        )
    }

    /// The directories that are the twin's own.
    pub fn scratch(&self) -> &[Scratch] {
        &self.stage.scratch
    }
}

impl Directives {
    fn of(conf: &str) -> Directives {
        let lines = config::parse(conf);
        let last = |name: &str| {
            let mut found = lines.iter().rev().filter(|(n, _)| n == name);
            found.next().map(|(_, arguments)| arguments.as_slice())
        };
        let word = |name: &str| last(name).and_then(|all| all.first());
        let number = |name: &str| word(name).and_then(|word| word.parse::<u16>().ok());
        let port = number("port").unwrap_or(6379);
        let tls_port = number("tls-port").unwrap_or(0);
        let clustered = word("cluster-enabled").is_some_and(|on| on == "yes");
        let base = if port == 0 { tls_port } else { port };
        let bus_port = number("cluster-port").filter(|port| *port != 0);
        let bind = last("bind").unwrap_or_default().iter();
        let addresses = bind.filter_map(|word| word.trim_start_matches('-').parse().ok());
        Directives {
            port,
            tls_port,
            bus_port: bus_port
                .or_else(|| base.checked_add(10_000))
                .filter(|_| clustered),
            socket: word("unixsocket").map(PathBuf::from),
            addresses: addresses
                .filter(|ip: &IpAddr| !ip.is_loopback() && !ip.is_unspecified())
                .collect(),
            maxclients: word("maxclients")
                .and_then(|word| word.parse().ok())
                .unwrap_or(10_000),
            has_acl_file: word("aclfile").is_some(),
        }
    }
}

/// The users of a policy that have one of these roles.
pub fn ours(policy: &Policy, roles: &[Role]) -> Vec<String> {
    let users = policy.acl_users().into_iter();
    let ours = users.filter(|(_, user)| user.role.is_some_and(|role| roles.contains(&role)));
    ours.map(|(name, _)| name.to_string()).collect()
}

/// The rendered one, which nobody but root may have written.
fn filter(host: &Host) -> Result<Option<PathBuf>, String> {
    let file = Path::new(firewall::FILE);
    let stat = host.stat(file).map_err(|e| e.to_string())?;
    match stat {
        Some(stat) if stat.uid != 0 || stat.mode & 0o022 != 0 => {
            Err(format!("{} is not root's alone", file.display()))
        }
        stat => Ok(stat.map(|_| file.to_path_buf())),
    }
}

fn is_held_back(host: &Host, policy: &Policy) -> Result<bool, String> {
    let users = firewall::filtered_users(host).map_err(|e| e.to_string())?;
    let mut peers = policy.firewall.peers.iter();
    Ok(users.contains(policy.user()) && !peers.any(|peer| peer.contains(THERE.into())))
}

/// A line of an ACL file, and of redis.conf.
fn user_line(login: &Login) -> String {
    format!(
        "user {} on #{} ~* &* +@all",
        login.user,
        digest(&login.password)
    )
}

/// As ACL files have it.
pub fn digest(password: &str) -> String {
    hex(&Sha256::digest(password))
}

fn random() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| format!("making a password: {e}"))?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_how_a_server_is_reached() {
        let directives = Directives::of(
            "port 1\nport 7000\nbind 127.0.0.1 -::1 -192.0.2.7 *\ncluster-enabled yes\nmaxclients 50\n",
        );
        assert_eq!((directives.port, directives.bus_port), (7000, Some(17000)));
        assert_eq!(
            directives.addresses,
            ["192.0.2.7".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(directives.maxclients, 50);
        assert!(!directives.has_acl_file);
        let stock = Directives::of("");
        assert_eq!(
            (stock.port, stock.tls_port, stock.bus_port),
            (6379, 0, None)
        );
    }
}
