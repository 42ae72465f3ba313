//! One setting held against its rule: the verdict, what would mend it, and who can.

use super::{Status, outside};
use crate::control::{Control, Group, Remedy, Want};
use crate::redis::config;
use crate::rule::Rule;
use crate::setting::kernel::typed;
use crate::setting::{Obstacle, Reading, Setting, Sight};
use crate::value::Value;
use serde::Serialize;

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

/// Reads the setting and holds it against its rule.
pub(super) fn finding(
    sight: Sight,
    control: &Control,
    instance: Option<String>,
    want: Want,
) -> Finding {
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

    pub(super) fn explain(&mut self, why: &str) {
        self.because = Some(match self.because.take() {
            Some(before) => format!("{before}; {why}"),
            None => why.to_owned(),
        });
    }
}
