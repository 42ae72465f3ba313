//! A Docker engine in a namespace and a directory of its own, and what stands for the images that a registry would serve.

use super::network::Namespace;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the engine needs for its first start, at most.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Engine {
    pub host: Namespace,
    pub dir: TempDir,
    daemon: Child,
}

pub fn checkout(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

impl Engine {
    pub fn new() -> Engine {
        let host = Namespace::new("docker");
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        let log = fs::File::create(at("log")).unwrap();
        // Not `ip netns exec`: its own /sys would hide the control groups.
        let daemon = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", host.name()))
            .arg("dockerd")
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--host")
            .arg(format!("unix://{}", at("socket").display()))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("nsenter and dockerd (run tests/install-deps)");
        let engine = Engine { host, dir, daemon };
        engine.wait();
        engine
    }

    fn wait(&self) {
        let begun = Instant::now();
        while !self.docker(&["info"]).output().unwrap().status.success() {
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap();
            assert!(begun.elapsed() < PATIENCE, "dockerd does not answer: {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Docker's client, to be run.
    pub fn docker(&self, words: &[&str]) -> Command {
        let mut docker = Command::new("/usr/bin/docker");
        docker
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        docker.env("DOCKER_CONFIG", plugins());
        let socket = self.dir.path().join("socket");
        docker.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        docker.args(words);
        docker
    }

    /// Debian's minimal root under the name of the image that is made of it.
    pub fn import_debian(&self) {
        let base = ok(&mut Command::new(checkout("tests/container/base")));
        let archive = self.dir.path().join("debian.tar");
        // The packages of the base's own repository lie where its sources look for them.
        ok(Command::new("tar")
            .current_dir(base.trim())
            .args(["--exclude=root/repo", "--transform=s,^root,.,S", "-cf"])
            .arg(&archive)
            .args(["root", "repo"]));
        ok(self
            .docker(&["import"])
            .arg(&archive)
            .arg("debian:bookworm-slim"));
        fs::remove_file(archive).unwrap();
    }

    /// An image with one program more.
    pub fn image(&self, tag: &str, dockerfile: &str, files: &[(&str, &Path)]) {
        let context = TempDir::new().unwrap();
        fs::write(context.path().join("Dockerfile"), dockerfile).unwrap();
        for (name, from) in files {
            let to = context.path().join(name);
            fs::copy(from, &to).unwrap();
            fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
        }
        ok(self
            .docker(&["build", "--quiet", "--tag", tag])
            .arg(context.path()));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let ids = self.docker(&["ps", "--quiet"]).output();
        let ids = ids.map_or(String::new(), |o| {
            String::from_utf8_lossy(&o.stdout).into_owned()
        });
        for id in ids.lines() {
            let _ = self.docker(&["rm", "--force", id]).output();
        }
        // By SIGTERM it stops containerd too, and unmounts what it mounted.
        let pid = self.daemon.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.daemon.wait();
    }
}

fn plugins() -> &'static str {
    static PLUGINS: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PLUGINS.get_or_init(|| {
        ok(&mut Command::new(checkout("tests/docker/plugins")))
            .trim()
            .to_owned()
    })
}

/// What a command prints, where it succeeds.
#[track_caller]
pub fn ok(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e} (run tests/install-deps)"));
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}\n{err}",
        output.status
    );
    out.into_owned()
}
