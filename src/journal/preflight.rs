//! What is about to be written is tried first, where it can be: a configuration by a server that starts on it, a table by nft's own check.
//! What fails here has changed nothing.

use super::units;
use crate::control::Phase;
use crate::facts::View;
use crate::host::{HostError, HostResult};
use crate::plan::{Change, is_ready};
use crate::policy::{Install, Policy};
use crate::redis::{acl, rehearsal};
use crate::setting::effective::faults_of_policy;
use crate::setting::secret::hex;
use crate::setting::tls::pair::{self, Files};
use crate::setting::{Reading, Setting, Sight, firewall};
use crate::value::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

/// What has been tried in this run, by its digest.
#[derive(Debug, Default)]
pub struct Preflight {
    tried: BTreeSet<String>,
}

impl Preflight {
    /// Tries what these changes would put in place, unless it has been.
    /// What is to come in these phases. Where no server is started, as at boot, a certificate may come later than the configuration.
    pub fn check(&mut self, sight: Sight, changes: &[Change], phases: &[Phase]) -> HostResult<()> {
        let ready: Vec<&Change> = changes.iter().filter(|c| is_ready(c)).collect();
        for known in sight.facts.instances.values() {
            // A server that tells nothing is refused for that, with its own words.
            if !matches!(known.view, View::Silent(_)) {
                if let Some(why) = no_certificate(sight, &known.policy) {
                    match phases.contains(&Phase::Service) && writes(changes, &known.policy) {
                        true => return Err(why),
                        false => continue,
                    }
                }
                self.configuration(sight, &known.policy, &ready)?;
            }
        }
        units::verify(sight, &ready)?;
        for change in ready {
            if let (Setting::Firewall, Value::Firewall(table)) = (&change.setting, &change.target)
                && self.tried.insert(table.render())
            {
                firewall::try_out(sight.host, table)?;
            }
        }
        Ok(())
    }

    fn configuration(
        &mut self,
        sight: Sight,
        policy: &Policy,
        changes: &[&Change],
    ) -> HostResult<()> {
        let (conf, users) = (policy.config_file(), policy.acl_file());
        let new = |path: &Path| {
            changes.iter().find_map(|c| match (&c.setting, &c.target) {
                (Setting::File(file), Value::File(value)) if file == path => {
                    Some(String::from_utf8_lossy(&value.content).into_owned())
                }
                _ => None,
            })
        };
        let (new_conf, new_users) = (new(&conf), new(&users));
        if new_conf.is_none() && new_users.is_none() {
            return Ok(());
        }
        if new_conf.is_some()
            && let Some(fault) = faults_of_policy(sight, policy.redis.name.as_str())
        {
            let doing = format!("checking the new configuration of {}", policy.redis.name);
            return Err(HostError::refused(doing, fault));
        }
        let there = |path: &Path| sight.host.read_text(path).map(Option::unwrap_or_default);
        let conf = new_conf.map_or_else(|| there(&conf), Ok)?;
        let users = new_users.map_or_else(|| there(&users), Ok)?;
        // The first apply of all generates passwords later: it comes here again.
        if conf.is_empty() || users.is_empty() || !acl::is_complete(&users) {
            return Ok(());
        }
        let digest = hex(&Sha256::digest(format!(
            "{}\0{conf}\0{users}",
            policy.redis.name
        )));
        if self.tried.contains(&digest) {
            return Ok(());
        }
        if !is_installed(sight, policy) {
            return Ok(());
        }
        rehearsal::rehearse(sight.host, sight.facts, policy, &conf, &users)?;
        self.tried.insert(digest);
        Ok(())
    }
}

/// Why no server could start on the files of `[tls]`, in better words than OpenSSL has for a file that is missing.
/// What cannot be judged here, such as a key under a password, the server's own start tells.
fn no_certificate(sight: Sight, policy: &Policy) -> Option<HostError> {
    if !policy.tls.enabled {
        return None;
    }
    let why = pair::wrong(sight.host, &Files::of(policy)).ok()??;
    let doing = format!("checking the new configuration of {}", policy.redis.name);
    let step = pair::step(policy);
    Some(HostError::refused(doing, format!("{why} ({step})")))
}

/// Whether these changes write the server's configuration, now or later in this run.
fn writes(changes: &[Change], policy: &Policy) -> bool {
    let conf = Setting::File(policy.config_file());
    changes.iter().any(|change| change.setting == conf)
}

/// Whether the server is there as it will run: its package may come later in this run.
fn is_installed(sight: Sight, policy: &Policy) -> bool {
    let package = Setting::Package(policy.package().to_owned());
    policy.redis.install == Install::Never || matches!(package.read(sight), Reading::Value(..))
}
