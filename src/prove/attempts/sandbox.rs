//! The day after: a program that runs where the server runs.

use super::{Reason, control};
use crate::control::Severity::{Critical, High};
use crate::prove::{Attempt, How, Undo};

pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        control: control(Reason {
            id: "prove.sandbox-write",
            title: "Who has taken the server over writes nothing outside its directories",
            severity: High,
            why: "The next hole in Lua is a matter of time: what it may do then is the sandbox's affair.",
            references: &["landlock(7)", "systemd.exec(5), ProtectSystem="],
            by_hand: "run it by redis-harden supervise, or under ProtectSystem=strict",
        }),
        how: How::Inside(&["touch", "/tmp/redis-harden-prove"]),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.sandbox-exec",
            title: "Who has taken the server over starts no other program",
            severity: High,
            why: "Shells, downloaders and miners are programs.",
            references: &["landlock(7)", "systemd.exec(5), NoExecPaths="],
            by_hand: "run it by redis-harden supervise, or under NoExecPaths=/",
        }),
        how: How::Inside(&["env", "true"]),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.sandbox-planted",
            title: "What lies among the data cannot be run",
            severity: Critical,
            why: "The data directory is where an intruder can write, so that is where his program lies.",
            references: &["landlock(7)", "mount(8), noexec"],
            by_hand: "run it by redis-harden supervise, or mount the data noexec",
        }),
        how: How::Inside(&["env", "DATA/planted"]),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.sandbox-read",
            title: "Who has taken the server over does not read the host",
            severity: High,
            why: "The names of users, hosts and other services are the map for the next step.",
            references: &[
                "landlock(7)",
                "https://attack.mitre.org/techniques/T1003/008/",
            ],
            by_hand: "run it by redis-harden supervise",
        }),
        how: How::Inside(&["cat", "/etc/passwd"]),
        undo: Undo::Never,
    },
    Attempt {
        control: control(Reason {
            id: "prove.sandbox-shadow",
            title: "Who has taken the server over does not read passwords",
            severity: Critical,
            why: "Hashes of accounts are cracked elsewhere, at leisure.",
            references: &[
                "shadow(5)",
                "https://attack.mitre.org/techniques/T1003/008/",
            ],
            by_hand: "run it as a user of its own, without groups",
        }),
        how: How::Inside(&["cat", "/etc/shadow"]),
        undo: Undo::Never,
    },
];
