//! Judges: each control's settings are read and held against their rules. An error is never a pass, and nothing evaluated is no success.

mod baseline;
pub mod budget;
mod outside;
mod selection;
mod summary;
mod timed;
mod waivers;

pub use baseline::{Baseline, Origin};
pub use selection::Selection;
pub use summary::{Summary, exit_code};
pub use timed::audit_within;
pub use waivers::{WaiverReport, WaiverState, waivers};

use crate::control::{Control, Group, Remedy, Want, Wants};
use crate::facts::{Facts, View};
use crate::policy::{Policies, Waiver};
use crate::prove::REFUSED;
use crate::redis::config;
use crate::rule::Rule;
use crate::setting::kernel::typed;
use crate::setting::{Ahead, Memo, Obstacle, Reading, Setting, Sight};
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// The verdict on a setting or a control, from harmless to grave.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    NotApplicable,
    Pass,
    Waived,
    /// It fails as it did in the baseline.
    Known,
    Fail,
    Unknown,
}

impl Status {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Status::NotApplicable => "not-applicable",
            Status::Pass => "pass",
            Status::Waived => "waived",
            Status::Known => "known",
            Status::Fail => "fail",
            Status::Unknown => "unknown",
        }
    }
}

/// Where a finding can be fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Where {
    /// By `apply`, on this host.
    Here,
    /// By the owner of the machine under this one.
    Host,
    /// By a restart of Redis.
    Restart,
    /// By a person's decision.
    Hand,
}

/// One setting, judged.
#[derive(Clone, Debug)]
pub struct Finding {
    pub instance: Option<String>,
    pub setting: Setting,
    pub status: Status,
    /// What was found; `None` when nothing is there or it could not be read.
    pub observed: Option<Value>,
    pub rule: Rule,
    /// What to do.
    pub fix: String,
    pub place: Where,
    /// Why the verdict is what it is, where the values alone do not say it.
    pub because: Option<String>,
    /// What `apply` would write.
    pub change: Option<(Value, Group)>,
    /// The last day of the waiver that waives it.
    pub waived_until: Option<String>,
    /// It is made on the host itself when it first boots; `because` says why not here.
    pub at_first_boot: bool,
}

/// A control, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    pub control: &'static Control,
    pub status: Status,
    pub findings: Vec<Finding>,
}

/// The controls' ids.
pub fn ids(controls: &[&'static Control]) -> Vec<&'static str> {
    controls.iter().map(|c| c.id).collect()
}

/// Judges the selected controls, in their order.
pub fn audit(
    sight: Sight,
    policies: &Policies,
    controls: &[&'static Control],
    selection: &Selection,
) -> Vec<Judged> {
    let today = sight.host.now();
    let asked = ask(sight, policies, controls, selection);
    let ahead = match settings(&asked).any(Setting::is_asked_ahead) {
        true => Ahead::of_the_firewall(sight.host),
        false => Ahead::default(),
    };
    let memo = Memo::with(ahead);
    let sight = sight.remembering(&memo);
    let judged = asked
        .into_iter()
        .map(|asked| (asked.at, judge(sight, policies, &asked, today)));
    in_order(judged.collect())
}

/// A control, its place in the report, and what it wants.
struct Asked {
    at: usize,
    control: &'static Control,
    wanted: Wanted,
}

/// What the selected controls want. What waits for another program comes last, and stands in its place in the report all the same.
fn ask(
    sight: Sight,
    policies: &Policies,
    controls: &[&'static Control],
    selection: &Selection,
) -> Vec<Asked> {
    let selected = controls.iter().filter(|control| selection.has(control.id));
    let mut asked: Vec<Asked> = selected
        .enumerate()
        .map(|(at, control)| Asked {
            at,
            control,
            wanted: wants(sight, policies, control),
        })
        .collect();
    asked.sort_by_key(|asked| settings(std::slice::from_ref(asked)).any(Setting::is_asked_ahead));
    asked
}

fn settings(asked: &[Asked]) -> impl Iterator<Item = &Setting> {
    let wanted = asked.iter().flat_map(|asked| &asked.wanted);
    wanted.map(|(_, want)| &want.setting)
}

fn in_order(mut judged: Vec<(usize, Judged)>) -> Vec<Judged> {
    judged.sort_by_key(|(at, _)| *at);
    judged.into_iter().map(|(_, judged)| judged).collect()
}

/// What a control wants, and of which instance.
type Wanted = Vec<(Option<String>, Want)>;

fn judge(sight: Sight, policies: &Policies, asked: &Asked, now: jiff::Timestamp) -> Judged {
    let control = asked.control;
    let mut findings: Vec<Finding> = asked
        .wanted
        .iter()
        .cloned()
        .map(|(instance, want)| finding(sight, control, instance, want))
        .collect();
    for finding in findings.iter_mut().filter(|f| f.status == Status::Fail) {
        waive(finding, control, policies, now);
    }
    Judged {
        control,
        status: worst(&findings),
        findings,
    }
}

/// A control's status is the worst of its findings.
fn worst(findings: &[Finding]) -> Status {
    let statuses = findings.iter().map(|f| f.status);
    statuses.max().unwrap_or(Status::NotApplicable)
}

fn wants(sight: Sight, policies: &Policies, control: &Control) -> Wanted {
    match control.wants {
        Wants::Host(ask) => ask(policies, sight.facts)
            .into_iter()
            .map(|w| (None, w))
            .collect(),
        Wants::Instance(ask) | Wants::Told(ask) => {
            let told = matches!(control.wants, Wants::Told(_));
            let of = |p: &crate::policy::Policy| {
                let name = p.redis.name.to_string();
                let mut wants = ask(p, sight.facts);
                if told && wants.is_empty() {
                    wants.extend(of_a_silent_one(&name, sight.facts));
                }
                wants
                    .into_iter()
                    .map(move |w| (Some(name.clone()), w))
                    .collect::<Vec<_>>()
            };
            policies.instances.iter().flat_map(of).collect()
        }
        Wants::Attempt(id) => {
            let of = |p: &crate::policy::Policy| {
                let instance = p.redis.name.to_string();
                let outcome = Setting::Attempt {
                    instance: instance.clone(),
                    id: id.to_owned(),
                };
                let refused = Rule::Is(Value::text(REFUSED));
                (
                    Some(instance),
                    Want::by_hand(outcome, refused, control.by_hand),
                )
            };
            policies.instances.iter().map(of).collect()
        }
    }
}

/// A server that is there and tells nothing is asked something that it would tell.
fn of_a_silent_one(instance: &str, facts: &Facts) -> Option<Want> {
    let known = facts.instances.get(instance)?;
    let asked = Setting::Info {
        instance: instance.to_owned(),
        field: "role".into(),
    };
    let silent = matches!(known.view, View::Silent(_));
    silent.then(|| Want::by_hand(asked, Rule::Present, "find out why it does not answer"))
}

fn finding(sight: Sight, control: &Control, instance: Option<String>, want: Want) -> Finding {
    let (status, observed, because) = match want.setting.read(sight) {
        Reading::Value(value, source) if want.rule.holds(Some(&value)) => {
            (Status::Pass, Some(value), source.map(found_in))
        }
        Reading::Value(value, source) => (Status::Fail, Some(value), source.map(found_in)),
        Reading::Absent if want.rule.holds(None) => (Status::Pass, None, None),
        Reading::Absent => (Status::Fail, None, None),
        Reading::NotApplicable(why) => (Status::NotApplicable, None, Some(why)),
        Reading::Unknown(why) => (Status::Unknown, None, Some(why)),
    };
    let mut finding = Finding {
        instance,
        setting: want.setting,
        status,
        observed,
        rule: want.rule,
        fix: control.by_hand.to_owned(),
        place: Where::Here,
        because,
        change: None,
        waived_until: None,
        at_first_boot: false,
    };
    if status != Status::Fail {
        return finding;
    }
    finding.propose(sight, want.remedy);
    if sight.facts.offline && finding.observed.is_none() {
        finding.leave_to_first_boot();
    }
    finding
}

fn found_in(source: String) -> String {
    format!("from {source}")
}

impl Finding {
    /// Who can fix it, and what `apply` would write.
    fn propose(&mut self, sight: Sight, remedy: Remedy) {
        match remedy {
            Remedy::Write(group) => match self.setting.obstacle(sight) {
                None => self.change = self.target(sight).map(|v| (v, group)),
                Some(Obstacle::Root) => {
                    self.change = self.target(sight).map(|v| (v, group));
                    self.explain("only root may change it");
                }
                Some(Obstacle::Machine(why)) => {
                    self.place = Where::Host;
                    self.explain(&why);
                    if let Some(exactly) = self.outside(sight) {
                        self.fix = exactly;
                    }
                }
                Some(Obstacle::Restart(why)) => {
                    self.place = Where::Restart;
                    self.explain(&why);
                }
                Some(Obstacle::Hand(why)) => {
                    self.place = Where::Hand;
                    self.explain(&why);
                }
            },
            // It is not ours to restart, nor started from what we render.
            Remedy::Restart if sight.facts.elsewhere => self.place = Where::Hand,
            Remedy::Restart => match self.set_by_policy(sight) {
                Some(what) => (self.place, self.fix) = (Where::Hand, what),
                None => self.place = Where::Restart,
            },
            Remedy::FirstBoot(why) => {
                (self.place, self.at_first_boot) = (Where::Hand, true);
                self.explain(&why);
            }
            Remedy::Machine(what) => {
                self.place = Where::Host;
                self.fix = match self.outside(sight) {
                    Some(exactly) => format!("{what}: {exactly}"),
                    None => what,
                };
            }
            Remedy::Hand(what) => (self.place, self.fix) = (Where::Hand, what),
        }
    }

    /// What the owner of the machine around this container types.
    fn outside(&self, sight: Sight) -> Option<String> {
        let target = self.target(sight)?;
        outside::remedy(&self.setting, &target.to_string(), sight.facts)
    }

    /// Whether the policy itself renders a value that violates the rule: a restart would only bring it back.
    fn set_by_policy(&self, sight: Sight) -> Option<String> {
        let Setting::Directive { instance, name } = &self.setting else {
            return None;
        };
        let policy = &sight.facts.instances.get(instance)?.policy;
        let maxmemory = sight.facts.maxmemory.get(instance)?;
        let rendered = config::directives(policy, *maxmemory, sight.facts.version(policy));
        let mut values = rendered.iter().filter(|(n, _)| n == name);
        let (Some((_, value)), None) = (values.next(), values.next()) else {
            return None;
        };
        let words = config::split(value)?.join(" ");
        let violates = !self.rule.holds(Some(&typed(&words)));
        violates.then(|| format!("the policy sets {name} {value}: change it there"))
    }

    /// What to write. A value for the next boot is never worse than the one that the running kernel has and that holds:
    /// a floor in a file would lower what a newer kernel, or an admin, has raised.
    fn target(&self, sight: Sight) -> Option<Value> {
        if let Setting::SysctlAtBoot(key) = &self.setting
            && let Reading::Value(now, _) = Setting::Sysctl(key.clone()).read(sight)
            && self.rule.holds(Some(&now))
        {
            return Some(now);
        }
        self.rule.target(self.observed.as_ref())
    }

    /// In a tree that does not run, what is not there and cannot be made there is no fault of the tree's.
    fn leave_to_first_boot(&mut self) {
        if let Some(why) = self.waits_for() {
            (self.because, self.at_first_boot) = (Some(why), true);
        }
        if self.at_first_boot {
            self.status = Status::NotApplicable;
            self.change = None;
        }
    }

    /// Why the host has to make it itself.
    fn waits_for(&self) -> Option<String> {
        match (&self.setting, &self.change) {
            (Setting::Secret(_), _) => Some(
                "passwords are generated on the host itself: copies of this tree would share them"
                    .into(),
            ),
            (Setting::PrimaryPassword { .. }, Some((Value::Owned(_), _))) => {
                Some("the host itself has the password: copies of this tree would share it".into())
            }
            (Setting::User(_) | Setting::Group(_), _) => {
                Some("made at first boot, or by the package: no program is run here".into())
            }
            (_, Some((target, _))) => crate::plan::waits_for(target),
            _ => None,
        }
    }

    fn explain(&mut self, why: &str) {
        self.because = Some(match self.because.take() {
            Some(before) => format!("{before}; {why}"),
            None => why.to_owned(),
        });
    }
}

/// Applies a waiver that covers the control. One that has expired fails again, and says so.
/// What concerns the whole host is waived only where every instance's policy waives it.
fn waive(finding: &mut Finding, control: &Control, policies: &Policies, now: jiff::Timestamp) {
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut waived = None;
    for policy in &policies.instances {
        let concerned = finding
            .instance
            .as_deref()
            .is_none_or(|i| i == policy.redis.name.as_str());
        if !concerned {
            continue;
        }
        let covering: Vec<&Waiver> = policy
            .waiver
            .iter()
            .filter(|w| w.covers(control.id))
            .collect();
        match covering.iter().find(|w| !w.has_expired(today)) {
            Some(waiver) => waived = Some(*waiver),
            None => {
                for waiver in covering {
                    let day = waiver.expires.as_deref().unwrap_or_default();
                    finding.explain(&format!("the waiver expired on {day}: {}", waiver.reason));
                }
                return;
            }
        }
    }
    if let Some(waiver) = waived {
        finding.status = Status::Waived;
        finding.change = None;
        finding.because = Some(words_of(waiver));
        finding.waived_until = waiver.expires.clone();
    }
}

/// Why, and until when.
fn words_of(waiver: &Waiver) -> String {
    let until = waiver.expires.as_ref();
    let until = until.map_or(String::new(), |day| format!(" until {day}"));
    format!("waived{until}: {}", waiver.reason)
}
