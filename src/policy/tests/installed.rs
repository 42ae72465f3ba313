//! Policies of a fake host's `/etc/redis-harden`: overlays, `extends`, and files that are named.

mod instances;
mod kept;
mod trust;

use super::*;
use crate::host::Trust;
use std::path::Path;
use tempfile::TempDir;

/// A fake host with these files below `/etc/redis-harden`, all 0644 in directories of 0755.
struct Fake {
    dir: TempDir,
    host: Host,
}

impl Fake {
    fn with(files: &[(&str, &str)]) -> Fake {
        let dir = TempDir::new().unwrap();
        let host = Host::at(dir.path(), Reach::Running).unwrap();
        let fake = Fake { dir, host };
        fake.directory("/etc");
        fake.directory("/etc/redis-harden");
        for (name, text) in files {
            let path = format!("/etc/redis-harden/{name}");
            fake.directory(Path::new(&path).parent().unwrap().to_str().unwrap());
            fake.file(&path, text, 0o644);
        }
        fake
    }

    fn directory(&self, path: &str) {
        self.host
            .make_dir(path.as_ref(), 0o755, uid(), gid())
            .unwrap();
    }

    fn file(&self, path: &str, text: &str, mode: u32) {
        let written = self
            .host
            .write_file(path.as_ref(), text.as_bytes(), mode, uid(), gid());
        written.unwrap();
    }

    fn load(&self) -> Result<Policies, PolicyError> {
        Policies::load(&self.host, None, Trust::Root)
    }

    fn error(&self) -> String {
        self.load().expect_err("it is refused").to_string()
    }
}

fn uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn gid() -> u32 {
    nix::unistd::getegid().as_raw()
}

#[test]
fn a_host_without_a_policy_gets_production() {
    let policies = Fake::with(&[]).load().unwrap();
    assert_eq!(policies.name, "production");
    assert!(policies.files.is_empty());
    assert_eq!(policies.sha256.len(), 64);
    assert_eq!(
        policies.instances,
        Policies::builtin("production").unwrap().instances
    );
}

#[test]
fn overlays_win_in_the_order_of_their_names_with_and_without_a_main_file() {
    let overlays = [
        ("policy.d/20-b.toml", "[redis]\nport = 2\n"),
        ("policy.d/10-a.toml", "[redis]\nport = 1\ntimeout = 9\n"),
        ("policy.d/.30-c.toml.swp", "an editor's"),
    ];
    for main in [
        &[][..],
        &[("policy.toml", "extends = \"cache\"\n[redis]\nport = 7\n")],
    ] {
        let policies = Fake::with(&[&overlays, main].concat()).load().unwrap();
        let redis = &policies.instances[0].redis;
        assert_eq!((redis.port, redis.timeout), (2, 9));
        let policy = if main.is_empty() {
            "allkeys-lru"
        } else {
            "allkeys-lfu"
        };
        assert_eq!(redis.maxmemory_policy, policy);
        assert_eq!(
            policies.origin(0, &["redis", "port"]),
            "/etc/redis-harden/policy.d/20-b.toml:2"
        );
    }
}

#[test]
fn waivers_of_overlays_add_up() {
    let waiver = |id| format!("[[waiver]]\ncontrol = \"{id}\"\nreason = \"so\"\n");
    let fake = Fake::with(&[
        ("policy.toml", &waiver("a.a")),
        ("policy.d/1.toml", &waiver("b.b")),
    ]);
    let waivers: Vec<String> = fake.load().unwrap().instances[0]
        .waiver
        .iter()
        .map(|w| w.control.clone())
        .collect();
    assert_eq!(waivers, ["a.a", "b.b"]);
}

#[test]
fn a_file_extends_another_by_a_path_beside_it() {
    let fake = Fake::with(&[
        (
            "policy.toml",
            "extends = \"base/site.toml\"\n[redis]\nport = 7\n",
        ),
        (
            "base/site.toml",
            "extends = \"durable\"\n[redis]\nport = 8\ntimeout = 8\n",
        ),
    ]);
    let policies = fake.load().unwrap();
    let redis = &policies.instances[0].redis;
    assert_eq!(
        (redis.port, redis.timeout, redis.maxmemory_policy.as_str()),
        (7, 8, "noeviction")
    );
    assert_eq!(policies.files.len(), 2);
}

#[test]
fn a_missing_base_and_a_cycle_name_the_chain() {
    let missing = Fake::with(&[
        ("policy.toml", "extends = \"./a.toml\"\n"),
        ("a.toml", "extends = \"./b.toml\"\n"),
    ]);
    assert_eq!(
        missing.error(),
        r#"/etc/redis-harden/a.toml:1:11: extends "./b.toml", which does not exist
   |
 1 | extends = "./b.toml"
   |           ^^^^^^^^^^
   = name a file that exists, or one of the built-in production, cache, durable, strict, container
   = the chain: /etc/redis-harden/policy.toml -> /etc/redis-harden/a.toml -> /etc/redis-harden/b.toml"#
    );
    let cycle = Fake::with(&[
        ("policy.toml", "extends = \"./a.toml\"\n"),
        ("a.toml", "extends = \"../redis-harden/policy.toml\"\n"),
    ]);
    assert_eq!(
        cycle.error(),
        r#"/etc/redis-harden/a.toml:1:11: this extends a file that extends this one
   |
 1 | extends = "../redis-harden/policy.toml"
   |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = let one of them extend a built-in profile instead
   = the chain: /etc/redis-harden/policy.toml -> /etc/redis-harden/a.toml -> /etc/redis-harden/policy.toml"#
    );
}

#[test]
fn an_overlay_extends_nothing() {
    let fake = Fake::with(&[("policy.d/1.toml", "extends = \"cache\"\n")]);
    assert!(
        fake.error()
            .contains("1.toml:1:1: an overlay extends nothing")
    );
}

#[test]
fn a_given_file_is_one_of_this_machine_and_alone() {
    let fake = Fake::with(&[
        ("policy.toml", "[redis]\nport = 1\n"),
        ("other.toml", "[redis]\nport = 2\n"),
    ]);
    let given = fake.dir.path().join("etc/redis-harden/other.toml");
    let policies = Policies::load(&fake.host, Some(&given), Trust::Reader).unwrap();
    assert_eq!(policies.instances[0].redis.port, 2);
    assert_eq!(policies.files, std::slice::from_ref(&given));
    let none = given.with_file_name("none.toml");
    let error = Policies::load(&fake.host, Some(&none), Trust::Reader)
        .unwrap_err()
        .to_string();
    assert!(error.contains("none.toml: no such file"), "{error}");
    // The temporary directory is in /tmp, which is everybody's.
    let error = Policies::load(&fake.host, Some(&given), Trust::Root)
        .unwrap_err()
        .to_string();
    assert!(error.contains("can be written by"), "{error}");
}

#[test]
fn bytes_that_are_no_text_are_placed() {
    let fake = Fake::with(&[]);
    let path = Path::new("/etc/redis-harden/policy.toml");
    fake.host
        .write_file(path, b"[redis]\nport = \xff\n", 0o644, uid(), gid())
        .unwrap();
    assert!(
        fake.error()
            .starts_with("/etc/redis-harden/policy.toml:2:8: this is not UTF-8")
    );
}
