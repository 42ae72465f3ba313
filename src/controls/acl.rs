//! Who may do what in the running server.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "acl.anonymous",
        title: "a client without password is refused",
        severity: Severity::Critical,
        why: "An open Redis is taken over by the next scan; what counts is what the server answers, not what requirepass shows.",
        references: &["Redis security/acl.md", "CATALOGUE T-14"],
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
];
