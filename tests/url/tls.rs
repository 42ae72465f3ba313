//! `rediss://`: a real redis-server that speaks TLS, with certificates made for the test; redis-cli, by OpenSSL, says the same.

use crate::issued::certificates;
use crate::server::{Server, free_port};
use crate::verdicts;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

const PASSWORD: &str = "open-sesame";

/// Its SHA-256.
const DIGEST: &str = "d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";

/// A server with a port for TLS beside its plain one.
pub struct Encrypted {
    pub plain: Server,
    pub port: u16,
    files: tempfile::TempDir,
}

impl Encrypted {
    /// One that shows this certificate, and wants one of its clients unless the options say otherwise.
    pub fn start(certificate: &str, options: &[&str], users: &str) -> Encrypted {
        let files = certificates();
        let port = free_port();
        let path = |name: &str| files.path().join(name).display().to_string();
        let (number, root) = (port.to_string(), path("root.crt"));
        let (own, key) = (
            path(&format!("{certificate}.crt")),
            path(&format!("{certificate}.key")),
        );
        let tls = [
            ["--tls-port", &number],
            ["--tls-cert-file", &own],
            ["--tls-key-file", &key],
            ["--tls-ca-cert-file", &root],
        ];
        let both = ["--bind", "127.0.0.1", "::1"];
        let all = [tls.as_flattened(), &both, options].concat();
        let plain = Server::start(&all, users);
        Encrypted { plain, port, files }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// The options, in which `@` stands for the directory of the certificates.
    fn options(&self, options: &[&str]) -> Vec<String> {
        let dir = format!("{}/", self.files.path().display());
        options.iter().map(|o| o.replace('@', &dir)).collect()
    }

    pub fn check_at(&self, url: &str, options: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_redis-harden"))
            .args(["check", "--format", "json", "--url", url])
            .args(self.options(options))
            .env("REDISCLI_AUTH", PASSWORD)
            .output()
            .expect("it runs")
    }

    pub fn check(&self, options: &[&str]) -> Output {
        self.check_at(&format!("rediss://127.0.0.1:{}", self.port), options)
    }

    /// Whether redis-cli gets an answer with the same options.
    fn answers_redis_cli(&self, options: &[&str]) -> bool {
        let output = Command::new("redis-cli")
            .args(["--tls", "-p", &self.port.to_string()])
            .args(self.options(options))
            .arg("PING")
            .env("REDISCLI_AUTH", PASSWORD)
            .output()
            .expect("redis-cli is installed (tests/install-deps)");
        String::from_utf8_lossy(&output.stdout).trim() == "PONG"
    }
}

pub const ALL: &[&str] = &[
    "--cacert",
    "@root.crt",
    "--cert",
    "@client.crt",
    "--key",
    "@client.key",
];

pub const TRUSTING: &[&str] = &["--cacert", "@root.crt"];

pub fn users(rules: &str) -> String {
    format!("user default on #{DIGEST} {rules}\n")
}

fn statuses(output: &Output) -> BTreeMap<String, String> {
    let all = verdicts(output).into_iter();
    all.map(|(id, (status, _))| (id, status)).collect()
}

fn ids<'a>(statuses: &'a BTreeMap<String, String>, wanted: &str) -> Vec<&'a str> {
    let tls = statuses
        .iter()
        .filter(|(id, status)| id.starts_with("tls.") && *status == wanted);
    tls.map(|(id, _)| id.as_str()).collect()
}

/// That it is trouble, said in these words, and without the password.
fn is_trouble(output: &Output, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words}: {said}");
    assert!(said.contains(words), "{words}: {said}");
    assert!(
        output.stdout.is_empty() && !said.contains(PASSWORD),
        "{said}"
    );
}

#[test]
fn what_a_client_sees_of_tls_is_judged_and_what_only_the_host_knows_is_not() {
    let server = Encrypted::start("good", &[], &users("~* &* +@all"));
    assert!(server.answers_redis_cli(ALL));
    let statuses = statuses(&server.check(ALL));
    assert_eq!(
        ids(&statuses, "pass"),
        [
            "tls.chain",
            "tls.ciphers",
            "tls.client-certificates",
            "tls.encrypted",
            "tls.expiry",
            "tls.expiry-soon",
            "tls.key-strength",
            "tls.names",
            "tls.not-yet-valid",
            "tls.plain-port",
            "tls.protocols",
            "tls.server-usage",
        ]
    );
    assert_eq!(
        ids(&statuses, "not-applicable"),
        [
            "tls.authority-elsewhere",
            "tls.ca-present",
            "tls.certificate",
            "tls.client-usage",
            "tls.files",
            "tls.key-matches",
            "tls.key-permissions",
            "tls.own-key",
            "tls.served-is-file",
            "tls.watch",
        ]
    );
    assert_eq!(
        statuses.get("acl.anonymous").map(String::as_str),
        Some("pass")
    );
}

#[test]
fn a_literal_address_of_version_6_is_asked_and_verified() {
    let server = Encrypted::start("direct", &["--tls-auth-clients", "no"], &users("+@all"));
    let output = server.check_at(&format!("rediss://[::1]:{}", server.port), TRUSTING);
    let statuses = statuses(&output);
    assert_eq!(ids(&statuses, "fail"), ["tls.client-certificates"]);
    assert_eq!(statuses.get("tls.names").map(String::as_str), Some("pass"));
}

#[test]
fn tls_without_its_configuration_is_judged_by_the_handshake_and_the_rest_is_unknown() {
    let refusing = Encrypted::start("good", &[], &users("~* &* +@all -config -acl -module"));
    let renaming = ["--rename-command", "CONFIG", "hidden"];
    let renaming = Encrypted::start("good", &renaming, &users("~* &* +@all"));
    for (server, words) in [(refusing, "NOPERM"), (renaming, "unknown command")] {
        let output = server.check(ALL);
        assert_eq!(output.status.code(), Some(2));
        let verdicts = verdicts(&output);
        for id in ["tls.plain-port", "config.debug-command"] {
            let (status, why) = verdicts.get(id).expect(id);
            assert_eq!(status, "unknown", "{id}");
            assert!(why.contains(words), "{id}: {why}");
        }
        let statuses = statuses(&output);
        assert_eq!(
            ids(&statuses, "pass"),
            [
                "tls.chain",
                "tls.ciphers",
                "tls.client-certificates",
                "tls.encrypted",
                "tls.expiry",
                "tls.expiry-soon",
                "tls.key-strength",
                "tls.names",
                "tls.not-yet-valid",
                "tls.protocols",
                "tls.server-usage",
            ]
        );
    }
}

#[test]
fn a_certificate_that_cannot_be_trusted_ends_it_before_the_password_is_sent() {
    for (certificate, words, next) in [
        (
            "self",
            "by no authority that is trusted here",
            "its issuer is CN=self: give that authority's certificate by --cacert",
        ),
        (
            "by-twin",
            "whom it names as its issuer has not signed it",
            "--cacert",
        ),
        ("expired", "has expired on 2021-01-01", "--insecure"),
        ("early", "not valid before 2100-01-01", "--insecure"),
        ("client", "it is not for servers", "--insecure"),
        ("server", "for another name", "it is for redis.example"),
        ("bare", "for another name", "it is for no name"),
    ] {
        let options = ["--tls-auth-clients", "no"];
        let server = Encrypted::start(certificate, &options, &users("+@all"));
        let output = server.check(TRUSTING);
        is_trouble(&output, words);
        is_trouble(&output, next);
        let mut log = server.plain.connect_as(PASSWORD);
        let told: String = redis::cmd("INFO")
            .arg("commandstats")
            .query(&mut log)
            .expect("INFO");
        assert_eq!(
            told.matches("cmdstat_auth:calls=1,").count(),
            1,
            "{certificate}: {told}"
        );
    }
}

/// In a mount namespace of its own, so that this machine trusts nobody more than before.
#[test]
fn without_cacert_the_authorities_of_the_system_are_trusted() {
    let server = Encrypted::start("direct", &["--tls-auth-clients", "no"], &users("+@all"));
    is_trouble(
        &server.check(&[]),
        "its issuer is CN=root: give that authority",
    );
    let check = "mount --bind \"$1\" /etc/ssl/certs/ca-certificates.crt && exec \"$2\" check --format json --url \"$3\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", check, "sh"])
        .arg(server.path("root.crt"))
        .arg(env!("CARGO_BIN_EXE_redis-harden"))
        .arg(format!("rediss://127.0.0.1:{}", server.port))
        .env("REDISCLI_AUTH", PASSWORD)
        .output()
        .expect("unshare is of util-linux");
    let statuses = statuses(&output);
    assert_eq!(statuses.get("tls.chain").map(String::as_str), Some("pass"));
}

#[test]
fn a_server_that_wants_a_password_says_how_to_give_it() {
    let server = Encrypted::start("direct", &["--tls-auth-clients", "no"], &users("+@all"));
    let output = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .args([
            "check",
            "--url",
            &format!("rediss://127.0.0.1:{}", server.port),
        ])
        .args(server.options(TRUSTING))
        .env_remove("REDISCLI_AUTH")
        .output()
        .expect("it runs");
    is_trouble(&output, "NOAUTH");
    is_trouble(&output, "--password-file FILE");
}

#[test]
fn a_host_without_address_is_named() {
    let server = Encrypted::start("direct", &[], "");
    is_trouble(
        &server.check_at("rediss://cache.invalid", TRUSTING),
        "looking up cache.invalid",
    );
}

#[test]
fn a_name_that_the_url_has_not_is_asked_for_by_sni() {
    let server = Encrypted::start("server", &["--tls-auth-clients", "no"], &users("+@all"));
    let named = [TRUSTING, &["--sni", "redis.example"]].concat();
    let statuses = statuses(&server.check(&named));
    assert_eq!(statuses.get("tls.names").map(String::as_str), Some("pass"));
    is_trouble(
        &server.check(&[TRUSTING, &["--sni", "other.example"]].concat()),
        "another name",
    );
}

#[test]
fn what_is_insecure_is_looked_at_and_is_a_finding() {
    for (certificate, findings) in [
        ("by-twin", vec!["tls.chain"]),
        (
            "expired",
            vec!["tls.chain", "tls.expiry", "tls.expiry-soon"],
        ),
        ("early", vec!["tls.chain", "tls.not-yet-valid"]),
        ("server", vec!["tls.names"]),
        ("direct", vec![]),
    ] {
        let options = ["--tls-auth-clients", "optional"];
        let server = Encrypted::start(certificate, &options, &users("+@all"));
        let output = server.check(&[TRUSTING, &["--insecure"]].concat());
        assert_eq!(output.status.code(), Some(1), "{certificate}");
        assert_eq!(ids(&statuses(&output), "fail"), findings, "{certificate}");
    }
}

#[test]
fn a_client_without_the_certificate_that_is_wanted_is_told_so() {
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        let options = ["--tls-protocols", protocols];
        let server = Encrypted::start("good", &options, &users("+@all"));
        assert!(!server.answers_redis_cli(TRUSTING));
        is_trouble(
            &server.check(TRUSTING),
            "give one by --cert FILE and --key FILE",
        );
        let strange = ["--cert", "@by-twin.crt", "--key", "@by-twin.key"];
        let strange = [TRUSTING, &strange].concat();
        assert!(!server.answers_redis_cli(&strange));
        is_trouble(&server.check(&strange), "and got that of --cert");
        assert!(server.answers_redis_cli(ALL));
        assert_eq!(server.check(ALL).status.code(), Some(1), "{protocols}");
    }
}

#[test]
fn the_other_scheme_is_named_where_it_is_the_one_that_is_spoken() {
    let server = Encrypted::start("good", &[], &users("+@all"));
    let (plain, port) = (server.plain.port, server.port);
    let by_tls = server.check_at(&format!("rediss://127.0.0.1:{plain}"), TRUSTING);
    is_trouble(&by_tls, &format!("try redis://127.0.0.1:{plain}"));
    let in_clear = server.check_at(&format!("redis://127.0.0.1:{port}"), &[]);
    is_trouble(&in_clear, &format!("try rediss://127.0.0.1:{port}"));
    let nobody = server.check_at(&format!("rediss://127.0.0.1:{}", free_port()), TRUSTING);
    is_trouble(&nobody, "nothing listens there");
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let server = Encrypted::start("good", &[], "");
    for (options, words) in [
        (
            ["--cacert", "@client.key"].as_slice(),
            "holds no certificate of an authority",
        ),
        (&["--cacert", "@nothing"], "nothing does not exist"),
        (
            &["--cert", "@client.crt", "--key", "@good.key"],
            "not the key of the certificate",
        ),
        (
            &["--cert", "@client.key", "--key", "@client.key"],
            "--cert: it holds no certificate",
        ),
        (
            &["--cert", "@client.crt", "--key", "@client.crt"],
            "--key: it holds no private key",
        ),
        (
            &["--cert", "@good.crt", "--key", "@encrypted.key"],
            "--key: it is encrypted",
        ),
        (&["--cert", "@good.crt"], "--key <FILE>"),
    ] {
        is_trouble(&server.check(options), words);
    }
    let url = format!("redis://127.0.0.1:{}", server.plain.port);
    is_trouble(&server.check_at(&url, TRUSTING), "--cacert is of TLS");
}

#[test]
fn a_private_key_that_everybody_can_read_is_warned_of() {
    let server = Encrypted::start("good", &[], &users("+@all"));
    let said = || String::from_utf8_lossy(&server.check(ALL).stderr).into_owned();
    assert_eq!(said(), "");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(server.path("client.key"), open).expect("its mode");
    assert!(
        said().contains("everybody on this machine can read the private key"),
        "{}",
        said()
    );
}
