//! Starts that the gate refuses, on what a real server, or a power loss, has left.

use super::instance::{Instance, redis, signal};
use super::issued::certificates;
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use nix::unistd::{Gid, Uid, chown};
use redis_harden::supervise::EX_CONFIG;
use std::fs;
use std::process::Command;

pub const ALL: [super::runner::Test; 6] = [
    (
        "an_append_only_file_that_ends_in_zeros_is_not_started_in_a_loop",
        an_append_only_file_that_ends_in_zeros_is_not_started_in_a_loop,
    ),
    (
        "data_of_a_newer_server_is_refused_with_its_writer_and_stays",
        data_of_a_newer_server_is_refused_with_its_writer_and_stays,
    ),
    (
        "a_member_of_a_cluster_does_not_come_back_as_another_node",
        a_member_of_a_cluster_does_not_come_back_as_another_node,
    ),
    (
        "an_expired_certificate_is_told_before_the_clients_find_out",
        an_expired_certificate_is_told_before_the_clients_find_out,
    ),
    (
        "a_primary_that_kept_nothing_is_not_started_over_its_replicas",
        a_primary_that_kept_nothing_is_not_started_over_its_replicas,
    ),
    (
        "what_a_killed_save_left_is_swept",
        what_a_killed_save_left_is_swept,
    ),
];

fn stop(instance: &mut Instance) {
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0);
}

/// A start that is refused, and what it says.
#[track_caller]
fn refused(instance: &mut Instance) -> String {
    instance.supervisor = Some(instance.spawn("output"));
    assert_eq!(instance.ended(), EX_CONFIG, "{}", instance.output());
    instance.output()
}

fn an_append_only_file_that_ends_in_zeros_is_not_started_in_a_loop() {
    let mut instance = Instance::new(&[], "appendonly yes\nsave \"\"");
    instance.start();
    instance.ask("SET key value");
    stop(&mut instance);
    let file = instance.path("data/appendonlydir/appendonly.aof.1.incr.aof");
    let mut content = fs::read(&file).unwrap();
    content.extend([0; 4096]);
    fs::write(&file, &content).unwrap();
    let said = refused(&mut instance);
    assert!(
        said.contains("ends in zeros") && said.contains("redis-check-aof --fix"),
        "{said}"
    );
    // The step that it names.
    let manifest = instance.path("data/appendonlydir/appendonly.aof.manifest");
    let fixed = Command::new("sh")
        .args(["-c", "yes | redis-check-aof --fix \"$0\""])
        .arg(manifest)
        .output()
        .unwrap();
    assert!(fixed.status.success(), "{fixed:?}");
    instance.start();
    assert_eq!(instance.ask("EXISTS key"), ":1");
}

/// What Redis 8.0.2 saved of one key.
const OF_REDIS_8: &[u8] = b"REDIS0012\xfa\x09redis-ver\x058.0.2\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2\xc8\x14\x0d\x6b\xfa\x08used-mem\xc2\xf0\x3c\x0b\x00\xfa\x08aof-base\xc0\x00\xfe\x00\xfb\x01\x00\x00\x01k\x01v\xff\x1d\x48\x1e\xc1\xa0\xe8\xc1\xdf";

fn data_of_a_newer_server_is_refused_with_its_writer_and_stays() {
    for (conf, file) in [
        ("appendonly no\nsave 60 1000", "data/dump.rdb"),
        (
            "appendonly yes\nsave \"\"",
            "data/appendonlydir/appendonly.aof.1.base.rdb",
        ),
    ] {
        let mut instance = Instance::new(&[], conf);
        instance.start();
        instance.ask("SET k v");
        stop(&mut instance);
        let path = instance.path(file);
        let own = fs::read(&path).unwrap();
        fs::write(&path, OF_REDIS_8).unwrap();
        let said = refused(&mut instance);
        let told = ["by redis 8.0.2", "REDIS0012", "Install the server that"];
        assert!(told.iter().all(|words| said.contains(words)), "{said}");
        assert_eq!(fs::read(&path).unwrap(), OF_REDIS_8);
        fs::write(&path, own).unwrap();
        instance.start();
        assert_eq!(instance.ask("EXISTS k"), ":1");
    }
}

fn a_member_of_a_cluster_does_not_come_back_as_another_node() {
    let port = free_port();
    let conf = format!("port {port}\ncluster-enabled yes");
    let bus = listens(port + 10_000);
    let mut instance = Instance::new(&[("port", &port.to_string()), ("contain", &bus)], &conf);
    instance.start();
    let id = instance.ask("CLUSTER MYID");
    instance.ask("CLUSTER ADDSLOTSRANGE 0 16383");
    for _ in 0..100 {
        if instance.ask("SET key value") == "+OK" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    stop(&mut instance);
    let nodes = instance.path("data/nodes.conf");
    fs::rename(&nodes, instance.path("nodes.conf")).unwrap();
    let said = refused(&mut instance);
    assert!(said.contains("come back as another one"), "{said}");
    fs::rename(instance.path("nodes.conf"), &nodes).unwrap();
    instance.start();
    assert_eq!(instance.ask("CLUSTER MYID"), id);
}

/// A port more that its sandbox lets it listen on.
fn listens(port: u16) -> String {
    format!("{{ listen = [{port}] }}")
}

/// Redis takes none that the kernel chooses; its bus needs 10,000 more.
pub fn free_port() -> u16 {
    let free = |port: &u16| {
        let bind = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        bind(*port) && bind(*port + 10_000)
    };
    (20_000..30_000).find(free).unwrap()
}

fn an_expired_certificate_is_told_before_the_clients_find_out() {
    let port = free_port();
    let conf = format!(
        "tls-port {port}\ntls-auth-clients no\ntls-cert-file tls.crt\ntls-key-file tls.key\ntls-ca-cert-file tls.crt"
    );
    let mut instance = Instance::new(&[("contain", &listens(port))], &conf);
    let made = certificates();
    let issue = |instance: &Instance, name: &str| {
        let (uid, gid) = redis();
        for end in ["crt", "key"] {
            let from = made.path().join(format!("{name}.{end}"));
            let to = instance.path("data").join(format!("tls.{end}"));
            fs::copy(from, &to).unwrap();
            chown(&to, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).unwrap();
        }
    };
    issue(&instance, "expired");
    let said = refused(&mut instance);
    assert!(said.contains("has expired"), "{said}");
    fs::remove_file(instance.path("data").join("tls.key")).unwrap();
    let said = refused(&mut instance);
    assert!(
        said.contains("tls.key") && said.contains("tls init"),
        "{said}"
    );
    issue(&instance, "direct");
    instance.start();
}

fn a_primary_that_kept_nothing_is_not_started_over_its_replicas() {
    let port = free_port();
    let mut instance = Instance::new(
        &[("port", &port.to_string())],
        &format!("port {port}\nsave \"\""),
    );
    let server = instance.start().server_pid.unwrap();
    instance.ask("SET key value");
    let dir = instance.path("replica");
    fs::create_dir(&dir).unwrap();
    let mut replica = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket", "s", "--dir"])
        .arg(&dir)
        .args(["--replicaof", "127.0.0.1", &port.to_string()])
        .args(["--masteruser", "admin", "--masterauth", "admin"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // It is asked every ten seconds how many have its data.
    for _ in 0..300 {
        if instance.ask("INFO replication").contains("state=online") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    std::thread::sleep(std::time::Duration::from_secs(11));
    signal(server, SIGKILL);
    let report = instance.wait_for("refusal", |r| {
        r.last_exit
            .as_ref()
            .is_some_and(|exit| exit.contains("1 replicas had its data"))
    });
    assert!(!report.ready);
    let kept = Command::new("redis-cli")
        .arg("-s")
        .arg(dir.join("s"))
        .arg("EXISTS")
        .arg("key")
        .output()
        .unwrap();
    replica.kill().unwrap();
    replica.wait().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&kept.stdout).trim(),
        "1",
        "the replica has what the primary lost"
    );
}

fn what_a_killed_save_left_is_swept() {
    let mut instance = Instance::new(&[], "");
    let (uid, gid) = redis();
    for name in ["temp-77.rdb", "temp-rewriteaof-bg-77.aof", "mine.rdb"] {
        let path = instance.path("data").join(name);
        fs::write(&path, "half").unwrap();
        chown(&path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).unwrap();
    }
    instance.start();
    let names: Vec<String> = fs::read_dir(instance.path("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.iter().all(|name| !name.starts_with("temp-")),
        "{names:?}"
    );
    assert!(names.contains(&"mine.rdb".to_owned()), "{names:?}");
}
