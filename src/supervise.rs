//! Runs redis-server as its user, watched and restarted; never as root, never twice on one data directory.
//! Its sandbox is `contain`.

mod apart;
pub mod detach;
pub(crate) mod gate;
mod keepsake;
pub(crate) mod lock;
pub mod machine;
pub mod notify;
mod outcome;
mod privileges;
pub mod probe;
mod process;
mod scheduling;
pub mod settings;
pub mod state;
mod strays;
pub mod twin;
mod vitals;
pub mod voice;
mod watch;

pub(crate) use process::raise_nofile;

use crate::contain::layers::Layer;
use crate::host::{Host, HostError, HostResult};
use crate::setting::secret::first_line;
use apart::Side;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, gettid};
use settings::Settings;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Duration;

/// The exit code for every error of `run`: systemd's `RestartPreventExitStatus=78`, EX_CONFIG of sysexits.h.
pub const EX_CONFIG: i32 = 78;

/// Where the supervisor's inputs and outputs are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The rendered service file.
    pub settings: PathBuf,
    /// The password's directory, when systemd has dropped root already.
    pub credentials: Option<PathBuf>,
    /// systemd's end.
    pub notify: Option<OsString>,
    /// How often systemd wants to hear that the supervisor is alive.
    pub watchdog: Option<Duration>,
    /// Where a detached supervisor's output goes.
    pub log: PathBuf,
}

impl Places {
    /// Where they are for an instance.
    pub fn of(name: &str) -> Places {
        Places {
            settings: format!("/etc/redis-harden/redis/{name}.toml").into(),
            credentials: None,
            notify: None,
            watchdog: None,
            log: format!("/var/log/redis-harden/{name}.log").into(),
        }
    }

    /// The same, with what systemd passes in the environment.
    fn with_environment(self) -> Places {
        Places {
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            notify: std::env::var_os("NOTIFY_SOCKET"),
            watchdog: notify::watchdog(|name| std::env::var(name).ok()),
            ..self
        }
    }
}

/// Runs an instance's server until a stop is asked for, and returns the server's own exit code.
/// Call it on the main thread, before any other thread exists.
///
/// # Errors
/// Before the server has ever answered: settings that are missing, another supervisor, a configuration that the server
/// refuses. The exit code for these is [`EX_CONFIG`].
pub fn run(host: &Host, name: &str) -> HostResult<i32> {
    let valid: Result<crate::policy::scalar::Name, String> = name.parse();
    valid.map_err(|e| HostError::refused("starting the supervisor", e))?;
    run_at(host, &Places::of(name).with_environment())
}

/// The same, with the files elsewhere.
pub fn run_at(host: &Host, places: &Places) -> HostResult<i32> {
    check_process(host)?;
    let settings = required(host, places)?;
    let secret = password(host, places, &settings)?;
    let tie = match apart::enter(&settings, || watch::take_signals().map(Some))? {
        Side::Inside(tie) => tie,
        Side::Outside(code) => return Ok(code),
    };
    let nofile = privileges::step_down(host, &settings)?;
    tie.iter().try_for_each(|tie| tie.hold(Signal::SIGTERM))?;
    let lock = lock::take(host, &settings)?;
    strays::take_in();
    let inputs = watch::Inputs {
        host,
        settings_file: &places.settings,
        settings,
        secret: &secret,
        notify: places.notify.as_deref(),
        watchdog: places.watchdog,
        lock: &lock,
        nofile,
    };
    watch::Watch::begin(inputs)?.run()
}

/// Runs another program as an instance's server would run: its user, its limits, its sandbox. Returns the exit code, 128 and the
/// number for a signal; `say` hears of each layer.
pub fn contain(
    host: &Host,
    places: &Places,
    (program, args): (&OsStr, &[OsString]),
    say: &mut dyn FnMut(&Layer),
) -> HostResult<i32> {
    check_process(host)?;
    let settings = required(host, places)?;
    let doing = || format!("starting {}", program.display());
    let program = which::which_in(program, Some(process::PATH), "/")
        .map_err(|e| HostError::refused(doing(), e.to_string()))?;
    // A terminal's signals reach the program itself.
    let tie = match apart::enter(&settings, || Ok(None))? {
        Side::Inside(tie) => tie,
        Side::Outside(code) => return Ok(code),
    };
    privileges::step_down(host, &settings)?;
    tie.iter().try_for_each(|tie| tie.hold(Signal::SIGKILL))?;
    let (mut child, answer) = process::spawn_contained(&settings, &program, args)?;
    let pid = Pid::from_raw(child.id().cast_signed());
    answer.layers(host, pid)?.iter().for_each(say);
    let ended = child.wait().map_err(|e| HostError::new(doing(), e))?;
    Ok(ended
        .code()
        .or(ended.signal().map(|signal| 128 + signal))
        .unwrap_or(1))
}

fn required(host: &Host, places: &Places) -> HostResult<Settings> {
    Settings::load(host, &places.settings)?.ok_or_else(|| {
        let doing = format!("reading {}", places.settings.display());
        HostError::refused(doing, "there is no such file (run `redis-harden apply`)")
    })
}

/// The death signal of the child fires when the *thread* that forked it ends.
fn check_process(host: &Host) -> HostResult<()> {
    let refuse = |cause| Err(HostError::refused("starting the supervisor", cause));
    if gettid() != getpid() {
        return refuse("this is not the main thread");
    }
    if !host.is_live_root() {
        return refuse("a server is not run on an offline tree");
    }
    nix::sys::prctl::set_name(c"redis-harden")
        .map_err(|e| HostError::errno("naming the supervisor", e))
}

/// The probe's password: root reads it itself, systemd hands it over; in a container that somebody else starts it is theirs.
fn password(host: &Host, places: &Places, settings: &Settings) -> HostResult<String> {
    let path = match &places.credentials {
        Some(dir) => dir.join("agent"),
        None => settings.agent_secret.clone(),
    };
    let read = host.read_text(&path).map_err(|e| match places.credentials {
        None if e.is_denied() => {
            let cause = "CREDENTIALS_DIRECTORY is not set (LoadCredential=agent:… in the unit?)";
            HostError::refused("reading the password of agent", cause)
        }
        _ => e,
    });
    let text = read?.ok_or_else(|| {
        let doing = format!("reading the password {}", path.display());
        HostError::refused(doing, "there is no such file (run `redis-harden apply`)")
    })?;
    // As apply reads it, who gives the server its digest.
    Ok(first_line(&text).to_owned())
}
