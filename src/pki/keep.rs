//! Where an authority and a server's pair are kept, and what a pair must be before it is put there.

use super::authority::{Authority, Pair};
use crate::host::{Host, HostError, HostResult};
use crate::setting::tls::certificate::{parse, serves, weakness};
use crate::setting::tls::key::is_of;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use x509_parser::prelude::Pem;

/// The directory of an authority: `ca.crt`, which everybody may have, and `ca.key`, which nobody else may.
pub struct Place {
    dir: PathBuf,
}

impl Place {
    /// The authority in a directory.
    pub fn at(dir: &Path) -> Place {
        let dir = dir.to_path_buf();
        Place { dir }
    }

    pub fn certificate(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    pub fn key(&self) -> PathBuf {
        self.dir.join("ca.key")
    }

    /// The authority that is there; `None` where there is none at all.
    pub fn open(&self, host: &Host) -> HostResult<Option<Authority>> {
        let (crt, key) = (self.certificate(), self.key());
        let doing = || format!("opening the authority in {}", self.dir.display());
        match (host.read_text(&crt)?, host.read_text(&key)?) {
            (Some(certificate), Some(key)) => Authority::open(&certificate, &key, host.now())
                .map(Some)
                .map_err(|why| HostError::refused(doing(), format!("{}: {why}", crt.display()))),
            (None, None) => Ok(None),
            (Some(_), None) => {
                let why = format!("there is no {}: it is elsewhere, or lost", key.display());
                Err(HostError::refused(doing(), why))
            }
            (None, Some(_)) => {
                let why = format!(
                    "there is no {}, as after an init that was cut short: --force begins anew",
                    crt.display()
                );
                Err(HostError::refused(doing(), why))
            }
        }
    }

    /// Puts an authority there, its key first: a certificate without it would look like one whose key is elsewhere.
    pub fn fill(&self, host: &Host, pair: &Pair, (uid, gid): (u32, u32)) -> HostResult<()> {
        host.make_dir(&self.dir, 0o700, uid, gid)?;
        host.write_file(&self.key(), pair.key.as_bytes(), 0o600, uid, gid)?;
        let certificate = pair.certificate.as_bytes();
        host.write_file(&self.certificate(), certificate, 0o644, uid, gid)
    }
}

/// The certificates and the key of PEM text, each as PEM again; in whatever order, and with whatever text between.
pub fn parts(text: &[u8]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
    let mut certificates = Vec::new();
    let mut key = None;
    for section in Pem::iter_from_buffer(text).map_while(Result::ok) {
        match section.label.as_str() {
            "CERTIFICATE" => certificates.push(section.contents),
            label if label.ends_with("PRIVATE KEY") => key = Some(section.contents),
            _ => {}
        }
    }
    (certificates, key)
}

/// Why no client would take a server that had this pair: the first certificate is the server's.
pub fn check(certificates: &[u8], key: &[u8], now: jiff::Timestamp) -> Result<(), String> {
    let (ders, _) = parts(certificates);
    let first = ders.first().ok_or("there is no certificate in it")?;
    let leaf = parse(first)?;
    if !is_of(key, &leaf)? {
        return Err("the private key is another certificate's".to_owned());
    }
    for der in &ders {
        let one = parse(der)?;
        let name = one.subject();
        if one.validity().not_after.timestamp() < now.as_second() {
            return Err(format!("{name} has expired"));
        }
        if one.validity().not_before.timestamp() > now.as_second() {
            return Err(format!("{name} is not valid yet"));
        }
        // Not every OpenSSL refuses it, and `check` would find it then.
        let weak = weakness(&one).map_err(|e| format!("{e:?}"))?;
        if !weak.is_empty() {
            return Err(format!("{name} is weak: {}", weak.join(", ")));
        }
    }
    let taken = serves(&leaf);
    match taken.map_err(|e| format!("{e:?}"))? {
        true => Ok(()),
        false => Err("the certificate is not for servers".to_owned()),
    }
}

/// SHA-256 of the first certificate in PEM text, as `openssl x509 -fingerprint -sha256` writes it.
pub fn fingerprint(pem: &[u8]) -> Option<String> {
    let (ders, _) = parts(pem);
    let digest = Sha256::digest(ders.first()?);
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    Some(bytes.join(":"))
}

/// The day on which the first certificate in PEM text ends.
pub fn until(pem: &[u8]) -> Option<jiff::Timestamp> {
    let (ders, _) = parts(pem);
    let leaf = parse(ders.first()?).ok()?;
    jiff::Timestamp::from_second(leaf.validity().not_after.timestamp()).ok()
}
