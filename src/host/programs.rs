//! Running the host's own programs: argument arrays from trusted directories, a clean environment, a time limit. Never a shell, never `$PATH`.

use super::{Host, HostError, HostResult};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
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
        let mut child = self
            .command(&program, run)
            .spawn()
            .map_err(|e| HostError::new(doing(), e))?;
        if let (Some(bytes), Some(mut stdin)) = (&run.input, child.stdin.take()) {
            // A program that exits without reading says why by its exit code and its output.
            let _ = stdin.write_all(bytes);
        }
        let (done, ended) = mpsc::channel::<()>();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        let limit = run.limit;
        let watch = std::thread::spawn(move || {
            let late = ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                // Its own process group, so that what it started ends with it.
                let _ = nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGKILL);
            }
            late
        });
        let output = child.wait_with_output();
        drop(done);
        let late = watch.join().unwrap_or(false);
        if late {
            return Err(HostError::refused(
                doing(),
                format!("it did not end within {} s and was killed", limit.as_secs()),
            ));
        }
        let output = output.map_err(|e| HostError::new(doing(), e))?;
        Ok(Output {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
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
