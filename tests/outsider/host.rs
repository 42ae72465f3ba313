//! What somebody outside can do to the host's own commands: keep them out, blind them, or speak through them.

use super::outside::{BINARY, Machine};
use serde_json::Value;
use std::time::Duration;

fn is_ready(status: &Value) -> bool {
    status.get("ready") == Some(&Value::Bool(true))
}

fn restarts(status: &Value) -> Option<u64> {
    status.get("restarts")?.as_u64()
}

#[test]
fn whoever_takes_all_connections_without_a_password_keeps_nobody_out() {
    let machine = Machine::hardened("maxclients = 200");
    assert!(is_ready(&machine.status()));
    let held = machine.silent(300);
    let first = machine.status();
    assert!(!is_ready(&first), "all connections are taken: {first}");
    let took = machine.wait_until("room is made", is_ready);
    println!("room after {took:?}");
    assert_eq!(machine.application().ask(&["SET", "a", "1"]), "OK");
    assert_eq!(restarts(&machine.status()), Some(0));
    drop(held);
    // A user who has logged in is not taken for a stranger, however crowded it is.
    let mut users: Vec<_> = (0..195).map(|_| machine.application()).collect();
    std::thread::sleep(Duration::from_secs(12));
    for user in &mut users {
        assert_eq!(user.ask(&["PING"]), "PONG");
    }
}

#[test]
fn long_and_strange_words_hide_nothing_and_reach_no_terminal() {
    let machine = Machine::hardened("");
    let plain = &machine.plain;
    let long = vec![b'x'; 9 << 20];
    for mut wire in [machine.application(), machine.application()] {
        let said = wire.ask(&[&b"AUTH"[..], &long, b"no"]);
        assert!(said.starts_with("-WRONGPASS"), "{said}");
        let strange = b"\x1b[2J\nredis-harden: all is well\r\n\xff";
        wire.ask(&[&b"AUTH"[..], strange, b"no"]);
        let said = wire.ask(&[&b"CLIENT"[..], b"SETNAME", strange]);
        assert!(said.starts_with("-ERR"), "{said}");
        wire.ask(&[&b"SET"[..], strange, strange]);
        wire.ask(&[strange]);
    }
    assert!(is_ready(&machine.status()));
    let report = machine.run(&["check", "--format", "json"]);
    let report: Value = serde_json::from_str(&report.stdout).expect("JSON");
    let controls = report.get("controls").and_then(Value::as_array);
    let unknown = controls
        .expect("controls")
        .iter()
        .filter(|c| c.get("status").and_then(Value::as_str) == Some("unknown"));
    let unknown: Vec<_> = unknown.filter_map(|c| c.get("id")?.as_str()).collect();
    assert_eq!(unknown, ["monitoring.refused-clients"]);
    let said = machine.run(&["check", "--only", "monitoring.refused-clients"]);
    assert!(said.stdout.contains("ACL LOG RESET"), "{said}");
    machine.run(&["secret", "rotate", "app"]).ok();
    for args in [&["check"][..], &["status"], &["plan"], &["history"]] {
        let ran = machine.run(args);
        let all = [ran.stdout, ran.stderr].concat();
        let plain = |c: char| c == '\n' || !c.is_control();
        assert!(all.chars().all(plain), "{args:?}: {all:?}");
        assert!(!all.contains("all is well"), "{args:?}: {all}");
    }
    let log = plain
        .sh("cat /var/log/redis/redis-server.log")
        .ok()
        .to_owned();
    assert!(
        !log.contains("all is well") && !log.contains('\u{1b}'),
        "{log}"
    );
    machine.run(&["cli", "ACL", "LOG", "RESET"]).ok();
    machine
        .run(&["check", "--only", "monitoring.refused-clients"])
        .ok();

    // A key that a killed run was writing is not left lying there by the next.
    plain.exec(&[BINARY, "tls", "init"]).ok();
    let left = "/etc/redis-harden/clients/.app.key.redis-harden.4194303";
    plain
        .sh(&format!(
            "mkdir -pm 700 /etc/redis-harden/clients && echo key >{left}"
        ))
        .ok();
    plain.exec(&[BINARY, "tls", "issue", "app"]).ok();
    assert_ne!(plain.exec(&["test", "-e", left]).code, 0);
}

#[test]
fn what_the_servers_user_plants_in_its_configuration_tells_nothing_of_roots_files() {
    let machine = Machine::hardened("");
    let plain = &machine.plain;
    let admin = plain.read("/etc/redis-harden/secrets/admin");
    for line in ["include", "aclfile"] {
        let plant = format!(
            "cd /etc/redis; rm -f redis.conf; echo 'hz 20' >redis.conf
            echo '{line} /etc/redis-harden/secrets/admin' >>redis.conf"
        );
        let service = ["setpriv", "--reuid", "redis", "--regid", "redis"];
        let planted = [&service[..], &["--clear-groups", "sh", "-c", &plant]].concat();
        plain.exec(&planted).ok();
        let ran = machine.run(&["policy", "init", "--from-host"]);
        let said = [ran.stdout.as_str(), &ran.stderr].concat();
        assert_eq!(ran.code, 2, "{ran}");
        assert!(said.contains("may not read it himself"), "{said}");
        assert!(!said.contains(&admin), "{line} tells it");
    }
}

#[test]
fn a_long_command_of_a_clients_is_waited_out_and_told_as_such() {
    let machine = Machine::hardened("");
    let mut wire = machine.application();
    for batch in 0..100 {
        let member = |i: usize| format!("{}", batch * 5_000 + i);
        let words = ["SADD".to_owned(), "big".to_owned()].into_iter();
        wire.ask(&words.chain((0..5_000).map(member)).collect::<Vec<_>>());
    }
    let words = ["SUNIONSTORE", "all"].into_iter();
    let sets = std::iter::repeat_n("big", 40);
    wire.send(&words.chain(sets).collect::<Vec<_>>());
    std::thread::sleep(Duration::from_millis(300));
    let begun = std::time::Instant::now();
    let busy = machine.status();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(!is_ready(&busy), "{busy}");
    machine.wait_until("it serves again", is_ready);
    assert_eq!(restarts(&machine.status()), Some(0));
}
