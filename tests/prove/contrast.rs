//! The same command on an open server and on a hardened one.

use super::machine::{
    BINARY, as_admin, difference, hardened, ids, open, outcomes, prove, surroundings,
};
use serde_json::Value;

/// What Redis 7.0 refuses by itself, and what Debian's permissions do.
const REFUSED_BY_STOCK: [&str; 11] = [
    "prove.acl-save",
    "prove.bus-port",
    "prove.cross-protocol",
    "prove.debug",
    "prove.live-guards",
    "prove.module-load",
    "prove.sandbox-shadow",
    "prove.script-escape",
    "prove.write-cron",
    "prove.write-ssh",
    "prove.write-web-root",
];

const WITHOUT_TLS: [&str; 2] = ["prove.tls-downgrade", "prove.tls-no-certificate"];

#[test]
fn on_an_open_stock_redis_most_attempts_succeed_and_the_server_itself_is_untouched() {
    let plain = open();
    let ask = |words: &[&str]| {
        plain
            .exec(&[&["redis-cli"], words].concat())
            .ok()
            .to_owned()
    };
    assert_eq!(ask(&["SET", "kept", "value"]), "OK");
    let state = || {
        let info = ask(&["INFO", "server"]);
        let id = info.lines().find(|line| line.starts_with("run_id:"));
        let id = id.expect("a run_id").to_owned();
        let users = ask(&["ACL", "LIST"]);
        (
            id,
            ask(&["KEYS", "*"]),
            users,
            ask(&["ACL", "LOG"]),
            ask(&["FUNCTION", "LIST"]),
        )
    };
    let (before, tree, around) = (state(), plain.tree(), surroundings(&plain));

    let ran = prove(&plain, &["--format", "json"]);
    assert_eq!(ran.code, 1, "{ran}");
    let all = outcomes(&ran.stdout);
    assert_eq!(ids(&all, "refused"), REFUSED_BY_STOCK, "{ran}");
    assert_eq!(ids(&all, "nothing"), WITHOUT_TLS);
    assert_eq!(ids(&all, "not tried"), [""; 0]);
    assert_eq!(ids(&all, "succeeded").len(), all.len() - 13);
    assert!(ids(&all, "succeeded").len() >= 30, "{all:?}");
    let words = |id: &str| all.get(id).expect("an attempt").1.as_str();
    assert!(
        words("prove.rogue-payload").contains("another host's bytes are /var/lib/redis/dump.rdb")
    );
    assert!(words("prove.slow-loris").contains("10032 silent connections"));
    assert!(words("prove.write-cron").contains("can't set protected config"));

    assert_eq!(state(), before);
    let changed = difference(&tree, &plain.tree());
    assert_eq!(changed, "", "what is on the disk has changed");
    assert_eq!(surroundings(&plain), around);
    println!("{}", prove(&plain, &[]).stdout);
}

#[test]
fn on_a_hardened_host_every_attempt_is_refused_and_each_by_its_layers() {
    let plain = hardened();
    let run_id = || {
        as_admin(&plain, &["INFO", "server"])
            .lines()
            .find(|l| l.starts_with("run_id"))
            .map(str::to_owned)
    };
    let (before, id) = (plain.tree(), run_id());
    let around = surroundings(&plain);
    let ran = prove(
        &plain,
        &["--format", "json", "--report", "sarif=/root/prove.sarif"],
    );
    assert_eq!(ran.code, 0, "{ran}");
    let all = outcomes(&ran.stdout);
    assert_eq!(ids(&all, "nothing"), WITHOUT_TLS);
    assert_eq!(
        ids(&all, "refused").len(),
        all.len() - WITHOUT_TLS.len(),
        "{ran}"
    );
    for (id, layers) in [
        ("prove.anonymous-command", &["network", "acl"][..]),
        ("prove.flush", &["network", "acl"]),
        ("prove.write-cron", &["network", "acl", "config"]),
        ("prove.rogue-primary", &["network", "acl", "sandbox"]),
        ("prove.migrate", &["network", "acl", "sandbox"]),
        ("prove.config-rewrite", &["network", "acl", "sandbox"]),
        ("prove.acl-save", &["network", "acl", "sandbox"]),
        ("prove.module-load", &["network", "config"]),
        ("prove.script-escape", &["network", "acl", "server"]),
        ("prove.sandbox-exec", &["sandbox"]),
        ("prove.sandbox-planted", &["sandbox"]),
        ("prove.sandbox-write", &["sandbox"]),
    ] {
        let because = &all.get(id).expect("an attempt").1;
        for layer in layers {
            assert!(because.contains(&format!("({layer})")), "{id}: {because}");
        }
        let of_all = [
            "network",
            "acl",
            "config",
            "sandbox",
            "server",
            "permissions",
        ];
        let others = of_all.iter().filter(|l| !layers.contains(l));
        for other in others {
            assert!(!because.contains(&format!("({other})")), "{id}: {because}");
        }
    }
    let sarif: Value = serde_json::from_str(&plain.read("/root/prove.sarif")).expect("JSON");
    for list in ["/runs/0/results", "/runs/0/tool/driver/rules"] {
        let listed = sarif.pointer(list).and_then(Value::as_array);
        assert_eq!(listed.map(Vec::len), Some(all.len()), "{list}");
    }
    plain.sh("rm /root/prove.sarif").ok();

    assert_eq!(run_id(), id, "it was restarted");
    let changed = difference(&before, &plain.tree());
    assert_eq!(changed, "", "what is on the disk has changed");
    assert_eq!(surroundings(&plain), around);

    let with = plain.exec(&[BINARY, "check", "--with", "prove", "--format", "json"]);
    assert_eq!(
        outcomes(&with.stdout).keys().collect::<Vec<_>>(),
        all.keys().collect::<Vec<_>>()
    );
    let without = plain.exec(&[BINARY, "check", "--format", "json"]);
    assert!(outcomes(&without.stdout).is_empty());

    let live = prove(&plain, &["--live"]);
    assert_eq!(live.code, 0, "{live}");
    assert_eq!(as_admin(&plain, &["DBSIZE"]), "0");
    assert_eq!(
        as_admin(&plain, &["ACL", "LOG"]),
        "",
        "its refusals are still told"
    );
    assert_eq!(as_admin(&plain, &["SET", "kept", "value"]), "OK");
    let live = prove(&plain, &["--live"]);
    assert_eq!(
        (live.code, live.stderr.contains("it holds keys")),
        (2, true),
        "{live}"
    );
    assert_eq!(as_admin(&plain, &["GET", "kept"]), "value");
    println!("{}", prove(&plain, &[]).stdout);
}
