//! Which line of sysctl.d wins at boot: our answer against the two programs that apply them, systemd-sysctl and `sysctl --system`,
//! in a container whose network values are its own.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]
#![allow(dead_code, reason = "the support is shared")]

use std::path::Path;

mod support {
    pub mod disk;
    pub mod left;
    pub mod plain;
    pub mod tree;
}

use support::plain::Plain;

const BINARY: &str = "/usr/local/sbin/redis-harden";
/// A number that no file says.
const UNTOUCHED: &str = "777";
const LAYOUTS: u64 = 60;

/// What a layout is made of: files of one name in several directories, both spellings, globs, exclusions, masks, links.
const NAMES: [&str; 6] = [
    "10-a.conf",
    "50-b.conf",
    "60-c.conf",
    "99-sysctl.conf",
    "99-zz-redis-harden.conf",
    "zz-local.conf",
];
const DIRS: [&str; 4] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
];
const SPELLINGS: [&str; 5] = [
    "net.core.somaxconn = ",
    "net/core/somaxconn=",
    "-net.core.somaxconn = ",
    "  net.core.somaxconn=",
    "net.core.somaxcon? = ",
];

/// A small generator: the same layouts in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        *of.get(self.below(of.len())).expect("in range")
    }
}

/// A script that lays some files out.
fn layout(dice: &mut Dice) -> String {
    let mut script = String::from(
        "for d in /etc /run /usr/local/lib /usr/lib; do rm -rf $d/sysctl.d; mkdir -p $d/sysctl.d; done\n: >/etc/sysctl.conf\n",
    );
    for n in 0..1 + dice.below(5) {
        let file = format!("{}/{}", dice.one(&DIRS), dice.one(&NAMES));
        let line = format!("{}{}", dice.one(&SPELLINGS), 1001 + n);
        script.push_str(&match dice.below(8) {
            0 => format!("rm -f {file}; ln -s /dev/null {file}\n"),
            1 => format!(
                "rm -f {file}; printf '# net.core.somaxconn = 1\\n; x\\n\\n{line}\\n' >{file}\n"
            ),
            2 => format!("rm -f {file}; printf '%s\\n' '{line}' -net.core.somaxconn >{file}\n"),
            3 => format!("rm -f {file}; printf '%s\\n' -net/core/somaxconn '{line}' >{file}\n"),
            4 => format!("rm -f {file}; echo '-net.core.somaxconn' >{file}\n"),
            _ => format!("rm -f {file}; echo '{line}' >{file}\n"),
        });
    }
    if dice.below(3) == 0 {
        let line = dice.one(&[
            "net.core.somaxconn = 2001",
            "net.core.somaxcon? = 2002",
            "-net.core.somaxconn",
        ]);
        script.push_str(&format!("echo '{line}' >/etc/sysctl.conf\n"));
    }
    if dice.below(2) == 0 {
        script.push_str("ln -sf ../sysctl.conf /etc/sysctl.d/99-sysctl.conf\n");
    }
    script
}

/// What our two settings say, as the value that would be in force.
fn ours(machine: &Plain) -> (String, String) {
    let text = machine
        .sh(&format!(
            "{BINARY} check --format json --only 'kernel.*' || test $? -lt 2"
        ))
        .ok()
        .to_owned();
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let controls = report.get("controls").and_then(|c| c.as_array());
    let findings = controls.expect("controls");
    let mut said = (None, None);
    for finding in findings
        .iter()
        .flat_map(|c| c["findings"].as_array().expect("findings"))
    {
        let value = || {
            let observed = &finding["observed"];
            observed
                .as_str()
                .map(str::to_owned)
                .or_else(|| observed.as_i64().map(|n| n.to_string()))
        };
        match finding["setting"].as_str() {
            Some("sysctl net.core.somaxconn at boot") => said.0 = value(),
            Some("sysctl net.core.somaxconn by the other applier") => {
                said.1 = Some((finding["status"] == "not-applicable", value()));
            }
            _ => {}
        }
    }
    let at_boot = said.0.unwrap_or(UNTOUCHED.to_owned());
    let other = match said.1.expect("the other applier is judged") {
        (true, _) => at_boot.clone(),
        (false, value) => value.unwrap_or(UNTOUCHED.to_owned()),
    };
    (at_boot, other)
}

#[test]
fn the_line_that_wins_is_the_one_whose_value_the_appliers_leave() {
    let machine = Plain::start();
    machine.install(Path::new(env!("CARGO_BIN_EXE_redis-harden")), BINARY, 0o755);
    let mut dice = Dice(20_261_123);
    let mut differed = 0;
    for n in 0..LAYOUTS {
        let script = layout(&mut dice);
        machine.sh(&script).ok();
        let applied = |by: &str| {
            let script = format!(
                "echo {UNTOUCHED} >/proc/sys/net/core/somaxconn; {by} >/dev/null 2>&1; cat /proc/sys/net/core/somaxconn"
            );
            machine.sh(&script).ok().trim().to_owned()
        };
        // The container has no systemd: what its boot runs is procps.
        let theirs = (
            applied("sysctl --system"),
            applied("/lib/systemd/systemd-sysctl"),
        );
        assert_eq!(ours(&machine), theirs, "layout {n}:\n{script}");
        differed += usize::from(theirs.0 != theirs.1);
    }
    println!("{LAYOUTS} layouts; the two appliers differed in {differed}");
    assert!(differed > 2, "the layouts tell the appliers apart");
}
