//! What an apply and its rollback may leave on a disk, each with its reason.

use super::tree::{Allowed, Tree, What, paths_of_new_packages};

/// What an apply and its rollback may leave behind, beside the files of the packages that apply installed.
const LEFT_BEHIND: &[Allowed] = &[
    allow(
        "/var/log/**",
        What::Anything,
        "logs are the record of what happened",
    ),
    allow(
        "/var/lib/redis",
        What::Creation,
        "the package's postinst makes it",
    ),
    allow(
        "/var/lib/redis/**",
        What::Creation,
        "Redis's data is never removed",
    ),
    allow(
        "/var/lib/redis-harden",
        What::Creation,
        "the journal stays, so that history can show the run",
    ),
    allow(
        "/var/lib/redis-harden/**",
        What::Creation,
        "the journal stays, so that history can show the run",
    ),
    allow(
        "/var/lib/dpkg/**",
        What::Anything,
        "the package database knows the new packages",
    ),
    allow(
        "/var/lib/apt/**",
        What::Anything,
        "apt-get update and install",
    ),
    allow(
        "/var/cache/**",
        What::Anything,
        "caches of apt, debconf, ldconfig",
    ),
    allow(
        "/etc/ld.so.cache",
        What::Anything,
        "ldconfig, for the new packages' libraries",
    ),
    allow(
        "/etc/alternatives/**",
        What::Creation,
        "the new packages' alternatives",
    ),
    allow(
        "/var/lib/systemd/deb-systemd-helper-*/**",
        What::Creation,
        "what the package's own postinst enabled",
    ),
    allow(
        "/var/lib/systemd/deb-systemd-helper-*",
        What::Creation,
        "what the package's own postinst enabled",
    ),
    allow(
        "/etc/rc?.d/*redis-server",
        What::Creation,
        "the package's own init script",
    ),
    allow(
        "/etc/passwd",
        What::LinesWith("redis"),
        "the package's own user owns the data",
    ),
    allow(
        "/etc/group",
        What::LinesWith("redis"),
        "the package's own group owns the data",
    ),
    allow(
        "/etc/shadow",
        What::LinesWith("redis"),
        "the package's own user owns the data",
    ),
    allow(
        "/etc/gshadow",
        What::LinesWith("redis"),
        "the package's own group owns the data",
    ),
    allow(
        "/etc/{passwd,group,shadow,gshadow}-",
        What::Anything,
        "the backup that adduser keeps of the file before",
    ),
    allow(
        "/etc/.pwd.lock",
        What::Creation,
        "the lock of the account tools",
    ),
    allow(
        "/var/lib/systemd/{random-seed,timers/*}",
        What::Anything,
        "systemd's own clockwork",
    ),
    allow("/root/.rediscli_history", What::Creation, "redis-cli's own"),
];

/// A difference that may be there, and why.
pub const fn allow(glob: &'static str, what: What, because: &'static str) -> Allowed {
    Allowed {
        glob,
        what,
        because,
    }
}

/// Every difference from `before` that nothing explains; `read` gives the text of a file of that disk.
pub fn left_behind(before: &Tree, after: &Tree, read: impl Fn(&str) -> String) -> Vec<String> {
    let packages = paths_of_new_packages(before, after, read);
    before.unexplained(after, LEFT_BEHIND, &packages)
}
