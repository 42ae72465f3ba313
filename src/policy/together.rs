//! Several instances on one host: what must be apart, and what is merged to the strictest.

use super::error::PolicyError;
use super::load::Merged;
use super::{HugePages, Kernel, Policies, Policy, SysctlRule};
use std::path::PathBuf;

impl Policies {
    /// One policy, from no file: for a caller that has made it itself.
    pub fn single(policy: Policy) -> Policies {
        Policies {
            name: policy.redis.name.to_string(),
            files: Vec::new(),
            warnings: Vec::new(),
            sha256: String::new(),
            at_boot: super::AtBoot::Found,
            kernel: policy.kernel.clone(),
            trees: Vec::new(),
            instances: vec![policy],
        }
    }

    /// The kernel's settings, the strictest of all instances.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The mode of transparent huge pages: `never` when any instance asks for it.
    pub fn huge_pages(&self) -> HugePages {
        let mut modes = self
            .instances
            .iter()
            .map(|i| i.memory.transparent_huge_pages);
        match modes.any(|mode| mode == HugePages::Never) {
            true => HugePages::Never,
            false => HugePages::Madvise,
        }
    }

    /// Whether any instance wants the packet filter.
    pub fn firewall_enabled(&self) -> bool {
        self.instances.iter().any(|i| i.firewall.enabled)
    }

    /// The instance, when there is one only.
    pub fn only_one(&self) -> Option<&Policy> {
        match self.instances.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// An instance by name.
    pub fn instance(&self, name: &str) -> Option<&Policy> {
        self.instances
            .iter()
            .find(|i| i.redis.name.as_str() == name)
    }
}

/// The strictest of all; two that cannot both hold are an error.
pub(super) fn kernel(instances: &[Merged]) -> Result<Kernel, PolicyError> {
    let Some((first, rest)) = instances.split_first() else {
        return Err(PolicyError::new("there is no instance at all"));
    };
    rest.iter()
        .try_fold(first.policy.kernel.clone(), |all, next| {
            stricter(all, &next.policy.kernel).map_err(|key| contradiction(&key, instances, next))
        })
}

/// Both, or the key on which they contradict each other.
fn stricter(mut all: Kernel, next: &Kernel) -> Result<Kernel, String> {
    if all.overcommit_memory != next.overcommit_memory {
        return Err("overcommit-memory".into());
    }
    all.somaxconn = all.somaxconn.max(next.somaxconn);
    all.tcp_max_syn_backlog = all.tcp_max_syn_backlog.max(next.tcp_max_syn_backlog);
    all.swappiness = all.swappiness.min(next.swappiness);
    for (key, rule) in &next.sysctl {
        let merged = match all.sysctl.get(key) {
            Some(old) => both(old, rule).ok_or_else(|| key.clone())?,
            None => rule.clone(),
        };
        all.sysctl.insert(key.clone(), merged);
    }
    Ok(all)
}

/// The rule that holds where both do; `None` when no single rule says that.
fn both(a: &SysctlRule, b: &SysctlRule) -> Option<SysctlRule> {
    use super::Bound::{AtLeast, AtMost};
    use SysctlRule::{Bound, Number};
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Bound(AtLeast(a)), Bound(AtLeast(b))) => Some(Bound(AtLeast(*a.max(b)))),
        (Bound(AtMost(a)), Bound(AtMost(b))) => Some(Bound(AtMost(*a.min(b)))),
        (Number(n), Bound(AtLeast(least))) | (Bound(AtLeast(least)), Number(n)) => {
            (n >= least).then_some(Number(*n))
        }
        (Number(n), Bound(AtMost(most))) | (Bound(AtMost(most)), Number(n)) => {
            (n <= most).then_some(Number(*n))
        }
        _ => None,
    }
}

fn contradiction(key: &str, instances: &[Merged], second: &Merged) -> PolicyError {
    let path = match key {
        "overcommit-memory" => vec!["kernel", key],
        _ => vec!["kernel", "sysctl", key],
    };
    let first = instances.iter().find(|i| {
        i.tree.find(&path).map(|node| &node.at) != second.tree.find(&path).map(|node| &node.at)
            && (i.tree.find(&path).is_some())
    });
    let other = first.unwrap_or(second);
    let place = |merged: &Merged| {
        let node = merged.tree.find(&path);
        node.map_or_else(|| merged.file.clone(), |node| node.at.origin())
    };
    let error = PolicyError::new(format!(
        "{} and {} want {} to be different things",
        place(other),
        place(second),
        path.join(".")
    ));
    let error = match second.tree.find(&path) {
        Some(node) => error.at_value(&node.at),
        None => error,
    };
    error.help("the kernel is one for all instances: write the same in both, or in one only")
}

/// A thing that two instances cannot share, by its key.
fn own(policy: &Policy) -> Vec<(&'static str, PathBuf)> {
    let log = policy.log_file().map(|file| ("log-file", file));
    let others = [
        ("unix-socket", policy.unix_socket()),
        ("data-dir", policy.data_dir()),
    ];
    others.into_iter().chain(log).collect()
}

/// Whether each instance has a name, a port, a socket and directories of its own.
pub(super) fn apart(instances: &[Merged]) -> Result<(), PolicyError> {
    for (at, second) in instances.iter().enumerate() {
        for first in instances.iter().take(at) {
            pair(first, second)?;
        }
    }
    Ok(())
}

fn pair(first: &Merged, second: &Merged) -> Result<(), PolicyError> {
    let (a, b) = (&first.policy, &second.policy);
    if a.redis.name == b.redis.name {
        return Err(collision(first, second, "name", b.redis.name.as_str()));
    }
    let (first_ports, ports) = (a.ports(), b.ports());
    if let Some(port) = ports.iter().find(|port| first_ports.contains(port)) {
        return Err(collision(first, second, "port", &port.to_string()));
    }
    for ((key, one), (_, two)) in own(a).into_iter().zip(own(b)) {
        let nested = key == "data-dir" && (one.starts_with(&two) || two.starts_with(&one));
        if one == two || nested {
            return Err(collision(first, second, key, &two.display().to_string()));
        }
    }
    Ok(())
}

fn collision(first: &Merged, second: &Merged, key: &str, value: &str) -> PolicyError {
    let what = format!(
        "the instances {} ({}) and {} ({}) both have the {key} {value}",
        first.policy.redis.name, first.file, second.policy.redis.name, second.file
    );
    let error = PolicyError::new(what);
    let step = match key {
        "name" => "rename one of the files, or change its redis.name".to_owned(),
        "port" if second.policy.tls.enabled => {
            "give one of them another redis.port or tls.port".to_owned()
        }
        _ => format!("give one of them another redis.{key}"),
    };
    let error = error.help(step);
    match second.tree.find(&["redis", key]) {
        Some(node) if !node.at.source.embedded => error.at_value(&node.at),
        _ => error,
    }
}
