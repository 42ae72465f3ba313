//! `tls renew`: a new certificate and key by the authority of this host, taken by the running server.

use super::{
    Context, New, Outcome, PATIENCE, Trouble, absolute, authority, chosen, day, here, joined,
    names_are_names, put,
};
use crate::cli::tls::Renew;
use crate::commands::print;
use crate::facts::Facts;
use crate::host::Host;
use crate::journal;
use crate::pki::{self, Authority, Uses};
use crate::policy::Policy;
use crate::setting::tls::certificate::{issued_by, names_in};

const DAY: i64 = 86_400;

/// Every instance is tried; the first that fails is the error.
pub fn run(context: &Context, args: &Renew) -> Outcome {
    names_are_names(&args.names)?;
    let (host, policies, facts) = here(context, "tls renew")?;
    let policies = chosen(&policies, args.instance.as_ref())?;
    let _lock = journal::lock(&host, "tls renew", PATIENCE)?;
    let mut failed = Vec::new();
    for policy in policies {
        match renew(&host, &facts, policy, args) {
            Ok(told) => print(&told)?,
            Err(Trouble(why)) => failed.push(why),
        }
    }
    match failed.is_empty() {
        true => Ok(0),
        false => Err(Trouble(failed.join("\nredis-harden: "))),
    }
}

fn renew(host: &Host, facts: &Facts, policy: &Policy, args: &Renew) -> Result<String, Trouble> {
    let name = &policy.redis.name;
    let path = policy.tls_cert();
    let Some(old) = host.read(&path)? else {
        return Err(Trouble(format!(
            "there is no {} to be renewed: redis-harden tls init",
            path.display()
        )));
    };
    let until = pki::until(&old);
    if let (Some(within), Some(until)) = (args.within, until) {
        let left = (until.as_second() - host.now().as_second()).div_euclid(DAY);
        if left >= i64::from(within) {
            return Ok(format!("{name}: valid until {}, it stays\n", day(until)));
        }
    }
    let authority = authority(host, &absolute(&args.at.ca)?)?;
    if !args.force {
        is_ours(&old, &authority, policy)?;
    }
    let (ders, _) = pki::parts(&old);
    let mut names = args.names.clone();
    names.extend(ders.first().map(|der| names_in(der)).unwrap_or_default());
    let names = pki::of_server(host, &facts.hostname, policy, &names)?;
    let made = authority.issue(Uses::Server, &names, args.term.days, host.now())?;
    let whole = joined(&[made.certificate.as_bytes(), made.key.as_bytes()]);
    let new = New {
        pair: &whole,
        ca: None,
    };
    Ok(put(host, facts, policy, &new)? + "\n")
}

/// Another's certificate has a renewal of its own, and clients that trust its authority.
fn is_ours(old: &[u8], authority: &Authority, policy: &Policy) -> Result<(), Trouble> {
    let (ders, _) = pki::parts(old);
    let (above, _) = pki::parts(authority.certificate.as_bytes());
    let ours = ders
        .first()
        .zip(above.first())
        .is_some_and(|(leaf, above)| issued_by(leaf, above));
    match ours {
        true => Ok(()),
        false => Err(Trouble(format!(
            "{} has a certificate of another authority than the one in {}: renew it there, and redis-harden tls install; --force takes one of this authority's instead",
            policy.redis.name,
            pki::AUTHORITY
        ))),
    }
}
