//! What a client sees of a TLS handshake: the certificates that it is shown, whether they can be trusted, and whether it is asked
//! for its own. That whoever shows a certificate has its key is always demanded.

use super::words;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is done about a certificate that cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The handshake ends.
    Refuse,
    /// It goes on, and what is wrong with the certificate is a finding.
    Report,
}

/// The certificates of a server.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// In DER, its own first.
    pub certificates: Vec<Vec<u8>>,
    /// Why they do not lead to an authority that is trusted here.
    pub broken: Option<String>,
    /// Whether its own is for the name that was asked.
    pub is_for_name: bool,
}

/// Judges by the authorities, and remembers.
#[derive(Debug)]
pub struct Witness {
    pub authorities: Option<Arc<WebPkiServerVerifier>>,
    pub doubt: Doubt,
    pub algorithms: WebPkiSupportedAlgorithms,
    pub shown: Mutex<Shown>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = match &self.authorities {
            Some(authorities) => authorities.verify_server_cert(own, above, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let all = std::iter::once(own).chain(above);
        let for_name = ParsedCertificate::try_from(own).and_then(|c| verify_server_name(&c, name));
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Shown {
            certificates: all.map(|der| der.to_vec()).collect(),
            // The name is looked at last: where only that is wrong, the chain was found complete.
            broken: (verified.as_ref().err().filter(|e| !is_of_name(e))).map(words::of),
            is_for_name: for_name.is_ok(),
        };
        match self.doubt {
            Doubt::Refuse => verified,
            Doubt::Report => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_of_name(error: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(
        error,
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })
    )
}

/// Our own certificate, and whether a server has asked for one.
#[derive(Debug)]
pub struct Identity {
    pub own: Option<Arc<CertifiedKey>>,
    pub asked: AtomicBool,
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Release);
        self.own.clone()
    }

    fn has_certs(&self) -> bool {
        self.own.is_some()
    }
}
