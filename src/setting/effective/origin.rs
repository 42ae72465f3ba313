//! How an instance's server was started, or would be: the file and options of its process, of our supervisor, or of its unit.

use crate::facts::{Instance, View};
use crate::host::{HostError, HostResult};
use crate::policy::Policy;
use crate::redis::effective::table::Version;
use crate::redis::effective::{CommandLine, Start, words};
use crate::setting::{Reading, Sight, package, unit};
use crate::supervise::state;
use crate::value::Value;
use nix::errno::Errno;
use std::path::{Path, PathBuf};

/// What our supervisor adds to the file's name. Source: `command` in supervise/process.rs.
const OURS: [&str; 4] = ["--supervised", "no", "--daemonize", "no"];

/// How a server starts, as far as it is known.
pub struct Origin {
    pub version: Version,
    pub start: Start,
    /// Why its options are not known; they come last, and win.
    pub hidden: Option<String>,
    /// The file that its unit names, or that our supervisor would start with; `None` where nothing says.
    pub named: Result<Option<PathBuf>, String>,
}

/// Why there is no origin.
pub enum NoOrigin {
    NotApplicable(String),
    Unknown(String),
}

impl From<HostError> for NoOrigin {
    fn from(error: HostError) -> NoOrigin {
        NoOrigin::Unknown(error.to_string())
    }
}

/// Of the running server, or of what its unit would start.
pub fn origin(sight: Sight, known: &Instance) -> Result<Origin, NoOrigin> {
    let version = version(sight, known)?;
    let command = command(sight, &known.policy);
    let named = match &command {
        Ok(command) => Ok(named_file(version, &known.policy, command.as_ref())),
        Err(e) => Err(e.to_string()),
    };
    let (start, hidden) = match &known.view {
        View::Silent(why) => return Err(NoOrigin::Unknown(why.clone())),
        View::NotRunning => (at_rest(sight, version, &known.policy, command?)?, None),
        View::Told(told) => {
            let file = told.info.get("config_file").ok_or_else(|| {
                NoOrigin::Unknown("it does not tell which file it was started with".into())
            })?;
            running(sight, version, known, command, file)?
        }
    };
    Ok(Origin {
        version,
        start,
        hidden,
        named,
    })
}

fn named_file(version: Version, policy: &Policy, command: Option<&Command>) -> Option<PathBuf> {
    match command? {
        Command::Supervised => Some(policy.config_file()),
        Command::Server(args) => {
            let file = CommandLine::parse(version, args).file?;
            Some(PathBuf::from(words::text(&file)))
        }
    }
}

fn version(sight: Sight, known: &Instance) -> Result<Version, NoOrigin> {
    let (flavour, number) = match &known.view {
        View::Told(told) => match told.info.get("valkey_version") {
            Some(number) => ("valkey", number.clone()),
            None => (
                "redis",
                told.info.get("redis_version").cloned().unwrap_or_default(),
            ),
        },
        _ => match package::read_version(sight, known.policy.package()) {
            Reading::Value(Value::Text(number), _) => (known.policy.user(), number),
            Reading::Unknown(why) => return Err(NoOrigin::Unknown(why)),
            Reading::NotApplicable(why) => return Err(NoOrigin::NotApplicable(why)),
            _ => ("", String::new()),
        },
    };
    Version::of(flavour, &number).ok_or_else(|| {
        NoOrigin::Unknown(format!(
            "the directives of {flavour} {number:?} are not known here"
        ))
    })
}

/// Of a server that does not run: what would be started.
fn at_rest(
    sight: Sight,
    version: Version,
    policy: &Policy,
    command: Option<Command>,
) -> Result<Start, NoOrigin> {
    let ours = policy.config_file();
    match command {
        Some(Command::Server(args)) => Ok(Start {
            line: CommandLine::parse(version, &args),
            cwd: working_directory(sight, policy),
        }),
        Some(Command::Supervised) | None if sight.host.stat(&ours)?.is_some() => {
            Ok(supervised(version, policy, &ours))
        }
        // Another control wants it there.
        Some(Command::Supervised) => Err(NoOrigin::NotApplicable(format!(
            "there is no {} yet",
            ours.display()
        ))),
        None => Err(NoOrigin::NotApplicable(
            "nothing here says how it is started".into(),
        )),
    }
}

fn running(
    sight: Sight,
    version: Version,
    known: &Instance,
    command: HostResult<Option<Command>>,
    file: &str,
) -> Result<(Start, Option<String>), NoOrigin> {
    let policy = &known.policy;
    if let Some(why) = known.doubt() {
        return Err(NoOrigin::Unknown(why));
    }
    if let Some(pid) = known.pid()
        && let Some(why) = elsewhere(sight, pid, file)?
    {
        return Err(NoOrigin::Unknown(why));
    }
    if known.report.is_some() {
        return Ok((supervised(version, policy, Path::new(file)), None));
    }
    let (args, cwd, hidden) = match arguments(sight, known, command)? {
        Ok((args, cwd)) => (args, cwd, None),
        Err(why) => (Vec::new(), None, Some(why)),
    };
    let mut line = CommandLine::parse(version, &args);
    line.file = (!file.is_empty()).then(|| file.into());
    Ok((Start { line, cwd }, hidden))
}

/// Why the server's files are not this host's: it may run in a container, whose files have the same names.
fn elsewhere(sight: Sight, pid: i32, file: &str) -> HostResult<Option<String>> {
    let process = state::identify(sight.host, pid)?;
    let is_server = |name: &str| matches!(name, "redis-server" | "valkey-server");
    if !process.is_some_and(|p| is_server(&p.name)) {
        let why = format!("process {pid}, as it calls itself, is no server of this host");
        return Ok(Some(why));
    }
    if file.is_empty() {
        return Ok(None);
    }
    let (here, there) = (Path::new(file), format!("/proc/{pid}/root{file}"));
    let there = Path::new(&there);
    match sight.host.same_inode(there, here) {
        Ok(true) => Ok(None),
        // Gone on both sides is a fault of the configuration, and reported as one.
        Err(e)
            if e.errno == Some(Errno::ENOENT) && sight.host.same_inode(there, there).is_err() =>
        {
            Ok(None)
        }
        Err(e) if e.errno != Some(Errno::ENOENT) => Err(e),
        _ => Ok(Some(format!(
            "process {pid} has another {file} than this host: it runs in a container"
        ))),
    }
}

/// The arguments after the program's name and the directory it was started in, or why they are not known.
type Arguments = Result<(Vec<Vec<u8>>, Option<PathBuf>), String>;

fn arguments(
    sight: Sight,
    known: &Instance,
    command: HostResult<Option<Command>>,
) -> HostResult<Arguments> {
    let Some(pid) = known.pid() else {
        return Ok(Err("its process is not known".into()));
    };
    let titled = match &known.view {
        View::Told(told) => told.directives.get("set-proc-title"),
        _ => None,
    };
    if titled.is_some_and(|t| t == "no") {
        let path = format!("/proc/{pid}/cmdline");
        let line = sight.host.read(Path::new(&path))?.unwrap_or_default();
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        let args = line.split(|b| *b == 0).skip(1).map(<[u8]>::to_vec);
        return Ok(Ok((args.collect(), None)));
    }
    let unit = known.policy.unit();
    let group = sight
        .host
        .read_text(Path::new(&format!("/proc/{pid}/cgroup")))?;
    let of_unit = |line: &str| line.ends_with(&format!("/{unit}"));
    if group.is_some_and(|text| text.lines().any(of_unit))
        && let Some(Command::Server(args)) = command?
    {
        return Ok(Ok((args, working_directory(sight, &known.policy))));
    }
    Ok(Err(format!(
        "process {pid} hides its command line behind its title, and is not of {unit}"
    )))
}

fn supervised(version: Version, policy: &Policy, file: &Path) -> Start {
    let mut args = vec![file.to_string_lossy().into_owned()];
    args.extend(OURS.map(str::to_owned));
    let args: Vec<Vec<u8>> = args.into_iter().map(String::into_bytes).collect();
    Start {
        line: CommandLine::parse(version, &args),
        cwd: Some(policy.data_dir()),
    }
}

/// What a unit runs.
enum Command {
    Supervised,
    Server(Vec<Vec<u8>>),
}

/// The unit's command; `None` without systemd or without a unit.
fn command(sight: Sight, policy: &Policy) -> HostResult<Option<Command>> {
    let name = policy.unit();
    let line = match unit::read(sight, &name, "ExecStart") {
        Reading::Value(Value::Words(line), _) => line.join(" "),
        Reading::Unknown(why) => return Err(HostError::refused(format!("reading {name}"), why)),
        _ => return Ok(None),
    };
    let refuse = |why: &str| {
        Err(HostError::refused(
            format!("reading ExecStart of {name}"),
            why,
        ))
    };
    let instance = name
        .split_once('@')
        .and_then(|(_, rest)| rest.rsplit_once('.'));
    let line = line.replace("%i", instance.map_or("", |(i, _)| i));
    let Some(words) = words::split(line.as_bytes()) else {
        return refuse("its quotes are not balanced");
    };
    let Some((program, args)) = words.split_first() else {
        return Ok(None);
    };
    // `@` and its like before the path are systemd's.
    let program = words::text(program);
    let program = program.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    match program.rsplit('/').next() {
        Some("redis-harden") => Ok(Some(Command::Supervised)),
        Some("redis-server" | "valkey-server") if line.contains(['$', '%']) => {
            refuse("what its variables and specifiers stand for is not known")
        }
        Some("redis-server" | "valkey-server") => Ok(Some(Command::Server(args.to_vec()))),
        _ => refuse("it runs neither a server nor redis-harden"),
    }
}

fn working_directory(sight: Sight, policy: &Policy) -> Option<PathBuf> {
    match unit::read(sight, &policy.unit(), "WorkingDirectory") {
        Reading::Absent => Some(PathBuf::from("/")),
        Reading::Value(Value::Text(dir), _) if dir.starts_with('/') => Some(PathBuf::from(dir)),
        _ => None,
    }
}
