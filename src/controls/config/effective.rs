//! The configuration that counts: files, includes and command line, the running server, and the policy, held together.
//! What Sentinel, Cluster and a failover write themselves (replicaof, the announced addresses, `user` lines) is nobody's drift.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::effective::Question;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "config.started-with",
        title: "the running server was started with the file that its unit names",
        severity: Severity::High,
        why: "A server without a file has no password and no limit; one with another file loses what it has at the next start by its unit.",
        references: &["Redis INFO config_file"],
        by_hand: "start it by its unit: systemctl restart redis-server",
        wants: Wants::Instance(|p, _| {
            vec![Want::by_restart(of(p, Question::OtherFile), Rule::Absent)]
        }),
        cases: &[
            passes(&[
                ("INFO redis_version", "7.0.15"),
                ("INFO config_file", "/etc/redis/redis.conf"),
            ]),
            fails(&[("INFO redis_version", "7.0.15"), ("INFO config_file", "")]),
            fails(&[
                ("INFO redis_version", "7.0.15"),
                ("INFO config_file", "/root/test.conf"),
                ("/root/test.conf", "port 6379\n"),
            ]),
        ],
    },
    Control {
        id: "config.drift-running",
        title: "the running server has what its file and its command line say",
        severity: Severity::Medium,
        why: "What a CONFIG SET has changed is audited by nobody, and lost at the next start. It is also the first step of most attacks.",
        references: &["Redis CONFIG SET", "Redis CONFIG REWRITE"],
        by_hand: "restart Redis, or CONFIG SET the value back; put a value that was meant into the policy",
        wants: Wants::Instance(|p, _| {
            let what = "restart Redis, or CONFIG SET the value back; put a value that was meant into the policy";
            vec![Want::by_hand(
                of(p, Question::RunningDrift),
                Rule::Absent,
                what,
            )]
        }),
        cases: &[
            passes(&[
                ("INFO redis_version", "7.0.15"),
                ("INFO config_file", "/etc/redis/redis.conf"),
                (
                    "/etc/redis/redis.conf 0640 redis:redis",
                    "slowlog-max-len 64\nMaxMemory 1gb\ninclude /etc/redis/*.inc\n",
                ),
                (
                    "/etc/redis/more.inc",
                    "save 900 1\nsave 300 10\nlua-time-limit 100\n",
                ),
                ("CONFIG slowlog-max-len", "64"),
                ("CONFIG maxmemory", "1073741824"),
                ("CONFIG save", "900 1 300 10"),
                ("CONFIG busy-reply-threshold", "100"),
                ("CONFIG hz", "10"),
                ("CONFIG replicaof", "10.0.0.2 6379"),
            ]),
            fails(&[
                ("INFO redis_version", "7.0.15"),
                ("INFO config_file", "/etc/redis/redis.conf"),
                ("/etc/redis/redis.conf 0640 redis:redis", "maxmemory 1gb\n"),
                ("CONFIG maxmemory", "2147483648"),
            ])
            .under("[redis]\nmaxmemory = \"1gb\"\n"),
            fails(&[
                ("INFO redis_version", "8.0.2"),
                ("INFO config_file", "/etc/redis/redis.conf"),
                ("CONFIG hz", "100"),
            ]),
        ],
    },
    Control {
        id: "config.drift-file",
        title: "the file says what the running server and the policy have",
        severity: Severity::Medium,
        why: "A file that was edited takes effect at the next start, when nobody expects a change.",
        references: &["Redis CONFIG GET"],
        by_hand: "redis-harden apply renders our file anew; in another's, put the line back",
        wants: Wants::Instance(|p, _| {
            let what = "redis-harden apply renders our file anew; in another's, put the line back";
            vec![Want::by_hand(
                of(p, Question::FileDrift),
                Rule::Absent,
                what,
            )]
        }),
        cases: &[
            passes(&[
                ("INFO redis_version", "7.0.15"),
                ("INFO config_file", "/etc/redis/redis.conf"),
                ("/etc/redis/redis.conf 0640 redis:redis", "maxclients 500\n"),
                ("CONFIG maxclients", "500"),
            ])
            .under("[redis]\nmaxclients = 500\n"),
            fails(&[
                ("INFO redis_version", "7.0.15"),
                ("INFO config_file", "/etc/redis/redis.conf"),
                ("/etc/redis/redis.conf 0640 redis:redis", "maxclients 400\n"),
                ("CONFIG maxclients", "500"),
            ])
            .under("[redis]\nmaxclients = 500\n"),
        ],
    },
    Control {
        id: "config.drift-policy",
        title: "the policy asks for what the file and the running server have",
        severity: Severity::Medium,
        why: "A policy that was changed and never applied protects nothing.",
        references: &["Redis CONFIG GET"],
        by_hand: "redis-harden plan shows the lines that differ; redis-harden apply writes them",
        wants: Wants::Instance(|p, _| {
            let what =
                "redis-harden plan shows the lines that differ; redis-harden apply writes them";
            vec![Want::by_hand(
                of(p, Question::PolicyDrift),
                Rule::Absent,
                what,
            )]
        }),
        cases: &[
            passes(&[
                ("INFO valkey_version", "8.1.1"),
                ("INFO config_file", "/etc/redis/redis.conf"),
                (
                    "/etc/redis/redis.conf 0640 redis:redis",
                    "oom-score-adj relative\nlazyfree-lazy-expire YES\n",
                ),
                ("CONFIG oom-score-adj", "yes"),
                ("CONFIG lazyfree-lazy-expire", "yes"),
            ]),
            fails(&[
                ("INFO redis_version", "7.0.15"),
                ("INFO config_file", "/etc/redis/redis.conf"),
                ("/etc/redis/redis.conf 0640 redis:redis", "timeout 60\n"),
                ("CONFIG timeout", "60"),
            ]),
        ],
    },
    Control {
        id: "config.unknown-directive",
        title: "the server knows every directive of its files and of the policy",
        severity: Severity::High,
        why: "A server does not start on a directive that its version does not know: the next restart is an outage.",
        references: &["Redis config.c"],
        by_hand: "remove the line, or install the version that knows it",
        wants: Wants::Instance(|p, _| {
            let what = "remove the line, or install the version that knows it";
            vec![Want::by_hand(of(p, Question::Unknown), Rule::Absent, what)]
        }),
        cases: &[
            passes(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "slave-read-only yes\nrename-command FLUSHALL \"\"\n",
            )]),
            // Gone since 7.0, and not there before 7.4. Source: CATALOGUE §3.
            fails(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "gopher-enabled no\n",
            )]),
            fails(&[]).under("[redis.directives]\nhide-user-data-from-log = true\n"),
        ],
    },
    Control {
        id: "config.inline-comment",
        title: "no value is followed by a comment",
        severity: Severity::High,
        why: "Redis knows comments on lines of their own only: behind a value they are more values, and it does not start.",
        references: &["Redis src/config.c loadServerConfigFromString"],
        by_hand: "put the comment on a line of its own",
        wants: Wants::Instance(|p, _| {
            let what = "put the comment on a line of its own";
            vec![Want::by_hand(
                of(p, Question::InlineComments),
                Rule::Absent,
                what,
            )]
        }),
        cases: &[
            passes(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "# evict\nmaxmemory-policy allkeys-lru\n",
            )]),
            fails(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "maxmemory-policy allkeys-lru # evict\n",
            )]),
        ],
    },
    Control {
        id: "config.loads",
        title: "the server would start on its files as they are",
        severity: Severity::High,
        why: "A running server does not look at its file again: a fault in it is found at the next start, which fails.",
        references: &["Redis config.c"],
        by_hand: "mend the line",
        wants: Wants::Instance(|p, _| {
            vec![Want::by_hand(
                of(p, Question::Faults),
                Rule::Absent,
                "mend the line",
            )]
        }),
        cases: &[
            passes(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "include /etc/redis/none-*.conf\nunixsocketperm 0770\n",
            )]),
            fails(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "include /etc/redis/none.conf\n",
            )]),
            fails(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "maxmemory 1.5gb\n",
            )]),
            fails(&[]).under("[redis.directives]\nhz = \"fast\"\n"),
        ],
    },
    Control {
        id: "config.duplicate",
        title: "no line of the configuration overrides an earlier one",
        severity: Severity::Low,
        why: "The last line counts: whoever reads the first is misled.",
        references: &["Redis src/config.c loadServerConfigFromString"],
        by_hand: "remove the line that does not count",
        wants: Wants::Instance(|p, _| {
            let what = "remove the line that does not count";
            vec![Want::by_hand(
                of(p, Question::Overridden),
                Rule::Absent,
                what,
            )]
        }),
        cases: &[
            passes(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "save 900 1\nsave 300 10\nmaxmemory 1024\nmaxmemory 1kb\n",
            )]),
            fails(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "maxmemory 1gb\nport 6379\nMAXMEMORY 2gb\n",
            )]),
        ],
    },
    Control {
        id: "config.plaintext-secret",
        title: "no password can be read in the configuration",
        severity: Severity::Medium,
        why: "A redis.conf is copied into backups, tickets and images; an ACL file holds hashes.",
        references: &[
            "redis.conf aclfile",
            "redis.conf requirepass, masterauth",
            "Redis Enterprise 6.x STIG RD6X-00-008800",
        ],
        by_hand: "move the users into an ACL file with #HASH passwords, and change the password that could be read",
        wants: Wants::Instance(|p, _| {
            let what = "move the users into an ACL file with #HASH passwords, and change the password that could be read";
            vec![Want::by_hand(
                of(p, Question::Passwords),
                Rule::Absent,
                what,
            )]
        }),
        cases: &[
            passes(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "user app on #5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8 ~* +@read\nrequirepass \"\"\n",
            )]),
            fails(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "requirepass hidden\n",
            )]),
            fails(&[(
                "/etc/redis/redis.conf 0640 redis:redis",
                "user app on >hidden ~* +@read\n",
            )]),
        ],
    },
];

fn of(policy: &Policy, question: Question) -> Setting {
    Setting::Effective {
        instance: policy.redis.name.to_string(),
        question,
    }
}
