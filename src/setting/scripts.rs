//! Other programs that write kernel values after sysctl.d has: ufw, and scripts that run when an interface comes up or at boot.

use super::Reading;
use crate::host::{Host, HostResult};
use crate::value::Value;
use std::path::{Path, PathBuf};

/// ufw writes it when it starts. Source: ufw(8), IPT_SYSCTL in /etc/default/ufw.
const UFW: &str = "/etc/ufw/sysctl.conf";
const UFW_SETTINGS: &str = "/etc/ufw/ufw.conf";

/// A script of an administrator's, run late at boot.
const RC_LOCAL: &str = "/etc/rc.local";

/// Scripts that run when an interface comes up. Source: interfaces(5), NetworkManager-dispatcher(8), networkd-dispatcher(8).
const WHEN_UP: [&str; 3] = [
    "/etc/network/if-up.d",
    "/etc/NetworkManager/dispatcher.d",
    "/etc/networkd-dispatcher/routable.d",
];

/// `FILE:KEY` for each file that names one of the sysctls. Words, or nothing.
pub fn read(host: &Host, keys: &[String]) -> Reading {
    match naming(host, keys) {
        Ok(found) if found.is_empty() => Reading::Absent,
        Ok(found) => Reading::Value(Value::Words(found), None),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn naming(host: &Host, keys: &[String]) -> HostResult<Vec<String>> {
    let mut found = Vec::new();
    for path in files(host)? {
        let text = host.read_text(&path)?.unwrap_or_default();
        let named = keys.iter().filter(|key| names(&text, key));
        found.extend(named.map(|key| format!("{}:{key}", path.display())));
    }
    Ok(found)
}

fn files(host: &Host) -> HostResult<Vec<PathBuf>> {
    let mut files = vec![PathBuf::from(RC_LOCAL)];
    let ufw = host.read_text(Path::new(UFW_SETTINGS))?.unwrap_or_default();
    if ufw.lines().any(|line| line.trim() == "ENABLED=yes") {
        files.push(UFW.into());
    }
    for dir in WHEN_UP.map(Path::new) {
        files.extend(host.list(dir)?.iter().map(|name| dir.join(name)));
    }
    Ok(files)
}

/// With dots or slashes, outside of comments.
fn names(text: &str, key: &str) -> bool {
    let slashed = key.replace('.', "/");
    let mut lines = text.lines().filter(|l| !l.trim_start().starts_with('#'));
    lines.any(|line| line.contains(key) || line.contains(&slashed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_names_nothing() {
        let key = "net.core.somaxconn";
        assert!(names("sysctl -w net.core.somaxconn=128\n", key));
        assert!(names("echo 128 > /proc/sys/net/core/somaxconn\n", key));
        assert!(!names("# net.core.somaxconn=128\n", key));
    }
}
