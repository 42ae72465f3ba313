//! A throw-away server in namespaces of its own, and the proof that it is one: before anything is tried on it, the kernel is asked where it
//! lives. It ends with this value, or with this process, however that ends.

use super::blueprint::Blueprint;
use super::judgement::{Layer, Outcome};
use crate::contain::ground::Scratch;
use crate::host::{Begun, Host, Network, Output, Reach, Run};
use crate::redis::session::Session;
use crate::redis::timed::Timed;
use crate::redis::{Login, Silence};
use procfs::process::{MountInfo, Process};
use std::path::Path;
use std::time::{Duration, Instant};

/// It loads nothing: a start takes some 100 ms.
const PATIENCE: Duration = Duration::from_secs(10);

/// No attempt is longer.
const LIFE: Duration = Duration::from_secs(30);

/// For an answer of a twin's.
pub const ANSWER: Duration = Duration::from_secs(2);

/// A running twin.
pub struct Twin {
    begun: Begun,
    /// Held from the start: process ids are given away again.
    pub network: Network,
    /// Its files, as it sees them: its user's, so that no link of theirs is followed.
    pub files: Host,
}

impl Drop for Twin {
    fn drop(&mut self) {
        self.begun.kill();
        let until = Instant::now() + PATIENCE;
        while !self.begun.has_ended() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Twin {
    /// Starts one, and waits until it answers and is where it should be.
    pub fn start(host: &Host, blueprint: &Blueprint) -> Result<Twin, String> {
        let stage = serde_json::to_string(&blueprint.stage).map_err(|e| e.to_string())?;
        let mut begun = begin(host, blueprint, stage)?;
        let until = Instant::now() + PATIENCE;
        loop {
            if begun.has_ended() {
                return Err(last_words(begun.output().map_err(|e| e.to_string())?));
            }
            if let Some(pids) = family(host, begun.pid()) {
                return Twin::of(host, blueprint, begun, pids)?.settled(host, blueprint, until);
            }
            if Instant::now() > until {
                begun.kill();
                return Err("the twin did not start in time".to_owned());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Takes hold of where it is, and asks the kernel whether that is where it should be.
    fn of(
        host: &Host,
        blueprint: &Blueprint,
        begun: Begun,
        (first, server): (i32, i32),
    ) -> Result<Twin, String> {
        let held = || -> Result<(Network, Host), String> {
            let network = Network::of(host, server).map_err(|e| e.to_string())?;
            let root = host.real(Path::new(&format!("/proc/{server}/root")));
            let reach = Reach::FilesOnly("a twin's".to_owned());
            let files = Host::at(&root, reach).map_err(|e| e.to_string())?;
            prove_apart(host, blueprint, server)?;
            // What was looked at was its process all the while: it is still the child of ours.
            match family(host, begun.pid()) == Some((first, server)) {
                true => Ok((network, files)),
                false => Err("the twin ended while it was looked at".to_owned()),
            }
        };
        match held() {
            Ok((network, files)) => Ok(Twin {
                begun,
                network,
                files,
            }),
            Err(why) => {
                begun.kill();
                Err(why)
            }
        }
    }

    fn settled(
        mut self,
        host: &Host,
        blueprint: &Blueprint,
        until: Instant,
    ) -> Result<Twin, String> {
        let run = Run::new("ip").args(&["link", "set", "lo", "up"]);
        let up = self.network.run(|| host.run_ok(&run));
        up.and_then(|ran| ran).map_err(|e| e.to_string())?;
        loop {
            let why = match self.session(blueprint, Some(&blueprint.watcher)) {
                Ok(_) => break,
                Err(why) => why,
            };
            if self.begun.has_ended() {
                return Err("the twin ended while it started".to_owned());
            }
            if Instant::now() > until {
                return Err(format!("the twin does not answer: {why}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(self)
    }

    /// Connected from the inside, as one of its own host would be.
    pub fn session(
        &self,
        blueprint: &Blueprint,
        login: Option<&Login>,
    ) -> Result<Session, Silence> {
        Session::begin(self.dial(blueprint)?, login, ANSWER)
    }

    /// The same without a word.
    pub fn dial(&self, blueprint: &Blueprint) -> Result<Timed, Silence> {
        let broken = |why: String| Silence::Broken(why);
        let directives = &blueprint.directives;
        if directives.port == 0 {
            let socket = directives.socket.as_ref();
            let socket = socket.ok_or_else(|| broken("it has no port and no socket".into()))?;
            let door = self
                .files
                .socket(socket)
                .map_err(|e| broken(e.to_string()))?
                .ok_or(Silence::Nobody)?;
            return Timed::connect_to_socket(&door.path(), ANSWER)
                .map_err(|e| broken(e.to_string()));
        }
        let address = directives
            .addresses
            .first()
            .filter(|_| !self.on_loopback(blueprint));
        let address = address.map_or_else(|| "127.0.0.1".to_owned(), ToString::to_string);
        let port = directives.port;
        let dialled = self.network.run(|| Timed::connect(&address, port, ANSWER));
        match dialled.map_err(|e| broken(e.to_string()))? {
            Ok(stream) => Ok(stream),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => Err(Silence::Nobody),
            Err(e) => Err(broken(e.to_string())),
        }
    }

    fn on_loopback(&self, blueprint: &Blueprint) -> bool {
        let port = blueprint.directives.port;
        let dialled = self
            .network
            .run(|| Timed::connect("127.0.0.1", port, ANSWER).is_ok());
        dialled.unwrap_or(false)
    }
}

/// The kernel's word that nothing of the running server's is within its reach.
fn prove_apart(host: &Host, blueprint: &Blueprint, server: i32) -> Result<(), String> {
    for kind in ["net", "mnt", "pid", "ipc"] {
        let of = |pid: &str| {
            let link = format!("/proc/{pid}/ns/{kind}");
            host.read_magic_link(Path::new(&link)).ok().flatten()
        };
        match (of("self"), of(&server.to_string())) {
            (Some(ours), Some(its)) if ours != its => {}
            _ => return Err(format!("the twin has no {kind} namespace of its own")),
        }
    }
    let status = format!("/proc/{}/status", server);
    let status = host
        .read_text(Path::new(&status))
        .map_err(|e| e.to_string())?;
    let status = status.unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let ids: Vec<&str> = ids.unwrap_or_default().split_whitespace().collect();
    if ids.len() != 4 || ids.contains(&"0") {
        return Err("the twin has not left root behind".to_owned());
    }
    let proc = host.real(Path::new(&format!("/proc/{}", server)));
    let mounts = Process::new_with_root(proc).and_then(|process| process.mountinfo());
    let mounts = mounts.map_err(|e| format!("the twin's mounts: {e}"))?;
    match open_mount(&mounts.0, blueprint.scratch()) {
        Some(path) => Err(format!("the twin could write to this host's {path}")),
        None => Ok(()),
    }
}

/// A mount that can be written and is neither its own memory nor the kernel's list of its own processes.
fn open_mount(mounts: &[MountInfo], scratch: &[Scratch]) -> Option<String> {
    let own = |mount: &&MountInfo| {
        let over = scratch
            .iter()
            .any(|s| mount.mount_point.starts_with(&s.path));
        match mount.fs_type.as_str() {
            "tmpfs" => over,
            "proc" => true,
            _ => false,
        }
    };
    let writable = mounts
        .iter()
        .filter(|mount| !mount.mount_options.contains_key("ro"));
    let mut foreign = writable.filter(|mount| !own(mount));
    foreign.next().map(|m| m.mount_point.display().to_string())
}

/// A program in the server's place; its exit code says whether it could do what it is for.
pub fn inside(host: &Host, blueprint: &Blueprint, words: &[&str]) -> Outcome {
    if let Some(why) = &blueprint.other_sandbox {
        return Outcome::Untried(why.clone());
    }
    let [program, args @ ..] = words else {
        return Outcome::Untried("there is no program to run".to_owned());
    };
    let Some(program) = host.find_program(program) else {
        return Outcome::Untried(format!("{program} is not installed"));
    };
    let mut stage = blueprint.stage.clone();
    let data = stage.settings.data_dir.display().to_string();
    stage.program = program;
    stage.args = args.iter().map(|arg| arg.replace("DATA", &data)).collect();
    if let Err(why) = plant(host, &mut stage) {
        return Outcome::Untried(why);
    }
    let made = serde_json::to_string(&stage)
        .map_err(|e| e.to_string())
        .and_then(|stage| begin(host, blueprint, stage))
        .and_then(|mut begun| {
            // It ends by itself; its input must not end before.
            let until = Instant::now() + PATIENCE;
            while !begun.has_ended() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(2));
            }
            begun.output().map_err(|e| e.to_string())
        });
    match made {
        Ok(output) => judge(blueprint, &output, words),
        Err(why) => Outcome::Untried(why),
    }
}

/// A program that lies among the data, as an attacker would leave it there.
fn plant(host: &Host, stage: &mut crate::supervise::twin::Stage) -> Result<(), String> {
    let program = host.find_program("true").ok_or("true is not installed")?;
    let bytes = host.read(&program).map_err(|e| e.to_string())?;
    let data = stage.settings.data_dir.clone();
    let all = stage.scratch.iter_mut();
    let mut all = all.flat_map(|root| {
        let (path, files) = (root.path.clone(), &mut root.files);
        let own = std::iter::once((path, (root.uid, root.gid), files));
        let below = root.below.iter_mut();
        own.chain(below.map(|s| (s.path.clone(), (s.uid, s.gid), &mut s.files)))
    });
    let found = all.find(|(path, _, _)| *path == data);
    let (_, (uid, gid), files) = found.ok_or("the twin has no data directory")?;
    files.push(crate::contain::ground::Copied {
        name: "planted".into(),
        mode: 0o755,
        uid,
        gid,
        bytes: bytes.unwrap_or_default(),
    });
    Ok(())
}

fn judge(blueprint: &Blueprint, output: &Output, words: &[&str]) -> Outcome {
    let who = "a program in its place";
    let said = output.tail();
    let last = said.lines().last().unwrap_or_default();
    let refused = ["Permission denied", "Operation not permitted"];
    match (output.code, blueprint.stage.contained) {
        (Some(0), _) => Outcome::Succeeded(format!("{who}: {} did it", words.join(" "))),
        (_, true) if refused.iter().any(|sign| last.contains(sign)) => {
            Outcome::refused(who, Layer::Sandbox, last)
        }
        (_, true) if last.contains("Read-only file system") => {
            Outcome::refused(who, Layer::Sandbox, last)
        }
        (_, false) if refused.iter().any(|sign| last.contains(sign)) => {
            Outcome::refused(who, Layer::Permissions, last)
        }
        _ => Outcome::Untried(format!("{}: {last}", words.join(" "))),
    }
}

/// In namespaces of its own from the first instruction on, tied to this process and to its input.
fn begin(host: &Host, blueprint: &Blueprint, stage: String) -> Result<Begun, String> {
    let run = Run::new("setpriv")
        .args(&["--pdeathsig", "KILL", "unshare"])
        .args(&["--mount", "--net", "--pid", "--ipc", "--uts"])
        .args(&["--fork", "--kill-child=KILL"])
        .arg(blueprint.exe.display().to_string())
        .args(&["--quiet", "prove", "--as-twin"])
        .input(stage + "\n")
        .held()
        .limit(LIFE);
    host.begin(&run).map_err(|e| e.to_string())
}

/// The first process in the namespaces, and its child.
fn family(host: &Host, of: i32) -> Option<(i32, i32)> {
    let child = |pid: i32| {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let children = host.read_text(Path::new(&path)).ok()??;
        children.split_whitespace().next()?.parse::<i32>().ok()
    };
    let first = child(of)?;
    Some((first, child(first)?))
}

/// Without the line of a configuration that Redis quotes: it may hold a password.
fn last_words(output: Output) -> String {
    let tail = output.tail();
    let lines: Vec<&str> = tail.lines().filter(|l| !l.starts_with(">>>")).collect();
    format!("the twin did not start: {}", lines.join("; "))
}
