//! The user `default` ends on its day by systemd's timer, with nobody's doing. The day comes by a clock that runs ahead for our program.

use super::support::disk::Ran;
use super::support::nspawn::Machine;
use super::{BINARY, SOCKET, with_our_binary};

const TIMER: &str = "redis-harden-legacy.timer";
const UNITS: &str = "/etc/systemd/system";
const OF_OLD: &str = "what-everybody-knows";
const AHEAD: [(&str, &str); 2] = [
    ("LD_PRELOAD", "/usr/local/lib/libfaketime.so.1"),
    ("FAKETIME", "+1d"),
];

fn policy(machine: &Machine, until: &str) {
    let text = format!("extends = \"production\"\n[legacy]\ndefault-until = \"{until}\"\n");
    machine.write("/etc/redis-harden/policy.toml", text.as_bytes(), 0o644);
}

fn day(machine: &Machine, ahead: u32) -> String {
    let day = machine.sh(&format!("date -u -d '+{ahead} day' +%F"));
    day.ok().trim().to_owned()
}

fn old_lets_in(machine: &Machine) -> bool {
    let words = ["redis-cli", "-s", SOCKET, "--no-auth-warning", "PING"];
    let said = machine.exec_with(&[("REDISCLI_AUTH", OF_OLD)], &words);
    said.stdout.contains("PONG")
}

fn tomorrow(machine: &Machine, words: &[&str]) -> Ran {
    let clock = AHEAD.map(|(name, value)| format!("{name}={value}"));
    let [preload, ahead] = clock.each_ref().map(String::as_str);
    machine.exec(&[&["env", preload, ahead, BINARY], words].concat())
}

fn users(machine: &Machine) -> String {
    let list = machine.exec(&[BINARY, "cli", "ACL", "LIST"]);
    list.ok().to_owned()
}

/// When systemd would start it next.
fn next(machine: &Machine) -> String {
    let words = [
        "show",
        "--property=NextElapseUSecRealtime",
        "--value",
        TIMER,
    ];
    machine.systemctl(&words).ok().trim().to_owned()
}

#[test]
fn the_user_default_ends_on_its_day_by_a_timer() {
    let machine = with_our_binary();
    std::fs::copy(
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        machine.disk().join("usr/local/lib/libfaketime.so.1"),
    )
    .expect("libfaketime (tests/install-deps)");
    let today = day(&machine, 0);
    machine
        .sh("mkdir -p -m 0711 /etc/redis-harden/secrets")
        .ok();
    machine.write(
        "/etc/redis-harden/secrets/default",
        OF_OLD.as_bytes(),
        0o600,
    );
    policy(&machine, &today);
    machine.exec(&[BINARY, "apply"]).ok();
    assert!(old_lets_in(&machine));
    assert!(
        machine
            .exec(&[BINARY, "apply"])
            .ok()
            .contains("nothing to change")
    );
    assert_eq!(machine.systemctl(&["is-active", TIMER]).ok(), "active");
    assert_eq!(machine.systemctl(&["is-enabled", TIMER]).ok(), "enabled");
    let ends = next(&machine);
    assert!(
        ends.contains(&format!("{} 00:00:00 UTC", day(&machine, 1))),
        "{ends}"
    );

    // Another day moves it, and one that was stopped is a finding that an apply mends.
    policy(&machine, &day(&machine, 7));
    machine.exec(&[BINARY, "apply"]).ok();
    assert!(
        next(&machine).contains(&day(&machine, 8)),
        "{}",
        next(&machine)
    );
    machine.systemctl(&["stop", TIMER]).ok();
    let check = ["check", "--only", "acl.default-ends"];
    machine.exec(&[&[BINARY], &check[..]].concat()).exits(1);
    policy(&machine, &today);
    machine.exec(&[BINARY, "apply"]).ok();
    machine.exec(&[&[BINARY], &check[..]].concat()).ok();

    // The day comes, for who does it; systemd's own clock is this machine's.
    machine
        .sh(&format!(
            "mkdir {UNITS}/{TIMER}.d {UNITS}/redis-harden-legacy.service.d
             printf '[Timer]\\nOnActiveSec=1s\\n' >{UNITS}/{TIMER}.d/soon.conf
             printf '[Service]\\nEnvironment={}={} {}={}\\n' >{UNITS}/redis-harden-legacy.service.d/ahead.conf
             systemctl daemon-reload && systemctl restart {TIMER}",
            AHEAD[0].0, AHEAD[0].1, AHEAD[1].0, AHEAD[1].1
        ))
        .ok();
    let stays = "pid=$(systemctl show -P MainPID redis-server); echo $pid";
    let before = machine.sh(stays).ok().to_owned();
    machine
        .sh("for i in $(seq 100); do grep -q '^user default off' /etc/redis-harden/redis/default.acl && \
             [ \"$(systemctl show -P ActiveState redis-harden-legacy.service)\" = inactive ] && exit 0; sleep 0.1; done; exit 1")
        .ok();
    assert!(!old_lets_in(&machine));
    assert!(
        users(&machine).contains("user default off"),
        "{}",
        users(&machine)
    );
    assert_eq!(machine.sh(stays).ok(), before, "no restart");
    let history = machine.exec(&[BINARY, "history"]);
    assert!(
        history.ok().contains("the last day of default is over"),
        "{history}"
    );
    assert!(
        tomorrow(&machine, &["apply"])
            .ok()
            .contains("nothing to change")
    );

    // An undo does not bring it back.
    tomorrow(&machine, &["rollback"]).ok();
    assert!(
        users(&machine).contains("user default off"),
        "{}",
        users(&machine)
    );
    assert!(!old_lets_in(&machine));
    machine.systemctl(&["restart", "redis-server"]).ok();
    assert!(!old_lets_in(&machine));

    // Without [legacy] there is nothing to end.
    machine
        .sh(&format!("rm -r {UNITS}/redis-harden-legacy.*.d"))
        .ok();
    machine.write(
        "/etc/redis-harden/policy.toml",
        b"extends = \"production\"\n",
        0o644,
    );
    machine.exec(&[BINARY, "apply"]).ok();
    let left = machine.sh(&format!("ls -R {UNITS} | grep legacy; true"));
    assert_eq!(left.ok(), "");
    assert_ne!(
        machine.systemctl(&["is-active", TIMER]).stdout.trim(),
        "active"
    );
    machine.exec(&[BINARY, "rollback"]).ok();
    assert_eq!(machine.systemctl(&["is-active", TIMER]).ok(), "active");
}
