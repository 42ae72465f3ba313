//! What `[tls]` of the policy names: files on which a server can start, keys that others cannot read, and no authority's key beside them.

use crate::control::{Control, Phase, Severity, Want, Wants, fails, passes};
use crate::controls::rendered::{access, rendered};
use crate::controls::service::units::named_policy;
use crate::facts::{Facts, Init};
use crate::pki::AUTHORITY;
use crate::policy::tls::DIRECTORY;
use crate::policy::{Policies, Policy};
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::tls::TlsFact;
use crate::setting::tls::pair::{READY, step};
use crate::value::Value;
use std::collections::BTreeSet;
use std::path::Path;

const ENABLED: &str = "[tls]\nenabled = true\n";
const NAMED: &str = "[tls]\nenabled = true\ncert = \"/etc/tls/a.crt\"\nkey = \"/etc/tls/a.key\"\nca = \"/etc/tls/ca.crt\"\n";

/// Parts of the cases: the files of `NAMED`.
const CERTIFICATE: (&str, &str) = ("/etc/tls/a.crt", "@tls/good.crt");
const KEY: (&str, &str) = ("/etc/tls/a.key", "@tls/good.key");
const AUTHORITIES: (&str, &str) = ("/etc/tls/ca.crt", "@tls/root.crt");

pub const CONTROLS: &[Control] = &[
    Control {
        id: "tls.files",
        title: "a server can start on the files of [tls], and clients take what it shows",
        severity: Severity::High,
        why: "Redis does not start without them, nor on another key than the certificate's; with an expired one every client is refused.",
        references: &["Redis src/tls.c tlsConfigure", "Redis encryption.md"],
        by_hand: "redis-harden tls init; with the authority elsewhere: tls csr here, tls sign there, tls install here",
        wants: Wants::Instance(|p, _| match p.tls.enabled {
            true => {
                let instance = p.redis.name.to_string();
                let what = TlsFact::Pair;
                let setting = Setting::Tls { instance, what };
                vec![Want::by_hand(
                    setting,
                    Rule::Is(Value::text(READY)),
                    step(p),
                )]
            }
            false => Vec::new(),
        }),
        cases: &[
            passes(&[CERTIFICATE, KEY, AUTHORITIES]).under(NAMED),
            fails(&[]).under(ENABLED),
            fails(&[CERTIFICATE, KEY]).under(NAMED),
            fails(&[("/etc/tls/a.crt", "@tls/expired.crt"), KEY, AUTHORITIES]).under(NAMED),
            fails(&[
                CERTIFICATE,
                ("/etc/tls/a.key", "@tls/direct.key"),
                AUTHORITIES,
            ])
            .under(NAMED),
            fails(&[("/etc/tls/a.crt", "@tls/client.crt"), KEY, AUTHORITIES]).under(NAMED),
        ],
    },
    Control {
        id: "tls.own-key",
        title: "the server's pair is root's, and the service's to read",
        severity: Severity::High,
        why: "Who has the key can be the server to every client; a service that could write it could be made to lose it.",
        references: &["redis.conf tls-key-file", "RFC 5280 section 9"],
        by_hand: "chown root:redis /etc/redis-harden/tls/default.pem && chmod 0640 /etc/redis-harden/tls/default.pem",
        wants: Wants::Instance(own_key),
        cases: &[
            passes(&[
                ("/etc/redis-harden/tls/ 0755 root:root", ""),
                ("/etc/redis-harden/tls/default.pem 0640 root:redis", "x\n"),
            ])
            .under(ENABLED),
            fails(&[
                ("/etc/redis-harden/tls/ 0755 root:root", ""),
                ("/etc/redis-harden/tls/default.pem 0644 root:redis", "x\n"),
            ])
            .under(ENABLED),
            fails(&[
                ("/etc/redis-harden/tls/ 0777 root:root", ""),
                ("/etc/redis-harden/tls/default.pem 0640 root:redis", "x\n"),
            ])
            .under(ENABLED),
        ],
    },
    Control {
        id: "tls.authority-elsewhere",
        title: "a server among several does not hold the authority's key",
        severity: Severity::Medium,
        why: "Who takes over this one host could issue a certificate for every other, and be any client.",
        references: &[
            "NIST SP 800-57 part 1, 5.6",
            "OWASP Key Management Cheat Sheet",
        ],
        by_hand: "move /etc/redis-harden/ca to a machine that serves nobody; redis-harden tls csr here, tls sign there, tls install here",
        wants: Wants::Instance(|p, _| match p.tls.enabled && p.has_peers() {
            true => vec![Want::by_hand(
                Setting::Presence(Path::new(AUTHORITY).join("ca.key")),
                Rule::Absent,
                "move /etc/redis-harden/ca to a machine that serves nobody",
            )],
            false => Vec::new(),
        }),
        cases: &[
            passes(&[]).under("[tls]\nenabled = true\n[firewall]\npeers = [\"10.0.0.0/24\"]\n"),
            fails(&[("/etc/redis-harden/ca/ca.key 0600 root:root", "x\n")])
                .under("[tls]\nenabled = true\n[firewall]\npeers = [\"10.0.0.0/24\"]\n"),
            fails(&[("/etc/redis-harden/ca/ca.key 0600 root:root", "x\n")]).under(
                "[tls]\nenabled = true\n[redis.directives]\nreplicaof = \"10.0.0.9 6380\"\n",
            ),
        ],
    },
    Control {
        id: "tls.watch",
        title: "a certificate that is replaced in its file reaches the running server",
        severity: Severity::Medium,
        why: "Redis reads its files at its start and when it is told to: what an ACME client or a configuration management renews would expire all the same.",
        references: &["systemd.path(5)", "Redis src/config.c applyTlsCfg"],
        by_hand: "a systemd path unit on the files that runs redis-harden apply --only tls.served-is-file; else that command in the hook of whatever renews them",
        wants: Wants::Host(watch),
        cases: &[fails(&[(
            "/etc/systemd/system/redis-harden-tls.path 0644 root:root",
            "[Path]\n",
        )])
        .under(ENABLED)],
    },
];

/// Started with Redis, by its unit's Wants=.
pub const WATCH: &str = "redis-harden-tls.path";

/// The unit that watches the files of every instance that speaks TLS, and the one that it starts.
fn watch(policies: &Policies, facts: &Facts) -> Vec<Want> {
    let on: Vec<&Policy> = policies
        .instances
        .iter()
        .filter(|p| p.tls.enabled && !p.is_watched_by_supervisor())
        .collect();
    if facts.init != Init::Systemd || on.is_empty() {
        return Vec::new();
    }
    let files = on
        .iter()
        .flat_map(|p| [p.tls_cert(), p.tls_key(), p.tls_ca()]);
    let files: BTreeSet<String> = files.map(|p| p.display().to_string()).collect();
    let lines: Vec<String> = files.iter().map(|f| format!("PathChanged={f}")).collect();
    let units: Vec<String> = on.iter().map(|p| p.unit()).collect();
    let path = format!(
        include_str!("../../../packaging/systemd/redis-harden-tls.path.in"),
        exe = facts.exe.display(),
        units = units.join(" "),
        paths = lines.join("\n"),
    );
    let service = format!(
        include_str!("../../../packaging/systemd/redis-harden-tls.service.in"),
        exe = facts.exe.display(),
        policy = named_policy(policies),
    );
    let want = |name: &str, text: String| {
        let file = Setting::File(Path::new("/etc/systemd/system").join(name));
        let rule = rendered(facts, "root", 0o644, text);
        Want::write(Phase::Files, "certificate watch", file, rule)
    };
    vec![want(WATCH, path), want("redis-harden-tls.service", service)]
}

/// Only of a pair that is ours: another's owner has reasons of his own, and tls.key-permissions judges it.
fn own_key(policy: &Policy, facts: &Facts) -> Vec<Want> {
    if !policy.tls.enabled || !policy.has_own_pair() {
        return Vec::new();
    }
    let dir = Value::Dir(access(facts, "root", "root", 0o755));
    let pair = Value::Owned(access(facts, "root", policy.group(), 0o640));
    let want = |setting, value| Want::write(Phase::Ground, "certificate", setting, Rule::Is(value));
    vec![
        want(Setting::Dir(DIRECTORY.into()), dir),
        want(Setting::Access(policy.tls_key()), pair),
    ]
}
