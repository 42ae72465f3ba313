//! The certificates of a server, as files: what its peers will find in them. The words of OpenSSL's own judgement are followed,
//! since it is OpenSSL that Redis and its peers ask.

use super::{Blank, COMPLETE, Tls, chain, handshake, key, of_speaker, words};
use crate::host::Host;
use crate::setting::{Reading, Sight};
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use x509_parser::certificate::BasicExtension;
use x509_parser::prelude::{
    BasicConstraints, ExtendedKeyUsage, FromDer, GeneralName, KeyUsage, ParsedExtension, Pem,
    X509Certificate, X509Version,
};
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::SignatureAlgorithm;

const DAY: i64 = 86_400;

/// Ed25519 and Ed448, which come in one strength each.
const EDWARDS: [&str; 2] = ["1.3.101.112", "1.3.101.113"];

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

/// The certificates of a PEM file, the server's own first.
pub(super) fn load(host: &Host, path: &Path) -> Result<Vec<Vec<u8>>, Blank> {
    Ok(pem(&key::content(host, path)?))
}

/// The certificates in PEM text. What is no PEM holds none.
pub(super) fn pem(bytes: &[u8]) -> Vec<Vec<u8>> {
    let sections = Pem::iter_from_buffer(bytes).map_while(Result::ok);
    let certificates = sections.filter(|section| section.label == "CERTIFICATE");
    certificates.map(|section| section.contents).collect()
}

/// A certificate whose every known extension can be read: one that cannot restricts in a way that nobody here would see.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|e| e.to_string())?;
    let mut extensions = parsed.extensions().iter().map(|e| e.parsed_extension());
    match extensions.find(|e| matches!(e, ParsedExtension::ParseError { .. })) {
        Some(_) => Err("an extension of the certificate is malformed".to_owned()),
        None => Ok(parsed),
    }
}

fn count(host: &Host, path: &Path) -> Result<Option<Value>, Blank> {
    let Some(bytes) = host.read(path)? else {
        return Ok(None);
    };
    let ders = pem(&bytes);
    let whole = ders.iter().filter(|der| parse(der).is_ok()).count();
    let whole = i64::try_from(whole).unwrap_or(i64::MAX);
    Ok(Some(Value::Int(whole)))
}

/// The names and addresses that a certificate in DER is for; none of one that cannot be read.
pub(crate) fn names_of(der: &[u8]) -> Vec<String> {
    let parsed = parse(der).ok();
    parsed
        .and_then(|leaf| names(&leaf).ok())
        .unwrap_or_default()
}

/// Whether one certificate in DER bears the signature of another's key.
pub(crate) fn issued_by(leaf: &[u8], above: &[u8]) -> bool {
    match (parse(leaf), parse(above)) {
        (Ok(leaf), Ok(above)) => leaf.verify_signature(Some(above.public_key())).is_ok(),
        _ => false,
    }
}

/// Whether clients take it for a server's.
pub(crate) fn serves(leaf: &X509Certificate) -> Result<bool, Blank> {
    is_taken_for(leaf, Role::Server)
}

/// As OpenSSL's purposes "SSL server" and "SSL client" (crypto/x509/v3_purp.c): what is not restricted serves any purpose,
/// and `anyExtendedKeyUsage` names none.
fn is_taken_for(leaf: &X509Certificate, role: Role) -> Result<bool, Blank> {
    let extended = leaf.extended_key_usage()?;
    let extended = extended.is_none_or(|usage| match role {
        Role::Server => usage.value.server_auth,
        Role::Client => usage.value.client_auth,
    });
    let usage = leaf.key_usage()?;
    let signs = usage.as_ref().is_none_or(|usage| {
        let (value, server) = (usage.value, role == Role::Server);
        value.digital_signature() || value.key_agreement() || (server && value.key_encipherment())
    });
    Ok(extended && signs)
}

fn names(leaf: &X509Certificate) -> Result<Vec<String>, Blank> {
    let names = leaf.subject_alternative_name()?;
    let Some(names) = names else {
        return Ok(Vec::new());
    };
    let shown = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        });
    Ok(shown.collect())
}

/// The names and addresses that a certificate in DER is for; one that cannot be read is for none.
pub fn names_in(der: &[u8]) -> Vec<String> {
    let parsed = parse(der);
    parsed.map_or_else(|_| Vec::new(), |leaf| names(&leaf).unwrap_or_default())
}

/// Who has issued a certificate in DER.
pub fn issuer(der: &[u8]) -> String {
    parse(der).map_or_else(|why| why, |leaf| leaf.issuer().to_string())
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|b| IpAddr::from(Ipv4Addr::from(b)));
    let any = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|b| Ipv6Addr::from(b).into()));
    any.ok().map(|ip| ip.to_string())
}

/// Keys below 112 bits of security, and signatures by MD5 or SHA-1 (NIST SP 800-131A). A root's own signature proves nothing to anybody.
pub fn weakness(certificate: &X509Certificate) -> Result<Vec<String>, Blank> {
    let mut weak = Vec::new();
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < 2048 => {
            weak.push(format!("RSA-{}", key.key_size()));
        }
        Ok(PublicKey::EC(point)) if point.key_size() < 256 => {
            weak.push(format!("EC-{}", point.key_size()));
        }
        Ok(PublicKey::DSA(_)) => weak.push("DSA".to_owned()),
        Ok(PublicKey::RSA(_) | PublicKey::EC(_)) => {}
        _ => {
            let algorithm = certificate.public_key().algorithm.algorithm.to_id_string();
            if !EDWARDS.contains(&algorithm.as_str()) {
                return Err(Blank::Unknown(format!("a key of the kind {algorithm}")));
            }
        }
    }
    let is_root = certificate.subject().as_raw() == certificate.issuer().as_raw();
    if let (false, Some(hash)) = (is_root, weak_hash(certificate)) {
        weak.push(format!("{hash}-signature"));
    }
    Ok(weak)
}

fn weak_hash(certificate: &X509Certificate) -> Option<&'static str> {
    let hash_of_pss = match SignatureAlgorithm::try_from(&certificate.signature_algorithm) {
        Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) => {
            Some(parameters.hash_algorithm_oid().to_id_string())
        }
        _ => None,
    };
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    match hash_of_pss.unwrap_or(algorithm).as_str() {
        "1.2.840.113549.1.1.4" => Some("MD5"),
        // RSA, RSA by its older name, ECDSA, DSA, and SHA-1 itself.
        "1.2.840.113549.1.1.5"
        | "1.3.14.3.2.29"
        | "1.2.840.10045.4.1"
        | "1.2.840.10040.4.3"
        | "1.3.14.3.2.26" => Some("SHA-1"),
        _ => None,
    }
}

/// Whether a certificate may issue others, with `below` authorities between it and the server's own.
pub(super) fn may_issue(certificate: &X509Certificate, role: Role, below: usize) -> bool {
    let is_authority = |constraints: Option<BasicExtension<&BasicConstraints>>| match constraints {
        Some(basic) => {
            let reach = basic.value.path_len_constraint;
            basic.value.ca && reach.is_none_or(|most| below <= most as usize)
        }
        // A root older than the extension.
        None => certificate.version() == X509Version::V1,
    };
    let signs = |usage: BasicExtension<&KeyUsage>| usage.value.key_cert_sign();
    let for_role = |usage: BasicExtension<&ExtendedKeyUsage>| match role {
        Role::Server => usage.value.server_auth,
        Role::Client => usage.value.client_auth,
    };
    certificate.basic_constraints().is_ok_and(is_authority)
        && certificate.key_usage().is_ok_and(|u| u.is_none_or(signs))
        && certificate
            .extended_key_usage()
            .is_ok_and(|u| u.is_none_or(for_role))
}

/// Whether it limits the names that may be issued below it, which is not judged here.
pub(super) fn limits_names(certificate: &X509Certificate) -> bool {
    let extensions = certificate.extensions();
    let is = |e: &&x509_parser::extensions::X509Extension| {
        matches!(e.parsed_extension(), ParsedExtension::NameConstraints(_))
    };
    extensions.iter().any(|e| is(&e))
}
