//! What went wrong with TLS, in words that say whose fault it is.

use crate::setting::tls::certificate::{issuer, names_in};
use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};
use std::io;

const REISSUE: &str = "have it issued anew; --insecure looks at it all the same, and sends the password to whoever answers";

/// The same error of a stream, in words: what TLS has to say is packed into it.
pub fn of_io(error: io::Error) -> io::Error {
    match inner(&error) {
        Some(tls) => io::Error::new(error.kind(), of(tls)),
        None => error,
    }
}

/// The error of TLS in an error of a stream.
pub fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What to do about certificates that are refused.
pub fn remedy(error: &CertificateError, shown: &[Vec<u8>]) -> String {
    use CertificateError as E;
    match (error, shown) {
        (E::UnknownIssuer | E::BadSignature, [.., last]) => {
            let issuer = issuer(last);
            format!("its issuer is {issuer}: give that authority's certificate by --cacert FILE")
        }
        (E::NotValidForName | E::NotValidForNameContext { .. }, [own, ..]) => {
            match names_in(own).join(", ") {
                none if none.is_empty() => {
                    "it is for no name: have it issued with subjectAltName".to_owned()
                }
                names => format!("it is for {names}: use that in the URL, or --sni NAME"),
            }
        }
        _ => REISSUE.to_owned(),
    }
}

pub fn of(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => of_certificate(why),
        Error::AlertReceived(alert) => format!("it ended TLS with the alert {alert:?}"),
        Error::InvalidMessage(_) => "it does not answer in TLS".to_owned(),
        other => other.to_string(),
    }
}

/// What is wrong with a certificate, which is "it".
pub fn of_certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::ExpiredContext { not_after, .. } => {
            format!("it, or one above it, has expired on {}", day(*not_after))
        }
        E::NotValidYetContext { not_before, .. } => {
            let day = day(*not_before);
            format!("it, or one above it, is not valid before {day}, or the clock here is wrong")
        }
        E::UnknownIssuer => "it is by no authority that is trusted here".to_owned(),
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "it is not for servers".to_owned(),
        E::BadSignature => "whom it names as its issuer has not signed it".to_owned(),
        // webpki's CaUsedAsEndEntity, as `openssl req -x509` makes them.
        E::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it is an authority's own (CA:TRUE), and no server's".to_owned()
        }
        other => format!("it cannot be verified: {other}"),
    }
}

fn day(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match Timestamp::from_second(second) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => "a day beyond the calendar".to_owned(),
    }
}
