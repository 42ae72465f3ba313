//! Known holes: of what is installed and of what runs, by the table in `data/cve.toml` and the origin of the package.

use crate::control::{Case, Control, Expect, Severity, Want, Wants, fails, passes};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::build::{BuildFact, Code};
use crate::setting::holes::{Grade, NONE};
use crate::setting::measure::Measure;
use crate::value::Value;

/// How long a table may be trusted: CATALOGUE §4, rule 3.
const DAYS: i64 = 90;

const DEBIAN_12: (&str, &str) = (
    "/etc/os-release",
    "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n",
);
const DEBIAN_13: (&str, &str) = (
    "/etc/os-release",
    "ID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n",
);
const UBUNTU: (&str, &str) = (
    "/etc/os-release",
    "ID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n",
);

// Each revision's changelog.Debian says what it mends.
const U10: (&str, &str) = (
    STATUS,
    "Package: redis-server\nStatus: install ok installed\nVersion: 5:7.0.15-1~deb12u10\n\n",
);
const U9: (&str, &str) = (
    STATUS,
    "Package: redis-server\nStatus: install ok installed\nVersion: 5:7.0.15-1~deb12u9\n\n",
);
const U7: (&str, &str) = (
    STATUS,
    "Package: redis-server\nStatus: install ok installed\nVersion: 5:7.0.15-1~deb12u7\n\n",
);
const TRIXIE: (&str, &str) = (
    STATUS,
    "Package: redis-server\nStatus: install ok installed\nVersion: 5:8.0.2-3+deb13u3\n\n",
);
const NOBLE: (&str, &str) = (
    STATUS,
    "Package: redis-server\nStatus: install ok installed\nVersion: 5:7.0.15-1ubuntu0.24.04.2\n\n",
);
const NO_SERVER: (&str, &str) = (
    STATUS,
    "Package: dpkg\nStatus: install ok installed\nVersion: 1.21\n\n",
);
const STATUS: &str = "/var/lib/dpkg/status";

const OWNED: (&str, &str) = (
    "/var/lib/dpkg/info/redis-server.list",
    "/usr/bin/redis-server\n",
);
const PACKAGED: (&str, &str) = ("/proc/77/exe -> /usr/bin/redis-server", "");
const MADE: (&str, &str) = ("/proc/77/exe -> /usr/local/bin/redis-server", "");
const PID: (&str, &str) = ("INFO process_id", "77");
const NEW: (&str, &str) = ("INFO uptime_in_seconds", "0");
const REDIS_7_0: (&str, &str) = ("INFO redis_version", "7.0.15");
const REDIS_8_0: (&str, &str) = ("INFO redis_version", "8.0.2");
const REDIS_7_4: (&str, &str) = ("INFO redis_version", "7.4.11");

pub const CONTROLS: &[Control] = &[
    Control {
        id: "cve.installed",
        title: "the installed server has no critical or high hole that can be reached",
        severity: Severity::Critical,
        why: "Such holes run an attacker's code in the server or stop it, some of them without a password. Debian mends them in its revisions and keeps the upstream number.",
        references: REFERENCES,
        by_hand: UPGRADE,
        wants: Wants::Instance(|p, _| vec![none(p, Code::Installed, Grade::Grave)]),
        cases: &[
            passes(&[DEBIAN_12, U10]),
            fails(&[DEBIAN_12, U7]),
            // What a server that runs is not configured for keeps it out of reach: cve.mitigated.
            passes(&[
                DEBIAN_12,
                U9,
                ("CONFIG port", "6379"),
                ("CONFIG cluster-enabled", "no"),
            ]),
            fails(&[DEBIAN_13, TRIXIE]),
            unknown(&[UBUNTU, NOBLE]),
        ],
    },
    Control {
        id: "cve.running",
        title: "the running server has no critical or high hole that can be reached",
        severity: Severity::Critical,
        why: "An upgrade changes the file, not the process, and a server in /usr/local is upgraded by nobody.",
        references: REFERENCES,
        by_hand: "upgrade the server, then restart it",
        wants: Wants::Instance(|p, _| vec![none(p, Code::Running, Grade::Grave)]),
        cases: &[
            passes(&[DEBIAN_12, U10, OWNED, PACKAGED, PID, NEW, REDIS_7_0]),
            fails(&[DEBIAN_12, U7, OWNED, PACKAGED, PID, NEW, REDIS_7_0]),
            // The same number without a package is a 7.0.15 that nobody ever mended.
            fails(&[DEBIAN_12, U10, OWNED, MADE, PID, NEW, REDIS_7_0]),
            passes(&[
                DEBIAN_12,
                NO_SERVER,
                MADE,
                PID,
                NEW,
                REDIS_7_4,
                ("CONFIG port", "6379"),
                ("CONFIG cluster-enabled", "no"),
            ]),
            // It was started an hour before the package was unpacked.
            unknown(&[
                DEBIAN_12,
                U10,
                OWNED,
                PACKAGED,
                PID,
                ("INFO uptime_in_seconds", "3600"),
                REDIS_7_0,
            ]),
            unknown(&[
                DEBIAN_12,
                U10,
                OWNED,
                ("/proc/77/exe -> /usr/bin/redis-server (deleted)", ""),
                PID,
                NEW,
                REDIS_7_0,
            ]),
            unknown(&[
                DEBIAN_12,
                U10,
                OWNED,
                PACKAGED,
                PID,
                NEW,
                ("INFO redis_version", "7.0.11"),
            ]),
            // A container's server tells the process id that it has there.
            unknown(&[
                DEBIAN_12,
                U10,
                OWNED,
                ("/proc/77/exe -> /usr/lib/systemd/systemd", ""),
                PID,
                NEW,
                REDIS_7_0,
            ]),
        ],
    },
    Control {
        id: "cve.lesser",
        title: "the server has no medium or low hole that can be reached",
        severity: Severity::Medium,
        why: "They stop the server or show what it should not, mostly to clients that have a password.",
        references: REFERENCES,
        by_hand: UPGRADE,
        wants: Wants::Instance(|p, _| both(p, Grade::Lesser)),
        cases: &[
            passes(&[DEBIAN_12, U10]),
            fails(&[DEBIAN_12, U7]),
            fails(&[DEBIAN_12, U10, OWNED, MADE, PID, NEW, REDIS_7_0]),
            unknown(&[UBUNTU, NOBLE]),
        ],
    },
    Control {
        id: "cve.mitigated",
        title: "no hole of the server's is kept out of reach by its configuration alone",
        severity: Severity::Low,
        why: "Mitigated is not mended: a CONFIG SET, another ACL or a TLS port opens it again.",
        references: REFERENCES,
        by_hand: UPGRADE,
        wants: Wants::Instance(|p, _| both(p, Grade::Mitigated)),
        cases: &[
            passes(&[
                DEBIAN_12,
                U10,
                OWNED,
                PACKAGED,
                PID,
                NEW,
                REDIS_7_0,
                ("CONFIG port", "6379"),
            ]),
            // CVE-2026-81934 needs TLS, and a build without it has no tls-port.
            fails(&[
                DEBIAN_12,
                U9,
                OWNED,
                PACKAGED,
                PID,
                NEW,
                REDIS_7_0,
                ("CONFIG port", "6379"),
            ]),
            fails(&[
                DEBIAN_13,
                TRIXIE,
                OWNED,
                PACKAGED,
                PID,
                NEW,
                REDIS_8_0,
                ("CONFIG cluster-enabled", "no"),
            ]),
        ],
    },
    Control {
        id: "cve.table-age",
        title: "the table of known holes is not older than 90 days",
        severity: Severity::Low,
        why: "What was found since is not in it: a pass then says less than it seems to.",
        references: &["data/cve.toml"],
        by_hand: "upgrade redis-harden",
        wants: Wants::Host(|_, _| {
            let age = Setting::Measure(Measure::CveTableAge);
            vec![Want::by_hand(
                age,
                Rule::AtMost(DAYS),
                "upgrade redis-harden: its table of known holes is old",
            )]
        }),
        cases: &[],
    },
];

const REFERENCES: &[&str] = &[
    "data/cve.toml",
    "Debian security tracker, source packages redis and valkey",
    "deb-version(7)",
];

const UPGRADE: &str = "apt-get update && apt-get install the server and its tools anew, with the security suite in apt's sources; then restart it";

fn none(policy: &Policy, code: Code, grade: Grade) -> Want {
    let instance = policy.redis.name.to_string();
    let (server, tools) = (policy.package(), policy.tools_package());
    let upgrade = format!("apt-get update && apt-get install {server} {tools}");
    let rest = "what nothing mends yet is to be kept out of reach";
    let what = match code {
        Code::Installed => format!("{upgrade}; {rest}"),
        Code::Running => {
            format!("{upgrade}, or the vendor's newest release, and restart it; {rest}")
        }
    };
    let holes = BuildFact::Holes(code, grade);
    let setting = Setting::Build {
        instance,
        what: holes,
    };
    Want::by_hand(setting, Rule::Is(Value::text(NONE)), what)
}

fn both(policy: &Policy, grade: Grade) -> Vec<Want> {
    [Code::Installed, Code::Running]
        .map(|code| none(policy, code, grade))
        .into()
}

const fn unknown(files: &'static [(&'static str, &'static str)]) -> Case {
    Case {
        files,
        policy: "",
        expect: Expect::Unknown,
    }
}
