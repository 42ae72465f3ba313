//! nft's listing in JSON. A table that is read as wholly ours is the one that its ports and networks make, has all its objects,
//! and no other beside them; what is shown of any table has its measure.

use redis_harden::setting::firewall::Table;
use serde_json::{Value, json};

/// For each byte of a listing: a port of five digits makes us name what it lacks.
const MOST: usize = 400;

pub fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(table) = Table::parse(text) else {
        return;
    };
    assert!(table.to_string().len() <= 4096 + MOST * text.len());
    if table.foreign.is_empty() {
        ours(&table);
        let listing = serde_json::from_str(text).expect("it was read as one");
        strictly(&table, &listing);
    }
}

/// Its networks are as `Table::of` has them.
fn ours(table: &Table) {
    let allow: Vec<_> = table
        .ports
        .iter()
        .map(|(port, networks)| (*port, [networks.v4.as_slice(), &networks.v6].concat()))
        .collect();
    let made = Table {
        rate: table.rate,
        forwards: table.forwards,
        outgoing: table.outgoing.clone(),
        ..Table::of(allow.iter().map(|(port, allow)| (*port, allow.as_slice())))
    };
    assert_eq!(&made, table);
}

/// One object less, and one more, is not the same table.
fn strictly(table: &Table, listing: &Value) {
    let objects = listing.get("nftables").and_then(Value::as_array);
    let objects = objects.expect("it was read as one");
    let read = |objects: &[Value]| Table::parse(&json!({ "nftables": objects }).to_string());
    for (at, object) in objects.iter().enumerate().take(32) {
        if object
            .as_object()
            .is_some_and(|o| o.keys().all(|kind| kind == "metainfo"))
        {
            continue;
        }
        let mut fewer = objects.clone();
        fewer.remove(at);
        assert_ne!(read(&fewer).as_ref(), Ok(table), "without {object}");
    }
    let rule = json!({"rule": {"family": "inet", "table": "redis_harden", "chain": "clients", "expr": [{"accept": null}]}});
    let more = [objects.as_slice(), &[rule]].concat();
    assert_ne!(read(&more).as_ref(), Ok(table), "with a rule more");
}
