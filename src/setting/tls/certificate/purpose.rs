//! What a certificate may be used for, in its own words.

use super::super::Blank;
use super::Role;
use x509_parser::certificate::BasicExtension;
use x509_parser::prelude::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, ParsedExtension, X509Certificate, X509Version,
};

/// Whether clients take it for a server's.
pub(crate) fn serves(leaf: &X509Certificate) -> Result<bool, Blank> {
    is_taken_for(leaf, Role::Server)
}

/// As OpenSSL's purposes "SSL server" and "SSL client" (crypto/x509/v3_purp.c): what is not restricted serves any purpose,
/// and `anyExtendedKeyUsage` names none.
pub(super) fn is_taken_for(leaf: &X509Certificate, role: Role) -> Result<bool, Blank> {
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

/// Whether a certificate may issue others, with `below` authorities between it and the server's own.
pub(in crate::setting::tls) fn may_issue(
    certificate: &X509Certificate,
    role: Role,
    below: usize,
) -> bool {
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
pub(in crate::setting::tls) fn limits_names(certificate: &X509Certificate) -> bool {
    let extensions = certificate.extensions();
    let is = |e: &&x509_parser::extensions::X509Extension| {
        matches!(e.parsed_extension(), ParsedExtension::NameConstraints(_))
    };
    extensions.iter().any(|e| is(&e))
}
