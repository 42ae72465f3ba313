//! Listings of real nft's, whole and altered: what is ours, and what is named as foreign.

use super::*;
use proptest::prelude::*;
use serde_json::json;

/// What nft 1.0.6 (Debian 12) and 1.1.3 (Debian 13) list after `tests/fixtures/nft/table.nft` was loaded.
const REAL: [&str; 2] = [
    include_str!("../../../../tests/fixtures/nft/1.0.6.json"),
    include_str!("../../../../tests/fixtures/nft/1.1.3.json"),
];

fn ours() -> Table {
    let cidrs = |texts: &[&str]| -> Vec<Cidr> {
        let cidr = |text: &&str| text.parse().expect("a network");
        texts.iter().map(cidr).collect()
    };
    let (one, two) = (
        cidrs(&["10.77.1.0/24", "192.0.2.7", "fd77:1::/64"]),
        cidrs(&["0.0.0.0/0", "10.77.2.0/24"]),
    );
    let peers = cidrs(&["10.77.3.0/24", "fd77:3::7"]);
    let to = |uid, peers: &[Cidr], resolvers: &[&str]| Outgoing {
        uid: Some(uid),
        peers: Networks::of(peers),
        resolvers: Networks::of(&cidrs(resolvers)),
    };
    Table {
        rate: "100/second".parse().ok(),
        forwards: true,
        outgoing: BTreeMap::from([
            ("redis".to_owned(), to(107, &peers, &["10.77.3.53"])),
            ("valkey".to_owned(), to(108, &[], &[])),
        ]),
        ..Table::of([(6379, one.as_slice()), (16379, &two)])
    }
}

#[test]
fn real_listings_of_our_file_are_our_table() {
    for listing in REAL {
        assert_eq!(parse(listing), Ok(ours()));
    }
    let file = include_str!("../../../../tests/fixtures/nft/table.nft");
    assert_eq!(ours().render(), file);
}

#[test]
fn no_change_of_any_value_in_a_listing_goes_unseen() {
    for listing in REAL {
        let listing: Value = serde_json::from_str(listing).expect("JSON");
        let mut seen = 0;
        for path in leaves(&listing) {
            let may_differ = ["/metainfo/", "/handle", "/packets", "/bytes"];
            if may_differ.iter().any(|part| path.contains(part)) {
                continue;
            }
            for other in [
                json!("x"),
                json!(7),
                json!(null),
                json!([]),
                json!({"a": 1}),
            ] {
                let mut changed = listing.clone();
                let place = changed.pointer_mut(&path).expect("a path of the listing");
                if *place == other {
                    continue;
                }
                *place = other;
                assert_ne!(parse(&changed.to_string()), Ok(ours()), "{path}");
                seen += 1;
            }
        }
        assert!(seen > 300, "{seen}");
    }
}

#[test]
fn no_object_of_a_listing_can_be_missing_or_there_twice() {
    let listing: Value = serde_json::from_str(REAL[0]).expect("JSON");
    let objects = listing
        .get("nftables")
        .and_then(Value::as_array)
        .expect("a list");
    for (at, object) in objects.iter().enumerate().skip(1) {
        let (mut less, mut more) = (objects.clone(), objects.clone());
        less.remove(at);
        more.insert(at, object.clone());
        for changed in [less, more] {
            let changed = json!({"nftables": changed}).to_string();
            assert_ne!(parse(&changed), Ok(ours()), "{object}");
        }
    }
}

#[test]
fn elements_are_read_as_the_addresses_that_they_hold() {
    let range = |element: Value| range(&element, IpAddr::is_ipv4);
    assert_eq!(range(json!("0.0.1.0")), Some((256, 256)));
    assert_eq!(
        range(json!({"range": ["0.0.0.1", "0.0.0.9"]})),
        Some((1, 9))
    );
    assert_eq!(
        range(json!({"prefix": {"addr": "0.0.0.0", "len": 0}})),
        Some((0, 0xffff_ffff))
    );
    for wrong in [
        json!("::1"),
        json!(1),
        json!({"range": ["0.0.0.9", "0.0.0.1"]}),
        json!({"range": ["0.0.0.9"]}),
        json!({"prefix": {"addr": "10.0.0.0", "len": 33}}),
        json!({"prefix": {"addr": "10.0.0.0", "len": -1}}),
        json!({"elem": {"val": "10.0.0.1", "timeout": 60}}),
    ] {
        assert_eq!(range(wrong.clone()), None, "{wrong}");
    }
}

#[test]
fn a_table_without_anything_guards_no_port() {
    let empty =
        r#"{"nftables": [{"table": {"family": "inet", "name": "redis_harden", "handle": 9}}]}"#;
    assert_eq!(parse(empty), Ok(Table::default()));
    assert_ne!(parse(r#"{"nftables": []}"#), Ok(Table::default()));
}

/// JSON pointers of every value that has no values in it.
fn leaves(value: &Value) -> Vec<String> {
    let under = |key: String, value: &Value| {
        let below = leaves(value).into_iter();
        below
            .map(move |rest| format!("/{key}{rest}"))
            .collect::<Vec<_>>()
    };
    match value {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .flat_map(|(n, v)| under(n.to_string(), v))
            .collect(),
        Value::Object(map) => map.iter().flat_map(|(k, v)| under(k.clone(), v)).collect(),
        _ => vec![String::new()],
    }
}

proptest! {
    #[test]
    fn nothing_that_nft_could_print_makes_the_parser_panic(text in ".{0,300}") {
        let _ = parse(&text);
        let _ = counters(&text);
    }

    #[test]
    fn a_listing_cut_or_with_a_changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<char>()) {
        let at = at.index(REAL[0].len());
        let (before, after) = REAL[0].split_at(at);
        let _ = parse(before);
        let changed: String = before.chars().chain([byte]).chain(after.chars().skip(1)).collect();
        let _ = parse(&changed);
    }
}
