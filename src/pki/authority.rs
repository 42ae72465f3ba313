//! A private authority: how it is founded, and what it issues and signs. By rcgen; touches no file.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    PublicKeyData, SanType, SerialNumber, date_time_ymd,
};
use std::net::IpAddr;
use x509_parser::prelude::{FromDer, Pem, X509Certificate};

/// More names than a host has: whoever signs reads them all.
const MOST_NAMES: usize = 100;

/// The most of a common name. Source: RFC 5280 appendix A.1, ub-common-name.
const MAX_NAME: usize = 64;

/// A certificate and its private key, in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A certificate for somebody else's key, in PEM, the common name that it has, and the names that it is for.
pub struct Signed {
    pub certificate: String,
    pub name: String,
    pub names: Vec<String>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// A server, which is also a client of its primary and of other nodes.
    Server,
    /// A client alone.
    Client,
}

/// Whoever can issue certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own, in PEM.
    pub certificate: String,
    ends: Date,
}

/// A new authority, which may issue certificates and no authority.
pub fn found(name: &str, days: u16, now: Timestamp) -> Result<Pair, String> {
    let key = KeyPair::generate().map_err(|e| e.to_string())?;
    let mut params = params(name, days, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let made = params.self_signed(&key).map_err(|e| e.to_string())?;
    Ok(Pair {
        certificate: made.pem(),
        key: key.serialize_pem(),
    })
}

/// A request for a certificate for these names, by this key, else a new one; and the key.
pub fn request(names: &[String], key: Option<&str>) -> Result<Pair, String> {
    let key = match key {
        Some(pem) => KeyPair::from_pem(pem),
        None => KeyPair::generate(),
    };
    let key = key.map_err(|e| e.to_string())?;
    let mut params = CertificateParams::default();
    params.distinguished_name = called(names.first().map_or("redis", String::as_str));
    params.subject_alt_names = alternatives(names)?;
    let made = params.serialize_request(&key).map_err(|e| e.to_string())?;
    Ok(Pair {
        certificate: made.pem().map_err(|e| e.to_string())?,
        key: key.serialize_pem(),
    })
}

impl Authority {
    /// From its certificate and its key, which must belong together and be good for signing today.
    pub fn open(certificate: &str, key: &str, now: Timestamp) -> Result<Authority, String> {
        let sections = Pem::iter_from_buffer(certificate.as_bytes()).map_while(Result::ok);
        let mut certificates = sections.filter(|section| section.label == "CERTIFICATE");
        let der = certificates.next().ok_or("it holds no certificate")?;
        let (_, parsed) = X509Certificate::from_der(&der.contents).map_err(|e| e.to_string())?;
        let key = KeyPair::from_pem(key).map_err(|e| format!("its key: {e}"))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err("its key is another certificate's".to_owned());
        }
        if !parsed.is_ca() {
            return Err("it is no authority's".to_owned());
        }
        let ends = parsed.validity().not_after.timestamp();
        let ends = Timestamp::from_second(ends).map_err(|e| e.to_string())?;
        if ends < now {
            return Err("it has expired".to_owned());
        }
        let issuer = Issuer::from_ca_cert_der(&der.contents.clone().into(), key);
        Ok(Authority {
            issuer: issuer.map_err(|e| e.to_string())?,
            certificate: certificate.to_owned(),
            ends: day(ends),
        })
    }

    /// A certificate with a new key.
    pub fn issue(
        &self,
        uses: Uses,
        names: &[String],
        days: u16,
        now: Timestamp,
    ) -> Result<Pair, String> {
        let key = KeyPair::generate().map_err(|e| e.to_string())?;
        let name = names.first().map_or("redis", String::as_str);
        let mut params = params(name, days, now)?;
        if uses == Uses::Server {
            params.subject_alt_names = alternatives(names)?;
        }
        self.restrict(&mut params, uses, false, (days, now))?;
        let made = params.signed_by(&key, &self.issuer);
        Ok(Pair {
            certificate: made.map_err(|e| e.to_string())?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// A certificate for the key and the names of a request, whose maker has proved that the key is his. What else it asks for
    /// (to be an authority, other purposes, its own length of life) is not given.
    pub fn sign(
        &self,
        uses: Uses,
        asked: &str,
        days: u16,
        now: Timestamp,
    ) -> Result<Signed, String> {
        let mut asked = CertificateSigningRequestParams::from_pem(asked)
            .map_err(|e| format!("it is no request that can be signed: {e}"))?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = asked.params.subject_alt_names.clone();
        let names: Vec<String> = params.subject_alt_names.iter().map(shown).collect();
        are_names(&params.subject_alt_names)?;
        if uses == Uses::Server && names.is_empty() {
            return Err("it asks for no name: no client would take the certificate".to_owned());
        }
        let name = match asked.params.distinguished_name.get(&DnType::CommonName) {
            Some(rcgen::DnValue::Utf8String(name)) => name.as_str(),
            Some(rcgen::DnValue::PrintableString(name)) => name.as_str(),
            _ => names.first().map_or("redis", String::as_str),
        };
        if name.chars().any(char::is_control) {
            return Err(format!("it calls itself {name:?}, which is no name"));
        }
        params.distinguished_name = called(name);
        let name = name.chars().take(MAX_NAME).collect();
        let rsa = *asked.public_key.algorithm() == PKCS_RSA_SHA256;
        self.restrict(&mut params, uses, rsa, (days, now))?;
        asked.params = params;
        let made = asked.signed_by(&self.issuer).map_err(|e| e.to_string())?;
        Ok(Signed {
            certificate: made.pem(),
            name,
            names,
        })
    }

    /// For what it may be used, and until when: not longer than the authority itself.
    fn restrict(
        &self,
        params: &mut CertificateParams,
        uses: Uses,
        rsa: bool,
        (days, now): (u16, Timestamp),
    ) -> Result<(), String> {
        let (begin, end) = term(days, now)?;
        let end = end.min(self.ends);
        lasts(params, begin, end);
        params.serial_number = Some(serial()?);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if rsa {
            // TLS 1.2 without forward secrecy wants it, and so do old verifiers.
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages = match uses {
            Uses::Server => vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
            Uses::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        Ok(())
    }
}

/// A name, a number that nobody guesses, and a length of life.
fn params(name: &str, days: u16, now: Timestamp) -> Result<CertificateParams, String> {
    let (begin, end) = term(days, now)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = called(name);
    params.serial_number = Some(serial()?);
    lasts(&mut params, begin, end);
    Ok(params)
}

fn called(name: &str) -> DistinguishedName {
    let cut: String = name.chars().take(MAX_NAME).collect();
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, cut);
    whole
}

fn alternatives(names: &[String]) -> Result<Vec<SanType>, String> {
    let one = |name: &String| match name.parse::<IpAddr>() {
        Ok(ip) => Ok(SanType::IpAddress(ip)),
        Err(_) => {
            let dns = name.as_str().try_into();
            dns.map(SanType::DnsName)
                .map_err(|e: rcgen::Error| format!("{name}: {e}"))
        }
    };
    names.iter().map(one).collect()
}

/// What a request asks for is another's word: a name with a line's end or a zero in it is read as two, and `*` is everybody's.
fn are_names(asked: &[SanType]) -> Result<(), String> {
    if asked.len() > MOST_NAMES {
        let many = asked.len();
        return Err(format!("it asks for {many} names, more than {MOST_NAMES}"));
    }
    let is_one = |name: &SanType| match name {
        SanType::DnsName(name) => super::is_name(name.as_str()),
        SanType::Rfc822Name(text) | SanType::URI(text) => {
            text.as_str().bytes().all(|b| b.is_ascii_graphic())
        }
        SanType::IpAddress(_) => true,
        _ => false,
    };
    match asked.iter().find(|name| !is_one(name)) {
        Some(other) => Err(format!(
            "it asks for {:?}, which is neither an address nor the name of a host",
            shown(other)
        )),
        None => Ok(()),
    }
}

fn shown(name: &SanType) -> String {
    match name {
        SanType::DnsName(name) => name.as_str().to_owned(),
        SanType::IpAddress(ip) => ip.to_string(),
        SanType::Rfc822Name(name) => name.as_str().to_owned(),
        SanType::URI(name) => name.as_str().to_owned(),
        _ => "a name of another kind".to_owned(),
    }
}

/// From one midnight to another, in UTC.
fn lasts(params: &mut CertificateParams, begin: Date, end: Date) {
    let midnight = |date: Date| {
        // jiff's months and days are 1 to 12 and 1 to 31.
        let number = |n: i8| n.unsigned_abs();
        date_time_ymd(date.year().into(), number(date.month()), number(date.day()))
    };
    (params.not_before, params.not_after) = (midnight(begin), midnight(end));
}

/// From yesterday on, since not every clock is right, until `days` are over.
fn term(days: u16, now: Timestamp) -> Result<(Date, Date), String> {
    let today = day(now);
    let later = jiff::Span::new().days(i64::from(days) + 1);
    let end = today.checked_add(later).map_err(|e| e.to_string())?;
    let begin = today.yesterday().map_err(|e| e.to_string())?;
    Ok((begin, end))
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// 126 random bits, positive and never 0. Source: RFC 5280 section 4.1.2.2.
fn serial() -> Result<SerialNumber, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| e.to_string())?;
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, others: Vec<SanType>) -> String {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = others;
        let made = params.serialize_request(&key).expect("a request");
        made.pem().expect("in PEM")
    }

    #[test]
    fn what_a_request_calls_a_name_is_one_or_nothing_is_signed() {
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().expect("a time");
        let own = found("CA", 3650, now).expect("an authority");
        let authority = Authority::open(&own.certificate, &own.key, now).expect("it opens");
        let dns = |name: &str| SanType::DnsName(name.try_into().expect("ASCII"));
        let sign = |uses, name: &str, others| authority.sign(uses, &asked(name, others), 30, now);
        for uses in [Uses::Server, Uses::Client] {
            for other in [
                "a.example\nsigned for b.example",
                "bank.example\0.a.example",
                "\x1b[2J",
                "*",
                "../a",
                "",
            ] {
                let signed = sign(uses, "a", vec![dns("a.example"), dns(other)]);
                assert!(signed.is_err(), "{other:?}");
            }
            let uri = SanType::URI("https://a\n/".try_into().expect("ASCII"));
            assert!(sign(uses, "a", vec![dns("a.example"), uri]).is_err());
            assert!(sign(uses, "a\nb", vec![dns("a.example")]).is_err());
            assert!(sign(uses, "a", vec![dns("a.example"); MOST_NAMES + 1]).is_err());
            let wanted = vec![dns("*.a.example"), dns("a_b.example")];
            let signed = sign(uses, "app", wanted).expect("names of hosts");
            assert_eq!(signed.name, "app");
        }
    }
}
