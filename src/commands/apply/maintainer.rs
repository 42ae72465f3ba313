//! What an apply may do when a package's maintainer script calls it: dpkg holds its lock, the administrator's policy-rc.d has the
//! say over services, and a server that somebody uses is neither restarted nor cut off by an installation.

use crate::control::Phase;
use crate::facts::{Facts, Instance, View};
use crate::host::{Host, HostResult, Run as Command};
use crate::policy::Policies;
use crate::redis::takeover::holds_keys;

/// Whether dpkg runs us.
pub(super) fn calls() -> bool {
    std::env::var_os("DPKG_MAINTSCRIPT_NAME").is_some()
}

/// Takes the phases away that are not a maintainer script's to go through.
pub(super) fn restrict(
    host: &Host,
    policies: &Policies,
    facts: &Facts,
    phases: &mut Vec<Phase>,
    say: &mut dyn FnMut(&str),
) -> HostResult<()> {
    phases.retain(|p| !matches!(p, Phase::Tools | Phase::Package));
    if !phases.contains(&Phase::Service) {
        return Ok(());
    }
    if let Some(denial) = denial(host, policies)? {
        say(&denial);
        phases.retain(|p| !matches!(p, Phase::Service | Phase::Live));
    }
    for known in facts.instances.values() {
        let Some(use_of_it) = in_use(&known.view) else {
            continue;
        };
        let name = &known.policy.redis.name;
        match is_ours(known) {
            true => phases.retain(|p| *p != Phase::Service),
            // Its next start, its clients' way to it and its files stay what they are until somebody asks.
            false => {
                say(&format!(
                    "restart pending: {name} {use_of_it}, and stays as it is until redis-harden apply"
                ));
                phases.retain(|p| {
                    use Phase::{Account, Kernel, KernelAtBoot};
                    matches!(p, Kernel | KernelAtBoot | Account)
                });
            }
        }
    }
    Ok(())
}

/// Whether a supervisor of ours runs it, as far as can be told.
fn is_ours(known: &Instance) -> bool {
    known.report.is_some() || known.report_error.is_some()
}

/// How a running server is used; `None` for one that is empty and alone, or not there.
fn in_use(view: &View) -> Option<String> {
    let told = match view {
        View::NotRunning => return None,
        View::Silent(why) => return Some(format!("tells nothing ({why})")),
        View::Told(told) => told,
    };
    if holds_keys(told) {
        return Some("holds data".into());
    }
    let clients = told.info.get("connected_clients");
    match clients.and_then(|n| n.parse::<u32>().ok()) {
        // The one is us.
        Some(0 | 1) => None,
        Some(n) => Some(format!("has clients ({})", n - 1)),
        None => Some("does not tell its clients".into()),
    }
}

/// Whether the admin's policy-rc.d lets a package start our services, asked as deb-systemd-invoke(1p) does: 0 and 104 allow it.
fn denial(host: &Host, policies: &Policies) -> HostResult<Option<String>> {
    const PROGRAM: &str = "/usr/sbin/policy-rc.d";
    if host.find_program("policy-rc.d").is_none() {
        return Ok(None);
    }
    for policy in &policies.instances {
        let unit = policy.unit();
        let output = host.run(&Command::new("policy-rc.d").args(&[&unit, "start"]))?;
        match output.code {
            Some(0 | 104) => {}
            Some(101) => return Ok(Some(format!("not starting {unit}: {PROGRAM} denies it"))),
            other => {
                let code = other.map_or("no code".to_owned(), |code| code.to_string());
                return Ok(Some(format!(
                    "not starting {unit}: {PROGRAM} answered {code}, which is neither a yes nor a no"
                )));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test builds its own root")]
mod tests {
    use super::*;
    use crate::redis::Told;

    /// A fake host whose policy-rc.d exits with this code; without one for `None`.
    fn denied(code: Option<u8>) -> Option<String> {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a directory");
        let program = root.path().join("usr/sbin/policy-rc.d");
        std::fs::create_dir_all(root.path().join("usr/sbin")).expect("made");
        if let Some(code) = code {
            let script = format!("#!/bin/sh\n[ \"$2\" = start ] || exit 0\nexit {code}\n");
            std::fs::write(&program, script).expect("written");
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&program, mode).expect("set");
        }
        let host = Host::at(root.path(), crate::host::Reach::Running).expect("a host");
        let policies = Policies::builtin("production").expect("the policy");
        denial(&host, &policies).expect("an answer")
    }

    #[test]
    fn a_policy_rc_d_that_denies_keeps_the_service_down() {
        for (code, denies) in [
            (None, false),
            (Some(0), false),
            (Some(104), false),
            (Some(101), true),
            (Some(100), true),
        ] {
            let said = denied(code);
            assert_eq!(said.is_some(), denies, "{code:?}: {said:?}");
        }
    }

    #[test]
    fn a_server_that_holds_something_or_has_somebody_is_in_use() {
        let told = |fields: &[(&str, &str)]| {
            let info = fields.iter().map(|(k, v)| ((*k).into(), (*v).into()));
            View::Told(Box::new(Told {
                info: info.collect(),
                ..Told::default()
            }))
        };
        // INFO of Redis 7.0.
        let keys = ("db0", "keys=1,expires=0,avg_ttl=0");
        for (view, used) in [
            (View::NotRunning, false),
            (View::Silent("NOAUTH".into()), true),
            (told(&[("connected_clients", "1")]), false),
            (told(&[("connected_clients", "2")]), true),
            (told(&[("connected_clients", "1"), keys]), true),
            (told(&[]), true),
        ] {
            assert_eq!(in_use(&view).is_some(), used, "{view:?}");
        }
    }
}
