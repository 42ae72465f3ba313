//! The certificates that the running server was told to use: its peers take them today and next week, and their keys are its alone.

use super::{ON, handshake, serves_nobody, told};
use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::tls::COMPLETE;
use crate::setting::tls::certificate::{CertificateFact, Role};
use crate::value::Value;

const RENEW: &str = "renew it; then CONFIG SET tls-cert-file FILE tls-key-file FILE, both in one command, which reads them again";
const REISSUE: &str =
    "have it issued anew; then CONFIG SET tls-cert-file FILE tls-key-file FILE in one command";

/// Parts of the cases: the files that a server was told.
const CERTIFICATE: (&str, &str) = ("CONFIG tls-cert-file", "/etc/redis/tls/redis.crt");
const KEY: (&str, &str) = ("CONFIG tls-key-file", "/etc/redis/tls/redis.key");
const AUTHORITY: (&str, &str) = ("CONFIG tls-ca-cert-file", "/etc/redis/tls/ca.crt");
const ROOT: (&str, &str) = ("/etc/redis/tls/ca.crt", "@tls/root.crt");
const GOOD: (&str, &str) = ("/etc/redis/tls/redis.crt", "@tls/good.crt");

pub const CONTROLS: &[Control] = &[
    Control {
        id: "tls.certificate",
        title: "the certificate's file holds one",
        severity: Severity::High,
        why: "A running server has it in memory; it does not start again without.",
        references: &["Redis src/tls.c tlsConfigure", "redis.conf tls-cert-file"],
        by_hand: "put the certificate, and those of the authorities between it and the root, into the file that is named there",
        wants: Wants::Told(|p, f| {
            let rule = Rule::AtLeast(1);
            certificates(
                p,
                f,
                CertificateFact::Count,
                rule,
                "put the certificate back, in PEM",
            )
        }),
        cases: &[
            passes(&[ON, CERTIFICATE, GOOD]),
            fails(&[ON, CERTIFICATE]),
            fails(&[ON, CERTIFICATE, ("/etc/redis/tls/redis.crt", "no PEM\n")]),
        ],
    },
    Control {
        id: "tls.expiry",
        title: "the certificate is valid for a week yet",
        severity: Severity::High,
        why: "On that day every client, replica and node is refused at once. The first to expire of its file counts.",
        references: &["openssl x509 -checkend 604800"],
        by_hand: RENEW,
        wants: Wants::Told(|p, f| {
            certificates(p, f, CertificateFact::DaysLeft, Rule::AtLeast(7), RENEW)
        }),
        cases: &[
            passes(&[ON, CERTIFICATE, GOOD]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/expired.crt"),
            ]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/by-fallen.crt"),
            ]),
            fails(&[
                ON,
                CERTIFICATE,
                GOOD,
                ("CONFIG tls-client-cert-file", "/etc/redis/tls/client.crt"),
                ("/etc/redis/tls/client.crt", "@tls/expired.crt"),
            ]),
        ],
    },
    Control {
        id: "tls.expiry-soon",
        title: "the certificate is valid for a month yet",
        severity: Severity::Low,
        why: "What renews it by itself has done so by now: it is time to look why not.",
        references: &["openssl x509 -checkend 2592000"],
        by_hand: RENEW,
        wants: Wants::Told(|p, f| {
            certificates(p, f, CertificateFact::DaysLeft, Rule::AtLeast(30), RENEW)
        }),
        cases: &[
            passes(&[ON, CERTIFICATE, GOOD]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/expired.crt"),
            ]),
        ],
    },
    Control {
        id: "tls.not-yet-valid",
        title: "the certificate is valid already",
        severity: Severity::High,
        why: "Until then it is refused as an expired one is; a wrong clock looks the same.",
        references: &["RFC 5280 section 4.1.2.5"],
        by_hand: "compare its start with the clock (openssl x509 -noout -startdate, timedatectl)",
        wants: Wants::Told(|p, f| {
            let fix = "look at the clock; else have it issued anew";
            certificates(p, f, CertificateFact::DaysValid, Rule::AtLeast(0), fix)
        }),
        cases: &[
            passes(&[ON, CERTIFICATE, GOOD]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/early.crt"),
            ]),
        ],
    },
    Control {
        id: "tls.key-matches",
        title: "the private key is the certificate's",
        severity: Severity::High,
        why: "The running server goes on with what it has; it does not start again with another key than the certificate's.",
        references: &[
            "Redis src/tls.c tlsConfigure",
            "SSL_CTX_check_private_key(3)",
        ],
        by_hand: "put the key that the certificate was asked for with in its place",
        wants: Wants::Told(|p, f| {
            let rule = Rule::Is(Value::Flag(true));
            let fix = "put the certificate's own key in its place";
            certificates(p, f, CertificateFact::KeyMatches, rule, fix)
        }),
        cases: &[
            passes(&[
                ON,
                CERTIFICATE,
                GOOD,
                KEY,
                ("/etc/redis/tls/redis.key", "@tls/good.key"),
            ]),
            fails(&[
                ON,
                CERTIFICATE,
                GOOD,
                KEY,
                ("/etc/redis/tls/redis.key", "@tls/direct.key"),
            ]),
        ],
    },
    Control {
        id: "tls.key-permissions",
        title: "only root and Redis can read the private key",
        severity: Severity::High,
        why: "Whoever has it is this server to every client. Redis takes a key that everybody can read without a word.",
        references: &[
            "redis.conf tls-key-file",
            "Redis Enterprise 6.x STIG RD6X-00-009200",
        ],
        by_hand: "chown root:redis FILE; chmod 0640 FILE; and replace the key where others could read it",
        wants: Wants::Told(|p, f| {
            let fix =
                "chown root:redis and chmod 0640; and replace the key where others could read it";
            certificates(p, f, CertificateFact::KeyExposed, Rule::Absent, fix)
        }),
        cases: &[
            passes(&[ON, KEY, ("/etc/redis/tls/redis.key 0640 root:redis", "")]),
            passes(&[ON, KEY, ("/etc/redis/tls/redis.key 0400 redis:redis", "")]),
            fails(&[ON, KEY, ("/etc/redis/tls/redis.key 0644 root:redis", "")]),
            fails(&[
                ON,
                KEY,
                ("/etc/archive/redis.key 0644 root:root", ""),
                ("/etc/redis/tls/redis.key -> /etc/archive/redis.key", ""),
            ]),
        ],
    },
    Control {
        id: "tls.chain",
        title: "the certificate leads to an authority that the peers trust",
        severity: Severity::High,
        why: "A client that has only the root cannot find what lies between: the server has to send it, from the same file.",
        references: &[
            "SSL_CTX_use_certificate_chain_file(3)",
            "openssl-verify(1)",
            "Redis Enterprise 6.x STIG RD6X-00-009100",
        ],
        by_hand: "append the certificates of the authorities between it and the root to tls-cert-file, its own first",
        wants: Wants::Told(|p, f| {
            let rule = Rule::Is(Value::text(COMPLETE));
            let fix = "append the certificates of the authorities between it and the root to tls-cert-file";
            certificates(p, f, CertificateFact::Chain, rule, fix)
        }),
        cases: &[
            passes(&[ON, CERTIFICATE, GOOD, AUTHORITY, ROOT]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/alone.crt"),
                AUTHORITY,
                ROOT,
            ]),
            fails(&[
                ON,
                CERTIFICATE,
                GOOD,
                AUTHORITY,
                ("/etc/redis/tls/ca.crt", "@tls/twin.crt"),
            ]),
        ],
    },
    Control {
        id: "tls.server-usage",
        title: "clients take the certificate for a server's",
        severity: Severity::High,
        why: "Where an extension says what it is for and does not name servers, every client that verifies refuses it.",
        references: &["RFC 5280 section 4.2.1.12", "openssl x509 -purpose"],
        by_hand: "have it issued with extendedKeyUsage serverAuth and clientAuth, keyUsage digitalSignature",
        wants: Wants::Told(|p, f| match serves_nobody(p, f) {
            true => Vec::new(),
            false => vec![usage(
                p,
                Role::Server,
                "have it issued with extendedKeyUsage serverAuth",
            )],
        }),
        cases: &[
            passes(&[ON, CERTIFICATE, GOOD]),
            passes(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/bare.crt"),
            ]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/client.crt"),
            ]),
        ],
    },
    Control {
        id: "tls.client-usage",
        title: "masters and other nodes take the certificate for a client's",
        severity: Severity::High,
        why: "The server's certificate is its client's too, unless tls-client-cert-file names another; Let's Encrypt issues for servers only.",
        references: &[
            "redis.conf tls-client-cert-file",
            "RFC 5280 section 4.2.1.12",
        ],
        by_hand: "have it issued with extendedKeyUsage clientAuth too, or name one of a private authority in tls-client-cert-file",
        wants: Wants::Told(|p, f| match told(p, f) {
            Some(tls) if !tls.speaks_as_client() => Vec::new(),
            _ => vec![usage(
                p,
                Role::Client,
                "have it issued with extendedKeyUsage clientAuth too, or name another in tls-client-cert-file",
            )],
        }),
        cases: &[
            passes(&[("CONFIG tls-replication", "yes"), CERTIFICATE, GOOD]),
            fails(&[
                ("CONFIG tls-cluster", "yes"),
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/server.crt"),
            ]),
            passes(&[
                ("CONFIG tls-cluster", "yes"),
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/server.crt"),
                ("CONFIG tls-client-cert-file", "/etc/redis/tls/client.crt"),
                ("/etc/redis/tls/client.crt", "@tls/client.crt"),
            ]),
        ],
    },
    Control {
        id: "tls.names",
        title: "the certificate says which names it is for",
        severity: Severity::Medium,
        why: "Clients compare the name that they connect to with subjectAltName; most have long ceased to look at the common name.",
        references: &["RFC 9525", "Redis encryption.md"],
        by_hand: "have it issued with the names and addresses that clients use in subjectAltName",
        wants: Wants::Told(|p, f| match serves_nobody(p, f) {
            true => Vec::new(),
            false => names(p, f),
        }),
        cases: &[
            passes(&[ON, CERTIFICATE, GOOD]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/bare.crt"),
            ]),
        ],
    },
    Control {
        id: "tls.key-strength",
        title: "no key or signature of the certificate can be forged",
        severity: Severity::High,
        why: "RSA below 2048 bits, curves below 256, MD5 and SHA-1 are within reach of those who can pay; OpenSSL refuses most of them by default.",
        references: &["NIST SP 800-131A", "SSL_CTX_set_security_level(3)"],
        by_hand: "have it issued for a P-256 or RSA key of 2048 bits or more, signed with SHA-256",
        wants: Wants::Told(|p, f| {
            certificates(p, f, CertificateFact::Weakness, Rule::Absent, REISSUE)
        }),
        cases: &[
            passes(&[ON, CERTIFICATE, GOOD]),
            passes(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/rsa2048.crt"),
            ]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/rsa1024.crt"),
            ]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/p224.crt"),
            ]),
            fails(&[
                ON,
                CERTIFICATE,
                ("/etc/redis/tls/redis.crt", "@tls/sha1.crt"),
            ]),
        ],
    },
];

fn certificate(policy: &Policy, role: Role, what: CertificateFact) -> Setting {
    Setting::Certificate {
        instance: policy.redis.name.to_string(),
        role,
        what,
    }
}

/// The server's certificate, and its client's where that is another.
fn certificates(
    policy: &Policy,
    facts: &Facts,
    what: CertificateFact,
    rule: Rule,
    fix: &str,
) -> Vec<Want> {
    let has_another =
        told(policy, facts).is_some_and(|tls| !tls.text("tls-client-cert-file").is_empty());
    let mut wants = vec![Want::by_hand(
        certificate(policy, Role::Server, what),
        rule.clone(),
        fix,
    )];
    if has_another {
        wants.push(Want::by_hand(
            certificate(policy, Role::Client, what),
            rule,
            fix,
        ));
    }
    wants
}

/// That it has names, and that they are those by which a client elsewhere found it.
fn names(policy: &Policy, facts: &Facts) -> Vec<Want> {
    let want = |what, rule| Want::by_hand(certificate(policy, Role::Server, what), rule, REISSUE);
    let asked = handshake(policy, facts).map(|seen| Rule::Is(Value::text(&seen.name)));
    let asked = asked.map(|rule| want(CertificateFact::NameAsked, rule));
    let any = want(CertificateFact::Names, Rule::Present);
    std::iter::once(any).chain(asked).collect()
}

fn usage(policy: &Policy, role: Role, fix: &str) -> Want {
    Want::by_hand(
        certificate(policy, role, CertificateFact::Usage),
        Rule::Is(Value::Flag(true)),
        fix,
    )
}
