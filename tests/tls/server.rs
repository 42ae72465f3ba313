//! A real redis-server that speaks TLS: what its state makes of the controls, and what redis-cli says to it.

use crate::issued::certificates;
use crate::sight::{Machine, run};
use redis_harden::audit::{Selection, Status, audit};
use redis_harden::controls::all;
use redis_harden::facts::{Facts, View};
use redis_harden::policy::Policies;
use redis_harden::redis::{Endpoint, ask};
use redis_harden::setting::Sight;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server with a port for TLS and a unix socket; it ends with this value.
struct Server {
    process: Child,
    dir: tempfile::TempDir,
    port: u16,
    machine: Machine,
}

impl Server {
    /// With the certificate `good`.
    fn start() -> Server {
        let dir = certificates();
        // Redis would need to be told 0; it takes no port that the kernel chooses.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let file = |name: &str| dir.path().join(name);
        install(dir.path(), "good");
        let process = Command::new("redis-server")
            .args(["--port", "0", "--bind", "127.0.0.1", "--save", ""])
            .args(["--tls-port", &port.to_string()])
            .arg("--tls-cert-file")
            .arg(file("used.crt"))
            .arg("--tls-key-file")
            .arg(file("used.key"))
            .arg("--tls-ca-cert-file")
            .arg(file("root.crt"))
            .arg("--unixsocket")
            .arg(file("s"))
            .arg("--logfile")
            .arg(file("log"))
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (tests/install-deps)");
        let until = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(file("s")).is_err() {
            assert!(Instant::now() < until, "redis-server listens");
            std::thread::sleep(Duration::from_millis(5));
        }
        Server {
            process,
            dir,
            port,
            machine: Machine::new(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn set(&self, arguments: &[&str]) {
        let url = format!("redis+unix://{}", self.file("s").display());
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let mut set = redis::cmd("CONFIG");
        let _: () = set
            .arg("SET")
            .arg(arguments)
            .query(&mut connection)
            .unwrap();
    }

    /// Another certificate in the files, and the server told to read them: as the controls' remedy says.
    fn uses(&self, name: &str) {
        install(self.dir.path(), name);
        let (certificate, key) = (self.file("used.crt"), self.file("used.key"));
        self.set(&[
            "tls-cert-file",
            certificate.to_str().unwrap(),
            "tls-key-file",
            key.to_str().unwrap(),
        ]);
    }

    /// The controls on TLS that do not pass now, by what the server itself tells.
    fn findings(&mut self) -> Vec<String> {
        let told = ask(&Endpoint::Socket(self.file("s")), None).unwrap();
        self.machine.hears(told);
        let sight = Sight::new(&self.machine.host, &self.machine.facts);
        let only = ["tls.*".to_owned()];
        let every = all();
        let selection = Selection::new(&only, &[], &every).unwrap();
        let judged = audit(sight, &self.machine.policies, &every, &selection);
        let bad = judged
            .iter()
            .filter(|j| !matches!(j.status, Status::Pass | Status::NotApplicable));
        bad.map(|j| format!("{} {}", j.status.word(), j.control.id))
            .collect()
    }

    /// Whether redis-cli, which verifies the server by OpenSSL, gets an answer.
    fn is_trusted(&self) -> bool {
        let of = |name| self.file(name).display().to_string();
        let (ca, certificate, key) = (of("root.crt"), of("good.crt"), of("good.key"));
        let port = self.port.to_string();
        let (_, answer) = run(
            "redis-cli",
            &[
                "-p",
                &port,
                "--tls",
                "--cacert",
                &ca,
                "--cert",
                &certificate,
                "--key",
                &key,
                "PING",
            ],
        );
        answer.trim() == "PONG"
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn install(dir: &Path, name: &str) {
    for ending in ["crt", "key"] {
        let used = dir.join(format!("used.{ending}"));
        fs::copy(dir.join(format!("{name}.{ending}")), &used).unwrap();
        fs::set_permissions(&used, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_server_with_a_good_certificate_has_no_finding() {
    let mut server = Server::start();
    assert_eq!(server.findings(), [""; 0]);
    assert!(server.is_trusted());
    server.set(&["tls-protocols", "TLSv1.2"]);
    assert_eq!(server.findings(), [""; 0], "nor one that speaks no TLS 1.3");
}

/// The policy's instance is told of a port that answers nothing but TLS, and no unix socket is where the policy has it.
#[test]
fn a_server_that_speaks_tls_only_is_unknown_and_says_what_would_be_needed() {
    let server = Server::start();
    let text = format!("[redis]\nname = \"tls-only\"\nport = {}\n", server.port);
    let policies = Policies::parse("test.toml", &text).unwrap();
    let facts = Facts::gather(&server.machine.host, &policies).unwrap();
    let View::Silent(why) = &facts.instances["tls-only"].view else {
        panic!("{:?}", facts.instances["tls-only"].view);
    };
    assert!(
        why.contains("speaks TLS only") && why.contains("unixsocket"),
        "{why}"
    );
    let sight = Sight::new(&server.machine.host, &facts);
    for judged in audit(
        sight,
        &policies,
        &all(),
        &Selection::new(&["tls.*".to_owned()], &[], &all()).unwrap(),
    ) {
        // Of [tls], which this policy does not use, nothing is asked.
        if !judged.findings.is_empty() {
            assert_eq!(judged.status, Status::Unknown, "{}", judged.control.id);
        }
    }
}

/// Monitoring reads the log: nothing in it is of our making where the server lets everybody in.
#[test]
fn a_look_at_what_is_served_leaves_no_line_in_the_log() {
    let mut server = Server::start();
    server.set(&["tls-auth-clients", "optional"]);
    let log = server.file("log");
    server.set(&["loglevel", "debug"]);
    assert_eq!(server.findings(), [""; 0]);
    let text = fs::read_to_string(&log).unwrap();
    assert!(
        text.contains("Accepted") && !text.contains("Error accepting"),
        "{text}"
    );
}

#[test]
fn what_redis_cli_does_not_trust_is_a_finding() {
    let mut server = Server::start();
    for (name, expected) in [
        ("direct", vec![]),
        ("pkcs1", vec![]),
        ("sec1", vec![]),
        ("p384", vec![]),
        ("ed25519", vec![]),
        ("p521", vec!["unknown tls.key-matches"]),
        (
            "expired",
            vec!["fail tls.expiry", "fail tls.expiry-soon", "fail tls.chain"],
        ),
        ("early", vec!["fail tls.not-yet-valid", "fail tls.chain"]),
        ("client", vec!["fail tls.server-usage"]),
        ("by-twin", vec!["fail tls.chain"]),
    ] {
        server.uses(name);
        assert_eq!(server.findings(), expected, "{name}");
        let fails = expected.iter().any(|finding| finding.starts_with("fail"));
        assert_eq!(server.is_trusted(), !fails, "{name}");
    }
}

#[test]
fn what_would_fail_later_is_a_finding_now() {
    let mut server = Server::start();
    for (name, expected) in [
        ("days-6", vec!["fail tls.expiry", "fail tls.expiry-soon"]),
        ("days-8", vec!["fail tls.expiry-soon"]),
        ("days-31", vec![]),
        ("server", vec![]),
        ("bare", vec!["fail tls.names"]),
    ] {
        server.uses(name);
        assert_eq!(server.findings(), expected, "{name}");
    }
    server.uses("server");
    server.set(&["tls-replication", "yes"]);
    assert_eq!(server.findings(), ["fail tls.client-usage"]);
}

#[test]
fn a_renewed_file_that_was_not_read_again_is_a_finding_until_it_is() {
    let mut server = Server::start();
    install(server.dir.path(), "renewed");
    assert_eq!(server.findings(), ["fail tls.served-is-file"]);
    server.uses("renewed");
    assert_eq!(server.findings(), [""; 0]);
}

#[test]
fn a_key_that_was_exchanged_or_exposed_under_a_running_server_is_a_finding() {
    let mut server = Server::start();
    let key = server.file("used.key");
    fs::copy(server.file("direct.key"), &key).unwrap();
    assert_eq!(server.findings(), ["fail tls.key-matches"]);
    fs::copy(server.file("good.key"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(server.findings(), ["fail tls.key-permissions"]);
}

#[test]
fn what_the_server_was_told_to_speak_is_judged() {
    let mut server = Server::start();
    server.set(&["tls-protocols", "TLSv1.1 TLSv1.2"]);
    server.set(&["tls-ciphers", "DEFAULT:DES-CBC3-SHA"]);
    server.set(&["tls-auth-clients", "no"]);
    assert_eq!(
        server.findings(),
        [
            "fail tls.protocols",
            "fail tls.ciphers",
            "fail tls.client-certificates"
        ]
    );
}
