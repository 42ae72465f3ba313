//! A private key: whether it belongs to a certificate, and who may read it. Nothing of it is ever shown or kept.

use super::words;
use crate::host::Host;
use crate::setting::{Reading, Sight};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

/// More than root's and the group's reading, and root's writing.
const BEYOND_0640: u32 = 0o137;

/// Whether the key in the file is the certificate's.
pub fn matches(host: &Host, path: &Path, certificate: &X509Certificate) -> Result<bool, Reading> {
    let unknown = |why: &str| Reading::Unknown(format!("{}: {why}", path.display()));
    let bytes = host.read(path);
    let bytes = bytes.map_err(|e| Reading::Unknown(e.to_string()))?;
    let bytes = bytes.ok_or_else(|| unknown("there is no such file"))?;
    if String::from_utf8_lossy(&bytes).contains("ENCRYPTED") {
        return Err(unknown("the key is encrypted: only its password tells"));
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes);
    let key = key.map_err(|_| unknown("it holds no private key in PEM"))?;
    let key = any_supported_type(&key);
    let key = key.map_err(|_| unknown("a kind of key that is not known here"))?;
    let public = key.public_key();
    let public = public.ok_or_else(|| unknown("its public half is not known"))?;
    let parsed = SubjectPublicKeyInfo::from_der(&public);
    let (_, public) = parsed.map_err(|_| unknown("its public half is not known"))?;
    Ok(public.subject_public_key.data == certificate.public_key().subject_public_key.data)
}

/// What lets others than root and the service read it: a mode beyond 0640, a stranger as owner or group.
pub fn exposure(sight: Sight, path: &Path) -> Result<Reading, Reading> {
    let stat = sight.host.stat_target(path);
    let stat = stat.map_err(|e| Reading::Unknown(e.to_string()))?;
    let Some(stat) = stat else {
        return Err(Reading::Unknown(format!("there is no {}", path.display())));
    };
    let facts = sight.facts;
    let mut found = Vec::new();
    if stat.mode & BEYOND_0640 != 0 {
        found.push(format!("mode:{:04o}", stat.mode));
    }
    let ours = |name: &str| matches!(name, "root" | "redis" | "valkey");
    let (user, group) = (facts.user_of(stat.uid), facts.group_of(stat.gid));
    if !ours(&user.name) {
        found.push(format!("owner:{}", user.name));
    }
    if stat.mode & 0o040 != 0 && !ours(&group.name) {
        found.push(format!("group:{}", group.name));
    }
    Ok(words(found))
}
