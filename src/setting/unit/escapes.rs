//! What in a unit goes around its own sandbox: commands with more rights than the service, libraries and mounts from elsewhere.

use super::directive::merged;
use crate::value::Value;
use std::path::Path;

/// Commands beside the main one. Source: systemd.service(5).
const COMMANDS: [&str; 8] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
    "ExecStartEx",
];

/// Directives that have no place in this unit whatever they say.
const NEVER: [&str; 9] = [
    "SupplementaryGroups",
    "PassEnvironment",
    "AmbientCapabilities",
    "BindPaths",
    "BindReadOnlyPaths",
    "EnvironmentFile",
    "RootDirectory",
    "RootImage",
    "PermissionsStartOnly",
];

/// Where programs and libraries are that nobody but root writes.
const SYSTEM: [&str; 6] = ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt"];

/// `KEY=WORD` of each, in the unit's texts.
pub fn escapes(texts: &[&str]) -> Vec<String> {
    let words = |key: &str| match merged(texts.iter().copied(), key) {
        Some(Value::Words(words)) => words,
        Some(Value::Text(text)) if !text.is_empty() && text != "no" => vec![text],
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for key in COMMANDS {
        let privileged = |word: &&String| {
            let prefix = word.trim_start_matches(['-', '@', ':']);
            prefix.starts_with(['+', '!'])
        };
        found.extend(
            words(key)
                .iter()
                .filter(privileged)
                .map(|w| format!("{key}={w}")),
        );
    }
    for key in NEVER {
        found.extend(words(key).iter().map(|w| format!("{key}={w}")));
    }
    let loader = |word: &&String| word.trim_matches(['"', '\'']).starts_with("LD_");
    let environment = words("Environment");
    // The value is nobody's business.
    let names = environment
        .iter()
        .filter(loader)
        .map(|w| w.split('=').next().unwrap_or(w));
    found.extend(names.map(|name| format!("Environment={}", name.trim_matches(['"', '\'']))));
    let foreign = |word: &&String| {
        let path = word.trim_start_matches(['-', '+']);
        let below = SYSTEM.iter().any(|dir| Path::new(path).starts_with(dir));
        !below || path.contains("/..")
    };
    found.extend(
        words("ExecPaths")
            .iter()
            .filter(foreign)
            .map(|w| format!("ExecPaths={w}")),
    );
    // Redis saves on these only.
    let signal = words("KillSignal");
    let saving = ["SIGTERM", "SIGINT", "TERM", "INT", "15", "2"];
    let killing = signal.iter().filter(|s| !saving.contains(&s.as_str()));
    found.extend(killing.map(|s| format!("KillSignal={s}")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_around_is_named() {
        for (line, named) in [
            ("ExecStart=+/usr/bin/x", "ExecStart=+/usr/bin/x"),
            ("ExecStartPre=-+/tmp/x.sh", "ExecStartPre=-+/tmp/x.sh"),
            ("ExecStop=!/x", "ExecStop=!/x"),
            ("Environment=LD_PRELOAD=/tmp/x.so", "Environment=LD_PRELOAD"),
            (
                "Environment=\"LD_LIBRARY_PATH=/x\"",
                "Environment=LD_LIBRARY_PATH",
            ),
            ("EnvironmentFile=/etc/x", "EnvironmentFile=/etc/x"),
            (
                "AmbientCapabilities=CAP_SYS_ADMIN",
                "AmbientCapabilities=CAP_SYS_ADMIN",
            ),
            ("BindPaths=/etc", "BindPaths=/etc"),
            ("ExecPaths=/", "ExecPaths=/"),
            ("ExecPaths=/libevil", "ExecPaths=/libevil"),
            ("ExecPaths=/usr/../tmp", "ExecPaths=/usr/../tmp"),
            ("SupplementaryGroups=docker", "SupplementaryGroups=docker"),
            (
                "ExecPaths=/usr/lib /var/lib/redis",
                "ExecPaths=/var/lib/redis",
            ),
            ("KillSignal=SIGKILL", "KillSignal=SIGKILL"),
        ] {
            let text = format!("[Service]\n{line}\n");
            assert_eq!(escapes(&[&text]), [named], "{line}");
        }
        let fine = "[Service]\nExecStart=-/usr/bin/x +1\nEnvironment=TZ=UTC\nKillSignal=SIGTERM\nExecPaths=/usr/lib /lib\n";
        assert_eq!(
            escapes(&[fine]),
            ["ExecStart=+1"],
            "conservative: any word that looks like one"
        );
        assert_eq!(
            escapes(&["[Service]\nBindPaths=/etc\nBindPaths=\n"]),
            [""; 0]
        );
    }
}
