//! The words of nft's JSON that rules are made of. Source: libnftables-json(5).

use serde_json::{Value, json};

/// Whether a packet is the first of a TCP connection, or is not.
pub(super) fn first_packet(op: &str) -> (String, Value) {
    let flags = json!({"&": [field("tcp", "flags"), ["syn", "ack"]]});
    (
        format!("tcp flags & (syn | ack) {op} syn"),
        json!({"match": {"op": op, "left": flags, "right": "syn"}}),
    )
}

pub(super) fn jump(chain: &str) -> Value {
    json!({"jump": {"target": chain}})
}

pub(super) fn meta(key: &str) -> Value {
    json!({"meta": {"key": key}})
}

pub(super) fn is(left: Value, right: Value) -> Value {
    json!({"match": {"op": "==", "left": left, "right": right}})
}

pub(super) fn field(protocol: &str, field: &str) -> Value {
    json!({"payload": {"protocol": protocol, "field": field}})
}

pub(super) fn refuse(matching: Option<Value>) -> Value {
    matching
        .into_iter()
        .chain([json!({"counter": "refused"}), json!({"drop": null})])
        .collect()
}
