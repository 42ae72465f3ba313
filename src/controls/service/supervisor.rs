//! What the supervisor is told of an instance, and the digest of all that its server is started from.

use super::units;
use crate::contain::plan::Contain;
use crate::facts::{Entrypoint, Facts, Init};
use crate::policy::{Name, Policy, Scheduling};
use crate::redis::{acl, config};
use crate::setting::secret::hex;
use crate::setting::tls::pair::Files;
use crate::supervise::settings::{Settings, generation};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// The digest of all that a server is started from; `None` where it is not rendered.
pub(super) fn wanted_generation(policy: &Policy, facts: &Facts) -> Option<String> {
    let maxmemory = facts.maxmemory.get(policy.redis.name.as_str())?;
    let conf = config::render(policy, *maxmemory, facts.version(policy));
    let users = acl::render(policy, &facts.digests);
    let settings = settings(policy, facts)?;
    Some(generation(
        conf.as_bytes(),
        users.as_bytes(),
        settings.as_bytes(),
    ))
}

/// The rendered settings of the supervisor; not where maxmemory, and with it redis.conf, is the host's own to tell.
pub(super) fn settings(policy: &Policy, facts: &Facts) -> Option<String> {
    supervisor_settings(policy, facts).map(|settings| settings.render())
}

/// The same, as the supervisor reads them.
pub fn supervisor_settings(policy: &Policy, facts: &Facts) -> Option<Settings> {
    facts.maxmemory.get(policy.redis.name.as_str())?;
    let unit = if facts.init == Init::Systemd {
        hex(&Sha256::digest(units::drop_in(policy, facts).as_bytes()))
    } else {
        String::new()
    };
    let service = &policy.service;
    // A runtime may give a number without a name to whoever starts the container.
    let (user, group) = match facts.entrypoint {
        Some(Entrypoint::Own(uid, gid)) => (Some(uid.to_string()), Some(gid.to_string())),
        _ => (None, None),
    };
    Some(Settings {
        instance: policy.redis.name.clone(),
        server: PathBuf::from(format!("/usr/bin/{}", policy.package())),
        config: policy.config_file(),
        acl_file: policy.acl_file(),
        agent_secret: policy.secret_file(&Name::agent()),
        user: user.unwrap_or_else(|| policy.user().to_owned()),
        group: group.unwrap_or_else(|| policy.group().to_owned()),
        unix_socket: Some(policy.unix_socket()),
        port: policy.plain_port(),
        address: None,
        log_file: policy.log_file(),
        state_dir: policy.state_dir(),
        run_dir: policy.run_dir(),
        data_dir: policy.data_dir(),
        nofile: u64::from(policy.nofile_wanted()),
        maxclients: u64::from(policy.redis.maxclients),
        start_timeout: service.start_timeout,
        stop_timeout: service.stop_timeout,
        backoff: service.backoff,
        backoff_max: service.backoff_max,
        backoff_reset: service.backoff_reset,
        hang_timeout: service.hang_timeout,
        data_loss_on_stop: service.data_loss_on_stop,
        scheduling: match facts.init {
            Init::Systemd => Scheduling::default(),
            _ => Scheduling::of(service),
        },
        pid_namespace: policy.service.pid_namespace,
        unit_sha256: unit,
        certificate: policy.is_watched_by_supervisor().then(|| Files::of(policy)),
        contain: Contain::of(policy),
    })
}
