//! `secret rotate|show`: a new password beside the former one, the end of the former, and where a password is.

use super::{Context, Outcome, Trouble, must_be_root, print};
use crate::cli::{Rotate, SecretCommand, ShowSecret};
use crate::facts::Facts;
use crate::host::Host;
use crate::journal;
use crate::policy::{Name, PasswordSource, Policies, Trust};
use crate::redis::{live, takeover};
use crate::rotation::{self, Rotation, Target};
use crate::setting::credential::{self, Place};
use crate::setting::{Sight, secret};
use std::io::{IsTerminal, Read};
use std::path::Path;

/// More than a password may be long.
const LONGEST: usize = 512;

/// Shorter than that is guessed: Redis answers tens of thousands of attempts a second.
const SHORTEST: usize = 16;

/// Runs one of them.
pub fn run(context: &Context, command: &SecretCommand) -> Outcome {
    match command {
        SecretCommand::Rotate(args) if args.finish => finish(context, args),
        SecretCommand::Rotate(args) => rotate(context, args),
        SecretCommand::Show(args) => show(context, args),
    }
}

fn rotate(context: &Context, args: &Rotate) -> Outcome {
    let host = running_host(context)?;
    let user = args
        .user
        .as_ref()
        .ok_or("a user has to be named".to_owned())?;
    let password = args.from.as_deref().map(|path| given(&host, path));
    let password = password.transpose()?;
    let _lock = journal::lock(&host, "secret rotate", args.lock_timeout.std())?;
    let (policies, facts) = look(context, &host)?;
    let sight = Sight::new(&host, &facts);
    let target = Target::of(&policies, &args.instance, user)?;
    let mut say = context.progress();
    let rotation = rotation::begin(sight, &target, password, args.overlap.std(), &mut say)?;
    let what = format!("{} has a new password", target.names().join(" and "));
    journal::note(&host, "secret rotate", &what);
    let by_hand = || format!("by `redis-harden secret rotate {user} --finish`");
    let ends = match rotation::set_timer(sight, &policies) {
        Ok(true) => "by itself".to_owned(),
        Ok(false) => format!(
            "{}: there is no systemd here whose timer does it",
            by_hand()
        ),
        // The password has been changed all the same.
        Err(e) => format!("{}, since no timer does it: {e}", by_hand()),
    };
    print(&format!(
        "{} has a new password, in {}\nthe former one is valid until {}, and ends {ends}\n",
        target.names().join(" and "),
        target.source,
        rotation.until
    ))?;
    if !rotation.holders.is_empty() {
        print(
            "the supervisor takes it with its next start, which has to come before that: redis-harden restart\n",
        )?;
    }
    Ok(0)
}

/// One that is named, or all whose time is over. What keeps one from its end keeps no other.
fn finish(context: &Context, args: &Rotate) -> Outcome {
    let host = running_host(context)?;
    let _lock = journal::lock(&host, "secret rotate", args.lock_timeout.std())?;
    let (policies, facts) = look(context, &host)?;
    let sight = Sight::new(&host, &facts);
    let all = facts.rotations.clone()?;
    let those: Vec<(Target, Rotation)> = match &args.user {
        Some(user) => {
            let target = Target::of(&policies, &args.instance, user)?;
            let known = all
                .into_iter()
                .find(|r| target.source.file() == Some(&r.secret));
            let rotation = known.ok_or_else(|| {
                format!(
                    "no password of {} is being replaced",
                    target.names().join(" and ")
                )
            })?;
            vec![(target, rotation)]
        }
        None => {
            let now = host.now();
            let due = all.into_iter().filter(|r| r.is_due(now));
            let with = |r: &Rotation| PasswordSource::File(r.secret.clone());
            due.map(|r| (Target::with(&policies, with(&r)), r))
                .collect()
        }
    };
    let mut say = context.progress();
    let mut wrong = Vec::new();
    for (target, rotation) in those {
        let names = target.names().join(" and ");
        match rotation::finish(sight, &target, rotation, &mut say) {
            Ok(()) => {
                let what = format!("the former password of {names} is not valid any more");
                journal::note(&host, "secret rotate --finish", &what);
                print(&format!("{what}\n"))?;
            }
            Err(e) => wrong.push(e.to_string()),
        }
        if args.disconnect && wrong.is_empty() {
            disconnect(sight, &target)?;
        }
    }
    if let Err(e) = rotation::set_timer(sight, &policies) {
        wrong.push(e.to_string());
    }
    match wrong.is_empty() {
        true => Ok(0),
        false => Err(Trouble(wrong.join("\n"))),
    }
}

fn disconnect(sight: Sight, target: &Target) -> Result<(), Trouble> {
    for (instance, user) in &target.users {
        let known = sight.facts.instances.get(instance.as_str());
        let Some(known) = known.filter(|_| sight.facts.is_running(instance)) else {
            continue;
        };
        let ended = live::disconnect(&mut takeover::open(sight, known)?, user.as_str())?;
        print(&format!(
            "{instance}: {ended} connections of {user} ended\n"
        ))?;
    }
    Ok(())
}

fn show(context: &Context, args: &ShowSecret) -> Outcome {
    let host = context.host()?;
    let (policies, facts) = look(context, &host)?;
    let target = Target::of(&policies, &args.instance, &args.user)?;
    if args.reveal {
        return reveal(&host, &target.source);
    }
    let names = target.names().join(" and ");
    let path = match &target.source {
        PasswordSource::File(path) => path,
        PasswordSource::Credential(name) => {
            return print(&format!("{names}\n{}", of_credential(&host, name)?)).map(|()| 0);
        }
    };
    let Some(stat) = host.stat(path)? else {
        return Err(Trouble(format!(
            "{}: there is no such file (redis-harden apply generates it)",
            path.display()
        )));
    };
    print(&format!(
        "{names}\n  file: {} ({}:{} {:04o})\n",
        path.display(),
        facts.user_of(stat.uid).name,
        facts.group_of(stat.gid).name,
        stat.mode
    ))?;
    let digests = facts.digests.get(&target.source);
    let rotations = facts.rotations.iter().flatten();
    for rotation in rotations.filter(|r| digests.is_some() && r.secret == *path) {
        print(&format!(
            "  changed {}; the former password is valid until {}\n",
            rotation.began, rotation.until
        ))?;
    }
    Ok(0)
}

/// Where a credential is, and where it is changed.
fn of_credential(host: &Host, name: &str) -> Result<String, Trouble> {
    let place = credential::find(host, name)?.ok_or_else(|| {
        Trouble(format!(
            "there is no systemd credential {name} here ({})",
            credential::step(name)
        ))
    })?;
    let how = match place {
        Place::Plain(_) => "plain",
        Place::Encrypted(_) => "encrypted",
    };
    let shown = place.path().display();
    Ok(format!("  systemd credential {name}: {shown} ({how})\n"))
}

/// A script reads the source itself; what a terminal shows is in no log and no pipe.
fn reveal(host: &Host, source: &PasswordSource) -> Outcome {
    if !std::io::stdout().is_terminal() {
        return Err(Trouble(format!(
            "standard output is no terminal: a password is shown to a person; a program reads {source}"
        )));
    }
    let password = secret::password_of(host, source)?
        .ok_or_else(|| Trouble(format!("{source}: there is no password in it")))?;
    let what = format!("{source} was shown");
    journal::note(host, "secret show --reveal", &what);
    print(&format!("{password}\n"))?;
    Ok(0)
}

/// The password that somebody has chosen. It is never repeated in an error.
fn given(host: &Host, path: &Path) -> Result<String, Trouble> {
    let name = path.display();
    let bytes = match path == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            let stdin = std::io::stdin().lock();
            let read = stdin.take(1 << 16).read_to_end(&mut bytes);
            read.map_err(|e| Trouble(format!("reading standard input: {e}")))?;
            bytes
        }
        false => host
            .read_untrusted(&super::absolute(path)?)?
            .ok_or_else(|| Trouble(format!("{name}: there is no such file")))?,
    };
    let text =
        String::from_utf8(bytes).map_err(|_| Trouble(format!("{name}: it is not UTF-8 text")))?;
    let line = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches('\r');
    let wrong = |what: &str| Err(Trouble(format!("{name}: {what}")));
    if line.len() > LONGEST {
        return wrong("its first line is longer than a password may be (512 bytes)");
    }
    if line.chars().any(char::is_control) || line.starts_with(' ') || line.ends_with(' ') {
        return wrong("its first line has a control character, or a blank at an end");
    }
    if line.chars().count() < SHORTEST {
        return wrong(
            "its first line has less than 16 characters; without --from one is generated",
        );
    }
    Ok(line.to_owned())
}

fn running_host(context: &Context) -> Result<Host, Trouble> {
    let host = context.host()?;
    must_be_root(&host, "secret rotate")?;
    if !host.is_running() {
        return Err(Trouble(
            "a password is replaced on the host itself: copies of this tree would share it".into(),
        ));
    }
    Ok(host)
}

fn look(context: &Context, host: &Host) -> Result<(Policies, Facts), Trouble> {
    let trust = match crate::facts::is_root(host)? {
        true => Trust::Root,
        false => Trust::Reader,
    };
    let policies = context.policies(host, trust)?;
    let facts = Facts::gather(host, &policies)?;
    Ok((policies, facts))
}

/// A user's password file, where the policy has that user.
pub(super) fn file_of(
    policies: &Policies,
    instance: &Name,
    user: &Name,
) -> Result<Target, Trouble> {
    Ok(Target::of(policies, instance, user)?)
}
