//! What is known of an instance's server: whether it runs, as whose child, and what it says of itself.

use super::listener;
use crate::host::Host;
use crate::policy::{Name, Policy};
use crate::redis::{
    Answer, Endpoint, Login, Silence, Told, anonymous, ask, clients_of_default, served,
};
use crate::setting::{legacy, secret};
use crate::supervise::state::{self, Report};
use std::path::Path;

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
    /// Whether it told us as `default`, with the password of its own configuration: a server that `[legacy]` takes over.
    pub as_default: bool,
}

impl Instance {
    /// The pid of redis-server: the kernel's word or the supervisor's verified report, which the server's own must not contradict.
    pub fn pid(&self) -> Option<i32> {
        match self.doubt() {
            Some(_) => None,
            None => self.vouched().map(|(pid, _)| pid),
        }
    }

    /// Why the process that the server names may not be the one that answers: what is known of it would be another's.
    pub fn doubt(&self) -> Option<String> {
        let claimed = self.claimed()?;
        let says = format!("it says that it is process {claimed}, and");
        match self.vouched() {
            Some((pid, _)) if pid == claimed || self.inside(pid) == Some(claimed) => None,
            Some((pid, whose)) => Some(format!("{says} {whose} that it is {pid}")),
            None => Some(format!(
                "{says} that this process listens at {} cannot be seen from here (root sees it, and of a container only who is in it)",
                self.endpoint
            )),
        }
    }

    fn claimed(&self) -> Option<i32> {
        match &self.view {
            View::Told(told) => told.info.get("process_id")?.parse().ok(),
            _ => None,
        }
    }

    /// The number that a process of ours gives for itself, where its namespace is another.
    fn inside(&self, pid: i32) -> Option<i32> {
        let report = self.report.as_ref();
        let report = report.filter(|report| report.server_pid == Some(pid))?;
        report.server_pid_inside
    }

    fn vouched(&self) -> Option<(i32, &'static str)> {
        let listener = match &self.view {
            View::Told(told) => told.listener.map(|pid| (pid, "the kernel")),
            _ => None,
        };
        let supervised = self.report.as_ref().and_then(|report| report.server_pid);
        listener.or(supervised.map(|pid| (pid, "its supervisor")))
    }
}

/// Looks at an instance's server, where the host runs at all.
pub(super) fn look(host: &Host, policy: &Policy) -> Instance {
    let mut endpoints = endpoints(host, policy).into_iter();
    let endpoint = endpoints.next().unwrap_or_else(|| socket(host, policy));
    let mut instance = Instance {
        policy: policy.clone(),
        endpoint: endpoint.clone(),
        report: None,
        report_error: None,
        view: View::NotRunning,
        anonymous: Err("redis does not run here".into()),
        as_default: false,
    };
    // A fake host has no server of its own, and must not be told this machine's.
    if !host.is_running() || !host.is_live_root() {
        return instance;
    }
    match state::read(host, policy.redis.name.as_str()) {
        Ok(report) => instance.report = report,
        Err(e) => instance.report_error = Some(e.to_string()),
    }
    hear(host, &mut instance);
    // A socket can be removed while its server goes on, and so can what its user's own file says of it.
    if let (Some(report), View::NotRunning) = (&instance.report, &instance.view)
        && let Some(pid) = report.server_pid
    {
        instance.view = View::Silent(format!(
            "its supervisor says that it runs as process {pid}, and nothing answers at {}",
            instance.endpoint
        ));
    }
    // Nobody where it should be: it may be a server that was configured otherwise, with this instance's data.
    if instance.report.is_none() && matches!(instance.view, View::NotRunning) {
        for elsewhere in endpoints {
            let asked = Instance {
                endpoint: elsewhere,
                ..instance.clone()
            };
            if let Some(found) = answering(host, asked) {
                return found;
            }
        }
    }
    if matches!(instance.view, View::NotRunning)
        && let Some(why) = alive(host, &instance)
    {
        instance.view = View::Silent(why);
    }
    instance
}

/// A server at another endpoint, where one answers that has this instance's port or data: on the stock port it may be anybody's.
fn answering(host: &Host, mut asked: Instance) -> Option<Instance> {
    hear(host, &mut asked);
    let on_our_port =
        matches!(&asked.endpoint, Endpoint::Tcp(_, port) if *port == asked.policy.plain_port());
    let ours = match &asked.view {
        View::NotRunning => false,
        View::Silent(_) => on_our_port,
        View::Told(told) => {
            let dir = told.directives.get("dir").map(Path::new);
            on_our_port || dir == Some(&asked.policy.data_dir())
        }
    };
    ours.then_some(asked)
}

/// Asks at the instance's endpoint.
fn hear(host: &Host, instance: &mut Instance) {
    let endpoint = &instance.endpoint;
    instance.anonymous = anonymous(endpoint).map_err(|e| e.to_string());
    let login = admin(host, &instance.policy);
    let mut answer = ask(endpoint, login.as_ref());
    if let (Err(Silence::Refused(_)), Ok(false)) = (&answer, &instance.anonymous)
        && let Some(old) = default(host, &instance.policy)
        && let Ok(told) = ask(endpoint, Some(&old))
    {
        instance.as_default = true;
        answer = Ok(told);
    }
    instance.view = match answer {
        Ok(told) => View::Told(Box::new(told)),
        Err(Silence::Nobody) => View::NotRunning,
        // A server that is not ours yet knows no `admin`.
        Err(Silence::Refused(why)) if instance.anonymous == Ok(true) => {
            ask(endpoint, None).map_or(View::Silent(why), |told| View::Told(Box::new(told)))
        }
        Err(Silence::HungUp(why)) => View::Silent(match speaks_tls(endpoint) {
            true => format!(
                "{endpoint} speaks TLS only, and this host's own server is not asked by TLS: give it a unix socket (unixsocket {}), or see by check --url rediss://{endpoint} what a client sees",
                instance.policy.unix_socket().display()
            ),
            false => format!("{endpoint}: {why}"),
        }),
        Err(Silence::Refused(why)) if login.is_none() && why.starts_with("NOAUTH") => {
            let source = instance.policy.password_of(&Name::admin());
            View::Silent(format!(
                "{endpoint}: {why} (root reads the password, in {source})"
            ))
        }
        Err(Silence::Refused(why)) if why.contains("WRONGPASS") => {
            let source = instance.policy.password_of(&Name::admin());
            let name = &instance.policy.redis.name;
            View::Silent(format!(
                "{endpoint}: {why} (the server has another password of admin than is in {source}: put that back; or have the server take \
                 this one: redis-harden apply, redis-harden stop {name}, redis-harden start {name})"
            ))
        }
        Err(why) => View::Silent(format!("{endpoint}: {why}")),
    };
    if let View::Told(told) = &mut instance.view
        && instance.policy.legacy.default_until.is_some()
    {
        let old = instance.as_default.then(|| default(host, &instance.policy));
        let login = old.flatten().or(login);
        let clients = clients_of_default(&instance.endpoint, login.as_ref());
        told.of_default = Answer(clients.map_err(|why| why.to_string()));
    }
    witness(host, instance);
}

/// Of a TCP port the kernel names no process, but bears out what the server says, or does not.
fn witness(host: &Host, instance: &mut Instance) {
    let claimed = instance.claimed();
    if let (Some(pid), None, Endpoint::Tcp(_, port)) =
        (claimed, instance.vouched(), &instance.endpoint)
        && let View::Told(told) = &mut instance.view
    {
        told.listener = Some(pid).filter(|pid| listener::holds(host, *pid, *port));
    }
}

/// Whether it shows a certificate to whoever begins a TLS handshake.
fn speaks_tls(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Tcp(host, port) if served::certificate(host, *port, None).is_ok())
}

/// The login of root's apply, where its password can be read.
pub fn admin(host: &Host, policy: &Policy) -> Option<Login> {
    let password = secret::password_of(host, &policy.password_of(&Name::admin())).ok()??;
    Some(Login {
        user: "admin".into(),
        password,
    })
}

/// The login of `default` with the password that it had before us, where the policy takes it over.
pub fn default(host: &Host, policy: &Policy) -> Option<Login> {
    policy.legacy.default_until.as_ref()?;
    // That it cannot be read is said where it is taken over.
    let password = legacy::password(host, policy).ok()??;
    Some(Login {
        user: "default".into(),
        password,
    })
}

/// What of the instance is alive though it answers nowhere: a process of its unit beside the supervisor, which may have no server
/// at the moment, or a server that works in its data directory. What cannot be looked at here is not known of; root sees it.
fn alive(host: &Host, instance: &Instance) -> Option<String> {
    let policy = &instance.policy;
    let supervisor = instance.report.as_ref().map(|r| r.supervisor_pid);
    let unit = policy.unit();
    if let Some(pid) = who_stays(|| member(host, &unit, supervisor)) {
        return Some(format!(
            "{unit} runs as process {pid}, which listens elsewhere or is only starting"
        ));
    }
    let pid = server_in(host, &policy.data_dir())?;
    Some(format!(
        "process {pid} works in {}, and listens elsewhere or is only starting",
        policy.data_dir().display()
    ))
}

/// One that is there twice, or the last of many. systemd starts a unit that cannot start again and again, and what it forks for that
/// is no server: it is gone at the next look.
fn who_stays(look: impl Fn() -> Option<i32>) -> Option<i32> {
    const LOOKS: u32 = 10;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
    let mut seen = look()?;
    for _ in 0..LOOKS {
        std::thread::sleep(PAUSE);
        match look()? {
            pid if pid == seen => break,
            pid => seen = pid,
        }
    }
    Some(seen)
}

/// A process in a unit's control group that is not its supervisor.
fn member(host: &Host, unit: &str, supervisor: Option<i32>) -> Option<i32> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd"]
        .iter()
        .find_map(|hierarchy| {
            let procs = format!("{hierarchy}/system.slice/{unit}/cgroup.procs");
            let procs = host.read_text(Path::new(&procs)).ok()??;
            let mut pids = procs.lines().filter_map(|pid| pid.parse().ok());
            pids.find(|pid| Some(*pid) != supervisor)
        })
}

/// A server whose working directory this is: Redis goes to its `dir`, and stays there.
fn server_in(host: &Host, dir: &Path) -> Option<i32> {
    let pids = host.list(Path::new("/proc")).ok()?;
    let mut pids = pids.iter().filter_map(|name| name.parse::<i32>().ok());
    pids.find(|pid| {
        let cwd = host.read_magic_link(Path::new(&format!("/proc/{pid}/cwd")));
        matches!(cwd, Ok(Some(cwd)) if cwd == dir) && is_server(host, *pid)
    })
}

fn is_server(host: &Host, pid: i32) -> bool {
    let process = state::identify(host, pid).ok().flatten();
    process.is_some_and(|p| matches!(p.name.as_str(), "redis-server" | "valkey-server"))
}

fn socket(host: &Host, policy: &Policy) -> Endpoint {
    Endpoint::Socket(host.real(&policy.unix_socket()))
}

/// Where to ask, the likeliest first: the unix socket where it exists, the first address that a client on this host can connect to,
/// and for the default instance where a stock server listens.
fn endpoints(host: &Host, policy: &Policy) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    // A socket that cannot be looked at is one that cannot be connected to either.
    if policy.plain_port() == 0 || matches!(host.stat(&policy.unix_socket()), Ok(Some(_))) {
        endpoints.push(socket(host, policy));
    }
    if policy.plain_port() != 0 {
        endpoints.push(Endpoint::Tcp(address(policy), policy.plain_port()));
    }
    let stock = Endpoint::Tcp("127.0.0.1".to_owned(), 6379);
    if policy.is_default() && !endpoints.contains(&stock) {
        endpoints.push(stock);
    }
    endpoints
}

fn address(policy: &Policy) -> String {
    let mut bind = policy.redis.bind.iter().map(|b| b.trim_start_matches('-'));
    match bind.next().unwrap_or("127.0.0.1") {
        "*" | "0.0.0.0" => "127.0.0.1",
        "::" | "::*" => "::1",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Reach;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test builds its own root")]
    fn a_process_beside_the_supervisor_is_found_whatever_the_report_leaves_out() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("sys/fs/cgroup/system.slice/r.service");
        std::fs::create_dir_all(&group).unwrap();
        let host = Host::at(root.path(), Reach::Running).unwrap();
        std::fs::write(group.join("cgroup.procs"), "10\n").unwrap();
        assert_eq!(member(&host, "r.service", Some(10)), None);
        assert_eq!(member(&host, "r.service", None), Some(10));
        std::fs::write(group.join("cgroup.procs"), "10\n11\n").unwrap();
        assert_eq!(member(&host, "r.service", Some(10)), Some(11));
        assert_eq!(member(&host, "s.service", None), None);
    }

    #[test]
    fn only_a_process_that_is_there_at_the_next_look_stays() {
        let stays = |looks: &[Option<i32>]| {
            let at = std::cell::Cell::new(0);
            who_stays(|| {
                let look = looks.get(at.get()).copied().flatten();
                at.set(at.get() + 1);
                look
            })
        };
        assert_eq!(stays(&[]), None);
        assert_eq!(stays(&[Some(7), None]), None, "forked for a failing start");
        assert_eq!(stays(&[Some(7), Some(7)]), Some(7));
        assert_eq!(stays(&[Some(7), Some(9), Some(9)]), Some(9));
        let ever: Vec<Option<i32>> = (1..20).map(Some).collect();
        assert_eq!(stays(&ever), Some(11), "somebody is always there");
    }
}
