//! The packages: there, recent enough, and the same as what runs.

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::policy::Install;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::server::ProcessFact;
use crate::value::Value;

const STATUS: &str = "Package: redis-server\nStatus: install ok installed\nVersion: 5:7.0.15-1~deb12u10\n\nPackage: nftables\nStatus: install ok installed\nVersion: 1.0.6-2\n\n";

pub const CONTROLS: &[Control] = &[
    Control {
        id: "package.nftables",
        title: "nftables is installed where the policy wants a firewall",
        severity: Severity::High,
        why: "The packet filter is loaded with it, now and at boot.",
        references: &["nft(8)"],
        by_hand: "apt-get install nftables",
        wants: Wants::Host(|p, _| {
            if !p.firewall_enabled() {
                return Vec::new();
            }
            let apt = p.instances.iter().any(|i| i.redis.install == Install::Apt);
            vec![package(Phase::Tools, "nftables", apt)]
        }),
        cases: &[
            passes(&[("/var/lib/dpkg/status", STATUS)]),
            fails(&[(
                "/var/lib/dpkg/status",
                "Package: bash\nStatus: install ok installed\nVersion: 5\n\n",
            )]),
        ],
    },
    Control {
        id: "package.server",
        title: "the server's package is installed",
        severity: Severity::Critical,
        why: "There is nothing to harden without it.",
        references: &["Debian redis-server"],
        by_hand: "apt-get install redis-server",
        wants: Wants::Instance(|p, _| {
            vec![package(
                Phase::Package,
                p.package(),
                p.redis.install == Install::Apt,
            )]
        }),
        cases: &[
            passes(&[("/var/lib/dpkg/status", STATUS)]),
            fails(&[(
                "/var/lib/dpkg/status",
                "Package: redis-server\nStatus: deinstall ok config-files\nVersion: 5:7.0.15-1\n\n",
            )]),
        ],
    },
    Control {
        id: "package.version",
        title: "the server's package is not older than the policy allows",
        severity: Severity::High,
        why: "Old versions have published holes; Debian mends them in its revisions, so the package's version counts, not what INFO says.",
        references: &[
            "Debian security tracker, source package redis",
            "deb-version(7)",
        ],
        by_hand: "apt-get update && apt-get install redis-server, with the security suite in sources.list",
        wants: Wants::Instance(|p, _| {
            let Some(floor) = &p.redis.minimum_version else {
                return Vec::new();
            };
            let what = format!(
                "upgrade {}: apt-get update && apt-get install {}",
                p.package(),
                p.package()
            );
            vec![Want::by_hand(
                Setting::PackageVersion(p.package().to_owned()),
                Rule::VersionAtLeast(floor.clone()),
                what,
            )]
        }),
        cases: &[
            passes(&[("/var/lib/dpkg/status", STATUS)])
                .under("[redis]\nminimum-version = \"5:7.0.15-1~deb12u10\""),
            // `~deb12u9` sorts before `~deb12u10`, and both before the bare revision: deb-version(7).
            fails(&[("/var/lib/dpkg/status", STATUS)])
                .under("[redis]\nminimum-version = \"5:7.0.15-1\""),
        ],
    },
    Control {
        id: "package.running-is-installed",
        title: "the running server is the installed one",
        severity: Severity::High,
        why: "An upgrade replaces the file, not the process: until a restart the old holes are still open.",
        references: &["proc_pid_exe(5)"],
        by_hand: "restart Redis",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::Replaced,
            };
            vec![Want::by_restart(setting, Rule::Is(Value::Flag(false)))]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/exe -> /usr/bin/redis-check-rdb", ""),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/exe -> /usr/bin/redis-check-rdb (deleted)", ""),
            ]),
        ],
    },
];

fn package(phase: Phase, name: &str, apt: bool) -> Want {
    let setting = Setting::Package(name.to_owned());
    match apt {
        true => Want::write(phase, format!("package {name}"), setting, Rule::Present),
        false => Want::by_hand(
            setting,
            Rule::Present,
            format!("install {name}: the policy says install = \"never\""),
        ),
    }
}
