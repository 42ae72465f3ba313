//! Sentinel, where its file is on the host: judged on that file, which it rewrites itself.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::Policies;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::setting::sentinel::SentinelFact;
use crate::value::Value;

/// Three Sentinels on three hosts, each with a password.
const GOOD: (&str, &str) = (
    "/etc/redis/sentinel.conf 0640 redis:redis",
    "bind 10.0.0.1\nrequirepass s3\nsentinel monitor m 10.0.0.5 6379 2\nsentinel auth-pass m s3\n\
     sentinel known-sentinel m 10.0.0.2 26379 aa\nsentinel known-sentinel m 10.0.0.3 26379 bb\n",
);

const ENCRYPT: &str = "in sentinel.conf: port 0, tls-port 26379, tls-replication yes, tls-cert-file, tls-key-file and tls-ca-cert-file as the server has them, and the server's TLS port in sentinel monitor";

/// One fact of each Sentinel a control; what differs is data.
macro_rules! sentinel {
    ($id:literal, $severity:ident, $fact:ident, $rule:expr, $title:literal, $why:literal, $references:expr, $by_hand:literal, $bad:expr) => {
        Control {
            id: $id,
            title: $title,
            severity: Severity::$severity,
            why: $why,
            references: $references,
            by_hand: $by_hand,
            wants: Wants::Host(|p, f| wanted(p, f, SentinelFact::$fact, $rule, $by_hand)),
            cases: &[
                passes(&[GOOD]),
                fails(&[("/etc/redis/sentinel.conf 0640 redis:redis", $bad)]),
            ],
        }
    };
}

pub const CONTROLS: &[Control] = &[
    sentinel!(
        "sentinel.address",
        High,
        LoopbackMasters,
        Rule::Absent,
        "Sentinel watches its masters at addresses that others reach too",
        "A master at 127.0.0.1 is another one on every host: clients and the other Sentinels are sent to themselves.",
        &["Redis sentinel.md", "Redis sentinel.c"],
        "SENTINEL REMOVE the master and SENTINEL MONITOR it by the address that the other hosts use",
        "bind 10.0.0.1\nrequirepass s3\nsentinel monitor m 127.0.0.1 6379 2\nsentinel auth-pass m s3\nsentinel known-sentinel m 10.0.0.2 26379 aa\nsentinel known-sentinel m 10.0.0.3 26379 bb\n"
    ),
    sentinel!(
        "sentinel.agreement",
        High,
        Agreement,
        Rule::Absent,
        "three Sentinels or more, of which a majority has to agree",
        "With fewer nobody can elect a leader when a host is gone; with a quorum below the majority one bad view starts failovers.",
        &["Redis sentinel.md, fundamental things to know"],
        "run at least three Sentinels on different hosts, and SENTINEL SET NAME quorum to a majority; SENTINEL CKQUORUM NAME says whether it works",
        "bind 10.0.0.1\nrequirepass s3\nsentinel monitor m 10.0.0.5 6379 1\nsentinel auth-pass m s3\nsentinel known-sentinel m 10.0.0.2 26379 aa\nsentinel known-sentinel m 10.0.0.3 26379 bb\n"
    ),
    sentinel!(
        "sentinel.authenticates",
        High,
        WithoutPassword,
        Rule::Absent,
        "Sentinel has a password for each master",
        "Where the default user is off it sees nothing without one, and takes a healthy master for a dead one.",
        &[
            "Redis sentinel.md, ACL authentication",
            "sentinel auth-user, auth-pass"
        ],
        "SENTINEL SET NAME auth-user USER auth-pass PASSWORD",
        "bind 10.0.0.1\nrequirepass s3\nsentinel monitor m 10.0.0.5 6379 2\nsentinel known-sentinel m 10.0.0.2 26379 aa\nsentinel known-sentinel m 10.0.0.3 26379 bb\n"
    ),
    sentinel!(
        "sentinel.password",
        High,
        Open,
        Rule::Is(Value::Flag(false)),
        "other hosts may not command Sentinel without a password",
        "Sentinel has no protected mode: whoever reaches its port makes any server the master of all.",
        &["Redis sentinel.c initSentinelConfig", "Redis sentinel.md"],
        "requirepass in sentinel.conf, with the same sentinel-pass on all Sentinels, and filter port 26379",
        "bind 10.0.0.1\nsentinel monitor m 10.0.0.5 6379 2\nsentinel auth-pass m s3\nsentinel known-sentinel m 10.0.0.2 26379 aa\nsentinel known-sentinel m 10.0.0.3 26379 bb\n"
    ),
    sentinel!(
        "sentinel.no-wildcard",
        Medium,
        Bind,
        Rule::NoWildcard,
        "Sentinel listens on addresses that are named",
        "Every network that is added to the host later could command it.",
        &["redis.conf bind"],
        "bind with the address that the other Sentinels and the clients use",
        "bind 0.0.0.0\nrequirepass s3\nsentinel monitor m 10.0.0.5 6379 2\nsentinel auth-pass m s3\nsentinel known-sentinel m 10.0.0.2 26379 aa\nsentinel known-sentinel m 10.0.0.3 26379 bb\n"
    ),
    sentinel!(
        "sentinel.scripts",
        Medium,
        Scripts,
        Rule::Is(Value::Flag(false)),
        "clients cannot make Sentinel run a script",
        "With deny-scripts-reconfig no, SENTINEL SET notification-script is a remote command.",
        &["sentinel.conf sentinel deny-scripts-reconfig"],
        "sentinel deny-scripts-reconfig yes",
        "bind 10.0.0.1\nrequirepass s3\nsentinel deny-scripts-reconfig no\n"
    ),
    Control {
        id: "sentinel.encrypted",
        title: "Sentinel speaks TLS with masters that speak nothing else",
        severity: Severity::High,
        why: "In clear text it reaches none of them, takes each for dead, and clients get no address; the other Sentinels' words could be forged.",
        references: &[
            "Redis encryption.md, Sentinel",
            "Redis sentinel.c instanceLinkNegotiateTLS",
        ],
        by_hand: ENCRYPT,
        wants: Wants::Host(|p, f| match p.instances.iter().any(|i| i.tls.enabled) {
            true => {
                let rule = Rule::Is(Value::Flag(true));
                wanted(p, f, SentinelFact::Encrypts, rule, ENCRYPT)
            }
            false => Vec::new(),
        }),
        cases: &[
            passes(&[(
                "/etc/redis/sentinel.conf 0640 redis:redis",
                "port 0\ntls-port 26379\ntls-replication yes\nsentinel monitor m 10.0.0.5 6380 2\n",
            )])
            .under("[tls]\nenabled = true\n"),
            fails(&[GOOD]).under("[tls]\nenabled = true\n"),
        ],
    },
    Control {
        id: "sentinel.writable",
        title: "Sentinel may rewrite its file",
        severity: Severity::High,
        why: "It keeps its state there, by a new file that is renamed: where it may not, it does not start, or forgets a failover.",
        references: &[
            "Redis sentinel.c sentinelFlushConfig",
            "Redis config.c rewriteConfigOverwriteFile",
        ],
        by_hand: "the file and its directory must be writable for its user (redis), and for its unit (ReadWritePaths=)",
        wants: Wants::Host(|p, f| {
            let what = "make the file and its directory writable for its user";
            let rule = Rule::Is(Value::Flag(true));
            wanted(p, f, SentinelFact::Writable, rule, what)
        }),
        cases: &[
            passes(&[("/etc/redis/ 2770 redis:redis", ""), GOOD]),
            fails(&[
                ("/etc/redis/ 0755 root:root", ""),
                (
                    "/etc/redis/sentinel.conf 0640 root:redis",
                    "bind 127.0.0.1\n",
                ),
            ]),
        ],
    },
];

fn wanted(_: &Policies, facts: &Facts, what: SentinelFact, rule: Rule, by_hand: &str) -> Vec<Want> {
    let of = |sentinel: &crate::facts::SentinelFile| {
        let setting = Setting::Sentinel {
            path: sentinel.path.clone(),
            what,
        };
        Want::by_hand(setting, rule.clone(), by_hand)
    };
    facts.sentinels.iter().map(of).collect()
}
