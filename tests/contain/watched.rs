//! A supervised redis-server under strace: whether a call of its own is refused shows in the trace.

use super::instance::{Instance, redis, runs, signal};
use nix::sys::signal::Signal::SIGTERM;
use nix::unistd::{Uid, chown};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// An instance whose every system call is written down by strace.
pub struct Watched {
    pub instance: Instance,
    pub port: u16,
}

/// Refusals that mean nothing: `clone3` is retried as `clone`, by the C library.
const HARMLESS: [&str; 1] = ["clone3"];

impl Watched {
    pub fn start(config: &str) -> Watched {
        Watched::start_with(&[], |port| format!("port {port}\nbind 127.0.0.1\n{config}"))
    }

    /// On a free port, which the configuration is told.
    pub fn start_with(settings: &[(&str, &str)], config: impl Fn(u16) -> String) -> Watched {
        Watched::start_at(free_port(), settings, config)
    }

    pub fn start_at(
        port: u16,
        settings: &[(&str, &str)],
        config: impl Fn(u16) -> String,
    ) -> Watched {
        let mut watched = Watched::stopped(port, settings, config);
        watched.run();
        watched
    }

    /// As Sentinel and Cluster have it: the configuration is a file of the server's own, beside the data.
    pub fn start_with_own_config(
        port: u16,
        settings: &[(&str, &str)],
        config: impl Fn(u16) -> String,
    ) -> Watched {
        let own = "data/own.conf";
        let mut watched = Watched::stopped(port, settings, config);
        let instance = &watched.instance;
        let (uid, gid) = redis();
        let (roots, servers) = (instance.path("etc/test.conf"), instance.path(own));
        fs::rename(&roots, &servers).unwrap();
        chown(&servers, Some(Uid::from_raw(uid)), None).unwrap();
        let settings = fs::read_to_string(instance.path("etc/test.toml")).unwrap();
        let [roots, servers] = [roots, servers].map(|path| path.display().to_string());
        instance.write("test.toml", &settings.replace(&roots, &servers), 0o640, gid);
        watched.run();
        watched
    }

    fn stopped(port: u16, settings: &[(&str, &str)], config: impl Fn(u16) -> String) -> Watched {
        let own = port.to_string();
        let mut all = vec![("port", own.as_str())];
        all.extend(settings);
        Watched {
            instance: Instance::new(&all, &config(port)),
            port,
        }
    }

    pub fn run(&mut self) {
        let plain = self.instance.command("output");
        let mut strace = strace(&self.instance, &plain);
        self.instance.supervisor = Some(strace.spawn().expect("strace (tests/install-deps)"));
        self.instance
            .wait_for("ready server", |report| report.ready);
    }

    pub fn ask(&self, command: &str) -> String {
        self.instance.ask(command)
    }

    pub fn wait(&self, command: &str, wanted: &str) {
        assert!(
            self.says(command, wanted, Duration::from_secs(30)),
            "{command} does not say {wanted}:\n{}",
            self.instance.output()
        );
    }

    pub fn says(&self, command: &str, wanted: &str, within: Duration) -> bool {
        let words: Vec<&str> = command.split(' ').collect();
        let deadline = Instant::now() + within;
        while !self.cli(&words).contains(wanted) {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    /// What redis-cli prints.
    pub fn cli(&self, args: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .arg("-s")
            .arg(self.instance.path("run/redis/redis.sock"))
            .args(["--user", "admin", "--pass", "admin", "--no-auth-warning"])
            .args(args)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Traffic of several clients.
    pub fn benchmark(&self) {
        let output = Command::new("redis-benchmark")
            .arg("-s")
            .arg(self.instance.path("run/redis/redis.sock"))
            .args([
                "--user",
                "admin",
                "-a",
                "admin",
                "-q",
                "-n",
                "300",
                "-c",
                "20",
                "-t",
                "set,get,lpush,mset",
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Never restarted, stops cleanly, and nothing that it called was refused.
    pub fn ends_unharmed(mut self) {
        let report = self.instance.report().unwrap();
        assert_eq!((report.restarts, report.ready), (0, true), "{report:?}");
        signal(report.supervisor_pid, SIGTERM);
        assert_eq!(self.instance.ended(), 0, "{}", self.instance.output());
        let last = self.instance.last_words();
        assert_eq!(last.last_exit.as_deref(), Some("exit code 0"));
        assert!(!runs(report.server_pid.unwrap()));
        let refused = refused_calls(&self.instance);
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }
}

/// A program of an instance's under strace, whose trace and output are kept beside its files.
pub fn strace(instance: &Instance, plain: &Command) -> Command {
    let mut strace = Command::new("strace");
    // -D: the program stays our child, and signals reach it.
    strace.args(["-D", "-f", "-qq", "-s", "80"]);
    strace.args(["-e", "trace=!futex,read,write", "-o"]);
    strace.arg(instance.path("trace"));
    strace.arg(plain.get_program()).args(plain.get_args());
    let output = fs::File::create(instance.path("output")).unwrap();
    strace.stdout(output.try_clone().unwrap()).stderr(output);
    strace
}

/// The lines of the trace since the server was run that say no.
pub fn refused_calls(instance: &Instance) -> Vec<String> {
    const NO: [&str; 4] = ["EPERM", "EACCES", "ENOSYS", "SIGSYS"];
    let trace = fs::read_to_string(instance.path("trace")).unwrap();
    // Before the server the gate may have asked the same program what it can read.
    let began = trace.rfind("execve(\"/usr/bin/redis-server\"").unwrap();
    let says = |line: &&str, words: &[&str]| words.iter().any(|word| line.contains(word));
    trace[began..]
        .lines()
        .filter(|line| says(line, &NO) && !says(line, &HARMLESS))
        .map(str::to_owned)
        .collect()
}

pub fn free_port() -> u16 {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    free.local_addr().unwrap().port()
}
