//! TLS: what crosses a network is encrypted, by what nobody has broken, with a certificate that is the one on disk.
//! What the certificates themselves must be is in `certificates.rs`; that replication and the cluster bus use TLS, in their topics.

pub mod certificates;
pub mod wanted;

use super::rendered::group;
use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::Policy;
use crate::redis::remote::Handshake;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::tls::{Tls, TlsFact};
use crate::value::Value;

/// A part of the cases: a server that speaks TLS.
const ON: (&str, &str) = ("CONFIG tls-port", "6380");

pub const CONTROLS: &[Control] = &[
    Control {
        id: "tls.encrypted",
        title: "no client beyond this host is answered in clear text only",
        severity: Severity::Medium,
        why: "Passwords and data cross the network readable, and whoever is on the way may change them.",
        references: &["Redis encryption.md", "redis.conf tls-port"],
        by_hand: "set tls-port, tls-cert-file, tls-key-file and tls-ca-cert-file, and port 0",
        wants: Wants::Told(|p, f| match (handshake(p, f), told(p, f)) {
            (Some(_), _) => connection(
                p,
                TlsFact::Version,
                Rule::OneOf(["TLSv1.3", "TLSv1.2"].map(Value::text).to_vec()),
                "let it speak TLS 1.3",
            ),
            (None, Some(tls)) if tls.port().is_some() => Vec::new(),
            _ => connection(
                p,
                TlsFact::PlainAddresses,
                Rule::Absent,
                "set tls-port and a certificate, or bind to the loopback only",
            ),
        }),
        cases: &[
            passes(&[("CONFIG port", "6379"), ("CONFIG bind", "127.0.0.1 -::1")]),
            fails(&[
                ("CONFIG port", "6379"),
                ("CONFIG bind", "127.0.0.1 10.0.0.5"),
            ]),
            fails(&[("CONFIG port", "6379"), ("CONFIG bind", "")]),
        ],
    },
    Control {
        id: "tls.plain-port",
        title: "where TLS is on, the plain port answers this host only",
        severity: Severity::High,
        why: "A client that is configured wrongly, or an attacker, simply takes the other port.",
        references: &["Redis encryption.md", "redis.conf port"],
        by_hand: "set port 0, or bind to the loopback only",
        wants: Wants::Told(|p, f| match told(p, f) {
            Some(tls) if tls.port().is_none() => Vec::new(),
            _ => connection(
                p,
                TlsFact::PlainAddresses,
                Rule::Absent,
                "set port 0, or bind to the loopback only",
            ),
        }),
        cases: &[
            passes(&[ON, ("CONFIG port", "0"), ("CONFIG bind", "* -::*")]),
            passes(&[ON, ("CONFIG port", "6379"), ("CONFIG bind", "127.0.0.1")]),
            fails(&[ON, ("CONFIG port", "6379"), ("CONFIG bind", "* -::*")]),
        ],
    },
    Control {
        id: "tls.ca-present",
        title: "there is an authority to verify peers by",
        severity: Severity::High,
        why: "redis-server does not start without, unless it verifies nobody: neither clients, nor its master, nor other nodes.",
        references: &[
            "Redis src/tls.c tlsConfigure",
            "redis.conf tls-ca-cert-file",
        ],
        by_hand: "put the authority's certificate in the file of tls-ca-cert-file",
        wants: Wants::Told(|p, f| match told(p, f) {
            Some(tls) if !tls.needs_authorities() => Vec::new(),
            _ => connection(
                p,
                TlsFact::Authorities,
                Rule::AtLeast(1),
                "put the authority's certificate in the file of tls-ca-cert-file",
            ),
        }),
        cases: &[
            passes(&[
                ON,
                ("CONFIG tls-ca-cert-file", "/etc/redis/tls/ca.crt"),
                ("/etc/redis/tls/ca.crt", "@tls/root.crt"),
            ]),
            fails(&[ON, ("CONFIG tls-ca-cert-file", "/etc/redis/tls/ca.crt")]),
        ],
    },
    Control {
        id: "tls.protocols",
        title: "no retired version of TLS is spoken",
        severity: Severity::High,
        why: "TLS 1.0 and 1.1 are retired (RFC 8996): an attacker on the way may read what is sent.",
        references: &[
            "RFC 8996",
            "redis.conf tls-protocols",
            "Redis Enterprise 6.x STIG RD6X-00-009500",
        ],
        by_hand: "CONFIG SET tls-protocols \"TLSv1.2 TLSv1.3\", and the same in the configuration",
        wants: Wants::Told(|p, _| {
            let fix =
                "CONFIG SET tls-protocols \"TLSv1.2 TLSv1.3\", and the same in the configuration";
            connection(p, TlsFact::OldProtocols, Rule::Absent, fix)
        }),
        cases: &[
            passes(&[ON, ("CONFIG tls-protocols", "")]),
            passes(&[ON, ("CONFIG tls-protocols", "TLSv1.2 TLSv1.3")]),
            fails(&[ON, ("CONFIG tls-protocols", "TLSv1.1 TLSv1.2")]),
        ],
    },
    Control {
        id: "tls.ciphers",
        title: "no weak cipher is offered",
        severity: Severity::Medium,
        why: "NULL encrypts nothing, anonymous ones prove nobody's identity, EXPORT, RC4 and 3DES have been broken.",
        references: &["openssl-ciphers(1)", "redis.conf tls-ciphers"],
        by_hand: "CONFIG SET tls-ciphers DEFAULT:!MEDIUM, or \"\" for OpenSSL's own choice",
        wants: Wants::Told(|p, _| {
            let fix = "CONFIG SET tls-ciphers DEFAULT:!MEDIUM, and the same in the configuration";
            connection(p, TlsFact::WeakCiphers, Rule::Absent, fix)
        }),
        cases: &[
            passes(&[ON, ("CONFIG tls-ciphers", "HIGH:!aNULL:!3DES")]),
            fails(&[ON, ("CONFIG tls-ciphers", "HIGH:DES-CBC3-SHA")]),
        ],
    },
    Control {
        id: "tls.client-certificates",
        title: "clients may prove themselves by a certificate",
        severity: Severity::Medium,
        why: "With tls-auth-clients no a stolen password is enough, and a certificate that a client sends is never looked at.",
        references: &["redis.conf tls-auth-clients", "Redis encryption.md"],
        by_hand: "CONFIG SET tls-auth-clients yes (or optional, where the ACL demands passwords), and the same in the configuration",
        wants: Wants::Told(|p, f| match told(p, f) {
            _ if handshake(p, f).is_some() => connection(
                p,
                TlsFact::AsksClients,
                Rule::Is(Value::Flag(true)),
                "CONFIG SET tls-auth-clients yes, and the same in the configuration",
            ),
            Some(tls) if tls.port().is_none() => Vec::new(),
            _ => vec![Want::by_hand(
                super::directive(p, "tls-auth-clients"),
                Rule::OneOf(vec![Value::text("yes"), Value::text("optional")]),
                "CONFIG SET tls-auth-clients yes, and the same in the configuration",
            )],
        }),
        cases: &[
            passes(&[ON, ("CONFIG tls-auth-clients", "yes")]),
            passes(&[ON, ("CONFIG tls-auth-clients", "optional")]),
            fails(&[ON, ("CONFIG tls-auth-clients", "no")]),
        ],
    },
    Control {
        id: "tls.served-is-file",
        title: "the certificate that is served is the one in the file",
        severity: Severity::Medium,
        why: "Redis reads its files at the start and on CONFIG SET: what was renewed and never read again expires all the same.",
        references: &[
            "Redis src/config.c applyTLSPort, applyTlsCfg",
            "redis.conf tls-cert-file",
        ],
        by_hand: "CONFIG SET tls-cert-file FILE tls-key-file FILE, both in one command, with the same names: it reads them again",
        wants: Wants::Told(|p, f| match told(p, f) {
            Some(tls) if tls.port().is_none() => Vec::new(),
            _ => served(p, f),
        }),
        cases: &[],
    },
];

/// What the running server was told; where it tells nothing, reading a setting says why.
fn told<'a>(policy: &Policy, facts: &'a Facts) -> Option<Tls<'a>> {
    let told = super::told(policy, facts)?;
    let is_known = told.unconfigured.is_none();
    is_known.then(|| Tls::of(&told.directives))
}

/// How a server elsewhere spoke TLS with us.
fn handshake<'a>(policy: &Policy, facts: &'a Facts) -> Option<&'a Handshake> {
    super::told(policy, facts)?.handshake.as_ref()
}

/// Whether it is known that no client is served by TLS.
fn serves_nobody(policy: &Policy, facts: &Facts) -> bool {
    let off = told(policy, facts).is_some_and(|tls| tls.port().is_none());
    off && handshake(policy, facts).is_none()
}

/// What is under our supervisor is told to read its file again; another server is its owner's.
fn served(policy: &Policy, facts: &Facts) -> Vec<Want> {
    let instance = policy.redis.name.to_string();
    let what = TlsFact::ServesItsFile;
    let rule = Rule::Is(Value::Flag(true));
    let known = facts.instances.get(&instance);
    match known.is_some_and(|known| known.report.is_some()) {
        true => {
            let setting = Setting::Tls { instance, what };
            vec![Want::write(Phase::Live, group(policy), setting, rule)]
        }
        false => {
            let fix = "CONFIG SET tls-cert-file FILE tls-key-file FILE, both in one command: it reads them again";
            connection(policy, what, rule, fix)
        }
    }
}

fn connection(policy: &Policy, what: TlsFact, rule: Rule, fix: &str) -> Vec<Want> {
    let instance = policy.redis.name.to_string();
    vec![Want::by_hand(Setting::Tls { instance, what }, rule, fix)]
}
