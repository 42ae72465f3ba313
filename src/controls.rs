//! The list of topics. A control is data in one of them; adding one touches one file.

mod account;
mod acl;
mod config;
mod cve;
mod files;
mod kernel;
mod limits;
mod memory;
mod network;
mod package;
mod persistence;
mod sandbox;
mod service;

use crate::control::Control;

/// The topics, in the order of reports and plans.
const TOPICS: [&[Control]; 13] = [
    kernel::CONTROLS,
    memory::CONTROLS,
    limits::CONTROLS,
    account::CONTROLS,
    files::CONTROLS,
    network::CONTROLS,
    package::CONTROLS,
    cve::CONTROLS,
    config::CONTROLS,
    acl::CONTROLS,
    persistence::CONTROLS,
    sandbox::CONTROLS,
    service::CONTROLS,
];

/// Every control.
pub fn all() -> Vec<&'static Control> {
    TOPICS.iter().flat_map(|topic| topic.iter()).collect()
}
