//! Clients that nobody here wrote read and write through the rotation of their password: redis-py, ioredis, redis-cli, the crate `redis`.
//! They are this machine's, in the network of the one that is tested; each logs in anew with what the password file says, and one
//! connection of each stays.

use super::machine::{BINARY, applied, apply, bare, policy, secret, socket};
use crate::support::plain::Plain;
use nix::sched::{CloneFlags, setns};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How they get in.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Plain,
    /// With a certificate of theirs.
    Tls,
}

/// Requests of each: a busy machine does not get through more, and some fall into each step all the same.
const FEWEST: u32 = 10;

const CLIENT: &str = "/etc/redis-harden/clients/web";
const CA: &str = "/etc/redis-harden/tls/ca.crt";

/// Replaces a password twice, and has each former one end, while they are at work.
#[test]
fn clients_of_others_are_not_refused_while_their_password_is_replaced() {
    work_through(&applied(), Way::Plain);
}

/// The same by TLS, while the server's certificate is replaced too.
#[test]
fn clients_of_others_are_not_refused_while_password_and_certificate_are_replaced() {
    let plain = bare();
    policy(&plain, "[tls]\nenabled = true\n");
    plain.exec(&[BINARY, "tls", "init"]).ok();
    apply(&plain).ok();
    plain.exec(&[BINARY, "tls", "issue", "web"]).ok();
    let served = || {
        let read =
            "openssl x509 -noout -fingerprint -sha256 -in $ROOT/etc/redis-harden/tls/default.pem";
        plain.sh_from_here(read).ok().to_owned()
    };
    let before = served();
    work_through(&plain, Way::Tls);
    assert_ne!(served(), before);
}

fn work_through(plain: &Plain, way: Way) {
    let installed = Command::new(here("install")).output().expect("it runs");
    assert!(installed.status.success(), "{installed:?}");
    let installed = String::from_utf8(installed.stdout).expect("a path");
    let installed = Path::new(installed.trim());
    let stop = plain.root().join("tmp/stop");
    let python = installed.join("bin/python");
    let all = [
        ("redis-py", vec![python, here("load.py")]),
        ("ioredis", vec!["node".into(), here("load.js")]),
        ("redis-cli", vec!["sh".into(), here("load.sh")]),
    ];
    let all = all.map(|(name, words)| (name, begin(plain, way, &words, installed, &stop)));
    let ends = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        let by_crate = scope.spawn(|| by_crate(plain, way, &ends));
        for _ in 0..2 {
            std::thread::sleep(Duration::from_secs(1));
            plain.exec(&[BINARY, "secret", "rotate", "app"]).ok();
            if way == Way::Tls {
                plain.exec(&[BINARY, "tls", "renew"]).ok();
            }
            std::thread::sleep(Duration::from_secs(1));
            plain
                .exec(&[BINARY, "secret", "rotate", "app", "--finish"])
                .ok();
        }
        std::thread::sleep(Duration::from_secs(1));
        ends.store(true, Ordering::Relaxed);
        by_crate.join().expect("no request fails")
    });
    std::fs::write(&stop, "").expect("its own /tmp");
    println!("the crate redis: {done} requests");
    assert!(done > FEWEST, "{done}");
    for (name, child) in all {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{name}: {output:?}");
        let done: u32 = String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .expect("a number");
        println!("{name}: {done} requests");
        assert!(done > FEWEST, "{name}: {done}");
    }
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// A program of this machine, in the other's network.
fn begin(plain: &Plain, way: Way, words: &[PathBuf], installed: &Path, stop: &Path) -> Child {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", plain.network().display()));
    command.args(words);
    command
        .env("PORT", if way == Way::Tls { "6380" } else { "6379" })
        .env("USER", "app")
        .env("SECRET", file(plain))
        .env("STOP", stop)
        .env("MODULES", installed)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if way == Way::Tls {
        let [ca, certificate, key] = certificates().map(|path| of(plain, &path));
        command.env("TLS_CA", ca);
        command.env("TLS_CERT", certificate).env("TLS_KEY", key);
    }
    command.spawn().expect("nsenter is util-linux's")
}

/// The authority's, the client's, and the client's key.
fn certificates() -> [String; 3] {
    [
        CA.to_owned(),
        format!("{CLIENT}.crt"),
        format!("{CLIENT}.key"),
    ]
}

/// A file of the machine's, as it is reached from here.
fn of(plain: &Plain, path: &str) -> PathBuf {
    plain.root().join(path.trim_start_matches('/'))
}

fn file(plain: &Plain) -> PathBuf {
    of(plain, &secret("app"))
}

/// By the unix socket, which is reached through the other's root; by TLS in the other's network.
fn client(plain: &Plain, way: Way) -> redis::Client {
    let password = std::fs::read_to_string(file(plain)).expect("the password file");
    let password = password.trim();
    if way == Way::Plain {
        let socket = of(plain, &socket());
        let url = format!("redis+unix://{}?user=app&pass={password}", socket.display());
        return redis::Client::open(url).expect("a URL");
    }
    let [ca, certificate, key] = certificates().map(|path| {
        let pem = std::fs::read(of(plain, &path));
        pem.expect("root reads it")
    });
    let client = redis::ClientTlsConfig {
        client_cert: certificate,
        client_key: key,
    };
    let certificates = redis::TlsCertificates {
        client_tls: Some(client),
        root_cert: Some(ca),
    };
    let url = format!("rediss://app:{password}@127.0.0.1:6380");
    redis::Client::build_with_tls(url, certificates).expect("certificates")
}

fn by_crate(plain: &Plain, way: Way, ends: &AtomicBool) -> u32 {
    let network = std::fs::File::open(plain.network()).expect("its network");
    setns(network, CloneFlags::CLONE_NEWNET).expect("root may");
    let connect = || {
        let connection = client(plain, way).get_connection();
        connection.expect("it is let in")
    };
    let (mut stays, mut done) = (connect(), 0);
    while !ends.load(Ordering::Relaxed) {
        let mut comes = connect();
        for connection in [&mut stays, &mut comes] {
            done += 1;
            let _: () = redis::cmd("SET")
                .arg("load:rs")
                .arg(done)
                .query(connection)
                .expect("it writes");
            let read: u32 = redis::cmd("GET")
                .arg("load:rs")
                .query(connection)
                .expect("it reads");
            assert_eq!(read, done);
        }
    }
    done
}
