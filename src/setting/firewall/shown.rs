//! The table on one line, as plans and findings show it.

use super::{Networks, Table};
use std::fmt;

/// How many networks a screen shows before "and N more".
const SHOWN: usize = 6;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ports.is_empty() {
            f.write_str("no ports")?;
        }
        // Ports with the same networks are shown together.
        let mut shown: Vec<(&Networks, Vec<u16>)> = Vec::new();
        for (port, networks) in &self.ports {
            match shown.iter_mut().find(|(known, _)| *known == networks) {
                Some((_, ports)) => ports.push(*port),
                None => shown.push((networks, vec![*port])),
            }
        }
        for (n, (networks, ports)) in shown.iter().enumerate() {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            let between = if n == 0 { "" } else { "; " };
            write!(
                f,
                "{between}ports {} from loopback{networks}",
                ports.join(", ")
            )?;
        }
        if let Some(rate) = self.rate {
            write!(f, "; at most {rate} from one source")?;
        }
        if self.forwards {
            f.write_str("; published ports too")?;
        }
        for (user, to) in &self.outgoing {
            write!(f, "; user {user} to loopback{}", to.peers)?;
            if to.resolvers != Networks::default() {
                write!(f, ", for names{}", to.resolvers)?;
            }
        }
        if !self.foreign.is_empty() {
            write!(f, "; not ours: {}", self.foreign.join("; "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Networks {
    /// As a continuation of "loopback".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = || self.v4.iter().chain(&self.v6);
        for network in networks().take(SHOWN) {
            write!(f, ", {network}")?;
        }
        match networks().count().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more networks"),
        }
    }
}
