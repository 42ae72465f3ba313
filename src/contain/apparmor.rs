//! AppArmor: the profile that the Debian package brings, which instances find all that they need in it, and which profile a process is
//! in. AppArmor's own programs are not asked. Source: apparmor(7), `aa_getprocattr` in security/apparmor/procattr.c.

use crate::facts::Facts;
use crate::host::{Host, HostError, HostResult};
use crate::policy::Policy;
use crate::redis::config;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// What the unit asks for. The dash: where the profile is not loaded, or may not be taken, Redis starts without, and
/// account.process-apparmor tells. Where AppArmor is off systemd does not look at it. Source: systemd.exec(5).
const ASKED_FOR: &str = "AppArmorProfile=-redis-harden\n";

/// Where a rendered configuration may have its paths, as `packaging/debian/apparmor/redis-harden` has them.
const PLACES: [&str; 15] = [
    "/etc/redis-harden/redis/",
    "/etc/redis-harden/tls/",
    "/etc/redis/",
    "/etc/valkey/",
    "/etc/ssl/certs/",
    "/var/lib/redis/",
    "/var/lib/redis-",
    "/var/lib/valkey/",
    "/var/lib/valkey-",
    "/var/log/redis/",
    "/var/log/valkey/",
    "/run/redis/",
    "/run/redis-",
    "/run/valkey/",
    "/run/valkey-",
];

/// `Y` where this kernel has AppArmor, and it is on.
const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";

/// What holds for a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confinement {
    /// `enforce`, `complain`, `kill`, or `unconfined`.
    pub mode: String,
    /// The profile; `None` for an unconfined process.
    pub profile: Option<String>,
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.profile {
            Some(profile) => write!(f, "{} (profile {profile})", self.mode),
            None => f.write_str(&self.mode),
        }
    }
}

/// The lines of the unit's drop-in.
pub fn lines(policy: &Policy, facts: &Facts) -> &'static str {
    match outside(policy, &facts.linked) {
        Some(_) => "",
        None => ASKED_FOR,
    }
}

/// The first path of an instance's configuration that the profile does not have, itself or what a link makes of it: under the profile the
/// server would not start.
pub fn outside(policy: &Policy, linked: &BTreeSet<PathBuf>) -> Option<String> {
    let all = config::directives(policy, 0, None).into_iter();
    // A line that Redis cannot read is none that it starts on.
    let mut words = all.flat_map(|(_, value)| config::split(&value).unwrap_or_default());
    let leads_elsewhere = |path: &str| linked.iter().any(|dir| Path::new(path).starts_with(dir));
    words.find(|word| word.starts_with('/') && (!is_inside(word) || leads_elsewhere(word)))
}

/// What holds for a process; `None` where AppArmor is off. An error where there is no such process.
pub fn of(host: &Host, pid: i32) -> HostResult<Option<Confinement>> {
    let on = host.read_text(Path::new(ENABLED))?;
    if on.is_none_or(|on| on.trim() != "Y") {
        return Ok(None);
    }
    let path = format!("/proc/{pid}/attr/apparmor/current");
    match host.read_text(Path::new(&path))? {
        Some(label) => Ok(Some(parse(&label))),
        None => Err(HostError::refused(
            format!("reading {path}"),
            "it is not there",
        )),
    }
}

fn is_inside(path: &str) -> bool {
    let climbs = path.split('/').any(|part| part == "..");
    let as_directory = format!("{path}/");
    !climbs && PLACES.iter().any(|place| as_directory.starts_with(place))
}

/// `redis-harden (enforce)`, `unconfined`, or with the profiles of the hosts around a container: `lxc//&redis-harden (enforce)`.
fn parse(label: &str) -> Confinement {
    let label = label.trim_end_matches('\0').trim();
    match label.strip_suffix(')').and_then(|l| l.rsplit_once(" (")) {
        Some((profile, mode)) => Confinement {
            mode: mode.to_owned(),
            profile: Some(profile.to_owned()),
        },
        None => Confinement {
            mode: label.to_owned(),
            profile: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policies;

    fn outside_of(text: &str) -> Option<String> {
        outside_where(text, &[])
    }

    fn outside_where(text: &str, linked: &[&str]) -> Option<String> {
        let policies = Policies::parse("test.toml", text).expect("a policy");
        let linked = linked.iter().map(PathBuf::from).collect();
        outside(policies.instances.first().expect("an instance"), &linked)
    }

    #[test]
    fn what_the_policy_puts_elsewhere_is_named() {
        let tls = "[tls]\nenabled = true\n";
        for fits in [
            "",
            tls,
            "[redis]\nflavour = \"valkey\"\n",
            "[redis]\ndata-dir = \"/var/lib/redis/a\"\n",
        ] {
            assert_eq!(outside_of(fits), None, "{fits}");
        }
        let data = outside_of("[redis]\ndata-dir = \"/srv/redis\"\n");
        assert_eq!(data.as_deref(), Some("/srv/redis"));
        let moved = outside_where("", &["/var/lib/redis"]);
        assert_eq!(moved.as_deref(), Some("/var/lib/redis"));
        let pair = "[tls]\nenabled = true\ncert = \"/srv/c.pem\"\nkey = \"/srv/k.pem\"\n";
        assert_eq!(outside_of(pair).as_deref(), Some("/srv/c.pem"));
        assert!(
            is_inside("/var/lib/redis")
                && !is_inside("/var/lib/redis/../x")
                && !is_inside("/var/lib/redisx")
        );
    }

    #[test]
    fn the_profile_has_what_is_said_to_be_in_it() {
        let profile = include_str!("../../packaging/debian/apparmor/redis-harden");
        for rule in [
            "\n  /etc/redis-harden/redis/** r,\n",
            "\n  /etc/redis-harden/tls/** r,\n",
            "\n  /etc/{redis,valkey}/** r,\n",
            "\n  include <abstractions/ssl_certs>\n",
            "\n  /var/lib/{redis,valkey}{,-*}/** rwkl,\n",
            "\n  /var/log/{redis,valkey}/** rw,\n",
            "\n  /run/{redis,valkey}{,-*}/** rwk,\n",
        ] {
            assert!(profile.contains(rule), "{rule}");
        }
    }

    #[test]
    fn a_label_is_a_profile_and_its_mode() {
        for (label, mode, profile) in [
            ("redis-harden (enforce)\n", "enforce", Some("redis-harden")),
            (
                "lxc-1 (x)//&redis-harden (complain)\n",
                "complain",
                Some("lxc-1 (x)//&redis-harden"),
            ),
            ("unconfined\n\0", "unconfined", None),
        ] {
            let found = parse(label);
            assert_eq!(
                (found.mode.as_str(), found.profile.as_deref()),
                (mode, profile)
            );
        }
    }
}
