//! TLS as a client of a server elsewhere: whom it trusts, what it shows of itself, and what it saw of the server.

use super::witness::{Doubt, Identity, Shown, Witness};
use crate::redis::timed::Timed;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, Error, InconsistentKeys, RootCertStore, StreamOwned};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A client: whom it trusts, and what it shows.
#[derive(Clone, Debug)]
pub struct Client {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    own: Option<Arc<CertifiedKey>>,
    doubt: Doubt,
    /// The name that the server's certificate must be for, where that is not the host's.
    name: Option<String>,
}

/// How a server began TLS.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// The name or address that it was asked for.
    pub name: String,
    /// Such as `TLSv1.3`.
    pub version: String,
    pub shown: Shown,
    /// Whether it asked for a certificate of ours.
    pub asks: bool,
    /// What it takes when it is offered nothing better; not tried where CONFIG tells.
    pub takes: Option<Takes>,
}

/// What a server takes that nobody should offer.
#[derive(Clone, Debug)]
pub struct Takes {
    /// A retired version of TLS.
    pub version: Result<Option<&'static str>, String>,
    /// A weak cipher suite.
    pub suite: Result<Option<&'static str>, String>,
}

/// A handshake that came to nothing.
pub struct Refusal {
    pub error: io::Error,
    pub shown: Shown,
    /// Whether it asked for a certificate of ours.
    pub asks: bool,
}

impl Client {
    /// One that trusts nobody, and takes whatever it is shown.
    pub fn onlooker() -> Client {
        Client {
            authorities: None,
            own: None,
            doubt: Doubt::Report,
            name: None,
        }
    }

    /// One that trusts the authorities in PEM text; an error is one that leaves it nobody to trust.
    pub fn trusting(pem: &[u8]) -> Result<Client, String> {
        let mut roots = RootCertStore::empty();
        // A bundle may hold some that are malformed: they vouch for nobody.
        let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        roots.add_parsable_certificates(certificates);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|_| "it holds no certificate of an authority in PEM".to_owned())?;
        Ok(Client {
            authorities: Some(verifier),
            doubt: Doubt::Refuse,
            ..Client::onlooker()
        })
    }

    /// The same, with a certificate of its own.
    pub fn showing(self, certificate: &[u8], key: &[u8]) -> Result<Client, String> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| "--cert: it is no PEM".to_owned())?;
        if chain.is_empty() {
            return Err("--cert: it holds no certificate in PEM".to_owned());
        }
        if String::from_utf8_lossy(key).contains("ENCRYPTED") {
            return Err(
                "--key: it is encrypted: give one without a password (openssl pkey)".to_owned(),
            );
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "--key: it holds no private key in PEM".to_owned())?;
        let own = CertifiedKey::from_der(chain, key, &provider()).map_err(|e| match e {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                "--key: it is not the key of the certificate of --cert".to_owned()
            }
            other => format!("--key: {other}"),
        })?;
        Ok(Client {
            own: Some(Arc::new(own)),
            ..self
        })
    }

    /// The same, with another name to ask for than the host's.
    pub fn asking_for(self, name: Option<String>) -> Client {
        Client { name, ..self }
    }

    /// The same, not ending the handshake for a certificate that it does not trust.
    pub fn regardless(self) -> Client {
        let doubt = Doubt::Report;
        Client { doubt, ..self }
    }

    pub fn has_certificate(&self) -> bool {
        self.own.is_some()
    }

    /// Begins TLS, and says what was seen. Nothing is sent after it.
    pub fn begin(
        &self,
        host: &str,
        mut stream: Timed,
    ) -> Result<(StreamOwned<ClientConnection, Timed>, Handshake), Refusal> {
        let witness = Arc::new(Witness {
            authorities: self.authorities.clone(),
            doubt: self.doubt,
            algorithms: ring::default_provider().signature_verification_algorithms,
            shown: Mutex::default(),
        });
        let identity = Arc::new(Identity {
            own: self.own.clone(),
            asked: AtomicBool::new(false),
        });
        let name = self.name.as_deref().unwrap_or(host);
        let begun = hello(name, Arc::clone(&witness), Arc::clone(&identity));
        let shaken = begun.map_err(io::Error::other).and_then(|mut begun| {
            begun.complete_io(&mut stream)?;
            Ok(begun)
        });
        let asks = identity.asked.load(Ordering::Acquire);
        let shown = witness.shown.lock();
        let shown = shown.unwrap_or_else(PoisonError::into_inner).clone();
        match shaken {
            Ok(connection) => {
                let version = connection.protocol_version().map(|v| format!("{v:?}"));
                let handshake = Handshake {
                    name: name.to_owned(),
                    version: version.unwrap_or_default().replace('_', "."),
                    shown,
                    asks,
                    takes: None,
                };
                Ok((StreamOwned::new(connection, stream), handshake))
            }
            Err(error) => Err(Refusal { error, shown, asks }),
        }
    }
}

fn hello(
    name: &str,
    witness: Arc<Witness>,
    identity: Arc<Identity>,
) -> Result<ClientConnection, Error> {
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| Error::General(format!("{name} is no name that a certificate could have")))?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(witness)
        .with_client_cert_resolver(identity);
    ClientConnection::new(Arc::new(config), name)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
