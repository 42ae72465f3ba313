//! The certificates of a server, as files: what its peers will find in them. The words of OpenSSL's own judgement are followed,
//! since it is OpenSSL that Redis and its peers ask.

mod contents;
mod purpose;
mod strength;

use super::{Blank, COMPLETE, Tls, chain, handshake, key, of_speaker, words};
use crate::setting::{Reading, Sight};
use crate::value::Value;
use contents::{count, names};
pub(crate) use contents::{issued_by, parse};
pub use contents::{issuer, names_in};
pub(super) use contents::{load, pem};
use purpose::is_taken_for;
pub(crate) use purpose::serves;
pub(super) use purpose::{limits_names, may_issue};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
pub use strength::weakness;
use x509_parser::prelude::X509Certificate;

const DAY: i64 = 86_400;

/// Which of a server's certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The one that it shows to clients: `tls-cert-file`.
    Server,
    /// The one that it shows to its master and to other nodes: `tls-client-cert-file`, else the same.
    Client,
}

/// Something of a certificate or its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateFact {
    /// How many certificates its file holds. `Value::Int`.
    Count,
    /// Whole days until it, or one above it, expires. `Value::Int`.
    DaysLeft,
    /// Whole days since it became valid. `Value::Int`, negative before.
    DaysValid,
    /// Whether the private key is its own. `Value::Flag`.
    KeyMatches,
    /// What lets others than Redis read the key. `Value::Words`, or nothing.
    KeyExposed,
    /// `complete` where issuers lead to an authority of the server's, else where that ends. `Value::Text`.
    Chain,
    /// Whether peers take it for its role. `Value::Flag`.
    Usage,
    /// The names and addresses that it is for. `Value::Words`, or nothing.
    Names,
    /// The name that a client has asked for where it is for that, else those that it is for. `Value::Text`, or nothing.
    NameAsked,
    /// Keys and signatures that can be forged. `Value::Words`, or nothing.
    Weakness,
}

impl CertificateFact {
    /// Whether a handshake shows it.
    pub fn is_shown(self) -> bool {
        !matches!(
            self,
            CertificateFact::Count | CertificateFact::KeyMatches | CertificateFact::KeyExposed
        )
    }
}

impl fmt::Display for CertificateFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CertificateFact::Count => "certificates in its file",
            CertificateFact::DaysLeft => "days until it expires",
            CertificateFact::DaysValid => "days since it became valid",
            CertificateFact::KeyMatches => "matches its key",
            CertificateFact::KeyExposed => "exposure of its key",
            CertificateFact::Chain => "chain",
            CertificateFact::Usage => "is taken for its role",
            CertificateFact::Names => "names",
            CertificateFact::NameAsked => "name that was asked for",
            CertificateFact::Weakness => "weak keys and signatures",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Server => "certificate",
            Role::Client => "client certificate",
        })
    }
}

/// A fact of one of the instance's certificates, and the file that it is in.
pub fn read(sight: Sight, instance: &str, role: Role, what: CertificateFact) -> Reading {
    if sight.facts.elsewhere {
        return match judge_shown(sight, instance, role, what) {
            Ok(Some(value)) => Reading::Value(value, None),
            Ok(None) => Reading::Absent,
            Err(blank) => blank.into(),
        };
    }
    let judged = of_speaker(sight.facts, instance).and_then(|tls| {
        let path = match what {
            CertificateFact::KeyExposed => tls.named(directives(&tls, role).1)?,
            _ => tls.named(directives(&tls, role).0)?,
        };
        Ok((judge(sight, &tls, role, what, &path)?, path))
    });
    match judged {
        Ok((Some(value), path)) => Reading::Value(value, Some(path.display().to_string())),
        Ok((None, _)) => Reading::Absent,
        Err(blank) => blank.into(),
    }
}

/// The files that a role's certificate and key are in.
fn directives(tls: &Tls, role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Client if !tls.text("tls-client-cert-file").is_empty() => {
            ("tls-client-cert-file", "tls-client-key-file")
        }
        _ => ("tls-cert-file", "tls-key-file"),
    }
}

fn judge(
    sight: Sight,
    tls: &Tls,
    role: Role,
    what: CertificateFact,
    path: &Path,
) -> Result<Option<Value>, Blank> {
    let host = sight.host;
    let now = host.now().as_second();
    match what {
        CertificateFact::Count => return count(host, path),
        CertificateFact::KeyExposed => return key::exposure(sight, path),
        _ => {}
    }
    let ders = load(host, path)?;
    looking(&ders, &path.display(), |leaf, above| match what {
        CertificateFact::KeyMatches => {
            let key = tls.named(directives(tls, role).1)?;
            Ok(Some(Value::Flag(key::matches(host, &key, leaf)?)))
        }
        CertificateFact::Chain => {
            let end = chain::end(host, tls, role, (leaf, above), now)?;
            Ok(Some(Value::text(end)))
        }
        _ => in_itself(what, role, (leaf, above), now),
    })
}

/// The same of what a server elsewhere has shown.
fn judge_shown(
    sight: Sight,
    instance: &str,
    role: Role,
    what: CertificateFact,
) -> Result<Option<Value>, Blank> {
    let handshake = handshake(sight.facts, instance)?;
    let shown = &handshake.shown;
    if what == CertificateFact::Chain {
        let broken = shown.broken.as_ref().map(|why| format!("broken: {why}"));
        return Ok(Some(Value::text(broken.as_deref().unwrap_or(COMPLETE))));
    }
    let now = sight.host.now().as_second();
    looking(
        &shown.certificates,
        &"the handshake",
        |leaf, above| match what {
            CertificateFact::NameAsked if shown.is_for_name => {
                Ok(Some(Value::text(&handshake.name)))
            }
            CertificateFact::NameAsked => {
                let names = names(leaf)?.join(" ");
                Ok((!names.is_empty()).then_some(Value::Text(names)))
            }
            _ => in_itself(what, role, (leaf, above), now),
        },
    )
}

/// What certificates say in themselves, wherever they were found.
fn in_itself(
    what: CertificateFact,
    role: Role,
    (leaf, above): (&X509Certificate, &[X509Certificate]),
    now: i64,
) -> Result<Option<Value>, Blank> {
    match what {
        CertificateFact::DaysLeft => {
            let ends = above.iter().map(|c| c.validity().not_after.timestamp());
            let first = ends.fold(leaf.validity().not_after.timestamp(), i64::min);
            Ok(days(first.saturating_sub(now)))
        }
        CertificateFact::DaysValid => {
            let start = leaf.validity().not_before.timestamp();
            Ok(days(now.saturating_sub(start)))
        }
        CertificateFact::Usage => Ok(Some(Value::Flag(is_taken_for(leaf, role)?))),
        CertificateFact::Names => Ok(words(names(leaf)?)),
        CertificateFact::Weakness => {
            let mut weak = weakness(leaf)?;
            for certificate in above {
                weak.extend(weakness(certificate)?);
            }
            Ok(words(weak))
        }
        other => Err(Blank::NotApplicable(format!(
            "a certificate alone does not tell: {other}"
        ))),
    }
}

/// Whole days, rounded down, as a value.
fn days(seconds: i64) -> Option<Value> {
    Some(Value::Int(seconds.div_euclid(DAY)))
}

/// Looks at certificates in DER: the server's own, and those above it.
fn looking(
    ders: &[Vec<u8>],
    place: &dyn fmt::Display,
    look: impl FnOnce(&X509Certificate, &[X509Certificate]) -> Result<Option<Value>, Blank>,
) -> Result<Option<Value>, Blank> {
    let all: Result<Vec<_>, _> = ders.iter().map(|der| parse(der)).collect();
    let all = all.map_err(|e| Blank::Unknown(format!("{place}: {e}")))?;
    match all.split_first() {
        Some((leaf, above)) => look(leaf, above),
        None => Err(Blank::Unknown(format!("{place} holds no certificate"))),
    }
}
