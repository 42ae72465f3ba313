//! `apply`: converge, then audit again and say what was changed, what is left, and how to connect.

mod maintainer;
pub mod result;

use super::{Context, Outcome, Trouble, count, print};
use crate::audit::{Finding, Judged, Selection, Status, Where, ids};
use crate::cli::{Apply, Format, Plan, Restart};
use crate::control::{Control, Phase};
use crate::facts::Facts;
use crate::host::{Host, HostResult};
use crate::journal::{self, Applied, Look, Run, Terms};
use crate::policy::{Name, Policies, Policy};
use crate::report::observed;
use result::LastApply;

/// The controls whose values the running kernel has; none of them asks a server, which may be starting.
const OF_THE_KERNEL: [&str; 2] = ["kernel.*", "memory.transparent-huge-pages"];

/// Applies the policy.
pub fn run(context: &Context, args: &Apply) -> Outcome {
    if args.dry_run {
        // What is printed is of `plan`'s form, whose exit code is the plan's too.
        return super::plan::run(
            context,
            &Plan {
                selected: args.selected.clone(),
                format: args.format,
                allow_unknown: false,
            },
        );
    }
    let host = context.host()?;
    super::must_be_root(&host, "apply")?;
    result::begin(&host)?;
    let mut told = LastApply {
        boot: args.boots(),
        message: args.message.clone(),
        ..LastApply::default()
    };
    let outcome = converge(context, args, &mut told);
    result::end(&host, told, outcome)
}

fn converge(context: &Context, args: &Apply, told: &mut LastApply) -> Outcome {
    let controls = crate::controls::all();
    let selection = selection(args, &controls)?;
    if args.boots() {
        arm_anew(context, args)?;
    }
    let (host, mut policies, facts) = context.look_as_root("apply")?;
    if let Restart::Named(name) = &args.restart {
        name_for_restart(&mut policies, name)?;
    }
    policies.waivers_fit(&ids(&crate::controls::with_attempts()))?;
    let mut say = context.progress();
    if let Some(why) = super::check::files_only(&host) {
        say(&format!("files only: {why}"));
    }
    let _lock = journal::lock(&host, "apply", args.lock_timeout.std())?;
    if let Some(story) = journal::waiting(&host)?.filter(|_| !args.boots()) {
        return Err(Trouble(format!(
            "run {} waits to be confirmed: redis-harden confirm, or redis-harden rollback",
            story.header.run
        )));
    }
    // At boot services are not ours to start: the next apply recovers.
    if !args.boots() {
        journal::recover(&host, &policies, &mut say)?;
    }
    let mut run = Run::prepare(
        &host,
        (&policies.name, &policies.sha256),
        Terms {
            message: args.message.clone(),
            confirm_within: args.confirm_within.map(|within| within.std()),
            atomic: args.atomic,
        },
    )?;
    if let Some(within) = args.confirm_within {
        super::confirm::arm(&host, &policies, run.number, within.std())?;
    }
    let reachable = reachable(&host, args, &policies, &facts, &mut say)?;
    let mut applied = journal::apply(
        &host,
        &policies,
        &controls,
        &selection,
        &wanted(&reachable, args),
        &mut run,
        &mut say,
    )?;

    told.run = run.has_begun().then_some(run.number);
    told.changed = applied.changed.len();
    told.failed = applied.failed.len();
    let Look { facts, judged, .. } = match applied.look.take() {
        Some(look) => look,
        None => Look::at(&host, &policies, &controls, &selection)?,
    };
    if let (Some(within), true) = (args.confirm_within, run.has_begun()) {
        say(&format!(
            "run {} is rolled back in {within} unless you run: redis-harden confirm",
            run.number
        ));
    }
    told.left = residues(&judged).len();
    match args.format {
        Format::Text => print(&summary(&applied, &judged, &policies, &facts, &host))?,
        Format::Json => {
            let number = run.has_begun().then_some(run.number);
            print(&crate::report::applied::render(&applied, &judged, number)?)?;
        }
    }
    match failures(&applied) {
        Some(text) => Err(Trouble(text)),
        None => Ok(exit_code(&judged, &reachable, args.strict)),
    }
}

/// What a boot does not repair it does not judge either: it is not asked what state a half-booted host is in.
fn selection(args: &Apply, controls: &[&'static Control]) -> Result<Selection, String> {
    let kernel = OF_THE_KERNEL.map(str::to_owned);
    let only = match args.boot {
        true => &kernel[..],
        false => &args.selected.only,
    };
    Selection::new(only, &args.selected.skip, controls)
}

/// Before the policy is read, which may be what cannot be.
fn arm_anew(context: &Context, args: &Apply) -> Result<(), Trouble> {
    let host = context.host()?;
    super::must_be_root(&host, "apply")?;
    let _lock = journal::lock(&host, "apply", args.lock_timeout.std())?;
    super::confirm::arm_anew(&host)
}

/// One that the policy does not have would be restarted by nobody, in silence.
fn name_for_restart(policies: &mut Policies, name: &Name) -> Result<(), Trouble> {
    let mut instances = policies.instances.iter_mut();
    match instances.find(|policy| policy.redis.name == *name) {
        Some(policy) => {
            policy.service.restart_is_named = true;
            Ok(())
        }
        None => Err(Trouble(format!(
            "--restart {name}: the policy has no such instance (auto and never are the other words)"
        ))),
    }
}

/// The phases that this run can go through, on this host and where it is called from.
fn reachable(
    host: &Host,
    args: &Apply,
    policies: &Policies,
    facts: &Facts,
    say: &mut dyn FnMut(&str),
) -> HostResult<Vec<Phase>> {
    let mut phases = Phase::ALL.to_vec();
    if args.boots() || !host.is_running() {
        phases.retain(|p| p.writes_files_only());
    }
    if args.boot {
        phases.retain(|p| *p == Phase::Kernel);
    }
    if maintainer::calls() {
        maintainer::restrict(host, policies, facts, &mut phases, say)?;
    }
    Ok(phases)
}

/// Those of them that the flags ask for.
fn wanted(reachable: &[Phase], args: &Apply) -> Vec<Phase> {
    let never = args.restart == Restart::Never;
    let phases = reachable.iter().copied();
    phases
        .filter(|p| !(never && *p == Phase::Service))
        .collect()
}

/// What could not be done, each with its error, and whether it was put back.
fn failures(applied: &Applied) -> Option<String> {
    let groups = applied.failed.iter().map(ToString::to_string);
    let open = applied.open.iter();
    let end = open.map(|e| format!("{e}; what was done stays, and the next run recovers this one"));
    let lines: Vec<String> = groups.chain(end).collect();
    (!lines.is_empty()).then(|| lines.join("\nredis-harden: "))
}

/// 0 when all that can be changed in this run holds, 1 when something is left that could, 2 when it could not be judged.
/// What a boot or a maintainer script may not do is no fault of theirs; a restart that `--restart never` put off is pending.
fn exit_code(judged: &[Judged], reachable: &[Phase], strict: bool) -> u8 {
    let any = |test: &dyn Fn(&Finding) -> bool| judged.iter().flat_map(|j| &j.findings).any(test);
    if any(&|f| f.status == Status::Unknown) {
        return 2;
    }
    let counts = |f: &Finding| match f.place {
        _ if f.status != Status::Fail => false,
        _ if strict => true,
        Where::Here => {
            let phase = f.change.as_ref().map(|(_, group)| group.phase);
            phase.is_none_or(|phase| reachable.contains(&phase))
        }
        Where::Restart => reachable.contains(&Phase::Service),
        Where::Host | Where::Hand => false,
    };
    u8::from(any(&counts))
}

fn summary(
    applied: &Applied,
    judged: &[Judged],
    policies: &Policies,
    facts: &Facts,
    host: &Host,
) -> String {
    let mut text = match applied.changed.len() {
        0 if !applied.failed.is_empty() => {
            "nothing is changed: what failed was put back\n".to_owned()
        }
        0 => "nothing to change\n".to_owned(),
        n => format!("{}:\n", count(n, "change")),
    };
    for change in &applied.changed {
        text.push_str(&format!(
            "  {}\n",
            change.lines().next().unwrap_or_default()
        ));
    }
    let left = residues(judged);
    if !left.is_empty() {
        text.push_str(&format!("{} left:\n", left.len()));
    }
    for (judged, finding) in left {
        text.push_str(&format!(
            "  {} ({}): {}\n",
            judged.control.id,
            judged.control.severity.word(),
            residue(finding, host)
        ));
    }
    if host.is_running() {
        text.push_str(&connections(policies, facts));
    }
    let later = judged.iter().flat_map(|j| &j.findings);
    match later.filter(|f| f.at_first_boot).count() {
        0 => {}
        n => text.push_str(&format!(
            "{} generated at first boot, and Redis cannot start before: redis-harden plan lists them\n",
            match n {
                1 => "1 setting is".to_owned(),
                n => format!("{n} settings are"),
            }
        )),
    }
    text
}

/// The findings that are left, each with its control.
fn residues(judged: &[Judged]) -> Vec<(&Judged, &Finding)> {
    judged
        .iter()
        .flat_map(|j| j.findings.iter().map(move |f| (j, f)))
        .filter(|(_, f)| matches!(f.status, Status::Fail | Status::Unknown))
        .collect()
}

/// What is left and who can fix it, in a line.
fn residue(finding: &Finding, host: &Host) -> String {
    let because = finding
        .because
        .as_ref()
        .map_or(String::new(), |b| format!(" ({b})"));
    if finding.status == Status::Unknown {
        return format!("{} could not be read{because}", finding.setting);
    }
    let who = match finding.place {
        Where::Here if !host.is_live_root() => "in this tree",
        Where::Here => "here",
        Where::Host => "on the machine that runs this host",
        Where::Restart => "by a restart of Redis",
        Where::Hand => "by hand",
    };
    format!(
        "{} is {}, wants {}{because}; {who}: {}",
        finding.setting,
        observed(finding),
        finding.rule,
        finding.fix
    )
}

/// The first user that is neither root's nor the supervisor's: the application's, as a rule.
fn application(policy: &Policy) -> Name {
    let ours = [Name::admin(), Name::agent()];
    policy
        .acl
        .keys()
        .find(|n| !ours.contains(n))
        .cloned()
        .unwrap_or_else(Name::admin)
}

/// How to connect to each server that is ready.
fn connections(policies: &Policies, facts: &Facts) -> String {
    let ready = |name: &str| {
        facts
            .instances
            .get(name)
            .and_then(|i| i.report.as_ref())
            .is_some_and(|r| r.ready)
    };
    policies
        .instances
        .iter()
        .filter(|p| ready(p.redis.name.as_str()))
        .map(|p| {
            let user = application(p);
            format!(
                "{} is ready: redis-cli -s {} --user {user} --askpass   (the password is in {})\n",
                p.redis.name,
                p.unix_socket().display(),
                p.password_of(&user)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Group;
    use crate::rule::Rule;
    use crate::setting::Setting;
    use crate::value::Value;

    fn judged(place: Where, phase: Option<Phase>) -> Vec<Judged> {
        let control = *crate::controls::all().first().expect("a control");
        let group = |phase| Group {
            phase,
            name: "x".into(),
        };
        let finding = Finding {
            instance: None,
            setting: Setting::HugePages,
            status: Status::Fail,
            observed: None,
            rule: Rule::Present,
            fix: String::new(),
            place,
            because: None,
            change: phase.map(|phase| (Value::Present, group(phase))),
            waived_until: None,
            at_first_boot: false,
        };
        vec![Judged {
            control,
            status: Status::Fail,
            findings: vec![finding],
        }]
    }

    #[test]
    fn what_this_run_may_not_do_does_not_count_unless_strict() {
        let files: Vec<Phase> = Phase::ALL
            .into_iter()
            .filter(|p| p.writes_files_only())
            .collect();
        for (place, phase, code) in [
            (Where::Here, Some(Phase::Files), 1),
            (Where::Here, Some(Phase::Package), 0),
            (Where::Here, Some(Phase::Service), 0),
            (Where::Here, None, 1),
            (Where::Restart, None, 0),
            (Where::Host, None, 0),
        ] {
            let judged = judged(place, phase);
            assert_eq!(
                exit_code(&judged, &files, false),
                code,
                "{place:?} {phase:?}"
            );
            assert_eq!(exit_code(&judged, &files, true), 1);
            let pending = u8::from(matches!(place, Where::Here | Where::Restart));
            assert_eq!(exit_code(&judged, &Phase::ALL, false), pending);
        }
    }
}
