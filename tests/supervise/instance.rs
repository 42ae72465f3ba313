//! One instance in a directory of its own: its files, its supervisor's process, and a client.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, User, chown};
use redis_harden::host::Host;
use redis_harden::supervise::settings::Settings;
use redis_harden::supervise::state::{Report, last_words, read_at};
use redis_harden::supervise::{EX_CONFIG, Places, run_at};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

pub struct Instance {
    pub dir: tempfile::TempDir,
    pub host: Host,
    pub supervisor: Option<Child>,
}

/// What main would do: run, print the error, exit.
pub fn supervise(dir: &Path) -> ExitCode {
    // What a login session gets: there is something to raise.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 1024, hard).unwrap();
    tracing_subscriber::fmt()
        .with_writer(|| redis_harden::supervise::voice::Voice)
        .with_ansi(false)
        .init();
    let places = Places {
        notify: std::env::var_os("NOTIFY_SOCKET"),
        credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        watchdog: std::env::var("WATCHDOG_USEC")
            .ok()
            .map(|micros| Duration::from_micros(micros.parse::<u64>().unwrap() / 2)),
        ..places(dir)
    };
    let result = run_at(&Host::live().unwrap(), &places);
    let code = result.unwrap_or_else(|e| {
        eprintln!("{e}");
        EX_CONFIG
    });
    ExitCode::from(u8::try_from(code).unwrap())
}

pub fn places(dir: &Path) -> Places {
    Places {
        settings: dir.join("etc/test.toml"),
        credentials: None,
        notify: None,
        watchdog: None,
        log: dir.join("log/test.log"),
    }
}

pub fn redis() -> (u32, u32) {
    let user = User::from_name("redis")
        .unwrap()
        .expect("apt-get install redis-server");
    (user.uid.as_raw(), user.gid.as_raw())
}

impl Instance {
    /// Files as apply renders them, with more lines for the settings (they replace) and for the server.
    pub fn new(settings: &[(&str, &str)], config: &str) -> Instance {
        let dir = tempfile::Builder::new()
            .prefix("rh-supervise")
            .tempdir()
            .unwrap();
        let (uid, gid) = redis();
        for (name, owner, mode) in [
            ("", 0, 0o755),
            ("etc", 0, 0o755),
            ("run", 0, 0o755),
            ("data", uid, 0o750),
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(&path).unwrap();
            chown(
                &path,
                Some(Uid::from_raw(owner)),
                Some(Gid::from_raw(if owner == 0 { 0 } else { gid })),
            )
            .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let instance = Instance {
            dir,
            host: Host::live().unwrap(),
            supervisor: None,
        };
        instance.write("agent", "secret\n", 0o600, 0);
        instance.write("test.acl", "user default off\nuser agent on >secret +ping +info +shutdown +script|kill +function|kill +client|kill\nuser admin on >admin ~* &* +@all\n", 0o640, gid);
        instance.write("test.conf", &instance.config(config), 0o640, gid);
        instance.write(
            "test.toml",
            &instance.settings(settings, config),
            0o640,
            gid,
        );
        instance
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str, mode: u32, gid: u32) {
        let path = self.path("etc").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        chown(&path, None, Some(Gid::from_raw(gid))).unwrap();
    }

    fn config(&self, more: &str) -> String {
        let (socket, data) = (self.path("run/redis/redis.sock"), self.path("data"));
        let acl = self.path("etc/test.acl");
        format!(
            "port 0\nunixsocket {}\nunixsocketperm 770\ndir {}\naclfile {}\nsave 3600 1\n{more}\n",
            socket.display(),
            data.display(),
            acl.display()
        )
    }

    fn settings(&self, replaced: &[(&str, &str)], config: &str) -> String {
        let at = |name: &str| format!("\"{}\"", self.path(name).display());
        let mut lines: Vec<(&str, String)> = vec![
            ("instance", "\"test\"".into()),
            ("server", "\"/usr/bin/redis-server\"".into()),
            ("config", at("etc/test.conf")),
            ("acl-file", at("etc/test.acl")),
            ("agent-secret", at("etc/agent")),
            ("user", "\"redis\"".into()),
            ("group", "\"redis\"".into()),
            ("unix-socket", at("run/redis/redis.sock")),
            ("port", "0".into()),
            ("state-dir", at("run/state")),
            ("run-dir", at("run/redis")),
            ("data-dir", at("data")),
            ("nofile", "4096".into()),
            ("maxclients", "1000".into()),
            ("start-timeout", "\"30s\"".into()),
            ("stop-timeout", "\"10s\"".into()),
            ("backoff", "\"100ms\"".into()),
            ("backoff-max", "\"30s\"".into()),
            ("backoff-reset", "\"60s\"".into()),
            ("unit-sha256", "\"\"".into()),
            ("contain", format!("{{ listen = {:?} }}", listens(config))),
        ];
        for (key, value) in replaced {
            lines.retain(|(name, _)| name != key);
            lines.push((key, (*value).to_owned()));
        }
        let text: String = lines
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        Settings::parse(&text).unwrap();
        text
    }

    pub fn places(&self) -> Places {
        places(self.dir.path())
    }

    /// A supervisor's process, whose output goes to a file.
    pub fn spawn(&self, output: &str) -> Child {
        self.command(output).spawn().unwrap()
    }

    pub fn command(&self, output: &str) -> Command {
        let file = fs::File::create(self.path(output)).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg("--as-supervisor")
            .arg(self.dir.path())
            .env("NOTIFY_SOCKET", self.path("notify"))
            .env("STRAY", "variable")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        command
    }

    /// Starts the supervisor and waits until its server is ready.
    pub fn start(&mut self) -> Report {
        self.supervisor = Some(self.spawn("output"));
        self.wait_for("a ready server", |report| report.ready)
    }

    pub fn supervisor_pid(&self) -> i32 {
        self.supervisor.as_ref().unwrap().id().cast_signed()
    }

    pub fn report(&self) -> Option<Report> {
        read_at(&self.host, &self.places()).unwrap()
    }

    pub fn last_words(&self) -> Report {
        last_words(&self.host, &self.places()).unwrap().unwrap()
    }

    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Report) -> bool) -> Report {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(report) = self.report().filter(&wanted) {
                return report;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("no {what} in 20 s: {:?}\n{}", self.report(), self.output());
    }

    pub fn output(&self) -> String {
        fs::read_to_string(self.path("output")).unwrap_or_default()
    }

    /// The supervisor's exit code, once it has ended.
    pub fn ended(&mut self) -> i32 {
        self.supervisor
            .take()
            .unwrap()
            .wait()
            .unwrap()
            .code()
            .unwrap()
    }

    /// The reply to a command of the admin's.
    pub fn ask(&self, command: &str) -> String {
        let mut stream = UnixStream::connect(self.path("run/redis/redis.sock")).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        write!(stream, "AUTH admin admin\r\n{command}\r\n").unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while text.lines().count() < 2 {
            let size = stream.read(&mut buffer).unwrap();
            assert!(size > 0, "closed after {text:?}");
            text.push_str(&String::from_utf8_lossy(buffer.get(..size).unwrap()));
        }
        text.split_once("\r\n").unwrap().1.trim_end().to_owned()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            let _ = kill(
                Pid::from_raw(supervisor.id().cast_signed()),
                Signal::SIGTERM,
            );
            let deadline = Instant::now() + Duration::from_secs(15);
            while matches!(supervisor.try_wait(), Ok(None)) {
                if Instant::now() > deadline {
                    // It waits for what a test has left undone.
                    let server = self.report().and_then(|report| report.server_pid);
                    for pid in server.into_iter().chain([supervisor.id().cast_signed()]) {
                        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

pub fn runs(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("State:\tZ")
}

/// A field of /proc/PID/status, white space made single.
pub fn status(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(&format!("{field}:")))
        .unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The TCP ports of a configuration, as apply would find them.
fn listens(config: &str) -> Vec<u16> {
    let words = config.lines().filter_map(|line| line.split_once(' '));
    let ports = words.filter(|(name, _)| ["port", "tls-port"].contains(name));
    let mut ports: Vec<u16> = ports.map(|(_, port)| port.parse().unwrap()).collect();
    if config.contains("cluster-enabled yes") {
        let buses: Vec<u16> = ports
            .iter()
            .filter_map(|port| port.checked_add(10_000))
            .collect();
        ports.extend(buses);
    }
    ports
}
