//! The end of the user `default` on its day, by a timer of systemd's. Without systemd nobody is there at that hour: the daily look tells.

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::controls::named_policy;
use crate::controls::rendered::rendered;
use crate::facts::{Facts, Init};
use crate::policy::{Policies, Policy};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;
use std::collections::BTreeSet;
use std::path::Path;

const UNITS: &str = "/etc/systemd/system";
const TIMER: &str = "redis-harden-legacy.timer";
const SERVICE: &str = "redis-harden-legacy.service";

pub const CONTROL: Control = Control {
    id: "acl.default-ends",
    title: "the user default ends on its day without anybody's doing",
    severity: Severity::Medium,
    why: "A day in a policy turns nobody off: until the next apply the password that everybody knows lets in.",
    references: &["systemd.timer(5)", "Redis security/acl.md"],
    by_hand: "a timer on the day after default-until that runs redis-harden apply --only files.acl --only service.live",
    wants: Wants::Host(wants),
    cases: &[
        passes(&[]),
        fails(&[(
            "/etc/systemd/system/redis-harden-legacy.timer 0644 root:root",
            "[Timer]\n",
        )]),
    ],
};

/// The timer and what it starts while `default` has days before it, and neither where the policy gives it none.
fn wants(policies: &Policies, facts: &Facts) -> Vec<Want> {
    if facts.init != Init::Systemd {
        return Vec::new();
    }
    let days: BTreeSet<jiff::civil::Date> = policies
        .instances
        .iter()
        .filter_map(Policy::default_ends)
        .collect();
    let group = "end of default";
    let file = |name: &str| Setting::File(Path::new(UNITS).join(name));
    let write = |phase, setting, rule| Want::write(phase, group, setting, rule);
    let flag = |flag| Rule::Is(Value::Flag(flag));
    let (enabled, active) = (
        || Setting::UnitEnabled(TIMER.into()),
        || Setting::TimerActive(TIMER.into()),
    );
    if days.is_empty() {
        return vec![
            write(Phase::Ground, active(), flag(false)),
            write(Phase::Files, enabled(), flag(false)),
            write(Phase::Files, file(TIMER), Rule::Absent),
            write(Phase::Files, file(SERVICE), Rule::Absent),
        ];
    }
    let service = format!(
        include_str!("../../../packaging/systemd/redis-harden-legacy.service.in"),
        exe = facts.exe.display(),
        policy = named_policy(policies),
    );
    let unit = |text: String| rendered(facts, "root", 0o644, text);
    vec![
        write(Phase::Files, file(SERVICE), unit(service)),
        write(Phase::Files, file(TIMER), unit(timer(&days))),
        write(Phase::Files, enabled(), flag(true)),
        write(Phase::Service, active(), flag(true)),
    ]
}

/// At the first moment of each day on which one is over. Source: systemd.time(7), CALENDAR EVENTS.
fn timer(days: &BTreeSet<jiff::civil::Date>) -> String {
    let lines = days
        .iter()
        .map(|day| format!("OnCalendar={day} 00:00:00 UTC"));
    format!(
        include_str!("../../../packaging/systemd/redis-harden-legacy.timer.in"),
        days = lines.collect::<Vec<_>>().join("\n"),
    )
}
