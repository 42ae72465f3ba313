//! The rendered service file of one instance: what root's apply decided, and all that the supervisor knows.
//! It is never a policy: nothing is worked out or defaulted here.

use crate::contain::plan::Contain;
use crate::host::{Host, HostError, HostResult};
use crate::policy::scalar::{Duration, HangTimeout, Name};
use crate::policy::{DataLoss, Scheduling};
use crate::redis::{acl, live};
use crate::setting::tls::pair::Files;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// `/etc/redis-harden/redis/NAME.toml`, root:redis 0640.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The instance's name.
    pub instance: Name,
    /// The program, `redis-server` or `valkey-server`.
    pub server: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Its ACL file; part of the generation.
    pub acl_file: PathBuf,
    /// The file with the probe's password: read by root, or by systemd's `LoadCredential=agent:`.
    pub agent_secret: PathBuf,
    /// Who it runs as.
    pub user: String,
    /// Its only group.
    pub group: String,
    /// Where the probe reaches it first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix_socket: Option<PathBuf>,
    /// TCP port; 0 is none.
    pub port: u16,
    /// Where the probe reaches it when there is no unix socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Redis's own log file, whose end explains a failed start; none when it logs to standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_file: Option<PathBuf>,
    /// The supervisor's state, `/run/redis-harden-NAME`.
    pub state_dir: PathBuf,
    /// The socket's directory.
    pub run_dir: PathBuf,
    /// Redis's data, and the lock.
    pub data_dir: PathBuf,
    /// Open files that are wanted.
    pub nofile: u64,
    /// Clients that it must serve.
    pub maxclients: u64,
    /// How long a start may stay without any answer; loading counts as an answer.
    pub start_timeout: Duration,
    /// How long a requested stop may take before SIGKILL.
    pub stop_timeout: Duration,
    /// First delay of the back-off.
    pub backoff: Duration,
    /// Longest delay of the back-off.
    pub backoff_max: Duration,
    /// Time ready after which the back-off starts over.
    pub backoff_reset: Duration,
    /// How long one may stay silent while it works; one that does nothing is replaced at once. A file of an earlier version has none.
    #[serde(default)]
    pub hang_timeout: HangTimeout,
    /// Whether a stop may lose what was not saved.
    #[serde(default)]
    pub data_loss_on_stop: DataLoss,
    /// Its share of processors and disks, where no unit of systemd's gives it.
    #[serde(default, skip_serializing_if = "Scheduling::is_default")]
    pub scheduling: Scheduling,
    /// Whether it and its supervisor have a process namespace of their own, where root or systemd can give one.
    #[serde(default, skip_serializing_if = "is_off")]
    pub pid_namespace: bool,
    /// Digest of the unit's drop-in, or empty: a change of it is a new generation.
    pub unit_sha256: String,
    /// The certificate that the supervisor has the server read when it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Files>,
    /// What widens the sandbox; without it the server has its own files and its own port.
    #[serde(default, skip_serializing_if = "Contain::is_default")]
    pub contain: Contain,
}

/// What a running supervisor takes from the file; the server takes its clients by CONFIG SET.
const LIVE: [&str; 11] = [
    "maxclients",
    "start-timeout",
    "stop-timeout",
    "backoff",
    "backoff-max",
    "backoff-reset",
    "hang-timeout",
    "data-loss-on-stop",
    "tls-cert",
    "tls-key",
    "tls-ca",
];

impl Settings {
    /// These, with what a running supervisor takes from newer ones.
    pub(crate) fn adopting(&self, newer: &Settings) -> Settings {
        Settings {
            maxclients: newer.maxclients,
            start_timeout: newer.start_timeout,
            stop_timeout: newer.stop_timeout,
            backoff: newer.backoff,
            backoff_max: newer.backoff_max,
            backoff_reset: newer.backoff_reset,
            hang_timeout: newer.hang_timeout,
            data_loss_on_stop: newer.data_loss_on_stop,
            certificate: newer.certificate.clone(),
            ..self.clone()
        }
    }

    /// The file's text.
    ///
    /// # Panics
    /// When a path is not UTF-8: paths come from a policy, which is text.
    pub fn render(&self) -> String {
        let body = toml::to_string(self)
            .expect("a flat table of texts and numbers, whose paths came from UTF-8, is TOML");
        format!("# Rendered by redis-harden apply; edits are overwritten.\n{body}")
    }

    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Settings, String> {
        toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())
    }

    /// Reads the file, which nobody but root may be able to write: it names a program to run. Where no root is, in a container that
    /// somebody else starts, the caller's own is as good: it can give the caller no rights that it does not have.
    pub fn load(host: &Host, path: &Path) -> HostResult<Option<Settings>> {
        let Some(stat) = host.stat(path)? else {
            return Ok(None);
        };
        let doing = || format!("reading {}", path.display());
        if (stat.uid != 0 && stat.uid != host.euid()) || stat.mode & 0o022 != 0 {
            let cause = "it is not root's, or others can write it (run `redis-harden apply`)";
            return Err(HostError::refused(doing(), cause));
        }
        let Some(text) = host.read_text(path)? else {
            return Ok(None);
        };
        let parsed = Settings::parse(&text).map_err(|e| HostError::refused(doing(), e))?;
        Ok(Some(parsed))
    }

    /// The server's name as the kernel shows it, cut like the kernel cuts it.
    pub(crate) fn server_comm(&self) -> String {
        let name = self.server.file_name().unwrap_or_default();
        name.to_string_lossy().chars().take(15).collect()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_off(flag: &bool) -> bool {
    !flag
}

/// What only a start reads, in hexadecimal SHA-256: equal means that no restart is needed. Of redis.conf the directives that a running
/// server does not take, of the users the one that the supervisor logs in as, of the settings those that a running supervisor does not.
pub fn generation(conf: &[u8], acl: &[u8], settings: &[u8]) -> String {
    let [conf, acl, settings] = [conf, acl, settings].map(String::from_utf8_lossy);
    let agent = Name::agent();
    let ours = |line: &&str| live::name_of(line) == agent.as_str();
    let kept = |line: &&str| {
        let key = line.split(' ').next().unwrap_or_default();
        !LIVE.contains(&key)
    };
    let mut hash = Sha256::new();
    for part in [
        live::read_at_start(&conf).collect::<Vec<_>>().join("\n"),
        acl.lines()
            .filter(ours)
            .map(to_log_in)
            .collect::<Vec<_>>()
            .join("\n"),
        settings.lines().filter(kept).collect::<Vec<_>>().join("\n"),
    ] {
        // The length first, so that bytes cannot move from one file to the next unnoticed.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// A user's line with the first of its passwords alone: the others are former ones, which nothing is started with.
fn to_log_in(line: &str) -> String {
    let first = line.split(' ').find_map(|word| word.strip_prefix('#'));
    let first: Vec<String> = first.map(str::to_owned).into_iter().collect();
    acl::with_passwords(line, &first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Settings {
        Settings {
            instance: Name::default_instance(),
            server: "/usr/bin/redis-server".into(),
            config: "/etc/redis-harden/redis/default.conf".into(),
            acl_file: "/etc/redis-harden/redis/default.acl".into(),
            agent_secret: "/etc/redis-harden/secrets/agent".into(),
            user: "redis".into(),
            group: "redis".into(),
            unix_socket: Some("/run/redis/redis-server.sock".into()),
            port: 6379,
            address: None,
            log_file: None,
            state_dir: "/run/redis-harden-default".into(),
            run_dir: "/run/redis".into(),
            data_dir: "/var/lib/redis".into(),
            nofile: 65535,
            maxclients: 10000,
            start_timeout: Duration::seconds(300),
            stop_timeout: Duration::seconds(120),
            backoff: Duration::millis(100),
            backoff_max: Duration::seconds(30),
            backoff_reset: Duration::seconds(60),
            hang_timeout: HangTimeout::After(Duration::seconds(300)),
            data_loss_on_stop: DataLoss::Deny,
            scheduling: Scheduling::default(),
            pid_namespace: false,
            unit_sha256: String::new(),
            certificate: None,
            contain: Contain::default(),
        }
    }

    #[test]
    fn what_is_rendered_reads_back_the_same() {
        let without_socket = Settings {
            unix_socket: None,
            address: Some("::1".parse().unwrap()),
            log_file: Some("/var/log/redis/redis-server.log".into()),
            certificate: Some(Files {
                cert: "/etc/tls/tls.crt".into(),
                key: "/etc/tls/tls.key".into(),
                ca: "/etc/tls/ca.crt".into(),
            }),
            contain: Contain {
                listen: vec![16379],
                read: vec!["/etc/tls".into()],
                ..Contain::default()
            },
            ..example()
        };
        for settings in [example(), without_socket] {
            assert_eq!(Settings::parse(&settings.render()), Ok(settings));
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = format!("{}turbo = true\n", example().render());
        assert!(Settings::parse(&text).unwrap_err().contains("turbo"));
    }

    #[test]
    fn bytes_that_move_between_files_change_the_generation() {
        let one = generation(b"dir /a\ndir /b\n", b"", b"c");
        assert_eq!(one.len(), 64);
        assert_ne!(one, generation(b"dir /a\n", b"", b"dir /b\nc"));
        assert_eq!(one, generation(b"dir /a\ndir /b\n", b"", b"c"));
    }

    #[test]
    fn what_a_running_server_takes_is_no_new_generation() {
        let agent = "user agent on #aa -@all +ping\n";
        let of = |conf: &str, acl: &str, settings: &str| {
            generation(conf.as_bytes(), acl.as_bytes(), settings.as_bytes())
        };
        let one = of(
            "dir /a\nmaxclients 10\n",
            agent,
            "nofile = 1\nmaxclients = 10\n",
        );
        let other = format!("{agent}user app on #bb ~* +@all\n");
        assert_eq!(
            one,
            of(
                "dir /a\nmaxclients 20\ntimeout 3\n",
                &other,
                "nofile = 1\nmaxclients = 20\n"
            )
        );
        assert_ne!(one, of("dir /b\n", agent, "nofile = 1\n"));
        assert_ne!(
            one,
            of(
                "dir /a\n",
                "user agent on #cc -@all +ping\n",
                "nofile = 1\n"
            )
        );
        assert_ne!(one, of("dir /a\n", agent, "nofile = 2\n"));
    }
}
