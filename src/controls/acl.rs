//! Who may do what in the running server.

pub(super) mod directives;
mod ending;
pub(super) mod file;

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::policy::{Policy, Role};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::users::UserFact;
use crate::value::Value;

/// The supervisor has the server read a certificate that was replaced.
const WATCHING: &str = "[tls]\nenabled = true\nwatch = \"supervisor\"\n";

pub const CONTROLS: &[Control] = &[
    Control {
        id: "acl.anonymous",
        title: "a client without password is refused",
        severity: Severity::Critical,
        why: "An open Redis is taken over by the next scan; what counts is what the server answers, not what requirepass shows.",
        references: &[
            "Redis security/acl.md",
            "Redis Enterprise 6.x STIG RD6X-00-009600",
        ],
        by_hand: "ACL SETUSER default off, and the same in the ACL file",
        wants: Wants::Instance(|p, _| {
            vec![Want::by_restart(
                Setting::Anonymous(p.redis.name.to_string()),
                Rule::Is(Value::text("refused")),
            )]
        }),
        cases: &[
            passes(&[("ANONYMOUS", "refused")]),
            fails(&[("ANONYMOUS", "open")]),
        ],
    },
    Control {
        id: "acl.file",
        title: "the running server takes its users from our ACL file",
        severity: Severity::High,
        why: "Users in redis.conf, or none, are not those of the policy.",
        references: &["redis.conf aclfile"],
        by_hand: "restart Redis by its unit",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Directive {
                instance: p.redis.name.to_string(),
                name: "aclfile".into(),
            };
            vec![Want::by_restart(
                setting,
                Rule::Is(Value::text(p.acl_file().to_string_lossy())),
            )]
        }),
        cases: &[
            passes(&[("CONFIG aclfile", "/etc/redis-harden/redis/default.acl")]),
            fails(&[("CONFIG aclfile", "")]),
        ],
    },
    Control {
        id: "acl.no-requirepass",
        title: "no password stands in the server's configuration",
        severity: Severity::Medium,
        why: "requirepass is the default user's password in clear text, shown by CONFIG GET to everyone who may ask.",
        references: &["redis.conf requirepass"],
        by_hand: "remove requirepass and use ACL users with hashes",
        wants: Wants::Instance(|p, _| {
            let path = p.stock_config();
            let what = format!(
                "remove requirepass from {}: the ACL file holds hashes",
                path.display()
            );
            vec![Want::by_hand(
                Setting::ConfigFile {
                    path,
                    name: "requirepass".into(),
                },
                Rule::Absent,
                what,
            )]
        }),
        cases: &[
            passes(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "# requirepass foobared\n",
            )]),
            fails(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "requirepass foobared\n",
            )]),
        ],
    },
    Control {
        id: "acl.no-password",
        title: "no user gets in without a password",
        severity: Severity::Critical,
        why: "nopass lets everyone in as that user. An aclfile without a line for default does just that, whatever requirepass says.",
        references: &[
            "Redis security/acl.md",
            "Redis Enterprise 6.x STIG RD6X-00-008600",
        ],
        by_hand: "ACL SETUSER NAME resetpass off, and the same in the ACL file",
        wants: Wants::Instance(|p, _| users(p, UserFact::NoPassword)),
        cases: &[
            passes(&[
                ("ACL default", "off nopass -@all"),
                ("ACL admin", "on #aa ~* &* +@all"),
            ]),
            fails(&[("ACL default", "on nopass ~* &* +@all")]),
        ],
    },
    Control {
        id: "acl.published-password",
        title: "no user has a password that is published",
        severity: Severity::Critical,
        why: "Scanners try the passwords of documentation and examples first; Redis answers tens of thousands of attempts a second.",
        references: &["redis.conf requirepass", "data/published-passwords.txt"],
        by_hand: "give the user a generated password: ACL SETUSER NAME resetpass >…, and the same in the ACL file",
        wants: Wants::Instance(|p, _| users(p, UserFact::PublishedPassword)),
        cases: &[
            passes(&[(
                "ACL app",
                "on #0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef +get",
            )]),
            // The SHA-256 of "foobared", the sample of redis.conf.
            fails(&[(
                "ACL default",
                "on #1b58ee375b42e41f0e48ef2ff27d10a5b1f6924a9acdcdba7cae868e7adce6bf ~* +@all",
            )]),
        ],
    },
    Control {
        id: "acl.unknown-users",
        title: "the running server has no user that the policy does not know",
        severity: Severity::Critical,
        why: "A user that somebody added is a way back in.",
        references: &[
            "Redis ACL LIST",
            "Redis ACL LOG",
            "Redis Enterprise 6.x STIG RD6X-00-000900",
        ],
        by_hand: "find out who added it and what for; then name it in the policy, or ACL DELUSER",
        wants: Wants::Instance(|p, _| users(p, UserFact::Unknown)),
        cases: &[
            passes(&[
                ("ACL default", "off -@all"),
                ("ACL admin", "on #aa ~* &* +@all"),
                ("ACL agent", "on #bb +ping"),
            ]),
            fails(&[
                ("ACL default", "off -@all"),
                ("ACL backdoor", "on #aa ~* &* +@all"),
            ]),
        ],
    },
    Control {
        id: "acl.missing-users",
        title: "the running server has every user of the policy",
        severity: Severity::High,
        why: "Without agent the supervisor is blind; without the others the applications are locked out.",
        references: &["Redis ACL LIST"],
        by_hand: "redis-harden restart",
        wants: Wants::Instance(|p, _| users_by_restart(p, UserFact::Missing)),
        cases: &[
            passes(&[
                ("ACL default", "off -@all"),
                ("ACL admin", "on #aa ~* &* +@all"),
                ("ACL agent", "on #bb +ping"),
                ("ACL app", "on #cc +get"),
            ]),
            fails(&[
                ("ACL default", "off -@all"),
                ("ACL admin", "on #aa ~* &* +@all"),
            ]),
            fails(&[
                ("ACL admin", "on #aa ~* &* +@all"),
                ("ACL agent", "off #bb +ping"),
            ]),
        ],
    },
    Control {
        id: "acl.dangerous",
        title: "only admin has dangerous commands",
        severity: Severity::High,
        why: "FLUSHALL, KEYS, CONFIG, DEBUG, MODULE, SHUTDOWN, REPLICAOF, RESTORE in an application's hands are an outage or a break-in.",
        references: &[
            "Redis security/acl.md, command categories",
            "CVE-2025-49844",
            "Redis Enterprise 6.x STIG RD6X-00-001000",
        ],
        by_hand: "ACL SETUSER NAME -@admin -@dangerous, and the same in the policy's rules",
        wants: Wants::Instance(|p, _| users(p, UserFact::Dangerous)),
        cases: &[
            passes(&[("ACL app", "on #aa ~* &* +@all -@admin -@dangerous")]),
            passes(&[(
                "ACL agent",
                "on #aa -@all +ping +info +shutdown +script|kill +function|kill +client|kill",
            )]),
            passes(&[("ACL agent", "on #aa -@all +ping +config|set")]).under(WATCHING),
            fails(&[("ACL agent", "on #aa -@all +ping +config|set")]),
            fails(&[("ACL agent", "on #aa -@all +ping +config|get")]).under(WATCHING),
            fails(&[("ACL app", "on #aa ~* &* +@all")]),
            fails(&[("ACL app", "on #aa ~* -@all +@read +keys")]),
        ],
    },
    Control {
        id: "acl.scripting",
        title: "only admin may run scripts",
        severity: Severity::Medium,
        why: "The remote-code bugs of 2022 to 2026 were in Lua; a user without scripts cannot reach them. One that needs them is waived by name.",
        references: &[
            "CVE-2025-49844",
            "CVE-2024-46981",
            "CVE-2022-0543",
            "Redis Enterprise 6.x STIG RD6X-00-001100",
        ],
        by_hand: "ACL SETUSER NAME -@scripting, and the same in the policy's rules",
        wants: Wants::Instance(|p, _| users(p, UserFact::Scripting)),
        cases: &[
            passes(&[
                ("ACL app", "on #aa ~* +@all -@scripting"),
                ("ACL admin", "on #aa ~* +@all"),
            ]),
            fails(&[("ACL app", "on #aa ~* +@read +eval")]),
            fails(&[("ACL app", "on #aa ~* -@all +get (~c* +@scripting)")]),
        ],
    },
    Control {
        id: "acl.sentinel-channel",
        title: "no application may speak on Sentinel's channel",
        severity: Severity::High,
        why: "Who publishes there that another server is the primary is believed by every Sentinel, at once and without a vote.",
        references: &[
            "Redis sentinel.c sentinelProcessHelloMessage",
            "Redis security/acl.md",
        ],
        by_hand: "give Sentinel a user of role = \"sentinel\" in the policy, which takes its channel from the applications; where an application has rules of its own, name its channels there instead of &*",
        wants: Wants::Instance(|p, f| {
            let watched = p.acl.values().any(|user| user.role == Some(Role::Sentinel));
            match watched || !f.sentinels.is_empty() {
                true => users(p, UserFact::SpeaksAsSentinel),
                false => Vec::new(),
            }
        }),
        cases: &[
            passes(&[
                ("ACL admin", "on #aa ~* &* +@all"),
                ("ACL app", "on #bb ~* &[^_]* &_[^_]* &__[^s]* +@all -@admin"),
                (
                    "ACL failover",
                    "on #cc resetchannels &__sentinel__:hello -@all +publish",
                ),
            ])
            .under("[acl.failover]\nrole = \"sentinel\""),
            fails(&[("ACL app", "on #bb ~* &* +@all -@admin")])
                .under("[acl.failover]\nrole = \"sentinel\""),
            fails(&[(
                "ACL app",
                "on #bb ~* resetchannels -@all +get (&* +publish)",
            )])
            .under("[acl.failover]\nrole = \"sentinel\""),
        ],
    },
    Control {
        id: "acl.default-in-use",
        title: "no program is the user default any more",
        severity: Severity::Low,
        why: "Each program with a user of its own can be told apart, narrowed and locked out alone; `[legacy] default-until` says when default ends.",
        references: &["Redis security/acl.md", "Redis CLIENT LIST"],
        by_hand: "give the program a user of its own, such as [acl.app], and its password file",
        wants: Wants::Instance(|p, f| {
            let connected = super::told(p, f).and_then(|told| told.of_default.0.as_ref().ok());
            if p.legacy.default_until.is_none() && connected.is_none_or(Vec::is_empty) {
                return Vec::new();
            }
            let until = p.legacy.default_until.as_deref().unwrap_or("now");
            vec![Want::by_hand(
                Setting::DefaultClients(p.redis.name.to_string()),
                Rule::Absent,
                format!("give these programs a user of their own before default ends ({until})"),
            )]
        }),
        cases: &[fails(&[("CLIENT 10.0.0.5", "default")])],
    },
    ending::CONTROL,
    Control {
        id: "acl.former-passwords",
        title: "a replaced password ends in its time",
        severity: Severity::Medium,
        why: "A password is replaced because somebody may know it who should not: until its end it is as good as the new one.",
        references: &["redis-harden-secret-rotate(1)"],
        by_hand: "redis-harden secret rotate NAME --finish",
        wants: Wants::Instance(|p, _| {
            vec![Want::by_hand(
                Setting::FormerPasswords(p.redis.name.to_string()),
                Rule::Absent,
                "redis-harden secret rotate NAME --finish, or --finish alone for all; of agent after redis-harden restart",
            )]
        }),
        cases: &[
            passes(&[]),
            passes(&[(
                "/var/lib/redis-harden/rotations/app.json 0600 root:root",
                "@rotations/going-on.json",
            )]),
            fails(&[(
                "/var/lib/redis-harden/rotations/app.json 0600 root:root",
                "@rotations/overdue.json",
            )]),
        ],
    },
    Control {
        id: "acl.payloads-checked",
        title: "no user's RESTORE payloads are believed unchecked",
        severity: Severity::Medium,
        why: "skip-sanitize-payload turns the check of sanitize-dump-payload off for that user.",
        references: &["redis.conf sanitize-dump-payload", "CVE-2026-25243"],
        by_hand: "ACL SETUSER NAME sanitize-payload, and the same in the ACL file",
        wants: Wants::Instance(|p, _| users(p, UserFact::TrustedPayloads)),
        cases: &[
            passes(&[("ACL app", "on sanitize-payload #aa +get")]),
            fails(&[("ACL app", "on skip-sanitize-payload #aa +get")]),
        ],
    },
    Control {
        id: "acl.drift",
        title: "the running server's users are as the policy makes them",
        severity: Severity::High,
        why: "ACL SETUSER changes a running server, and no file tells.",
        references: &[
            "Redis ACL LIST",
            "Redis ACL GETUSER",
            "Redis Enterprise 6.x STIG RD6X-00-000900",
        ],
        by_hand: "redis-harden restart brings the policy's users back",
        wants: Wants::Instance(|p, _| users_by_restart(p, UserFact::Differing)),
        cases: &[
            passes(&[(
                "ACL agent",
                "on #aa resetchannels -@all +info +shutdown +script|kill +function|kill +client|kill +ping",
            )]),
            fails(&[(
                "ACL agent",
                "on #aa resetchannels -@all +info +shutdown +script|kill +function|kill +client|kill +ping +config|get",
            )]),
            fails(&[("ACL default", "on #aa ~* &* +@all")]),
        ],
    },
];

fn users(policy: &Policy, what: UserFact) -> Vec<Want> {
    let what_to_do = "change the user's rules in the policy, or ACL DELUSER where it is a stranger";
    vec![Want::by_hand(
        setting(policy, what),
        Rule::Absent,
        what_to_do,
    )]
}

/// A restart loads the policy's ACL file.
fn users_by_restart(policy: &Policy, what: UserFact) -> Vec<Want> {
    vec![Want::by_restart(setting(policy, what), Rule::Absent)]
}

fn setting(policy: &Policy, what: UserFact) -> Setting {
    Setting::Users {
        instance: policy.redis.name.to_string(),
        what,
    }
}
