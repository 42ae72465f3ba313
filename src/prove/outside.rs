//! Another host as seen from a twin: a network namespace joined to the twin's by a cable, which ends with both.

use crate::host::{Host, Network, Run};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// The twin's end of the cable, and the other. Source: RFC 5737, for documentation: nobody's.
pub const HERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub const THERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// Lays the cable to the network of a process, where these addresses and this packet filter are then as well.
pub fn beside(
    host: &Host,
    pid: i32,
    addresses: &[IpAddr],
    filter: Option<&Path>,
) -> Result<Network, String> {
    let network = Network::new().map_err(|e| e.to_string())?;
    // From here on in the twin's network: never in this host's own.
    if host.has_other_network(pid) != Some(true) {
        return Err("the twin has no network of its own".to_owned());
    }
    for (whose, commands) in [
        (network.id(), far_end(pid)),
        (pid, near_end(addresses)),
        (network.id(), ways(addresses)),
    ] {
        let done = host.in_network_of(whose, |host| batch(host, commands));
        done.map_err(|e| e.to_string())??;
    }
    if let Some(file) = filter {
        let run = Run::new("nft").arg("-f").arg(file.display().to_string());
        let loaded = host.in_network_of(pid, |host| host.run_ok(&run));
        loaded.and_then(|ran| ran).map_err(|e| e.to_string())?;
    }
    Ok(network)
}

fn batch(host: &Host, commands: String) -> Result<(), String> {
    let run = Run::new("ip").args(&["-batch", "-"]).input(commands);
    host.run_ok(&run).map(drop).map_err(|e| e.to_string())
}

fn far_end(pid: i32) -> String {
    format!(
        "link set lo up\n\
         link add far type veth peer name near netns {pid}\n\
         addr add {THERE}/30 dev far\n\
         link set far up\n"
    )
}

fn near_end(addresses: &[IpAddr]) -> String {
    let mut commands = format!("link set lo up\naddr add {HERE}/30 dev near\nlink set near up\n");
    for address in addresses {
        let nodad = if address.is_ipv6() { " nodad" } else { "" };
        commands += &format!("addr add {address} dev near{nodad}\n");
    }
    commands
}

fn ways(addresses: &[IpAddr]) -> String {
    let v4 = addresses.iter().filter(|address| address.is_ipv4());
    v4.map(|address| format!("route add {address} dev far\n"))
        .collect()
}
