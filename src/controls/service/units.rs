//! What systemd reads of ours: the drop-ins of an instance's unit, and the units that run at boot.

use super::{BOOT_UNIT, FIRST_BOOT_UNIT};
use crate::contain::apparmor;
use crate::control::{Phase, Want};
use crate::controls::rendered::{access, group, rendered};
use crate::controls::tls::wanted::WATCH;
use crate::facts::{Facts, Init, View};
use crate::policy::{AtBoot, Auto, Name, Policies, Policy, Service};
use crate::redis::config;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::peers::unlisted;
use crate::value::Value;
use std::net::IpAddr;
use std::path::PathBuf;

/// With the package's `PrivateUsers=true` the unit does not start there (217/USER).
const NO_USER_NAMESPACES: &str =
    "# This host has no user namespaces (user.max_user_namespaces = 0).\nPrivateUsers=no\n";

/// Of an instance.
pub(super) fn unit(policy: &Policy, facts: &Facts) -> Vec<Want> {
    if facts.init != Init::Systemd {
        return Vec::new();
    }
    let dir = policy.drop_in_dir();
    let access = access(facts, "root", "root", 0o755);
    let file = rendered(facts, "root", 0o644, drop_in(policy, facts));
    let resources = Setting::File(dir.join("51-redis-harden-resources.conf"));
    let limits = rendered(facts, "root", 0o644, self::resources(policy, facts));
    vec![
        Want::write(
            Phase::Files,
            group(policy),
            Setting::Dir(dir.clone()),
            Rule::Is(Value::Dir(access)),
        ),
        Want::write(
            Phase::Files,
            group(policy),
            Setting::File(dir.join("50-redis-harden.conf")),
            file,
        ),
        match cuts_somebody_off(policy, facts) {
            true => Want::by_hand(
                resources,
                limits,
                "name whom the server replicates with under [firewall] peers, and apply",
            ),
            false => Want::write(Phase::Files, group(policy), resources, limits),
        },
    ]
}

/// The unit, and the policy that it applies: the one of this run.
pub(super) fn boot_unit(policies: &Policies, facts: &Facts) -> Vec<Want> {
    let mut wants = Vec::new();
    if let AtBoot::Copied(text) = &policies.at_boot {
        let rule = rendered(facts, "root", 0o644, text.clone());
        let file = Setting::File("/etc/redis-harden/policy.toml".into());
        wants.push(Want::write(Phase::Files, "boot policy", file, rule));
    }
    if facts.init != Init::Systemd {
        return wants;
    }
    let policy = named_policy(policies);
    let each_boot = format!(
        include_str!("../../../packaging/systemd/redis-harden.service.in"),
        exe = facts.exe.display(),
        policy = policy,
        there = made_at_first_boot(policies, ""),
    );
    let first_boot = format!(
        include_str!("../../../packaging/systemd/redis-harden-first-boot.service.in"),
        exe = facts.exe.display(),
        policy = policy,
        missing = made_at_first_boot(policies, "|!"),
        servers = servers(policies),
    );
    wants.extend(enabled(facts, BOOT_UNIT, each_boot, "boot unit"));
    wants.extend(enabled(
        facts,
        FIRST_BOOT_UNIT,
        first_boot,
        "first boot unit",
    ));
    wants
}

fn enabled(facts: &Facts, unit: &str, text: String, group: &str) -> [Want; 2] {
    let path = PathBuf::from("/etc/systemd/system").join(unit);
    let file = rendered(facts, "root", 0o644, text);
    [
        Want::write(Phase::Files, group, Setting::File(path), file),
        Want::write(
            Phase::Files,
            format!("{group} link"),
            Setting::UnitEnabled(unit.into()),
            Rule::Is(Value::Flag(true)),
        ),
    ]
}

/// A condition for each file without which an instance does not start, and which an image leaves to its hosts.
/// `|!` makes the conditions hold where one of the files is not there. Source: systemd.unit(5).
fn made_at_first_boot(policies: &Policies, mark: &str) -> String {
    let of = |p: &Policy| [p.config_file(), p.secret_file(&Name::agent())];
    let mut files: Vec<PathBuf> = policies.instances.iter().flat_map(of).collect();
    files.sort();
    files.dedup();
    let line = |file: PathBuf| format!("ConditionPathExists={mark}{}\n", file.display());
    files.into_iter().map(line).collect()
}

/// The units of all instances.
fn servers(policies: &Policies) -> String {
    let units: Vec<String> = policies.instances.iter().map(Policy::unit).collect();
    units.join(" ")
}

/// What a unit's command line says of the policy of this run.
pub fn named_policy(policies: &Policies) -> String {
    match &policies.at_boot {
        AtBoot::Named(path) => format!(" --policy {}", quoted(&path.to_string_lossy())),
        AtBoot::Found | AtBoot::Copied(_) => String::new(),
    }
}

/// One word of a unit's command line. Source: systemd.service(5), COMMAND LINES.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    let escaped = word
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    format!("\"{escaped}\"")
}

/// What the server may write; `-` for what need not exist.
pub(in crate::controls) fn writable(policy: &Policy) -> Vec<String> {
    let mut paths = vec![policy.data_dir()];
    paths.extend(policy.log_file().and_then(|f| Some(f.parent()?.into())));
    paths.iter().map(|p| format!("-{}", p.display())).collect()
}

/// The drop-in: what differs from the package's unit, which keeps the rest of its sandbox.
pub(super) fn drop_in(policy: &Policy, facts: &Facts) -> String {
    let name = &policy.redis.name;
    let run = |path: PathBuf| {
        path.strip_prefix("/run")
            .map(|p| p.display().to_string())
            .unwrap_or_default()
    };
    let network = match policy.listens_beyond_loopback() {
        true if policy.firewall.enabled => {
            "Wants=network-online.target\nAfter=network-online.target\n\
             Requires=redis-harden-firewall.service\nAfter=redis-harden-firewall.service\n"
        }
        true => "Wants=network-online.target\nAfter=network-online.target\n",
        false => "",
    };
    let watch = match policy.tls.enabled && !policy.is_watched_by_supervisor() {
        true => format!("Wants={WATCH}\n"),
        false => String::new(),
    };
    let sockets = match speaks_to_nobody(policy) {
        true => "PrivateNetwork=yes\nRestrictAddressFamilies=\nRestrictAddressFamilies=AF_UNIX\n",
        false => "",
    };
    let namespaces = match facts.user_namespaces {
        true => "",
        false => NO_USER_NAMESPACES,
    };
    format!(
        include_str!("../../../packaging/systemd/50-redis-harden.conf.in"),
        namespaces = namespaces,
        network = format_args!("{watch}{network}"),
        sockets = sockets,
        apparmor = apparmor::lines(policy, facts),
        scheduling = scheduling(&policy.service),
        processes = processes(&policy.service),
        exe = facts.exe.display(),
        name = name,
        secret = policy.secret_file(&Name::agent()).display(),
        run = run(policy.run_dir()),
        state = run(policy.state_dir()),
        writable = writable(policy).join(" "),
        nofile = policy.nofile_wanted(),
    )
}

/// What systemd before 257 does not know, it logs and leaves out; `status` and the control account.process-sandbox tell.
fn processes(wanted: &Service) -> &'static str {
    match wanted.pid_namespace {
        true => "PrivatePIDs=yes\n",
        false => "",
    }
}

/// Source: systemd.exec(5).
fn scheduling(wanted: &Service) -> String {
    let nice = wanted.nice.map(|nice| format!("Nice={nice}\n"));
    let disk = wanted.io_priority.map(|priority| {
        format!("IOSchedulingClass=best-effort\nIOSchedulingPriority={priority}\n")
    });
    let cpus = wanted.cpus.as_ref();
    let cpus = cpus.map(|cpus| format!("CPUAffinity=\nCPUAffinity={cpus}\n"));
    [nice, disk, cpus].into_iter().flatten().collect()
}

/// What systemd gives a running unit anew when it reads its files again: no restart, so it is no part of what one is started from.
fn resources(policy: &Policy, facts: &Facts) -> String {
    let mut lines = String::new();
    if let Some(peers) = peers(policy) {
        lines.push_str("IPAddressDeny=any\n");
        if !peers.is_empty() {
            lines.push_str(&format!("IPAddressAllow={}\n", peers.join(" ")));
        }
    }
    if let Some(limit) = memory_limit(policy, facts) {
        let slower = limit / 16 * 15;
        lines.push_str(&format!("MemoryMax={limit}\nMemoryHigh={slower}\n"));
    }
    format!(
        include_str!("../../../packaging/systemd/51-redis-harden-resources.conf.in"),
        start = policy.service.start_timeout.std().as_secs() + 10,
        stop = policy.service.stop_timeout.std().as_secs() + 10,
        lines = lines
    )
}

/// Whether it neither listens nor connects anywhere but on its unix socket.
fn speaks_to_nobody(policy: &Policy) -> bool {
    policy.ports().is_empty() && policy.primary().is_none()
}

/// Whether the file would cut a running server off from whom it replicates with. It may say so itself, and stay on the side of an
/// attacker who has it: then nothing is opened for it, and nothing is closed without a person (control network.peers).
fn cuts_somebody_off(policy: &Policy, facts: &Facts) -> bool {
    let known = facts.instances.get(policy.redis.name.as_str());
    match known.map(|known| &known.view) {
        Some(View::Told(told)) => !unlisted(policy, told).is_empty(),
        _ => false,
    }
}

/// Whom it may exchange packets with; `None` where the policy does not say: without a filter, or where a name has to be looked up.
fn peers(policy: &Policy) -> Option<Vec<String>> {
    let firewall = &policy.firewall;
    if speaks_to_nobody(policy) {
        return Some(Vec::new());
    }
    if !firewall.enabled && policy.listens_beyond_loopback() {
        return None;
    }
    let primary = match policy.primary() {
        None => None,
        Some(name) if name == "localhost" => None,
        Some(address) => Some(address.parse::<IpAddr>().ok()?.to_string()),
    };
    let named = firewall
        .allow
        .iter()
        .chain(&firewall.peers)
        .chain(&firewall.resolvers);
    let mut peers = vec!["localhost".to_owned()];
    peers.extend(named.map(ToString::to_string).chain(primary));
    Some(peers)
}

/// The bytes beyond which the kernel takes memory back, by killing a child that saves before the server.
/// Measured: up to 2.55 times maxmemory while all of it is written anew during a save, 1.6 times without one.
fn memory_limit(policy: &Policy, facts: &Facts) -> Option<u64> {
    const BUFFERS: u64 = 256 << 20;
    let maxmemory = *facts.maxmemory.get(policy.redis.name.as_str())?;
    let limit = match policy.memory.limit {
        Auto::Value(size) => size.0,
        Auto::Auto if maxmemory == 0 => 0,
        Auto::Auto => {
            let quarters = if config::persists(policy) { 11 } else { 7 };
            (maxmemory / 4)
                .saturating_mul(quarters)
                .saturating_add(BUFFERS)
        }
    };
    // More than there is limits nothing.
    let known = facts.memory != 0;
    (limit != 0 && !(known && limit >= facts.memory)).then_some(limit)
}
