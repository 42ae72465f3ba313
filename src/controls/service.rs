//! The service: our binary, the rendered unit, enabled, running on the rendered files, and back after a reboot.

pub(super) mod directives;
mod supervisor;
pub(super) mod units;

pub use supervisor::supervisor_settings;
pub use units::named_policy;
pub(super) use units::writable;

use super::rendered::{group, rendered};
use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::facts::{Facts, Init};
use crate::policy::{Policies, Policy};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;
use supervisor::{settings, wanted_generation};

/// Repairs the running kernel's values at each boot. Nothing waits for it.
pub const BOOT_UNIT: &str = "redis-harden.service";

/// Makes what only the host itself can tell, where an image left it to its first boot. Redis, which cannot start without, waits for it.
pub const FIRST_BOOT_UNIT: &str = "redis-harden-first-boot.service";

pub const CONTROLS: &[Control] = &[
    Control {
        id: "service.binary",
        title: "the redis-harden that units run is this one, and root's",
        severity: Severity::High,
        why: "The supervisor is the service's main process: it must be there after a reboot, where nobody else can replace it.",
        references: &["hier(7)"],
        by_hand: "install -o root -m 0755 redis-harden /usr/local/sbin/redis-harden",
        wants: Wants::Host(binary),
        cases: &[],
    },
    Control {
        id: "service.settings",
        title: "the supervisor's settings are as the policy renders them",
        severity: Severity::High,
        why: "It starts Redis by them: with which limits, as whom, and for how long it is waited for.",
        references: &["redis-harden-supervise(1)"],
        by_hand: "redis-harden plan shows the lines that differ",
        wants: Wants::Instance(|p, f| match settings(p, f) {
            Some(text) => {
                let rule = rendered(f, p.group(), 0o640, text);
                vec![Want::write(
                    Phase::Files,
                    group(p),
                    Setting::File(p.settings_file()),
                    rule,
                )]
            }
            None => {
                let file = Setting::File(p.settings_file());
                vec![Want::at_first_boot(file, super::rendered::MEMORY_UNKNOWN)]
            }
        }),
        cases: &[fails(&[(
            "/etc/redis-harden/redis/default.toml 0640 root:redis",
            "instance = \"other\"\n",
        )])],
    },
    Control {
        id: "service.unit",
        title: "systemd starts Redis under our supervisor, with its limits and sandbox",
        severity: Severity::High,
        why: "The package's unit starts the package's configuration, with its directory writable to the server.",
        references: &["systemd.unit(5), drop-ins", "systemd.exec(5)"],
        by_hand: "redis-harden plan shows the lines that differ",
        wants: Wants::Instance(units::unit),
        cases: &[fails(&[(
            "/etc/systemd/system/redis-server.service.d/50-redis-harden.conf 0644 root:root",
            "[Service]\nExecStart=\n",
        )])],
    },
    Control {
        id: "service.boot-unit",
        title: "a boot repairs the kernel's values, and a first one makes what Redis cannot start without",
        severity: Severity::Medium,
        why: "Kernel values can be lost to a later file, a profile or a new kernel; an image leaves passwords to the hosts that it becomes.",
        references: &["systemd.unit(5)"],
        by_hand: "systemctl enable redis-harden.service redis-harden-first-boot.service",
        wants: Wants::Host(units::boot_unit),
        cases: &[fails(&[(
            "/etc/systemd/system/redis-harden.service 0644 root:root",
            "[Service]\nType=oneshot\n",
        )])],
    },
    Control {
        id: "service.enabled",
        title: "the service starts at boot",
        severity: Severity::High,
        why: "A server that stays down after a reboot is an outage at the worst time.",
        references: &["systemctl(1) enable"],
        by_hand: "systemctl enable redis-server",
        wants: Wants::Instance(|p, f| {
            // In a tree nothing is started: the link is a file like others.
            let (phase, group) = match f.offline {
                true => (Phase::Files, format!("{} link", group(p))),
                false => (Phase::Service, group(p)),
            };
            let setting = Setting::UnitEnabled(p.unit());
            match f.init {
                Init::Systemd => vec![Want::write(
                    phase,
                    group,
                    setting,
                    Rule::Is(Value::Flag(true)),
                )],
                Init::Other => Vec::new(),
            }
        }),
        cases: &[
            passes(&[(
                "/etc/systemd/system/multi-user.target.wants/redis-server.service -> /lib/systemd/system/redis-server.service",
                "",
            )]),
            fails(&[]),
        ],
    },
    Control {
        id: "service.running",
        title: "the server runs under our supervisor, on the rendered files",
        severity: Severity::High,
        why: "A change that no server has read is no change.",
        references: &["redis-harden-supervise(1)"],
        by_hand: "redis-harden restart, or under systemd systemctl restart redis-server",
        wants: Wants::Instance(running),
        cases: &[fails(&[])],
    },
    Control {
        id: "service.live",
        title: "the running server has the policy's values and users",
        severity: Severity::High,
        why: "A value that was changed in the running server, or in the policy since it started, is not the one that was agreed on.",
        references: &["Redis CONFIG SET", "Redis ACL SETUSER"],
        by_hand: "CONFIG SET the directives that are named and ACL SETUSER the users, or redis-harden restart",
        wants: Wants::Instance(|p, f| {
            let name = || p.redis.name.to_string();
            let ours = f.instances.get(p.redis.name.as_str());
            if ours.is_none_or(|known| known.report.is_none()) {
                return Vec::new();
            }
            let settings = [Setting::LiveUsers(name()), Setting::Live(name())];
            let want = |setting| Want::write(Phase::Live, group(p), setting, Rule::Absent);
            settings.into_iter().map(want).collect()
        }),
        cases: &[],
    },
    Control {
        id: "service.persistent",
        title: "the server comes back after a reboot",
        severity: Severity::High,
        why: "Without an init system that starts it, a reboot is the end of it, or the beginning of a stock Redis.",
        references: &["systemd.unit(5)"],
        by_hand: "have this host's init run `redis-harden start` at boot, and remove the package's init script from it (update-rc.d redis-server disable)",
        wants: Wants::Instance(|p, f| {
            // Where systemd runs, service.enabled says it.
            // Of a container, whoever runs it does.
            if f.init == Init::Systemd || f.entrypoint.is_some() {
                return Vec::new();
            }
            let what = "not persistent over a reboot: have this host's init run `redis-harden start` at boot, and `update-rc.d redis-server disable`";
            vec![Want::by_hand(
                Setting::Reboot(p.redis.name.to_string()),
                Rule::Is(Value::Flag(true)),
                what,
            )]
        }),
        // No host without systemd passes yet: tests/plain/.
        cases: &[fails(&[("/run/systemd/system absent", "")])],
    },
    Control {
        id: "service.forgotten",
        title: "no instance is left that the policy has no more",
        severity: Severity::Medium,
        why: "It goes on running, and comes back at boot, with nobody who looks after it; only loopback still reaches its port.",
        references: &["redis-harden-apply(1)"],
        by_hand: "redis-harden rollback the run that made it; or systemctl disable --now its unit, and remove its files in /etc/redis-harden/redis. Its data stays",
        wants: Wants::Host(|_, f| {
            let orphans = f.orphans.iter();
            let want = |orphan: &crate::facts::orphans::Orphan| {
                let name = &orphan.name;
                let what = format!(
                    "save and stop it (systemctl disable --now redis-server@{name}), and remove /etc/redis-harden/redis/{name}.*; its data stays"
                );
                Want::by_hand(
                    Setting::Presence(orphan.settings_file.clone()),
                    Rule::Absent,
                    what,
                )
            };
            orphans.map(want).collect()
        }),
        cases: &[fails(&[(
            "/etc/redis-harden/redis/jobs.toml 0640 root:redis",
            "@settings/jobs.toml",
        )])],
    },
];

/// Our own binary, copied to where units find it, unless a system directory has it already.
fn binary(_: &Policies, facts: &Facts) -> Vec<Want> {
    if !facts.copies_exe() {
        return Vec::new();
    }
    let setting = Setting::Binary {
        path: facts.exe.clone(),
        source: facts.running_exe.clone(),
    };
    vec![Want::write(
        Phase::Ground,
        "binary",
        setting,
        Rule::Is(Value::Flag(true)),
    )]
}

fn running(policy: &Policy, facts: &Facts) -> Vec<Want> {
    let Some(generation) = wanted_generation(policy, facts) else {
        return Vec::new();
    };
    let setting = Setting::Service(policy.redis.name.to_string());
    vec![Want::write(
        Phase::Service,
        group(policy),
        setting,
        Rule::Is(Value::Serving(generation)),
    )]
}
