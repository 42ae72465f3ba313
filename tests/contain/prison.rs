//! The hostile program in the sandbox, and outside of it.

use super::attempts::{Real, attempts};
use super::instance::{Instance, places, redis};
use nix::unistd::{Gid, Uid, chown};
use redis_harden::contain::layers::Layer;
use redis_harden::host::Host;
use redis_harden::supervise;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

/// An instance with things worth attacking around it.
struct Scene {
    instance: Instance,
    victim: Child,
    listener: TcpListener,
    _abstract: UnixListener,
}

impl Scene {
    fn set() -> Scene {
        let instance = Instance::new(&[], "");
        let (uid, gid) = redis();
        for (dir, owner, mode) in [("outside", 0, 0o777), ("run/state", uid, 0o750)] {
            fs::create_dir(instance.path(dir)).unwrap();
            chown(
                &instance.path(dir),
                Some(Uid::from_raw(owner)),
                Some(gid.into()),
            )
            .unwrap();
            fs::set_permissions(instance.path(dir), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(instance.path("outside/mounted")).unwrap();
        for name in ["outside/file", "outside/victim", "run/state/state.json"] {
            fs::write(instance.path(name), "{}").unwrap();
        }
        chown(
            &instance.path("run/state/state.json"),
            Some(uid.into()),
            None,
        )
        .unwrap();
        instance.write("empty.conf", "", 0o666, gid);
        // What an administrator may have left open.
        fs::set_permissions(
            instance.path("etc/test.conf"),
            fs::Permissions::from_mode(0o660),
        )
        .unwrap();
        fs::copy("/bin/true", instance.path("data/planted")).unwrap();
        chown(
            &instance.path("data/planted"),
            Some(uid.into()),
            Some(Gid::from_raw(gid)),
        )
        .unwrap();
        fs::copy(
            std::env::current_exe().unwrap(),
            instance.path("etc/hostile"),
        )
        .unwrap();
        let victim = Command::new(instance.path("etc/hostile"))
            .arg("--victim")
            .stdin(Stdio::piped())
            .uid(uid)
            .gid(gid)
            .spawn()
            .unwrap();
        let name = instance.dir.path().as_os_str().as_encoded_bytes();
        let address = SocketAddr::from_abstract_name(name).unwrap();
        Scene {
            victim,
            listener: TcpListener::bind(("127.0.0.1", 0)).unwrap(),
            _abstract: UnixListener::bind_addr(&address).unwrap(),
            instance,
        }
    }

    /// What became of each attempt, after these words, and what was said of the sandbox.
    fn outcomes(&self, mut command: Command) -> (BTreeMap<String, String>, String) {
        let output = command
            .arg(self.instance.path("etc/hostile"))
            .arg("--hostile")
            .arg(self.instance.dir.path())
            .arg(self.victim.id().to_string())
            .arg(self.listener.local_addr().unwrap().port().to_string())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let outcomes: BTreeMap<String, String> = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(name, outcome)| (name.to_owned(), outcome.to_owned()))
            .collect();
        assert_eq!(outcomes.len(), attempts().count(), "{text}\n{told}");
        (outcomes, told)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.victim.stdin.take());
        let _ = self.victim.wait();
    }
}

/// What `redis-harden contain` does, for an instance in a directory.
pub fn contain(args: &[String]) -> ExitCode {
    let [dir, program, rest @ ..] = args else {
        panic!("DIR PROGRAM …");
    };
    let rest: Vec<OsString> = rest.iter().map(OsString::from).collect();
    let mut tell = |layer: &Layer| eprintln!("{} {}", layer.name, layer.holds);
    let host = Host::live().unwrap();
    let command = (OsStr::new(program), rest.as_slice());
    let code = supervise::contain(&host, &places(dir.as_ref()), command, &mut tell).unwrap();
    ExitCode::from(u8::try_from(code).unwrap())
}

/// Started by root, there are mounts as well; started by the service user, everything else holds without them.
pub fn every_attempt_of_a_hostile_program_is_refused_by_its_layer() {
    let (as_root, layers) = contained(&Scene::set(), |_| {});
    let (uid, gid) = redis();
    let (as_service, _) = contained(&Scene::set(), |command| {
        command.uid(uid).gid(gid);
    });
    let mut wrong = String::new();
    for attempt in attempts() {
        let holds = format!("{} true", attempt.layer);
        if !layers.lines().any(|line| line == holds) {
            wrong += &format!("{}: {} does not hold\n", attempt.name, attempt.layer);
        }
        for (outcomes, wanted) in [
            (&as_root, attempt.with_mounts),
            (&as_service, attempt.outcome),
        ] {
            let outcome = outcomes.get(attempt.name).unwrap();
            if outcome != wanted {
                wrong += &format!("{}: {outcome}, wants {wanted}\n", attempt.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let refused = |a: &&super::attempts::Attempt| a.with_mounts != "done";
    assert!(attempts().filter(refused).count() >= 70);
}

/// What is different on this kernel: a line a layer that it lacks, and one an attempt that ends otherwise, or is not refused at all.
pub fn differences() -> ExitCode {
    let (as_root, layers) = contained(&Scene::set(), |_| {});
    let (uid, gid) = redis();
    let (as_service, _) = contained(&Scene::set(), |command| {
        command.uid(uid).gid(gid);
    });
    for line in layers.lines() {
        if let Some(layer) = line.strip_suffix(" false") {
            println!("layer {layer}: missing");
        }
    }
    for attempt in attempts() {
        let told = [
            (&as_root, attempt.with_mounts, "root"),
            (&as_service, attempt.outcome, "the service user"),
        ];
        for (outcomes, wanted, starter) in told {
            let outcome = outcomes.get(attempt.name).unwrap();
            if outcome != wanted {
                println!(
                    "{} ({}), started by {starter}: {outcome}, elsewhere {wanted}",
                    attempt.name, attempt.layer
                );
            }
        }
    }
    ExitCode::SUCCESS
}

/// Each outcome in the sandbox, and which layers hold.
fn contained(scene: &Scene, change: impl Fn(&mut Command)) -> (BTreeMap<String, String>, String) {
    let mut command = Command::new(scene.instance.path("etc/hostile"));
    command.arg("--contain").arg(scene.instance.dir.path());
    change(&mut command);
    scene.outcomes(command)
}

/// Real means: done, or refused only for what the attempt left out. Root's are made where nothing of this machine can be hit.
pub fn unconfined_the_same_attempts_are_real() {
    let (uid, gid) = redis();
    let scene = Scene::set();
    // The shell is the service user's too, as the supervisor is.
    let mut service = Command::new("/bin/sh");
    service
        .args(["-c", "\"$@\"; exit $?", "sh"])
        .uid(uid)
        .gid(gid);
    let (service, _) = scene.outcomes(service);
    let scene = Scene::set();
    let layers = "mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work /mnt/root && \
        mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work none /etc && \
        mount --bind /mnt/root /root && exec \"$@\"";
    let mut root = Command::new("unshare");
    root.args(["--mount", "sh", "-c", layers, "sh"]);
    let (root, _) = scene.outcomes(root);
    let (mut real, mut wrong) = (0, String::new());
    for attempt in attempts() {
        let (who, outcomes) = match attempt.real {
            Real::Service => ("the service user", &service),
            Real::Root => ("root", &root),
        };
        match outcomes.get(attempt.name).unwrap().as_str() {
            // Nothing to protect here: a kernel without modules, without kexec.
            "ENOSYS" => println!("  {}: not in this kernel", attempt.name),
            "EPERM" if attempt.name == "raise a limit" && !may_raise_limits() => {
                println!("  {}: root has no CAP_SYS_RESOURCE here", attempt.name);
            }
            refused @ ("EPERM" | "EACCES" | "SIGSYS") => {
                wrong += &format!("{}: {refused} for {who}\n", attempt.name);
            }
            _ => real += 1,
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(real >= 60, "{real} of {}", attempts().count());
}

/// Some containers and machines for tests withhold it from root.
fn may_raise_limits() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let held = super::instance::status(std::process::id().cast_signed(), "CapEff");
    u64::from_str_radix(&held, 16).unwrap() >> CAP_SYS_RESOURCE & 1 == 1
}
