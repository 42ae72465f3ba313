//! A private key: whether it belongs to a certificate, and who may read it. Nothing of it is ever shown or kept.

use super::{Blank, words};
use crate::host::Host;
use crate::setting::Sight;
use crate::value::Value;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

/// More than root's and the group's reading, and root's writing.
const BEYOND_0640: u32 = 0o137;

/// Every authority that Debian trusts is a sixteenth of this. The supervisor reads such files too, in the memory that is left beside Redis.
const LONGEST: u64 = 4 << 20;

/// Whether the key in the file is the certificate's.
pub fn matches(host: &Host, path: &Path, certificate: &X509Certificate) -> Result<bool, Blank> {
    let unknown = |why: String| Blank::Unknown(format!("{}: {why}", path.display()));
    is_of(&content(host, path)?, certificate).map_err(unknown)
}

/// Whether the key in this PEM text is the certificate's; why that is not known.
pub(crate) fn is_of(pem: &[u8], certificate: &X509Certificate) -> Result<bool, String> {
    let unknown = |why: &str| why.to_owned();
    if String::from_utf8_lossy(pem).contains("ENCRYPTED") {
        return Err(unknown("the key is encrypted: only its password tells"));
    }
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| unknown("it holds no private key in PEM"))?;
    let key =
        any_supported_type(&key).map_err(|_| unknown("a kind of key that is not known here"))?;
    let public = key.public_key();
    let public = public.as_deref().and_then(|spki| {
        let parsed = SubjectPublicKeyInfo::from_der(spki).ok();
        parsed.map(|(_, public)| public.subject_public_key.data)
    });
    match public {
        Some(public) => Ok(public == certificate.public_key().subject_public_key.data),
        None => Err(unknown("its public half is not known")),
    }
}

/// A file's content; that there is none leaves nothing to judge.
pub fn content(host: &Host, path: &Path) -> Result<Vec<u8>, Blank> {
    let missing = || Blank::Unknown(format!("there is no {}", path.display()));
    host.read_below(path, LONGEST)?.ok_or_else(missing)
}

/// What lets others than root and the service read it: a mode beyond 0640, a stranger as owner or group.
pub fn exposure(sight: Sight, path: &Path) -> Result<Option<Value>, Blank> {
    let missing = || Blank::Unknown(format!("there is no {}", path.display()));
    let stat = sight.host.stat_target(path)?.ok_or_else(missing)?;
    let mut found = Vec::new();
    if stat.mode & BEYOND_0640 != 0 {
        found.push(format!("mode:{:04o}", stat.mode));
    }
    let ours = |name: &str| matches!(name, "root" | "redis" | "valkey");
    let user = sight.facts.user_of(stat.uid).name;
    let group = sight.facts.group_of(stat.gid).name;
    if !ours(&user) {
        found.push(format!("owner:{user}"));
    }
    if stat.mode & 0o040 != 0 && !ours(&group) {
        found.push(format!("group:{group}"));
    }
    Ok(words(found))
}
