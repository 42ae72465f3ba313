//! Facts of a server whose host is elsewhere, or nobody's to look at (a managed service): only what it tells a client.

use super::Facts;
use super::machine::{Distro, Init};
use super::servers::{Instance, View};
use crate::host::HostError;
use crate::policy::{Policies, Policy};
use crate::redis::remote::Server;
use crate::setting::account::Accounts;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

impl Facts {
    /// Asks the server. That it cannot be reached, or lets us in only to refuse everything, is an error: why.
    pub fn elsewhere(policies: &Policies, server: &Server) -> Result<Facts, String> {
        let endpoint = server.endpoint();
        let told = server.told().map_err(|why| format!("{endpoint}: {why}"))?;
        let anonymous = server.anonymous();
        let of = |policy: &Policy| {
            let instance = Instance {
                policy: policy.clone(),
                endpoint: endpoint.clone(),
                report: None,
                report_error: None,
                view: View::Told(Box::new(told.clone())),
                anonymous: anonymous.clone(),
                as_default: false,
            };
            (policy.redis.name.to_string(), instance)
        };
        Ok(Facts {
            filtered_users: Default::default(),
            hostname: endpoint.to_string(),
            today: jiff::Timestamp::now()
                .to_zoned(jiff::tz::TimeZone::UTC)
                .date(),
            kernel: String::new(),
            machine: String::new(),
            distro: Distro::default(),
            init: Init::Other,
            container_signs: Vec::new(),
            runtime: None,
            entrypoint: None,
            memory: 0,
            memory_limit: 0,
            cpus: 0,
            capabilities: 0,
            user_namespaces: true,
            nofile: (0, 0),
            accounts: Accounts::default(),
            linked: BTreeSet::new(),
            orphans: Vec::new(),
            sentinels: Vec::new(),
            tuned: Vec::new(),
            exe: PathBuf::new(),
            running_exe: PathBuf::new(),
            digests: BTreeMap::new(),
            rotations: Ok(Vec::new()),
            dpkg: Err(HostError::refused(
                "reading what is installed",
                "its host is elsewhere",
            )),
            versions: BTreeMap::new(),
            maxmemory: BTreeMap::new(),
            maxmemory_sum: 0,
            instances: policies.instances.iter().map(of).collect(),
            offline: false,
            elsewhere: true,
            attempts: BTreeMap::new(),
            root: false,
        })
    }
}
