//! Values that a directive takes, by its kind, kept to what a test may let a server do: no TCP, no syslog, no fork to the background,
//! files in its own directory only, and limits that leave our own connection alone.

use proptest::prelude::*;
use redis_harden::redis::effective::table::Directive;

/// The words of a value.
pub type Words = Vec<Vec<u8>>;

/// What a directive may be given in a test; `None` for what the test sets itself, or what needs a file or a build that is not there.
pub fn of(directive: Directive) -> Option<BoxedStrategy<Words>> {
    let one = |values: &'static [&'static str]| Some(one_of(values.to_vec()));
    match directive.name {
        "port" | "unixsocket" | "aclfile" | "rdma-bind" | "rdma-port" => None,
        "activedefrag" | "cluster-enabled" | "daemonize" | "syslog-enabled" | "tls-cluster"
        | "tls-replication" => one(&["no", "No"]),
        "tls-port" | "socket-mark-id" => one(&["0"]),
        "dir" => one(&["sub0", "sub1", "../sub0", "./sub1/.", "."]),
        "databases" => one(&["1", "16", "64"]),
        "io-threads" => one(&["1", "2", "4"]),
        "maxclients" => one(&["16", "500", "3000"]),
        "maxmemory" => one(&["0", "1gb", "2g", "17179869184", "3000MB"]),
        "maxmemory-clients" => one(&["0", "1%", "100%", "64mb", "1G"]),
        "watchdog-period" => one(&["0", "60000"]),
        "timeout" => one(&["0", "60", "2147483647"]),
        "locale-collate" => one(&["", "C"]),
        "unixsocketgroup" => one(&["", "root"]),
        "proc-title-template" => one(&["x {title}", "redis {listen-addr} x", "{config-file}!"]),
        "cluster-announce-hostname" | "cluster-announce-human-nodename" => {
            one(&["", "host-1.example", "A"])
        }
        "cluster-announce-client-ipv4" => one(&["", "10.0.0.1"]),
        "cluster-announce-client-ipv6" => one(&["", "fd00::1"]),
        "bind" => Some(many(
            vec!["127.0.0.1", "-::1", "*", "::1", "10.1.2.3"],
            0..6,
        )),
        "save" => Some(repeated(|| vec![number(1..5000), number(0..5000)], 0..4)),
        "client-output-buffer-limit" => Some(repeated(buffer_limit, 0..3)),
        "oom-score-adj-values" => Some(row(vec![score(), score(), score()])),
        "replicaof" => Some(
            prop_oneof![
                Just(plain(&["no", "ONE"])),
                Just(plain(&["127.0.0.1", "1"]))
            ]
            .boxed(),
        ),
        "latency-tracking-info-percentiles" => Some(percentiles()),
        "notify-keyspace-events" => Some(
            "[Ag$lshzxeKEtmdn]{0,8}"
                .prop_map(|s| vec![s.into_bytes()])
                .boxed(),
        ),
        name if name.ends_with("cpulist") => one(&["", "0", "0-1"]),
        _ => by_kind(directive),
    }
}

/// Values that are none, for the same kinds.
pub fn wrong(directive: Directive) -> Option<BoxedStrategy<Words>> {
    let kind = directive.kind.split(':').next().unwrap_or_default();
    let values: &[&str] = match (kind, directive.name) {
        ("bool", _) => &["true", "1", "", "yes no"],
        ("int", _) => &[
            "1kb",
            "",
            " 1",
            "007",
            "99999999999999999999",
            "-0",
            "1 # why",
        ],
        ("octal", _) => &["8", "1000", "-1", "0x1"],
        ("memory", _) => &["-1", "1tb", "1.5gb", "1 gb", "k1"],
        ("enum" | "flags", _) => &["nonsense", ""],
        ("special", "save") => &["900", "0 1", "900 x", "900 1 # why"],
        ("special", "client-output-buffer-limit") => {
            &["normal 0 0", "master 0 0 0", "normal x 0 0"]
        }
        ("special", "oom-score-adj-values") => &["1 2", "1 2 2001"],
        ("special", "latency-tracking-info-percentiles") => &["101", "x", "-1"],
        ("special", "notify-keyspace-events") => &["KEq", "K E"],
        ("special", "dir") => &["nowhere", ""],
        ("text", "dbfilename" | "appendfilename") => &["a/b"],
        _ => return None,
    };
    let values: Vec<Words> = values
        .iter()
        .map(|v| plain(&v.split(' ').collect::<Vec<_>>()))
        .collect();
    Some(prop::sample::select(values).boxed())
}

fn by_kind(directive: Directive) -> Option<BoxedStrategy<Words>> {
    let (kind, of) = directive
        .kind
        .split_once(':')
        .unwrap_or((directive.kind, ""));
    Some(match kind {
        "bool" => one_of(vec!["yes", "no", "Yes", "NO"]),
        "enum" => one_of(of.split(['|', ',']).collect()),
        "flags" => many(vec!["now", "force", "save", "default"], 1..4),
        "octal" => one_of(vec!["0", "700", "0770", "777"]),
        "int" => {
            let (low, high) = bounds(of);
            let any = low..=high;
            prop_oneof![
                Just(low),
                Just(high),
                any,
                (low..=high.min(low.saturating_add(1000)))
            ]
            .prop_map(|n| vec![n.to_string().into_bytes()])
            .boxed()
        }
        "memory" => memory(of),
        "text" if of.contains("name") => one_of(vec!["the base", "dump\".rdb", "appendonly.aof"]),
        "text" if of.contains("nonempty") => one_of(vec!["a", "b c"]),
        "text" => text(),
        _ => return None,
    })
}

fn bounds(of: &str) -> (i64, i64) {
    let (low, high) = of.split_once("..").unwrap();
    (low.parse().unwrap(), high.parse().unwrap_or(i64::MAX))
}

fn memory(of: &str) -> BoxedStrategy<Words> {
    let (low, high) = bounds(of);
    let units = [
        ("", 1),
        ("b", 1),
        ("k", 1000),
        ("Kb", 1 << 10),
        ("m", 1_000_000),
        ("MB", 1 << 20),
        ("gb", 1 << 30),
    ];
    let unit = prop::sample::select(units.to_vec());
    (unit, 0..3000i64)
        .prop_map(move |((unit, size), n)| {
            // At least the least, in this unit, and not above the most.
            let n = n.max(low / size).min(high / size);
            match n * size >= low {
                true => vec![format!("{n}{unit}").into_bytes()],
                false => vec![low.to_string().into_bytes()],
            }
        })
        .boxed()
}

/// Any bytes but those that end a C string or lead out of the directory.
fn text() -> BoxedStrategy<Words> {
    let byte = prop_oneof![
        6 => prop::sample::select(b"abcXYZ019 -_.,:{}#$%&@~'\"\\\t\n\r".to_vec()),
        1 => any::<u8>().prop_filter("", |b| !matches!(b, 0 | b'/')),
    ];
    let word = prop::collection::vec(byte, 0..12).prop_map(|w| match w.as_slice() {
        b"." | b".." => vec![b"dots".to_vec()],
        _ => vec![w],
    });
    word.boxed()
}

fn percentiles() -> BoxedStrategy<Words> {
    let some = prop_oneof![
        Just("0".to_owned()),
        Just("100".to_owned()),
        Just("99.99".to_owned()),
        Just("1e1".to_owned()),
        Just("+5.".to_owned()),
        Just("-0".to_owned()),
        (0.0..100.0f64).prop_map(|n| n.to_string()),
    ];
    prop::collection::vec(some.prop_map(String::into_bytes), 0..5).boxed()
}

fn buffer_limit() -> Vec<BoxedStrategy<String>> {
    let class = prop::sample::select(vec!["normal", "slave", "REPLICA", "pubsub"]);
    let size = || prop::sample::select(vec!["0", "1mb", "256MB", "64000000", "2g"]);
    vec![
        class.prop_map(str::to_owned).boxed(),
        size().prop_map(str::to_owned).boxed(),
        size().prop_map(str::to_owned).boxed(),
        number(0..500),
    ]
}

fn number(range: std::ops::Range<i64>) -> BoxedStrategy<String> {
    range.prop_map(|n| n.to_string()).boxed()
}

fn score() -> BoxedStrategy<String> {
    number(-1000..1001)
}

fn row(words: Vec<BoxedStrategy<String>>) -> BoxedStrategy<Words> {
    words
        .prop_map(|row| row.into_iter().map(String::into_bytes).collect())
        .boxed()
}

/// Rows one after the other; none at all is one empty word.
fn repeated(
    of: impl Fn() -> Vec<BoxedStrategy<String>>,
    times: std::ops::Range<usize>,
) -> BoxedStrategy<Words> {
    prop::collection::vec(row(of()), times)
        .prop_map(|rows| or_empty(rows.concat()))
        .boxed()
}

fn many(values: Vec<&'static str>, times: std::ops::Range<usize>) -> BoxedStrategy<Words> {
    let some = prop::collection::vec(prop::sample::select(values), times);
    some.prop_map(|words| or_empty(plain(&words))).boxed()
}

fn or_empty(words: Words) -> Words {
    if words.is_empty() {
        vec![Vec::new()]
    } else {
        words
    }
}

fn one_of(values: Vec<&'static str>) -> BoxedStrategy<Words> {
    prop::sample::select(values)
        .prop_map(|v| vec![v.as_bytes().to_vec()])
        .boxed()
}

fn plain(words: &[&str]) -> Words {
    words.iter().map(|w| w.as_bytes().to_vec()).collect()
}
