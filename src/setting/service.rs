//! An instance's service: started and stopped by systemd where it runs, else by our detached supervisor.

mod health;
mod systemd;

use super::{Obstacle, Reading, Sight, unit};
use crate::facts::{Facts, Init, Instance, View};
use crate::host::{Host, HostError, HostResult};
use crate::policy::Policy;
use crate::redis::{Endpoint, Silence, ping, takeover};
use crate::supervise::machine::Phase;
use crate::supervise::settings::generation;
use crate::supervise::{Places, detach, state};
use crate::value::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const STOPPED: &str = "stopped";
const RUNNING: &str = "running";
/// A server that no service manager and no supervisor of ours runs: it is never touched.
const STRANGER: &str = "stranger";

/// The digest of the files that the running server was started from; absent when it is not running.
pub fn read(sight: Sight, name: &str) -> Reading {
    let Some(known) = sight.facts.instances.get(name) else {
        return Reading::Absent;
    };
    if let Some(why) = &known.report_error {
        return Reading::Unknown(why.clone());
    }
    match (&known.report, &known.view) {
        (Some(report), _) if report.ready => {
            Reading::Value(Value::Serving(report.generation.clone()), None)
        }
        (Some(report), _) => {
            let (state, generation) = (report.state.to_string(), report.generation.clone());
            Reading::Value(Value::Starting { state, generation }, None)
        }
        (None, View::NotRunning) => Reading::Absent,
        (None, View::Told(_)) => Reading::Value(
            Value::text("running, not under redis-harden's supervisor"),
            None,
        ),
        (None, View::Silent(why)) => Reading::Unknown(why.clone()),
    }
}

/// The first user whose password somebody else has to give, and has not.
fn without_password(sight: Sight, policy: &Policy) -> Option<String> {
    let users = policy.acl_users();
    let mut sources = users.keys().map(|user| (user, policy.password_of(user)));
    let missing = sources.find(|(_, source)| !sight.facts.digests.contains_key(source));
    missing.map(|(user, source)| format!("there is no password of {user} yet, in {source}"))
}

/// Whether the instance comes back after a reboot, hardened.
pub fn read_reboot(sight: Sight, name: &str) -> Reading {
    let Some(known) = sight.facts.instances.get(name) else {
        let because = "no systemd here, and no other init system is known to load it".to_owned();
        return Reading::Value(Value::Flag(false), Some(because));
    };
    if sight.facts.init == Init::Systemd {
        return unit::read_enabled(sight, &known.policy.unit());
    }
    let stock = format!("/etc/init.d/{}", known.policy.package());
    let because = match sight.host.stat(std::path::Path::new(&stock)) {
        Ok(Some(_)) => {
            format!("no systemd here, and {stock} would start the package's own configuration")
        }
        _ => "no systemd here, and no other init system is known to start it".to_owned(),
    };
    Reading::Value(Value::Flag(false), Some(because))
}

/// `running`, `stopped` or `stranger`, for the journal.
pub fn save(sight: Sight, name: &str) -> HostResult<String> {
    let known = sight.facts.instances.get(name);
    let state = match known {
        Some(i) if i.report.is_some() => RUNNING,
        Some(i) if matches!(i.view, View::NotRunning) => STOPPED,
        Some(_) if sight.facts.init == Init::Other => STRANGER,
        Some(_) => RUNNING,
        None => STOPPED,
    };
    Ok(state.to_owned())
}

/// A running server that nobody asked to restart, and whose restart costs more than a moment.
pub fn obstacle(sight: Sight, name: &str) -> Option<Obstacle> {
    let known = sight.facts.instances.get(name)?;
    match &known.view {
        View::Told(told) => takeover::why_not_restart(&known.policy, told).map(Obstacle::Restart),
        _ => None,
    }
}

/// Makes the instance serve this generation of its files. One that was started from them and is still loading is waited for:
/// a restart would only begin the loading again.
pub fn serve(
    sight: Sight,
    name: &str,
    generation: &str,
    say: &mut dyn FnMut(&str),
) -> HostResult<()> {
    let known = known(sight.facts, name)?;
    super::firewall::put_in_place(sight.host, &known.policy)?;
    if generation_of_files(sight.host, &known.policy)? != generation {
        let why = without_password(sight, &known.policy).unwrap_or_else(|| {
            "its files are not those of the policy (left out by --only, --skip or a waiver?): apply them first".to_owned()
        });
        return Err(HostError::refused(format!("starting {name}"), why));
    }
    let started = known.report.as_ref().filter(|r| r.generation == generation);
    match started {
        Some(report) => {
            say(&format!("{name} is {}: waiting for it", report.state));
            match sight.facts.init {
                Init::Systemd => systemd::wait(sight.host, known, None, say),
                Init::Other => {
                    let limit = known.policy.service.start_timeout.std();
                    detach::wait_ready(sight.host, &Places::of(name), None, limit, say).map(drop)
                }
            }
        }
        None => restart(sight, name, say),
    }
}

/// Starts or restarts the instance on its rendered files, and waits for an authenticated PING from a server that has all its data.
pub fn restart(sight: Sight, name: &str, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let known = known(sight.facts, name)?;
    if sight.facts.entrypoint.is_some() {
        let cause = "its supervisor is this container's first process: restart the container";
        return Err(HostError::refused(format!("restarting {name}"), cause));
    }
    super::firewall::put_in_place(sight.host, &known.policy)?;
    takeover::prepare(sight, known, say)?;
    let held = health::hold(sight, known)?;
    let restarted = match sight.facts.init {
        Init::Systemd => systemd::restart(sight.host, known, say),
        Init::Other => restart_detached(sight, known, say),
    };
    if restarted.is_err() {
        health::release(sight, known);
    }
    restarted?;
    wait_for_ping(sight, known)?;
    health::verify(sight, known, held, say)
}

/// Starts it without asking for more than that it runs.
pub fn start(sight: Sight, name: &str, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let known = known(sight.facts, name)?;
    super::firewall::put_in_place(sight.host, &known.policy)?;
    match sight.facts.init {
        Init::Systemd => systemd::start(sight.host, known, say),
        Init::Other => start_or_join(sight, known, say),
    }
}

/// Stops it, and refuses to call stopped what still answers: a server that is not ours, or whose supervisor cannot be found.
pub fn end(sight: Sight, name: &str) -> HostResult<()> {
    stop(sight, name)?;
    let known = known(sight.facts, name)?;
    match ping(&known.endpoint, None) {
        Err(Silence::Nobody) => Ok(()),
        _ if sight.facts.init == Init::Systemd => Ok(()),
        _ => Err(HostError::refused(
            format!("stopping {name}"),
            format!(
                "a server answers at {}, and no supervisor of ours is seen to run it (redis-cli SHUTDOWN saves its data)",
                known.endpoint
            ),
        )),
    }
}

/// Stops it, however it runs.
pub fn stop(sight: Sight, name: &str) -> HostResult<()> {
    let known = known(sight.facts, name)?;
    let limit = known.policy.service.stop_timeout.std() + Duration::from_secs(15);
    match sight.facts.init {
        Init::Systemd => systemd::systemctl(sight.host, &["stop", &known.policy.unit()], limit),
        Init::Other => detach::stop(sight.host, &Places::of(name), limit),
    }
}

/// Brings it back to what it was: stopped, or running on the files that are there again.
pub fn restore(sight: Sight, name: &str, state: &str, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    match state {
        STRANGER => return Ok(()),
        STOPPED => {
            stop(sight, name)?;
            return takeover::take_back(sight, self::known(sight.facts, name)?);
        }
        _ => {}
    }
    let known = known(sight.facts, name)?;
    // A restart that was refused before it began has stopped nothing. One that serves them and is not ready (it loads, or its disk
    // is full) would not be by another start, and might lose what it cannot save.
    if serves_these_files(sight.host, known)? {
        return Ok(());
    }
    takeover::can_end(sight, known)?;
    match sight.facts.init {
        // Given back to the package's own configuration it has no supervisor that could be waited for.
        Init::Systemd if sight.host.stat(&known.policy.settings_file())?.is_none() => {
            systemd::restart_stock(sight.host, known, say)
        }
        Init::Systemd => systemd::restart(sight.host, known, say),
        Init::Other => restart_detached(sight, known, say),
    }
}

/// Whether a supervisor of ours serves what the files now say, and goes on to.
fn serves_these_files(host: &Host, known: &Instance) -> HostResult<bool> {
    /// After which one that was told to end has begun to: the apply that told it may have been killed since.
    const HEED: Duration = Duration::from_millis(300);
    let serves = || -> HostResult<bool> {
        let Some(report) = state::read(host, known.policy.redis.name.as_str())? else {
            return Ok(false);
        };
        let stays = !matches!(report.state, Phase::Stopping | Phase::Stopped);
        let generation = generation_of_files(host, &known.policy)?;
        Ok(stays && report.server_pid.is_some() && report.generation == generation)
    };
    if !serves()? {
        return Ok(false);
    }
    std::thread::sleep(HEED);
    serves()
}

/// The generation of what is rendered on the disk; a file that is not there counts as empty.
fn generation_of_files(host: &Host, policy: &Policy) -> HostResult<String> {
    let read = |path: PathBuf| host.read(&path).map(Option::unwrap_or_default);
    Ok(generation(
        &read(policy.config_file())?,
        &read(policy.acl_file())?,
        &read(policy.settings_file())?,
    ))
}

/// Tells systemd that units have changed.
pub fn reload_units(host: &Host, facts: &Facts) -> HostResult<()> {
    if facts.init != Init::Systemd || !host.is_running() {
        return Ok(());
    }
    systemd::reload(host)
}

fn restart_detached(sight: Sight, known: &Instance, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let name = known.policy.redis.name.as_str();
    if known.report.is_some() {
        say(&format!("stopping {name}"));
    }
    // Also where none was seen: an apply that was killed may have left one that was only beginning.
    let limit = known.policy.service.stop_timeout.std() + Duration::from_secs(5);
    detach::stop(sight.host, &Places::of(name), limit)?;
    say(&format!("starting {name}"));
    start_detached(sight, known, say)
}

/// One that runs already goes on: it is only waited for.
fn start_or_join(sight: Sight, known: &Instance, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let (host, service) = (sight.host, &known.policy.service);
    let name = known.policy.redis.name.as_str();
    let (places, limit) = (Places::of(name), service.start_timeout.std());
    // What cannot be read may be left from one that is gone; one that runs has the lock.
    if let Ok(Some(report)) = state::read(host, name) {
        if !matches!(report.state, Phase::Stopping | Phase::Stopped) {
            return join(host, known, say);
        }
        let limit = service.stop_timeout.std() + Duration::from_secs(5);
        detach::stop(host, &places, limit)?;
    }
    let mut started = detach::start_detached(host, &sight.facts.exe, name)?;
    let Err(why) = detach::wait_ready(host, &places, Some(&mut started), limit, say) else {
        return Ok(());
    };
    // Another one may have come first; it tells of itself only once it holds the lock.
    let until = Instant::now() + Duration::from_secs(1);
    loop {
        match state::read(host, name) {
            Ok(Some(other)) if !started.is(host, other.supervisor_pid)? => {
                return join(host, known, say);
            }
            _ if Instant::now() >= until => return Err(why),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Waits for a server that somebody else has started, for as long as its supervisor runs.
fn join(host: &Host, known: &Instance, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let name = known.policy.redis.name.as_str();
    let mut still_runs = || match state::read(host, name) {
        Ok(None) => Err(HostError::refused(
            format!("starting {name}"),
            "it has been stopped meanwhile",
        )),
        // What cannot be read is written anew.
        _ => Ok(()),
    };
    let wait = detach::Wait {
        host,
        places: &Places::of(name),
        timeout: known.policy.service.start_timeout.std(),
        former: None,
    };
    wait.run(&mut still_runs, say).map(drop)
}

fn start_detached(sight: Sight, known: &Instance, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    let name = known.policy.redis.name.as_str();
    let places = Places::of(name);
    let limit = known.policy.service.start_timeout.std();
    let mut started = detach::start_detached(sight.host, &sight.facts.exe, name)?;
    let report = detach::wait_ready(sight.host, &places, Some(&mut started), limit, say)?;
    if started.is(sight.host, report.supervisor_pid)? {
        return Ok(());
    }
    // One that a killed apply had begun came first, on files that may have changed under it.
    let limit = known.policy.service.stop_timeout.std() + Duration::from_secs(5);
    detach::stop(sight.host, &places, limit)?;
    let limit = known.policy.service.start_timeout.std();
    let mut started = detach::start_detached(sight.host, &sight.facts.exe, name)?;
    detach::wait_ready(sight.host, &places, Some(&mut started), limit, say).map(drop)
}

/// What "running" means: `admin` logs in by the rendered ACL and gets its PONG.
fn wait_for_ping(sight: Sight, known: &Instance) -> HostResult<()> {
    let endpoint = Endpoint::Socket(sight.host.real(&known.policy.unix_socket()));
    let login = crate::facts::admin(sight.host, &known.policy);
    let deadline = Instant::now() + known.policy.service.start_timeout.std();
    loop {
        match ping(&endpoint, login.as_ref()) {
            Ok(()) => return Ok(()),
            Err(Silence::Refused(why)) if why.contains("WRONGPASS") || why.contains("NOAUTH") => {
                return Err(HostError::refused("logging in as admin", why));
            }
            Err(why) if Instant::now() >= deadline => {
                return Err(HostError::refused(
                    format!("waiting for {endpoint} to answer PING"),
                    why.to_string(),
                ));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn known<'a>(facts: &'a Facts, name: &str) -> HostResult<&'a Instance> {
    facts.instances.get(name).ok_or_else(|| {
        HostError::refused(
            format!("looking for the instance {name}"),
            "the policy has none of that name",
        )
    })
}
