//! `tls install`: what an authority has signed becomes the server's. Also what certbot and step call once they have renewed.

use super::csr::waiting;
use super::{Context, New, Outcome, PATIENCE, Trouble, given, here, joined, only, put};
use crate::cli::tls::Install;
use crate::commands::print;
use crate::host::Host;
use crate::journal;
use crate::pki;
use crate::policy::{Auto, Policy};
use crate::setting::tls::certificate::parse;

/// Judged before it is written: a pair that clients would refuse changes nothing.
pub fn run(context: &Context, args: &Install) -> Outcome {
    let (host, policies, facts) = here(context, "tls install")?;
    let policy = only(&policies, args.instance.as_ref())?;
    let _lock = journal::lock(&host, "tls install", PATIENCE)?;
    let certificate = given(&host, &args.certificate)?;
    let (key, waited) = key(&host, policy, args, &certificate)?;
    let ca = args.ca_cert.as_deref().map(|path| given(&host, path));
    let ca = ca.transpose()?;
    knows_authorities(&host, policy, ca.as_deref())?;
    pki::check(&certificate, &key, host.now()).map_err(|why| {
        Trouble(format!(
            "{}: {why}; {} keeps what it has",
            args.certificate.display(),
            policy.redis.name
        ))
    })?;
    let whole = match pki::parts(&certificate).1 {
        Some(_) => certificate,
        None => joined(&[&certificate, &key]),
    };
    let new = New {
        pair: &whole,
        ca: ca.as_deref(),
    };
    let told = put(&host, &facts, policy, &new)?;
    if waited {
        host.remove(&waiting(policy))?;
    }
    print(&format!("{told}\n"))?;
    Ok(0)
}

/// The key that was named, one in the same file, or the one that waits; and whether it was that.
fn key(
    host: &Host,
    policy: &Policy,
    args: &Install,
    certificate: &[u8],
) -> Result<(Vec<u8>, bool), Trouble> {
    if let Some(path) = &args.key {
        return Ok((given(host, path)?, false));
    }
    if pki::parts(certificate).1.is_some() {
        return Ok((certificate.to_vec(), false));
    }
    match host.read(&waiting(policy))? {
        Some(key) => Ok((key, true)),
        None => Err(Trouble(format!(
            "no key of {} waits for a certificate: --key FILE names it (redis-harden tls csr makes one)",
            policy.redis.name
        ))),
    }
}

/// A server that nobody has told whom to trust does not start.
fn knows_authorities(host: &Host, policy: &Policy, new: Option<&[u8]>) -> Result<(), Trouble> {
    let path = policy.tls_ca();
    if new.is_some() && policy.tls.ca != Auto::Auto {
        return Err(Trouble(format!(
            "--ca-cert: the policy names the authorities, in {}: put them there",
            path.display()
        )));
    }
    let (text, place) = match new {
        Some(text) => (Some(text.to_vec()), "--ca-cert".to_owned()),
        None => (host.read(&path)?, path.display().to_string()),
    };
    let ders = text
        .as_deref()
        .map_or_else(Vec::new, |text| pki::parts(text).0);
    if let Some(Err(why)) = ders.iter().map(|der| parse(der)).find(Result::is_err) {
        return Err(Trouble(format!("{place}: {why}")));
    }
    match (ders.len(), new) {
        (0, None) => Err(Trouble(format!(
            "no authority is in {place}, by which clients are verified: --ca-cert FILE names it"
        ))),
        (0, Some(_)) => Err(Trouble(format!("{place}: it holds no certificate in PEM"))),
        _ => Ok(()),
    }
}
