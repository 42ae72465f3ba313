//! Files and directories: whose they are, who may read them, and what holds them.

mod passwords;

use super::rendered::{MEMORY_UNKNOWN, access, group, rendered};
use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::facts::{Entrypoint, Facts};
use crate::policy::{Policies, Policy};
use crate::redis::{acl, config};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::server::ProcessFact;
use crate::value::Value;
use std::path::{Path, PathBuf};

pub const CONTROLS: &[Control] = &[
    Control {
        id: "files.own-directories",
        title: "the directories of redis-harden are root's",
        severity: Severity::High,
        why: "Who can write there decides what root does at the next apply.",
        references: &["hier(7)"],
        by_hand: "chown root:root /etc/redis-harden && chmod 0755 /etc/redis-harden",
        wants: Wants::Host(own_directories),
        cases: &[
            passes(&[
                ("/etc/redis-harden/ 0755 root:root", ""),
                ("/etc/redis-harden/secrets/ 0711 root:root", ""),
                ("/etc/redis-harden/redis/ 0750 root:redis", ""),
            ]),
            fails(&[("/etc/redis-harden/ 0777 root:root", "")]),
        ],
    },
    Control {
        id: "files.data-directory",
        title: "the data directory is the service user's alone",
        severity: Severity::High,
        why: "It holds the whole dataset; whoever can write there can give Redis another one.",
        references: &["Debian redis-tools.postinst", "Redis security.md"],
        by_hand: "chown redis:redis /var/lib/redis && chmod 0750 /var/lib/redis",
        wants: Wants::Instance(|p, f| vec![directory(p.data_dir(), p.user(), p.group(), 0o750, f)]),
        cases: &[
            passes(&[("/var/lib/redis/ 0750 redis:redis", "")]),
            fails(&[("/var/lib/redis/ 0755 redis:redis", "")]),
        ],
    },
    Control {
        id: "files.log-directory",
        title: "the log directory is the service user's, readable by adm",
        severity: Severity::Medium,
        why: "Redis does not start when it cannot open its log; logrotate refuses a directory that a group can write.",
        references: &[
            "Debian redis-tools.postinst",
            "logrotate(8)",
            "Redis Enterprise 6.x STIG RD6X-00-006400",
        ],
        by_hand: "chown redis:adm /var/log/redis && chmod 2750 /var/log/redis",
        wants: Wants::Instance(
            |p, f| match p.log_file().as_deref().and_then(Path::parent) {
                Some(dir) if dir.starts_with("/var/log/redis") => {
                    vec![directory(dir.into(), p.user(), "adm", 0o2750, f)]
                }
                _ => Vec::new(),
            },
        ),
        cases: &[
            passes(&[("/var/log/redis/ 2750 redis:adm", "")]),
            fails(&[("/var/log/redis/ 2777 redis:adm", "")]),
        ],
    },
    Control {
        id: "files.data-not-world-readable",
        title: "no data file can be read by everybody",
        severity: Severity::High,
        why: "A snapshot or an append-only file is the dataset.",
        references: &["Redis security.md", "umask(2)"],
        by_hand: "chmod o-rwx /var/lib/redis/* and set UMask=0027 in the unit",
        wants: Wants::Instance(|p, _| {
            let what = format!("chmod -R o-rwx {}", p.data_dir().display());
            vec![Want::by_hand(
                Setting::ModesBelow(p.data_dir()),
                Rule::NoBits(0o007),
                what,
            )]
        }),
        cases: &[
            passes(&[("/var/lib/redis/dump.rdb 0640 redis:redis", "REDIS0010")]),
            fails(&[("/var/lib/redis/dump.rdb 0644 redis:redis", "REDIS0010")]),
        ],
    },
    Control {
        id: "files.configuration",
        title: "redis.conf is as the policy renders it, root's, and not readable by everybody",
        severity: Severity::High,
        why: "What Redis does is what stands there; a Redis that could write it could change its own rules.",
        references: &[
            "https://redis.io/docs/latest/operate/oss_and_stack/management/config/",
            "Redis Enterprise 6.x STIG RD6X-00-007300",
        ],
        by_hand: "redis-harden plan shows the lines that differ",
        wants: Wants::Instance(configuration),
        cases: &[fails(&[(
            "/etc/redis-harden/redis/default.conf 0644 root:redis",
            "port 6379\n",
        )])],
    },
    Control {
        id: "files.acl",
        title: "the ACL file holds the policy's users, hashes only, and a default user that is off",
        severity: Severity::Critical,
        why: "An ACL file without a default user voids requirepass and leaves it open to everybody.",
        references: &[
            "Redis src/acl.c ACLLoadUsersAtStartup",
            "Redis security/acl.md",
        ],
        by_hand: "redis-harden plan shows the lines that differ",
        wants: Wants::Instance(acl_file),
        cases: &[fails(&[(
            "/etc/redis-harden/redis/default.acl 0640 root:redis",
            "user app on nopass ~* +@all\n",
        )])],
    },
    passwords::CONTROL,
    Control {
        id: "files.stock-configuration",
        title: "the package's redis.conf cannot be read by everybody",
        severity: Severity::Medium,
        why: "An admin may have put a password there.",
        references: &["Debian Policy 10.9", "dpkg-statoverride(1)"],
        by_hand: "chmod o-rwx /etc/redis/redis.conf",
        wants: Wants::Host(|p, f| {
            let here = p.instances.iter().any(|i| i.user() == "redis")
                && f.accounts.uid("redis").is_some();
            let want = Want::by_hand(
                Setting::ModesBelow("/etc/redis".into()),
                Rule::NoBits(0o007),
                "chmod o-rwx /etc/redis/*.conf",
            );
            if here { vec![want] } else { Vec::new() }
        }),
        cases: &[
            passes(&[("/etc/redis/redis.conf 0640 redis:redis", "port 6379\n")]),
            fails(&[("/etc/redis/redis.conf 0644 redis:redis", "port 6379\n")]),
        ],
    },
    Control {
        id: "files.free-space",
        title: "the disk has room for a save of a full server",
        severity: Severity::High,
        why: "A snapshot is written beside the old one, and an append-only file is rewritten beside itself; \
              with a full disk writes are refused, and with appendfsync always the server exits.",
        references: &["Redis persistence.md"],
        by_hand: "free space on the data directory's file system, or lower redis.maxmemory",
        wants: Wants::Instance(|p, f| match f.maxmemory.get(p.redis.name.as_str()) {
            Some(bytes) if p.persists() => {
                let needed = i64::try_from(bytes.saturating_mul(2)).unwrap_or(i64::MAX);
                let what = format!(
                    "make room at {}: twice maxmemory is needed while a save runs",
                    p.data_dir().display()
                );
                vec![Want::by_hand(
                    Setting::FreeSpace(p.data_dir()),
                    Rule::AtLeast(needed),
                    what,
                )]
            }
            _ => Vec::new(),
        }),
        cases: &[
            passes(&[]).under("[redis]\nmaxmemory = \"1mb\""),
            fails(&[]).under("[redis]\nmaxmemory = \"100000gb\""),
        ],
    },
    Control {
        id: "files.data-mount",
        title: "persistent data is on a disk of this host",
        severity: Severity::High,
        why: "On a tmpfs or an overlay it is gone with the machine or container; on a network file system an fsync can block the server for seconds.",
        references: &["Redis persistence.md", "proc_pid_mountinfo(5)"],
        by_hand: "mount a local file system (ext4, xfs) at the data directory",
        wants: Wants::Instance(|p, _| {
            if !p.persists() {
                return Vec::new();
            }
            let bad = [
                "tmpfs",
                "ramfs",
                "overlay",
                "nfs",
                "nfs4",
                "cifs",
                "smb3",
                "9p",
                "fuse.sshfs",
            ];
            let rule = Rule::NoneOf(bad.iter().map(|kind| Value::text(*kind)).collect());
            vec![Want::by_machine(
                Setting::FileSystem(p.data_dir()),
                rule,
                format!("mount a local disk at {}", p.data_dir().display()),
            )]
        }),
        cases: &[
            passes(&[(
                "/proc/self/mountinfo",
                "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
            )]),
            fails(&[(
                "/proc/self/mountinfo",
                "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 21 0:5 / /var/lib/redis rw - tmpfs tmpfs rw\n",
            )]),
        ],
    },
    Control {
        id: "files.log-file",
        title: "the log cannot be read or written by everybody",
        severity: Severity::Medium,
        why: "It tells who connects, what was refused and, in a crash report, pieces of the data; who may write it may hide that.",
        references: &[
            "Redis src/debug.c",
            "umask(2)",
            "Redis Enterprise 6.x STIG RD6X-00-006500",
        ],
        by_hand: "chmod o-rw the log, and UMask=0027 in the unit",
        wants: Wants::Instance(|p, _| {
            let want = |log: PathBuf| {
                let what = format!("chmod o-rwx {}", log.display());
                Want::by_hand(Setting::Mode(log), Rule::NoBits(0o007), what)
            };
            p.log_file().into_iter().map(want).collect()
        }),
        cases: &[
            passes(&[("/var/log/redis/redis-server.log 0640 redis:adm", "x\n")]),
            fails(&[("/var/log/redis/redis-server.log 0644 redis:adm", "x\n")]),
        ],
    },
    Control {
        id: "files.parents",
        title: "nobody but root decides what lies above Redis's directories",
        severity: Severity::High,
        why: "Who may write to a directory can put another in the place of the data, the log or the socket.",
        references: &["path_resolution(7)", "chmod(1)"],
        by_hand: "chown root and chmod go-w each directory that is named",
        wants: Wants::Instance(|p, f| {
            // What /run has is made when the service starts.
            let run = (!f.offline).then(|| p.run_dir().join("_"));
            // The directory of a file is checked by its own control; what stands above it, here.
            let files = [p.log_file(), Some(p.config_file())].into_iter().flatten();
            let mut above: Vec<PathBuf> = files
                .filter_map(|path| path.parent().map(Path::to_path_buf))
                .chain([p.data_dir()])
                .chain(
                    run.iter()
                        .filter_map(|path| path.parent().map(Path::to_path_buf)),
                )
                .collect();
            above.sort();
            above.dedup();
            let want = |dir: PathBuf| {
                let what = format!(
                    "chown root and chmod go-w the directories named, above {}",
                    dir.display()
                );
                Want::by_hand(Setting::Above(dir), Rule::Absent, what)
            };
            above.into_iter().map(want).collect()
        }),
        cases: &[
            passes(&[("/var/lib/ 0755 root:root", "")]),
            fails(&[("/var/lib/ 0777 root:root", "")]),
            fails(&[("/var/lib/ 0755 redis:root", "")]),
            fails(&[("/var/lib/ 0775 root:redis", "")]),
            passes(&[("/var/lib/ 0775 root:adm", "")]),
            fails(&[
                ("/srv/data/redis/ 0750 redis:redis", ""),
                ("/srv/ 0777 root:root", ""),
                ("/var/lib/redis -> /srv/data/redis", ""),
            ]),
        ],
    },
    Control {
        id: "files.data-not-executable",
        title: "nothing in the data directory can be run, or loaded as a module",
        severity: Severity::Medium,
        why: "What an attacker makes Redis write there is data: noexec is the only thing that stops MODULE LOAD of a planted file.",
        references: &[
            "mount(8) noexec",
            "systemd.exec(5) NoExecPaths",
            "proc_pid_mountinfo(5)",
        ],
        by_hand: "NoExecPaths=/ with ExecPaths= of redis-server and its libraries in the unit, or mount the data directory noexec",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::DataExecutable,
            };
            let what = format!(
                "NoExecPaths={} in the unit, or mount it noexec",
                p.data_dir().display()
            );
            vec![Want::by_hand(setting, Rule::Is(Value::Flag(false)), what)]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                (
                    "/proc/77/mountinfo",
                    "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 21 8:2 / /var/lib/redis rw,nosuid,nodev,noexec - ext4 /dev/sdb1 rw\n",
                ),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                (
                    "/proc/77/mountinfo",
                    "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 21 8:2 / /var/lib/redis rw,nosuid,nodev - ext4 /dev/sdb1 rw\n",
                ),
            ]),
        ],
    },
];

fn directory(path: PathBuf, user: &str, group: &str, mode: u32, facts: &Facts) -> Want {
    Want::write(
        Phase::Ground,
        "directories",
        Setting::Dir(path),
        Rule::Is(Value::Dir(access(facts, user, group, mode))),
    )
}

fn own_directories(policies: &Policies, facts: &Facts) -> Vec<Want> {
    // They are mounts there, of whoever runs the container, and hold one user's files only.
    if matches!(facts.entrypoint, Some(Entrypoint::Own(..))) {
        return Vec::new();
    }
    let group = policies.instances.first().map_or("root", |p| p.group());
    let dirs = [
        ("/etc/redis-harden", "root", 0o755),
        ("/etc/redis-harden/secrets", "root", 0o711),
        ("/etc/redis-harden/redis", group, 0o750),
    ];
    dirs.iter()
        .map(|(path, group, mode)| directory(PathBuf::from(path), "root", group, *mode, facts))
        .collect()
}

/// Not rendered where it would hold what only the host itself can tell.
fn configuration(policy: &Policy, facts: &Facts) -> Vec<Want> {
    let Some(maxmemory) = facts.maxmemory.get(policy.redis.name.as_str()) else {
        let file = Setting::File(policy.config_file());
        return vec![Want::at_first_boot(file, MEMORY_UNKNOWN)];
    };
    let content = config::render(policy, *maxmemory, facts.version(policy));
    let rule = rendered(facts, policy.group(), 0o640, content);
    vec![Want::write(
        Phase::Files,
        group(policy),
        Setting::File(policy.config_file()),
        rule,
    )]
}

fn acl_file(policy: &Policy, facts: &Facts) -> Vec<Want> {
    let rule = rendered(
        facts,
        policy.group(),
        0o640,
        acl::render(policy, &facts.digests),
    );
    vec![Want::write(
        Phase::Files,
        group(policy),
        Setting::File(policy.acl_file()),
        rule,
    )]
}
