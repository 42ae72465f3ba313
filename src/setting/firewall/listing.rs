//! Reading nft's JSON listing back, strictly: an object, key, rule or element that we would not have rendered is named as foreign.

use super::networks::{self, Range};
use super::{Refused, Table, render};
use crate::policy::scalar::Cidr;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Said of a table with flags, whatever nft lists them as (1.0.6 prints arbitrary bytes).
pub(super) const FLAGGED: &str = "the table has flags (dormant: its rules do not run)";

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Map<String, Value>>,
}

/// The parts of a listing, sorted by how they are compared.
#[derive(Default)]
struct Parts {
    ports: BTreeSet<u16>,
    v4: Vec<Range>,
    v6: Vec<Range>,
    /// All but rules, without handles, elements and counts.
    objects: Vec<Value>,
    /// The rules' bodies by chain, in order.
    rules: BTreeMap<String, Vec<Value>>,
    foreign: Vec<String>,
}

/// The table in a listing. An error is text that is no listing at all.
pub(super) fn parse(text: &str) -> Result<Table, String> {
    let mut parts = Parts::default();
    for object in objects(text)? {
        for (kind, body) in object {
            parts.take(&kind, body);
        }
    }
    if parts.objects == [render::table_object()]
        && parts.rules.is_empty()
        && parts.foreign.is_empty()
    {
        return Ok(Table::default());
    }
    parts.compare_objects();
    parts.compare_rules();
    if parts.ports.is_empty() {
        parts.foreign.push("set ports is empty".into());
    }
    Ok(Table {
        ports: parts.ports,
        allow_v4: networks::cover_v4(parts.v4),
        allow_v6: networks::cover_v6(parts.v6),
        foreign: parts.foreign,
    })
}

/// The counter in a listing of `nft -j list counter`.
pub(super) fn counter(text: &str) -> Result<Refused, String> {
    let counters = objects(text)?;
    let counter = counters.iter().find_map(|object| object.get("counter"));
    let number = |key: &str| counter.and_then(|c| c.get(key)).and_then(Value::as_u64);
    match (number("packets"), number("bytes")) {
        (Some(packets), Some(bytes)) => Ok(Refused { packets, bytes }),
        _ => Err("nft listed no counter".into()),
    }
}

fn objects(text: &str) -> Result<Vec<Map<String, Value>>, String> {
    serde_json::from_str::<Listing>(text)
        .map(|listing| listing.nftables)
        .map_err(|e| format!("nft printed something else than a listing in JSON: {e}"))
}

impl Parts {
    fn take(&mut self, kind: &str, body: Value) {
        let Value::Object(mut body) = body else {
            self.foreign.push(format!("unexpected {kind}"));
            return;
        };
        body.remove("handle");
        match kind {
            "metainfo" => return,
            "rule" => return self.take_rule(body),
            "set" => self.take_set(&mut body),
            "table" if body.remove("flags").is_some() => self.foreign.push(FLAGGED.into()),
            "counter" => {
                body.remove("packets");
                body.remove("bytes");
            }
            _ => {}
        }
        let object = Map::from_iter([(kind.to_owned(), Value::Object(body))]);
        self.objects.push(Value::Object(object));
    }

    fn take_rule(&mut self, mut body: Map<String, Value>) {
        let chain = body.remove("chain");
        let chain = chain.as_ref().and_then(Value::as_str).unwrap_or_default();
        self.rules
            .entry(chain.to_owned())
            .or_default()
            .push(Value::Object(body));
    }

    fn take_set(&mut self, body: &mut Map<String, Value>) {
        // nft 1.1.1 and later list a single flag without its array.
        if let Some(flag @ Value::String(_)) = body.get_mut("flags") {
            *flag = Value::Array(vec![flag.take()]);
        }
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = name.to_owned();
        let elements = match body.remove("elem") {
            None => return,
            Some(Value::Array(elements)) => elements,
            Some(other) => vec![other],
        };
        for element in elements {
            if self.take_element(&name, &element).is_none() {
                let element = clipped(&element);
                self.foreign
                    .push(format!("unexpected element of set {name}: {element}"));
            }
        }
    }

    /// `None` when it is no element that a set of ours could have.
    fn take_element(&mut self, set: &str, element: &Value) -> Option<()> {
        match set {
            "ports" => {
                let port = u16::try_from(element.as_u64()?).ok()?;
                self.ports.insert(port);
            }
            "allow4" => self.v4.push(range(element, IpAddr::is_ipv4)?),
            "allow6" => self.v6.push(range(element, IpAddr::is_ipv6)?),
            _ => return None,
        }
        Some(())
    }

    fn compare_objects(&mut self) {
        let mut missing = render::objects();
        let mut others = Vec::new();
        for object in std::mem::take(&mut self.objects) {
            match missing.iter().position(|wanted| *wanted == object) {
                Some(at) => drop(missing.swap_remove(at)),
                None => others.push(object),
            }
        }
        let names: BTreeSet<String> = others.iter().map(named).collect();
        for object in &others {
            self.foreign
                .push(format!("unexpected {}: {}", named(object), clipped(object)));
        }
        let absent = missing
            .iter()
            .map(named)
            .filter(|name| !names.contains(name));
        self.foreign.extend(absent.map(|name| format!("no {name}")));
    }

    fn compare_rules(&mut self) {
        let mut wanted: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for rule in render::rules() {
            wanted.entry(rule.chain).or_default().push(rule.body());
            let here = self.rules.get(rule.chain);
            if !here.is_some_and(|rules| rules.contains(&rule.body())) {
                self.foreign
                    .push(format!("chain {} lacks `{}`", rule.chain, rule.text));
            }
        }
        for (chain, rules) in &self.rules {
            let ours = wanted.get(chain.as_str()).map_or(&[][..], Vec::as_slice);
            let others: Vec<&Value> = rules.iter().filter(|rule| !ours.contains(rule)).collect();
            for rule in &others {
                self.foreign.push(format!(
                    "unexpected rule in chain {chain}: {}",
                    clipped(rule)
                ));
            }
            if others.is_empty() && rules.len() >= ours.len() && rules != ours {
                self.foreign.push(format!(
                    "chain {chain} has its rules in another order, or twice"
                ));
            }
        }
    }
}

impl render::Line {
    /// The rule's JSON without chain and handle.
    fn body(&self) -> Value {
        serde_json::json!({"family": "inet", "table": render::TABLE, "expr": self.json})
    }
}

/// An element's addresses: `"10.0.0.1"`, `{"prefix": {"addr", "len"}}` or `{"range": [first, last]}`.
fn range(element: &Value, family: fn(&IpAddr) -> bool) -> Option<Range> {
    let address = |value: &Value| -> Option<IpAddr> {
        let address = value.as_str()?.parse().ok()?;
        family(&address).then_some(address)
    };
    if let Some(host) = address(element) {
        return Some((number(host), number(host)));
    }
    let body = element.as_object().filter(|body| body.len() == 1)?;
    if let Some(Value::Array(ends)) = body.get("range") {
        let [first, last] = ends.as_slice() else {
            return None;
        };
        let ends = (number(address(first)?), number(address(last)?));
        return (ends.0 <= ends.1).then_some(ends);
    }
    let prefix = body.get("prefix")?.as_object().filter(|p| p.len() == 2)?;
    let text = format!(
        "{}/{}",
        address(prefix.get("addr")?)?,
        prefix.get("len")?.as_u64()?
    );
    text.parse::<Cidr>().ok().map(|cidr| cidr.range())
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// `chain input`, `set allow4`…
fn named(object: &Value) -> String {
    let (kind, body) = match object.as_object().and_then(|o| o.iter().next()) {
        Some(first) => first,
        None => return "object".into(),
    };
    let name = body.get("name").and_then(Value::as_str).unwrap_or("?");
    format!("{kind} {name}")
}

/// JSON on one line, of a length that a report bears.
fn clipped(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
