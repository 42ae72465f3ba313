//! `tls init`: a private authority, and by it the server's certificate.

use super::{
    Context, New, Outcome, PATIENCE, Trouble, absolute, chosen, day, here, joined, make_ground,
    maker, names_are_names, put,
};
use crate::cli::tls::Init;
use crate::commands::print;
use crate::facts::Facts;
use crate::host::Host;
use crate::journal;
use crate::pki::{self, Authority, Place, Uses};
use crate::policy::Policy;
use std::path::Path;

/// What is there stays, unless it is forced: a second run changes nothing.
pub fn run(context: &Context, args: &Init) -> Outcome {
    names_are_names(&args.names)?;
    let dir = absolute(&args.at.ca)?;
    if args.authority_only {
        let host = context.host()?;
        if dir == Path::new(pki::AUTHORITY) {
            crate::commands::must_be_root(&host, "tls init")?;
            make_ground(&host)?;
        }
        let (_, text) = found(&host, &dir, &hostname(&host)?, args)?;
        print(&text)?;
        return Ok(0);
    }
    let (host, policies, facts) = here(context, "tls init")?;
    let policies = chosen(&policies, None)?;
    let _lock = journal::lock(&host, "tls init", PATIENCE)?;
    make_ground(&host)?;
    trusts_another(&host, &dir, &policies, args)?;
    let (authority, mut text) = found(&host, &dir, &facts.hostname, args)?;
    for policy in &policies {
        text.push_str(&pair(&host, &facts, policy, &authority, args)?);
    }
    text.push_str(&next(&policies));
    print(&text)?;
    Ok(0)
}

fn hostname(host: &Host) -> Result<String, Trouble> {
    let name = host.read_text(Path::new("/etc/hostname"))?;
    Ok(name.map_or_else(|| "redis".to_owned(), |name| name.trim().to_owned()))
}

/// The authority that is there, else a new one.
fn found(
    host: &Host,
    dir: &Path,
    hostname: &str,
    args: &Init,
) -> Result<(Authority, String), Trouble> {
    let place = Place::at(dir);
    if !args.force
        && let Some(authority) = place.open(host)?
    {
        let text = format!("the authority in {} stays\n", dir.display());
        return Ok((authority, text));
    }
    let name = format!("redis-harden CA of {hostname} {}", day(host.now()));
    let made = pki::found(&name, args.authority_days, host.now())?;
    place.fill(host, &made, maker(host))?;
    let what = format!("an authority was made in {}", dir.display());
    journal::note(host, "tls init", &what);
    let text = format!(
        "an authority is in {}, until {}: keep ca.key where only root is, and a copy of it apart\n",
        dir.display(),
        pki::until(made.certificate.as_bytes())
            .map(day)
            .unwrap_or_default()
    );
    let opened = Authority::open(&made.certificate, &made.key, host.now())?;
    Ok((opened, text))
}

/// The server may trust an authority that is elsewhere: a new one here would lock its clients out.
fn trusts_another(
    host: &Host,
    dir: &Path,
    policies: &[&Policy],
    args: &Init,
) -> Result<(), Trouble> {
    let own = host.read(&Place::at(dir).certificate())?;
    for policy in policies {
        let ca = policy.tls_ca();
        let trusted = host.read(&ca)?;
        if !args.force && trusted.is_some() && trusted != own {
            return Err(Trouble(format!(
                "{} trusts another authority, in {}: tls csr here and tls sign there renew its certificate; --force begins anew with one of this host's own",
                policy.redis.name,
                ca.display()
            )));
        }
    }
    Ok(())
}

/// The certificate of an instance.
fn pair(
    host: &Host,
    facts: &Facts,
    policy: &Policy,
    authority: &Authority,
    args: &Init,
) -> Result<String, Trouble> {
    let path = policy.tls_cert();
    if !args.force && host.stat(&path)?.is_some() {
        return Ok(format!(
            "{} has a certificate in {}: it stays (redis-harden tls renew)\n",
            policy.redis.name,
            path.display()
        ));
    }
    let names = pki::of_server(host, &facts.hostname, policy, &args.names)?;
    let made = authority.issue(Uses::Server, &names, args.term.days, host.now())?;
    let whole = joined(&[made.certificate.as_bytes(), made.key.as_bytes()]);
    let new = New {
        pair: &whole,
        ca: Some(authority.certificate.as_bytes()),
    };
    let told = put(host, facts, policy, &new)?;
    Ok(format!("{told}\n  for {}\n", names.join(" ")))
}

fn next(policies: &[&Policy]) -> String {
    let mut text = String::new();
    if policies.iter().any(|p| p.has_peers()) {
        text.push_str(
            "there are several hosts: move the authority to a machine that serves nobody, and sign there (tls csr, tls sign, tls install)\n",
        );
    }
    text.push_str(match policies.iter().any(|p| p.tls.enabled) {
        true => "next: redis-harden apply; a client's certificate: redis-harden tls issue NAME\n",
        false => "next: enabled = true under [tls] in the policy, then redis-harden apply\n",
    });
    text
}
