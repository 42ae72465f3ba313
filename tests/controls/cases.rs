//! Each control's cases, judged on fake hosts.

use crate::fake::Fake;
use redis_harden::audit::{Judged, Status};
use redis_harden::control::{Case, Control, Expect};
use redis_harden::controls::all;
use redis_harden::policy::Policies;

/// Controls with no passing case: their value is rendered, or not one of a fake host. Where it is tested instead.
pub const NO_PASSING_CASE: &[(&str, &str)] = &[
    (
        "account.process-sandbox",
        "a server under the supervisor: tests/contain.rs, and setting::server::sandbox",
    ),
    (
        "acl.default-in-use",
        "wanted where the policy lets default in for a time: tests/plain/legacy.rs",
    ),
    (
        "service.forgotten",
        "a host without a forgotten instance has nothing to be judged",
    ),
    (
        "files.configuration",
        "rendered: converge::a_bare_host_converges sees it pass",
    ),
    (
        "files.acl",
        "rendered: converge::a_bare_host_converges sees it pass",
    ),
    (
        "service.settings",
        "rendered: converge::a_bare_host_converges sees it pass",
    ),
    (
        "service.unit",
        "rendered: converge::a_bare_host_converges sees it pass",
    ),
    (
        "service.boot-unit",
        "rendered: converge::a_bare_host_converges sees it pass",
    ),
    (
        "service.binary",
        "a copy of the running program: converge::the_binary_is_copied_and_taken_away_again",
    ),
    ("tls.watch", "rendered: tests/systemd sees it at work"),
    (
        "service.running",
        "a server under the supervisor: tests/systemd",
    ),
    (
        "service.live",
        "a server under the supervisor: tests/plain/ changes one while it runs",
    ),
    (
        "service.persistent",
        "no host without systemd passes yet, and where systemd runs service.enabled says it: tests/plain/",
    ),
    (
        "network.firewall",
        "the kernel's table: tests/firewall/, in network namespaces",
    ),
    (
        "network.published-ports",
        "address translation: tests/firewall/, in network namespaces",
    ),
    (
        "network.server-namespace",
        "another network namespace: tests/running.rs",
    ),
    (
        "kernel.clock-cost",
        "measured on the machine that runs: no fake host can make its clock slow",
    ),
    (
        "tls.served-is-file",
        "a handshake with a real server: tests/tls.rs",
    ),
    (
        "cve.table-age",
        "time makes the table old, not a fake host: cve::tests::the_age_is_counted_in_days",
    ),
];

/// And with no failing case.
const NO_FAILING_CASE: &[(&str, &str)] = &[
    (
        "account.process-sandbox",
        "a server under the supervisor: tests/contain.rs, and setting::server::sandbox",
    ),
    (
        "service.live",
        "a server under the supervisor: tests/plain/ changes one while it runs",
    ),
    (
        "service.binary",
        "a copy of the running program: converge::the_binary_is_copied_and_taken_away_again",
    ),
    (
        "network.server-namespace",
        "another network namespace: tests/running.rs",
    ),
    (
        "network.firewall",
        "the kernel's table: tests/firewall/, in network namespaces",
    ),
    (
        "network.published-ports",
        "address translation: tests/firewall/, in network namespaces",
    ),
    (
        "kernel.clock-cost",
        "measured on the machine that runs: no fake host can make its clock slow",
    ),
    (
        "tls.served-is-file",
        "a handshake with a real server: tests/tls.rs",
    ),
    (
        "cve.table-age",
        "time makes the table old, not a fake host: cve::tests::the_age_is_counted_in_days",
    ),
];

/// The policies of a case.
pub fn policies(control: &Control, case: &Case) -> Policies {
    Policies::parse(&format!("{}.toml", control.id), case.policy)
        .unwrap_or_else(|e| panic!("{}: {e}", control.id))
}

fn verdict(expect: Expect) -> Status {
    match expect {
        Expect::Pass => Status::Pass,
        Expect::Fail => Status::Fail,
        Expect::Unknown => Status::Unknown,
        Expect::NotApplicable => Status::NotApplicable,
    }
}

/// The findings of a verdict as a person reads them.
pub fn findings(judged: &Judged) -> String {
    let line = |f: &redis_harden::audit::Finding| {
        let observed = f
            .observed
            .as_ref()
            .map_or("nothing".to_owned(), ToString::to_string);
        let because = f.because.as_deref().unwrap_or("-");
        format!(
            "    {} {}: {observed}, wants {} ({because})\n",
            f.status.word(),
            f.setting,
            f.rule
        )
    };
    judged.findings.iter().map(line).collect()
}

/// And what it saw differs: a control that sees the same on a good and on a bad host looks at nothing.
#[test]
fn every_case_gets_its_verdict() {
    let mut wrong = String::new();
    let mut judged_cases = 0;
    for control in all() {
        let mut seen: Vec<(Expect, String)> = Vec::new();
        for (n, case) in control.cases.iter().enumerate() {
            let judged = Fake::with(case.files).judge(&policies(control, case), control);
            judged_cases += 1;
            let saw = findings(&judged);
            if judged.status != verdict(case.expect) {
                wrong.push_str(&format!(
                    "{} case {n}: wants {:?}, is {}\n  host: {:?}\n  policy: {:?}\n{saw}",
                    control.id,
                    case.expect,
                    judged.status.word(),
                    case.files,
                    case.policy,
                ));
            }
            if seen
                .iter()
                .any(|(expect, before)| *expect != case.expect && *before == saw)
            {
                wrong.push_str(&format!(
                    "{} case {n}: on a host of another verdict it saw the same\n{saw}",
                    control.id
                ));
            }
            seen.push((case.expect, saw));
        }
    }
    let owners = if crate::fake::is_root() {
        "are told apart"
    } else {
        "are all the same: this is not root"
    };
    println!("{judged_cases} cases; owners {owners}");
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_control_has_a_passing_and_a_failing_case_or_a_reason() {
    for (expect, excused) in [
        (Expect::Pass, NO_PASSING_CASE),
        (Expect::Fail, NO_FAILING_CASE),
    ] {
        for control in all() {
            let has = control.cases.iter().any(|c| c.expect == expect);
            let excuse = excused.iter().find(|(id, _)| *id == control.id);
            assert!(
                has || excuse.is_some(),
                "{} has no case that must {expect:?}",
                control.id
            );
            assert!(
                !(has && excuse.is_some()),
                "{} has a case that must {expect:?}: it needs no excuse",
                control.id
            );
        }
        for (id, _) in excused {
            assert!(
                all().iter().any(|c| c.id == *id),
                "{id} is excused and does not exist"
            );
        }
    }
}
