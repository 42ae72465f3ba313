//! The image's life: it starts from what is mounted, says honestly how it is, stops in order, and keeps its data.

use super::oci::{Container, Spec, as_root, composed, pod};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const APP: &str = "/run/secrets/redis-app";

#[track_caller]
fn keeps_its_data(container: &mut Container, spec: &Spec) {
    container.start(spec);
    container.wait_healthy();
    assert_eq!(
        container.redis("app", APP, &["set", "k", "v"]),
        "OK",
        "{}",
        container.log()
    );
    let stopped = container.stop();
    assert_eq!(stopped.code(), Some(0), "{}", container.log());
    assert!(
        container.log().contains("bye bye"),
        "Redis itself ended in order, and its log is the container's: {}",
        container.log()
    );
    container.start(spec);
    container.wait_healthy();
    assert_eq!(container.redis("app", APP, &["get", "k"]), "v");
    assert!(
        container
            .redis("app", APP, &["flushall"])
            .contains("NOPERM")
    );
}

#[test]
fn a_composed_service_runs_without_root_or_a_writable_root_and_keeps_its_data() {
    let mut container = Container::new();
    let spec = composed(&container, None);
    keeps_its_data(&mut container, &spec);
    let status = container.exec(&["cat", "/proc/1/status"]).stdout;
    let status = String::from_utf8_lossy(&status).into_owned();
    for line in [
        "Uid:\t999\t999\t999\t999",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "{line}\n{status}");
    }
    // Half of the 512 MiB that its control group allows, with the policy's headroom of 2.
    let maxmemory = container.redis(
        "admin",
        "/etc/redis-harden/secrets/admin",
        &["config", "get", "maxmemory"],
    );
    assert!(maxmemory.contains("268435456"), "{maxmemory}");
    let exporter = container.redis(
        "exporter",
        "/run/secrets/redis-exporter",
        &["info", "server"],
    );
    assert!(exporter.contains("redis_version"), "{exporter}");
    assert!(
        container
            .redis("exporter", "/run/secrets/redis-exporter", &["get", "k"])
            .contains("NOPERM")
    );
    assert_eq!(container.stop().code(), Some(0));
    let secret = fs::read_to_string(container.dir.path().join("redis-app")).expect("ours");
    assert!(
        !container.log().contains(secret.trim()),
        "the password is in the log"
    );
}

#[test]
fn a_pod_runs_as_the_kubelet_mounts_it_and_keeps_its_data() {
    let mut container = Container::new();
    let spec = pod(&container, None);
    keeps_its_data(&mut container, &spec);
}

#[test]
fn a_user_without_a_name_runs_it_as_well() {
    let mut container = Container::new();
    let spec = pod(&container, Some((1_000_650_000, 0)));
    keeps_its_data(&mut container, &spec);
}

#[test]
fn started_as_root_it_takes_a_volume_of_roots_and_leaves_root_behind() {
    let mut container = Container::new();
    let spec = as_root(&container);
    keeps_its_data(&mut container, &spec);
    for process in ["1", "self"] {
        let status = container.exec(&["grep", "^Uid", &format!("/proc/{process}/status")]);
        let uid = String::from_utf8_lossy(&status.stdout).into_owned();
        let wanted = if process == "1" {
            "Uid:\t999\t999"
        } else {
            "Uid:\t0\t0"
        };
        assert!(uid.starts_with(wanted), "{process}: {uid}");
    }
    let whose = container.exec(&[
        "stat",
        "-c",
        "%U:%G %a",
        "/etc/redis-harden/redis/default.acl",
    ]);
    assert_eq!(String::from_utf8_lossy(&whose.stdout), "root:redis 640\n");
}

#[test]
fn noauth_is_an_answer_and_no_health() {
    let mut container = Container::new();
    let spec = composed(&container, None);
    container.start(&spec);
    container.wait_healthy();
    // The guide's own health check calls this healthy.
    let ping = container.exec(&["redis-cli", "ping"]);
    let said = [ping.stdout, ping.stderr].concat();
    assert!(ping.status.success() && String::from_utf8_lossy(&said).contains("NOAUTH"));
    let changed = container.exec(&["sh", "-c", "echo another > /etc/redis-harden/secrets/admin"]);
    assert!(changed.status.success());
    let (code, said) = container.health();
    assert!(
        code == 3 && said.contains("not ready") && said.contains("WRONGPASS"),
        "{code}: {said}"
    );
    let lost = container.exec(&["rm", "/etc/redis-harden/secrets/admin"]);
    assert!(lost.status.success());
    let (code, said) = container.health();
    assert!(code == 3 && said.contains("NOAUTH"), "{code}: {said}");
}

#[test]
fn a_server_that_loads_its_data_is_not_healthy_before_it_has_it() {
    const SLOW: &str = "extends = \"container\"\n[redis]\nbind = [\"*\"]\nlog-file = \"stdout\"\n[redis.directives]\nkey-load-delay = 4000\nloading-process-events-interval-bytes = 1024\n\
        [acl.app]\nrole = \"application\"\npassword-file = \"/run/secrets/redis-app\"\n[persistence]\nappendonly = false\n";
    let mut container = Container::new();
    let spec = composed(&container, Some(SLOW));
    container.start(&spec);
    container.wait_healthy();
    let keys: Vec<String> = (0..1000)
        .flat_map(|n| [format!("key:{n}"), "v".to_owned()])
        .collect();
    let words: Vec<&str> = ["mset"]
        .into_iter()
        .chain(keys.iter().map(String::as_str))
        .collect();
    assert_eq!(container.redis("app", APP, &words), "OK");
    assert_eq!(container.stop().code(), Some(0));
    container.start(&spec);
    let begun = Instant::now();
    let mut seen = false;
    while !seen && begun.elapsed() < Duration::from_secs(3) {
        let (code, said) = container.health();
        assert_ne!(
            code, 0,
            "it cannot have loaded 1000 keys of 4 ms each: {said}"
        );
        seen = said.contains("load");
    }
    assert!(seen, "{}", container.log());
    container.wait_healthy();
    assert_eq!(container.redis("app", APP, &["dbsize"]), "1000");
}

#[test]
fn a_password_that_is_not_mounted_and_a_volume_of_anothers_are_refused_with_the_remedy() {
    let mut container = Container::new();
    const ELSEWHERE: &str =
        "extends = \"container\"\n[acl.app]\npassword-file = \"/run/secrets/nowhere\"\n";
    let spec = composed(&container, Some(ELSEWHERE));
    container.start(&spec);
    assert_eq!(container.ended().code(), Some(78));
    assert!(
        container
            .log()
            .contains("/run/secrets/nowhere: there is none: mount it there"),
        "{}",
        container.log()
    );

    let mut spec = composed(&container, None);
    container.file("redis-app", "secret\n", (0, 0), 0o400);
    container.start(&spec);
    assert_eq!(container.ended().code(), Some(78));
    assert!(
        container.log().contains("let uid 999 read it"),
        "{}",
        container.log()
    );
    container.file("redis-app", "secret\n", (0, 999), 0o440);

    spec.binds
        .retain(|(_, target, _)| target != "/var/lib/redis");
    spec.binds.push((
        container.directory("foreign", (0, 0), 0o755),
        "/var/lib/redis".into(),
        true,
    ));
    container.start(&spec);
    assert_eq!(container.ended().code(), Some(78));
    assert!(
        container
            .log()
            .contains("chown the volume (fsGroup: 999 in Kubernetes)"),
        "{}",
        container.log()
    );

    let own = container.directory("own", (999, 999), 0o750);
    container.file("own/dump.rdb", "REDIS0010", (0, 0), 0o600);
    spec.binds
        .retain(|(_, target, _)| target != "/var/lib/redis");
    spec.binds
        .push((own.clone(), "/var/lib/redis".into(), true));
    container.start(&spec);
    assert_eq!(container.ended().code(), Some(78));
    assert!(
        container.log().contains("dump.rdb: it is another user's"),
        "{}",
        container.log()
    );
    assert_eq!(
        fs::read(own.join("dump.rdb")).expect("still there"),
        b"REDIS0010"
    );

    spec.binds
        .retain(|(_, target, _)| target != "/var/lib/redis");
    spec.binds.push((
        container.directory("data", (999, 999), 0o750),
        "/var/lib/redis".into(),
        true,
    ));
    spec.tmpfs
        .retain(|(target, _)| !Path::new(target).ends_with("redis-harden/redis"));
    container.start(&spec);
    assert_eq!(container.ended().code(), Some(78));
    assert!(
        container.log().contains("/etc/redis-harden/redis"),
        "{}",
        container.log()
    );
}

#[test]
fn a_node_of_a_set_shows_its_primary_a_password_that_is_mounted() {
    let mut container = Container::new();
    const NODE: &str = "extends = \"container\"\n[redis]\nlog-file = \"stdout\"\n[acl.replica]\nrole = \"replica\"\npassword-file = \"/run/secrets/redis-exporter\"\n\
         [replication]\nuser = \"replica\"\n";
    let spec = composed(&container, Some(NODE));
    container.start(&spec);
    container.wait_healthy();
    let admin = "/etc/redis-harden/secrets/admin";
    let shown = container.redis("admin", admin, &["config", "get", "master*"]);
    let file = container
        .exec(&["cat", "/run/secrets/redis-exporter"])
        .stdout;
    let password = String::from_utf8_lossy(&file).trim().to_owned();
    assert!(
        shown.contains("replica") && shown.contains(&password),
        "{shown}"
    );
    let access = container.exec(&[
        "stat",
        "-c",
        "%u:%g %a",
        "/etc/redis-harden/redis/default.auth",
    ]);
    assert_eq!(
        String::from_utf8_lossy(&access.stdout).trim(),
        "999:999 640"
    );
    let conf = container
        .exec(&["cat", "/etc/redis-harden/redis/default.conf"])
        .stdout;
    let conf = String::from_utf8_lossy(&conf).into_owned();
    assert!(
        conf.contains("masteruser replica") && !conf.contains(&password),
        "{conf}"
    );
    assert!(!container.log().contains(&password));
}
