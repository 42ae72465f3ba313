//! The authority of `tls init`, and what it issues and signs, as openssl judges it. In directories of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn run(program: &str, words: &[&str], dir: &Path) -> Ran {
    let output = Command::new(program)
        .args(words)
        .current_dir(dir)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

fn tls(dir: &Path, words: &[&str]) -> Ran {
    let words = [&["tls"], words].concat();
    run(env!("CARGO_BIN_EXE_redis-harden"), &words, dir)
}

fn openssl(dir: &Path, words: &str) -> Ran {
    let words: Vec<&str> = words.split_whitespace().collect();
    run("openssl", &words, dir)
}

/// A directory with an authority in `ca`.
fn founded() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let made = tls(dir.path(), &["init", "--authority-only", "--ca", "ca"]);
    assert_eq!(made.code, 0, "{}", made.err);
    dir
}

/// A request by openssl for these extensions.
fn request(dir: &Path, key: &str, extensions: &[&str]) -> PathBuf {
    let mut words = vec!["req", "-new", "-nodes", "-keyout", "r.key", "-out", "r.csr"];
    words.extend(["-subj", "/CN=other.example"]);
    words.extend(key.split_whitespace());
    words.extend(extensions.iter().flat_map(|e| ["-addext", *e]));
    let made = run("openssl", &words, dir);
    assert_eq!(made.code, 0, "{}", made.err);
    dir.join("r.csr")
}

const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";

#[test]
fn the_authority_is_one_and_its_key_is_nobody_elses() {
    let dir = founded();
    let text = openssl(dir.path(), "x509 -in ca/ca.crt -noout -text").out;
    for part in [
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "X509v3 Subject Key Identifier",
        "ecdsa-with-SHA256",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let mode = |name: &str| {
        fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("ca") & 0o777, 0o700);
    assert_eq!(mode("ca/ca.key") & 0o777, 0o600);
    assert_eq!(mode("ca/ca.crt") & 0o777, 0o644);
    let before = fs::read(dir.path().join("ca/ca.key")).unwrap();
    let again = tls(dir.path(), &["init", "--authority-only", "--ca", "ca"]);
    assert!(
        again.code == 0 && again.out.contains("stays"),
        "{}",
        again.out
    );
    assert_eq!(fs::read(dir.path().join("ca/ca.key")).unwrap(), before);
    let forced = tls(
        dir.path(),
        &["init", "--authority-only", "--ca", "ca", "--force"],
    );
    assert_eq!(forced.code, 0, "{}", forced.err);
    assert_ne!(fs::read(dir.path().join("ca/ca.key")).unwrap(), before);
}

#[test]
fn a_clients_certificate_is_for_a_client_and_for_nothing_else() {
    let dir = founded();
    let issue = ["issue", "app", "--ca", "ca", "--out", "out", "--days", "30"];
    let made = tls(dir.path(), &issue);
    assert_eq!(made.code, 0, "{}", made.err);
    let verify = |purpose: &str| {
        let words = format!("verify -x509_strict -purpose {purpose} -CAfile ca/ca.crt out/app.crt");
        openssl(dir.path(), &words).code
    };
    assert_eq!(verify("sslclient"), 0);
    assert_ne!(verify("sslserver"), 0);
    let checkend = |days: u64| {
        let seconds = days * 86_400;
        openssl(
            dir.path(),
            &format!("x509 -noout -checkend {seconds} -in out/app.crt"),
        )
        .code
    };
    assert_eq!((checkend(29), checkend(32)), (0, 1));
    let key = dir.path().join("out/app.key");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let before = fs::read(&key).unwrap();
    let again = tls(dir.path(), &issue);
    assert!(
        again.code == 2 && again.err.contains("--force"),
        "{}",
        again.err
    );
    assert_eq!(fs::read(&key).unwrap(), before);
    assert_eq!(
        tls(dir.path(), &[&issue[..], &["--force"]].concat()).code,
        0
    );
    assert_ne!(fs::read(&key).unwrap(), before);
    for name in ["", "-x", "../x", "a/b", "a b", ".hidden", "x\n"] {
        let refused = tls(
            dir.path(),
            &["issue", "--ca", "ca", "--out", "out", "--", name],
        );
        assert_eq!(refused.code, 2, "{name:?}: {}", refused.out);
    }
}

#[test]
fn a_request_gets_its_names_and_not_its_wishes() {
    let dir = founded();
    let names = "subjectAltName=DNS:other.example,IP:10.0.0.9";
    let wishes = [
        names,
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=keyCertSign",
    ];
    for key in [EC, "-newkey rsa:2048"] {
        let asked = request(dir.path(), key, &wishes);
        let signed = tls(dir.path(), &["sign", asked.to_str().unwrap(), "--ca", "ca"]);
        assert_eq!(signed.code, 0, "{}", signed.err);
        assert!(
            signed.err.contains("other.example 10.0.0.9"),
            "{}",
            signed.err
        );
        fs::write(dir.path().join("r.crt"), &signed.out).unwrap();
        for purpose in ["sslserver", "sslclient"] {
            let words = format!("verify -x509_strict -purpose {purpose} -CAfile ca/ca.crt r.crt");
            let verified = openssl(dir.path(), &words);
            assert_eq!(verified.code, 0, "{purpose}: {}", verified.err);
        }
        let text = openssl(dir.path(), "x509 -in r.crt -noout -text").out;
        assert!(
            text.contains("CA:FALSE") && !text.contains("Certificate Sign"),
            "{text}"
        );
        let host = openssl(dir.path(), "x509 -in r.crt -noout -checkhost other.example");
        assert!(!host.out.contains("NOT"), "{}", host.out);
        // By the same request once more: another number.
        let serial = || openssl(dir.path(), "x509 -in r.crt -noout -serial").out;
        let first = serial();
        let again = tls(dir.path(), &["sign", "r.csr", "--ca", "ca"]).out;
        fs::write(dir.path().join("r.crt"), again).unwrap();
        assert_ne!(serial(), first);
    }
    let asked = request(dir.path(), EC, &[]);
    let nameless = tls(dir.path(), &["sign", asked.to_str().unwrap(), "--ca", "ca"]);
    assert!(
        nameless.code == 2 && nameless.err.contains("no name"),
        "{}",
        nameless.err
    );
    let client = tls(dir.path(), &["sign", "r.csr", "--ca", "ca", "--client"]);
    assert_eq!(client.code, 0, "{}", client.err);
    fs::write(dir.path().join("r.crt"), &client.out).unwrap();
    let verified = openssl(
        dir.path(),
        "verify -purpose sslserver -CAfile ca/ca.crt r.crt",
    );
    assert_ne!(verified.code, 0, "a client's is no server's");
}

#[test]
fn what_cannot_be_signed_is_said_and_nothing_is_printed() {
    let dir = founded();
    let asked = request(dir.path(), EC, &["subjectAltName=DNS:a.example"]);
    let text = fs::read_to_string(&asked).unwrap();
    // One bit of the signature, which is at the end.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lines.len() - 2;
    let swapped = if lines[at].starts_with('A') { "B" } else { "A" };
    lines[at].replace_range(0..1, swapped);
    for (name, content) in [
        ("forged.csr", lines.join("\n") + "\n"),
        ("empty.csr", String::new()),
        ("text.csr", "no request\n".to_owned()),
        (
            "certificate.csr",
            fs::read_to_string(dir.path().join("ca/ca.crt")).unwrap(),
        ),
    ] {
        fs::write(dir.path().join(name), content).unwrap();
        let refused = tls(dir.path(), &["sign", name, "--ca", "ca"]);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{name}");
        assert!(refused.err.contains(name), "{name}: {}", refused.err);
    }
    let missing = tls(dir.path(), &["sign", "none.csr", "--ca", "ca"]);
    assert!(
        missing.code == 2 && missing.err.contains("none.csr"),
        "{}",
        missing.err
    );
    let nobody = tls(dir.path(), &["sign", "r.csr", "--ca", "elsewhere"]);
    assert!(
        nobody.code == 2 && nobody.err.contains("tls init"),
        "{}",
        nobody.err
    );
}

#[test]
fn an_authority_that_is_half_there_or_not_one_signs_nothing() {
    let dir = founded();
    request(dir.path(), EC, &["subjectAltName=DNS:a.example"]);
    let ca = dir.path().join("ca");
    let sign = || tls(dir.path(), &["sign", "r.csr", "--ca", "ca"]);
    let good = ["ca.crt", "ca.key"].map(|name| fs::read(ca.join(name)).unwrap());
    let restore = || {
        fs::write(ca.join("ca.crt"), &good[0]).unwrap();
        fs::write(ca.join("ca.key"), &good[1]).unwrap();
    };
    fs::remove_file(ca.join("ca.key")).unwrap();
    assert!(sign().err.contains("elsewhere, or lost"));
    let init = ["init", "--authority-only", "--ca", "ca"];
    assert_eq!(tls(dir.path(), &init).code, 2, "no new one beside it");
    restore();
    fs::remove_file(ca.join("ca.crt")).unwrap();
    assert!(sign().err.contains("cut short"));
    restore();
    fs::copy(dir.path().join("r.key"), ca.join("ca.key")).unwrap();
    assert!(
        sign().err.contains("another certificate's"),
        "{}",
        sign().err
    );
    // A leaf in the authority's place.
    restore();
    tls(dir.path(), &["issue", "leaf", "--ca", "ca", "--out", "out"]);
    fs::copy(dir.path().join("out/leaf.crt"), ca.join("ca.crt")).unwrap();
    fs::copy(dir.path().join("out/leaf.key"), ca.join("ca.key")).unwrap();
    assert!(sign().err.contains("no authority's"), "{}", sign().err);
}

#[test]
fn no_certificate_outlives_its_authority() {
    let dir = tempfile::tempdir().unwrap();
    let init = [
        "init",
        "--authority-only",
        "--ca",
        "ca",
        "--authority-days",
        "10",
    ];
    assert_eq!(tls(dir.path(), &init).code, 0);
    tls(dir.path(), &["issue", "app", "--ca", "ca", "--out", "out"]);
    let end = |file: &str| openssl(dir.path(), &format!("x509 -noout -enddate -in {file}")).out;
    assert_eq!(end("out/app.crt"), end("ca/ca.crt"));
}

#[test]
fn a_servers_pair_is_issued_for_a_host_without_an_agent() {
    let dir = founded();
    let words = ["issue", "redis-tls", "--ca", "ca", "--out", "out"];
    let named = ["--server", "--name", "redis", "--name", "127.0.0.1"];
    let made = tls(dir.path(), &[&words[..], &named].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    for purpose in ["sslserver", "sslclient"] {
        let verify = format!(
            "verify -x509_strict -purpose {purpose} -verify_hostname redis -CAfile ca/ca.crt out/redis-tls.crt"
        );
        let judged = openssl(dir.path(), &verify);
        assert_eq!(judged.code, 0, "{}", judged.err);
    }
    for alone in [&["--server"][..], &["--name", "redis"]] {
        let refused = tls(dir.path(), &[&words[..], alone].concat());
        assert_eq!(refused.code, 2, "{alone:?}: {}", refused.out);
    }
    let wrong = ["--server", "--name", "a b", "--force"];
    let refused = tls(dir.path(), &[&words[..], &wrong].concat());
    assert_eq!(refused.code, 2, "{}", refused.out);
}
