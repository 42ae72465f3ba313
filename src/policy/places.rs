//! Where an instance lives on its host, what it is called there, and what follows from its numbers. Pure: asks no host.

use super::{AclUser, Auto, Flavour, Name, Policy, Role};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Descriptors that Redis keeps for itself. Source: `CONFIG_MIN_RESERVED_FDS` in server.h.
const RESERVED_FDS: u32 = 32;
/// What `nofile = "auto"` gives at least: Debian's unit has it, and a lower one would be a step back.
const USUAL_NOFILE: u32 = 65_535;
/// What `log-file` says where the log is standard output.
pub(super) const STDOUT: &str = "stdout";

impl Policy {
    /// Whether it is Debian's own instance.
    pub fn is_default(&self) -> bool {
        self.redis.name == Name::default_instance()
    }

    /// `redis` or `valkey`: the package's prefix, the user and the group.
    pub fn user(&self) -> &'static str {
        match self.redis.flavour {
            Flavour::Redis => "redis",
            Flavour::Valkey => "valkey",
        }
    }

    /// The group of the server's files.
    pub fn group(&self) -> &'static str {
        self.user()
    }

    /// The server's package, and the name of its program.
    pub fn package(&self) -> &'static str {
        match self.redis.flavour {
            Flavour::Redis => "redis-server",
            Flavour::Valkey => "valkey-server",
        }
    }

    /// The package that the server's own file is in: Debian's server is a link to a tool.
    pub fn tools_package(&self) -> &'static str {
        match self.redis.flavour {
            Flavour::Redis => "redis-tools",
            Flavour::Valkey => "valkey-tools",
        }
    }

    /// The systemd unit.
    pub fn unit(&self) -> String {
        match self.is_default() {
            true => format!("{}.service", self.package()),
            false => format!("{}@{}.service", self.package(), self.redis.name),
        }
    }

    /// Where the unit's drop-ins are.
    pub fn drop_in_dir(&self) -> PathBuf {
        format!("/etc/systemd/system/{}.d", self.unit()).into()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.or(&self.redis.data_dir, || self.named("/var/lib/"))
    }

    /// The directory of the socket and the pid file.
    pub fn run_dir(&self) -> PathBuf {
        self.named("/run/").into()
    }

    /// The supervisor's state; the redis user's, so root reads it as untrusted input.
    pub fn state_dir(&self) -> PathBuf {
        format!("/run/redis-harden-{}", self.redis.name).into()
    }

    /// The unix socket.
    pub fn unix_socket(&self) -> PathBuf {
        self.or(&self.redis.unix_socket, || {
            format!("{}/{}.sock", self.named("/run/"), self.package())
        })
    }

    /// The pid file.
    pub fn pid_file(&self) -> PathBuf {
        self.run_dir().join(format!("{}.pid", self.package()))
    }

    /// The log, with a name that the package's logrotate glob (`/var/log/redis/redis-server*.log`) matches.
    /// None where it logs to standard output.
    pub fn log_file(&self) -> Option<PathBuf> {
        let file = self.or(&self.redis.log_file, || {
            format!(
                "/var/log/{}/{}.log",
                self.user(),
                self.suffixed(self.package())
            )
        });
        (file != Path::new(STDOUT)).then_some(file)
    }

    /// The rendered server configuration.
    pub fn config_file(&self) -> PathBuf {
        self.rendered("conf")
    }

    /// The rendered ACL file: hashes only.
    pub fn acl_file(&self) -> PathBuf {
        self.rendered("acl")
    }

    /// The password that it shows its primary, which redis.conf includes.
    pub fn primary_password_file(&self) -> PathBuf {
        self.rendered("auth")
    }

    /// What the supervisor reads, which cannot read the policy.
    pub fn settings_file(&self) -> PathBuf {
        self.rendered("toml")
    }

    /// The password of an ACL user. A dot is no part of a name, so `NAME.USER` is nobody else's file.
    pub fn secret_file(&self, user: &Name) -> PathBuf {
        let given = self
            .acl
            .get(user)
            .and_then(|user| user.password_file.clone());
        given.unwrap_or_else(|| {
            let file = match self.is_default() {
                true => user.to_string(),
                false => format!("{}.{user}", self.redis.name),
            };
            PathBuf::from("/etc/redis-harden/secrets").join(file)
        })
    }

    /// The password that `default` has for a time, where the policy lets it.
    pub fn legacy_secret_file(&self) -> PathBuf {
        self.secret_file(&Name::default_instance())
    }

    /// Whether `default` lets in on this day.
    pub fn default_lets_in(&self, today: jiff::civil::Date) -> bool {
        self.last_of_default().is_some_and(|last| today <= last)
    }

    /// The first day on which `default` is off again, where the policy gives it days at all.
    pub fn default_ends(&self) -> Option<jiff::civil::Date> {
        self.last_of_default()?.tomorrow().ok()
    }

    fn last_of_default(&self) -> Option<jiff::civil::Date> {
        self.legacy.default_until.as_deref()?.parse().ok()
    }

    /// The configuration that the package's own unit would start.
    pub fn stock_config(&self) -> PathBuf {
        let file = match self.is_default() {
            true => format!("{}.conf", self.user()),
            false => format!("{}-{}.conf", self.user(), self.redis.name),
        };
        PathBuf::from("/etc").join(self.user()).join(file)
    }

    /// The ACL users: the policy's, and always `admin` and `agent`.
    pub fn acl_users(&self) -> BTreeMap<Name, AclUser> {
        let mut users = self.acl.clone();
        for (name, role) in [(Name::admin(), Role::Admin), (Name::agent(), Role::Agent)] {
            let user = users.entry(name).or_default();
            // Without these rights root's apply, or the supervisor, would lock itself out.
            user.role = Some(role);
        }
        users
    }

    /// Whether it listens on an address that is not this host's own loopback.
    pub fn listens_beyond_loopback(&self) -> bool {
        let beyond = |text: &String| {
            let address = text.strip_prefix('-').unwrap_or(text);
            // `*` and what else is no address are every address.
            address.parse().is_ok_and(|ip: IpAddr| !loopback(ip))
                || address.parse::<IpAddr>().is_err()
        };
        !self.ports().is_empty() && self.redis.bind.iter().any(beyond)
    }

    /// The open files below which Redis lowers maxclients.
    pub fn nofile_needed(&self) -> u32 {
        self.redis.maxclients.saturating_add(RESERVED_FDS)
    }

    /// The open files that the unit is to give.
    pub fn nofile_wanted(&self) -> u32 {
        match self.limits.nofile {
            Auto::Value(nofile) => nofile,
            // AOF, RDB, sockets and modules want more than the bare minimum.
            Auto::Auto => USUAL_NOFILE.max(self.redis.maxclients.saturating_add(128)),
        }
    }

    /// Whether data outlives the process.
    pub fn persists(&self) -> bool {
        self.persistence.appendonly || !self.persistence.save.is_empty()
    }

    fn rendered(&self, extension: &str) -> PathBuf {
        format!("/etc/redis-harden/redis/{}.{extension}", self.redis.name).into()
    }

    /// `PREFIXredis`, or `PREFIXredis-NAME`.
    fn named(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.suffixed(self.user()))
    }

    fn suffixed(&self, stem: &str) -> String {
        match self.is_default() {
            true => stem.to_owned(),
            false => format!("{stem}-{}", self.redis.name),
        }
    }

    fn or(&self, given: &Auto<PathBuf>, auto: impl FnOnce() -> String) -> PathBuf {
        match given {
            Auto::Value(path) => path.clone(),
            Auto::Auto => auto().into(),
        }
    }
}

/// An IPv4 address may be written as IPv6.
fn loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policies;

    fn policy(text: &str) -> Policy {
        let policies = Policies::parse("test.toml", text).unwrap_or_else(|e| panic!("{e}"));
        policies.only_one().unwrap().clone()
    }

    #[test]
    fn the_default_instance_is_debians() {
        let policy = policy("");
        let places = [
            policy.data_dir(),
            policy.run_dir(),
            policy.state_dir(),
            policy.unix_socket(),
            policy.pid_file(),
            policy.log_file().unwrap(),
            policy.config_file(),
            policy.acl_file(),
            policy.settings_file(),
            policy.drop_in_dir(),
            policy.secret_file(&Name::admin()),
        ];
        let expected = [
            "/var/lib/redis",
            "/run/redis",
            "/run/redis-harden-default",
            "/run/redis/redis-server.sock",
            "/run/redis/redis-server.pid",
            "/var/log/redis/redis-server.log",
            "/etc/redis-harden/redis/default.conf",
            "/etc/redis-harden/redis/default.acl",
            "/etc/redis-harden/redis/default.toml",
            "/etc/systemd/system/redis-server.service.d",
            "/etc/redis-harden/secrets/admin",
        ];
        assert_eq!(places, expected.map(PathBuf::from));
    }

    #[test]
    fn a_named_instance_of_valkey_has_places_of_its_own() {
        let policy = policy("[redis]\nname = \"jobs\"\nflavour = \"valkey\"\n");
        let places = [
            policy.data_dir(),
            policy.unix_socket(),
            policy.log_file().unwrap(),
            policy.drop_in_dir(),
            policy.secret_file(&Name::agent()),
        ];
        let expected = [
            "/var/lib/valkey-jobs",
            "/run/valkey-jobs/valkey-server.sock",
            "/var/log/valkey/valkey-server-jobs.log",
            "/etc/systemd/system/valkey-server@jobs.service.d",
            "/etc/redis-harden/secrets/jobs.agent",
        ];
        assert_eq!(places, expected.map(PathBuf::from));
    }

    #[test]
    fn only_an_address_of_the_loopback_stays_on_the_loopback() {
        let cases = [
            ("\"127.0.0.1\", \"-::1\"", false),
            ("\"127.8.0.1\", \"::ffff:127.0.0.1\"", false),
            ("\"127.0.0.1\", \"10.0.0.1\"", true),
            ("\"*\"", true),
            ("\"-::*\"", true),
            ("\"0.0.0.0\"", true),
        ];
        for (bind, beyond) in cases {
            let policy = policy(&format!("[redis]\nbind = [{bind}]\n"));
            assert_eq!(policy.listens_beyond_loopback(), beyond, "{bind}");
        }
        assert!(!policy("[redis]\nport = 0\nbind = [\"*\"]\n").listens_beyond_loopback());
    }

    #[test]
    fn open_files_follow_maxclients() {
        let few = policy("");
        assert_eq!((few.nofile_needed(), few.nofile_wanted()), (10_032, 65_535));
        let many = policy("[redis]\nmaxclients = 100000\n");
        assert_eq!(
            (many.nofile_needed(), many.nofile_wanted()),
            (100_032, 100_128)
        );
        let own = policy("[limits]\nnofile = 20000\n");
        assert_eq!(own.nofile_wanted(), 20_000);
    }

    #[test]
    fn admin_and_agent_always_exist_with_their_roles() {
        let policy = policy("[acl.agent]\nrole = \"read-only\"\ngroup = \"monitoring\"\n");
        let users = policy.acl_users();
        let agent = users.get(&Name::agent()).unwrap();
        assert_eq!(
            (agent.role, agent.group.as_deref()),
            (Some(Role::Agent), Some("monitoring"))
        );
        assert!(users.contains_key(&Name::admin()));
    }
}
