//! The ACL file that the running server uses, whoever wrote it.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::controls::told;
use crate::facts::Facts;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::acl_file::AclFileFact;
use crate::value::Value;

pub const CONTROLS: &[Control] = &[
    Control {
        id: "acl.file-names-default",
        title: "the ACL file says what default may do",
        severity: Severity::Critical,
        why: "An ACL file without that line makes default on nopass ~* &* +@all, and voids requirepass without a word.",
        references: &["Redis src/acl.c ACLLoadFromFile"],
        by_hand: "add `user default off resetpass -@all` to it, then ACL LOAD",
        wants: Wants::Instance(|p, f| {
            let names = Rule::Is(Value::Flag(true));
            of_file(
                p,
                f,
                AclFileFact::NamesDefault,
                names,
                "add `user default off resetpass -@all` to it, then ACL LOAD",
            )
        }),
        cases: &[
            passes(&[
                ("CONFIG aclfile", "/etc/redis/users.acl"),
                (
                    "/etc/redis/users.acl 0640 redis:redis",
                    "user default off -@all\n",
                ),
            ]),
            fails(&[
                ("CONFIG aclfile", "/etc/redis/users.acl"),
                (
                    "/etc/redis/users.acl 0640 redis:redis",
                    "user app on #aa +get\n",
                ),
            ]),
        ],
    },
    Control {
        id: "acl.file-plain-passwords",
        title: "the ACL file holds hashes, no passwords",
        severity: Severity::High,
        why: "Whoever reads the file, or a backup of it, has the passwords.",
        references: &[
            "Redis security/acl.md",
            "Redis Enterprise 6.x STIG RD6X-00-008800",
        ],
        by_hand: "replace `>password` by `#` and its SHA-256; ACL SAVE does it",
        wants: Wants::Instance(|p, f| {
            of_file(
                p,
                f,
                AclFileFact::PlainPasswords,
                Rule::Absent,
                "replace `>password` by `#` and its SHA-256; ACL SAVE does it",
            )
        }),
        cases: &[
            passes(&[
                ("CONFIG aclfile", "/etc/redis/users.acl"),
                (
                    "/etc/redis/users.acl 0640 redis:redis",
                    "user default off\nuser app on #aa +get\n",
                ),
            ]),
            fails(&[
                ("CONFIG aclfile", "/etc/redis/users.acl"),
                (
                    "/etc/redis/users.acl 0640 redis:redis",
                    "user default off\nuser app on >secret +get\n",
                ),
            ]),
        ],
    },
    Control {
        id: "acl.one-source",
        title: "users stand in one place only",
        severity: Severity::High,
        why: "`user` lines in redis.conf beside an aclfile are fatal at the next start; CONFIG REWRITE writes such lines.",
        references: &["Redis src/acl.c ACLLoadUsersAtStartup"],
        by_hand: "move the user lines from redis.conf into the ACL file",
        wants: Wants::Told(|p, f| {
            let has_file = told(p, f)
                .is_some_and(|t| t.directives.get("aclfile").is_some_and(|v| !v.is_empty()));
            if !has_file {
                return Vec::new();
            }
            let file = told(p, f)
                .and_then(|t| t.info.get("config_file"))
                .filter(|v| !v.is_empty());
            let path = file.map_or_else(|| p.config_file(), Into::into);
            vec![Want::by_hand(
                Setting::ConfigFile {
                    path,
                    name: "user".into(),
                },
                Rule::Absent,
                "move the user lines from redis.conf into the ACL file",
            )]
        }),
        cases: &[
            passes(&[
                ("CONFIG aclfile", "/x.acl"),
                ("INFO config_file", "/etc/redis/redis.conf"),
                ("/etc/redis/redis.conf 0640 redis:redis", "port 6379\n"),
            ]),
            fails(&[
                ("CONFIG aclfile", "/x.acl"),
                ("INFO config_file", "/etc/redis/redis.conf"),
                (
                    "/etc/redis/redis.conf 0640 redis:redis",
                    "user default on #aa +@all\n",
                ),
            ]),
        ],
    },
];

/// The file that the running server was told to use, else the policy's.
fn of_file(policy: &Policy, facts: &Facts, what: AclFileFact, rule: Rule, fix: &str) -> Vec<Want> {
    let named = told(policy, facts).and_then(|told| told.directives.get("aclfile"));
    let path = match named {
        Some(path) if path.is_empty() => return Vec::new(),
        Some(path) => path.into(),
        None => policy.acl_file(),
    };
    vec![Want::by_hand(Setting::AclFile { path, what }, rule, fix)]
}
