//! Whatever is wrong with a host, in whatever combination: after an apply the plan is empty, and a rollback is its inverse.

use crate::converge::{controls, production};
use crate::fake::{Fake, differences};
use proptest::prelude::*;
use redis_harden::policy::Policies;

/// What may be wrong, each on its own. Later ones go over earlier ones.
const MUTATIONS: &[(&str, &str)] = &[
    ("/proc/sys/vm/overcommit_memory", "0\n"),
    ("/proc/sys/vm/overcommit_memory", "2\n"),
    ("/proc/sys/vm/swappiness", "100\n"),
    ("/proc/sys/net/core/somaxconn", "128\n"),
    ("/proc/sys/net/core/somaxconn", "65535\n"),
    ("/proc/sys/net/ipv4/tcp_max_syn_backlog", "128\n"),
    (
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "[always] madvise never\n",
    ),
    ("/sys/kernel/mm/transparent_hugepage/enabled absent", ""),
    (
        "/etc/sysctl.d/10-redis.conf",
        "vm.overcommit_memory = 0\nnet.core.somaxconn=1024\n",
    ),
    ("/etc/sysctl.d/zzz.conf", "vm.swappiness = 60\n"),
    (
        "/etc/sysctl.d/99-zz-redis-harden.conf 0600 root:root",
        "# somebody's\nvm.swappiness = 40\nvm.dirty_ratio = 5\n",
    ),
    ("/etc/tmpfiles.d absent", ""),
    (
        "/etc/tmpfiles.d/redis-harden.conf 0600 root:root",
        "w- /sys/kernel/mm/transparent_hugepage/enabled - - - - always\n",
    ),
    ("/etc/systemd/system absent", ""),
    (
        "/etc/systemd/system/redis-server.service.d/50-redis-harden.conf 0666 root:root",
        "[Service]\nExecStart=\n",
    ),
    (
        "/etc/systemd/system/redis-server.service.d/90-local.conf",
        "[Service]\nNice=-5\n",
    ),
    ("/etc/systemd/system/redis-harden.service -> /dev/null", ""),
    ("/etc/redis-harden/ 0777 redis:redis", ""),
    ("/etc/redis-harden/redis/ 0700 redis:redis", ""),
    (
        "/etc/redis-harden/redis/default.conf 0644 redis:redis",
        "port 7000\n",
    ),
    (
        "/etc/redis-harden/redis/default.acl 0640 root:redis",
        "user default on nopass ~* +@all\n",
    ),
    ("/etc/redis-harden/redis/default.toml -> default.conf", ""),
    (
        "/etc/redis-harden/secrets/app 0644 redis:redis",
        "hunter2\n",
    ),
    ("/etc/redis-harden/secrets/admin 0600 root:root", ""),
    (
        "/etc/redis-harden/firewall.nft 0755 root:root",
        "flush ruleset\n",
    ),
    ("/var/lib/redis absent", ""),
    ("/var/lib/redis/ 0777 root:root", ""),
    ("/var/lib/redis/dump.rdb 0644 redis:redis", "REDIS0010"),
    ("/var/log/redis absent", ""),
    ("/etc/redis absent", ""),
    ("/run/systemd/system absent", ""),
    ("/etc/os-release absent", ""),
    (
        "/etc/group",
        "root:x:0:\nadm:x:4:redis\nredis:x:998:\ndocker:x:990:redis\n",
    ),
];

const POLICIES: &[&str] = &[
    "",
    "extends = \"cache\"\n",
    "extends = \"strict\"\n",
    "[redis]\nbind = [\"0.0.0.0\"]\nport = 7001\nmaxmemory = \"100mb\"\n[firewall]\nallow = [\"10.0.0.0/8\"]\n",
    "[redis]\nname = \"jobs\"\ndata-dir = \"/srv/redis/jobs\"\nlog-file = \"/var/log/redis/jobs.log\"\n",
    "[kernel]\nsomaxconn = 8192\nswappiness = 1\n[kernel.sysctl]\n\"kernel.yama.ptrace_scope\" = 2\n",
    "[memory]\ntransparent-huge-pages = \"never\"\n[firewall]\nenabled = false\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_apply_converges_and_a_rollback_is_its_inverse(
        mutations in proptest::sample::subsequence(MUTATIONS, 0..=MUTATIONS.len()),
        policy in proptest::sample::select(POLICIES),
    ) {
        let mut fake = Fake::new();
        for (place, content) in &mutations {
            // An earlier one may have taken it away already.
            let gone = place.strip_suffix(" absent").is_some_and(|path| !fake.real(path).exists());
            // An ordinary user has other ids.
            let of_root = *place == "/etc/group" && !crate::fake::is_root();
            if !gone && !of_root {
                fake.lay(place, content);
            }
        }
        let policies = Policies::parse("random.toml", policy).unwrap_or_else(|e| panic!("{policy}: {e}"));
        let before = fake.tree();
        let applied = fake.apply(&policies, &controls());
        prop_assert!(applied.failed.is_empty(), "{:?}", applied.failed);
        let plan: Vec<String> = fake.plan(&policies, &controls()).iter().map(|c| c.describe()).collect();
        prop_assert!(plan.is_empty(), "the plan after an apply: {plan:#?}");
        let once = fake.tree();
        let again = fake.apply(&policies, &controls());
        prop_assert!(again.changed.is_empty(), "the second apply: {:#?}", again.changed);
        prop_assert_eq!(differences(&once, &fake.tree()).join("\n"), "");
        if !applied.changed.is_empty() {
            let rolled_back = fake.rollback(&policies, false);
            prop_assert!(rolled_back.is_ok(), "{rolled_back:?}");
        }
        prop_assert_eq!(differences(&before, &fake.tree()).join("\n"), "", "after the rollback");
    }
}

/// From one policy to another, and back.
#[test]
fn rolling_back_the_second_run_leaves_what_the_first_made() {
    let fake = Fake::new();
    let other = Policies::parse("other.toml", POLICIES[3]).expect("a policy");
    fake.apply(&production(), &controls());
    let first = fake.tree();
    assert!(!fake.apply(&other, &controls()).changed.is_empty());
    assert_eq!(fake.runs().len(), 2);
    fake.rollback(&other, false).expect("no conflict");
    assert_eq!(differences(&first, &fake.tree()).join("\n"), "");
}
