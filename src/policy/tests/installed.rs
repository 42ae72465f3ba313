//! Policies of a fake host's `/etc/redis-harden`: overlays, instances, `extends`, and whom to trust.

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
fn an_instance_is_named_by_its_file_and_lives_in_its_own_places() {
    let fake = Fake::with(&[(
        "instances/jobs.toml",
        "extends = \"durable\"\n[redis]\nport = 6380\n",
    )]);
    let policies = fake.load().unwrap();
    let names: Vec<&str> = policies
        .instances
        .iter()
        .map(|i| i.redis.name.as_str())
        .collect();
    assert_eq!(names, ["default", "jobs"]);
    let jobs = policies.instance("jobs").unwrap();
    assert_eq!(jobs.unit(), "redis-server@jobs.service");
    assert_eq!(
        policies.origin(1, &["redis", "port"]),
        "/etc/redis-harden/instances/jobs.toml:3"
    );
    let odd = Fake::with(&[("instances/jobs.toml", "[redis]\nport = 1\nname = \"job\"\n")]);
    assert!(odd.error().starts_with(
        "/etc/redis-harden/instances/jobs.toml:3:8: redis.name is not the file's name"
    ));
}

#[test]
fn instances_that_share_what_they_cannot_are_refused() {
    let cases = [
        ("", "port 6379"),
        (
            "port = 7\ndata-dir = \"/var/lib/redis\"\n",
            "data-dir /var/lib/redis",
        ),
        (
            "port = 7\ndata-dir = \"/var/lib/redis/b\"\n",
            "data-dir /var/lib/redis/b",
        ),
        (
            "port = 7\nunix-socket = \"/run/redis/redis-server.sock\"\n",
            "unix-socket /run/redis",
        ),
        (
            "port = 7\nlog-file = \"/var/log/redis/redis-server.log\"\n",
            "log-file /var/log",
        ),
    ];
    for (keys, what) in cases {
        let fake = Fake::with(&[("instances/b.toml", &format!("[redis]\n{keys}"))]);
        let error = fake.error();
        assert!(error.contains(what), "{what}: {error}");
    }
    let twice = Fake::with(&[("instances/default.toml", "[redis]\nport = 7\n")]);
    assert!(
        twice.error().contains("both have the name default"),
        "{}",
        twice.error()
    );
}

#[test]
fn instances_may_allow_different_networks() {
    let second = "[redis]\nport = 7\n[firewall]\nallow = [\"10.0.0.0/8\"]\n";
    let policies = Fake::with(&[("instances/b.toml", second)]).load().unwrap();
    let allowed: Vec<usize> = policies
        .instances
        .iter()
        .map(|p| p.firewall.allow.len())
        .collect();
    assert_eq!(allowed, [0, 1]);
}

#[test]
fn the_kernel_is_held_to_the_strictest_instance() {
    let fake = Fake::with(&[
        (
            "policy.toml",
            "[kernel]\nsomaxconn = 2048\nswappiness = 5\n[kernel.sysctl]\n\"a.b\" = { at-least = 7 }\n",
        ),
        (
            "instances/b.toml",
            "[redis]\nport = 7\n[kernel]\nsomaxconn = 4096\nswappiness = 8\n[kernel.sysctl]\n\"a.b\" = 9\n[memory]\ntransparent-huge-pages = \"never\"\n",
        ),
    ]);
    let policies = fake.load().unwrap();
    let kernel = policies.kernel();
    assert_eq!((kernel.somaxconn, kernel.swappiness), (4096, 5));
    assert_eq!(kernel.sysctl["a.b"], SysctlRule::Number(9));
    assert_eq!(policies.huge_pages(), HugePages::Never);
    let clash = Fake::with(&[(
        "instances/b.toml",
        "[redis]\nport = 7\n[kernel]\novercommit-memory = 0\n",
    )]);
    assert_eq!(clash.error(), "/etc/redis-harden/instances/b.toml:4:21: production and /etc/redis-harden/instances/b.toml:4 want kernel.overcommit-memory to be different things
   |
 4 | overcommit-memory = 0
   |                     ^
   = the kernel is one for all instances: write the same in both, or in one only");
}

#[test]
fn a_policy_that_others_can_write_is_refused() {
    let fake = Fake::with(&[]);
    fake.file("/etc/redis-harden/policy.toml", "", 0o664);
    assert_eq!(
        fake.error(),
        "trusting /etc/redis-harden/policy.toml: it can be written by its group (mode 0664); `chmod go-w /etc/redis-harden/policy.toml`"
    );
}

#[test]
fn a_policy_in_a_directory_that_others_can_write_is_refused() {
    let fake = Fake::with(&[("policy.toml", "")]);
    fake.host
        .make_dir("/etc".as_ref(), 0o777, uid(), gid())
        .unwrap();
    assert_eq!(
        fake.error(),
        "trusting /etc/redis-harden/policy.toml: the directory /etc can be written by its group and others (mode 0777); `chmod go-w /etc`"
    );
    fake.host
        .make_dir("/etc".as_ref(), 0o1777, uid(), gid())
        .unwrap();
    assert!(
        fake.error()
            .ends_with("move the file to a directory of root's, such as /etc/redis-harden")
    );
    Policies::load(&fake.host, None, Trust::Reader)
        .expect("a sticky directory is good enough for reading");
}

#[test]
fn a_link_that_root_made_is_followed_and_the_directories_behind_it_are_judged() {
    let fake = Fake::with(&[]);
    for path in ["/srv", "/srv/open", "/srv/open/deep"] {
        fake.directory(path);
    }
    fake.file("/srv/open/deep/p.toml", "[redis]\nport = 7\n", 0o644);
    let link = Path::new("/etc/redis-harden/policy.toml");
    fake.host
        .make_link(link, "../../srv/open/deep/p.toml".as_ref())
        .unwrap();
    assert_eq!(fake.load().unwrap().instances[0].redis.port, 7);
    fake.host
        .make_dir("/srv/open".as_ref(), 0o777, uid(), gid())
        .unwrap();
    assert!(
        fake.error()
            .contains("the directory /srv/open can be written"),
        "{}",
        fake.error()
    );
}

#[test]
fn a_fifo_or_a_directory_in_the_place_of_a_policy_is_an_error_not_an_absence() {
    let fake = Fake::with(&[]);
    let path = fake.dir.path().join("etc/redis-harden/policy.toml");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(fake.error().contains("it is not a regular file"));
    let fake = Fake::with(&[]);
    fake.directory("/etc/redis-harden/policy.toml");
    assert!(
        fake.error().contains("it is not a regular file"),
        "{}",
        fake.error()
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

mod needs_root {
    use super::*;

    #[test]
    fn a_policy_of_another_user_is_refused() {
        assert_eq!(uid(), 0, "this test gives a file away, which only root can");
        let fake = Fake::with(&[]);
        let path = Path::new("/etc/redis-harden/policy.toml");
        fake.host.write_file(path, b"", 0o644, 12345, 0).unwrap();
        assert_eq!(
            fake.error(),
            "trusting /etc/redis-harden/policy.toml: it is owned by uid 12345, not by root; if its content is what you want: `chown root: /etc/redis-harden/policy.toml`"
        );
    }
}

#[test]
fn what_is_kept_is_what_was_in_force_whatever_becomes_of_the_files() {
    let fake = Fake::with(&[
        (
            "policy.toml",
            "extends = \"strict\"\n[redis]\nmaxclients = 5000\n[acl.web]\nrole = \"read-only\"\n",
        ),
        ("policy.d/10-more.toml", "[redis]\ntimeout = 7\n"),
        (
            "instances/b.toml",
            "extends = \"cache\"\n[redis]\nport = 6390\n",
        ),
        ("instances/c.toml", "[redis]\nport = 6391\n"),
    ]);
    let kept = Path::new("/etc/redis-harden/kept");
    let load = || Policies::load(&fake.host, None, Trust::Root).unwrap();
    let first = load();
    first.keep(&fake.host, kept).unwrap();
    fake.host
        .remove("/etc/redis-harden/instances/c.toml".as_ref())
        .unwrap();
    fake.file(
        "/etc/redis-harden/policy.toml",
        "[redis]\nmaxclients = \n",
        0o644,
    );
    assert_eq!(
        Policies::kept(&fake.host, kept).unwrap().instances,
        first.instances
    );

    // Those of a later run take their place, whole.
    fake.file(
        "/etc/redis-harden/policy.toml",
        "[redis]\nmaxclients = 6000\n",
        0o644,
    );
    let second = load();
    second.keep(&fake.host, kept).unwrap();
    assert_eq!(
        Policies::kept(&fake.host, kept).unwrap().instances,
        second.instances
    );
}
