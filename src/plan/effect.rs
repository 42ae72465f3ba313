//! When a change counts, and what it costs: a plan says it beforehand, of each line.

use super::Change;
use crate::audit::{Judged, Status};
use crate::setting::Setting;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// Where what is read at boot only is configured.
const READ_AT_BOOT: [&str; 3] = ["/etc/systemd/system", "/etc/tmpfiles.d", "/etc/sysctl.d"];

/// When a change counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// At once, and nothing is interrupted.
    Live,
    /// When Redis is restarted.
    Restart,
    /// From the next boot on. Until then another line makes it so, where that is possible.
    Reboot,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Effect::Live => "live",
            Effect::Restart => "restart",
            Effect::Reboot => "reboot",
        })
    }
}

/// What is known of the host that the changes are for.
#[derive(Debug)]
pub struct Effects {
    running: bool,
    /// The instances whose server runs on other files, so that only a restart makes it read the ones that are planned.
    restarted: BTreeSet<String>,
}

impl Effects {
    /// By what an audit found. A restart that nobody has asked for yet is what a change waits for all the same.
    pub fn of(judged: &[Judged], running: bool) -> Effects {
        let findings = judged.iter().flat_map(|judged| &judged.findings);
        let failing = findings.filter(|f| f.status == Status::Fail);
        let restarted = failing.filter_map(|finding| match &finding.setting {
            Setting::Service(name) => {
                let target = finding.change.as_ref().map(|(target, _)| target);
                let before = finding.observed.as_ref()?;
                let waits = target.is_some_and(|target| super::is_on_its_way(before, target));
                (!waits).then(|| name.clone())
            }
            _ => None,
        });
        Effects {
            running,
            restarted: restarted.collect(),
        }
    }

    /// Of a change.
    pub fn on(&self, change: &Change) -> Effect {
        let read_at_start = |name: &str| self.restarted.contains(name);
        let of_instance = change.group.name.strip_prefix("redis ");
        match &change.setting {
            _ if !self.running => Effect::Reboot,
            Setting::Service(name) if read_at_start(name) => Effect::Restart,
            Setting::File(_) if of_instance.is_some_and(read_at_start) => Effect::Restart,
            Setting::File(path) if of_instance.is_none() && is_read_at_boot(path) => Effect::Reboot,
            Setting::SysctlAtBoot(_) | Setting::UnitEnabled(_) => Effect::Reboot,
            _ => Effect::Live,
        }
    }
}

fn is_read_at_boot(path: &Path) -> bool {
    READ_AT_BOOT.iter().any(|dir| path.starts_with(dir))
}
