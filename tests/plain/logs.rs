//! Logs are rotated by the real logrotate while the server writes, and not a line is lost.

use super::machine::{apply, bare, install, policy, redis};

/// A line with a number is logged for each write; as many a round.
const LINES: usize = 2_000;
const ROUNDS: usize = 12;
/// What the stanza keeps; an older one would be dropped with its lines.
const KEPT: usize = 12;
const LOG: &str = "/var/log/redis/own/cache.txt";
const STANZA: &str = "/etc/logrotate.d/redis-harden";

#[test]
fn a_log_of_the_policys_own_is_rotated_under_load_and_no_line_is_lost() {
    let plain = bare();
    install(&plain, &["logrotate", "redis-server"]);
    plain
        .exec(&[
            "install",
            "-d",
            "-o",
            "redis",
            "-g",
            "adm",
            "-m",
            "2750",
            "/var/log/redis/own",
        ])
        .ok();
    policy(&plain, &format!("[redis]\nlog-file = \"{LOG}\"\n"));
    println!("{}", apply(&plain));
    let configured = plain.exec(&["logrotate", "--debug", "/etc/logrotate.conf"]);
    assert!(!configured.stderr.contains("error"), "{configured}");
    let check = plain.exec(&[
        super::machine::BINARY,
        "check",
        "--only",
        "monitoring.*log*",
        "--fail-on",
        "low",
    ]);
    check.ok();

    let script = format!(
        "for i = 1, {LINES} do redis.log(redis.LOG_WARNING, 'line ' .. (tonumber(ARGV[1]) * {LINES} + i)) end"
    );
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..ROUNDS {
                redis(&plain, "admin", &["EVAL", &script, "0", &round.to_string()]).ok();
            }
        });
        let mut rotated = 0;
        while !writer.is_finished() && rotated < KEPT - 1 {
            let ran = plain.exec(&["logrotate", "--force", STANZA]);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran}");
            rotated += 1;
        }
        writer.join().expect("its writes are answered");
        assert!(rotated > 1, "{rotated} rotations while it wrote");
    });
    let all = plain.sh(&format!("zcat -f {LOG}*"));
    let mut numbers: Vec<usize> = all
        .ok()
        .lines()
        .filter_map(|line| line.split_once("line ")?.1.parse().ok())
        .collect();
    numbers.sort_unstable();
    assert!(
        numbers.iter().copied().eq(1..=LINES * ROUNDS),
        "{} lines",
        numbers.len()
    );
    let access = plain.sh(&format!("stat -c '%U:%G %a' {LOG}* | sort -u"));
    assert_eq!(access.ok(), "redis:adm 640", "{access}");

    // The supervisor's own goes on where it was.
    plain.exec(&["logrotate", "--force", STANZA]).ok();
    plain.exec(&[super::machine::BINARY, "restart"]).ok();
    assert_ne!(plain.read("/var/log/redis-harden/default.log"), "");

    plain.exec(&[super::machine::BINARY, "rollback"]).ok();
    assert_eq!(plain.exec(&["test", "-e", STANZA]).code, 1);
}
