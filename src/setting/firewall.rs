//! stub
use crate::host::{Host, HostResult};
use crate::policy::scalar::Cidr;
use crate::setting::Reading;
use std::collections::BTreeSet;
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub ports: BTreeSet<u16>,
    pub allow_v4: Vec<Cidr>,
    pub allow_v6: Vec<Cidr>,
    pub foreign: Vec<String>,
}
pub const UNIT: &str = "redis-harden-firewall.service";
pub const UNIT_TEXT: &str = "";
impl Table {
    pub fn of(ports: BTreeSet<u16>, allow: &[Cidr]) -> Table {
        let _ = allow;
        Table {
            ports,
            allow_v4: vec![],
            allow_v6: vec![],
            foreign: vec![],
        }
    }
    pub fn render(&self) -> String {
        String::new()
    }
}
impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ports {:?}", self.ports)
    }
}
pub fn reading(_: &Host) -> Reading {
    Reading::NotApplicable("stub".into())
}
pub fn load(_: &Host, _: &Table) -> HostResult<()> {
    Ok(())
}
pub fn save_text(_: &Host) -> HostResult<Option<String>> {
    Ok(None)
}
pub fn restore(_: &Host, _: Option<&str>) -> HostResult<()> {
    Ok(())
}
