//! What is rendered reads back as what it was rendered from: policies, redis.conf and ACL, the journal, sysctl.d.

use super::properties::{journal, policy};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use redis_harden::host::Image;
use redis_harden::journal::{Outcome, Record, Who};
use redis_harden::policy::Policies;
use redis_harden::redis::config;
use redis_harden::redis::effective::words;
use redis_harden::setting::sysctl_d::text::{lines, with};
use redis_harden::setting::{Saved, Setting};
use std::collections::BTreeMap;

/// Rules as a policy takes them: no password's.
const RULES: [&str; 9] = [
    "~jobs:*",
    "%R~a",
    "&news",
    "+@read",
    "-get",
    "+config|get",
    "(~c:* +get)",
    "resetkeys",
    "off",
];

/// Lines as `[redis.directives]` takes them, of all kinds of values.
const DIRECTIVES: [&str; 8] = [
    "hz = 50",
    "activedefrag = true",
    "notify-keyspace-events = \"\"",
    "proc-title-template = \"'{title}' \\\"{server-mode}\\\" \\\\\\\\ é\"",
    "oom-score-adj-values = \"0 200 800\"",
    "client-output-buffer-limit = [\"normal 0 0 0\", \"pubsub 32mb 8mb 60\"]",
    "maxmemory-samples = 7",
    "syslog-ident = \"a b\"",
];

/// Text of any characters that a line may have.
const LINE: &str = "[^\\p{Cc}]{0,12}";

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text, and JSON's escapes are TOML's")
}

fn policy_text() -> impl Strategy<Value = String> {
    let profile = of(select(vec![
        "production",
        "cache",
        "durable",
        "strict",
        "container",
    ]));
    let users = btree_map(
        "[b-z][a-z0-9]{0,6}",
        subsequence(RULES.to_vec(), 0..5),
        0..3,
    );
    let sysctl = btree_map("net\\.[a-z]{1,5}\\.[a-z_]{1,6}", LINE, 0..3);
    let waivers = vec(
        (
            select(vec!["kernel.*", "memory.swap", "tls.?"]),
            "[a-z][^\\p{Cc}]{0,11}",
        ),
        0..3,
    );
    let directives = subsequence(DIRECTIVES.to_vec(), 0..=DIRECTIVES.len());
    (profile, 0..65535u16, users, sysctl, waivers, directives).prop_map(
        |(profile, port, users, sysctl, waivers, directives)| {
            let mut text = profile.map_or(String::new(), |p| format!("extends = {p:?}\n"));
            text += &format!(
                "[redis]\nport = {port}\n[redis.directives]\n{}\n",
                directives.join("\n")
            );
            text += "[kernel.sysctl]\n";
            for (key, value) in sysctl {
                text += &format!("{key:?} = {}\n", quoted(&value));
            }
            for (name, rules) in users {
                text += &format!("[acl.{name}]\nrules = {}\n", quoted(&rules.join(" ")));
            }
            for (control, reason) in waivers {
                text += &format!(
                    "[[waiver]]\ncontrol = {control:?}\nreason = {}\n",
                    quoted(&reason)
                );
            }
            text
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let path = || "/\\PC{0,12}".prop_map(std::path::PathBuf::from);
    let setting = prop_oneof![
        path().prop_map(Setting::File),
        any::<String>().prop_map(Setting::Sysctl),
        Just(Setting::Firewall),
        (any::<String>(), any::<String>()).prop_map(|(unit, key)| Setting::Unit { unit, key }),
        vec(any::<u16>(), 0..3).prop_map(Setting::LentPorts),
    ];
    let image = prop_oneof![
        Just(Image::Absent),
        (vec(any::<u8>(), 0..20), any::<[u32; 3]>()).prop_map(|(content, [mode, uid, gid])| {
            Image::File {
                attributes: Default::default(),
                content,
                mode,
                uid,
                gid,
            }
        }),
        any::<[u32; 3]>().prop_map(|[mode, uid, gid]| Image::Dir { mode, uid, gid }),
        path().prop_map(Image::Link),
    ];
    let before = prop_oneof![
        image.prop_map(Saved::Inode),
        of(any::<String>()).prop_map(Saved::Text),
        Just(Saved::Kept),
    ];
    let outcomes = vec![
        Outcome::Complete,
        Outcome::Failed,
        Outcome::Recovered,
        Outcome::RolledBack,
        Outcome::Unconfirmed,
    ];
    prop_oneof![
        (
            any::<u32>(),
            any::<String>(),
            setting,
            before,
            any::<String>()
        )
            .prop_map(|(n, group, setting, before, text)| Record::Intent {
                n,
                group,
                setting,
                before,
                text
            }),
        (any::<u32>(), of(any::<String>())).prop_map(|(n, after)| Record::Done { n, after }),
        any::<u32>().prop_map(|n| Record::Undone { n }),
        any::<String>().prop_map(|at| Record::Confirmed { at }),
        any::<String>().prop_map(|group| Record::Whole { group }),
        (select(outcomes), any::<String>(), any::<Option<u32>>()).prop_map(
            |(outcome, at, login_uid)| Record::End {
                outcome,
                at,
                by: Some(Who { uid: 0, login_uid }),
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// As `policy show` shows it, and as redis.conf and the ACL file are rendered from it.
    #[test]
    fn a_policy_reads_back(text in policy_text()) {
        if let Err(e) = Policies::parse("generated.toml", &text) {
            return Err(TestCaseError::fail(format!("{e}\n{text}")));
        }
        policy::holds(text.as_bytes());
    }

    #[test]
    fn directives_read_back(lines in vec(("[a-z-]{1,12}", vec(any::<String>(), 0..4)), 0..8)) {
        let line = |(name, words): &(String, Vec<String>)| {
            let words = words.iter().map(|word| String::from_utf8(words::quote(word.as_bytes())).expect("ASCII"));
            format!("{name} {}\r\n", words.collect::<Vec<_>>().join("\t"))
        };
        let text: String = lines.iter().map(line).collect();
        prop_assert_eq!(config::parse(&text), lines);
    }

    #[test]
    fn a_journal_reads_back(records in vec(record(), 0..6), seed in any::<usize>()) {
        journal::written(&records, seed);
    }

    #[test]
    fn a_file_of_sysctl_d_reads_back(wanted in btree_map("[a-z]{1,5}\\.[a-z_/]{1,6}", "[^\\s\\p{Cc}]{1,5}( [^\\s\\p{Cc}]{1,5}){0,2}", 0..6)) {
        let text = wanted.iter().fold(String::new(), |text, (key, value)| with(&text, key, value));
        let read: BTreeMap<String, String> = lines(&text).filter_map(|line| Some((line.name, line.value?))).collect();
        prop_assert_eq!(read, wanted);
    }
}
