//! What the policies of several instances make of the packet filter, and what turning it off takes away.

use crate::fake::{Fake, differences};
use redis_harden::controls::all;
use redis_harden::policy::{Policies, Trust};

const FILE: &str = "/etc/redis-harden/firewall.nft";

fn policies(fake: &Fake) -> Policies {
    Policies::load(fake.host(), None, Trust::Reader).expect("a policy")
}

fn controls() -> Vec<&'static redis_harden::control::Control> {
    let ours = |id: &str| id.starts_with("network.firewall");
    all().into_iter().filter(|c| ours(c.id)).collect()
}

#[test]
fn each_instances_port_has_its_own_networks() {
    let fake = Fake::with(&[
        (
            "/etc/redis-harden/policy.toml",
            "[firewall]\nallow = [\"10.1.0.0/16\"]\n",
        ),
        (
            "/etc/redis-harden/instances/jobs.toml",
            "[redis]\nport = 7000\n[firewall]\nallow = [\"10.2.0.0/16\", \"fd00::/8\"]\n",
        ),
    ]);
    fake.apply(&policies(&fake), &controls());
    let file = std::fs::read_to_string(fake.real(FILE)).expect("it is rendered");
    for (set, network) in [
        ("ip_6379", "10.1.0.0/16"),
        ("ip_7000", "10.2.0.0/16"),
        ("ip6_7000", "fd00::/8"),
    ] {
        let (_, rest) = file.split_once(&format!("set {set} {{")).expect(set);
        let (body, _) = rest.split_once("\n\t}").expect("a set ends");
        let elements = body.lines().filter(|l| l.contains('/'));
        let elements: Vec<&str> = elements.map(str::trim).collect();
        assert_eq!(elements, [network], "{set}");
    }
}

#[test]
fn turning_the_filter_off_takes_all_of_it_away_and_a_rollback_brings_it_back() {
    let mut fake = Fake::new();
    fake.apply(&policies(&fake), &controls());
    let filtered = fake.tree();
    assert!(filtered.contains_key(FILE));

    fake.lay(
        "/etc/redis-harden/policy.d/off.toml",
        "[firewall]\nenabled = false\n",
    );
    let before = fake.tree();
    let plan: Vec<String> = fake
        .plan(&policies(&fake), &controls())
        .iter()
        .map(|change| change.describe())
        .collect();
    assert_eq!(
        plan,
        [
            "redis-harden-firewall.service enabled: yes → no",
            "file /etc/systemd/system/redis-harden-firewall.service: remove",
            "file /etc/systemd/system/nftables.service.d/50-redis-harden.conf: remove",
            "file /etc/redis-harden/firewall.nft: remove",
        ]
    );
    let applied = fake.apply(&policies(&fake), &controls());
    assert!(applied.failed.is_empty(), "{:?}", applied.failed);
    let left: Vec<String> = fake
        .tree()
        .into_keys()
        .filter(|path| path.contains("firewall") || path.contains("50-redis-harden"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    assert!(fake.apply(&policies(&fake), &controls()).changed.is_empty());

    fake.rollback(&policies(&fake), false).expect("no conflict");
    assert_eq!(differences(&before, &fake.tree()).join("\n"), "");
}

#[test]
fn an_instance_that_the_policy_has_forgotten_stays_guarded() {
    let fake = Fake::with(&[(
        "/etc/redis-harden/redis/jobs.toml 0640 root:redis",
        "@settings/jobs.toml",
    )]);
    fake.apply(&policies(&fake), &controls());
    let file = std::fs::read_to_string(fake.real(FILE)).expect("it is rendered");
    let settings = std::fs::read_to_string(crate::fake::fixture("settings/jobs.toml"));
    let settings: toml::Table = settings.expect("a fixture").parse().expect("TOML");
    let port = settings["port"].as_integer().expect("a port");
    assert!(file.contains(&format!("tcp dport {port} jump")), "{file}");
    let (_, rest) = file
        .split_once(&format!("set ip_{port} {{"))
        .expect("its set");
    let (body, _) = rest.split_once("\n\t}").expect("a set ends");
    assert!(!body.contains("elements"), "loopback only: {body}");
}
