//! Our own nftables table: Redis's ports, and who may reach them. It can only restrict, touches no other port and no other table.

mod listing;
mod ranges;

pub use ranges::Ranges;

use crate::host::{Host, HostError, HostResult, Output, Run};
use crate::policy::scalar::Cidr;
use crate::policy::{Install, Policy};
use crate::setting::{Obstacle, Reading, Sight};
use crate::value::Value;
use std::collections::BTreeSet;
use std::fmt;

/// The unit that loads the table at boot.
pub const UNIT: &str = "redis-harden-firewall.service";
/// Its text.
pub const UNIT_TEXT: &str = include_str!("../../packaging/systemd/redis-harden-firewall.service");

/// The table, in typed form: what was rendered and what the kernel lists compare by meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// TCP ports that are guarded.
    pub ports: BTreeSet<u16>,
    pub allow_v4: Ranges,
    pub allow_v6: Ranges,
    /// What a listing has that we did not render, or lacks: a table that was tampered with is never ours.
    pub foreign: Vec<String>,
}

impl Table {
    /// The table for these ports and networks.
    pub fn of(ports: BTreeSet<u16>, allow: &[Cidr]) -> Table {
        let of = |v4: bool| {
            Ranges::of(
                allow.iter().filter(|c| c.is_v4() == v4).map(Cidr::range),
                v4,
            )
        };
        Table {
            ports,
            allow_v4: of(true),
            allow_v6: of(false),
            foreign: Vec::new(),
        }
    }

    /// The file that nft loads: replaces our table in one transaction, and leaves all others alone.
    pub fn render(&self) -> String {
        let elements = |list: String| {
            if list.is_empty() {
                String::new()
            } else {
                format!("\n\t\telements = {{ {list} }}")
            }
        };
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        format!(
            "#!/usr/sbin/nft -f\n\
             # Rendered by redis-harden from the policy. Only Redis's ports are looked at; everything else passes.\n\
             table inet redis_harden {{\n}}\ndelete table inet redis_harden\n\
             table inet redis_harden {{\n\
             \tcounter refused {{\n\t}}\n\
             \tset ports {{\n\t\ttype inet_service{}\n\t}}\n\
             \tset allow4 {{\n\t\ttype ipv4_addr\n\t\tflags interval{}\n\t}}\n\
             \tset allow6 {{\n\t\ttype ipv6_addr\n\t\tflags interval{}\n\t}}\n\
             \tchain input {{\n\
             \t\ttype filter hook input priority filter - 5; policy accept;\n\
             \t\tiif \"lo\" accept\n\
             \t\ttcp dport @ports jump redis\n\
             \t}}\n\
             \tchain redis {{\n\
             \t\tip saddr 127.0.0.0/8 counter name \"refused\" drop\n\
             \t\tip saddr @allow4 accept\n\
             \t\tip6 saddr @allow6 accept\n\
             \t\tcounter name \"refused\" drop\n\
             \t}}\n\
             }}\n",
            elements(ports.join(", ")),
            elements(self.allow_v4.to_string()),
            elements(self.allow_v6.to_string()),
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        write!(f, "ports {} from loopback", ports.join(", "))?;
        for ranges in [&self.allow_v4, &self.allow_v6] {
            if !ranges.is_empty() {
                write!(f, ", {ranges}")?;
            }
        }
        if !self.foreign.is_empty() {
            write!(f, "; not ours: {}", self.foreign.join("; "))?;
        }
        Ok(())
    }
}

/// The table in the kernel.
pub fn reading(host: &Host) -> Reading {
    if host.find_program("nft").is_none() {
        return Reading::Absent;
    }
    let read = || -> HostResult<Option<Value>> {
        let Some(json) = list(host, &["-j"])? else {
            return Ok(None);
        };
        let table =
            listing::parse(&json).map_err(|e| HostError::refused("reading nft's listing", e))?;
        Ok(Some(Value::Firewall(table)))
    };
    read().into()
}

/// Refuses where an instance would listen beyond loopback without the filter that its policy wants: it must not start open.
/// Under systemd the unit's `Requires=` does this as well, at every start.
pub fn must_guard(host: &Host, policy: &Policy) -> HostResult<()> {
    if !policy.firewall.enabled || !policy.listens_beyond_loopback() {
        return Ok(());
    }
    match reading(host) {
        Reading::Value(Value::Firewall(table), _)
            if table.foreign.is_empty() && table.ports.contains(&policy.redis.port) =>
        {
            Ok(())
        }
        _ => Err(HostError::refused(
            format!("starting {} beyond loopback", policy.redis.name),
            "the packet filter of its policy is not loaded (install nftables and apply again, \
             or set firewall.enabled = false)",
        )),
    }
}

/// Why the table cannot be loaded here: no nft, and nobody who may install it.
pub fn obstacle(sight: Sight) -> Option<Obstacle> {
    let installs = sight
        .facts
        .instances
        .values()
        .any(|i| i.policy.redis.install == Install::Apt);
    let missing = sight.host.is_running() && sight.host.find_program("nft").is_none();
    (missing && !installs).then(|| {
        Obstacle::Hand("nftables is not installed, and the policy says install = \"never\"".into())
    })
}

/// Checks the table with nft, then loads it in one transaction.
pub fn load(host: &Host, table: &Table) -> HostResult<()> {
    let text = table.render();
    host.run_ok(&Run::new("nft").args(&["-c", "-f", "-"]).input(text.clone()))?;
    host.run_ok(&Run::new("nft").args(&["-f", "-"]).input(text))
        .map(drop)
}

/// The table as text without its counts, for the journal; `None` when there is none.
pub fn save_text(host: &Host) -> HostResult<Option<String>> {
    match host.find_program("nft") {
        Some(_) => list(host, &["-s"]),
        None => Ok(None),
    }
}

/// Puts back a table that was saved, or removes ours.
pub fn restore(host: &Host, saved: Option<&str>) -> HostResult<()> {
    let text = format!(
        "table inet redis_harden {{\n}}\ndelete table inet redis_harden\n{}\n",
        saved.unwrap_or_default()
    );
    host.run_ok(&Run::new("nft").args(&["-f", "-"]).input(text))
        .map(drop)
}

fn list(host: &Host, flags: &[&str]) -> HostResult<Option<String>> {
    let run = Run::new("nft")
        .args(flags)
        .args(&["list", "table", "inet", "redis_harden"]);
    let output = host.run(&run)?;
    if output.ok() {
        return Ok(Some(output.stdout));
    }
    if output.stderr.contains("No such file or directory") {
        return Ok(None);
    }
    Err(failure(&run, &output))
}

fn failure(run: &Run, output: &Output) -> HostError {
    let denied = output.stderr.contains("Operation not permitted")
        || output.stderr.contains("you must be root");
    match denied {
        true => HostError::errno(
            format!("running `{}`", run.line()),
            nix::errno::Errno::EPERM,
        ),
        false => HostError::refused(format!("running `{}`", run.line()), output.tail()),
    }
}
