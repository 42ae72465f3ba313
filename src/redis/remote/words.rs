//! What went wrong with TLS, in words that say whose fault it is.

use crate::setting::tls::certificate::{issuer, names_in};
use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};
use std::io;

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

/// What to do about a certificate that is refused.
pub fn remedy(error: &CertificateError, shown: &[Vec<u8>]) -> String {
    use CertificateError as E;
    match error {
        E::UnknownIssuer => format!(
            "its issuer is {}: give that authority's certificate by --cacert FILE",
            shown.last().map_or_else(String::new, |last| issuer(last))
        ),
        E::NotValidForName | E::NotValidForNameContext { .. } => match shown.first().map_or_else(Vec::new, |own| names_in(own)).join(", ") {
            names if names.is_empty() => "it names none in subjectAltName: have it issued anew".to_owned(),
            names => format!("it is for {names}: use that in the URL, or --sni NAME"),
        },
        _ => "have it issued anew; --insecure looks at it all the same, and sends the password to whoever answers"
            .to_owned(),
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

pub fn of_certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Expired => "its certificate, or one above it, has expired".to_owned(),
        E::ExpiredContext { not_after, .. } => format!(
            "its certificate, or one above it, has expired on {}",
            day(*not_after)
        ),
        E::NotValidYet => "its certificate is not valid yet".to_owned(),
        E::NotValidYetContext { not_before, .. } => format!(
            "its certificate is not valid before {}, or the clock here is wrong",
            day(*not_before)
        ),
        E::UnknownIssuer => "its certificate is by no authority that is trusted here".to_owned(),
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "its certificate is not for servers".to_owned()
        }
        E::BadSignature => "its certificate is not signed by whom it names".to_owned(),
        // webpki's CaUsedAsEndEntity, as `openssl req -x509` makes them.
        E::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's own (CA:TRUE), and no server's".to_owned()
        }
        other => format!("its certificate cannot be verified: {other}"),
    }
}

fn day(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match Timestamp::from_second(second) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => "a day beyond the calendar".to_owned(),
    }
}
