//! Running the host's own programs: argument arrays from trusted directories, a clean environment, a time limit. Never a shell, never `$PATH`.

mod begun;

pub use begun::Begun;

use super::{Host, HostError, HostResult};
use begun::Watch;
use nix::sys::resource::{Resource, setrlimit};
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the host's own programs are; nobody but root writes there.
const TRUSTED: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A program, its arguments, and what it is given.
#[derive(Clone, Debug)]
pub struct Run {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    input: Option<Vec<u8>>,
    /// Whether its standard input stays open behind what it is given.
    held: bool,
    limit: Duration,
}

/// How a program ended, and what it printed.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// A program by name.
    pub fn new(program: &str) -> Run {
        Run {
            program: program.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            input: None,
            held: false,
            limit: Duration::from_secs(60),
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Run {
        self.args.push(arg.into());
        self
    }

    /// More arguments.
    pub fn args(mut self, args: &[&str]) -> Run {
        self.args.extend(args.iter().map(|a| (*a).to_owned()));
        self
    }

    /// One more environment variable: the program gets these and a fixed `PATH` and `LC_ALL`, nothing of ours.
    pub fn env(mut self, name: &str, value: &str) -> Run {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What it reads on its standard input; nothing by default.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Run {
        self.input = Some(bytes.into());
        self
    }

    /// Its standard input ends when [`Begun`] is dropped, or we are gone: by that it knows.
    pub fn held(mut self) -> Run {
        self.held = true;
        self
    }

    /// After how long it is killed; a minute by default.
    pub fn limit(mut self, limit: Duration) -> Run {
        self.limit = limit;
        self
    }

    /// The command as a person would type it, for messages.
    pub fn line(&self) -> String {
        let mut line = self.program.clone();
        for arg in &self.args {
            line.push(' ');
            line.push_str(arg);
        }
        line
    }
}

impl Output {
    /// Whether it exited with 0.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// The last lines that it printed, for an error message.
    pub fn tail(&self) -> String {
        let text = if self.stderr.trim().is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        lines
            .get(lines.len().saturating_sub(5)..)
            .unwrap_or_default()
            .join("\n")
    }
}

impl Host {
    /// Where a program of this host is; `None` when it has none of that name.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        let dirs: Vec<PathBuf> = TRUSTED
            .iter()
            .map(|dir| self.real(Path::new(dir)))
            .collect();
        let path = std::env::join_paths(dirs).ok()?;
        which::which_in(name, Some(path), "/").ok()
    }

    /// Runs a program to its end. Not finding, not starting and outliving the limit are errors; an exit code is not.
    pub fn run(&self, run: &Run) -> HostResult<Output> {
        self.begin(run)?.output()
    }

    /// As [`Host::run`], handing over each line of its standard output as it comes; `Output::stdout` stays empty.
    pub fn run_streaming(&self, run: &Run, line: &mut dyn FnMut(&str)) -> HostResult<Output> {
        let mut pending = Vec::new();
        let output = self.pump(run, &mut |chunk| {
            pending.extend_from_slice(chunk);
            while let Some(end) = pending.iter().position(|b| *b == b'\n') {
                let whole: Vec<u8> = pending.drain(..=end).collect();
                line(String::from_utf8_lossy(&whole).trim_end());
            }
        })?;
        if !pending.is_empty() {
            line(String::from_utf8_lossy(&pending).trim_end());
        }
        Ok(output)
    }

    /// Starts a program, hands over its standard output piece by piece, and waits for its end.
    fn pump(&self, run: &Run, take: &mut dyn FnMut(&[u8])) -> HostResult<Output> {
        self.begin(run)?.end(take)
    }

    /// Starts a program whose end is waited for later: it runs while we do something else. Its time limit begins now.
    pub fn begin(&self, run: &Run) -> HostResult<Begun> {
        let mut child = self.start(run)?;
        let watch = Watch::over(&child, run.limit);
        let kept = child.stdin.as_ref().filter(|_| run.held);
        let held = kept.map(|stdin| stdin.as_fd().try_clone_to_owned());
        let held = held.transpose().map_err(|e| {
            let doing = format!("holding on to `{}`", run.line());
            HostError::new(doing, e)
        })?;
        if let (Some(bytes), Some(mut stdin)) = (run.input.clone(), child.stdin.take()) {
            // Beside the reading: a program that prints while it reads would wait for us. One that exits without
            // reading says why by its exit code.
            std::thread::spawn(move || stdin.write_all(&bytes));
        }
        Ok(Begun {
            child,
            watch,
            line: run.line(),
            limit: run.limit,
            held,
        })
    }

    /// Replaces this process by a program, with the terminal and these variables alone; no core is written of it. Returns only where
    /// that cannot be done.
    pub fn become_program(
        &self,
        name: &str,
        args: &[String],
        environment: &[(&str, String)],
    ) -> HostError {
        let doing = || format!("starting {name}");
        let Some(program) = self.find_program(name) else {
            return HostError::refused(doing(), "it is not installed");
        };
        if let Err(e) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
            return HostError::errno(doing(), e);
        }
        let path: OsString = TRUSTED.join(":").into();
        let mut command = Command::new(program);
        command.args(args).env_clear().env("PATH", path);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        HostError::new(doing(), command.exec())
    }

    fn start(&self, run: &Run) -> HostResult<Child> {
        let doing = || format!("running `{}`", run.line());
        if !self.is_running() {
            return Err(HostError::refused(
                doing(),
                "programs are not run on a tree that is reached by its files only",
            ));
        }
        let program = self.find_program(&run.program).ok_or_else(|| {
            HostError::refused(doing(), format!("{} is not installed", run.program))
        })?;
        self.command(&program, run)
            .spawn()
            .map_err(|e| HostError::new(doing(), e))
    }

    /// Runs a program that must exit with 0.
    pub fn run_ok(&self, run: &Run) -> HostResult<Output> {
        let output = self.run(run)?;
        if output.ok() {
            return Ok(output);
        }
        let how = match (output.code, output.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, signal) => format!("ended by signal {}", signal.unwrap_or(0)),
        };
        Err(HostError::refused(
            format!("running `{}`", run.line()),
            format!("{how}: {}", output.tail()),
        ))
    }

    fn command(&self, program: &Path, run: &Run) -> Command {
        let path: OsString = TRUSTED.join(":").into();
        let mut command = Command::new(program);
        command
            .args(&run.args)
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C.UTF-8")
            .envs(run.env.iter().map(|(k, v)| (k, v)))
            .current_dir("/")
            .stdin(if run.input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if !self.is_live_root() {
            // A fake program in a test's root finds its root here.
            command.env("REDIS_HARDEN_ROOT", self.root());
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::Run;
    use crate::host::Host;
    use std::time::{Duration, Instant};

    fn sh(script: &str) -> Run {
        Run::new("sh").args(&["-c", script])
    }

    #[test]
    fn lines_are_handed_over_as_they_come_and_the_rest_at_the_end() {
        let host = Host::live().expect("a host");
        let mut lines = Vec::new();
        let run = sh("printf 'one\\nt'; sleep 0.2; printf 'wo\\nthree'; echo no >&2; exit 3");
        let output = host.run_streaming(&run, &mut |line| lines.push(line.to_owned()));
        let output = output.expect("it runs");
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!((output.code, output.stderr.as_str()), (Some(3), "no\n"));
    }

    #[test]
    fn a_daemon_that_keeps_the_output_open_is_not_waited_for() {
        let host = Host::live().expect("a host");
        let started = Instant::now();
        let output = host.run(&sh("echo started; sleep 20 &")).expect("it runs");
        assert_eq!(output.stdout, "started\n");
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_program_that_prints_while_it_reads_does_not_stall() {
        let host = Host::live().expect("a host");
        let input = vec![b'x'; 1 << 20];
        let output = host
            .run(&Run::new("cat").input(input.clone()))
            .expect("it runs");
        assert_eq!(output.stdout.len(), input.len());
    }

    #[test]
    fn a_program_whose_input_is_held_goes_on_until_it_is_waited_for() {
        let host = Host::live().expect("a host");
        let run = sh("read a; echo $a; read b || echo end").input(b"one\n".to_vec());
        let mut begun = host.begin(&run.held()).expect("it runs");
        std::thread::sleep(Duration::from_millis(100));
        assert!(!begun.has_ended());
        assert_eq!(begun.output().expect("it ends").stdout, "one\nend\n");
    }

    #[test]
    fn one_that_ended_in_time_is_not_late_because_its_output_was_asked_for_late() {
        let host = Host::live().expect("a host");
        let limit = Duration::from_millis(300);
        let begun = host.begin(&sh("echo said").limit(limit)).expect("it runs");
        std::thread::sleep(limit * 3);
        assert_eq!(begun.output().expect("it ended").stdout, "said\n");
    }

    #[test]
    fn a_program_that_outlives_its_limit_is_killed_with_what_it_started() {
        let host = Host::live().expect("a host");
        let run = sh("sleep 20; echo late").limit(Duration::from_millis(200));
        let started = Instant::now();
        let error = host.run(&run).expect_err("it is late");
        assert!(error.cause.contains("was killed"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
