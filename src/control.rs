//! A control is only a reason: constant data, and one pure function that says which settings must hold what.

use crate::facts::Facts;
use crate::policy::{Policies, Policy};
use crate::rule::Rule;
use crate::setting::Setting;
use serde::{Deserialize, Serialize};

/// How much it matters.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The weight of a failing control in the score.
    pub fn weight(self) -> u32 {
        match self {
            Severity::Low => 1,
            Severity::Medium => 3,
            Severity::High => 6,
            Severity::Critical => 10,
        }
    }
}

/// A reason why some settings must hold some values.
#[derive(Debug)]
pub struct Control {
    /// Stable, `topic.name`.
    pub id: &'static str,
    /// The desired state, as a sentence.
    pub title: &'static str,
    pub severity: Severity,
    /// What goes wrong otherwise.
    pub why: &'static str,
    /// Kernel documentation, Redis source or documentation, STIG tags.
    pub references: &'static [&'static str],
    /// How a person fixes it without this program.
    pub by_hand: &'static str,
    /// What it wants of this host.
    pub wants: Wants,
    /// Fake hosts on which it passes and fails: documentation for `explain`, and the table tests of every control.
    pub cases: &'static [Case],
}

/// The function behind a control.
#[derive(Clone, Copy, Debug)]
pub enum Wants {
    /// Asked once a host, with all instances.
    Host(fn(&Policies, &Facts) -> Vec<Want>),
    /// Asked once an instance.
    Instance(fn(&Policy, &Facts) -> Vec<Want>),
    /// The same, where it depends on what the server tells: of one that is there and silent it is unknown what is wanted.
    Told(fn(&Policy, &Facts) -> Vec<Want>),
    /// An attempt on each instance, by its id: what became of it is known where it was made.
    Attempt(&'static str),
}

/// A setting and the rule that it must satisfy.
#[derive(Clone, Debug)]
pub struct Want {
    pub setting: Setting,
    pub rule: Rule,
    pub remedy: Remedy,
}

/// Who can make it so.
#[derive(Clone, Debug, PartialEq)]
pub enum Remedy {
    /// `apply` writes the setting, in this group and phase.
    Write(Group),
    /// A restart of Redis brings it about.
    Restart,
    /// It is made on the host itself when it first boots, by the boot unit: in a tree that does not run it is not there yet. Why.
    FirstBoot(String),
    /// Only the owner of the machine under this one can (the container's host, the hypervisor, the kernel's command line).
    Machine(String),
    /// A person has to decide; the text says what to do.
    Hand(String),
}

/// Changes that are done and undone together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub phase: Phase,
    pub name: String,
}

/// The order of an apply: each phase is judged anew on what the earlier ones left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// sysctls, transparent huge pages: what each boot repairs, of the controls that `commands/apply.rs` names.
    Kernel,
    /// The same values as the next boot sets them.
    KernelAtBoot,
    /// The service user, before anything is owned by it.
    Account,
    /// Helpers that later phases run (nftables).
    Tools,
    /// Directories and secrets.
    Ground,
    /// Rendered configuration, units and drop-ins.
    Files,
    /// The packet filter, before Redis can listen.
    Firewall,
    /// redis-server itself: its configuration is there before it.
    Package,
    /// Enabled, started or restarted.
    Service,
    /// What a running server takes without a restart, last: one that has just been started has it already.
    Live,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Phase; 10] = [
        Phase::Kernel,
        Phase::KernelAtBoot,
        Phase::Account,
        Phase::Tools,
        Phase::Ground,
        Phase::Files,
        Phase::Firewall,
        Phase::Package,
        Phase::Service,
        Phase::Live,
    ];

    /// Those that only write files: all that an offline tree, a chroot or a first boot may do.
    pub fn writes_files_only(self) -> bool {
        use Phase::{Account, Files, Ground, Kernel, KernelAtBoot};
        matches!(self, Kernel | KernelAtBoot | Account | Ground | Files)
    }
}

impl Control {
    /// The part of the id before the dot.
    pub fn topic(&self) -> &'static str {
        self.id.split_once('.').map_or(self.id, |(topic, _)| topic)
    }
}

impl Want {
    /// A want that `apply` makes true.
    pub fn write(phase: Phase, group: impl Into<String>, setting: Setting, rule: Rule) -> Want {
        Want {
            setting,
            rule,
            remedy: Remedy::Write(Group {
                phase,
                name: group.into(),
            }),
        }
    }

    /// A want that a tree leaves to the host that will run it.
    pub fn at_first_boot(setting: Setting, why: impl Into<String>) -> Want {
        Want {
            setting,
            rule: Rule::Present,
            remedy: Remedy::FirstBoot(why.into()),
        }
    }

    /// A want that a person has to make true.
    pub fn by_hand(setting: Setting, rule: Rule, what: impl Into<String>) -> Want {
        Want {
            setting,
            rule,
            remedy: Remedy::Hand(what.into()),
        }
    }

    /// A want that only the owner of the machine can make true.
    pub fn by_machine(setting: Setting, rule: Rule, what: impl Into<String>) -> Want {
        Want {
            setting,
            rule,
            remedy: Remedy::Machine(what.into()),
        }
    }

    /// A want that holds after Redis has been restarted.
    pub fn by_restart(setting: Setting, rule: Rule) -> Want {
        Want {
            setting,
            rule,
            remedy: Remedy::Restart,
        }
    }
}

/// A fake host for the table tests: files under a fake root, and what the control must say of them.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// `("/etc/x", "content")`; see `tests/support` for the notation of modes, links and programs.
    pub files: &'static [(&'static str, &'static str)],
    /// TOML laid over the production policy.
    pub policy: &'static str,
    pub expect: Expect,
}

/// The verdict that a case must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Pass,
    Fail,
    Unknown,
    NotApplicable,
}

/// A compliant host.
pub const fn passes(files: &'static [(&'static str, &'static str)]) -> Case {
    Case {
        files,
        policy: "",
        expect: Expect::Pass,
    }
}

/// A violating host.
pub const fn fails(files: &'static [(&'static str, &'static str)]) -> Case {
    Case {
        files,
        policy: "",
        expect: Expect::Fail,
    }
}

impl Case {
    /// The same host under another policy.
    pub const fn under(self, policy: &'static str) -> Case {
        Case { policy, ..self }
    }
}
