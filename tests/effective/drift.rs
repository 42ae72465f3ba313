//! A real server, its file and a policy: whoever changes one of the three is named, and no secret is shown.

use crate::server::{Program, Server, programs};
use redis_harden::audit::{Judged, Selection, Status, audit};
use redis_harden::controls::all;
use redis_harden::facts::Facts;
use redis_harden::host::{Host, Reach};
use redis_harden::policy::{Policies, Policy};
use redis_harden::redis::config::render;
use redis_harden::redis::effective::table::Table;
use redis_harden::redis::effective::{CommandLine, Start, load};
use redis_harden::setting::Sight;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const GIB: u64 = 1 << 30;

/// A policy whose files are in a directory of the test's, and its server.
struct Scene {
    dir: TempDir,
    name: PathBuf,
    program: Program,
}

impl Scene {
    fn new(program: &Program) -> Scene {
        let (dir, name) = program.dir();
        for sub in ["data", "run"] {
            fs::create_dir(dir.path().join(sub)).unwrap();
        }
        Scene {
            dir,
            name,
            program: program.clone(),
        }
    }

    fn policies(&self, more: &str) -> Policies {
        let at = |file: &str| self.name.join(file).display().to_string();
        let text = format!(
            "[redis]\nport = 0\nbind = []\nmaxmemory = \"1gb\"\nunix-socket = {:?}\ndata-dir = {:?}\nlog-file = {:?}\n{more}",
            at("run/socket"),
            at("data"),
            at("log.txt"),
        );
        Policies::parse("test.toml", &text).unwrap_or_else(|e| panic!("{e}"))
    }

    /// What the policy renders, but for the ACL file, which is root's own place.
    fn rendered(&self, policy: &Policy) -> String {
        let lines = render(policy, GIB, None);
        let kept = lines.lines().filter(|l| !l.starts_with("aclfile "));
        kept.map(|l| format!("{l}\n")).collect()
    }

    fn write(&self, text: &str) {
        fs::write(self.dir.path().join("redis.conf"), text).unwrap();
    }

    fn start(&self) -> Server {
        let conf = self.name.join("redis.conf").display().to_string();
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().join("log");
        let child = self.program.spawn(&self.name, &[conf.as_bytes()], &log);
        let socket = self.dir.path().join("run/socket");
        Server::connect(child, socket, &log, scratch).unwrap_or_else(|e| panic!("{e}"))
    }

    /// The verdict on a control of this machine's running server.
    fn judge(&self, policies: &Policies, id: &str) -> (Status, String) {
        let host = Host::live().unwrap();
        let facts = Facts::gather(&host, policies).unwrap();
        let control = all().into_iter().find(|c| c.id == id).unwrap();
        let judged = audit(
            Sight::new(&host, &facts),
            policies,
            &[control],
            &Selection::default(),
        );
        (judged[0].status, words(&judged[0]))
    }
}

/// What was found, and why.
fn words(judged: &Judged) -> String {
    let finding = &judged.findings[0];
    let observed = finding.observed.as_ref().map(ToString::to_string);
    format!(
        "{} ({})",
        observed.unwrap_or_default(),
        finding.because.as_deref().unwrap_or("-")
    )
}

#[test]
fn the_one_that_was_changed_is_named() {
    let scene = Scene::new(&programs().remove(0));
    let policies = scene.policies("");
    let text = scene.rendered(&policies.instances[0]);
    scene.write(&text);
    let mut server = scene.start();
    let at = scene.name.join("redis.conf").display().to_string();
    for id in ["config.drift-running", "config.drift-file"] {
        assert_eq!(scene.judge(&policies, id).0, Status::Pass, "{id}");
    }

    server.ask(&[b"CONFIG", b"SET", b"hz", b"77", b"timeout", b"60"]);
    server.ask(&[b"CONFIG", b"SET", b"masterauth", b"\xffhunter2"]);
    let (status, words) = scene.judge(&policies, "config.drift-running");
    assert_eq!(status, Status::Fail);
    for said in [
        "hz: 77 in the running server, 10 by default;",
        "masterauth: (a secret) in the running server, \"\" by default;",
        &format!("timeout: 60 in the running server, 0 in {at}:"),
        " and in the policy",
        "hides its command line",
    ] {
        assert!(words.contains(said), "no {said:?} in {words}");
    }
    assert!(!words.contains("hunter2"), "{words}");
    server.ask(&[
        b"CONFIG",
        b"SET",
        b"hz",
        b"10",
        b"timeout",
        b"0",
        b"masterauth",
        b"",
    ]);
    assert_eq!(
        scene.judge(&policies, "config.drift-running").0,
        Status::Pass
    );

    // The file is edited: the other two agree.
    scene.write(&text.replace("\ntimeout 0\n", "\ntimeout 120\n"));
    let (status, words) = scene.judge(&policies, "config.drift-file");
    assert_eq!(status, Status::Fail);
    assert!(
        words.starts_with("timeout: 0 in the running server and in the policy, 120 in "),
        "{words}"
    );
    assert_eq!(
        scene.judge(&policies, "config.drift-running").0,
        Status::Pass
    );
    scene.write(&text);

    // The policy is edited. The ACL file that it names is not the test's.
    let (_, words) = scene.judge(&policies, "config.drift-policy");
    assert!(
        words.starts_with("aclfile: ") && !words.contains(';'),
        "{words}"
    );
    let (_, words) = scene.judge(&scene.policies("timeout = 30\n"), "config.drift-policy");
    assert!(
        words.contains("; timeout: 0 in the running server"),
        "{words}"
    );
    assert!(words.contains(", 30 in the policy"), "{words}");
}

#[test]
fn a_server_without_a_file_is_found() {
    let program = programs().remove(0);
    let scene = Scene::new(&program);
    let (socket, data) = (scene.name.join("run/socket"), scene.name.join("data"));
    let args = [
        "--port",
        "0",
        "--unixsocket",
        socket.to_str().unwrap(),
        "--dir",
        data.to_str().unwrap(),
    ];
    let args = args.map(str::as_bytes);
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("log");
    let child = program.spawn(&scene.name, &args, &log);
    let real = scene.dir.path().join("run/socket");
    let _server = Server::connect(child, real, &log, scratch).unwrap_or_else(|e| panic!("{e}"));
    let (status, words) = scene.judge(&scene.policies(""), "config.started-with");
    assert_eq!(status, Status::Fail, "{words}");
    assert!(words.starts_with("no file at all"), "{words}");
}

/// Its file has the name of one of this host's, and is another.
#[test]
fn a_server_with_other_files_is_not_held_against_this_hosts() {
    let program = programs().remove(0);
    let scene = Scene::new(&program);
    let policies = scene.policies("");
    let (text, etc) = (
        scene.rendered(&policies.instances[0]),
        scene.dir.path().join("etc"),
    );
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("redis.conf"), &text).unwrap();
    fs::write(scene.dir.path().join("theirs"), text).unwrap();
    let script =
        "mount -t tmpfs none etc; cp theirs etc/redis.conf; exec redis-server $PWD/etc/redis.conf";
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("log");
    let words = fs::File::create(&log).unwrap();
    let child = std::process::Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec", script])
        .current_dir(scene.dir.path())
        .stdout(words)
        .spawn()
        .unwrap();
    let socket = scene.dir.path().join("run/socket");
    let _server = Server::connect(child, socket, &log, scratch).unwrap_or_else(|e| panic!("{e}"));
    for id in ["config.drift-running", "config.loads"] {
        let (status, words) = scene.judge(&policies, id);
        assert_eq!(status, Status::Unknown, "{id}: {words}");
        assert!(words.contains("it runs in a container"), "{words}");
    }
}

/// What is rendered, each version takes, and has as we read it.
#[test]
fn every_version_starts_on_what_is_rendered() {
    for program in programs() {
        let scene = Scene::new(&program);
        let policies = scene.policies("");
        scene.write(&scene.rendered(&policies.instances[0]));
        let mut server = scene.start();
        let host = Host::at(program.root(), Reach::Running).unwrap();
        let table = Table::of(program.version);
        let conf = scene.name.join("redis.conf").display().to_string();
        let start = Start {
            line: CommandLine::parse(program.version, &[conf.into_bytes()]),
            cwd: Some(scene.name.clone()),
        };
        let ours = load(&host, table, &start).unwrap();
        assert_eq!((&ours.faults, &ours.overridden), (&vec![], &vec![]));
        for (name, given) in &ours.values {
            let theirs = server.config(&[name]).remove(0).1;
            assert_eq!(given.value, String::from_utf8(theirs).unwrap(), "{name}");
        }
    }
}
