//! From a server's certificate, issuer by issuer, to an authority that its peers trust, as OpenSSL builds it without
//! X509_V_FLAG_PARTIAL_CHAIN: it must end at a self-issued certificate of the authorities' file. Names that an authority may
//! not issue for, and revocation, are not judged.

use super::certificate::{Role, limits_names, may_issue, parse, pem};
use super::{Blank, Tls};
use crate::host::{Host, HostResult};
use x509_parser::error::X509Error;
use x509_parser::prelude::X509Certificate;
use x509_parser::public_key::PublicKey;

/// What a chain that leads to an authority reads as.
pub const COMPLETE: &str = "complete";

/// OpenSSL's own limit is 100; no honest chain is longer.
const MAX_DEPTH: usize = 10;

/// The certificates of the authorities that the server trusts: its file's, and of its directory those that OpenSSL would
/// look up there, by the hash of their name (`openssl rehash`).
pub fn authorities(host: &Host, tls: &Tls) -> HostResult<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut paths: Vec<_> = tls.path("tls-ca-cert-file").into_iter().collect();
    if let Some(dir) = tls.path("tls-ca-cert-dir") {
        let names = host.list(&dir)?.into_iter().filter(|n| is_hashed(n));
        paths.extend(names.map(|name| dir.join(name)));
    }
    for path in paths {
        // That it is missing is found where they are counted.
        found.extend(pem(&host.read(&path)?.unwrap_or_default()));
    }
    Ok(found)
}

/// `0123abcd.0`
fn is_hashed(name: &str) -> bool {
    let hex = |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    name.split_once('.')
        .is_some_and(|(hash, n)| hex(hash) && !n.is_empty() && number(n))
}

/// `complete`, or where the chain of `leaf` and those above it ends.
pub fn end(
    host: &Host,
    tls: &Tls,
    role: Role,
    (leaf, above): (&X509Certificate, &[X509Certificate]),
    now: i64,
) -> Result<String, Blank> {
    let trusted = authorities(host, tls)?;
    let none = "there is no authority to hold it against";
    match (trusted.is_empty(), tls.needs_authorities()) {
        (true, false) => return Err(Blank::NotApplicable(none.into())),
        (true, true) => return Err(Blank::Unknown(none.into())),
        (false, _) => {}
    }
    // A bundle may hold one that is malformed: OpenSSL finds no issuer in it either.
    let parsed = trusted.iter().filter_map(|der| parse(der).ok());
    let trusted: Vec<X509Certificate> = parsed.collect();
    let climb = Climb {
        trusted: &trusted,
        above,
        role,
        now,
    };
    match climb.from(leaf, 0) {
        Ok(()) => Ok(COMPLETE.to_owned()),
        Err(End::Broken(why)) => Ok(why),
        Err(End::NotKnown(why)) => Err(Blank::Unknown(why)),
    }
}

/// Where a chain ended.
enum End {
    Broken(String),
    /// It goes on by something that cannot be judged here.
    NotKnown(String),
}

struct Climb<'a> {
    trusted: &'a [X509Certificate<'a>],
    above: &'a [X509Certificate<'a>],
    role: Role,
    now: i64,
}

impl Climb<'_> {
    /// Climbs from a certificate with `below` authorities under it.
    fn from(&self, here: &X509Certificate, below: usize) -> Result<(), End> {
        let name = here.subject().to_string();
        let valid = here.validity();
        if valid.not_after.timestamp() < self.now {
            return Err(End::Broken(format!("{name} has expired")));
        }
        if valid.not_before.timestamp() > self.now {
            return Err(End::Broken(format!("{name} is not valid yet")));
        }
        if limits_names(here) {
            let why = format!("{name} limits the names below it, which is not judged here");
            return Err(End::NotKnown(why));
        }
        if is_issuer(here, here) && self.trusts(here) {
            return Ok(());
        }
        self.to_issuer(here, below)
    }

    fn to_issuer(&self, here: &X509Certificate, below: usize) -> Result<(), End> {
        let issuer = here.issuer();
        let mut end = End::Broken(match is_issuer(here, here) {
            true => format!("{issuer} is no authority of the server's"),
            false => format!("the certificate of {issuer} is missing"),
        });
        if below >= MAX_DEPTH {
            return Err(End::NotKnown("the chain is too long".to_owned()));
        }
        let known = self.trusted.iter().chain(self.above);
        let others = known.filter(|c| c.as_raw() != here.as_raw());
        for candidate in others.filter(|c| is_issuer(c, here)) {
            let there = match may_issue(candidate, self.role, below) {
                true => signed_by(here, candidate).and_then(|()| self.from(candidate, below + 1)),
                false => Err(End::Broken(format!("{issuer} may not issue it"))),
            };
            match there {
                Ok(()) => return Ok(()),
                // Another way that is broken does not make this one known.
                Err(_) if matches!(end, End::NotKnown(_)) => {}
                Err(there) => end = there,
            }
        }
        Err(end)
    }

    fn trusts(&self, certificate: &X509Certificate) -> bool {
        let mut trusted = self.trusted.iter();
        trusted.any(|t| t.as_raw() == certificate.as_raw())
    }
}

/// By name, whatever kind of string it is written in: whether it really is, its signature says.
fn is_issuer(issuer: &X509Certificate, of: &X509Certificate) -> bool {
    issuer.subject().to_string() == of.issuer().to_string()
}

fn signed_by(certificate: &X509Certificate, issuer: &X509Certificate) -> Result<(), End> {
    let name = issuer.subject();
    let not_known = format!("the signature of {name} is of a kind that is not verified here");
    // ring verifies by no smaller key, and does not say so.
    if matches!(issuer.public_key().parsed(), Ok(PublicKey::RSA(key)) if key.key_size() < 2048) {
        return Err(End::NotKnown(not_known));
    }
    match certificate.verify_signature(Some(issuer.public_key())) {
        Ok(()) => Ok(()),
        Err(X509Error::SignatureUnsupportedAlgorithm) => Err(End::NotKnown(not_known)),
        Err(_) => Err(End::Broken(format!(
            "{name} has not signed it: another of its name did"
        ))),
    }
}
