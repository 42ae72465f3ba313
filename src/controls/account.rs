//! The service user: what it is, and what it must not be.

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::server::ProcessFact;
use crate::value::{UserValue, Value};

/// Debian's group and passwd file with a `redis` made by its package.
const PASSWD: (&str, &str) = (
    "/etc/passwd",
    "root:x:0:0::/root:/bin/bash\nredis:x:998:998::/var/lib/redis:/usr/sbin/nologin\n",
);

const APPARMOR_IS_ON: (&str, &str) = ("/sys/module/apparmor/parameters/enabled", "Y\n");

pub const CONTROLS: &[Control] = &[
    Control {
        id: "account.user",
        title: "the service user exists, as Debian's package makes it",
        severity: Severity::High,
        why: "Redis must run as a user of its own that owns nothing else and that nobody can log in as.",
        references: &[
            "Debian redis-tools.postinst",
            "adduser(8)",
            "Redis Enterprise 6.x STIG RD6X-00-007400",
        ],
        by_hand: "adduser --system --home /var/lib/redis --group redis; where it exists: usermod --home /var/lib/redis --shell /usr/sbin/nologin redis",
        wants: Wants::Instance(|p, f| {
            let user = Value::User(UserValue {
                home: format!("/var/lib/{}", p.user()).into(),
                login: false,
                system: true,
            });
            let setting = Setting::User(p.user().to_owned());
            let mut wants = vec![Want::write(
                Phase::Account,
                "account",
                setting,
                Rule::Is(user),
            )];
            // A missing user's group is made with it.
            if f.accounts.uid(p.user()).is_some() {
                let what = format!("addgroup --system {}", p.group());
                let group = Setting::Group(p.group().to_owned());
                wants.push(Want::by_hand(group, Rule::Present, what));
            }
            wants
        }),
        cases: &[
            passes(&[PASSWD]),
            fails(&[(
                "/etc/passwd",
                "root:x:0:0::/root:/bin/bash\nredis:x:998:998::/var/lib/redis:/bin/bash\n",
            )]),
            fails(&[(
                "/etc/passwd",
                "root:x:0:0::/root:/bin/bash\nredis:x:0:0::/var/lib/redis:/usr/sbin/nologin\n",
            )]),
            fails(&[(
                "/etc/passwd",
                "root:x:0:0::/root:/bin/bash\nredis:x:998:998::/var/lib/redis:/usr/sbin/nologin\nx:x:998:998::/:/bin/bash\n",
            )]),
        ],
    },
    Control {
        id: "account.not-root",
        title: "the service user is not root by another name",
        severity: Severity::Critical,
        why: "A second name for id 0 is a server that runs as root, whatever its unit says.",
        references: &["passwd(5)", "setuid(2)"],
        by_hand: "give the user an id of its own (usermod --uid), and its files to it",
        wants: Wants::Instance(|p, f| match f.accounts.uid(p.user()) {
            None => Vec::new(),
            Some(_) => vec![Want::by_hand(
                Setting::UserId(p.user().to_owned()),
                Rule::AtLeast(1),
                "give the user an id of its own (usermod --uid), and its files to it",
            )],
        }),
        cases: &[
            passes(&[PASSWD]),
            fails(&[(
                "/etc/passwd",
                "root:x:0:0::/root:/bin/bash\nredis:x:0:0::/var/lib/redis:/usr/sbin/nologin\n",
            )]),
        ],
    },
    Control {
        id: "account.no-extra-groups",
        title: "the service user is in no group that means power",
        severity: Severity::High,
        why: "A compromised Redis has the rights of its user's groups: docker, disk and sudo are root by another name.",
        references: &["Debian Wiki SystemGroups"],
        by_hand: "gpasswd -d redis GROUP",
        wants: Wants::Instance(|p, _| {
            let what = format!(
                "take {} out of the groups that it does not need: gpasswd -d {} GROUP",
                p.user(),
                p.user()
            );
            vec![Want::by_hand(
                Setting::UserGroups(p.user().to_owned()),
                Rule::Is(Value::Words(Vec::new())),
                what,
            )]
        }),
        cases: &[
            passes(&[
                PASSWD,
                ("/etc/group", "root:x:0:\nadm:x:4:\nredis:x:998:\n"),
            ]),
            fails(&[
                PASSWD,
                (
                    "/etc/group",
                    "root:x:0:\nadm:x:4:\ndocker:x:990:redis\nredis:x:998:\n",
                ),
            ]),
            fails(&[
                PASSWD,
                (
                    "/etc/group",
                    "root:x:0:\nadm:x:4:\ndisk:x:998:\nredis:x:997:\n",
                ),
            ]),
        ],
    },
    Control {
        id: "account.no-password",
        title: "no password opens the service user",
        severity: Severity::High,
        why: "It is a service; a password only serves an attacker who guesses it.",
        references: &["shadow(5)"],
        by_hand: "passwd -l redis",
        wants: Wants::Instance(|p, _| {
            let what = format!("passwd -l {}", p.user());
            vec![Want::by_hand(
                Setting::UserPassword(p.user().to_owned()),
                Rule::Is(Value::Flag(false)),
                what,
            )]
        }),
        cases: &[
            passes(&[
                PASSWD,
                ("/etc/shadow", "root:*:19000::::::\nredis:!:19000::::::\n"),
            ]),
            fails(&[
                PASSWD,
                (
                    "/etc/shadow",
                    "root:*:19000::::::\nredis:$y$j9T$abc$def:19000::::::\n",
                ),
            ]),
        ],
    },
    Control {
        id: "account.process-user",
        title: "the running server is the service user's",
        severity: Severity::Critical,
        why: "Redis never gives up root by itself; a Redis that runs as root and is compromised is a compromised host.",
        references: &["Redis security.md"],
        by_hand: "set User= in the unit and restart",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::User,
            };
            vec![Want::by_restart(setting, Rule::Is(Value::text(p.user())))]
        }),
        cases: &[
            passes(&[
                PASSWD,
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-resident"),
            ]),
            fails(&[
                PASSWD,
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-swapped"),
            ]),
        ],
    },
    Control {
        id: "account.process-capabilities",
        title: "the running server holds no capability",
        severity: Severity::High,
        why: "Redis needs none; each one that it has is one that an attacker inherits.",
        references: &["capabilities(7)"],
        by_hand: "set CapabilityBoundingSet= (empty) in the unit and restart",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::Capabilities,
            };
            vec![Want::by_restart(setting, Rule::AtMost(0))]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-resident"),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-swapped"),
            ]),
        ],
    },
    Control {
        id: "account.process-no-new-privileges",
        title: "the running server can gain no privilege by running a program",
        severity: Severity::Medium,
        why: "Without no_new_privs a set-uid program is a way out of the service user.",
        references: &["https://docs.kernel.org/userspace-api/no_new_privs.html"],
        by_hand: "set NoNewPrivileges=yes in the unit and restart",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::NoNewPrivileges,
            };
            vec![Want::by_restart(setting, Rule::Is(Value::Int(1)))]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-resident"),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-swapped"),
            ]),
        ],
    },
    Control {
        id: "account.process-seccomp",
        title: "the running server's system calls are filtered",
        severity: Severity::Medium,
        why: "A filter takes most of the kernel out of an attacker's reach.",
        references: &[
            "proc_pid_status(5) Seccomp",
            "systemd.exec(5) SystemCallFilter",
        ],
        by_hand: "run Redis under redis-harden's supervisor, or by its systemd unit, whose SystemCallFilter= does it",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::Seccomp,
            };
            vec![Want::by_restart(setting, Rule::Is(Value::Int(2)))]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-filtered"),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/status", "@proc/status-resident"),
            ]),
        ],
    },
    Control {
        id: "account.process-sandbox",
        title: "the running server's sandbox lacks no layer",
        severity: Severity::Medium,
        why: "A layer that the host does not offer is left out, and what it would refuse is refused by nothing else.",
        references: &[
            "https://docs.kernel.org/userspace-api/landlock.html",
            "seccomp(2)",
            "PR_SET_MDWE(2const)",
        ],
        by_hand: "see `redis-harden status` for what each layer lacks: a newer kernel, lsm=landlock on its command line, or a start by root",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::MissingLayers,
            };
            vec![Want::by_hand(
                setting,
                Rule::Is(Value::Words(Vec::new())),
                "give the host what each layer lacks (redis-harden status names it), and restart",
            )]
        }),
        cases: &[],
    },
    Control {
        id: "account.process-apparmor",
        title: "AppArmor confines the running server",
        severity: Severity::Medium,
        why: "It is refused what its profile does not allow by the kernel, also where the sandbox of its own start has a hole.",
        references: &["apparmor(7)", "systemd.exec(5) AppArmorProfile"],
        by_hand: "apparmor_parser -r /etc/apparmor.d/redis-harden (of the package apparmor), then redis-harden restart",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::AppArmor,
            };
            let good = ["enforce", "kill"].map(Value::text);
            vec![Want::by_hand(
                setting,
                Rule::OneOf(good.to_vec()),
                "load the profile (apparmor_parser -r /etc/apparmor.d/redis-harden), and restart",
            )]
        }),
        cases: &[
            passes(&[
                APPARMOR_IS_ON,
                ("INFO process_id", "77"),
                ("/proc/77/attr/apparmor/current", "redis-harden (enforce)\n"),
            ]),
            fails(&[
                APPARMOR_IS_ON,
                ("INFO process_id", "77"),
                (
                    "/proc/77/attr/apparmor/current",
                    "redis-harden (complain)\n",
                ),
            ]),
            fails(&[
                APPARMOR_IS_ON,
                ("/sys/kernel/security/apparmor/profiles", ""),
                ("/etc/apparmor.d/redis-harden", "profile redis-harden {}\n"),
                ("INFO process_id", "77"),
                ("/proc/77/attr/apparmor/current", "unconfined\n"),
            ]),
        ],
    },
];
