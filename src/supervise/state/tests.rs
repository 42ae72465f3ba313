//! What root believes of a state file, on a fake root with its own /proc.
#![expect(clippy::disallowed_methods, reason = "a test builds its own root")]

use super::*;
use crate::host::Reach;

const UID: u32 = 102;

fn report() -> Report {
    Report {
        schema: 1,
        instance: "default".into(),
        state: Phase::Ready,
        since: "2025-01-01T00:00:00Z".into(),
        supervisor_pid: 10,
        pid_namespace: None,
        server_pid_inside: None,
        server_pid: Some(11),
        generation: "ab".into(),
        restarts: 0,
        last_exit: None,
        last_pid: None,
        nofile: 65535,
        ready: true,
        note: String::new(),
        crash_loop: false,
        rung: None,
        layers: Vec::new(),
    }
}

fn settings() -> Settings {
    let text = "instance = 'default'\nserver = '/usr/bin/redis-server'\nconfig = '/c'\nacl-file = '/a'\nagent-secret = '/s'\n\
        user = 'redis'\ngroup = 'redis'\nport = 0\nstate-dir = '/run/state'\nrun-dir = '/run/redis'\n\
        data-dir = '/data'\nnofile = 1024\nmaxclients = 100\nstart-timeout = '1s'\nstop-timeout = '1s'\n\
        backoff = '1ms'\nbackoff-max = '1s'\nbackoff-reset = '1s'\nunit-sha256 = ''\n";
    Settings::parse(text).unwrap()
}

/// A root where these processes (pid, name, parent, uid, state) run.
fn host_with(processes: &[(i32, &str, i32, u32, &str)]) -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    for (pid, name, parent, uid, state) in processes {
        let dir = root.path().join(format!("proc/{pid}"));
        std::fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "Name:\t{name}\nState:\t{state}\nPid:\t{pid}\nPPid:\t{parent}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
        );
        std::fs::write(dir.join("status"), text).unwrap();
    }
    std::fs::create_dir_all(root.path().join("run/state")).unwrap();
    let host = Host::at(root.path(), Reach::Running).unwrap();
    (root, host)
}

fn believed(processes: &[(i32, &str, i32, u32, &str)]) -> Option<Report> {
    let (_root, host) = host_with(processes);
    write(&host, &settings(), &report()).unwrap();
    let claimed = claim(&host, &settings()).unwrap().unwrap();
    verify(&host, &settings(), UID, claimed).unwrap()
}

const SERVER: (i32, &str, i32, u32, &str) = (11, "redis-server", 10, UID, "S (sleeping)");
const SUPERVISING: (i32, &str, i32, u32, &str) = (10, "redis-harden", 1, UID, "S (sleeping)");

#[test]
fn a_claim_that_proc_bears_out_is_believed() {
    assert_eq!(believed(&[SUPERVISING, SERVER]), Some(report()));
}

#[test]
fn a_dead_supervisor_means_that_nothing_runs() {
    assert_eq!(believed(&[SERVER]), None);
    assert_eq!(
        believed(&[(10, "redis-harden", 1, UID, "Z (zombie)"), SERVER]),
        None
    );
}

#[test]
fn another_users_or_another_program_is_not_the_supervisor() {
    assert_eq!(believed(&[(10, "redis-harden", 1, 0, "S"), SERVER]), None);
    assert_eq!(believed(&[(10, "sshd", 1, UID, "S"), SERVER]), None);
}

#[test]
fn a_server_that_is_not_the_supervisors_child_is_not_ready() {
    for server in [
        (11, "redis-server", 1, UID, "S"),
        (11, "sleep", 10, UID, "S"),
        (11, "redis-server", 10, 0, "S"),
    ] {
        let report = believed(&[SUPERVISING, server]).unwrap();
        assert_eq!((report.server_pid, report.ready), (None, false));
    }
}

#[test]
fn escapes_in_its_texts_do_not_reach_a_terminal() {
    let (_root, host) = host_with(&[]);
    let note = || "\u{1b}[2Jhello".to_owned();
    let forged = Report {
        note: note(),
        last_exit: Some(note()),
        rung: Some(note()),
        ..report()
    };
    write(&host, &settings(), &forged).unwrap();
    let claimed = claim(&host, &settings()).unwrap().unwrap();
    assert_eq!(claimed.note, "[2Jhello");
    assert_eq!(claimed.last_exit.as_deref(), Some("[2Jhello"));
    assert_eq!(claimed.rung.as_deref(), Some("[2Jhello"));
}

#[test]
fn a_link_in_the_files_place_is_not_followed() {
    let (root, host) = host_with(&[]);
    std::fs::write(root.path().join("secret"), "{}").unwrap();
    std::os::unix::fs::symlink(
        root.path().join("secret"),
        root.path().join("run/state/state.json"),
    )
    .unwrap();
    assert!(claim(&host, &settings()).is_err());
}

#[test]
fn a_file_longer_than_any_of_ours_is_refused() {
    let (root, host) = host_with(&[]);
    let file = std::fs::File::create(root.path().join("run/state/state.json")).unwrap();
    file.set_len(LARGEST + 1).unwrap();
    let refused = claim(&host, &settings()).unwrap_err().to_string();
    assert!(refused.contains("larger than 64 KiB"), "{refused}");
}
