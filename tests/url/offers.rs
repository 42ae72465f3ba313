//! What a server takes that nobody should offer, where its CONFIG does not tell: found by offering it, as openssl s_client finds it.

use super::tls::{ALL, Encrypted, TRUSTING, users};
use crate::server::Server;
use crate::verdicts;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Whether openssl and the server agree when these are all that is offered.
fn openssl_agrees(server: &Encrypted, version: &str, ciphers: &str) -> bool {
    let file = |name: &str| server.path(name).display().to_string();
    let output = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{}", server.port),
        ])
        .args(["-cert", &file("client.crt"), "-key", &file("client.key")])
        .args([version, "-cipher", ciphers])
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed (tests/install-deps)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.contains("Cipher is") && !said.contains("Cipher is (NONE)")
}

#[test]
fn retired_versions_and_weak_ciphers_are_found_without_config() {
    let with_null = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0";
    for (options, old, weak) in [
        ([].as_slice(), false, false),
        (&["--tls-protocols", "TLSv1.3"], false, false),
        // OpenSSL 3 speaks it at security level 0 only, whatever it was told.
        (&["--tls-protocols", "TLSv1.1 TLSv1.2"], false, false),
        (
            &[
                "--tls-protocols",
                "TLSv1.1 TLSv1.2",
                "--tls-ciphers",
                "DEFAULT:@SECLEVEL=0",
            ],
            true,
            false,
        ),
        (&["--tls-ciphers", with_null], false, true),
    ] {
        let server = Encrypted::start("good", options, &users("+@all -config"));
        let verdicts = verdicts(&server.check(ALL));
        let fails = |id: &str| verdicts.get(id).map(|(status, _)| status == "fail");
        assert_eq!(fails("tls.protocols"), Some(old), "{options:?}");
        assert_eq!(fails("tls.ciphers"), Some(weak), "{options:?}");
        let theirs = openssl_agrees(&server, "-tls1_1", "ALL:@SECLEVEL=0");
        assert_eq!(theirs, old, "{options:?}");
        let theirs = openssl_agrees(&server, "-tls1_2", "aNULL:eNULL:@SECLEVEL=0");
        assert_eq!(theirs, weak, "{options:?}");
    }
}

/// Nothing of this is in a log where CONFIG tells.
#[test]
fn nothing_is_offered_where_config_tells() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let file = log.path().display().to_string();
    let options = ["--logfile", &file, "--loglevel", "debug"];
    let server = Encrypted::start("good", &options, &users("+@all"));
    assert_eq!(server.check(ALL).status.code(), Some(1));
    let text = std::fs::read_to_string(log.path()).expect("the log");
    assert!(text.contains("Accepted"), "{text}");
    assert!(
        !text.contains("Error accepting") && !text.contains("SSL"),
        "{text}"
    );
}

/// What ends TLS before a server that speaks none, as some platforms have it.
fn proxy(dir: &Path, to: u16) -> u16 {
    let read = |name: &str| std::fs::read(dir.join(name)).expect("made for the test");
    let chain = CertificateDer::pem_slice_iter(&read("direct.crt")).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(&read("direct.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.expect("a certificate"), key)
        .expect("they match");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", to)).expect("redis-server");
            let tls = ServerConnection::new(Arc::clone(&config)).expect("a configuration");
            std::thread::spawn(move || pass_on(StreamOwned::new(tls, client), server));
        }
    });
    port
}

/// A question, then all that is answered to it.
fn pass_on(
    mut client: StreamOwned<ServerConnection, TcpStream>,
    mut server: TcpStream,
) -> Option<()> {
    let pause = Duration::from_millis(50);
    server.set_read_timeout(Some(pause)).ok()?;
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = client.read(&mut bytes) {
        server.write_all(bytes.get(..read)?).ok()?;
        while let Ok(read @ 1..) = server.read(&mut bytes) {
            client.write_all(bytes.get(..read)?).ok()?;
        }
    }
    Some(())
}

#[test]
fn what_ends_tls_before_a_plain_server_is_judged_by_what_it_shows() {
    let server = Server::start(&[], &users("~* &* +@all"));
    let issued = Encrypted::start("direct", &[], "");
    let port = proxy(
        issued.path("root.crt").parent().expect("a directory"),
        server.port,
    );
    let output = issued.check_at(&format!("rediss://127.0.0.1:{port}"), TRUSTING);
    let verdicts = verdicts(&output);
    for id in [
        "tls.chain",
        "tls.names",
        "tls.encrypted",
        "tls.protocols",
        "tls.ciphers",
        "tls.expiry",
    ] {
        assert_eq!(
            verdicts.get(id).map(|(status, _)| status.as_str()),
            Some("pass"),
            "{id}"
        );
    }
    let (status, _) = verdicts
        .get("tls.client-certificates")
        .expect("it is judged");
    assert_eq!(status, "fail");
}
