//! Several instances of one host: what is their own, what they share, and what they cannot.

use super::*;

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
