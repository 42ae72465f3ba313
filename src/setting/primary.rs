//! The password that a server shows its primary: a file beside redis.conf, which names it by `include`, and the running server's own.
//! It has to be in clear text, so it is in no file that is shown, compared by lines, or kept in a journal.

use super::{Reading, Sight, file, secret};
use crate::facts::{Instance, View};
use crate::host::{Host, HostError, HostResult, Image, Kind};
use crate::policy::Policy;
use crate::redis::takeover::open;
use crate::redis::{config, live};
use crate::value::{Access, Value};
use std::path::Path;

/// What stands in a journal for one that the running server had before.
const ANOTHER: &str = "(a password)";

/// Its owner and mode where the file has the password of the policy's user; else text.
pub fn read(sight: Sight, instance: &str) -> Reading {
    let Some(known) = sight.facts.instances.get(instance) else {
        return Reading::Absent;
    };
    in_file(sight, &known.policy).into()
}

fn in_file(sight: Sight, policy: &Policy) -> HostResult<Option<Value>> {
    let path = policy.primary_password_file();
    let Some(stat) = sight.host.stat(&path)? else {
        return Ok(None);
    };
    if stat.kind != Kind::File {
        return Ok(Some(Value::text("not a regular file")));
    }
    if policy.replication.user.is_none() {
        return Ok(Some(Value::text("of no user of the policy")));
    }
    let content = sight.host.read_untrusted(&path)?.unwrap_or_default();
    let wanted = rendered(&password(sight.host, policy)?);
    Ok(Some(match content == wanted.as_bytes() {
        true => Value::Owned(file::access(&stat, sight.facts)),
        false => another(policy),
    }))
}

/// Nothing where the running server has it; else text.
pub fn read_live(sight: Sight, instance: &str) -> Reading {
    let known = sight.facts.instances.get(instance);
    let Some((known, View::Told(told))) = known.map(|known| (known, &known.view)) else {
        return Reading::NotApplicable(format!("{instance} is not running"));
    };
    match (
        told.directives.get(DIRECTIVE),
        password(sight.host, &known.policy),
    ) {
        (Some(has), Ok(password)) if *has == password => Reading::Absent,
        (Some(_), Ok(_)) => Reading::Value(another(&known.policy), None),
        (None, _) => Reading::Unknown(format!("CONFIG GET does not tell {DIRECTIVE}")),
        (_, Err(e)) => Reading::Unknown(e.to_string()),
    }
}

fn another(policy: &Policy) -> Value {
    Value::Text(format!("another password than that of {}", user(policy)))
}

/// Writes the file.
pub fn write(sight: Sight, instance: &str, access: &Access) -> HostResult<()> {
    let policy = &known(sight, instance)?.policy;
    let ids = file::ids(&policy.primary_password_file(), access)?;
    put(sight.host, policy, access.mode, ids)
}

/// Gives it to the running server: its connection to the primary stays.
pub fn write_live(sight: Sight, instance: &str) -> HostResult<()> {
    let known = known(sight, instance)?;
    set(sight, known, password(sight.host, &known.policy)?)
}

/// Both after its password was changed: the file keeps its owner and mode. Nothing where the policy has no such user, or an apply has
/// not been there yet.
pub fn renew(sight: Sight, known: &Instance) -> HostResult<()> {
    if known.policy.replication.user.is_none() {
        return Ok(());
    }
    let path = known.policy.primary_password_file();
    let Some(stat) = sight.host.stat(&path)? else {
        return Ok(());
    };
    put(sight.host, &known.policy, stat.mode, (stat.uid, stat.gid))?;
    match (&known.report, &known.view) {
        (Some(_), View::Told(_)) => set(sight, known, password(sight.host, &known.policy)?),
        _ => Ok(()),
    }
}

fn put(host: &Host, policy: &Policy, mode: u32, (uid, gid): (u32, u32)) -> HostResult<()> {
    let text = text(host, policy)?;
    host.write_file(
        &policy.primary_password_file(),
        text.as_bytes(),
        mode,
        uid,
        gid,
    )
}

fn set(sight: Sight, known: &Instance, password: String) -> HostResult<()> {
    let value = [(DIRECTIVE.to_owned(), password)];
    // The server's words may repeat the value.
    live::set_directives(&mut open(sight, known)?, &value).map_err(|_| {
        HostError::refused(
            doing(known.policy.redis.name.as_str()),
            format!("the running server does not take CONFIG SET {DIRECTIVE}"),
        )
    })
}

/// Whether the running server has one, for the journal; nothing where it does not run.
pub fn save_live(sight: Sight, instance: &str) -> Option<String> {
    match sight.facts.instances.get(instance).map(|known| &known.view) {
        Some(View::Told(told)) => told
            .directives
            .get(DIRECTIVE)
            .map(|has| match has.as_str() {
                "" => String::new(),
                _ => ANOTHER.to_owned(),
            }),
        _ => None,
    }
}

/// Takes it from a server that had none; which one another had is in no journal, so that keeps ours.
pub fn restore_live(sight: Sight, instance: &str, saved: &str) -> HostResult<()> {
    let known = sight.facts.instances.get(instance);
    match known.filter(|known| matches!(known.view, View::Told(_))) {
        Some(known) if saved.is_empty() => set(sight, known, String::new()),
        _ => Ok(()),
    }
}

fn known<'a>(sight: Sight<'a>, instance: &str) -> HostResult<&'a Instance> {
    let known = sight.facts.instances.get(instance);
    known.ok_or_else(|| HostError::refused(doing(instance), "there is no such instance"))
}

/// What a container's start renders.
pub fn text(host: &Host, policy: &Policy) -> HostResult<String> {
    password(host, policy).map(|password| rendered(&password))
}

/// Takes the file away, or writes it anew with the password of now: one of an earlier day is in no journal. A redis.conf that is put
/// back includes it, so it is there even where the policy names nobody whose password it could have.
pub fn restore(sight: Sight, instance: &str, path: &Path, image: &Image) -> HostResult<()> {
    let Image::File { mode, uid, gid, .. } = image else {
        return sight.host.remove(path);
    };
    let known = sight
        .facts
        .instances
        .get(instance)
        .map(|known| &known.policy);
    match known.filter(|policy| policy.replication.user.is_some()) {
        Some(policy) => put(sight.host, policy, *mode, (*uid, *gid)),
        None => sight
            .host
            .write_file(path, NOBODY.as_bytes(), *mode, *uid, *gid),
    }
}

const NOBODY: &str =
    "# The policy names no user under [replication] any more: nobody's password is here.\n";

/// Redis's own name for it, which Valkey keeps as an alias.
const DIRECTIVE: &str = "masterauth";

fn rendered(password: &str) -> String {
    format!(
        "# Rendered by redis-harden; redis.conf includes it.\n{DIRECTIVE} {}\n",
        config::quoted(password)
    )
}

fn password(host: &Host, policy: &Policy) -> HostResult<String> {
    let refuse = |why: String| HostError::refused(doing(policy.redis.name.as_str()), why);
    let user = policy.replication.user.as_ref();
    let user = user.ok_or_else(|| refuse("the policy names no user for it".to_owned()))?;
    let source = policy.password_of(user);
    secret::password_of(host, &source)?
        .ok_or_else(|| refuse(format!("there is no password of {user} yet, in {source}")))
}

fn user(policy: &Policy) -> String {
    policy
        .replication
        .user
        .as_ref()
        .map_or_else(String::new, ToString::to_string)
}

fn doing(instance: &str) -> String {
    format!("giving {instance} the password for its primary")
}
