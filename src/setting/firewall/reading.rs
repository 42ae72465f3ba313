//! The table as a setting: read, and what stands in the way of loading it.

use super::{FILE, Networks, listed, read};
use crate::host::{Host, HostError, HostResult, Run};
use crate::policy::{Install, Policy};
use crate::setting::{Obstacle, Reading, Sight};
use crate::value::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// What a container without rights over its network needs.
const NO_RIGHT: &str = "this root has no CAP_NET_ADMIN: --cap-add NET_ADMIN (Docker, Podman), \
                        securityContext.capabilities.add: [NET_ADMIN] (Kubernetes), or filter outside of the container";

/// The table in the kernel; absent where there is no nft to have loaded it.
pub fn reading(host: &Host) -> Reading {
    if host.find_program("nft").is_none() {
        return Reading::Absent;
    }
    read(host).map(|table| table.map(Value::Firewall)).into()
}

/// The same within a pass of judging, where it has been asked for already.
pub fn reading_in(sight: Sight) -> Reading {
    match read_in(sight) {
        Reading::Unknown(why) if sight.facts.lacks_net_admin() => {
            Reading::Unknown(format!("{why}; {NO_RIGHT}"))
        }
        other => other,
    }
}

fn read_in(sight: Sight) -> Reading {
    let asked = sight
        .memo
        .and_then(|memo| memo.ahead.borrow_mut().firewall.take());
    match asked {
        None => reading(sight.host),
        Some(begun) => {
            let table = begun.output().and_then(|output| listed(sight.host, output));
            table.map(|table| table.map(Value::Firewall)).into()
        }
    }
}

/// The users whose connections to others the rendered file judges: what it has closed stays so, whatever a server says of its peers.
pub fn filtered_users(host: &Host) -> HostResult<BTreeSet<String>> {
    let text = host.read_text(Path::new(FILE))?.unwrap_or_default();
    let chain = format!("\tchain {}", super::render::chain_of_user(""));
    let users = text
        .lines()
        .filter_map(|line| line.strip_prefix(&chain)?.strip_suffix(" {"));
    Ok(users.map(str::to_owned).collect())
}

/// Loads the rendered table where it is missing, or where an instance would listen beyond loopback without it: after a reboot nobody else does,
/// on a host without systemd.
pub fn put_in_place(host: &Host, policy: &Policy) -> HostResult<()> {
    let rendered = host.stat(Path::new(FILE))?.is_some();
    if rendered && host.find_program("nft").is_some() {
        let load = || {
            let file = host.real(Path::new(FILE));
            let run = Run::new("nft").arg("-f").arg(file.to_string_lossy());
            host.run_ok(&run).map(drop)
        };
        if must_guard(host, policy).is_err() {
            load()?;
        } else if policy.firewall.enabled && matches!(reading(host), Reading::Absent) {
            // It listens on loopback alone: the server is not kept from starting, and the audit says that the table is missing.
            let _ = load();
        }
    }
    must_guard(host, policy)
}

/// Refuses where an instance would listen beyond loopback without the filter that its policy wants: it must not start open.
/// Under systemd the unit's `Requires=` does this as well, at every start.
pub fn must_guard(host: &Host, policy: &Policy) -> HostResult<()> {
    if !policy.firewall.enabled || !policy.listens_beyond_loopback() {
        return Ok(());
    }
    // A wider table that an earlier policy left is not the one that it wants.
    match reading(host) {
        Reading::Value(Value::Firewall(table), _)
            if table.foreign.is_empty()
                && policy.ports().iter().all(|port| {
                    let wanted = Networks::of(policy.clients_of(*port));
                    table.ports.get(port) == Some(&wanted)
                }) =>
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
