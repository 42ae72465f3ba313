//! The hostile program: makes each attempt in a process of its own, and prints what became of it.
#![expect(unsafe_code, reason = "attacks are raw system calls")]

use super::attempts::attempts;
use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use std::ffi::CString;
use std::process::ExitCode;

/// What the attempts are made against.
pub struct Target {
    /// The instance's directory.
    pub dir: String,
    /// A process of the same user.
    pub victim: i32,
    /// A TCP port that somebody listens on.
    pub port: u16,
}

/// What a process of the attempt's says when it got through.
const DONE: i32 = 0;

impl Target {
    pub fn path(&self, name: &str) -> CString {
        text(&format!("{}/{name}", self.dir))
    }

    pub fn proc(&self, name: &str) -> CString {
        text(&format!("/proc/{}/{name}", self.victim))
    }
}

pub fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// A line an attempt: its name, and `done`, the errno, the signal or the exit code.
pub fn run(args: &[String]) -> ExitCode {
    let [dir, victim, port] = args else {
        panic!("DIR VICTIM PORT");
    };
    let target = Target {
        dir: dir.clone(),
        victim: victim.parse().unwrap(),
        port: port.parse().unwrap(),
    };
    for attempt in attempts() {
        println!("{}\t{}", attempt.name, outcome(attempt.act, &target));
    }
    ExitCode::SUCCESS
}

/// Lives until its standard input ends.
pub fn wait_as_victim(_: &[String]) -> ExitCode {
    let _ = std::io::stdin().read_line(&mut String::new());
    ExitCode::SUCCESS
}

fn outcome(act: fn(&Target) -> Result<(), Errno>, target: &Target) -> String {
    // SAFETY: this program has one thread.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let code = match act(target) {
                Ok(()) => DONE,
                Err(errno) => errno as i32,
            };
            // SAFETY: ends this process and nothing else.
            unsafe { libc::_exit(code) }
        }
    };
    match waitpid(child, None).unwrap() {
        WaitStatus::Exited(_, DONE) => "done".to_owned(),
        WaitStatus::Exited(_, code) => format!("{:?}", Errno::from_raw(code)),
        WaitStatus::Signaled(_, signal, _) => signal.as_str().to_owned(),
        other => format!("{other:?}"),
    }
}

/// A system call, raw.
pub fn call(number: c_long, args: &[usize]) -> Result<c_long, Errno> {
    let arg = |n: usize| args.get(n).copied().unwrap_or(0);
    // SAFETY: what the attempts pass is numbers, or memory that lives as long as the call.
    let result = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    Errno::result(result)
}

/// Runs a program in this process's place, in a child; how that ended.
pub fn run_program(program: &str, args: &[&str]) -> Result<(), Errno> {
    let program = text(program);
    let args: Vec<CString> = args.iter().map(|arg| text(arg)).collect();
    // SAFETY: this program has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let errno = nix::unistd::execv(&program, &args).unwrap_err();
            // SAFETY: ends this process and nothing else.
            unsafe { libc::_exit(errno as i32) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            // ld.so(8), of a program that it may not read.
            WaitStatus::Exited(_, 127) => Err(Errno::EACCES),
            WaitStatus::Exited(_, code) => Err(Errno::from_raw(code)),
            _ => Err(Errno::EFAULT),
        },
    }
}
