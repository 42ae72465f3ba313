//! Keys and signatures that can be forged.

use super::super::Blank;
use x509_parser::prelude::X509Certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// Ed25519 and Ed448, which come in one strength each.
const EDWARDS: [&str; 2] = ["1.3.101.112", "1.3.101.113"];

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
