//! What a supervised server lives through, one behaviour each.

use super::instance::{Instance, redis, runs, signal, status};
use nix::sys::signal::Signal::{SIGCONT, SIGHUP, SIGKILL, SIGSTOP, SIGTERM};
use redis_harden::supervise::machine::Phase;
use redis_harden::supervise::{
    detach,
    settings::{Settings, generation},
};
use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Every test, by the sentence it proves.
pub const ALL: [super::runner::Test; 24] = [
    (
        "a_server_that_could_not_begin_takes_nothing_from_what_was_left",
        a_server_that_could_not_begin_takes_nothing_from_what_was_left,
    ),
    (
        "it_starts_and_answers_an_authenticated_ping",
        it_starts_and_answers_an_authenticated_ping,
    ),
    (
        "a_killed_server_is_back_within_a_second",
        a_killed_server_is_back_within_a_second,
    ),
    (
        "sigterm_stops_it_cleanly_and_the_state_says_so",
        sigterm_stops_it_cleanly_and_the_state_says_so,
    ),
    (
        "a_state_that_is_removed_or_garbage_is_written_again",
        a_state_that_is_removed_or_garbage_is_written_again,
    ),
    (
        "what_a_killed_server_leaves_running_ends_before_the_next_one",
        what_a_killed_server_leaves_running_ends_before_the_next_one,
    ),
    (
        "nobody_who_reads_its_log_is_waited_for",
        nobody_who_reads_its_log_is_waited_for,
    ),
    (
        "a_second_supervisor_is_refused",
        a_second_supervisor_is_refused,
    ),
    (
        "a_new_supervisor_waits_for_the_orphan_to_save",
        a_new_supervisor_waits_for_the_orphan_to_save,
    ),
    (
        "every_layer_of_the_sandbox_holds",
        every_layer_of_the_sandbox_holds,
    ),
    ("nothing_of_ours_stays_root", nothing_of_ours_stays_root),
    (
        "limits_umask_and_signals_are_set",
        limits_umask_and_signals_are_set,
    ),
    (
        "nothing_of_the_supervisors_environment_reaches_the_server",
        nothing_of_the_supervisors_environment_reaches_the_server,
    ),
    (
        "a_bad_configuration_is_refused_with_the_servers_own_words",
        a_bad_configuration_is_refused_with_the_servers_own_words,
    ),
    (
        "a_bad_acl_file_is_refused_with_the_end_of_the_log",
        a_bad_acl_file_is_refused_with_the_end_of_the_log,
    ),
    (
        "a_taken_port_is_tried_again_and_nobody_waits_for_ever",
        a_taken_port_is_tried_again_and_nobody_waits_for_ever,
    ),
    (
        "a_server_without_a_unix_socket_is_reached_by_tcp",
        a_server_without_a_unix_socket_is_reached_by_tcp,
    ),
    (
        "started_as_its_user_it_takes_the_password_from_systemd",
        started_as_its_user_it_takes_the_password_from_systemd,
    ),
    ("missing_files_are_refused", missing_files_are_refused),
    (
        "a_wrong_password_is_alive_and_not_ready",
        a_wrong_password_is_alive_and_not_ready,
    ),
    (
        "a_detached_supervisor_is_started_waited_for_and_stopped",
        a_detached_supervisor_is_started_waited_for_and_stopped,
    ),
    (
        "a_snapshot_that_would_be_ignored_refuses_the_start",
        a_snapshot_that_would_be_ignored_refuses_the_start,
    ),
    (
        "a_snapshot_that_another_server_wrote_since_refuses_the_start",
        a_snapshot_that_another_server_wrote_since_refuses_the_start,
    ),
    (
        "an_idle_supervisor_costs_next_to_nothing",
        an_idle_supervisor_costs_next_to_nothing,
    ),
];

fn it_starts_and_answers_an_authenticated_ping() {
    let mut instance = Instance::new(&[], "");
    // The password is the first line, as apply has it.
    instance.write("agent", "secret\r\nof the supervisor\n", 0o600, 0);
    let manager = UnixDatagram::bind(instance.path("notify")).unwrap();
    nix::unistd::chown(&instance.path("notify"), Some(redis().0.into()), None).unwrap();
    let report = instance.start();
    assert_eq!(instance.ask("PING"), "+PONG");
    let file = |name: &str| fs::read(instance.path("etc").join(name)).unwrap();
    let settings = Settings::parse(&String::from_utf8(file("test.toml")).unwrap()).unwrap();
    let expected = generation(
        &file("test.conf"),
        &file("test.acl"),
        settings.render().as_bytes(),
    );
    assert_eq!(
        (report.generation, report.restarts, report.nofile),
        (expected, 0, 4096)
    );
    manager
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let mut buffer = [0; 256];
    let told = |size: usize, buffer: &[u8]| {
        String::from_utf8_lossy(buffer.get(..size).unwrap()).into_owned()
    };
    let messages: Vec<String> = (0..3)
        .map(|_| told(manager.recv(&mut buffer).unwrap(), &buffer))
        .collect();
    assert!(messages.contains(&"READY=1".to_owned()), "{messages:?}");
}

fn a_killed_server_is_back_within_a_second() {
    let mut instance = Instance::new(&[], "");
    let before = instance.start();
    let start = Instant::now();
    signal(before.server_pid.unwrap(), SIGKILL);
    let after = instance.wait_for("new server", |r| r.ready && r.restarts == 1);
    println!("  back after {} ms", start.elapsed().as_millis());
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_ne!(after.server_pid, before.server_pid);
    let exit = after.last_exit.unwrap();
    assert!(exit.starts_with("SIGKILL: somebody killed it"), "{exit}");
    assert_eq!(instance.ask("PING"), "+PONG");
}

fn sigterm_stops_it_cleanly_and_the_state_says_so() {
    let mut instance = Instance::new(&[], "");
    let server = instance.start().server_pid.unwrap();
    instance.ask("SET key value");
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0);
    assert!(!runs(server));
    assert_eq!(instance.report(), None);
    assert_eq!(instance.last_words().state, Phase::Stopped);
    let dump = fs::metadata(instance.path("data/dump.rdb")).unwrap();
    assert_eq!((dump.uid(), dump.mode() & 0o777), (redis().0, 0o640));
    instance.start();
    assert_eq!(instance.ask("EXISTS key"), ":1");
}

/// On a SIGHUP at once, else within ten seconds.
fn a_state_that_is_removed_or_garbage_is_written_again() {
    let mut instance = Instance::new(&[], "");
    let report = instance.start();
    let state = instance.path("run/state/state.json");
    fs::remove_file(&state).unwrap();
    assert!(instance.report().is_none());
    signal(instance.supervisor_pid(), SIGHUP);
    assert_eq!(instance.wait_for("the same state", |_| true), report);
    fs::write(&state, "garbage").unwrap();
    let until = Instant::now() + Duration::from_secs(15);
    while fs::read_to_string(&state).unwrap() == "garbage" {
        assert!(Instant::now() < until, "{}", instance.output());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(instance.report(), Some(report));
}

/// Its child is stopped, so that it does not end by itself: as one of an attacker's would not.
fn what_a_killed_server_leaves_running_ends_before_the_next_one() {
    let mut instance = Instance::new(&[], "rdb-key-save-delay 10000000");
    let server = instance.start().server_pid.unwrap();
    instance.ask("SET key value");
    assert_eq!(instance.ask("BGSAVE"), "+Background saving started");
    let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
    let child: i32 = children.trim().parse().unwrap();
    signal(child, SIGSTOP);
    signal(server, SIGKILL);
    instance.wait_for("the next server", |r| r.restarts == 1 && r.ready);
    assert!(!runs(child), "{}", instance.output());
    let left = fs::read_dir(instance.path("data")).unwrap();
    let mut names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.any(|name| name.starts_with("temp-")));
}

/// The server has a log of its own: only the supervisor's reader has stopped.
fn nobody_who_reads_its_log_is_waited_for() {
    let mut instance = Instance::new(&[], "logfile redis.log");
    let (_reader, writer) = std::io::pipe().unwrap();
    // Another description of the same pipe, which alone does not wait.
    let mut filler = fs::File::options()
        .write(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(format!("/proc/self/fd/{}", writer.as_raw_fd()))
        .unwrap();
    let mut command = instance.command("output");
    command.stdout(Stdio::null()).stderr(writer);
    instance.supervisor = Some(command.spawn().unwrap());
    let before = instance.wait_for("a ready server", |report| report.ready);
    for size in [4096, 1] {
        while filler.write(&vec![b'x'; size]).is_ok() {}
    }
    signal(before.server_pid.unwrap(), SIGKILL);
    instance.wait_for("the next server", |r| r.restarts == 1 && r.ready);
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0);
}

fn a_second_supervisor_is_refused() {
    let mut instance = Instance::new(&[], "");
    let report = instance.start();
    let code = instance.spawn("second").wait().unwrap().code();
    let output = fs::read_to_string(instance.path("second")).unwrap();
    assert_eq!(code, Some(78), "{output}");
    let holder = format!("another supervisor (process {})", instance.supervisor_pid());
    assert!(output.contains(&holder), "{output}");
    assert_eq!(instance.report(), Some(report));
}

fn a_snapshot_that_would_be_ignored_refuses_the_start() {
    let mut instance = Instance::new(&[], "");
    instance.start();
    instance.ask("SET key value");
    stop(&mut instance);
    let config = instance.path("etc/test.conf");
    let text = fs::read_to_string(&config).unwrap();
    let snapshot = fs::read(instance.path("data/dump.rdb")).unwrap();
    fs::write(&config, format!("{text}appendonly yes\n")).unwrap();
    instance.supervisor = Some(instance.spawn("output"));
    assert_eq!(instance.ended(), 78);
    let said = instance.output();
    assert!(said.contains("would be ignored"), "{said}");
    let is_said_once = |line: &str| line.matches("would be ignored").count() <= 1;
    assert!(said.lines().all(is_said_once), "{said}");
    assert_eq!(fs::read(instance.path("data/dump.rdb")).unwrap(), snapshot);
    assert!(!instance.path("data/appendonlydir").exists());
}

fn a_server_that_could_not_begin_takes_nothing_from_what_was_left() {
    let mut instance = Instance::new(&[], "");
    instance.start();
    instance.ask("SET key value");
    // As `apply` does before it restarts a server that is to have one.
    assert_eq!(instance.ask("CONFIG SET appendonly yes"), "+OK");
    while !instance
        .path("data/appendonlydir/appendonly.aof.manifest")
        .exists()
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    stop(&mut instance);
    let config = instance.path("etc/test.conf");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}appendonly yes\nnonsense yes\n")).unwrap();
    instance.supervisor = Some(instance.spawn("output"));
    assert_eq!(instance.ended(), 78, "{}", instance.output());
    fs::write(&config, text).unwrap();
    instance.start();
    assert!(instance.ask("GET key").ends_with("value"));
}

fn a_snapshot_that_another_server_wrote_since_refuses_the_start() {
    let mut instance = Instance::new(&[], "appendonly yes");
    for _ in 0..2 {
        instance.start();
        instance.ask("SET key value");
        stop(&mut instance);
    }
    // Killed, and the server with it: nothing is known of what it left, so nothing is refused.
    instance.start();
    signal(instance.report().unwrap().server_pid.unwrap(), SIGKILL);
    signal(instance.supervisor_pid(), SIGKILL);
    instance.supervisor.take().unwrap().wait().unwrap();
    let report = instance.start();
    assert_eq!(instance.ask("EXISTS key"), ":1");

    // A server of somebody else's, after a clean end of ours.
    stop(&mut instance);
    assert!(!runs(report.server_pid.unwrap()));
    let snapshot = instance.path("data/dump.rdb");
    let bytes = fs::read(&snapshot).unwrap();
    fs::write(&snapshot, [bytes.as_slice(), b"more"].concat()).unwrap();
    for _ in 0..2 {
        instance.supervisor = Some(instance.spawn("output"));
        assert_eq!(instance.ended(), 78, "as often as it is tried");
        assert!(
            instance.output().contains("another one has saved to it"),
            "{}",
            instance.output()
        );
    }
    fs::remove_file(&snapshot).unwrap();
    instance.start();
    assert_eq!(instance.ask("EXISTS key"), ":1");
}

fn stop(instance: &mut Instance) {
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0);
}

fn a_new_supervisor_waits_for_the_orphan_to_save() {
    let mut instance = Instance::new(&[], "");
    let orphan = instance.start().server_pid.unwrap();
    instance.ask("SET key value");
    signal(orphan, SIGSTOP);
    signal(instance.supervisor_pid(), SIGKILL);
    instance.supervisor.take().unwrap().wait().unwrap();
    instance.supervisor = Some(instance.spawn("output"));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(instance.report(), None);
    signal(orphan, SIGCONT);
    instance.wait_for("ready server", |r| r.ready);
    assert!(!runs(orphan));
    assert_eq!(instance.ask("EXISTS key"), ":1");
}

fn every_layer_of_the_sandbox_holds() {
    let mut instance = Instance::new(&[], "");
    let report = instance.start();
    let layers: Vec<(String, bool)> = report
        .layers
        .iter()
        .map(|layer| (layer.name.to_string(), layer.holds))
        .collect();
    let names = [
        "identity",
        "capabilities",
        "no-new-privileges",
        "writable-code",
        "files",
        "network",
        "signals",
        "system-calls",
        "mounts",
    ];
    // This kernel, 6.18, has all of them.
    assert_eq!(layers, names.map(|name| (name.to_owned(), true)));
    let server = report.server_pid.unwrap();
    assert_eq!(status(server, "Seccomp"), "2");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(server, set), "0000000000000000");
    }
}

fn nothing_of_ours_stays_root() {
    let mut instance = Instance::new(&[], "");
    let server = instance.start().server_pid.unwrap();
    let (uid, gid) = redis();
    for pid in [instance.supervisor_pid(), server] {
        assert_eq!(status(pid, "Uid"), [uid.to_string().as_str(); 4].join(" "));
        assert_eq!(status(pid, "Gid"), [gid.to_string().as_str(); 4].join(" "));
        assert_eq!(status(pid, "Groups"), "");
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        assert_eq!(status(pid, "CapEff"), "0000000000000000");
        assert_eq!(status(pid, "CapPrm"), "0000000000000000");
    }
    let memory = fs::metadata(format!("/proc/{}/mem", instance.supervisor_pid())).unwrap();
    assert_eq!(
        memory.uid(),
        0,
        "the server could read the supervisor's memory"
    );
    for (dir, mode) in [("run/state", 0o750), ("run/redis", 0o2750)] {
        let found = fs::metadata(instance.path(dir)).unwrap();
        assert_eq!(
            (found.uid(), found.gid(), found.mode() & 0o7777),
            (uid, gid, mode)
        );
    }
}

fn limits_umask_and_signals_are_set() {
    let mut instance = Instance::new(&[("nofile", "12345")], "");
    let server = instance.start().server_pid.unwrap();
    let limits = fs::read_to_string(format!("/proc/{server}/limits")).unwrap();
    let soft = |name: &str| {
        limits
            .lines()
            .find_map(|l| l.strip_prefix(name))
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
    };
    assert_eq!(
        (soft("Max open files"), soft("Max core file size")),
        ("12345", "0")
    );
    assert_eq!(
        (status(server, "Umask"), status(server, "SigBlk")),
        ("0027".into(), "0000000000000000".into())
    );
    let data = fs::read_link(format!("/proc/{server}/cwd")).unwrap();
    assert_eq!(data, instance.path("data"));
}

fn nothing_of_the_supervisors_environment_reaches_the_server() {
    let mut instance = Instance::new(&[], "");
    // Redis overwrites its environment with its process title: this program in its place writes it down.
    let place = instance.path("etc/server");
    fs::copy(std::env::current_exe().unwrap(), &place).unwrap();
    let settings = fs::read_to_string(instance.path("etc/test.toml")).unwrap();
    let settings = settings.replace("/usr/bin/redis-server", &place.display().to_string());
    instance.write("test.toml", &settings, 0o640, redis().1);
    instance.supervisor = Some(instance.spawn("output"));
    let written = instance.path("data/environment");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !written.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = fs::read_to_string(&written).unwrap();
    let mut names: Vec<&str> = text.lines().collect();
    names.retain(|name| *name != "TZ");
    names.sort_unstable();
    assert_eq!(names, ["LC_ALL", "PATH"]);
}

fn a_bad_configuration_is_refused_with_the_servers_own_words() {
    for (config, words) in [
        ("no-such-directive 1", "Bad directive"),
        ("maxclients many", "maxclients many"),
    ] {
        let mut instance = Instance::new(&[], config);
        instance.supervisor = Some(instance.spawn("output"));
        assert_eq!(instance.ended(), 78);
        assert!(instance.output().contains(words), "{}", instance.output());
        let last = instance.last_words();
        assert_eq!(last.state, Phase::Refused);
        assert!(last.last_exit.unwrap().contains(words));
    }
}

fn a_bad_acl_file_is_refused_with_the_end_of_the_log() {
    let log = tempfile::Builder::new().prefix("rh-log").tempdir().unwrap();
    let file = log.path().join("redis.log");
    nix::unistd::chown(log.path(), Some(redis().0.into()), None).unwrap();
    let quoted = format!("\"{}\"", file.display());
    let config = format!("logfile {}", file.display());
    let mut instance = Instance::new(&[("log-file", &quoted)], &config);
    instance.write(
        "test.acl",
        "user agent +no-such-command\n",
        0o640,
        redis().1,
    );
    instance.supervisor = Some(instance.spawn("output"));
    assert_eq!(instance.ended(), 78);
    assert!(
        instance.output().contains("ACL errors"),
        "{}",
        instance.output()
    );
}

fn a_taken_port_is_tried_again_and_nobody_waits_for_ever() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let settings = [
        ("port", port.as_str()),
        ("backoff", "\"50ms\""),
        ("backoff-max", "\"200ms\""),
    ];
    let mut instance = Instance::new(&settings, &format!("port {port}\nbind 127.0.0.1"));
    instance.supervisor = Some(instance.spawn("output"));
    let (host, places) = (&instance.host, instance.places());
    let start = Instant::now();
    let limit = Duration::from_secs(60);
    let error = detach::wait_ready(host, &places, None, limit, &mut |_| {}).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(error.to_string().contains("exit code 1"), "{error}");
    drop(taken);
    let report = instance.wait_for("ready server", |r| r.ready);
    assert!(report.restarts >= 3);
}

fn a_server_without_a_unix_socket_is_reached_by_tcp() {
    for (address, bind) in [("\"127.0.0.1\"", "127.0.0.1"), ("\"::1\"", "::1")] {
        let free = std::net::TcpListener::bind((bind, 0)).unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let settings = [("port", port.as_str()), ("address", address)];
        let mut instance = Instance::new(&settings, &format!("port {port}\nbind {bind}"));
        let text = fs::read_to_string(instance.path("etc/test.toml")).unwrap();
        let lines: Vec<&str> = text
            .lines()
            .filter(|l| !l.starts_with("unix-socket"))
            .collect();
        instance.write("test.toml", &lines.join("\n"), 0o640, redis().1);
        let before = instance.start();
        signal(before.server_pid.unwrap(), SIGKILL);
        instance.wait_for("new server", |r| r.ready && r.restarts == 1);
    }
}

fn started_as_its_user_it_takes_the_password_from_systemd() {
    let mut instance = Instance::new(&[], "");
    let (uid, gid) = redis();
    fs::remove_file(instance.path("etc/agent")).unwrap();
    for dir in ["run/state", "run/redis", "credentials"] {
        fs::create_dir(instance.path(dir)).unwrap();
        nix::unistd::chown(&instance.path(dir), Some(uid.into()), Some(gid.into())).unwrap();
    }
    fs::write(instance.path("credentials/agent"), "secret").unwrap();
    let mut command = instance.command("output");
    command
        .uid(uid)
        .gid(gid)
        .env("CREDENTIALS_DIRECTORY", instance.path("credentials"));
    instance.supervisor = Some(command.spawn().unwrap());
    instance.wait_for("ready server", |report| report.ready);
    signal(instance.supervisor_pid(), SIGTERM);
    assert_eq!(instance.ended(), 0);
}

fn missing_files_are_refused() {
    for name in ["test.toml", "agent", "test.conf", "test.acl"] {
        let mut instance = Instance::new(&[], "");
        fs::remove_file(instance.path("etc").join(name)).unwrap();
        instance.supervisor = Some(instance.spawn("output"));
        assert_eq!(instance.ended(), 78);
        assert!(
            instance
                .output()
                .contains(&format!("{name}: there is no such file")),
            "{}",
            instance.output()
        );
    }
}

fn a_wrong_password_is_alive_and_not_ready() {
    let mut instance = Instance::new(&[], "");
    instance.write("agent", "another", 0o600, 0);
    instance.supervisor = Some(instance.spawn("output"));
    let report = instance.wait_for("busy server", |r| r.state == Phase::Busy);
    assert!(report.note.starts_with("WRONGPASS"), "{}", report.note);
    assert!(!report.ready);
}

fn a_detached_supervisor_is_started_waited_for_and_stopped() {
    let instance = Instance::new(&[], "");
    let (host, places) = (&instance.host, instance.places());
    let exe = std::env::current_exe().unwrap();
    let dir = instance.dir.path().to_str().unwrap();
    let args = ["--as-supervisor", dir];
    let limit = Duration::from_secs(10);
    let mut started = detach::start_with(host, &exe, &args, &places).unwrap();
    let mut told = Vec::new();
    let report = detach::wait_ready(host, &places, Some(&mut started), limit, &mut |text| {
        told.push(text.to_owned())
    });
    let report = report.unwrap();
    let session =
        nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(report.supervisor_pid))).unwrap();
    assert_eq!(session.as_raw(), report.supervisor_pid);
    let log = fs::metadata(&places.log).unwrap();
    assert_eq!((log.uid(), log.mode() & 0o777), (0, 0o640));
    detach::stop(host, &places, limit).unwrap();
    assert_eq!(instance.report(), None);
    detach::stop(host, &places, limit).unwrap();
    instance.write("test.conf", "nonsense\n", 0o640, redis().1);
    let mut started = detach::start_with(host, &exe, &args, &places).unwrap();
    let error =
        detach::wait_ready(host, &places, Some(&mut started), limit, &mut |_| {}).unwrap_err();
    assert!(
        error.to_string().contains("FATAL CONFIG FILE ERROR"),
        "{error}"
    );
}

fn an_idle_supervisor_costs_next_to_nothing() {
    let mut instance = Instance::new(&[], "");
    instance.start();
    let pid = instance.supervisor_pid();
    std::thread::sleep(Duration::from_secs(1));
    let switches = || {
        status(pid, "voluntary_ctxt_switches")
            .parse::<u64>()
            .unwrap()
    };
    let before = switches();
    std::thread::sleep(Duration::from_secs(5));
    let count = switches() - before;
    println!(
        "  {count} context switches in 5 s, {} resident (debug build)",
        status(pid, "VmRSS")
    );
    assert!(count <= 15);
}

/// In the server's place: writes down the names in its environment. Under another name first, so that nobody reads half of it.
pub fn tell_environment() -> ExitCode {
    let names: String = std::env::vars().map(|(name, _)| name + "\n").collect();
    fs::write("environment.new", names).unwrap();
    fs::rename("environment.new", "environment").unwrap();
    ExitCode::SUCCESS
}
