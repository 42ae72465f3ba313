//! TLS as the running server was told to speak it: with whom, how, and whether what it serves is what its file holds.
//! The certificates are judged in `certificate.rs`. Nothing of this is read where TLS is off.

pub mod certificate;
mod chain;
mod files;
pub(crate) mod key;
pub mod pair;
mod reload;

use super::{Reading, Sight};
use crate::facts::{Facts, View};
use crate::host::{Host, HostError};
use crate::redis::remote::{Handshake, Takes};
use crate::redis::{Told, served};
use crate::value::Value;
pub use chain::COMPLETE;
pub use files::Tls;
pub(super) use reload::reload;
pub(crate) use reload::{Taken, take_up};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use x509_parser::error::X509Error;

/// Versions that RFC 8996 retired, and SSL.
const OLD: [&str; 5] = ["tlsv1", "tlsv1.0", "tlsv1.1", "sslv2", "sslv3"];

/// Words of OpenSSL's cipher lists that encrypt nothing, prove nobody's identity, or have been broken (ciphers(1)).
const WEAK: [&str; 18] = [
    "NULL",
    "eNULL",
    "aNULL",
    "ADH",
    "AECDH",
    "EXP",
    "EXPORT",
    "EXPORT40",
    "EXPORT56",
    "LOW",
    "RC2",
    "RC4",
    "DES",
    "3DES",
    "CBC3",
    "MD5",
    "SECLEVEL=0",
    "COMPLEMENTOFALL",
];

/// Something of how a server speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsFact {
    /// Addresses beyond this host where it answers in clear text. `Value::Words`, or nothing; also where TLS is off.
    PlainAddresses,
    /// How many certificates of authorities its file or directory holds. `Value::Int`.
    Authorities,
    /// Versions that are retired. `Value::Words`, or nothing.
    OldProtocols,
    /// Words of its list of ciphers that weaken it. `Value::Words`, or nothing.
    WeakCiphers,
    /// Whether the certificate that it serves is the one in its file. `Value::Flag`.
    ServesItsFile,
    /// The version that it chose of those we offered. `Value::Text`.
    Version,
    /// Whether it asks its clients for a certificate. `Value::Flag`.
    AsksClients,
    /// Whether a server could start on the files of `[tls]`: `ready`, or what is wrong with them. `Value::Text`.
    Pair,
}

impl TlsFact {
    /// Whether more is asked than what the server tells to any client that may ask.
    pub fn is_of_the_host(self) -> bool {
        matches!(
            self,
            TlsFact::Authorities | TlsFact::ServesItsFile | TlsFact::Pair
        )
    }
}

impl fmt::Display for TlsFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsFact::PlainAddresses => "addresses in clear text",
            TlsFact::Authorities => "certificates of authorities",
            TlsFact::OldProtocols => "retired versions of TLS",
            TlsFact::WeakCiphers => "weak ciphers",
            TlsFact::ServesItsFile => "serves the certificate of its file",
            TlsFact::Version => "version of TLS",
            TlsFact::AsksClients => "asks clients for a certificate",
            TlsFact::Pair => "files of [tls]",
        })
    }
}

/// Why there is nothing to judge.
#[derive(Debug)]
pub enum Blank {
    NotApplicable(String),
    Unknown(String),
}

impl From<Blank> for Reading {
    fn from(blank: Blank) -> Reading {
        match blank {
            Blank::NotApplicable(why) => Reading::NotApplicable(why),
            Blank::Unknown(why) => Reading::Unknown(why),
        }
    }
}

impl From<HostError> for Blank {
    fn from(error: HostError) -> Blank {
        Blank::Unknown(error.to_string())
    }
}

impl From<X509Error> for Blank {
    fn from(error: X509Error) -> Blank {
        Blank::Unknown(format!("an extension of the certificate: {error}"))
    }
}

/// A fact of how the instance's server speaks TLS.
pub fn read(sight: Sight, instance: &str, what: TlsFact) -> Reading {
    match judge(sight, instance, what) {
        Ok(Some(value)) => Reading::Value(value, None),
        Ok(None) => Reading::Absent,
        Err(blank) => blank.into(),
    }
}

fn judge(sight: Sight, instance: &str, what: TlsFact) -> Result<Option<Value>, Blank> {
    let facts = sight.facts;
    match what {
        TlsFact::PlainAddresses => Ok(words(of(facts, instance)?.plain_addresses())),
        TlsFact::Authorities => {
            let found = chain::authorities(sight.host, &of_speaker(facts, instance)?)?;
            let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
            Ok(Some(Value::Int(count)))
        }
        TlsFact::OldProtocols => {
            if let Some(takes) = takes(facts, instance) {
                return taken(&takes.version);
            }
            let tls = of_speaker(facts, instance)?;
            Ok(words(old_protocols(tls.text("tls-protocols"))))
        }
        TlsFact::WeakCiphers => {
            if let Some(takes) = takes(facts, instance) {
                return taken(&takes.suite);
            }
            let tls = of_speaker(facts, instance)?;
            let lists = ["tls-ciphers", "tls-ciphersuites"].map(|name| tls.text(name));
            Ok(words(lists.into_iter().flat_map(weak_ciphers).collect()))
        }
        TlsFact::ServesItsFile => {
            let serves = serves_its_file(sight, &of_speaker(facts, instance)?)?;
            Ok(Some(Value::Flag(serves)))
        }
        TlsFact::Version => Ok(Some(Value::text(&handshake(facts, instance)?.version))),
        TlsFact::AsksClients => Ok(Some(Value::Flag(handshake(facts, instance)?.asks))),
        TlsFact::Pair => pair::judge(sight, instance),
    }
}

/// What the running server was told.
fn of<'a>(facts: &'a Facts, instance: &str) -> Result<Tls<'a>, Blank> {
    let told = told(facts, instance)?;
    match &told.unconfigured {
        Some(why) => Err(Blank::Unknown(format!("CONFIG GET: {why}"))),
        None => Ok(Tls::of(&told.directives)),
    }
}

/// How a server elsewhere spoke TLS with us.
fn handshake<'a>(facts: &'a Facts, instance: &str) -> Result<&'a Handshake, Blank> {
    let why = "it was asked in clear text: rediss:// shows how it speaks TLS";
    let seen = told(facts, instance)?.handshake.as_ref();
    seen.ok_or_else(|| Blank::NotApplicable(why.to_owned()))
}

/// What a server elsewhere took when it was offered nothing better, where that was tried.
fn takes<'a>(facts: &'a Facts, instance: &str) -> Option<&'a Takes> {
    // Where there was no handshake, CONFIG is asked.
    handshake(facts, instance).ok()?.takes.as_ref()
}

fn taken(answer: &Result<Option<&'static str>, String>) -> Result<Option<Value>, Blank> {
    let unknown = |why: &String| Blank::Unknown(format!("offering it to the server: {why}"));
    let taken = answer.as_ref().map_err(unknown)?;
    Ok(words(taken.map(str::to_owned).into_iter().collect()))
}

fn told<'a>(facts: &'a Facts, instance: &str) -> Result<&'a Told, Blank> {
    let known = facts.instances.get(instance).map(|known| &known.view);
    match known {
        None | Some(View::NotRunning) => {
            Err(Blank::NotApplicable(format!("{instance} is not running")))
        }
        Some(View::Silent(why)) => Err(Blank::Unknown(why.clone())),
        Some(View::Told(told)) => Ok(told),
    }
}

/// The same where TLS is on.
fn of_speaker<'a>(facts: &'a Facts, instance: &str) -> Result<Tls<'a>, Blank> {
    let tls = of(facts, instance)?;
    match tls.is_on() {
        true => Ok(tls),
        false => Err(Blank::NotApplicable("TLS is off".into())),
    }
}

/// Empty means what the server's build has: TLS 1.2 and 1.3 since 6.0 (src/tls.c, REDIS_TLS_PROTO_DEFAULT).
fn old_protocols(protocols: &str) -> Vec<String> {
    let old = |word: &&str| OLD.contains(&word.to_ascii_lowercase().as_str());
    let words = protocols.split_whitespace().filter(old);
    words.map(str::to_owned).collect()
}

/// The weak words that a list of ciphers adds: `!`, `-` and `+` add none.
pub(crate) fn weak_ciphers(list: &str) -> Vec<String> {
    let words = list.split([':', ',', ' ']);
    let added = words.filter(|word| !word.starts_with(['!', '-', '+']));
    let is_weak = |word: &&str| {
        let mut parts = word.trim_start_matches('@').split(['-', '+', '_']);
        parts.any(|part| WEAK.contains(&part))
    };
    added.filter(is_weak).map(str::to_owned).collect()
}

/// Why no peer would take a pair that a server is about to start with; of what cannot be read here, the server judges.
pub(crate) fn unfit(host: &Host, certificate: &Path, key: &Path) -> Option<&'static str> {
    let ders = certificate::load(host, certificate).ok()?;
    let leaf = certificate::parse(ders.first()?).ok()?;
    let now = host.now().as_second();
    if key::matches(host, key, &leaf).is_ok_and(|matches| !matches) {
        return Some("has another key than the one beside it");
    }
    if leaf.validity().not_after.timestamp() < now {
        return Some("has expired");
    }
    (leaf.validity().not_before.timestamp() > now).then_some("is not valid yet")
}

/// By a handshake on this host.
fn serves_its_file(sight: Sight, tls: &Tls) -> Result<bool, Blank> {
    let blank = |why: &str| Blank::NotApplicable(why.to_owned());
    let port = tls.port().ok_or_else(|| blank("tls-port is 0"))?;
    if !sight.host.is_live_root() {
        return Err(blank("there is no server below another root"));
    }
    let file = certificate::load(sight.host, &tls.named("tls-cert-file")?)?;
    let address = tls.own_address();
    let served = served::certificate(&address, port, identity(sight, tls))
        .map_err(|e| Blank::Unknown(format!("a TLS handshake with {address} port {port}: {e}")))?;
    let first = file.first();
    let own = first.ok_or_else(|| Blank::Unknown("its file holds no certificate".to_owned()))?;
    Ok(*own == served)
}

/// What the server shows as a client: one that demands a certificate then ends no handshake, nor writes of it into its log.
/// Whoever may not read the key goes without.
fn identity(sight: Sight, tls: &Tls) -> Option<served::Identity> {
    let key = key::content(sight.host, &tls.named("tls-key-file").ok()?).ok()?;
    let certificates = certificate::load(sight.host, &tls.named("tls-cert-file").ok()?).ok()?;
    Some(served::Identity { certificates, key })
}

fn words(found: Vec<String>) -> Option<Value> {
    (!found.is_empty()).then_some(Value::Words(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_cipher_list_adds_is_weak() {
        for good in [
            "",
            "DEFAULT:!MEDIUM",
            "HIGH:!aNULL:!MD5:!3DES",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "TLS_AES_256_GCM_SHA384",
            "DHE-RSA-DESSERT",
        ] {
            assert!(weak_ciphers(good).is_empty(), "{good}");
        }
        for bad in [
            "DES-CBC3-SHA",
            "ECDHE-RSA-RC4-SHA",
            "HIGH:aNULL",
            "NULL-SHA256",
            "EXP-RC4-MD5",
            "ALL:@SECLEVEL=0",
            "kRSA+3DES",
        ] {
            assert_eq!(weak_ciphers(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn retired_versions_are_found_in_any_case() {
        assert!(old_protocols("").is_empty());
        assert!(old_protocols("TLSv1.2 TLSv1.3").is_empty());
        assert_eq!(old_protocols("tlsv1 TLSv1.1 TLSv1.2"), ["tlsv1", "TLSv1.1"]);
    }
}
