//! `apply`: converge, then audit again and say what was changed, what is left, and how to connect.

use super::{Context, Outcome, Trouble, count, print};
use crate::audit::{Finding, Judged, Selection, Status, Where, audit, ids};
use crate::cli::{Apply, Format, Plan, Restart};
use crate::control::Phase;
use crate::facts::Facts;
use crate::host::Host;
use crate::journal::{self, Applied, Run};
use crate::policy::{Name, Policies, Policy};
use crate::setting::Sight;

/// Applies the policy.
pub fn run(context: &Context, args: &Apply) -> Outcome {
    if args.dry_run {
        return super::plan::run(
            context,
            &Plan {
                selected: args.selected.clone(),
                format: Format::Text,
                allow_unknown: false,
            },
        );
    }
    let controls = crate::controls::all();
    let selection = Selection::new(&args.selected.only, &args.selected.skip, &controls)?;
    let (host, policies, _) = context.look_as_root("apply")?;
    policies.waivers_fit(&ids(&controls))?;
    let mut say = context.progress();
    if let Some(why) = super::check::files_only(&host) {
        say(&format!("files only: {why}"));
    }
    let _lock = journal::lock(&host, "apply", args.lock_timeout.std())?;
    // At boot services are not ours to start, before which we run: the next apply recovers.
    if !args.boot {
        journal::recover(&host, &policies, &mut say)?;
    }
    let mut run = Run::prepare(
        &host,
        (&policies.name, &policies.sha256),
        args.message.clone(),
    )?;
    let applied = journal::apply(
        &host,
        &policies,
        &controls,
        &selection,
        &phases(&host, args),
        &mut run,
        &mut say,
    )?;

    let facts = Facts::gather(&host, &policies)?;
    let judged = audit(
        Sight {
            host: &host,
            facts: &facts,
        },
        &policies,
        &controls,
        &selection,
    );
    print(&summary(&applied, &judged, &policies, &facts, &host))?;
    match failures(&applied) {
        Some(text) => Err(Trouble(text)),
        None => Ok(exit_code(&judged, args.strict)),
    }
}

/// The phases that this host and these flags allow.
fn phases(host: &Host, args: &Apply) -> Vec<Phase> {
    let in_dpkg = std::env::var_os("DPKG_MAINTSCRIPT_NAME").is_some();
    Phase::ALL
        .into_iter()
        .filter(|p| host.is_running() && !args.boot || p.writes_files_only())
        .filter(|p| !(args.restart == Restart::Never && *p == Phase::Service))
        // dpkg holds its lock while a maintainer script runs.
        .filter(|p| !(in_dpkg && matches!(p, Phase::Tools | Phase::Package)))
        .collect()
}

/// What could not be done, each with its error, and that it was put back.
fn failures(applied: &Applied) -> Option<String> {
    let lines: Vec<String> = applied
        .failed
        .iter()
        .map(|(group, error)| format!("{group} was put back as it was: {error}"))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\nredis-harden: "))
}

/// 0 when all that can be changed here holds, 1 when something is left that could, 2 when it could not be judged.
fn exit_code(judged: &[Judged], strict: bool) -> u8 {
    let any = |test: &dyn Fn(&Finding) -> bool| judged.iter().flat_map(|j| &j.findings).any(test);
    if any(&|f| f.status == Status::Unknown) {
        return 2;
    }
    let counts = |f: &Finding| {
        f.status == Status::Fail && (strict || matches!(f.place, Where::Here | Where::Restart))
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
        0 => "nothing to change\n".to_owned(),
        n => format!("{}:\n", count(n, "change")),
    };
    for change in &applied.changed {
        text.push_str(&format!(
            "  {}\n",
            change.lines().next().unwrap_or_default()
        ));
    }
    let left: Vec<(&Judged, &Finding)> = judged
        .iter()
        .flat_map(|j| j.findings.iter().map(move |f| (j, f)))
        .filter(|(_, f)| matches!(f.status, Status::Fail | Status::Unknown))
        .collect();
    if !left.is_empty() {
        text.push_str(&format!("{} left:\n", left.len()));
    }
    for (judged, finding) in left {
        text.push_str(&format!(
            "  {} ({}): {}\n",
            judged.control.id,
            judged.control.severity.word(),
            residue(finding)
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

/// What is left and who can fix it, in a line.
fn residue(finding: &Finding) -> String {
    let observed = finding
        .observed
        .as_ref()
        .map_or_else(|| "absent".to_owned(), ToString::to_string);
    let because = finding
        .because
        .as_ref()
        .map_or(String::new(), |b| format!(" ({b})"));
    if finding.status == Status::Unknown {
        return format!("{} could not be read{because}", finding.setting);
    }
    let who = match finding.place {
        Where::Here => "here",
        Where::Host => "on the machine that runs this host",
        Where::Restart => "by a restart of Redis",
        Where::Hand => "by hand",
    };
    format!(
        "{} is {observed}, wants {}{because}; {who}: {}",
        finding.setting, finding.rule, finding.fix
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
                p.secret_file(&user).display()
            )
        })
        .collect()
}
