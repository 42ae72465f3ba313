//! What the table has refused since it was loaded.

use super::{TABLE, found, listing, nft};
use crate::host::{Host, HostError, HostResult, Run};
use serde::Serialize;

/// By what they refused. A part that the table does not have has counted nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Of strangers, to Redis's ports.
    pub refused: Count,
    /// Of sources that connect too often; `None` without a limit.
    pub limited: Option<Count>,
    /// Of Redis's user, to others than its peers; `None` where it is not held back.
    pub outgoing: Option<Count>,
}

/// Packets, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    pub packets: u64,
    pub bytes: u64,
}

/// What the table has counted; `None` when there is no such table, or it guards nothing.
pub fn counts(host: &Host) -> HostResult<Option<Counts>> {
    let run = Run::new("nft").args(&["-j", "list", "counters", "table", "inet", TABLE]);
    let Some(listing) = found(nft(host, run.clone())?, &run)? else {
        return Ok(None);
    };
    let counts = listing::counters(&listing)
        .map_err(|why| HostError::refused("reading the firewall's counters", why))?;
    let Some(refused) = counts.get("refused").copied() else {
        return Ok(None);
    };
    Ok(Some(Counts {
        refused,
        limited: counts.get("limited").copied(),
        outgoing: counts.get("outgoing").copied(),
    }))
}
