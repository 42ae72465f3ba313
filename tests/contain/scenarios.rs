//! A real redis-server at work in the sandbox: every feature does what it does outside, and no call of its own is refused.

use super::instance::{Instance, redis, signal, status};
use super::watched::{Watched, free_port};
use nix::sys::signal::Signal::SIGTERM;
use nix::unistd::chown;
use redis_harden::contain::layers::Name;
use std::fs;
use std::process::Command;

pub fn io_threads_snapshots_and_rewrites_under_load() {
    let server =
        Watched::start("io-threads 4\nio-threads-do-reads yes\nappendonly yes\nsave 60 1000");
    server.benchmark();
    assert_eq!(server.ask("BGSAVE"), "+Background saving started");
    server.wait("INFO persistence", "rdb_bgsave_in_progress:0");
    server.wait("INFO persistence", "rdb_last_bgsave_status:ok");
    server.cli(&["BGREWRITEAOF"]);
    server.benchmark();
    server.wait("INFO persistence", "aof_rewrite_in_progress:0");
    server.wait("INFO persistence", "aof_last_bgrewrite_status:ok");
    server.ends_unharmed();
}

pub fn an_aof_that_is_synced_at_every_write() {
    let server = Watched::start("appendonly yes\nappendfsync always");
    server.benchmark();
    assert_eq!(server.ask("SET key value"), "+OK");
    server.ends_unharmed();
}

pub fn lua_and_functions() {
    let server = Watched::start("");
    let script = "local n = 0; for i = 1, 100000 do n = n + i end; redis.call('set', KEYS[1], cjson.encode({n = n})); return redis.call('get', KEYS[1])";
    assert_eq!(
        server.cli(&["EVAL", script, "1", "k"]).trim(),
        "{\"n\":5000050000}"
    );
    let library = "#!lua name=lib\nredis.register_function('f', function(keys, args) return redis.call('INCR', keys[1]) end)";
    assert_eq!(server.cli(&["FUNCTION", "LOAD", library]).trim(), "lib");
    assert_eq!(server.cli(&["FCALL", "f", "1", "n"]).trim(), "1");
    server.ends_unharmed();
}

pub fn config_rewrite_where_the_file_is_the_servers() {
    let server = Watched::start_with_own_config(free_port(), &[], |port| {
        format!("port {port}\nbind 127.0.0.1")
    });
    assert_eq!(server.ask("CONFIG SET maxmemory 123mb"), "+OK");
    assert_eq!(server.ask("CONFIG REWRITE"), "+OK");
    assert!(
        fs::read_to_string(server.instance.path("data/own.conf"))
            .unwrap()
            .contains("maxmemory 123mb")
    );
    server.ends_unharmed();
}

/// Large enough for the parts in which Redis syncs one (`rdb-save-incremental-fsync`), and then loaded.
pub fn a_large_snapshot() {
    let mut server = Watched::start("enable-debug-command yes\nrdbcompression no");
    assert_eq!(server.ask("DEBUG POPULATE 100000 key 1024"), "+OK");
    assert_eq!(server.ask("BGSAVE"), "+Background saving started");
    server.wait("INFO persistence", "rdb_bgsave_in_progress:0");
    server.wait("INFO persistence", "rdb_last_bgsave_status:ok");
    let size = fs::metadata(server.instance.path("data/dump.rdb")).unwrap();
    assert!(size.len() > 100_000_000, "{}", size.len());
    let trace = fs::read_to_string(server.instance.path("trace")).unwrap();
    assert!(trace.contains("sync_file_range("));
    signal(server.instance.supervisor_pid(), SIGTERM);
    assert_eq!(server.instance.ended(), 0);
    server.run();
    server.wait("DBSIZE", "100000");
    server.ends_unharmed();
}

pub fn replication_by_disk_and_without_and_a_promotion() {
    for diskless in ["yes", "no"] {
        let common = format!(
            "repl-diskless-sync {diskless}\nrepl-diskless-sync-delay 0\nmasteruser admin\nmasterauth admin"
        );
        let primary = Watched::start(&common);
        primary.benchmark();
        assert_eq!(primary.ask("SET where primary"), "+OK");
        let connect = format!("[{}]", primary.port);
        let contain = format!("{{ connect = {connect} }}");
        let replica = Watched::start_with(&[("contain", &contain)], |port| {
            format!(
                "port {port}\nbind 127.0.0.1\n{common}\nreplicaof 127.0.0.1 {}",
                primary.port
            )
        });
        replica.wait("INFO replication", "master_link_status:up");
        replica.wait("GET where", "primary");
        assert_eq!(replica.ask("REPLICAOF NO ONE"), "+OK");
        assert_eq!(replica.ask("SET where promoted"), "+OK");
        replica.benchmark();
        replica.ends_unharmed();
        primary.ends_unharmed();
    }
}

pub fn audit_lets_all_calls_pass_and_says_so() {
    let mut instance = Instance::new(&[("contain", "{ seccomp = \"audit\" }")], "");
    let report = instance.start();
    let calls = report
        .layers
        .iter()
        .find(|layer| layer.name == Name::SystemCalls);
    let calls = calls.unwrap();
    assert!(!calls.holds);
    assert_eq!(
        calls.note,
        "the policy only logs (service.seccomp = \"audit\")"
    );
    assert_eq!(status(report.server_pid.unwrap(), "Seccomp"), "2");
}

pub fn tls_with_a_renewed_certificate() {
    let dir = tempfile::Builder::new().prefix("rh-tls").tempdir().unwrap();
    fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    issue(dir.path(), "first");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let tls = free_port();
    let contain = format!(
        "{{ listen = [{tls}], read = [\"{}\"] }}",
        dir.path().display()
    );
    let server = Watched::start_with(&[("contain", &contain)], |port| {
        format!(
            "port {port}\nbind 127.0.0.1\ntls-port {tls}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\ntls-auth-clients no",
            at("crt"),
            at("key"),
            at("crt")
        )
    });
    assert_eq!(shown(tls), "CN=first");
    issue(dir.path(), "second");
    assert_eq!(
        server.ask(&format!(
            "CONFIG SET tls-cert-file {} tls-key-file {}",
            at("crt"),
            at("key")
        )),
        "+OK"
    );
    assert_eq!(shown(tls), "CN=second");
    server.ends_unharmed();
}

/// A certificate by rename, as those who renew them do it.
fn issue(dir: &std::path::Path, name: &str) {
    let at = |file: &str| dir.join(file).display().to_string();
    let status = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &at("new.key"),
            "-out",
            &at("new.crt"),
        ])
        .output()
        .unwrap();
    assert!(status.status.success());
    let (uid, gid) = redis();
    for part in ["key", "crt"] {
        let new = dir.join(format!("new.{part}"));
        chown(&new, Some(uid.into()), Some(gid.into())).unwrap();
        fs::rename(&new, dir.join(part)).unwrap();
    }
}

/// The subject that a server shows.
fn shown(port: u16) -> String {
    let script = format!(
        "openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -subject -nameopt RFC2253"
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().trim_start_matches("subject=").trim().to_owned()
}
