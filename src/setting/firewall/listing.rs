//! nft's JSON listing back into our typed table. Strict: whatever is not exactly as rendered makes it another table.

use super::{Ranges, Table};
use crate::policy::scalar::Cidr;
use serde_json::{Value, json};
use std::net::IpAddr;

/// The table that a listing shows; an error is a listing that is none.
pub fn parse(text: &str) -> Result<Table, String> {
    let document: Value = serde_json::from_str(text).map_err(|e| format!("no JSON: {e}"))?;
    let items = document
        .get("nftables")
        .and_then(Value::as_array)
        .ok_or("it lists nothing")?;
    let mut table = Table {
        allow_v4: Ranges::of([].into_iter(), true),
        ..Table::default()
    };
    let mut seen = Seen::default();
    for item in items.iter().filter_map(Value::as_object) {
        for (kind, body) in item {
            let known = match kind.as_str() {
                "metainfo" | "table" | "counter" => true,
                "set" => set(body, &mut table).is_some(),
                "chain" => seen.chain(body),
                "rule" => seen.rule(body),
                _ => false,
            };
            if !known {
                table.foreign.push(format!("{kind} {}", summary(body)));
            }
        }
    }
    table.foreign.extend(seen.missing());
    Ok(table)
}

/// The chains and rules found so far: each chain's rules must be ours, in our order.
#[derive(Default)]
struct Seen {
    chains: Vec<Value>,
    rules: Vec<Value>,
}

impl Seen {
    fn chain(&mut self, body: &Value) -> bool {
        let chain = without(body, &["handle"]);
        let ours = chains().contains(&chain) && !self.chains.contains(&chain);
        self.chains.push(chain);
        ours
    }

    fn rule(&mut self, body: &Value) -> bool {
        let rule = json!([body.get("chain"), body.get("expr")]);
        let ours = rules().get(self.rules.len()) == Some(&rule);
        self.rules.push(rule);
        ours
    }

    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.chains.len() != chains().len() {
            missing.push(format!(
                "{} chains instead of {}",
                self.chains.len(),
                chains().len()
            ));
        }
        if self.rules.len() != rules().len() {
            missing.push(format!(
                "{} rules instead of {}",
                self.rules.len(),
                rules().len()
            ));
        }
        missing
    }
}

/// Our chains as nft lists them.
fn chains() -> [Value; 2] {
    [
        json!({"family": "inet", "table": "redis_harden", "name": "input", "type": "filter", "hook": "input", "prio": -5, "policy": "accept"}),
        json!({"family": "inet", "table": "redis_harden", "name": "redis"}),
    ]
}

/// Our rules as nft lists them, with their chains, in order.
fn rules() -> [Value; 6] {
    let payload =
        |protocol: &str, field: &str| json!({"payload": {"protocol": protocol, "field": field}});
    let equals =
        |left: Value, right: Value| json!({"match": {"op": "==", "left": left, "right": right}});
    let loopback = json!({"prefix": {"addr": "127.0.0.0", "len": 8}});
    [
        json!(["input", [equals(json!({"meta": {"key": "iif"}}), json!("lo")), {"accept": null}]]),
        json!(["input", [equals(payload("tcp", "dport"), json!("@ports")), {"jump": {"target": "redis"}}]]),
        json!(["redis", [equals(payload("ip", "saddr"), loopback), {"counter": "refused"}, {"drop": null}]]),
        json!(["redis", [equals(payload("ip", "saddr"), json!("@allow4")), {"accept": null}]]),
        json!(["redis", [equals(payload("ip6", "saddr"), json!("@allow6")), {"accept": null}]]),
        json!(["redis", [{"counter": "refused"}, {"drop": null}]]),
    ]
}

/// Takes a set of ours into the table; `None` for one that is not as rendered.
fn set(body: &Value, table: &mut Table) -> Option<()> {
    let empty = Vec::new();
    let elements = body.get("elem").map_or(Some(&empty), Value::as_array)?;
    let is = |key: &str, value: Value| body.get(key) == Some(&value);
    let interval = is("flags", json!(["interval"]));
    match body.get("name")?.as_str()? {
        "ports" if is("type", json!("inet_service")) && body.get("flags").is_none() => {
            table.ports = elements
                .iter()
                .map(|e| u16::try_from(e.as_u64()?).ok())
                .collect::<Option<_>>()?;
        }
        "allow4" if is("type", json!("ipv4_addr")) && interval => {
            table.allow_v4 = ranges(elements, true)?
        }
        "allow6" if is("type", json!("ipv6_addr")) && interval => {
            table.allow_v6 = ranges(elements, false)?
        }
        _ => return None,
    }
    Some(())
}

fn ranges(elements: &[Value], v4: bool) -> Option<Ranges> {
    let ranges: Option<Vec<(u128, u128)>> = elements.iter().map(|e| range(e, v4)).collect();
    Some(Ranges::of(ranges?.into_iter(), v4))
}

/// `"10.0.0.1"`, `{"prefix": {"addr", "len"}}` or `{"range": [first, last]}`.
fn range(element: &Value, v4: bool) -> Option<(u128, u128)> {
    let network = |text: &str| {
        let network: Cidr = text.parse().ok()?;
        (network.is_v4() == v4).then(|| network.range())
    };
    if let Some(address) = element.as_str() {
        return network(address);
    }
    if let Some(prefix) = element.get("prefix") {
        return network(&format!(
            "{}/{}",
            prefix.get("addr")?.as_str()?,
            prefix.get("len")?.as_u64()?
        ));
    }
    let ends = element.get("range")?.as_array()?;
    let end = |n: usize| -> Option<u128> {
        let address: IpAddr = ends.get(n)?.as_str()?.parse().ok()?;
        network(&address.to_string()).map(|(first, _)| first)
    };
    Some((end(0)?, end(1)?)).filter(|(first, last)| first <= last)
}

fn without(body: &Value, keys: &[&str]) -> Value {
    let mut body = body.clone();
    if let Some(object) = body.as_object_mut() {
        object.retain(|key, _| !keys.contains(&key.as_str()));
    }
    body
}

/// A line for a person.
fn summary(body: &Value) -> String {
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    match body.get("expr") {
        Some(expr) => format!("in chain {}: {expr}", field("chain")),
        None => format!("{:?}", field("name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_an_error_and_no_panic() {
        for text in ["", "{}", "[]", "{\"nftables\": 3}", "\u{0}"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_empty_table_is_not_ours() {
        let table =
            parse(r#"{"nftables": [{"table": {"family": "inet", "name": "redis_harden"}}]}"#)
                .expect("a listing");
        assert_eq!(
            table.foreign,
            ["0 chains instead of 2", "0 rules instead of 6"]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_listing_panics(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
