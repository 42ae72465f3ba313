//! Deployment artefacts from a policy: what a container needs of whoever runs it, worked out once, and one writer a format.
//! No secret is in them, only where each is mounted.

mod compose;
mod exporter;
mod kubernetes;

pub use compose::compose;
pub use kubernetes::kubernetes;

use crate::policy::{Auto, Memory, Name, Policy};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The number that the Dockerfile gives to the server's user and group.
const UID: u32 = 999;
/// What a container gets where neither the policy nor the caller says how much.
const USUAL_MEMORY: u64 = 4 << 30;
/// What the supervisor may take after a stop's own time: then the runtime kills it all.
const GRACE: u64 = 30;

/// What the caller may choose.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub image: Option<String>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes.
    pub storage: Option<u64>,
}

/// A container of an instance.
struct Container<'a> {
    policy: &'a Policy,
    image: String,
    /// Bytes: the container's limit, with its own writes to tmpfs in it.
    memory: u64,
    storage: u64,
    /// Of an ACL user whose password is mounted: its name, and where.
    secrets: Vec<(Name, PathBuf)>,
    /// The certificate, its key and the authorities, where it speaks TLS: each mounted.
    tls: BTreeSet<PathBuf>,
    /// What is rendered at the start, and what lives no longer than the container.
    scratch: Vec<PathBuf>,
    /// Until it is killed, in seconds.
    grace: u64,
}

impl<'a> Container<'a> {
    fn of(policy: &'a Policy, choice: &Choice) -> Result<Container<'a>, String> {
        let mut users = policy.acl.iter();
        if let Some((name, _)) = users.find(|(_, user)| user.password_credential.is_some()) {
            return Err(format!(
                "acl.{name} has its password from a systemd credential, which no container engine hands over: give it a password-file, which is mounted"
            ));
        }
        let memory = choice.memory.unwrap_or_else(|| memory(policy));
        let log = policy.log_file();
        let rendered = ["redis", "secrets"].map(|dir| PathBuf::from("/etc/redis-harden").join(dir));
        let scratch = rendered
            .into_iter()
            .chain([policy.run_dir(), policy.state_dir()])
            .chain(log.and_then(|file| Some(file.parent()?.to_path_buf())));
        let mounted = policy
            .acl_users()
            .into_iter()
            .filter_map(|(name, user)| Some((name, user.password_file?)));
        Ok(Container {
            policy,
            image: image(choice),
            memory,
            storage: choice.storage.unwrap_or(memory.saturating_mul(5)),
            secrets: mounted.collect(),
            tls: match policy.tls.enabled {
                true => [policy.tls_cert(), policy.tls_key(), policy.tls_ca()].into(),
                false => BTreeSet::new(),
            },
            scratch: scratch.collect(),
            grace: policy.service.stop_timeout.std().as_secs() + GRACE,
        })
    }

    /// The directory of the certificate's files, where nothing else is mounted in it.
    fn tls_directory(&self) -> Option<&Path> {
        let dir = self.tls.first()?.parent()?;
        let mut others = self.secrets.iter().map(|(_, path)| path);
        let is_its_own = !others.any(|path| path.starts_with(dir))
            && !self.scratch.iter().any(|path| path.starts_with(dir))
            && self.tls.iter().all(|path| path.parent() == Some(dir));
        is_its_own.then_some(dir)
    }

    /// What a secret is called by whoever keeps it.
    fn secret_name(path: &Path) -> String {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy()
            .replace(['_', '.'], "-")
            .to_lowercase()
    }

    /// A file by its own name.
    fn file_name(path: &Path) -> String {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The command that is healthy where the server serves.
    fn health(&self) -> Vec<String> {
        let words = ["/usr/sbin/redis-harden", "--quiet", "status", "--ready"];
        words.map(str::to_owned).to_vec()
    }
}

fn image(choice: &Choice) -> String {
    let ours = || format!("redis-harden-redis:{}", env!("CARGO_PKG_VERSION"));
    choice.image.clone().unwrap_or_else(ours)
}

/// The policy's own limit; else what a maxmemory of its own needs with its headroom; else the usual.
fn memory(policy: &Policy) -> u64 {
    match (&policy.memory.limit, &policy.redis.maxmemory) {
        (Auto::Value(limit), _) if limit.0 > 0 => limit.0,
        // A size of memory fits a double's 53 bits.
        (_, Memory::Size(size)) if size.0 > 0 => (size.0 as f64 * policy.memory.headroom) as u64,
        _ => USUAL_MEMORY,
    }
}

/// Documents of YAML under a head of comments.
fn yaml(head: &str, documents: &[Value]) -> Result<String, String> {
    let mut text = head.to_owned();
    for document in documents {
        let one = serde_saphyr::to_string(document).map_err(|e| format!("writing YAML: {e}"))?;
        text.push_str("---\n");
        text.push_str(one.trim_start_matches("---\n"));
    }
    Ok(text)
}
