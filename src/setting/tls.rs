//! TLS as the running server was told to speak it: with whom, how, and whether what it serves is what its file holds.
//! The certificates are judged in `certificate.rs`. Nothing of this is read where TLS is off.

pub mod certificate;
mod chain;
mod files;
mod key;

use super::{Reading, Sight};
use crate::facts::{Facts, View};
use crate::redis::served;
use crate::value::Value;
pub use chain::COMPLETE;
pub use files::Tls;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

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
}

impl fmt::Display for TlsFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsFact::PlainAddresses => "addresses in clear text",
            TlsFact::Authorities => "certificates of authorities",
            TlsFact::OldProtocols => "retired versions of TLS",
            TlsFact::WeakCiphers => "weak ciphers",
            TlsFact::ServesItsFile => "serves the certificate of its file",
        })
    }
}

/// What the running server was told.
pub fn of<'a>(facts: &'a Facts, instance: &str) -> Result<Tls<'a>, Reading> {
    let known = facts.instances.get(instance).map(|known| &known.view);
    match known {
        None | Some(View::NotRunning) => {
            Err(Reading::NotApplicable(format!("{instance} is not running")))
        }
        Some(View::Silent(why)) => Err(Reading::Unknown(why.clone())),
        Some(View::Told(told)) => Ok(Tls::of(&told.directives)),
    }
}

/// The same where TLS is on.
fn of_speaker<'a>(facts: &'a Facts, instance: &str) -> Result<Tls<'a>, Reading> {
    let tls = of(facts, instance)?;
    match tls.is_on() {
        true => Ok(tls),
        false => Err(Reading::NotApplicable("TLS is off".into())),
    }
}

/// A fact of how the instance's server speaks TLS.
pub fn read(sight: Sight, instance: &str, what: TlsFact) -> Reading {
    let tls = match what {
        TlsFact::PlainAddresses => of(sight.facts, instance),
        _ => of_speaker(sight.facts, instance),
    };
    let tls = match tls {
        Ok(tls) => tls,
        Err(why) => return why,
    };
    match what {
        TlsFact::PlainAddresses => words(tls.plain_addresses()),
        TlsFact::Authorities => authorities(sight, &tls),
        TlsFact::OldProtocols => words(old_protocols(tls.text("tls-protocols"))),
        TlsFact::WeakCiphers => {
            let mut weak = weak_ciphers(tls.text("tls-ciphers"));
            weak.extend(weak_ciphers(tls.text("tls-ciphersuites")));
            words(weak)
        }
        TlsFact::ServesItsFile => serves_its_file(sight, &tls),
    }
}

fn authorities(sight: Sight, tls: &Tls) -> Reading {
    match chain::authorities(sight.host, tls) {
        Ok(found) => {
            let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
            Reading::Value(Value::Int(count), None)
        }
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// Empty means what the server's build has: TLS 1.2 and 1.3 since 6.0 (src/tls.c, REDIS_TLS_PROTO_DEFAULT).
fn old_protocols(protocols: &str) -> Vec<String> {
    let old = |word: &&str| OLD.contains(&word.to_ascii_lowercase().as_str());
    let words = protocols.split_whitespace().filter(old);
    words.map(str::to_owned).collect()
}

/// The weak words that a list of ciphers adds: `!`, `-` and `+` add none.
fn weak_ciphers(list: &str) -> Vec<String> {
    let words = list.split([':', ',', ' ']);
    let added = words.filter(|word| !word.starts_with(['!', '-', '+']));
    let is_weak = |word: &&str| {
        let mut parts = word.trim_start_matches('@').split(['-', '+', '_']);
        parts.any(|part| WEAK.contains(&part))
    };
    added.filter(is_weak).map(str::to_owned).collect()
}

fn serves_its_file(sight: Sight, tls: &Tls) -> Reading {
    let Some(port) = tls.port() else {
        return Reading::NotApplicable("tls-port is 0".into());
    };
    if !sight.host.is_live_root() {
        return Reading::NotApplicable("there is no server below another root".into());
    }
    let Some(path) = tls.path("tls-cert-file") else {
        return Reading::NotApplicable("tls-cert-file is not set".into());
    };
    let file = match certificate::load(sight.host, &path) {
        Ok(file) => file,
        Err(why) => return why,
    };
    let address = tls.own_address();
    match served::certificate(&address, port) {
        Ok(served) => Reading::Value(
            Value::Flag(file.first() == Some(&served)),
            Some(format!("{address} port {port} and {}", path.display())),
        ),
        Err(e) => Reading::Unknown(format!("a TLS handshake with {address} port {port}: {e}")),
    }
}

fn words(found: Vec<String>) -> Reading {
    match found.is_empty() {
        true => Reading::Absent,
        false => Reading::Value(Value::Words(found), None),
    }
}

/// A value that was read from a file.
fn from(path: &Path, value: Value) -> Reading {
    Reading::Value(value, Some(path.display().to_string()))
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
