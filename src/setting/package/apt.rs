//! Installing packages by `apt-get`: without a question, waiting for whoever holds the lock, and after a package manager that was killed.
//! It keeps what an admin changed in configuration files. That nothing is started meanwhile is the guard's or the drop-in's work.

use super::status::{installed, is_interrupted, needing_reinstallation, unfinished};
use super::trouble::{Remedy, essence, recognise};
use crate::host::{Holder, Host, HostError, HostResult, Run};
use std::path::Path;
use std::time::{Duration, Instant};

/// What apt-get and dpkg lock, in the order in which they do.
const LOCKS: [&str; 4] = [
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
];

/// Never a question, neither debconf's nor dpkg's about a changed configuration file, nor a service restarted by needrestart.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("UCF_FORCE_CONFFOLD", "1"),
];

const APT_OPTIONS: [&str; 10] = [
    "-qy",
    "--no-install-recommends",
    // A package that nobody named is never removed to make room.
    "--no-remove",
    "-oDpkg::Options::=--force-confdef",
    "-oDpkg::Options::=--force-confold",
    "-oDpkg::Use-Pty=0",
    "-oAPT::Status-Fd=1",
    "-oAcquire::Retries=2",
    "-oAcquire::http::Timeout=20",
    "-oAcquire::https::Timeout=20",
];

/// How long a lock is looked at before it is looked at again, and how long until we say so again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// How long we wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For others to release the package manager's locks.
    pub lock: Duration,
    /// For one run of the package manager.
    pub run: Duration,
}

impl Default for Patience {
    /// A first boot's unattended upgrade takes minutes, a slow mirror too.
    fn default() -> Patience {
        Patience {
            lock: Duration::from_secs(600),
            run: Duration::from_secs(1800),
        }
    }
}

/// Installs those of the packages that are not installed whole. Progress is said one line a step.
pub fn install(
    host: &Host,
    packages: &[&str],
    patience: Patience,
    say: &mut dyn FnMut(&str),
) -> HostResult<()> {
    Apt::new(host, patience, say).install(packages)
}

/// Finishes what a killed package manager had begun; says nothing when there is nothing.
/// Packages that cannot be finished are no error here unless dpkg then refuses to work.
pub fn recover(host: &Host, patience: Patience, say: &mut dyn FnMut(&str)) -> HostResult<()> {
    Apt::new(host, patience, say).recover()
}

struct Apt<'a> {
    host: &'a Host,
    patience: Patience,
    say: &'a mut dyn FnMut(&str),
}

/// What a run of the package manager printed when it failed.
type Failure = String;

impl<'a> Apt<'a> {
    fn new(host: &'a Host, patience: Patience, say: &'a mut dyn FnMut(&str)) -> Apt<'a> {
        Apt {
            host,
            patience,
            say,
        }
    }

    fn install(&mut self, packages: &[&str]) -> HostResult<()> {
        if let Some(wrong) = packages.iter().find(|name| !is_package_name(name)) {
            return Err(HostError::refused(
                format!("installing {wrong:?}"),
                "it is no package name",
            ));
        }
        if self.missing(packages)?.is_empty() {
            return Ok(());
        }
        self.recover()?;
        // A lock may be taken between our look and apt's, more than once.
        let mut untried = vec![
            Remedy::Update,
            Remedy::Mend,
            Remedy::Wait,
            Remedy::Wait,
            Remedy::Wait,
        ];
        let mut failed_update = None;
        while let Some(failure) = self.attempt(packages)? {
            let remedy = recognise(&failure).remedy;
            let Some(at) = untried.iter().position(|r| *r == remedy) else {
                // An index that could not be fetched is why a package is unknown.
                let cause = failed_update.filter(|_| remedy == Remedy::Update);
                return Err(explain(packages, &cause.unwrap_or(failure)));
            };
            untried.remove(at);
            match remedy {
                Remedy::Update => failed_update = self.update()?,
                Remedy::Mend => self.mend()?,
                Remedy::Wait | Remedy::Nothing => {}
            }
        }
        Ok(())
    }

    /// Tries to install what is missing. Success is judged by what is there then: an unrelated package that fails is not ours to mend.
    fn attempt(&mut self, packages: &[&str]) -> HostResult<Option<Failure>> {
        let missing = self.missing(packages)?;
        if missing.is_empty() {
            return Ok(None);
        }
        (self.say)(&format!("installing {}", missing.join(" ")));
        let failure = self.apt_get(&[&["install", "--"], &missing[..]].concat())?;
        if self.missing(packages)?.is_empty() {
            return Ok(None);
        }
        Ok(Some(failure.unwrap_or_else(|| {
            "apt-get ended well, and it is still not installed".to_owned()
        })))
    }

    fn missing<'p>(&self, packages: &[&'p str]) -> HostResult<Vec<&'p str>> {
        let mut missing = Vec::new();
        for package in packages {
            let found = installed(self.host, package)?;
            if !found.is_some_and(|found| found.state.is_configured()) {
                missing.push(*package);
            }
        }
        Ok(missing)
    }

    fn update(&mut self) -> HostResult<Option<Failure>> {
        (self.say)("fetching the package index");
        self.apt_get(&["-oAPT::Update::Error-Mode=any", "update"])
    }

    fn recover(&mut self) -> HostResult<()> {
        self.wait_for_locks()?;
        if is_interrupted(self.host)? || !unfinished(self.host)?.is_empty() {
            self.mend()?;
        }
        Ok(())
    }

    fn mend(&mut self) -> HostResult<()> {
        (self.say)("finishing an interrupted installation");
        self.wait_for_locks()?;
        let dpkg =
            Run::new("dpkg").args(&["--force-confdef", "--force-confold", "--configure", "-a"]);
        let failure = self.run(dpkg)?;
        if is_interrupted(self.host)? {
            return Err(explain(
                &unfinished(self.host)?,
                &failure.unwrap_or_default(),
            ));
        }
        // Neither `--configure` nor `-f install` touches one whose unpacking was cut off at the wrong moment.
        let broken = needing_reinstallation(self.host)?;
        if !broken.is_empty() {
            let names: Vec<&str> = broken.iter().map(String::as_str).collect();
            self.apt_get(&[&["install", "--reinstall", "--"], &names[..]].concat())?;
        }
        if !unfinished(self.host)?.is_empty() {
            // What cannot be mended is told by the installation that follows.
            self.apt_get(&["-f", "install"])?;
        }
        Ok(())
    }

    fn apt_get(&mut self, args: &[&str]) -> HostResult<Option<Failure>> {
        self.wait_for_locks()?;
        self.run(Run::new("apt-get").args(&APT_OPTIONS).args(args))
    }

    /// Runs the package manager, saying its steps; what it printed when it failed.
    fn run(&mut self, run: Run) -> HostResult<Option<Failure>> {
        let run = ENVIRONMENT
            .iter()
            .fold(run, |run, (name, value)| run.env(name, value))
            .limit(self.patience.run);
        let mut said = String::new();
        let output = self.host.run_streaming(&run, &mut |line| {
            if let Some(step) = step(line).filter(|step| *step != said) {
                (self.say)(&step);
                said = step;
            }
        })?;
        let killed = output
            .signal
            .map(|signal| format!("it was ended by signal {signal}\n"));
        if !output.ok() {
            tracing::debug!(
                command = run.line(),
                stderr = output.stderr,
                "the package manager failed"
            );
        }
        Ok((!output.ok()).then(|| killed.unwrap_or_default() + &output.stderr))
    }

    fn wait_for_locks(&mut self) -> HostResult<()> {
        let started = Instant::now();
        let mut said: Option<Instant> = None;
        while let Some((lock, holder)) = self.held_lock()? {
            let waited = started.elapsed();
            if waited >= self.patience.lock {
                return Err(HostError::refused(
                    format!("waiting for the package manager's lock {lock}"),
                    format!(
                        "{holder} has held it for {} s and more; let it finish, then run this again",
                        waited.as_secs()
                    ),
                ));
            }
            if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                (self.say)(&format!(
                    "waiting for {holder}, which holds the package manager's lock ({} s)",
                    waited.as_secs()
                ));
                said = Some(Instant::now());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn held_lock(&self) -> HostResult<Option<(&'static str, Holder)>> {
        for lock in LOCKS {
            if let Some(holder) = self.host.lock_holder(Path::new(lock))? {
                return Ok(Some((lock, holder)));
            }
        }
        Ok(None)
    }
}

/// What went wrong with these packages, and the next step.
fn explain(packages: &[impl AsRef<str>], failure: &str) -> HostError {
    let names: Vec<&str> = packages.iter().map(AsRef::as_ref).collect();
    let trouble = recognise(failure);
    HostError::refused(
        format!("installing {}", names.join(" ")),
        format!("{} ({}); {}", trouble.cause, essence(failure), trouble.next),
    )
}

/// Debian Policy 5.6.1; the length is not limited there.
fn is_package_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() > 1
        // A trailing sign has a meaning for apt: remove it, install it.
        && !name.ends_with('-')
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|b| plain(b) || b"+-.".contains(&b))
}

/// A line of apt's status, as a step worth a line: `dlstatus:1:20.0:Retrieving file 1 of 3 (2s remaining)`.
fn step(line: &str) -> Option<String> {
    let (kind, rest) = line.split_once("status:")?;
    let mut fields = rest
        .split(':')
        .skip_while(|field| field.parse::<f64>().is_err());
    if kind.ends_with("dl") {
        // The file's number is a number as well.
        fields.next();
    }
    fields.next()?;
    let text = fields.collect::<Vec<_>>().join(":");
    let text = text
        .split_once(" (")
        .map_or(text.as_str(), |(text, _)| text);
    let worth = ["Retrieving", "Unpacking", "Configuring"];
    worth
        .iter()
        .any(|verb| text.starts_with(verb))
        .then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_apts_status_lines() {
        let table = [
            (
                "dlstatus:1:20.0:Retrieving file 1 of 3 (2s remaining)",
                Some("retrieving file 1 of 3"),
            ),
            (
                "pmstatus:redis-server:45.4:Unpacking redis-server (amd64)",
                Some("unpacking redis-server"),
            ),
            (
                "pmstatus:libjemalloc2:amd64:60:Configuring libjemalloc2:amd64",
                Some("configuring libjemalloc2:amd64"),
            ),
            (
                "(Reading database ... 5%pmstatus:a:1.0:Configuring a (all)",
                Some("configuring a"),
            ),
            (
                "pmstatus:redis-server:45.4:Preparing redis-server (amd64)",
                None,
            ),
            ("pmstatus:", None),
            ("Setting up redis-server", None),
        ];
        for (line, expected) in table {
            assert_eq!(step(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn options_in_place_of_packages_are_refused() {
        for name in [
            "-o",
            "--purge",
            "redis-server-",
            "a b",
            "",
            "Redis",
            "redis=1",
        ] {
            assert!(!is_package_name(name), "{name:?}");
        }
        assert!(is_package_name("redis-server") && is_package_name("libstdc++6"));
    }
}
