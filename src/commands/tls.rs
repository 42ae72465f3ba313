//! `tls`: a private authority, the server's certificate, clients' certificates, and their renewal without a restart.
//! Nothing that is there is replaced unasked, and no pair that clients would refuse reaches a server.

mod csr;
mod init;
mod install;
mod issue;
mod renew;
mod sign;

use super::{Context, Outcome, Trouble};
use crate::cli::tls::TlsCommand;
use crate::facts::Facts;
use crate::host::{Host, HostError, HostResult, Image};
use crate::journal;
use crate::pki::{self, Authority, Place};
use crate::policy::tls::DIRECTORY;
use crate::policy::{Auto, Name, Policies, Policy};
use crate::setting::Sight;
use crate::setting::tls::{Taken, take_up};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// As `apply` waits for another run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs one of them.
pub fn run(context: &Context, command: &TlsCommand) -> Outcome {
    match command {
        TlsCommand::Init(args) => init::run(context, args),
        TlsCommand::Issue(args) => issue::run(context, args),
        TlsCommand::Renew(args) => renew::run(context, args),
        TlsCommand::Csr(args) => csr::run(context, args),
        TlsCommand::Sign(args) => sign::run(context, args),
        TlsCommand::Install(args) => install::run(context, args),
    }
}

/// This machine, as root: a pair that is made in a tree would be shared by its copies.
fn here(context: &Context, command: &str) -> Result<(Host, Policies, Facts), Trouble> {
    let (host, policies, facts) = context.look_as_root(command)?;
    if !host.is_live_root() {
        let root = host.root().display();
        return Err(Trouble(format!(
            "{command}: {root} is a tree, and copies of it would share a private key: run it on the host itself, after its first boot"
        )));
    }
    Ok((host, policies, facts))
}

/// The instances whose pair is ours to write; an instance that is named must be one.
fn chosen<'a>(policies: &'a Policies, named: Option<&Name>) -> Result<Vec<&'a Policy>, Trouble> {
    let all = policies.instances.iter();
    let all: Vec<&Policy> = all
        .filter(|p| named.is_none_or(|n| *n == p.redis.name))
        .collect();
    if let (Some(name), []) = (named, all.as_slice()) {
        return Err(Trouble(format!("the policy has no instance {name}")));
    }
    let (ours, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|p| p.has_own_pair());
    match (ours.is_empty(), others.first()) {
        (true, Some(other)) => Err(Trouble(format!(
            "{} has its certificate in {}, which the policy names: whoever issues it puts it there, and redis-harden apply has the server take it",
            other.redis.name,
            other.tls_cert().display()
        ))),
        _ => {
            // Where TLS is on for some, it is about them.
            let on: Vec<&Policy> = ours.iter().copied().filter(|p| p.tls.enabled).collect();
            Ok(if on.is_empty() { ours } else { on })
        }
    }
}

/// The same where it can be only one.
fn only<'a>(policies: &'a Policies, named: Option<&Name>) -> Result<&'a Policy, Trouble> {
    match chosen(policies, named)?.as_slice() {
        [one] => Ok(one),
        several => {
            let names = several.iter().map(|p| p.redis.name.to_string());
            let names: Vec<String> = names.collect();
            Err(Trouble(format!("name the instance: {}", names.join(", "))))
        }
    }
}

/// The authority, or where it may be.
fn authority(host: &Host, dir: &Path) -> Result<Authority, Trouble> {
    let none = || {
        Trouble(format!(
            "there is no authority in {}: redis-harden tls init makes one; where it is on another machine: tls csr here, tls sign there, tls install here",
            dir.display()
        ))
    };
    Place::at(dir).open(host)?.ok_or_else(none)
}

/// A path of the caller's, wherever we are.
fn absolute(path: &Path) -> Result<PathBuf, Trouble> {
    super::absolute(path)
}

/// A file of the caller's that must be there.
fn given(host: &Host, path: &Path) -> Result<Vec<u8>, Trouble> {
    let path = absolute(path)?;
    let none = || Trouble(format!("there is no {}", path.display()));
    host.read(&path)?.ok_or_else(none)
}

/// Whoever makes files: root, or on a machine that only signs its user.
fn maker(host: &Host) -> (u32, u32) {
    (host.euid(), nix::unistd::getegid().as_raw())
}

/// Names that clients could ask for.
fn names_are_names(names: &[String]) -> Result<(), Trouble> {
    match names.iter().find(|name| !pki::is_name(name)) {
        Some(name) => Err(Trouble(format!(
            "--name {name:?}: it is neither an address nor the name of a host"
        ))),
        None => Ok(()),
    }
}

/// Makes the directories that are ours and missing, and removes what a killed run has left in them.
fn make_ground(host: &Host) -> HostResult<()> {
    for dir in ["/etc/redis-harden", DIRECTORY] {
        if host.stat(Path::new(dir))?.is_none() {
            host.make_dir(Path::new(dir), 0o755, 0, 0)?;
        }
    }
    journal::sweep_in(host, &pki::DIRECTORIES.map(PathBuf::from))
}

/// A pair that is to be a server's, and the authorities that it is to trust, where they change.
struct New<'a> {
    /// Certificates and key, in PEM.
    pair: &'a [u8],
    ca: Option<&'a [u8]>,
}

/// Puts them into the instance's files, and has a running server take them. What it does not take is not left there.
/// What became of it, for a person.
fn put(host: &Host, facts: &Facts, policy: &Policy, new: &New) -> Result<String, Trouble> {
    let name = policy.redis.name.as_str();
    let (pair, ca) = (policy.tls_cert(), policy.tls_ca());
    pki::check(new.pair, new.pair, host.now())
        .map_err(|why| Trouble(format!("{name} keeps the certificate that it has: {why}")))?;
    let gid = facts.accounts.gid(policy.group()).unwrap_or(0);
    let before = [host.image(&pair)?, host.image(&ca)?];
    let written = write(host, policy, new, gid);
    let sight = Sight::new(host, facts);
    let taken = written.and_then(|()| take_up(sight, name, &pair));
    let taken = match taken {
        Ok(taken) => taken,
        Err(e) => return Err(back(sight, policy, &before, &e)),
    };
    let fingerprint = pki::fingerprint(new.pair).unwrap_or_default();
    let until = pki::until(new.pair).map(day).unwrap_or_default();
    let what = format!("{name} has another certificate, until {until}: sha256 {fingerprint}");
    journal::note(host, "tls", &what);
    Ok(match taken {
        Taken::Served => format!(
            "{name} serves it now, until {until}, with every connection kept: sha256 {fingerprint}"
        ),
        Taken::NotRunning => format!(
            "{name} has it in {}, until {until}: sha256 {fingerprint}",
            pair.display()
        ),
        Taken::NotTold => format!(
            "{name} has it in {}, until {until}, and does not speak TLS by it yet: redis-harden apply",
            pair.display()
        ),
    })
}

fn write(host: &Host, policy: &Policy, new: &New, gid: u32) -> HostResult<()> {
    make_ground(host)?;
    // One that the policy names is somebody else's.
    if let (Some(text), Auto::Auto) = (new.ca, &policy.tls.ca) {
        host.write_file(&policy.tls_ca(), text, 0o644, 0, 0)?;
    }
    host.write_file(&policy.tls_cert(), new.pair, 0o640, 0, gid)
}

/// Puts back what was there, and has the server read that again: it may have taken half.
fn back(sight: Sight, policy: &Policy, before: &[Image; 2], why: &HostError) -> Trouble {
    let (pair, ca) = (policy.tls_cert(), policy.tls_ca());
    let [old, old_ca] = before;
    // Where nothing could be written, what was there still is: a disk that is full takes no second copy of it either.
    let is_there = |path: &Path, old: &Image| sight.host.image(path).is_ok_and(|now| now == *old);
    let put = |path: &Path, old: &Image| match is_there(path, old) {
        true => Ok(()),
        false => sight.host.put(path, old),
    };
    let restored = put(&pair, old).and_then(|()| put(&ca, old_ca));
    let name = &policy.redis.name;
    match (restored, old) {
        (Err(e), _) => Trouble(format!("{why}; and what was there is not back: {e}")),
        (Ok(()), Image::Absent) => Trouble(format!("{why}; nothing is left of it")),
        (Ok(()), _) => match take_up(sight, name.as_str(), &pair) {
            Ok(_) => Trouble(format!("{why}; {name} keeps the certificate that it had")),
            Err(e) => Trouble(format!("{why}; its former certificate is back, and: {e}")),
        },
    }
}

/// A day, as a certificate's end is told.
fn day(at: jiff::Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// PEM texts after each other, each ending its line.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut whole = Vec::new();
    for part in parts {
        whole.extend_from_slice(part);
        if !whole.ends_with(b"\n") {
            whole.push(b'\n');
        }
    }
    whole
}
