//! What a running server of ours has otherwise than the policy, and takes without a restart: its directives, and its users.

use super::effective::{Pair, pairs};
use super::{Reading, Sight, firewall, users};
use crate::facts::{Instance, View};
use crate::host::{HostError, HostResult};
use crate::redis::takeover::open;
use crate::redis::{Silence, Told, acl, ask, live};
use crate::value::Value;

/// `NAME BEFORE → AFTER` of each directive. Words, or nothing.
pub fn read_directives(sight: Sight, instance: &str) -> Reading {
    let (known, told) = match told(sight, instance) {
        Ok(found) => found,
        Err(reading) => return reading,
    };
    match unlike(sight, known, told) {
        Ok(pairs) if pairs.is_empty() => Reading::Absent,
        Ok(pairs) => {
            let words = pairs.iter().map(Pair::to_string).collect::<Vec<_>>();
            Reading::Value(Value::Text(words.join(", ")), None)
        }
        Err(reading) => reading,
    }
}

/// `set USER` and `delete USER`. Words, or nothing.
pub fn read_users(sight: Sight, instance: &str) -> Reading {
    let (known, told) = match told(sight, instance) {
        Ok(found) => found,
        Err(reading) => return reading,
    };
    let (set, gone) = match changed(sight, known, told) {
        Ok(changed) => changed,
        Err(why) => return Reading::Unknown(why),
    };
    let set = set
        .iter()
        .map(|line| format!("set {}", live::name_of(line)));
    let all: Vec<String> = set
        .chain(gone.iter().map(|n| format!("delete {n}")))
        .collect();
    match all.is_empty() {
        true => Reading::Absent,
        false => Reading::Value(Value::Text(all.join(", ")), None),
    }
}

/// Gives the server the policy's values, and sees that it has them.
pub fn write_directives(sight: Sight, instance: &str) -> HostResult<()> {
    let known = known(sight, instance)?;
    // A bind to more addresses must not be open for a moment.
    firewall::put_in_place(sight.host, &known.policy)?;
    let doing = || format!("changing {instance} while it runs");
    let wanted = |told: &Told| {
        unlike(sight, known, told).map_err(|why| {
            HostError::refused(doing(), format!("its directives are not known: {why:?}"))
        })
    };
    let differing = wanted(&fresh(sight, known)?)?;
    let values: Vec<(String, String)> = differing
        .into_iter()
        .map(|pair| (pair.name, pair.wanted))
        .collect();
    live::set_directives(&mut open(sight, known)?, &values)?;
    match wanted(&fresh(sight, known)?)?.first() {
        None => Ok(()),
        Some(left) => Err(HostError::refused(
            doing(),
            format!("it took the change and still has {left}"),
        )),
    }
}

/// Gives the server the policy's users.
pub fn write_users(sight: Sight, instance: &str) -> HostResult<()> {
    let known = known(sight, instance)?;
    let doing = || format!("changing the users of {instance} while it runs");
    let refuse = |why: String| HostError::refused(doing(), why);
    let (set, gone) = changed(sight, known, &fresh(sight, known)?).map_err(refuse)?;
    if !set.iter().all(|line| acl::is_complete(line)) {
        return Err(refuse(
            "a password of the policy cannot be read here".into(),
        ));
    }
    let mut connection = open(sight, known)?;
    for line in &set {
        live::set_user(&mut connection, line)?;
    }
    for name in &gone {
        live::delete_user(&mut connection, name)?;
    }
    let (set, gone) = changed(sight, known, &fresh(sight, known)?).map_err(refuse)?;
    match set
        .iter()
        .map(|l| live::name_of(l))
        .chain(gone.iter().map(String::as_str))
        .next()
    {
        None => Ok(()),
        Some(name) => Err(refuse(format!(
            "it took the change, and {name} is still another"
        ))),
    }
}

/// What the server has now of all that the policy names, a line each; nothing where it does not run.
pub fn save_directives(sight: Sight, instance: &str) -> HostResult<Option<String>> {
    let Some(known) = running(sight, instance) else {
        return Ok(None);
    };
    let pairs = pairs(sight, instance, &fresh(sight, known)?);
    let pairs = pairs.map_err(|why| {
        HostError::refused(
            format!("saving the directives of {instance}"),
            format!("{why:?}"),
        )
    })?;
    let lines = pairs.iter().map(|p| format!("{} {}\n", p.name, p.running));
    Ok(Some(lines.collect()))
}

/// The server's users with their hashes, a line each; nothing where it does not run.
pub fn save_users(sight: Sight, instance: &str) -> HostResult<Option<String>> {
    let Some(known) = running(sight, instance) else {
        return Ok(None);
    };
    let lines = live::user_lines(&mut open(sight, known)?)?;
    let mut lines: Vec<String> = lines.iter().map(|line| live::in_order(line)).collect();
    lines.sort();
    Ok(Some(lines.join("\n")))
}

/// Puts the saved values back into a server that runs; one that does not takes those of its files when it starts.
pub fn restore_directives(sight: Sight, instance: &str, saved: &str) -> HostResult<()> {
    let Some(known) = running(sight, instance) else {
        return Ok(());
    };
    let Some(now) = if_it_runs(sight, known)? else {
        return Ok(());
    };
    let lines = saved.lines().filter_map(|line| line.split_once(' '));
    let differ =
        lines.filter(|(name, value)| now.directives.get(*name).is_some_and(|v| v != value));
    let values: Vec<(String, String)> = differ.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    live::set_directives(&mut open(sight, known)?, &values)
}

/// Puts the saved users back, and takes away those that were not there.
pub fn restore_users(sight: Sight, instance: &str, saved: &str) -> HostResult<()> {
    let Some(known) = running(sight, instance) else {
        return Ok(());
    };
    if if_it_runs(sight, known)?.is_none() {
        return Ok(());
    }
    let mut connection = open(sight, known)?;
    let now = live::user_lines(&mut connection)?;
    let is_there = |line: &str| now.iter().any(|n| live::in_order(n) == line);
    for line in saved.lines().filter(|line| !is_there(line)) {
        live::set_user(&mut connection, line)?;
    }
    for name in live::not_named(&fresh(sight, known)?, saved) {
        live::delete_user(&mut connection, &name)?;
    }
    Ok(())
}

/// The live directives of the policy that the server has otherwise. More clients than it has descriptors for it would refuse, and with
/// them all of the change: that is another control's finding.
fn unlike(sight: Sight, known: &Instance, told: &Told) -> Result<Vec<Pair>, Reading> {
    let mut differing = pairs(sight, known.policy.redis.name.as_str(), told)?;
    let has = known
        .report
        .as_ref()
        .map_or(u64::MAX, |report| report.nofile);
    let too_many = u64::from(known.policy.nofile_needed()) > has;
    differing
        .retain(|pair| pair.running != pair.wanted && !(too_many && pair.name == "maxclients"));
    Ok(differing)
}

/// The lines of the users to be set, and the names of those to be removed.
fn changed(
    sight: Sight,
    known: &Instance,
    told: &Told,
) -> Result<(Vec<String>, Vec<String>), String> {
    let text = acl::render(&known.policy, &sight.facts.digests);
    let there = told.users.0.as_ref().map_err(Clone::clone)?;
    let differs = |line: &&str| users::differs(line, there);
    let set = text.lines().filter(differs).map(str::to_owned);
    let set: Vec<String> = set.collect();
    Ok((set, live::not_named(told, &text)))
}

fn told<'a>(sight: Sight<'a>, instance: &str) -> Result<(&'a Instance, &'a Told), Reading> {
    let down = || Reading::NotApplicable(format!("{instance} is not running"));
    let known = sight.facts.instances.get(instance).ok_or_else(down)?;
    match &known.view {
        View::NotRunning => Err(down()),
        View::Silent(why) => Err(Reading::Unknown(why.clone())),
        View::Told(_) if known.report.is_none() => Err(Reading::NotApplicable(
            "it does not run under redis-harden's supervisor".into(),
        )),
        View::Told(told) => Ok((known, told)),
    }
}

fn known<'a>(sight: Sight<'a>, instance: &str) -> HostResult<&'a Instance> {
    running(sight, instance).ok_or_else(|| {
        HostError::refused(
            format!("changing {instance} while it runs"),
            "it does not run",
        )
    })
}

fn running<'a>(sight: Sight<'a>, instance: &str) -> Option<&'a Instance> {
    let known = sight.facts.instances.get(instance)?;
    matches!(known.view, View::Told(_)).then_some(known)
}

/// What it says now: the facts are older than the changes of this phase.
fn fresh(sight: Sight, known: &Instance) -> HostResult<Told> {
    let told = if_it_runs(sight, known)?;
    told.ok_or_else(|| HostError::refused(asking(known), Silence::Nobody.to_string()))
}

/// The same; nothing where it has been stopped since.
fn if_it_runs(sight: Sight, known: &Instance) -> HostResult<Option<Told>> {
    let login = crate::facts::admin(sight.host, &known.policy);
    match ask(&known.endpoint, login.as_ref()) {
        Ok(told) => Ok(Some(told)),
        Err(Silence::Nobody) => Ok(None),
        Err(why) => Err(HostError::refused(asking(known), why.to_string())),
    }
}

fn asking(known: &Instance) -> String {
    format!("asking {}", known.endpoint)
}
