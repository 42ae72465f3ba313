//! Reading nft's JSON listing back, strictly: an object, key, rule or element that we would not have rendered is named as foreign.

use super::networks::{self, Range};
use super::{Count, Networks, Outgoing, Table, render};
use crate::policy::{Cidr, Per, Rate};
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
    /// The networks of each set, as they are listed.
    networks: BTreeMap<String, Vec<Range>>,
    /// The limits of the sources that connected of late.
    limits: Vec<Value>,
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
    let mut table = parts.table();
    parts.compare_objects(&table);
    parts.compare_rules(&table);
    parts.compare_limits(table.rate);
    if table.ports.is_empty() {
        parts.foreign.push("set ports is empty".into());
    }
    table.foreign = parts.foreign;
    Ok(table)
}

/// The counters in a listing of `nft -j list counters`.
pub(super) fn counters(text: &str) -> Result<BTreeMap<String, Count>, String> {
    let mut counts = BTreeMap::new();
    for object in objects(text)? {
        let Some(counter) = object.get("counter") else {
            continue;
        };
        let number = |key: &str| counter.get(key).and_then(Value::as_u64);
        let name = counter.get("name").and_then(Value::as_str);
        match (name, number("packets"), number("bytes")) {
            (Some(name), Some(packets), Some(bytes)) => {
                counts.insert(name.to_owned(), Count { packets, bytes });
            }
            _ => return Err("nft listed a counter without its numbers".into()),
        }
    }
    Ok(counts)
}

fn objects(text: &str) -> Result<Vec<Map<String, Value>>, String> {
    serde_json::from_str::<Listing>(text)
        .map(|listing| listing.nftables)
        .map_err(|e| format!("nft printed something else than a listing in JSON: {e}"))
}

impl Parts {
    /// What the listed rules say that the table is; whether they say it in our words is compared afterwards.
    fn table(&mut self) -> Table {
        let mut of = |name: &dyn Fn(&str) -> String| Networks {
            v4: networks::cover_v4(self.networks.remove(&name("ip")).unwrap_or_default()),
            v6: networks::cover_v6(self.networks.remove(&name("ip6")).unwrap_or_default()),
        };
        let ports = self.ports.iter();
        let ports = ports.map(|port| (*port, of(&|family| render::set_of(family, *port))));
        let ports = ports.collect();
        let output = self.rules.get("output").into_iter().flatten();
        let outgoing = output.filter_map(user).map(|(user, uid)| {
            let to = Outgoing {
                uid: Some(uid),
                peers: of(&|family| render::peers_of(family, &user)),
                resolvers: of(&|family| render::resolvers_of(family, &user)),
            };
            (user, to)
        });
        Table {
            ports,
            outgoing: outgoing.collect(),
            rate: self
                .rules
                .get("admitted")
                .and_then(|rules| rate(rules.first()?)),
            forwards: self.rules.contains_key("forward"),
            foreign: Vec::new(),
        }
    }

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
        if let Some(expressions) = body.get_mut("expr") {
            in_one_form(expressions);
        }
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
        if is_of_sources(&name)
            && let Some(Value::Array(flags)) = body.get_mut("flags")
        {
            // 1.0.6 does not list this one.
            flags.retain(|flag| flag != "dynamic");
        }
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
                self.ports.insert(port(element)?);
            }
            _ if is_of_sources(set) => {
                let body = element.get("elem")?.as_object()?;
                let known = |key: &String| ["val", "expires", "limit"].contains(&key.as_str());
                if !body.keys().all(known) {
                    return None;
                }
                self.limits.push(body.get("limit")?.clone());
            }
            _ => {
                let mut words = set.split('_');
                let family = words.find(|word| ["ip", "ip6"].contains(word))?;
                let is: fn(&IpAddr) -> bool = match family {
                    "ip" => IpAddr::is_ipv4,
                    _ => IpAddr::is_ipv6,
                };
                let range = range(element, is)?;
                self.networks.entry(set.to_owned()).or_default().push(range);
            }
        }
        Some(())
    }

    fn compare_limits(&mut self, rate: Option<Rate>) {
        let wanted = rate.map(render::limit);
        let other = self
            .limits
            .iter()
            .find(|limit| Some(*limit) != wanted.as_ref());
        if let Some(other) = other {
            self.foreign.push(format!(
                "a source with a limit of its own: {}",
                clipped(other)
            ));
        }
    }

    fn compare_objects(&mut self, table: &Table) {
        let mut missing = render::objects(table);
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

    fn compare_rules(&mut self, table: &Table) {
        let lines = render::rules(table);
        let mut wanted: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for rule in &lines {
            wanted.entry(&rule.chain).or_default().push(rule.body());
            let here = self.rules.get(&rule.chain);
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

/// The set of a chain's rate limit, whose elements the kernel makes.
fn is_of_sources(set: &str) -> bool {
    ["ip", "ip6"]
        .map(render::recent)
        .iter()
        .any(|name| name == set)
}

/// The versions of nft list the same expression in several forms: flags as a list (1.0.6) or as `{"|": list}` (1.1.3), a protocol by
/// its name or, without /etc/protocols, by its number.
fn in_one_form(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(in_one_form),
        Value::Object(map) => {
            let is_protocol = |left: &Value| left.pointer("/meta/key") == Some(&"l4proto".into());
            if map.get("left").is_some_and(is_protocol)
                && let Some(right) = map.get_mut("right").filter(|right| **right == 6)
            {
                *right = "tcp".into();
            }
            map.values_mut().for_each(in_one_form);
            if map.len() == 1
                && let Some(list @ Value::Array(_)) = map.get_mut("|")
            {
                *value = list.take();
            }
        }
        _ => {}
    }
}

/// Of a rule of the chain output: the user, by the chain that is its own, and the number.
fn user(rule: &Value) -> Option<(String, u32)> {
    let expressions = rule.get("expr")?;
    if expressions.pointer("/0/match/left/meta/key")?.as_str()? != "skuid" {
        return None;
    }
    let uid = expressions.pointer("/0/match/right")?.as_u64()?;
    let chain = expressions.pointer("/1/jump/target")?.as_str()?;
    let user = chain.strip_prefix(&render::chain_of_user(""))?;
    Some((user.to_owned(), u32::try_from(uid).ok()?))
}

/// Of the first rule of the chain admitted.
fn rate(rule: &Value) -> Option<Rate> {
    let limit = rule.pointer("/expr/1/set/stmt/0/limit")?;
    Some(Rate {
        count: u32::try_from(limit.get("rate")?.as_u64()?).ok()?,
        per: Per::of(limit.get("per")?.as_str()?)?,
    })
}

fn port(element: &Value) -> Option<u16> {
    u16::try_from(element.as_u64()?).ok()
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

#[cfg(test)]
mod tests;
