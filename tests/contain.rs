//! The sandbox against a hostile program of our own, and a real redis-server that must not notice it. Needs root and Debian's redis-server;
//! it fails without them, it does not skip. `cargo test --test contain [PART OF A NAME]`.
//! This program is also the supervisor (`--as-supervisor DIR`), the container (`--contain DIR …`) and the hostile program (`--hostile …`).
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

#[path = "contain/attacked.rs"]
mod attacked;
#[path = "contain/attempts.rs"]
mod attempts;
#[path = "contain/hostile.rs"]
mod hostile;
#[path = "supervise/instance.rs"]
mod instance;
#[path = "contain/older.rs"]
mod older;
#[path = "contain/peers.rs"]
mod peers;
#[path = "contain/prison.rs"]
mod prison;
#[path = "support/runner.rs"]
mod runner;
#[path = "contain/scenarios.rs"]
mod scenarios;
#[path = "contain/sentinels.rs"]
mod sentinels;
#[path = "contain/watched.rs"]
mod watched;

use std::process::ExitCode;

const ALL: [runner::Test; 17] = [
    (
        "every_attempt_of_a_hostile_program_is_refused_by_its_layer",
        prison::every_attempt_of_a_hostile_program_is_refused_by_its_layer,
    ),
    (
        "unconfined_the_same_attempts_are_real",
        prison::unconfined_the_same_attempts_are_real,
    ),
    (
        "io_threads_snapshots_and_rewrites_under_load",
        scenarios::io_threads_snapshots_and_rewrites_under_load,
    ),
    (
        "an_aof_that_is_synced_at_every_write",
        scenarios::an_aof_that_is_synced_at_every_write,
    ),
    ("lua_and_functions", scenarios::lua_and_functions),
    (
        "config_rewrite_where_the_file_is_the_servers",
        scenarios::config_rewrite_where_the_file_is_the_servers,
    ),
    (
        "replication_by_disk_and_without_and_a_promotion",
        scenarios::replication_by_disk_and_without_and_a_promotion,
    ),
    (
        "tls_with_a_renewed_certificate",
        scenarios::tls_with_a_renewed_certificate,
    ),
    (
        "audit_lets_all_calls_pass_and_says_so",
        scenarios::audit_lets_all_calls_pass_and_says_so,
    ),
    ("a_key_migrates", peers::a_key_migrates),
    (
        "a_cluster_is_made_resharded_and_fails_over",
        peers::a_cluster_is_made_resharded_and_fails_over,
    ),
    (
        "three_sentinels_fail_over_and_rewrite_the_configurations",
        sentinels::three_sentinels_fail_over_and_rewrite_the_configurations,
    ),
    ("a_large_snapshot", scenarios::a_large_snapshot),
    (
        "every_command_is_not_enough_to_leave_the_sandbox",
        attacked::every_command_is_not_enough_to_leave_the_sandbox,
    ),
    (
        "a_crash_report_is_complete",
        attacked::a_crash_report_is_complete,
    ),
    (
        "who_is_ended_by_the_filter_is_told_with_the_call",
        attacked::who_is_ended_by_the_filter_is_told_with_the_call,
    ),
    (
        "each_layer_is_missed_alone_and_the_server_runs_without_it",
        older::each_layer_is_missed_alone_and_the_server_runs_without_it,
    ),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((mode, rest)) if mode == "--contain" => return prison::contain(rest),
        Some((mode, rest)) if mode == "--hostile" => return hostile::run(rest),
        Some((mode, _)) if mode == "--differences" => return prison::differences(),
        Some((mode, rest)) if mode == "--without" => return older::supervise(rest),
        Some((mode, rest)) if mode == "--victim" => return hostile::wait_as_victim(rest),
        Some((mode, rest)) if mode == "--as-supervisor" => {
            return instance::supervise(rest.first().unwrap().as_ref());
        }
        // As the supervisor starts a server.
        Some((_, rest)) if rest.first().is_some_and(|arg| arg == "--supervised") => {
            return attacked::serve_deadly();
        }
        _ => {}
    }
    runner::run(ALL.iter())
}
