//! The list of topics. A control is data in one of them; adding one touches one file.

/// A control on one directive of the running server: it is as the policy renders it, or as the server has it by default, so that
/// a restart puts it right. What differs is data.
macro_rules! running {
    ($id:literal, $severity:ident, $directive:literal, $rule:expr, $title:literal, $why:literal, $references:expr, $good:literal, $bad:literal) => {
        Control {
            id: $id,
            title: $title,
            severity: Severity::$severity,
            why: $why,
            references: $references,
            by_hand: concat!(
                "CONFIG SET ",
                $directive,
                " ",
                $good,
                " where the server allows it, and the same in its configuration; else by a restart"
            ),
            wants: Wants::Instance(|p, _| {
                vec![Want::by_restart(
                    crate::controls::directive(p, $directive),
                    $rule,
                )]
            }),
            cases: &[
                passes(&[(concat!("CONFIG ", $directive), $good)]),
                fails(&[(concat!("CONFIG ", $directive), $bad)]),
            ],
        }
    };
}

mod account;
mod acl;
mod cluster;
mod compromise;
mod config;
mod cve;
mod files;
mod kernel;
mod limits;
mod memory;
mod monitoring;
mod network;
mod package;
mod persistence;
mod rendered;
mod replication;
mod sandbox;
mod sentinel;
mod service;
mod system;
mod tls;
mod unit;

pub use network::FIREWALL;
pub use service::named_policy;
pub(crate) use service::supervisor_settings;

use crate::control::Control;
use crate::facts::{Facts, View};
use crate::policy::Policy;
use crate::redis::Told;
use crate::setting::Setting;

/// The topics, in the order of reports and plans.
const TOPICS: [&[Control]; 28] = [
    kernel::CONTROLS,
    system::CONTROLS,
    memory::CONTROLS,
    limits::CONTROLS,
    account::CONTROLS,
    files::CONTROLS,
    network::CONTROLS,
    package::CONTROLS,
    cve::CONTROLS,
    config::CONTROLS,
    config::effective::CONTROLS,
    acl::CONTROLS,
    acl::file::CONTROLS,
    acl::directives::CONTROLS,
    tls::CONTROLS,
    tls::certificates::CONTROLS,
    tls::wanted::CONTROLS,
    persistence::CONTROLS,
    replication::CONTROLS,
    cluster::CONTROLS,
    sentinel::CONTROLS,
    monitoring::CONTROLS,
    compromise::CONTROLS,
    sandbox::switches::CONTROLS,
    sandbox::CONTROLS,
    service::CONTROLS,
    service::directives::CONTROLS,
    unit::CONTROLS,
];

/// Every control.
pub fn all() -> Vec<&'static Control> {
    TOPICS.iter().flat_map(|topic| topic.iter()).collect()
}

/// The same, and the attempts of `prove`, which a plain audit does not make.
pub fn with_attempts() -> Vec<&'static Control> {
    all().into_iter().chain(crate::prove::controls()).collect()
}

/// A directive of the instance's running server.
fn directive(policy: &Policy, name: &str) -> Setting {
    Setting::Directive {
        instance: policy.redis.name.to_string(),
        name: name.into(),
    }
}

/// A field of the running server's INFO.
fn info(policy: &Policy, field: &str) -> Setting {
    Setting::Info {
        instance: policy.redis.name.to_string(),
        field: field.into(),
    }
}

/// What the instance's running server tells, where it tells anything.
fn told<'a>(policy: &Policy, facts: &'a Facts) -> Option<&'a Told> {
    match &facts.instances.get(policy.redis.name.as_str())?.view {
        View::Told(told) => Some(told),
        _ => None,
    }
}
