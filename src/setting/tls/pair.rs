//! The files that `[tls]` of a policy names, before any server reads them: whether one could start on them, and be taken.

use super::certificate;
use super::{Blank, unfit};
use crate::host::Host;
use crate::policy::Policy;
use crate::setting::Sight;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Files that a server can start on, and clients take.
pub const READY: &str = "ready";

/// What a server that speaks TLS reads.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Its certificate, and those above it.
    #[serde(rename = "tls-cert")]
    pub cert: PathBuf,
    /// The certificate's key.
    #[serde(rename = "tls-key")]
    pub key: PathBuf,
    /// The authorities that it trusts.
    #[serde(rename = "tls-ca")]
    pub ca: PathBuf,
}

impl Files {
    /// Those of the policy.
    pub fn of(policy: &Policy) -> Files {
        Files {
            cert: policy.tls_cert(),
            key: policy.tls_key(),
            ca: policy.tls_ca(),
        }
    }
}

/// `ready`, or what is wrong with them.
pub(super) fn judge(sight: Sight, instance: &str) -> Result<Option<Value>, Blank> {
    let none = || Blank::NotApplicable(format!("the policy has no instance {instance}"));
    let known = sight.facts.instances.get(instance).ok_or_else(none)?;
    if !known.policy.tls.enabled {
        return Err(Blank::NotApplicable("tls.enabled is false".to_owned()));
    }
    let wrong = wrong(sight.host, &Files::of(&known.policy))?;
    let text = wrong.map_or_else(|| READY.to_owned(), |why| format!("not {READY}: {why}"));
    Ok(Some(Value::Text(text)))
}

/// What keeps a server from starting on such files, or its clients from taking it.
pub(crate) fn wrong(host: &Host, files: &Files) -> Result<Option<String>, Blank> {
    let Files { cert, key, ca } = files;
    for path in [cert, key, ca] {
        if host.stat_target(path)?.is_none() {
            return Ok(Some(format!("there is no {}", path.display())));
        }
    }
    if certificate::load(host, ca)?.is_empty() {
        return Ok(Some(no_certificate(ca)));
    }
    let ders = certificate::load(host, cert)?;
    let Some(der) = ders.first() else {
        return Ok(Some(no_certificate(cert)));
    };
    let broken = |why| Blank::Unknown(format!("{}: {why}", cert.display()));
    let leaf = certificate::parse(der).map_err(broken)?;
    if let Some(why) = unfit(host, cert, key) {
        return Ok(Some(format!("{} {why}", cert.display())));
    }
    let taken = certificate::serves(&leaf)?;
    Ok((!taken).then(|| format!("{} is not for servers", cert.display())))
}

fn no_certificate(path: &Path) -> String {
    format!("{} holds no certificate", path.display())
}

/// How they come to be there.
pub fn step(policy: &Policy) -> &'static str {
    match policy.has_own_pair() {
        true if policy.has_peers() => {
            "redis-harden tls csr here, tls sign where the authority is, tls install here"
        }
        true => "redis-harden tls init makes them",
        false => "the policy names them: have whoever issues them put them there",
    }
}
