//! What is known of an instance's server: whether it runs, as whose child, and what it says of itself.

use crate::host::Host;
use crate::policy::{Name, Policy};
use crate::redis::{Endpoint, Login, Silence, Told, anonymous, ask};
use crate::setting::secret;
use crate::supervise::state::{self, Report};

/// What a server says.
#[derive(Clone, Debug)]
pub enum View {
    /// Nothing listens where the policy says.
    NotRunning,
    /// Something does, and told us nothing: why.
    Silent(String),
    /// What it told.
    Told(Box<Told>),
}

/// An instance and its server.
#[derive(Clone, Debug)]
pub struct Instance {
    pub policy: Policy,
    /// How to reach it, where it listens at all.
    pub endpoint: Endpoint,
    /// What the supervisor says, verified against /proc; `None` when none of ours runs it.
    pub report: Option<Report>,
    /// Why we could not tell whether a supervisor of ours runs it.
    pub report_error: Option<String>,
    pub view: View,
    /// Whether a client without password is served; an error says why we could not tell.
    pub anonymous: Result<bool, String>,
}

impl Instance {
    /// The pid of redis-server, from its own INFO or the supervisor's verified report.
    pub fn pid(&self) -> Option<i32> {
        let told = match &self.view {
            View::Told(told) => told.info.get("process_id").and_then(|p| p.parse().ok()),
            _ => None,
        };
        told.or_else(|| self.report.as_ref().and_then(|r| r.server_pid))
    }
}

/// Looks at an instance's server, where the host runs at all.
pub(super) fn look(host: &Host, policy: &Policy) -> Instance {
    let endpoint = endpoint(host, policy);
    let mut instance = Instance {
        policy: policy.clone(),
        endpoint: endpoint.clone(),
        report: None,
        report_error: None,
        view: View::NotRunning,
        anonymous: Err("redis does not run here".into()),
    };
    // A fake host has no server of its own, and must not be told this machine's.
    if !host.is_running() || !host.is_live_root() {
        return instance;
    }
    match state::read(host, policy.redis.name.as_str()) {
        Ok(report) => instance.report = report,
        Err(e) => instance.report_error = Some(e.to_string()),
    }
    instance.anonymous = anonymous(&endpoint).map_err(|e| e.to_string());
    instance.view = match ask(&endpoint, admin(host, policy).as_ref()) {
        Ok(told) => View::Told(Box::new(told)),
        Err(Silence::Nobody) => View::NotRunning,
        // A server that is not ours yet knows no `admin`.
        Err(Silence::Refused(why)) if instance.anonymous == Ok(true) => {
            ask(&endpoint, None).map_or(View::Silent(why), |told| View::Told(Box::new(told)))
        }
        Err(why) => View::Silent(format!("{endpoint}: {why}")),
    };
    instance
}

/// The login of root's apply, where its password can be read.
pub fn admin(host: &Host, policy: &Policy) -> Option<Login> {
    let password = secret::password(host, &policy.secret_file(&Name::admin())).ok()??;
    Some(Login {
        user: "admin".into(),
        password,
    })
}

/// The unix socket where it exists, else the first address that a client on this host can connect to.
fn endpoint(host: &Host, policy: &Policy) -> Endpoint {
    let socket = policy.unix_socket();
    // A socket that cannot be looked at is one that cannot be connected to either.
    let there = matches!(host.stat(&socket), Ok(Some(_)));
    if there || policy.redis.port == 0 {
        return Endpoint::Socket(host.real(&socket));
    }
    let address = policy
        .redis
        .bind
        .iter()
        .map(|b| b.trim_start_matches('-'))
        .next()
        .unwrap_or("127.0.0.1");
    let address = match address {
        "*" | "0.0.0.0" => "127.0.0.1",
        "::" | "::*" => "::1",
        other => other,
    };
    Endpoint::Tcp(address.to_owned(), policy.redis.port)
}
