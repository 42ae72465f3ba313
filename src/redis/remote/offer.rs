//! A ClientHello by hand that offers only what nobody should take, to see whether a server does: where its configuration is not
//! told, that is the only way to know. Nothing follows it. Source: RFC 5246 sections 6.2 and 7.4.1, and IANA's list of cipher suites.

use crate::redis::timed::Timed;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::IpAddr;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const TLS_1_1: u16 = 0x0302;
const TLS_1_2: u16 = 0x0303;

/// Suites that servers of TLS 1.0 and 1.1 have.
const OLD: [u16; 11] = [
    0xc013, 0xc014, 0xc009, 0xc00a, 0x002f, 0x0035, 0x0033, 0x0039, 0x000a, 0xc012, 0x0005,
];

/// Suites that encrypt nothing, prove nobody's identity, or have been broken.
const WEAK: [(u16, &str); 28] = [
    (0x0001, "RSA_WITH_NULL_MD5"),
    (0x0002, "RSA_WITH_NULL_SHA"),
    (0x003b, "RSA_WITH_NULL_SHA256"),
    (0xc006, "ECDHE_ECDSA_WITH_NULL_SHA"),
    (0xc010, "ECDHE_RSA_WITH_NULL_SHA"),
    (0x0003, "RSA_EXPORT_WITH_RC4_40_MD5"),
    (0x0008, "RSA_EXPORT_WITH_DES40_CBC_SHA"),
    (0x0014, "DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"),
    (0x0004, "RSA_WITH_RC4_128_MD5"),
    (0x0005, "RSA_WITH_RC4_128_SHA"),
    (0xc007, "ECDHE_ECDSA_WITH_RC4_128_SHA"),
    (0xc011, "ECDHE_RSA_WITH_RC4_128_SHA"),
    (0x0009, "RSA_WITH_DES_CBC_SHA"),
    (0x0015, "DHE_RSA_WITH_DES_CBC_SHA"),
    (0x000a, "RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0016, "DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc008, "ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc012, "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0018, "DH_anon_WITH_RC4_128_MD5"),
    (0x001b, "DH_anon_WITH_3DES_EDE_CBC_SHA"),
    (0x0034, "DH_anon_WITH_AES_128_CBC_SHA"),
    (0x003a, "DH_anon_WITH_AES_256_CBC_SHA"),
    (0x00a6, "DH_anon_WITH_AES_128_GCM_SHA256"),
    (0xc015, "ECDH_anon_WITH_NULL_SHA"),
    (0xc016, "ECDH_anon_WITH_RC4_128_SHA"),
    (0xc017, "ECDH_anon_WITH_3DES_EDE_CBC_SHA"),
    (0xc018, "ECDH_anon_WITH_AES_128_CBC_SHA"),
    (0xc019, "ECDH_anon_WITH_AES_256_CBC_SHA"),
];

/// What a server has chosen.
struct Chosen {
    version: u16,
    suite: u16,
}

/// The retired version that a server takes, if it takes one.
pub fn retired_version(stream: Timed, name: &str) -> Result<Option<&'static str>> {
    let chosen = answer(stream, &hello(TLS_1_1, &OLD, name))?;
    Ok(chosen.and_then(|chosen| match chosen.version {
        0x0300 => Some("SSLv3"),
        0x0301 => Some("TLSv1.0"),
        TLS_1_1 => Some("TLSv1.1"),
        _ => None,
    }))
}

/// The weak suite that a server takes, if it takes one.
pub fn weak_suite(stream: Timed, name: &str) -> Result<Option<&'static str>> {
    let suites = WEAK.map(|(suite, _)| suite);
    let chosen = answer(stream, &hello(TLS_1_2, &suites, name))?;
    let known = |chosen: Chosen| WEAK.iter().find(|(suite, _)| *suite == chosen.suite);
    Ok(chosen.and_then(known).map(|(_, name)| *name))
}

/// What a server answers to a hello; nothing where it says that it wants none of it.
fn answer(mut stream: Timed, hello: &[u8]) -> Result<Option<Chosen>> {
    stream.write_all(hello)?;
    let mut head = [0; 5];
    // One that ends the connection without an alert may have another reason, such as too many clients.
    stream.read_exact(&mut head)?;
    let [kind, _, _, high, low] = head;
    let mut body = vec![0; u16::from_be_bytes([high, low]).into()];
    match kind {
        ALERT => Ok(None),
        HANDSHAKE => {
            stream.read_exact(&mut body)?;
            let strange = || Error::new(ErrorKind::InvalidData, "its ServerHello is malformed");
            server_hello(&body).map(Some).ok_or_else(strange)
        }
        _ => Err(Error::new(
            ErrorKind::InvalidData,
            "it does not answer in TLS",
        )),
    }
}

/// Kind, length, version, random, session, suite.
fn server_hello(body: &[u8]) -> Option<Chosen> {
    const KIND: u8 = 2;
    let number = |at: usize| {
        let bytes = body.get(at..at + 2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    let session = usize::from(*body.get(38)?);
    (body.first() == Some(&KIND)).then_some(Chosen {
        version: number(4)?,
        suite: number(39 + session)?,
    })
}

fn hello(version: u16, suites: &[u16], name: &str) -> Vec<u8> {
    // OpenSSL wants to know that renegotiation would be safe.
    const SAFE_RENEGOTIATION: u16 = 0x00ff;
    const NO_COMPRESSION: [u8; 2] = [1, 0];
    // What follows is never encrypted, so that nothing hangs on it being random.
    const RANDOM: [u8; 32] = [0x5a; 32];
    let suites = numbers(suites.iter().chain([&SAFE_RENEGOTIATION]));
    let body = [
        version.to_be_bytes().as_slice(),
        &RANDOM,
        &[0],
        &long(&suites),
        &NO_COMPRESSION,
        &long(&extensions(name)),
    ]
    .concat();
    let message = [[1, 0].as_slice(), &long(&body)].concat();
    [[HANDSHAKE, 3, 1].as_slice(), &long(&message)].concat()
}

/// The name, curves, their points in full, and signatures old and new.
fn extensions(name: &str) -> Vec<u8> {
    let curves = numbers(&[0x001d, 0x0017, 0x0018, 0x0019]);
    let signatures = numbers(&[
        0x0403, 0x0503, 0x0603, 0x0804, 0x0807, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201,
    ]);
    let mut all = [
        extension(10, &long(&curves)),
        extension(11, &[1, 0]),
        extension(13, &long(&signatures)),
    ]
    .concat();
    // An address is no name.
    if name.parse::<IpAddr>().is_err() {
        let entry = [[0].as_slice(), &long(name.as_bytes())].concat();
        all.extend(extension(0, &long(&entry)));
    }
    all
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().as_slice(), &long(content)].concat()
}

fn numbers<'a>(numbers: impl IntoIterator<Item = &'a u16>) -> Vec<u8> {
    numbers.into_iter().flat_map(|n| n.to_be_bytes()).collect()
}

/// Bytes behind their length, of 16 bits.
fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [length.to_be_bytes().as_slice(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenSSL 3.0 begins it: TLS 1.1, no session, ECDHE-ECDSA-AES256-SHA.
    fn real() -> Vec<u8> {
        [
            [2, 0, 0, 38, 3, 2].as_slice(),
            &[0x11; 32],
            &[0, 0xc0, 0x0a],
        ]
        .concat()
    }

    #[test]
    fn a_server_hello_is_read_whole_or_not_at_all() {
        let chosen = server_hello(&real()).unwrap();
        assert_eq!((chosen.version, chosen.suite), (TLS_1_1, 0xc00a));
        for end in 0..real().len() {
            assert!(server_hello(&real()[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn a_session_is_passed_over() {
        let mut body = real();
        body.splice(38..39, [2, 0xaa, 0xbb]);
        assert_eq!(server_hello(&body).unwrap().suite, 0xc00a);
    }
}
