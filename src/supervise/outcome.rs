//! What an end means, and what to do about it, by its code or signal and the server's last words.

use super::machine::{Exit, Held};
use crate::redis::fields;
use std::collections::BTreeMap;
use std::time::Duration;

const DAMAGED_AOF: &str =
    "its append-only file is damaged: copy it, then look at it with redis-check-aof";
const DAMAGED_SNAPSHOT: &str =
    "its snapshot is damaged: copy it, then look at it with redis-check-rdb";

/// Words of Redis's that tell one end from another, with the next step. The first that fits counts.
/// Sources: server.c, aof.c, rdb.c, config.c and zmalloc.c of Redis 7.0 to 8.0.
const KNOWN: [(&[&str], &str); 7] = [
    (
        &["Address already in use", "Failed listening on port"],
        "its port or address cannot be had: `ss -ltnp` says who listens there",
    ),
    (
        &[
            "No space left on device",
            "Disk quota exceeded",
            "Short write while writing to the AOF file",
        ],
        "the disk is full: make room, and it comes back by itself",
    ),
    (
        &[
            "Bad file format reading the append only file",
            "Unexpected end of file reading the append only file",
            "Error reading the manifest file",
            "AOF manifest file",
            "AOF loading didn't find",
        ],
        DAMAGED_AOF,
    ),
    (
        &[
            "Internal error in RDB reading",
            "Short read or OOM loading DB",
            "Wrong signature trying to load DB",
            "Fatal error loading the DB",
            "Terminating server after rdb file reading failure",
        ],
        DAMAGED_SNAPSHOT,
    ),
    (
        &[
            "FATAL CONFIG FILE ERROR",
            "because of ACL errors",
            "error while loading ACLs",
        ],
        "its configuration is at fault: `redis-harden plan` shows what differs from the policy",
    ),
    (
        &["Out Of Memory allocating", "Can't allocate memory"],
        "it could not get memory: lower maxmemory, or look at vm.overcommit_memory and the unit's MemoryMax",
    ),
    (
        &["Permission denied"],
        "something is refused to it, by its sandbox or by the owner of a file: redis-harden check",
    ),
];

const KILLED: &str =
    "somebody killed it, or the kernel where memory ended (`journalctl -k | grep -i oom`)";
const REFUSED: &str = "its sandbox ended it for a system call that no server makes (root's `redis-harden status` names it)";
const CRASHED: &str = "it crashed: the report that is kept has its last words, for its makers";

/// How it ended, with the next step where one is known.
pub(super) fn of(exit: Exit, words: &str) -> String {
    let known = |(signs, _): &&(&[&str], &str)| signs.iter().any(|sign| words.contains(sign));
    let known = KNOWN.iter().find(known).map(|(_, step)| *step);
    // The base of an append-only file is a snapshot.
    let known = known.map(
        |step| match words.contains("RDB base file on AOF loading") {
            true if step == DAMAGED_SNAPSHOT => DAMAGED_AOF,
            _ => step,
        },
    );
    let step = match exit {
        Exit::Signal(9) => Some(KILLED),
        Exit::Signal(31) => Some(REFUSED),
        Exit::Signal(4 | 6 | 7 | 8 | 11) => known.or(Some(CRASHED)),
        _ => known,
    };
    match step {
        Some(step) => format!("{exit}: {step}"),
        None => exit.to_string(),
    }
}

/// What its data are to its end, by `INFO persistence`.
pub(super) fn held(info: &str) -> Held {
    let info = fields(info);
    let seconds = info.get("rdb_last_bgsave_time_sec");
    // -1 when it has made none.
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    Held {
        unsaved: holds_unsaved(&info),
        save_takes: Duration::from_secs(seconds.unwrap_or(0)),
    }
}

/// Whether an end without a save loses something: not where nothing was written since the last one, nor where the append-only file
/// has it all.
fn holds_unsaved(info: &BTreeMap<String, String>) -> bool {
    let is = |name: &str, value: &str| info.get(name).is_some_and(|v| v == value);
    let appended = is("aof_enabled", "1")
        && is("aof_last_write_status", "ok")
        && is("aof_last_bgrewrite_status", "ok")
        // The first one is not whole until it is written.
        && is("aof_rewrite_in_progress", "0")
        && is("aof_rewrite_scheduled", "0");
    !appended && !is("rdb_changes_since_last_save", "0")
}

/// How many replicas have their data from it, by `INFO replication`.
pub(super) fn replicas(info: &str) -> u32 {
    let info = fields(info);
    let count = info
        .get("connected_slaves")
        .filter(|_| info.get("role").is_some_and(|role| role == "master"));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Whether nearly all connections that it serves are taken (19 of 20), by `INFO clients`.
pub(super) fn is_crowded(info: &str) -> bool {
    let info = fields(info);
    let number = |name| info.get(name).and_then(|n: &String| n.parse::<u64>().ok());
    match (number("connected_clients"), number("maxclients")) {
        (Some(clients), Some(most)) => clients.saturating_mul(20) >= most.saturating_mul(19),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_crowded_where_nearly_all_connections_are_taken() {
        for (info, crowded) in [
            ("connected_clients:9500\r\nmaxclients:10000\r\n", true),
            ("connected_clients:9499\r\nmaxclients:10000\r\n", false),
            ("connected_clients:10\r\nmaxclients:10\r\n", true),
            ("connected_clients:9\r\nmaxclients:10\r\n", false),
            ("connected_clients:9\r\n", false),
            ("role:master\r\n", false),
        ] {
            assert_eq!(is_crowded(info), crowded, "{info}");
        }
    }

    #[test]
    fn each_end_has_its_next_step() {
        for (exit, words, said) in [
            (
                Exit::Code(1),
                "Could not create server TCP listening socket *:6379: bind: Address already in use",
                "ss -ltnp",
            ),
            (
                Exit::Code(1),
                "Fatal error loading the DB, check server logs. Exiting.",
                "redis-check-rdb",
            ),
            (
                Exit::Code(1),
                "# Bad file format reading the append only file x: make a backup",
                "redis-check-aof",
            ),
            (Exit::Signal(9), "", "oom"),
            (Exit::Signal(31), "", "sandbox"),
            (Exit::Signal(11), "=== REDIS BUG REPORT END", "crashed"),
            (
                Exit::Signal(6),
                "Out Of Memory allocating 12 bytes!",
                "maxmemory",
            ),
        ] {
            let text = of(exit, words);
            assert!(text.contains(said), "{text}");
        }
        assert_eq!(of(Exit::Code(0), "bye"), "exit code 0");
    }

    fn unsaved(info: &str) -> bool {
        held(info).unsaved
    }

    #[test]
    fn the_last_snapshot_says_how_long_a_save_takes() {
        let takes = |told: &str| held(&format!("rdb_last_bgsave_time_sec:{told}\r\n")).save_takes;
        assert_eq!(takes("40"), Duration::from_secs(40));
        assert_eq!([takes("-1"), takes("x")], [Duration::ZERO; 2]);
    }

    #[test]
    fn only_what_is_nowhere_else_is_unsaved() {
        let aof = "aof_enabled:1\r\naof_last_write_status:ok\r\naof_last_bgrewrite_status:ok\r\n\
                   aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\n";
        let changes = "rdb_changes_since_last_save:7\r\n";
        assert!(!unsaved(&format!("{aof}{changes}")));
        assert!(unsaved(&format!("aof_enabled:0\r\n{changes}")));
        assert!(!unsaved(
            "aof_enabled:0\r\nrdb_changes_since_last_save:0\r\n"
        ));
        let failing = aof.replace("write_status:ok", "write_status:err");
        assert!(unsaved(&format!("{failing}{changes}")));
        let beginning = aof.replace("in_progress:0", "in_progress:1");
        assert!(unsaved(&format!("{beginning}{changes}")));
        assert!(unsaved(""), "what is not known");
    }
}
