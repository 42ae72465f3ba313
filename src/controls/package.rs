//! The packages: there, recent enough, and the same as what runs.

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::policy::{Flavour, Install, Policy};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::build::BuildFact;
use crate::setting::server::ProcessFact;
use crate::value::Value;

const DEBIAN_13: (&str, &str) = ("/etc/os-release", "ID=debian\nVERSION_CODENAME=trixie\n");
const TRIXIE: (&str, &str) = (
    "/var/lib/dpkg/status",
    "Package: redis-server\nStatus: install ok installed\nVersion: 5:8.0.2-3+deb13u3\n\n",
);
const HELD: &str =
    "Package: redis-server\nStatus: hold ok installed\nVersion: 5:7.0.15-1~deb12u10\n\n";
const HELD_TOOLS: &str = "Package: redis-server\nStatus: install ok installed\nVersion: 5:7.0.15-1~deb12u10\n\nPackage: redis-tools\nStatus: hold ok installed\nVersion: 5:7.0.15-1~deb12u10\n\n";
const STATUS: &str = "Package: redis-server\nStatus: install ok installed\nVersion: 5:7.0.15-1~deb12u10\n\nPackage: nftables\nStatus: install ok installed\nVersion: 1.0.6-2\n\n";

/// Without a word of the policy's: what Debian 12 and 13 came with. Older ones lack what is rendered.
fn oldest(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Redis => "5:7.0.15",
        Flavour::Valkey => "8.1",
    }
}

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
            let floor = p.redis.minimum_version.as_deref();
            let floor = floor.unwrap_or(oldest(p.redis.flavour));
            let what = format!(
                "upgrade {}: apt-get update && apt-get install {}",
                p.package(),
                p.package()
            );
            vec![Want::by_hand(
                Setting::PackageVersion(p.package().to_owned()),
                Rule::VersionAtLeast(floor.to_owned()),
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
    Control {
        id: "package.origin",
        title: "the server comes from a package",
        severity: Severity::Low,
        why: "What somebody has built by hand is mended by nobody, unless somebody watches every release.",
        references: &["Debian Reference, chapter 2: packages", "data/cve.toml"],
        by_hand: "install the distribution's package, or the vendor's, and move the data to it",
        wants: Wants::Instance(|p, _| {
            vec![Want::by_hand(
                build(p, BuildFact::Origin),
                Rule::NoneOf(vec![Value::text("source")]),
                format!("install {} and move the data to it", p.package()),
            )]
        }),
        cases: &[
            passes(&[("/var/lib/dpkg/status", STATUS)]),
            fails(&[
                ("INFO process_id", "77"),
                ("INFO redis_version", "7.4.11"),
                ("/proc/77/exe -> /usr/local/bin/redis-server", ""),
                (
                    "/var/lib/dpkg/status",
                    "Package: dpkg\nStatus: install ok installed\nVersion: 1.21\n\n",
                ),
            ]),
        ],
    },
    Control {
        id: "package.end-of-life",
        title: "somebody still mends the server's branch or suite",
        severity: Severity::Critical,
        why: "Holes that are found in a branch without support stay open: upstream's Redis 7.0 has had no fix since January 2024.",
        references: &[
            "Redis documentation, version management",
            "Debian LTS",
            "data/cve.toml",
            "Redis Enterprise 6.x STIG RD6X-00-007950",
        ],
        by_hand: "move to a branch that is supported, or to a distribution's package that is",
        wants: Wants::Instance(|p, _| {
            vec![Want::by_hand(
                build(p, BuildFact::Support),
                Rule::Is(Value::text("supported")),
                "move to a supported branch, or to a supported distribution's package",
            )]
        }),
        cases: &[
            passes(&[DEBIAN_13, TRIXIE]),
            fails(&[
                ("INFO process_id", "77"),
                ("INFO redis_version", "7.0.15"),
                ("/proc/77/exe -> /usr/local/bin/redis-server", ""),
            ]),
        ],
    },
    Control {
        id: "package.held",
        title: "the server's packages are not held back from upgrades",
        severity: Severity::Medium,
        why: "A held package keeps its holes, and no upgrade says so.",
        references: &["apt-mark(8)", "dpkg(1)"],
        by_hand: "apt-mark unhold redis-server redis-tools",
        wants: Wants::Instance(|p, _| {
            let held = |name: &str| {
                Want::by_hand(
                    Setting::PackageHeld(name.to_owned()),
                    Rule::Is(Value::Flag(false)),
                    format!("apt-mark unhold {name}"),
                )
            };
            vec![held(p.package()), held(p.tools_package())]
        }),
        cases: &[
            passes(&[("/var/lib/dpkg/status", STATUS)]),
            fails(&[("/var/lib/dpkg/status", HELD)]),
            fails(&[("/var/lib/dpkg/status", HELD_TOOLS)]),
        ],
    },
    Control {
        id: "package.security-source",
        title: "apt has the security suite of the release that it installs from",
        severity: Severity::Critical,
        why: "Fixes arrive there first, and those of a release in long-term support only there: plain bookworm has a Redis whose TLS runs an attacker's code.",
        references: &["sources.list(5)", "Debian LTS", "data/cve.toml"],
        by_hand: "add the release's -security suite to /etc/apt/sources.list, and apt-get update",
        wants: Wants::Host(|_, _| {
            vec![Want::by_hand(
                Setting::SecuritySuite,
                Rule::Is(Value::Flag(true)),
                "add the release's -security suite to apt's sources, and apt-get update",
            )]
        }),
        cases: &[
            passes(&[
                DEBIAN_13,
                (
                    "/etc/apt/sources.list.d/debian.sources",
                    "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: trixie trixie-updates\nComponents: main\n\nTypes: deb\nURIs: http://deb.debian.org/debian-security\nSuites: trixie-security\nComponents: main\n",
                ),
            ]),
            fails(&[
                DEBIAN_13,
                (
                    "/etc/apt/sources.list",
                    "deb http://deb.debian.org/debian trixie main\n# deb http://deb.debian.org/debian-security trixie-security main\n",
                ),
            ]),
        ],
    },
];

fn build(policy: &Policy, what: BuildFact) -> Setting {
    let instance = policy.redis.name.to_string();
    Setting::Build { instance, what }
}

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
