//! The Ansible role, run by real ansible-core against a Debian under its systemd: it installs the package, leaves applying to the play,
//! hardens once, and is then quiet. ssh is not in between: its place is taken by a way into the container.

use super::host::{as_admin, booted, is_supervised, pid};
use super::package::{built, said};
use super::support::nspawn::Machine;
use std::path::Path;
use std::process::Command;

/// ssh's last words are the host, here its first process, and the command.
const ENTER: &str = "#!/bin/bash\nexec nsenter --target \"${*: -2:1}\" --mount --uts --ipc --net --pid --cgroup --root --wd -- \
                     /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 /bin/sh -c \"${*: -1}\"\n";

struct Controller {
    dir: tempfile::TempDir,
    tools: String,
}

impl Controller {
    fn new(machine: &Machine) -> Controller {
        let dir = tempfile::tempdir().expect("a directory");
        let tools = said(&mut Command::new(checkout("tests/container/tools")));
        let enter = dir.path().join("enter");
        let inventory = format!(
            "box ansible_host={} ansible_ssh_executable={} ansible_ssh_transfer_method=piped ansible_python_interpreter=/usr/bin/python3\n",
            machine.leader(),
            enter.display()
        );
        let playbook = "- hosts: all\n  gather_facts: false\n  roles: [redis_harden]\n";
        for (name, text) in [
            ("enter", ENTER),
            ("hosts", &inventory),
            ("site.yml", playbook),
        ] {
            std::fs::write(dir.path().join(name), text).expect("our directory");
        }
        said(Command::new("chmod").arg("+x").arg(enter));
        Controller { dir, tools }
    }

    /// What the play says, whether it succeeded, and how much it changed.
    fn play(&self, words: &[&str], variables: &serde_json::Value) -> (bool, String, u32) {
        let at = |name: &str| self.dir.path().join(name);
        std::fs::write(at("variables.json"), variables.to_string()).expect("our directory");
        let mut play = Command::new(Path::new(&self.tools).join("ansible-playbook"));
        play.args(["-i", "hosts", "-e", "@variables.json"])
            .args(words)
            .arg("site.yml")
            .current_dir(self.dir.path())
            .env("ANSIBLE_ROLES_PATH", checkout("packaging/ansible/roles"))
            .env("ANSIBLE_LOCAL_TEMP", at("tmp"))
            .env("ANSIBLE_HOME", at("home"))
            .env("ANSIBLE_NOCOLOR", "1")
            .env("ANSIBLE_PIPELINING", "true")
            .env("ANSIBLE_SSH_ARGS", "")
            .env("LC_ALL", "C.UTF-8");
        let ran = play.output().expect("ansible-playbook");
        let text = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        let recap = text.lines().rfind(|line| line.contains("changed="));
        let word = recap.and_then(|line| {
            line.split_whitespace()
                .find_map(|w| w.strip_prefix("changed="))
        });
        let changed = word.and_then(|n| n.parse().ok());
        let changed = changed.unwrap_or_else(|| panic!("{text}"));
        (ran.status.success(), text, changed)
    }
}

fn checkout(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Python and what Ansible's modules of apt and debconf need of a host.
fn managed() -> Machine {
    let machine = booted();
    let base = said(&mut Command::new(checkout("tests/container/base")));
    let repo = Path::new(&base).join("repo");
    said(
        Command::new("cp")
            .arg("-R")
            .arg(repo)
            .arg(machine.disk().join("python")),
    );
    machine
        .sh("echo 'deb [trusted=yes] file:/python ./' >/etc/apt/sources.list.d/python.list && apt-get -qq update && \
             apt-get -qq -y --no-install-recommends install python3-apt debconf && rm /etc/apt/sources.list.d/python.list && apt-get -qq update")
        .ok();
    machine
}

#[test]
#[ignore = "seven plays: `tests/full packaging` runs them"]
fn a_play_installs_hardens_and_is_then_quiet() {
    let machine = managed();
    let controller = Controller::new(&machine);
    let variables = |maxclients: u32| {
        serde_json::json!({
            "redis_harden_deb": built(None),
            "redis_harden_policy": "extends = \"production\"\n",
            "redis_harden_overlays": {"50-site.toml": format!("[redis]\nmaxclients = {maxclients}\n")},
            // A container's kernel values are its host's.
            "redis_harden_fail_on_findings": false,
        })
    };
    // Nothing is there: a check says that it would be, and installs nothing.
    let (fine, text, changed) = controller.play(&["--check"], &variables(500));
    assert!(fine && changed > 0, "{text}");
    assert_ne!(machine.exec(&["dpkg", "-s", "redis-harden"]).code, 0);

    let (fine, text, changed) = controller.play(&[], &variables(500));
    assert!(fine && changed > 0, "{text}");
    is_supervised(&machine);
    assert!(as_admin(&machine, &["config", "get", "maxclients"]).contains("500"));
    let history = machine.exec(&["redis-harden", "history"]);
    let runs: Vec<&str> = history.ok().lines().collect();
    assert!(
        runs.len() == 1 && history.stdout.contains("\"ansible\""),
        "{history}"
    );

    let server = pid(&machine);
    let (fine, text, changed) = controller.play(&[], &variables(500));
    assert!(fine && changed == 0, "{text}");
    let (fine, text, changed) = controller.play(&["--check"], &variables(500));
    assert!(fine && changed == 0, "{text}");

    let (fine, text, changed) = controller.play(&["--check"], &variables(600));
    assert!(fine && changed > 0, "{text}");
    assert!(as_admin(&machine, &["config", "get", "maxclients"]).contains("500"));
    let (fine, text, changed) = controller.play(&[], &variables(600));
    assert!(fine && changed > 0, "{text}");
    assert!(as_admin(&machine, &["config", "get", "maxclients"]).contains("600"));
    assert_eq!(pid(&machine), server, "live, without a restart");

    let wrong = serde_json::json!({"redis_harden_install": false, "redis_harden_policy": "[redis]\nprot = 1\n"});
    let (fine, text, _) = controller.play(&[], &wrong);
    assert!(!fine && text.contains("did you mean"), "{text}");
    assert_eq!(pid(&machine), server);
}
