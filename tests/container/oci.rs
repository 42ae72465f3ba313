//! A container as an engine would make it of a Compose service, of a pod, or of `docker run`: an OCI configuration, run by crun.

use super::image::{Image, built, ok};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Docker's, of which the image needs few.
pub const DOCKERS: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// What an engine is told.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    pub user: (u32, u32),
    pub capabilities: Vec<&'static str>,
    /// Target and options.
    pub tmpfs: Vec<(String, String)>,
    /// Source, target, and whether it may be written.
    pub binds: Vec<(PathBuf, String, bool)>,
    pub sysctls: Value,
    pub memory: u64,
    pub nofile: u64,
    pub args: Vec<String>,
}

/// A container, and what of its engine's outlives it: volumes and secrets.
pub struct Container {
    pub dir: TempDir,
    id: String,
    user: String,
    run: Option<Child>,
}

impl Container {
    /// A place for one; `start` runs it, again and again with the same volumes.
    pub fn new() -> Container {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = TempDir::new().expect("a directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        Container {
            dir,
            id: format!("redis-harden-test-{}-{number}", std::process::id()),
            user: String::new(),
            run: None,
        }
    }

    /// A file of the engine's, such as a secret.
    pub fn file(&self, name: &str, text: &str, (uid, gid): (u32, u32), mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).expect("ours");
        self.owned(path, (uid, gid), mode)
    }

    /// A directory of the engine's: a volume. What is in it stays.
    pub fn directory(&self, name: &str, owner: (u32, u32), mode: u32) -> PathBuf {
        let path = self.dir.path().join(name);
        if path.exists() {
            return path;
        }
        fs::create_dir(&path).expect("ours");
        self.owned(path, owner, mode)
    }

    fn owned(&self, path: PathBuf, (uid, gid): (u32, u32), mode: u32) -> PathBuf {
        chown(&path, Some(uid), Some(gid)).expect("root");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("root");
        path
    }

    pub fn start(&mut self, spec: &Spec) {
        assert!(self.run.is_none(), "it runs");
        self.user = format!("{}:{}", spec.user.0, spec.user.1);
        let bundle = self.dir.path().join("bundle");
        fs::create_dir_all(&bundle).expect("ours");
        fs::write(bundle.join("config.json"), spec.oci(built()).to_string()).expect("ours");
        let log = File::create(self.log_path()).expect("ours");
        // crun takes no hybrid of the two versions of control groups.
        let script = "if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; exec crun --root \"$1\" run --bundle \"$2\" \"$3\"";
        let mut crun = Command::new("unshare");
        crun.args(["--mount", "sh", "-c", script, "run"])
            .arg(self.state())
            .arg(&bundle)
            .arg(&self.id);
        crun.stdin(std::process::Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log);
        self.run = Some(crun.spawn().expect("unshare"));
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// In it, as the user that its engine starts it as.
    pub fn exec(&self, argv: &[&str]) -> Output {
        let mut crun = Command::new("crun");
        crun.arg("--root")
            .arg(self.state())
            .args(["exec", "--user", &self.user, &self.id])
            .args(argv);
        crun.output().expect("crun")
    }

    /// The health check of the Dockerfile: its exit code, and what it says.
    pub fn health(&self) -> (i32, String) {
        let argv: Vec<&str> = built().health.iter().map(String::as_str).collect();
        let ran = self.exec(&argv);
        let said = [ran.stdout, ran.stderr].concat();
        (
            ran.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    /// Until the health check says so.
    #[track_caller]
    pub fn wait_healthy(&mut self) {
        let begun = Instant::now();
        loop {
            let (code, said) = self.health();
            if code == 0 {
                return;
            }
            let ended = self
                .run
                .as_mut()
                .expect("started")
                .try_wait()
                .expect("ours");
            assert!(
                ended.is_none() && begun.elapsed() < Duration::from_secs(30),
                "not healthy ({ended:?}): {said}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// As a client with a login; the password is in a file of the container's.
    pub fn redis(&self, user: &str, file: &str, words: &[&str]) -> String {
        let script = "REDISCLI_AUTH=$(head -n1 \"$1\"); export REDISCLI_AUTH; user=$2; shift 2; exec redis-cli --user \"$user\" \"$@\"";
        let ran = self.exec(&[&["sh", "-c", script, "ask", file, user], words].concat());
        let said = [ran.stdout, ran.stderr].concat();
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// The engine's stop: SIGTERM to process 1, and its exit code.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        ok(Command::new("crun")
            .arg("--root")
            .arg(self.state())
            .args(["kill", &self.id, "TERM"]));
        self.ended()
    }

    /// How it ends by itself.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let mut run = self.run.take().expect("started");
        let begun = Instant::now();
        loop {
            if let Some(status) = run.try_wait().expect("ours") {
                return status;
            }
            if begun.elapsed() > Duration::from_secs(30) {
                self.run = Some(run);
                panic!("it goes on: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(mut run) = self.run.take() {
            let mut crun = Command::new("crun");
            crun.arg("--root")
                .arg(self.state())
                .args(["delete", "--force", &self.id]);
            let _ = crun.output();
            let _ = run.kill();
            let _ = run.wait();
        }
    }
}

impl Spec {
    fn oci(&self, image: &Image) -> Value {
        let mount = |destination: &str, kind: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": kind, "options": options});
        let mut mounts = vec![
            mount("/proc", "proc", &[]),
            mount(
                "/dev",
                "tmpfs",
                &["nosuid", "strictatime", "mode=755", "size=65536k"],
            ),
            mount(
                "/dev/shm",
                "tmpfs",
                &["nosuid", "noexec", "nodev", "mode=1777"],
            ),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount(
                "/sys/fs/cgroup",
                "cgroup",
                &["nosuid", "noexec", "nodev", "ro"],
            ),
        ];
        for (target, options) in &self.tmpfs {
            mounts.push(mount(
                target,
                "tmpfs",
                &options.split(',').collect::<Vec<_>>(),
            ));
        }
        for (source, target, writable) in &self.binds {
            let mode = if *writable { "rw" } else { "ro" };
            mounts.push(json!({"destination": target, "type": "bind", "source": source, "options": ["bind", mode]}));
        }
        let namespaces =
            ["pid", "network", "ipc", "uts", "mount", "cgroup"].map(|kind| json!({"type": kind}));
        let args = [image.entrypoint.clone(), self.args.clone()].concat();
        let nofile = self.nofile.min(hard_nofile());
        json!({
            "ociVersion": "1.0.0",
            "process": {
                "user": {"uid": self.user.0, "gid": self.user.1},
                "args": args,
                "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "cwd": "/",
                "capabilities": {"bounding": self.capabilities, "effective": self.capabilities, "permitted": self.capabilities},
                "rlimits": [{"type": "RLIMIT_NOFILE", "hard": nofile, "soft": nofile}],
                "noNewPrivileges": true,
            },
            "root": {"path": image.root, "readonly": true},
            "hostname": "redis",
            "mounts": mounts,
            "linux": {
                "namespaces": namespaces,
                "sysctl": self.sysctls,
                "resources": {"memory": {"limit": self.memory}},
                "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            },
        })
    }
}

/// No engine gives more than it has, and not every machine lets root raise it.
fn hard_nofile() -> u64 {
    let text = fs::read_to_string("/proc/self/limits").expect("procfs");
    let line = text
        .lines()
        .find(|l| l.starts_with("Max open files"))
        .expect("a limit");
    line.split_whitespace()
        .nth(4)
        .and_then(|word| word.parse().ok())
        .expect("a number")
}

/// The service `redis` of the shipped Compose file, its files in the container's place.
pub fn composed(container: &Container, policy: Option<&str>) -> Spec {
    let text = fs::read_to_string(super::image::checkout("packaging/container/compose.yaml"))
        .expect("shipped");
    let compose: Value = serde_saphyr::from_str(&text).expect("YAML");
    let service = &compose["services"]["redis"];
    assert_eq!(
        (&service["read_only"], &service["cap_drop"]),
        (&json!(true), &json!(["ALL"]))
    );
    let word = |value: &Value| value.as_str().expect("a text").to_owned();
    let user = word(&service["user"]);
    let (uid, gid) = user.split_once(':').expect("two numbers");
    let user = (
        uid.parse().expect("a number"),
        gid.parse().expect("a number"),
    );
    let tmpfs = service["tmpfs"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| {
            let entry = word(entry);
            let (target, options) = entry.split_once(':').expect("options");
            (target.to_owned(), options.to_owned())
        });
    let default = fs::read_to_string(super::image::checkout("packaging/container/policy.toml"))
        .expect("shipped");
    let policy = container.file("policy.toml", policy.unwrap_or(&default), (0, 0), 0o644);
    let mut binds = vec![(policy, word(&service["configs"][0]["target"]), false)];
    for secret in service["secrets"].as_array().expect("a list") {
        let name = word(&secret["source"]);
        let file = container.file(
            &name,
            &format!("the-password-of-{name}-0123456789abcdef\n"),
            (0, gid.parse().expect("a number")),
            0o440,
        );
        binds.push((file, word(&secret["target"]), false));
    }
    let volume = &service["volumes"][0];
    // A new volume is a copy of what the image has there.
    binds.push((
        container.directory("data", user, 0o750),
        word(&volume["target"]),
        true,
    ));
    Spec {
        user,
        tmpfs: tmpfs.collect(),
        binds,
        sysctls: service["sysctls"].clone(),
        memory: 512 << 20,
        nofile: service["ulimits"]["nofile"]["hard"]
            .as_u64()
            .expect("a number"),
        args: vec![word(&service["command"][0])],
        ..Spec::default()
    }
}

/// The container `redis` of the shipped StatefulSet, with what a kubelet makes of its volumes for `user`: its own by default.
pub fn pod(container: &Container, user: Option<(u32, u32)>) -> Spec {
    let text = fs::read_to_string(super::image::checkout("packaging/kubernetes/redis.yaml"))
        .expect("shipped");
    let manifests: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let of = |kind: &str| {
        manifests
            .iter()
            .find(|m| m["kind"] == kind)
            .expect("a manifest")
    };
    let pod = &of("StatefulSet")["spec"]["template"]["spec"];
    let redis = &pod["containers"][0];
    assert_eq!(redis["securityContext"]["readOnlyRootFilesystem"], true);
    let number = |key: &str| {
        u32::try_from(pod["securityContext"][key].as_u64().expect("a number")).expect("an id")
    };
    let user = user.unwrap_or_else(|| (number("runAsUser"), number("runAsGroup")));
    let group = (0, user.1);
    let policy = of("ConfigMap")["data"]["policy.toml"]
        .as_str()
        .expect("a text")
        .to_owned();
    let mut binds = Vec::new();
    for mount in redis["volumeMounts"].as_array().expect("a list") {
        let target = mount["mountPath"].as_str().expect("a path").to_owned();
        let name = mount["subPath"].as_str().unwrap_or("data");
        let source = match mount["name"].as_str().expect("a name") {
            "data" => container.directory("data", group, 0o2775),
            "policy" => container.file(name, &policy, group, 0o440),
            "passwords" => container.file(
                name,
                &format!("the-password-of-{name}-0123456789abcdef\n"),
                group,
                0o440,
            ),
            // Not on a disk, and gone with the pod.
            "scratch" => container.directory(name, group, 0o2777),
            other => panic!("no such volume: {other}"),
        };
        binds.push((source, target, mount["readOnly"] != true));
    }
    Spec {
        user,
        binds,
        sysctls: json!({}),
        memory: 512 << 20,
        nofile: 1 << 20,
        args: vec![redis["args"][0].as_str().expect("a text").to_owned()],
        ..Spec::default()
    }
}

/// `docker run --read-only --tmpfs …` as root, with a bind mount that was made by root: the engine's defaults.
pub fn as_root(container: &Container) -> Spec {
    let composed = composed(container, None);
    let mut binds = composed.binds;
    binds.retain(|(_, target, _)| target != "/var/lib/redis");
    binds.push((
        container.directory("bind", (0, 0), 0o755),
        "/var/lib/redis".into(),
        true,
    ));
    let tmpfs = composed
        .tmpfs
        .into_iter()
        .map(|(target, _)| (target, "mode=1777,nosuid,nodev,noexec".to_owned()));
    Spec {
        user: (0, 0),
        capabilities: DOCKERS.to_vec(),
        tmpfs: tmpfs.collect(),
        binds,
        ..composed
    }
}
