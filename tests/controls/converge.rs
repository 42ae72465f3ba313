//! An apply converges, a second one finds nothing to do, and a rollback puts every byte back.

use crate::cases::{findings, policies};
use crate::fake::{Fake, PHASES, UNTUNED, differences};
use redis_harden::audit::{Status, Where};
use redis_harden::control::{Control, Expect, Remedy, Want, Wants};
use redis_harden::controls::all;
use redis_harden::facts::Facts;
use redis_harden::journal::{Force, Outcome, Terms};
use redis_harden::policy::Policies;
use std::collections::BTreeSet;
use std::fs;

/// What a fake host cannot have: a server, a packet filter in a kernel, a start at boot of what is not enabled before it runs.
/// `kernel.clock-cost` is this machine's, whatever it is.
const BEYOND: &[&str] = &[
    "kernel.clock-cost",
    "network.firewall",
    "service.enabled",
    "service.running",
    "service.persistent",
];

pub fn production() -> Policies {
    Policies::parse("test.toml", "").expect("the production policy")
}

/// All but the copy of the running program: a test's own is hundreds of times as large as anything else here.
pub fn controls() -> Vec<&'static Control> {
    all()
        .into_iter()
        .filter(|c| c.id != "service.binary")
        .collect()
}

/// A host that nobody has prepared for Redis: its package is not installed, its user is left from an earlier time.
pub fn bare() -> Fake {
    let mut fake = Fake::with(UNTUNED);
    for path in ["/etc/redis", "/var/lib/redis", "/var/log/redis"] {
        fake.remove(path);
    }
    fake.lay(
        "/var/lib/dpkg/status",
        "Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2+b7\n\n",
    );
    fake
}

/// The controls that still have a finding that `apply` could fix by writing files.
fn left(fake: &Fake, policies: &Policies) -> Vec<String> {
    let changes = fake.plan(policies, &controls());
    changes
        .iter()
        .map(|c| format!("{}: {}", c.controls.join(", "), c.setting))
        .collect()
}

#[test]
fn a_bare_host_converges() {
    let (fake, policies) = (bare(), production());
    let before = fake.tree();
    let applied = fake.apply(&policies, &controls());
    assert!(applied.failed.is_empty(), "{:?}", applied.failed);
    assert!(applied.changed.len() > 20, "{:#?}", applied.changed);
    assert_eq!(
        left(&fake, &policies),
        Vec::<String>::new(),
        "the plan after an apply"
    );
    assert!(
        fake.systemctl().lines().all(|l| l == "daemon-reload"),
        "{}",
        fake.systemctl()
    );

    let package = [
        "package.nftables",
        "package.server",
        "package.version",
        "monitoring.log-rotation",
    ];
    for judged in fake.audit(&policies, &controls()) {
        // An ordinary user's id is no system id, and redis has it here.
        let id = judged.control.id == "account.user" && !crate::fake::is_root();
        let beyond =
            id || BEYOND.contains(&judged.control.id) || package.contains(&judged.control.id);
        let good = matches!(judged.status, Status::Pass | Status::NotApplicable);
        assert!(
            good || beyond,
            "{} after an apply:\n{}",
            judged.control.id,
            findings(&judged)
        );
    }
    for (id, reason) in crate::cases::NO_PASSING_CASE
        .iter()
        .filter(|(_, r)| r.contains("a_bare_host_converges"))
    {
        let control = all().into_iter().find(|c| c.id == *id).expect("a control");
        assert_eq!(
            fake.judge(&policies, control).status,
            Status::Pass,
            "{id}: {reason}"
        );
    }

    let once = fake.tree();
    let again = fake.apply(&policies, &controls());
    assert_eq!(again.changed, Vec::<String>::new(), "the second apply");
    assert_eq!(
        differences(&once, &fake.tree()),
        Vec::<String>::new(),
        "the second apply wrote"
    );
    assert_eq!(
        fake.runs().len(),
        1,
        "an apply that changes nothing is no run"
    );

    fake.rollback(&policies, false).expect("no conflict");
    assert_eq!(
        differences(&before, &fake.tree()).join("\n"),
        "",
        "after the rollback"
    );
    assert_eq!(
        fake.runs().iter().map(|r| r.outcome).collect::<Vec<_>>(),
        [Some(Outcome::RolledBack)]
    );
}

#[test]
fn what_debians_unit_lacks_is_in_our_drop_in() {
    let (fake, policies) = (Fake::new(), production());
    fake.apply(&policies, &controls());
    for control in all()
        .into_iter()
        .filter(|c| c.id.starts_with("sandbox.") || c.id == "limits.nofile-unit")
        // Only where the policy binds Redis to processors.
        .filter(|c| c.id != "sandbox.processor-lists")
    {
        let judged = fake.judge(&policies, control);
        assert_eq!(
            judged.status,
            Status::Pass,
            "{}\n{}",
            control.id,
            findings(&judged)
        );
    }
}

#[test]
fn a_host_without_systemd_converges_too() {
    let (mut fake, policies) = (bare(), production());
    fake.remove("/run/systemd/system");
    fake.remove("/usr/lib/systemd");
    fake.remove("/etc/systemd");
    fake.remove("/etc/tmpfiles.d");
    fake.remove("/etc/sysctl.d");
    let before = fake.tree();
    let applied = fake.apply(&policies, &controls());
    assert!(applied.failed.is_empty(), "{:?}", applied.failed);
    assert_eq!(left(&fake, &policies), Vec::<String>::new());
    assert_eq!(fake.systemctl(), "");
    fake.rollback(&policies, false).expect("no conflict");
    assert_eq!(
        differences(&before, &fake.tree()).join("\n"),
        "",
        "after the rollback"
    );
}

#[test]
fn a_forced_setting_is_put_back_and_another_is_not() {
    let (mut fake, policies) = (bare(), production());
    let before = fake.tree();
    fake.apply(&policies, &controls());
    let edited = "/etc/redis-harden/redis/default.conf";
    let other = "/etc/tmpfiles.d/redis-harden.conf";
    fake.lay(&format!("{edited} 0640 root:redis"), "port 7000\n");
    fake.lay(&format!("{other} 0644 root:root"), "# mine\n");
    let only = Force::Named(vec![edited.to_owned()]);
    let conflicts = fake.rollback_with(&policies, &only).expect_err("the other");
    let named: Vec<&str> = conflicts.iter().map(|c| c.setting.as_str()).collect();
    assert_eq!(named, [format!("file {other}")]);
    let both = Force::Named(vec![format!("file {other}"), edited.to_owned()]);
    fake.rollback_with(&policies, &both)
        .expect("both are named");
    assert_eq!(differences(&before, &fake.tree()).join("\n"), "");
}

/// Where one group cannot be written, `--atomic` leaves nothing of the others.
#[test]
fn an_atomic_run_is_done_whole_or_not_at_all() {
    for (atomic, is_left) in [(true, false), (false, true)] {
        let (mut fake, policies) = (bare(), production());
        // A directory where a file is to be: its group fails.
        fake.lay("/etc/redis-harden/redis/default.conf/ 0755 root:root", "");
        fake.lay("/etc/redis-harden/redis/default.conf/x", "x");
        let before = fake.tree();
        let terms = Terms {
            atomic,
            ..Terms::default()
        };
        let applied = fake.apply_as(&policies, &controls(), terms);
        assert!(!applied.failed.is_empty(), "{:?}", applied.changed);
        let left = differences(&before, &fake.tree());
        assert_eq!(!left.is_empty(), is_left, "atomic {atomic}: {left:?}");
        assert_eq!(!applied.changed.is_empty(), is_left, "atomic {atomic}");
    }
}

#[test]
fn rollback_refuses_to_overwrite_an_edit_it_did_not_make() {
    let (mut fake, policies) = (bare(), production());
    let before = fake.tree();
    fake.apply(&policies, &controls());
    let edited = "/etc/redis-harden/redis/default.conf";
    fake.lay(
        "/etc/redis-harden/redis/default.conf 0640 root:redis",
        "port 7000\n",
    );
    let seen = fake.tree();

    let conflicts = fake.rollback(&policies, false).expect_err("a conflict");
    let named: Vec<&str> = conflicts.iter().map(|c| c.setting.as_str()).collect();
    assert_eq!(named, [format!("file {edited}")]);
    assert_eq!(
        differences(&seen, &fake.tree()).join("\n"),
        "",
        "a refused rollback wrote"
    );
    assert_eq!(
        fake.runs()[0].outcome,
        Some(Outcome::Complete),
        "a refused rollback is none"
    );

    fake.rollback(&policies, true).expect("forced");
    assert_eq!(
        differences(&before, &fake.tree()).join("\n"),
        "",
        "after the forced rollback"
    );
}

#[test]
fn a_mode_that_somebody_changed_is_an_edit_too() {
    let (mut fake, policies) = (bare(), production());
    fake.apply(&policies, &controls());
    fake.lay("/etc/redis-harden/secrets/ 0755 root:root", "");
    let conflicts = fake.rollback(&policies, false).expect_err("a conflict");
    assert_eq!(conflicts[0].setting, "directory /etc/redis-harden/secrets");
}

#[test]
fn what_somebody_put_into_a_directory_of_ours_survives_a_rollback() {
    let (mut fake, policies) = (bare(), production());
    let mut before = fake.tree();
    fake.apply(&policies, &controls());
    fake.lay(
        "/etc/redis-harden/policy.d/50-local.toml",
        "[redis]\nport = 6380\n",
    );
    fake.rollback(&policies, false).expect("no conflict");
    let after = fake.tree();
    let kept: BTreeSet<&str> = after
        .keys()
        .filter(|p| !before.contains_key(*p))
        .map(String::as_str)
        .collect();
    let expected = [
        "/etc/redis-harden",
        "/etc/redis-harden/policy.d",
        "/etc/redis-harden/policy.d/50-local.toml",
    ];
    assert_eq!(kept, expected.into_iter().collect());
    for path in expected {
        before.insert(path.to_owned(), after[path].clone());
    }
    assert_eq!(differences(&before, &after).join("\n"), "");
}

#[test]
fn a_password_that_was_used_is_set_aside_and_not_lost() {
    let (fake, policies) = (bare(), production());
    fake.apply(&policies, &controls());
    let password = fs::read_to_string(fake.real("/etc/redis-harden/secrets/app")).unwrap();
    assert_eq!(password.trim_end().len(), 64, "256 bits");
    fake.rollback(&policies, false).expect("no conflict");
    assert_eq!(
        fs::read_to_string(fake.real("/var/lib/redis-harden/set-aside/app")).unwrap(),
        password
    );
}

#[test]
fn the_binary_is_copied_and_taken_away_again() {
    let (fake, policies) = (Fake::new(), production());
    let control = all()
        .into_iter()
        .find(|c| c.id == "service.binary")
        .expect("a control");
    let before = fake.tree();
    assert_eq!(
        fake.judge(&policies, control).status,
        Status::Fail,
        "nothing is there"
    );
    let applied = fake.apply(&policies, &[control]);
    assert!(applied.failed.is_empty(), "{:?}", applied.failed);
    assert_eq!(fake.judge(&policies, control).status, Status::Pass);
    fake.rollback(&policies, false).expect("no conflict");
    assert_eq!(differences(&before, &fake.tree()).join("\n"), "");
}

/// What a control wants, of all instances.
fn wants(control: &Control, policies: &Policies, facts: &Facts) -> Vec<Want> {
    match control.wants {
        Wants::Host(ask) => ask(policies, facts),
        Wants::Instance(ask) | Wants::Told(ask) => policies
            .instances
            .iter()
            .flat_map(|p| ask(p, facts))
            .collect(),
        Wants::Attempt(id) => panic!("{id} is in the plain list"),
    }
}

fn is_written(want: &Want) -> bool {
    matches!(&want.remedy, Remedy::Write(group) if PHASES.contains(&group.phase))
}

/// On a host where everything else is in order, each violation that apply can fix is fixed by it, and put back.
#[test]
fn each_control_mends_its_failing_cases_and_rolls_them_back() {
    let (mut mended, mut cases) = (BTreeSet::new(), 0);
    for control in controls() {
        for case in control.cases.iter().filter(|c| c.expect == Expect::Fail) {
            let policies = policies(control, case);
            let mut fake = Fake::new();
            if !wants(control, &policies, &fake.facts(&policies))
                .iter()
                .any(is_written)
            {
                continue;
            }
            fake.apply(&policies, &controls());
            fake.lay_all(case.files);
            let at = format!("{} on {:?}", control.id, case.files);
            let (before, judged) = (fake.tree(), fake.judge(&policies, control));
            assert_eq!(judged.status, Status::Fail, "{at}");
            let runs = fake.runs().len();

            let applied = fake.apply(&policies, &[control]);
            assert!(applied.failed.is_empty(), "{at}: {:?}", applied.failed);
            let after = fake.judge(&policies, control);
            let here = |f: &&redis_harden::audit::Finding| {
                f.status == Status::Fail && f.place == Where::Here
            };
            assert!(
                !after.findings.iter().any(|f| here(&f)),
                "{at}: left\n{}",
                findings(&after)
            );
            let others = judged
                .findings
                .iter()
                .any(|f| f.status == Status::Fail && f.place != Where::Here);
            assert!(
                others || after.status == Status::Pass,
                "{at}: left\n{}",
                findings(&after)
            );
            if applied.changed.is_empty() {
                assert!(others, "{at}: nothing was changed");
                assert_eq!(fake.runs().len(), runs, "{at}");
                assert_eq!(differences(&before, &fake.tree()).join("\n"), "", "{at}");
                continue;
            }
            let again = fake.apply(&policies, &[control]);
            assert_eq!(
                again.changed,
                Vec::<String>::new(),
                "{at}: the second apply"
            );
            fake.rollback(&policies, false)
                .unwrap_or_else(|c| panic!("{at}: {c:?}"));
            assert_eq!(
                differences(&before, &fake.tree()).join("\n"),
                "",
                "{at}: after the rollback"
            );
            mended.insert(control.id);
            cases += 1;
        }
    }
    println!(
        "{cases} cases of {} controls mended and put back",
        mended.len()
    );
    let (fake, policies) = (Fake::new(), production());
    let facts = fake.facts(&policies);
    for control in controls()
        .into_iter()
        .filter(|c| wants(c, &policies, &facts).iter().any(is_written))
    {
        // An account that is there is its owner's to change.
        assert!(
            mended.contains(control.id) || control.id == "account.user",
            "{} was never mended",
            control.id
        );
    }
}

/// A file's ACL, label and notes belong to its inode, which a write replaces.
#[test]
fn a_rollback_brings_extended_attributes_back() {
    use redis_harden::host::Image;
    let (mut fake, policies) = (bare(), production());
    let path = "/etc/tmpfiles.d/redis-harden.conf";
    fake.lay(&format!("{path} 0644 root:root"), "# somebody's\n");
    let real = fake.real(path);
    let set = |name: &str, value: &[u8]| {
        let none = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&real, name, value, none).expect("this file system has attributes");
    };
    set("user.origin", b"by hand");
    // Version 2: the owner rw, user 12 r, the group r, the mask r, others r. Source: acl(5), linux/posix_acl_xattr.h.
    let entries: [(u16, u16, u32); 5] = [
        (1, 6, u32::MAX),
        (2, 4, 12),
        (4, 4, u32::MAX),
        (16, 4, u32::MAX),
        (32, 4, u32::MAX),
    ];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, perm, id) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(perm.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    set("system.posix_acl_access", &acl);
    let before = fake.host().image(path.as_ref()).expect("read");
    let Image::File { attributes, .. } = &before else {
        panic!("{before:?}");
    };
    assert_eq!(attributes.len(), 2, "{attributes:?}");

    fake.apply(&policies, &controls());
    assert_ne!(fake.host().image(path.as_ref()).expect("read"), before);
    fake.rollback(&policies, false)
        .expect("nobody changed anything");
    assert_eq!(fake.host().image(path.as_ref()).expect("read"), before);
}
