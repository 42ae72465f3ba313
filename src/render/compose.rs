//! A Compose file: the server without root, capabilities or a writable root, published on the loopback, asked for its health with a login.

use super::exporter::{self, Exporter};
use super::{Choice, Container, UID, yaml};
use crate::policy::{Bound, Policy, SysctlRule};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Written by `redis-harden render compose`. Before the first `docker compose up -d`:
#   docker build -t IMAGE -f packaging/container/Dockerfile .      the image, in a checkout of redis-harden
#   install -d -m 0750 -g 999 secrets; each password in the first line of its file there, root:999 0440
#   with [tls]: the certificate, its key and ca.crt there too, and the exporter's, by the names that they are mounted by
#   policy.toml beside this file, root's, and written by nobody else
# What only the host can give (vm.overcommit_memory, transparent huge pages): redis-harden apply --only 'kernel.*,memory.transparent-huge-pages' there.
";

/// The file.
///
/// # Errors
/// A value that YAML cannot hold, or a password that cannot be mounted.
pub fn compose(policy: &Policy, choice: &Choice) -> Result<String, String> {
    let container = Container::of(policy, choice)?;
    let mut services = Map::new();
    services.insert("redis".into(), server(&container, choice));
    let mut secrets = Map::new();
    for (_, path) in &container.secrets {
        let name = Container::secret_name(path);
        let file = format!("./secrets/{name}");
        secrets.insert(name, json!({"file": file}));
    }
    let exporter = Exporter::of(&container, "redis");
    let mut files = container.tls.clone();
    if let Some(exporter) = &exporter {
        services.insert("exporter".into(), beside(exporter));
        files.extend(exporter.tls.iter().cloned());
        files.insert(exporter::PASSWORDS.into());
    }
    for path in &files {
        let file = format!("./secrets/{}", Container::file_name(path));
        secrets.insert(Container::secret_name(path), json!({"file": file}));
    }
    let document = json!({
        "name": policy.redis.name.as_str().replace("default", "redis"),
        "services": services,
        "configs": {"policy": {"file": "./policy.toml"}},
        "secrets": secrets,
        "volumes": {"data": {}},
        "networks": {"redis": {"driver": "bridge"}},
    });
    yaml(HEAD, &[document])
}

fn server(container: &Container, choice: &Choice) -> Value {
    let policy = container.policy;
    let nofile = policy.nofile_wanted();
    let start = policy.service.start_timeout.std().as_secs();
    let tmpfs = container.scratch.iter().map(|path| {
        format!(
            "{}:size=16m,mode=0750,uid={UID},gid={UID},noexec,nosuid,nodev",
            path.display()
        )
    });
    let passwords = container.secrets.iter().map(|(_, path)| path);
    let secrets = passwords.chain(&container.tls).map(|path| mounted(path));
    let test = [vec!["CMD".to_owned()], container.health()].concat();
    let mut service = json!({
        "image": container.image,
        "command": [policy.redis.name],
        "user": format!("{UID}:{UID}"),
        "init": false,
        "restart": "unless-stopped",
        "read_only": true,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": container.memory.to_string(),
        "memswap_limit": container.memory.to_string(),
        "pids_limit": 128,
        "ulimits": {"nofile": {"soft": nofile, "hard": nofile}, "core": 0},
        "sysctls": sysctls(policy),
        "stop_signal": "SIGTERM",
        "stop_grace_period": format!("{}s", container.grace),
        "tmpfs": tmpfs.collect::<Vec<_>>(),
        "volumes": [{"type": "volume", "source": "data", "target": policy.data_dir()}],
        "configs": [{"source": "policy", "target": "/etc/redis-harden/policy.toml"}],
        "secrets": secrets.collect::<Vec<_>>(),
        "networks": ["redis"],
        "healthcheck": {
            "test": test,
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": format!("{start}s"),
        },
        "logging": {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}},
    });
    if let Some(service) = service.as_object_mut() {
        let ports = published(policy);
        if !ports.is_empty() {
            service.insert("ports".into(), json!(ports));
        }
        // A name of ours that nobody has built is not looked for elsewhere.
        if choice.image.is_none() {
            service.insert("pull_policy".into(), json!("never"));
        }
    }
    service
}

/// A secret, as each service that needs it has it.
fn mounted(path: &Path) -> Value {
    json!({"source": Container::secret_name(path), "target": path})
}

/// On the loopback: what is published elsewhere goes around the host's packet filter.
fn published(policy: &Policy) -> Vec<String> {
    let ports = policy.ports().into_iter().filter(|port| *port != 0);
    ports
        .map(|port| format!("127.0.0.1:{port}:{port}"))
        .collect()
}

/// The network's, which a container has of its own; the others are the host's.
fn sysctls(policy: &Policy) -> Value {
    let kernel = &policy.kernel;
    let mut all = Map::new();
    all.insert(
        "net.core.somaxconn".into(),
        json!(kernel.somaxconn.to_string()),
    );
    let syn = kernel.tcp_max_syn_backlog.to_string();
    all.insert("net.ipv4.tcp_max_syn_backlog".into(), json!(syn));
    for (key, rule) in &kernel.sysctl {
        if key.starts_with("net.") {
            all.insert(key.clone(), json!(value(rule)));
        }
    }
    Value::Object(all)
}

fn value(rule: &SysctlRule) -> String {
    match rule {
        SysctlRule::Number(n) | SysctlRule::Bound(Bound::AtLeast(n) | Bound::AtMost(n)) => {
            n.to_string()
        }
        SysctlRule::Text(text) => text.clone(),
    }
}

fn beside(exporter: &Exporter) -> Value {
    let passwords = Path::new(exporter::PASSWORDS);
    let files = std::iter::once(passwords).chain(exporter.tls.iter().map(PathBuf::as_path));
    let port = exporter::PORT;
    json!({
        "image": exporter::IMAGE,
        // Its own user, in the group that may read the secrets.
        "user": format!("59000:{UID}"),
        "restart": "unless-stopped",
        "read_only": true,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": "64m",
        "pids_limit": 64,
        "environment": exporter.environment,
        "secrets": files.map(mounted).collect::<Vec<_>>(),
        "ports": [format!("127.0.0.1:{port}:{port}")],
        "networks": ["redis"],
        "depends_on": {"redis": {"condition": "service_healthy"}},
        "logging": {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}},
    })
}
