//! The way of packaging/container/README.md, by Docker's own tools: build, make the passwords, `docker compose up`.

use super::engine::{Engine, checkout, ok};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_redis-harden");
/// Of cargo only what the build stage asks for: the binary of this test run, where a release build would put it.
const CARGO: &str = "#!/bin/sh\nset -eu\n[ \"$*\" = 'build --release --locked' ]\nmkdir -p target/release\n\
                     cp /usr/local/lib/redis-harden target/release/\n";

/// A project's directory, as a user lays it out.
struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    fn new() -> Project {
        // In a directory of root's, as a policy must be.
        let dir = tempfile::TempDir::new_in("/root").unwrap();
        for name in ["compose.yaml", "policy.toml"] {
            let shipped = checkout("packaging/container").join(name);
            fs::copy(shipped, dir.path().join(name)).unwrap();
        }
        // This machine's root may not raise its limit of open files to what the file asks for.
        let limits = "services: {redis: {ulimits: {nofile: {soft: 20000, hard: 20000}}}}\n";
        fs::write(dir.path().join("compose.override.yaml"), limits).unwrap();
        let project = Project { dir };
        project.run(&told("install -d -m 0750"));
        project
    }

    /// The same with TLS: what the README adds to the policy, and the commands that it gives.
    fn by_tls() -> Project {
        let project = Project::new();
        let policy = project.path().join("policy.toml");
        let text = fs::read_to_string(&policy).unwrap() + &told("[tls]");
        fs::write(&policy, text).unwrap();
        let rendered = ok(Command::new(BINARY).current_dir(project.path()).args([
            "--policy",
            "policy.toml",
            "render",
            "compose",
        ]));
        fs::write(project.path().join("compose.yaml"), rendered).unwrap();
        let binary = Path::new(BINARY).parent().unwrap().display();
        project.run(&format!(
            "PATH={binary}:$PATH\n{}",
            told("redis-harden tls init")
        ));
        project.run("sed -i s,redis://redis:6379,rediss://redis:6380, secrets/redis-exporter.json");
        project
    }

    fn run(&self, script: &str) {
        ok(Command::new("bash")
            .current_dir(self.path())
            .args(["-euc", script]));
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn secret(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path().join("secrets").join(name)).unwrap();
        text.trim().to_owned()
    }

    fn compose(&self, engine: &Engine, words: &[&str]) -> Command {
        let mut command = engine.docker(&["compose", "--progress", "plain"]);
        command.current_dir(self.path()).args(words);
        command
    }
}

/// A block of the README's, as it stands there.
fn told(begins: &str) -> String {
    let readme = fs::read_to_string(checkout("packaging/container/README.md")).unwrap();
    let begin = readme.find(&format!("    {begins}")).expect(begins);
    let end = begin + readme[begin..].find("\n\n").expect("a paragraph");
    readme[begin..end].replace("\n    ", "\n")
}

/// What the first such command of a page names, up to its quote.
fn selection_of(page: &str, command: &str) -> String {
    let text = fs::read_to_string(checkout(page)).unwrap();
    let (_, rest) = text.split_once(command).expect(command);
    rest.split('\'').next().unwrap().to_owned()
}

fn with_images() -> Engine {
    let engine = Engine::new();
    engine.import_debian();
    let cargo = engine.dir.path().join("cargo");
    fs::write(&cargo, CARGO).unwrap();
    engine.image(
        "rust:1.95-slim-bookworm",
        "FROM debian:bookworm-slim\nCOPY cargo /usr/local/bin/cargo\nCOPY redis-harden /usr/local/lib/redis-harden\n",
        &[("cargo", &cargo), ("redis-harden", Path::new(BINARY))],
    );
    engine.image(
        "oliver006/redis_exporter:v1.74.0",
        "FROM debian:bookworm-slim\nCOPY exporter /redis_exporter\nENTRYPOINT [\"/redis_exporter\"]\n",
        &[("exporter", Path::new("/usr/bin/prometheus-redis-exporter"))],
    );
    engine
}

/// What is asked of Redis from the host, at the published port.
fn asked(engine: &Engine, user: &str, password: &str, words: &[&str]) -> String {
    ok(Command::new("nsenter")
        .arg(format!("--net=/run/netns/{}", engine.host.name()))
        .env("REDISCLI_AUTH", password)
        .args(["redis-cli", "--user", user, "--no-auth-warning"])
        .args(words))
}

/// Whether the exporter's own metrics say that it reaches Redis.
fn is_scraped(engine: &Engine) -> bool {
    let ask = [
        "curl",
        "--silent",
        "--fail",
        "http://127.0.0.1:9121/metrics",
    ];
    let (_, metrics) = engine.host.run(&ask);
    metrics.lines().any(|line| line == "redis_up 1")
}

/// One engine for all: building the image is most of the time.
#[test]
fn docker_builds_the_image_and_compose_runs_it() {
    let engine = with_images();
    build(&engine);
    in_clear_text(&engine);
    by_tls(&engine);
}

fn build(engine: &Engine) {
    let source = engine.dir.path().join("source");
    ok(Command::new("git")
        .args(["clone", "--quiet", env!("CARGO_MANIFEST_DIR")])
        .arg(&source));
    // What is shipped may not be committed yet.
    for file in ["packaging/container/Dockerfile", ".dockerignore"] {
        fs::copy(checkout(file), source.join(file)).unwrap();
    }
    ok(engine
        .docker(&["build", "--tag", "redis-harden-redis:0.1.0"])
        .args(["--file", "packaging/container/Dockerfile", "."])
        .current_dir(&source));
}

fn in_clear_text(engine: &Engine) {
    let project = Project::new();
    let read = ok(&mut project.compose(engine, &["config"]));
    for line in ["read_only: true", "host_ip: 127.0.0.1", "cap_drop:"] {
        assert!(read.contains(line), "{line}\n{read}");
    }
    // Ends well only where both are up and Redis is healthy by the image's own health check.
    ok(&mut project.compose(engine, &["up", "--detach", "--wait"]));
    let app = project.secret("redis-app");
    assert_eq!(
        asked(engine, "app", &app, &["set", "app:k", "v"]).trim(),
        "OK"
    );
    assert!(is_scraped(engine));

    // What the host is to be given is asked of no server: the one at its port is the container's, and has passwords of its own.
    let only = selection_of(
        "packaging/container/README.md",
        "redis-harden apply --only '",
    );
    let (_, planned) = engine.host.run(&[
        BINARY,
        "--policy",
        &project.path().join("policy.toml").display().to_string(),
        "check",
        "--only",
        &only,
        "--format",
        "json",
    ]);
    assert!(
        planned.contains("vm.overcommit_memory") && planned.contains("\"unknown\": 0"),
        "{planned}"
    );

    // A new container on the same volume.
    ok(&mut project.compose(engine, &["up", "--detach", "--wait", "--force-recreate"]));
    assert_eq!(asked(engine, "app", &app, &["get", "app:k"]).trim(), "v");
    let check = [
        "exec",
        "-T",
        "--user",
        "redis",
        "redis",
        "redis-harden",
        "check",
        "--allow-unknown",
    ];
    let said = project.compose(engine, &check).output().unwrap();
    let found = String::from_utf8_lossy(&said.stdout);
    assert!(
        found.contains("on the machine that runs this host"),
        "{found}"
    );
    let log = ok(&mut project.compose(engine, &["logs", "redis"]));
    let inspected = ok(&mut engine.docker(&["inspect", "redis-redis-1"]));
    for secret in ["redis-app", "redis-exporter"].map(|name| project.secret(name)) {
        assert!(!log.contains(&secret) && !inspected.contains(&secret));
    }

    // Without the password's file it says what is wrong, and is not healthy.
    ok(&mut project.compose(engine, &["down"]));
    fs::write(project.path().join("secrets/redis-app"), "").unwrap();
    let refused = project
        .compose(engine, &["up", "--detach", "--wait", "redis"])
        .output();
    assert!(!refused.unwrap().status.success(), "an empty password");
    let log = ok(&mut project.compose(engine, &["logs", "redis"]));
    assert!(log.contains("redis-app"), "{log}");
    ok(&mut project.compose(engine, &["down", "--volumes"]));
}

/// The port in clear text is closed, and a client needs a certificate besides its password.
fn by_tls(engine: &Engine) {
    let project = Project::by_tls();
    ok(&mut project.compose(engine, &["up", "--detach", "--wait"]));
    let app = project.secret("redis-app");
    let secrets = project.path().join("secrets").display().to_string();
    let by_certificate = |name: &str| {
        let [ca, crt, key] = ["ca.crt", &format!("{name}.crt"), &format!("{name}.key")]
            .map(|file| format!("{secrets}/{file}"));
        let tls = [
            "-p", "6380", "--tls", "--cacert", &ca, "--cert", &crt, "--key", &key,
        ];
        asked(engine, "app", &app, &[&tls[..], &["ping"]].concat())
    };
    assert_eq!(by_certificate("redis-exporter").trim(), "PONG");
    let (_, clear) = engine.host.run(&["redis-cli", "-p", "6379", "ping"]);
    assert!(clear.contains("refused"), "{clear}");
    assert!(is_scraped(engine), "the exporter by its own certificate");
    let serial = |file: &str| {
        let file = project.path().join(file);
        ok(Command::new("openssl")
            .args(["x509", "-noout", "-serial", "-in"])
            .arg(file))
    };
    let served = || {
        let asked = "openssl s_client -connect 127.0.0.1:6380 </dev/null 2>/dev/null | openssl x509 -noout -serial";
        engine.host.run(&["sh", "-c", asked]).1
    };
    assert_eq!(served(), serial("secrets/redis-tls.crt"));
    let binary = Path::new(BINARY).parent().unwrap().display();
    project.run(&format!(
        "PATH={binary}:$PATH
         redis-harden tls issue redis-tls --server --name redis --name localhost --name 127.0.0.1 --ca ca --out new
         for end in crt key; do cat new/redis-tls.$end >secrets/redis-tls.$end; done"
    ));
    let renewed = serial("new/redis-tls.crt");
    let deadline = Instant::now() + Duration::from_secs(60);
    while served() != renewed {
        assert!(Instant::now() < deadline, "the certificate is not renewed");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(by_certificate("redis-exporter").trim(), "PONG");
    ok(&mut project.compose(engine, &["down", "--volumes"]));
}

#[test]
fn the_build_context_has_no_target_and_no_history() {
    let ignored = fs::read_to_string(checkout(".dockerignore")).unwrap();
    for name in ["target", ".git"] {
        assert!(ignored.lines().any(|line| line == name), "{name}");
    }
}
