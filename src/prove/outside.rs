//! Another host as seen from a twin: a network namespace joined to the twin's by a cable, which ends with both.

use crate::host::{Host, Network, Run};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// The twin's end of the cable, and the other. Source: RFC 5737, for documentation: nobody's.
pub const HERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub const THERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// Lays the cable to a twin's network, where these addresses and this packet filter are then as well.
pub fn beside(
    host: &Host,
    twin: &Network,
    addresses: &[IpAddr],
    filter: Option<&Path>,
) -> Result<Network, String> {
    let network = Network::new().map_err(|e| e.to_string())?;
    for (whose, commands) in [
        (&network, far_end(twin)),
        (twin, near_end(addresses)),
        (&network, ways(addresses)),
    ] {
        let done = whose.run(|| batch(host, commands));
        done.map_err(|e| e.to_string())??;
    }
    if let Some(file) = filter {
        let run = Run::new("nft").arg("-f").arg(file.display().to_string());
        let loaded = twin.run(|| host.run_ok(&run));
        loaded.and_then(|ran| ran).map_err(|e| e.to_string())?;
    }
    Ok(network)
}

fn batch(host: &Host, commands: String) -> Result<(), String> {
    let run = Run::new("ip").args(&["-batch", "-"]).input(commands);
    host.run_ok(&run).map(drop).map_err(|e| e.to_string())
}

fn far_end(twin: &Network) -> String {
    format!(
        "link set lo up\n\
         link add far type veth peer name near\n\
         link set near netns {}\n\
         addr add {THERE}/30 dev far\n\
         link set far up\n",
        twin.path()
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
