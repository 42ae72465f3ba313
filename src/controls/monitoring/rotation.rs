//! logrotate's stanzas for the logs that the server package's own does not name. Nothing is rotated twice: logrotate refuses that.

use crate::controls::rendered::rendered;
use crate::facts::{Facts, Init};
use crate::policy::{Policies, Policy};
use crate::rule::Rule;
use std::path::Path;

/// Where they are.
pub(super) const FILE: &str = "/etc/logrotate.d/redis-harden";

/// What the file must be: absent where the package's stanza does for all.
pub(super) fn rule(policies: &Policies, facts: &Facts) -> Rule {
    let mut stanzas: Vec<String> = policies.instances.iter().filter_map(servers).collect();
    // One that has no log file is in the foreground of a container, whose engine keeps what it says.
    let is_detached = |p: &Policy| p.log_file().is_some();
    if facts.init != Init::Systemd && policies.instances.iter().any(is_detached) {
        stanzas.push(SUPERVISORS.to_owned());
    }
    match stanzas.is_empty() {
        true => Rule::Absent,
        false => rendered(facts, "root", 0o644, format!("{HEAD}{}", stanzas.join(""))),
    }
}

const HEAD: &str =
    "# Rendered by redis-harden from the policy; a change here is undone by the next apply.\n";

/// A detached supervisor keeps its log open, for appending; systemd's writes to the journal.
const SUPERVISORS: &str = "/var/log/redis-harden/*.log {
\tweekly
\tmissingok
\trotate 4
\tcompress
\tnotifempty
\tcopytruncate
}
";

/// As the server's user: in a directory of another's root would rename what that user has put there.
/// Redis opens its log for each line (src/server.c, serverLogRaw), and makes a new one by itself.
fn servers(policy: &Policy) -> Option<String> {
    let log = policy.log_file()?;
    if is_the_packages(policy, &log) {
        return None;
    }
    Some(format!(
        "\"{log}\" {{\n\tsu {user} {group}\n\tweekly\n\tmissingok\n\trotate 12\n\tcompress\n\tdelaycompress\n\tnotifempty\n}}\n",
        log = log.display(),
        user = policy.user(),
        group = policy.group(),
    ))
}

/// Whether Debian's stanza names it: `/var/log/redis/redis-server*.log`.
fn is_the_packages(policy: &Policy, log: &Path) -> bool {
    let directory = Path::new("/var/log").join(policy.user());
    let name = log.file_name().and_then(|name| name.to_str());
    let named = |name: &str| name.starts_with(policy.package()) && name.ends_with(".log");
    log.parent() == Some(&directory) && name.is_some_and(named)
}
