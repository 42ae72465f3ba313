//! As an ordinary user: what can be read is judged, what cannot is unknown with the reason, and nothing is changed.

use super::harness::{FIXED, Fake, NOBODY, Ran, clean, copy_binary, scratch};
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The binary where everybody can run it, and `nobody` to do so.
pub struct Nobody {
    dir: TempDir,
}

impl Nobody {
    pub fn new() -> Nobody {
        let dir = scratch();
        copy_binary(&dir.path().join("redis-harden"));
        Nobody { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn own_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("our own directory");
        chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may");
        path
    }

    /// A directory in which it may write.
    pub fn own_dir(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir(&path).expect("our own directory");
        chown(&path, Some(NOBODY), Some(NOBODY)).expect("root may");
        path
    }

    fn run(&self, args: &[&str]) -> Ran {
        let id = NOBODY.to_string();
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
        setpriv.arg(self.path().join("redis-harden"));
        setpriv.current_dir("/");
        Ran::of(&mut clean(setpriv, args))
    }

    pub fn run_on(&self, tree: &Fake, args: &[&str]) -> Ran {
        let root = tree.root().to_str().expect("UTF-8");
        self.run(&[&["--root", root], args].concat())
    }
}

#[test]
fn what_may_not_be_read_is_unknown_and_2() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    let only = ["check", "--only", "account.no-password"];
    let ran = nobody.run_on(&tree, &only);
    ran.exits(2);
    assert!(
        ran.out.contains("unknown         account.no-password")
            && ran.out.contains("password of redis could not be read")
            && ran
                .out
                .contains("/etc/shadow: permission denied (EACCES; run as root?)"),
        "{ran}"
    );
    nobody
        .run_on(&tree, &[&only[..], &["--exit-zero"]].concat())
        .exits(2);
    nobody
        .run_on(&tree, &[&only[..], &["--allow-unknown"]].concat())
        .exits(0);
    let with_a_failure = [
        "check",
        "--only",
        "account.no-password",
        "--only",
        "kernel.somaxconn",
    ];
    nobody.run_on(&tree, &with_a_failure).exits(2);
    nobody
        .run_on(&tree, &[&with_a_failure[..], &["--allow-unknown"]].concat())
        .exits(1);
}

#[test]
fn rendered_files_that_only_redis_may_read_are_unknown() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    tree.file("etc/redis-harden/policy.toml", FIXED);
    tree.run(&["apply"]).exits(0);
    let ran = nobody.run_on(&tree, &["check", "--only", "files.configuration"]);
    ran.exits(2);
    assert!(
        ran.out
            .contains("file /etc/redis-harden/redis/default.conf could not be read")
            && ran.out.contains("EACCES; run as root?"),
        "{ran}"
    );
}

#[test]
fn plan_shows_what_it_can_and_says_what_it_could_not() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    let ran = nobody.run_on(&tree, &["plan"]);
    ran.exits(2);
    assert!(
        ran.out
            .contains("settings could not be read: redis-harden check\n"),
        "{ran}"
    );
    nobody.run_on(&tree, &["plan", "--only", "kernel.*", "--allow-unknown"]);
}

#[test]
fn this_machine_is_judged_without_a_panic() {
    let nobody = Nobody::new();
    for command in ["check", "plan", "status", "policy"] {
        let args: &[&str] = if command == "policy" {
            &["policy", "validate"]
        } else {
            &[command]
        };
        let ran = nobody.run(args);
        assert!((0..=3).contains(&ran.code), "{ran}");
        assert!(!ran.err.contains("panicked"), "{ran}");
    }
}

#[test]
fn what_changes_something_says_run_as_root_first() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    let before = tree.snapshot();
    let root = tree.root().display();
    // A policy of one's own is no obstacle to be told before that.
    let policy = nobody.own_file("policy.toml", "[redis]\nport = 6380\n");
    let policy = policy.to_str().expect("UTF-8");
    for command in ["apply", "rollback", "start", "stop", "restart"] {
        let instead = if command == "apply" {
            ", or try `redis-harden plan`"
        } else {
            ""
        };
        nobody.run_on(&tree, &["--policy", policy, command]).refuses(&format!(
            "redis-harden: {command} changes {root}: run it as root (this is uid 65534){instead}"
        ));
    }
    nobody.run(&["apply"]).refuses(
        "redis-harden: apply changes /: run it as root (this is uid 65534), or try `redis-harden plan`",
    );
    tree.is_untouched(&before);
}

#[test]
fn ones_own_policy_may_be_tried() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    let policy = nobody.own_file("policy.toml", "[redis]\nport = 6380\n");
    let policy = policy.to_str().expect("UTF-8");
    let ran = nobody.run_on(&tree, &["--policy", policy, "plan", "--allow-unknown"]);
    assert!(ran.exits(1).contains("6380"), "{ran}");
}

#[test]
fn an_unreadable_policy_is_an_error_and_never_the_default() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    tree.file("etc/redis-harden/policy.toml", "");
    tree.mode("etc/redis-harden/policy.toml", 0o600);
    for command in ["check", "plan"] {
        let ran = nobody.run_on(&tree, &[command]);
        assert_eq!(ran.exits(2), "", "{ran}");
        ran.refuses_with(&[
            "/etc/redis-harden/policy.toml: permission denied (EACCES; run as root?)",
        ]);
    }
    tree.mode("etc/redis-harden", 0o700);
    nobody
        .run_on(&tree, &["check"])
        .refuses_with(&["permission denied (EACCES; run as root?)"]);
}

#[test]
fn history_that_may_not_be_read_says_so() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    tree.run(&["apply"]).exits(0);
    let ran = nobody.run_on(&tree, &["history"]);
    ran.refuses_with(&["permission denied (EACCES; run as root?)"]);
}

#[test]
fn a_directory_that_may_not_be_listed_is_denied_by_that_name() {
    let (nobody, tree) = (Nobody::new(), Fake::debian());
    let ran = nobody.run_on(&tree, &["check", "--only", "files.data-not-world-readable"]);
    let text = ran.exits(2);
    assert!(
        text.contains("listing /var/lib/redis: permission denied (EACCES; run as root?)"),
        "{ran}"
    );
}
