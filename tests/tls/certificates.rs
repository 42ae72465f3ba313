//! Each certificate, judged by us and by openssl.

use crate::issued::certificates;
use crate::sight::{Machine, run, value};
use redis_harden::setting::tls::COMPLETE;
use redis_harden::setting::tls::certificate::{CertificateFact, Role};
use redis_harden::value::Value;
use std::path::{Path, PathBuf};

/// The files of a directory with this ending.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == ending))
        .collect();
    paths.sort();
    assert!(paths.len() > 20, "{paths:?}");
    paths
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What ring does not verify: ECDSA with SHA-1, and by a short RSA key. Both are another control's finding.
const NOT_VERIFIED: [&str; 2] = ["/sha1.crt", "/by-short.crt"];

#[test]
fn a_chain_is_complete_where_openssl_verifies_it() {
    let (dir, mut machine) = (certificates(), Machine::new());
    let mut complete = 0;
    for root in [
        "root.crt",
        "twin.crt",
        "stranger.crt",
        "middle.crt",
        "self.crt",
    ] {
        let root = dir.path().join(root);
        for path in files(dir.path(), "crt") {
            let (ca, file) = (text(&root), text(&path));
            let (theirs, _) = run(
                "openssl",
                &["verify", "-CAfile", ca, "-untrusted", file, file],
            );
            let told = [
                ("tls-cert-file", path.as_path()),
                ("tls-ca-cert-file", &root),
            ];
            let ours = machine.reads(&told, Role::Server, CertificateFact::Chain);
            match value(ours) {
                Ok(ours) => assert_eq!(
                    ours == Value::text(COMPLETE),
                    theirs,
                    "{file} by {ca}: {ours}"
                ),
                Err(why) => assert!(
                    NOT_VERIFIED.iter().any(|name| file.ends_with(name)),
                    "{file} by {ca}: {why}"
                ),
            }
            complete += usize::from(theirs);
        }
    }
    assert!(complete > 20, "{complete}");
}

#[test]
fn an_authority_is_found_in_a_directory_as_openssl_rehash_makes_it() {
    let (dir, mut machine) = (certificates(), Machine::new());
    let store = dir.path().join("store");
    std::fs::create_dir(&store).unwrap();
    std::fs::copy(dir.path().join("root.crt"), store.join("root.pem")).unwrap();
    let good = dir.path().join("good.crt");
    let told = [
        ("tls-cert-file", good.as_path()),
        ("tls-ca-cert-dir", &store),
    ];
    let mut chain = || value(machine.reads(&told, Role::Server, CertificateFact::Chain));
    assert!(chain().is_err(), "openssl finds it by its hash only");
    assert!(run("openssl", &["rehash", text(&store)]).0);
    assert_eq!(chain(), Ok(Value::text(COMPLETE)));
}

#[test]
fn days_are_left_where_openssl_checkend_says_so() {
    let (dir, mut machine) = (certificates(), Machine::new());
    for path in files(dir.path(), "crt") {
        let told = [("tls-cert-file", path.as_path())];
        let left = machine.reads(&told, Role::Server, CertificateFact::DaysLeft);
        let Ok(Value::Int(left)) = value(left) else {
            panic!("{}", path.display());
        };
        let pem = std::fs::read_to_string(&path).unwrap();
        for days in [0, 7, 30] {
            let seconds = (days * 86_400).to_string();
            let outlives = |section: &str| {
                let one = dir.path().join("one.pem");
                std::fs::write(&one, section).unwrap();
                let check = ["x509", "-noout", "-checkend", &seconds, "-in", text(&one)];
                run("openssl", &check).0
            };
            let theirs = pem
                .split_inclusive("-----END CERTIFICATE-----\n")
                .all(outlives);
            assert_eq!(left >= days, theirs, "{}: {left} of {days}", path.display());
        }
    }
    for (name, days) in [
        ("days-6", 6),
        ("days-8", 8),
        ("days-29", 29),
        ("days-31", 31),
    ] {
        let path = dir.path().join(format!("{name}.crt"));
        let left = machine.reads(
            &[("tls-cert-file", &path)],
            Role::Server,
            CertificateFact::DaysLeft,
        );
        assert_eq!(value(left), Ok(Value::Int(days)), "{name}");
    }
}

#[test]
fn a_certificate_serves_where_openssl_says_its_purpose_is_that() {
    let (dir, mut machine) = (certificates(), Machine::new());
    for path in files(dir.path(), "crt") {
        let (_, purposes) = run(
            "openssl",
            &["x509", "-noout", "-purpose", "-in", text(&path)],
        );
        for (role, purpose) in [(Role::Server, "SSL server"), (Role::Client, "SSL client")] {
            let theirs = purposes.lines().any(|l| l == format!("{purpose} : Yes"));
            let told = [("tls-cert-file", path.as_path())];
            let ours = machine.reads(&told, role, CertificateFact::Usage);
            assert_eq!(
                value(ours),
                Ok(Value::Flag(theirs)),
                "{} {purpose}",
                path.display()
            );
        }
    }
}

/// What cannot be told says so: a key that only its password opens, and kinds that no handshake of ours would use.
#[test]
fn a_key_matches_where_openssl_derives_the_same_public_half() {
    const NOT_KNOWN: [&str; 5] = [
        "encrypted.key",
        "p224.key",
        "p521.key",
        "rsa1024.key",
        "short.key",
    ];
    let (dir, mut machine) = (certificates(), Machine::new());
    let public = |arguments: &[&str]| {
        let (done, text) = run("openssl", arguments);
        assert!(done, "{arguments:?}");
        text
    };
    let keys: Vec<(PathBuf, String)> = files(dir.path(), "key")
        .into_iter()
        .map(|path| {
            let theirs = public(&["pkey", "-pubout", "-passin", "pass:x", "-in", text(&path)]);
            (path, theirs)
        })
        .collect();
    for certificate in files(dir.path(), "crt") {
        let wanted = public(&["x509", "-noout", "-pubkey", "-in", text(&certificate)]);
        for (key, theirs) in &keys {
            let told = [
                ("tls-cert-file", certificate.as_path()),
                ("tls-key-file", key),
            ];
            let ours = value(machine.reads(&told, Role::Server, CertificateFact::KeyMatches));
            let name = key.file_name().unwrap().to_str().unwrap();
            match NOT_KNOWN.contains(&name) {
                true => assert!(ours.is_err(), "{name}"),
                false => assert_eq!(
                    ours,
                    Ok(Value::Flag(*theirs == wanted)),
                    "{name} of {}",
                    certificate.display()
                ),
            }
        }
    }
}

/// One byte of an extension's content changed: openssl does not take it either.
#[test]
fn a_certificate_with_a_malformed_extension_is_no_certificate() {
    let (dir, mut machine) = (certificates(), Machine::new());
    let (good, broken) = (dir.path().join("server.crt"), dir.path().join("broken.crt"));
    let der = dir.path().join("server.der");
    assert!(
        run(
            "openssl",
            &[
                "x509",
                "-in",
                text(&good),
                "-outform",
                "DER",
                "-out",
                text(&der)
            ]
        )
        .0
    );
    let mut bytes = std::fs::read(&der).unwrap();
    // extendedKeyUsage (2.5.29.37), its octet string, and the sequence in it.
    let at = bytes
        .windows(5)
        .position(|w| w == [6, 3, 0x55, 0x1d, 0x25])
        .unwrap();
    assert_eq!(bytes[at + 7], 0x30);
    bytes[at + 7] = 0x31;
    std::fs::write(&der, &bytes).unwrap();
    let convert = [
        "x509",
        "-inform",
        "DER",
        "-in",
        text(&der),
        "-out",
        text(&broken),
    ];
    assert!(run("openssl", &convert).0);
    let root = dir.path().join("root.crt");
    let purpose = [
        "verify",
        "-purpose",
        "sslserver",
        "-CAfile",
        text(&root),
        text(&broken),
    ];
    assert!(!run("openssl", &purpose).0);
    let told = [
        ("tls-cert-file", broken.as_path()),
        ("tls-ca-cert-file", &root),
    ];
    let mut reads = |what| value(machine.reads(&told, Role::Server, what));
    assert_eq!(reads(CertificateFact::Count), Ok(Value::Int(0)));
    for what in [
        CertificateFact::Usage,
        CertificateFact::Chain,
        CertificateFact::DaysLeft,
    ] {
        assert!(reads(what).is_err(), "{what}");
    }
}
