//! The certificate that a server serves, by a TLS handshake that trusts whatever it shows, and sends nothing after it.
//! A server that demands a certificate of its clients, and is shown none, ends it there, and says so in its log.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use std::net::{IpAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// As for any other question to a local server.
const PATIENCE: Duration = Duration::from_millis(1000);

/// What we show of ourselves to a server that asks: certificates in DER, and a key in PEM.
pub struct Identity {
    pub certificates: Vec<Vec<u8>>,
    pub key: Vec<u8>,
}

/// The certificate that is served at an address, in DER; an error in words.
pub fn certificate(address: &str, port: u16, own: Option<Identity>) -> Result<Vec<u8>, String> {
    let ip: IpAddr = match address {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        other => other
            .parse()
            .map_err(|_| format!("{other} is no address"))?,
    };
    let mut stream = TcpStream::connect_timeout(&(ip, port).into(), PATIENCE)
        .and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        })
        .map_err(|e| e.to_string())?;
    let seen = Arc::new(Witness::default());
    let mut connection = hello(Arc::clone(&seen), ip, own).map_err(|e| e.to_string())?;
    let ended = connection.complete_io(&mut stream);
    if ended.is_ok() {
        connection.send_close_notify();
        // We have seen what we wanted: how it takes the goodbye is of no interest.
        let _ = connection.complete_io(&mut stream);
    }
    let shown = seen.0.lock().map_err(|e| e.to_string())?.take();
    let silent = || match ended {
        Ok(_) => "it showed no certificate".to_owned(),
        Err(e) => e.to_string(),
    };
    shown.ok_or_else(silent)
}

fn hello(seen: Arc<Witness>, ip: IpAddr, own: Option<Identity>) -> Result<ClientConnection, Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(seen);
    let shown = own.and_then(|own| {
        let key = PrivateKeyDer::from_pem_slice(&own.key).ok()?;
        let chain = own.certificates.into_iter().map(CertificateDer::from);
        Some((chain.collect(), key))
    });
    let config = match shown {
        // A pair that does not fit is judged elsewhere: here it is as good as none.
        Some((chain, key)) => match config.clone().with_client_auth_cert(chain, key) {
            Ok(config) => config,
            Err(_) => config.with_no_client_auth(),
        },
        None => config.with_no_client_auth(),
    };
    ClientConnection::new(Arc::new(config), ServerName::from(ip))
}

/// Sees the certificate. Whoever shows it need not prove that it is theirs: only which one is served is asked.
#[derive(Debug, Default)]
struct Witness(Mutex<Option<Vec<u8>>>);

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Ok(mut seen) = self.0.lock() {
            *seen = Some(end_entity.to_vec());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    /// All that a server may have a key for: only its certificate is of interest.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
        ]
    }
}
