//! Which build of the server is on the disk, and which one runs: by the package that owns the file, never by the upstream number
//! that a distribution keeps. A process is older than its package where that was unpacked after it had started.

use super::holes::{self, Grade};
use super::{Reading, Sight, package};
use crate::cve::{Build, Flavour, Origin, TABLE, upstream_part};
use crate::facts::{Instance, View};
use crate::host::{Host, HostError, HostResult};
use crate::policy;
use crate::redis::Told;
use crate::setting::package::Installed;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a server that no package owns is put by its makefile.
const MADE: [&str; 2] = [
    "/usr/local/bin/redis-server",
    "/usr/local/bin/valkey-server",
];

/// Something of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildFact {
    /// Who makes it: `debian`, `vendor`, `source`, or `other`.
    Origin,
    /// Whether somebody still mends its branch or suite: `supported`, or `ended`.
    Support,
    /// Its known holes of one grade; `none` when there are none.
    Holes(Code, Grade),
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// What the next start runs.
    Installed,
    /// What runs.
    Running,
}

/// Why there is no build to speak of.
#[derive(Clone, Debug)]
pub(super) enum NoBuild {
    NotHere(String),
    /// The process runs what was there before the package was upgraded: what that was, nothing tells any more.
    Old(String),
    Unknown(String),
}

/// A build, or why there is none.
pub(super) type Found = Result<Build, NoBuild>;

impl From<&str> for NoBuild {
    fn from(why: &str) -> NoBuild {
        NoBuild::Unknown(why.to_owned())
    }
}

impl From<HostError> for NoBuild {
    fn from(error: HostError) -> NoBuild {
        NoBuild::Unknown(error.to_string())
    }
}

impl From<NoBuild> for Reading {
    fn from(why: NoBuild) -> Reading {
        match why {
            NoBuild::NotHere(why) => Reading::NotApplicable(why),
            NoBuild::Old(why) | NoBuild::Unknown(why) => Reading::Unknown(why),
        }
    }
}

impl fmt::Display for BuildFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildFact::Origin => f.write_str("origin"),
            BuildFact::Support => f.write_str("support"),
            BuildFact::Holes(Code::Installed, grade) => write!(f, "{grade} holes as installed"),
            BuildFact::Holes(Code::Running, grade) => write!(f, "{grade} holes as it runs"),
        }
    }
}

/// A fact of the build of an instance's server.
pub(super) fn read(sight: Sight, instance: &str, what: BuildFact) -> Reading {
    let build = match what {
        BuildFact::Holes(code, _) => of(sight, instance, code),
        BuildFact::Origin | BuildFact::Support => likeliest(sight, instance),
    };
    let build = match build {
        Ok(build) => build,
        Err(why) => return why.into(),
    };
    match what {
        BuildFact::Origin => Reading::Value(Value::text(build.maker()), Some(build.to_string())),
        BuildFact::Support => read_support(sight, &build),
        BuildFact::Holes(_, grade) => holes::read(sight, instance, &build, grade),
    }
}

/// The build of an instance's server; found out once in a pass of judging.
fn of(sight: Sight, instance: &str, code: Code) -> Found {
    let Some(memo) = sight.memo else {
        return find(sight, instance, code);
    };
    let key = (instance.to_owned(), code);
    if let Some(known) = memo.builds.borrow().get(&key) {
        return known.clone();
    }
    let found = find(sight, instance, code);
    memo.builds.borrow_mut().insert(key, found.clone());
    found
}

fn find(sight: Sight, instance: &str, code: Code) -> Found {
    let Some(known) = sight.facts.instances.get(instance) else {
        return Err(NoBuild::NotHere(format!("{instance} is not running")));
    };
    match code {
        Code::Installed => installed(sight, known),
        Code::Running => running(sight, known),
    }
}

fn read_support(sight: Sight, build: &Build) -> Reading {
    let today = sight.host.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    match support(build, today) {
        Ok((true, until)) => Reading::Value(Value::text("supported"), Some(until)),
        Ok((false, why)) => Reading::Value(Value::text("ended"), Some(why)),
        Err(why) => Reading::Unknown(why),
    }
}

/// Whether it is supported on a day, and until when or why not.
fn support(build: &Build, today: jiff::civil::Date) -> Result<(bool, String), String> {
    let (what, ends, last) = match build.origin {
        Origin::Vendor { .. } | Origin::Source { .. } => {
            let branch = TABLE.branch(build)?;
            let what = format!("{} {}", build.flavour, branch.name);
            (what, branch.ends, branch.last)
        }
        // What is neither is an error of the suite's.
        Origin::Debian { .. } | Origin::Other { .. } => {
            let suite = TABLE.suite(build)?;
            (format!("Debian's {}", suite.name), suite.ends, None)
        }
    };
    let table = format!("the table of {}", TABLE.generated);
    Ok(match (ends, last) {
        (_, Some(last)) => (
            false,
            format!(
                "{table}: nothing was released for {what} after {last}, though later holes are known"
            ),
        ),
        (Some(day), None) => (day >= today, format!("{table}: {what} until {day}")),
        (None, None) if matches!(build.origin, Origin::Debian { .. }) => {
            (false, format!("{table}: {what} has no security support"))
        }
        (None, None) => (true, format!("{table}: {what}, no end announced")),
    })
}

/// Of what runs, or else of what is installed; an upgrade changes neither maker nor branch.
fn likeliest(sight: Sight, instance: &str) -> Found {
    match of(sight, instance, Code::Running) {
        Err(NoBuild::NotHere(_) | NoBuild::Old(_)) => of(sight, instance, Code::Installed),
        other => other,
    }
}

fn installed(sight: Sight, known: &Instance) -> Found {
    let name = known.policy.package();
    if let Some(found) = package::known(sight, name)? {
        let flavour = match known.policy.redis.flavour {
            policy::Flavour::Redis => Flavour::Redis,
            policy::Flavour::Valkey => Flavour::Valkey,
        };
        return Ok(Build::of_package(flavour, &found, &sight.facts.distro));
    }
    for path in MADE {
        let made = sight.host.stat(Path::new(path))?;
        if made.is_some() && !matches!(known.view, View::Told(_)) {
            return Err(NoBuild::Unknown(format!(
                "no package owns {path}: its version is known when it runs"
            )));
        }
    }
    Err(NoBuild::NotHere(format!("{name} is not installed by dpkg")))
}

fn running(sight: Sight, known: &Instance) -> Found {
    let told = match &known.view {
        View::NotRunning => {
            let name = &known.policy.redis.name;
            return Err(NoBuild::NotHere(format!("{name} is not running")));
        }
        View::Silent(why) => return Err(NoBuild::Unknown(why.clone())),
        View::Told(told) => told,
    };
    if let Some(why) = known.doubt() {
        return Err(NoBuild::Unknown(why));
    }
    build_of(sight, told, known.pid())
}

fn build_of(sight: Sight, told: &Told, pid: Option<i32>) -> Found {
    let (flavour, version) = names_itself(told).ok_or("INFO tells no version")?;
    let pid = pid.ok_or("it does not tell its process id")?;
    let exe = executable(sight.host, pid)?;
    let Some((package, list)) = owner(sight.host, flavour, &exe)? else {
        // Without dpkg another package manager may have brought it, but never to these two.
        if !["/usr/local", "/opt"]
            .iter()
            .any(|dir| exe.starts_with(dir))
        {
            package::known(sight, "dpkg")?;
        }
        return Ok(Build::of_source(flavour, version));
    };
    let found = package::known(sight, &package)?;
    let found = found.ok_or_else(|| {
        NoBuild::Unknown(format!(
            "{package} owns {} and is not installed",
            exe.display()
        ))
    })?;
    is_of(sight.host, told, &found, version, &list)?;
    Ok(Build::of_package(flavour, &found, &sight.facts.distro))
}

/// Valkey calls itself Redis 7.2.4 too, for the clients' sake.
fn names_itself(told: &Told) -> Option<(Flavour, &str)> {
    let field = |name: &str| told.info.get(name).map(String::as_str);
    match field("valkey_version") {
        Some(version) => Some((Flavour::Valkey, version)),
        None if field("server_name") == Some("valkey") => None,
        None => field("redis_version").map(|version| (Flavour::Redis, version)),
    }
}

/// The file that a process runs. A server in a container tells the process id that it has there, and that is another's here.
fn executable(host: &Host, pid: i32) -> Result<PathBuf, NoBuild> {
    let link = Path::new("/proc").join(pid.to_string()).join("exe");
    let Some(exe) = host.read_magic_link(&link)? else {
        return Err(NoBuild::Unknown(format!(
            "there is no process {pid} here (a container's?)"
        )));
    };
    if let Some(old) = exe.to_string_lossy().strip_suffix(" (deleted)") {
        return Err(NoBuild::Old(format!(
            "process {pid} runs a {old} that has been replaced since it started: restart it"
        )));
    }
    let name = exe.file_name().unwrap_or_default().to_string_lossy();
    match name.starts_with("redis-") || name.starts_with("valkey-") {
        true => Ok(exe),
        false => Err(NoBuild::Unknown(format!(
            "process {pid} is {}: the server that answers runs elsewhere (in a container?)",
            exe.display()
        ))),
    }
}

/// The package of the server's that owns a file, and dpkg's list of its files.
fn owner(host: &Host, flavour: Flavour, file: &Path) -> HostResult<Option<(String, PathBuf)>> {
    // Debian's redis-server is a link to redis-check-rdb of redis-tools, and Valkey's likewise.
    for package in [format!("{flavour}-server"), format!("{flavour}-tools")] {
        let list = PathBuf::from(format!("/var/lib/dpkg/info/{package}.list"));
        let text = host.read_text(&list)?.unwrap_or_default();
        if text.lines().any(|line| Path::new(line) == file) {
            return Ok(Some((package, list)));
        }
    }
    Ok(None)
}

/// Whether the process runs what the package holds now.
fn is_of(
    host: &Host,
    told: &Told,
    found: &Installed,
    version: &str,
    list: &Path,
) -> Result<(), NoBuild> {
    let packaged = upstream_part(&found.version);
    if packaged != version {
        return Err(NoBuild::Old(format!(
            "it says that it is {version}, and the package is {packaged}: restart it"
        )));
    }
    let up = told.info.get("uptime_in_seconds");
    let up: i64 = up
        .and_then(|up| up.parse().ok())
        .ok_or("INFO does not tell when it was started")?;
    let started = host.now().as_second() - up;
    match host.stat(list)? {
        // INFO counts whole seconds.
        Some(stat) if stat.modified.0 > started + 1 => Err(NoBuild::Old(format!(
            "it was started before {} was unpacked, and runs what was there before: restart it",
            found.version
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of support: Redis's version management, the Debian LTS team.
    #[test]
    fn support_ends_on_the_day_that_was_announced_or_with_the_last_release() {
        let debian = |version: &str, codename: &str| Build {
            flavour: Flavour::Redis,
            origin: Origin::Debian {
                version: version.into(),
                codename: codename.into(),
            },
        };
        let source = |version| Build::of_source(Flavour::Redis, version);
        let valkey = |version| Build::of_source(Flavour::Valkey, version);
        let table = [
            (debian("5:7.0.15-1", "bookworm"), "2028-06-30", Ok(true)),
            (debian("5:7.0.15-1", "bookworm"), "2028-07-01", Ok(false)),
            (debian("5:6.0.16-1", "bullseye"), "2026-11-23", Err(())),
            (source("7.0.15"), "2024-02-01", Ok(false)),
            (source("7.4.11"), "2029-12-01", Ok(true)),
            (source("7.4.11"), "2029-12-02", Ok(false)),
            (source("8.0.6"), "2026-11-23", Ok(false)),
            (source("5.0.14"), "2026-11-23", Err(())),
            (valkey("9.1.1"), "2026-11-23", Ok(true)),
        ];
        for (build, day, wanted) in table {
            let day: jiff::civil::Date = day.parse().unwrap();
            let is = support(&build, day).map(|(is, _)| is).map_err(drop);
            assert_eq!(is, wanted, "{build} on {day}");
        }
    }

    #[test]
    fn a_valkey_is_not_taken_for_the_redis_that_it_says_it_is() {
        let told = |fields: &[(&str, &str)]| Told {
            info: fields
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
            ..Told::default()
        };
        let names = |fields: &[(&str, &str)]| {
            let told = told(fields);
            names_itself(&told).map(|(f, v)| (f, v.to_owned()))
        };
        // INFO of Debian's valkey-server 8.1.1.
        let valkey = [
            ("redis_version", "7.2.4"),
            ("server_name", "valkey"),
            ("valkey_version", "8.1.1"),
        ];
        assert_eq!(names(&valkey), Some((Flavour::Valkey, "8.1.1".into())));
        assert_eq!(names(&valkey[..2]), None);
        assert_eq!(names(&valkey[..1]), Some((Flavour::Redis, "7.2.4".into())));
    }
}
