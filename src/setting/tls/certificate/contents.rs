//! Certificates as they lie in files: PEM and DER, and what is written in them.

use super::super::{Blank, key};
use crate::host::Host;
use crate::value::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, Pem, X509Certificate};

/// The certificates of a PEM file, the server's own first.
pub(in crate::setting::tls) fn load(host: &Host, path: &Path) -> Result<Vec<Vec<u8>>, Blank> {
    Ok(pem(&key::content(host, path)?))
}

/// The certificates in PEM text. What is no PEM holds none.
pub(in crate::setting::tls) fn pem(bytes: &[u8]) -> Vec<Vec<u8>> {
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

/// How many whole certificates a file holds.
pub(super) fn count(host: &Host, path: &Path) -> Result<Option<Value>, Blank> {
    let Some(bytes) = host.read(path)? else {
        return Ok(None);
    };
    let ders = pem(&bytes);
    let whole = ders.iter().filter(|der| parse(der).is_ok()).count();
    let whole = i64::try_from(whole).unwrap_or(i64::MAX);
    Ok(Some(Value::Int(whole)))
}

/// Whether one certificate in DER bears the signature of another's key.
pub(crate) fn issued_by(leaf: &[u8], above: &[u8]) -> bool {
    match (parse(leaf), parse(above)) {
        (Ok(leaf), Ok(above)) => leaf.verify_signature(Some(above.public_key())).is_ok(),
        _ => false,
    }
}

/// The names and addresses that it is for.
pub(super) fn names(leaf: &X509Certificate) -> Result<Vec<String>, Blank> {
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
