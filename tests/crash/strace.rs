//! strace: which system calls of a run write, and the same run with one of them broken.

use crate::host::{Host, Ran};
use std::collections::BTreeMap;
use std::fs;

/// Those that change something on a disk, or could; of openat those that write.
const WRITES: &str = "openat,write,writev,pwrite64,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,\
    symlink,symlinkat,fchmod,fchmodat,fchown,fchownat,truncate,ftruncate,fallocate,fsync,fdatasync,setxattr,fsetxattr,\
    sendfile,copy_file_range,utimensat";

/// One system call of a run: the `nth` of its name.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    pub nth: usize,
    /// As strace prints it, with the paths of descriptors.
    pub line: String,
}

impl Call {
    /// This call broken: `signal=KILL`, `error=EIO`.
    pub fn with(&self, fault: &str) -> String {
        format!("{}:{fault}:when={}", self.name, self.nth)
    }

    fn is_nth(&self, other: &Call) -> bool {
        (&self.name, self.nth) == (&other.name, other.nth)
    }

    /// What it writes to is of this host, not a pipe to the test.
    fn writes(&self) -> bool {
        let has = |words: &[&str]| words.iter().any(|word| self.line.contains(word));
        match self.name.as_str() {
            "openat" if has(&["O_TRUNC"]) => !self.is_of_a_kernel(),
            "openat" => has(&["O_CREAT", "O_WRONLY", "O_RDWR"]),
            "write" | "writev" => !has(&["(1<", "(2<"]) && !self.is_of_a_kernel(),
            _ => true,
        }
    }

    /// A file of ours that stands for a kernel's value is emptied when it is opened. The kernel's own would keep its value.
    fn is_of_a_kernel(&self) -> bool {
        ["/root/proc/sys/", "/root/sys/"]
            .into_iter()
            .any(|dir| self.line.contains(dir))
    }
}

/// Runs the command, and lists the calls with which the thread that does the work writes.
pub fn calls(host: &Host, command: &str) -> (Ran, Vec<Call>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let log = dir.path().join("log");
    let to = log.to_str().expect("UTF-8");
    let ran = Ran::of(&mut host.command(&front(&["-y", "-s0", "-o", to], WRITES), command));
    let log = fs::read_to_string(&log).unwrap_or_else(|e| panic!("strace: {e}: {ran}"));
    let mut threads: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (pid, line) in log.lines().filter_map(|line| line.split_once(' ')) {
        threads.entry(pid).or_default().push(line.trim_start());
    }
    let mut threads: Vec<Vec<Call>> = threads.into_values().map(counted).collect();
    threads.sort_by_key(Vec::len);
    let mut calls = threads.pop().unwrap_or_default();
    // Each thread's calls are counted by themselves: what breaks this one breaks nothing of another's.
    let elsewhere = |call: &Call| threads.iter().flatten().any(|other| other.is_nth(call));
    calls.retain(|call| call.writes() && !elsewhere(call));
    assert!(
        calls.len() > 10,
        "{} writes of {command}: {ran}",
        calls.len()
    );
    (ran, calls)
}

fn counted(lines: Vec<&str>) -> Vec<Call> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    // The end of a call that another thread's stands between has no name, nor has that of the process.
    let calls = lines.into_iter().filter_map(|line| {
        let (name, _) = line.split_once('(')?;
        (!name.contains(' ')).then_some((name, line))
    });
    let counted = calls.map(|(name, line)| {
        let nth = counts.entry(name).or_insert(0);
        *nth += 1;
        Call {
            name: name.to_owned(),
            nth: *nth,
            line: line.to_owned(),
        }
    });
    counted.collect()
}

/// Runs the command with a call broken.
pub fn inject(host: &Host, command: &str, fault: &str) -> Ran {
    let name = fault.split(':').next().unwrap_or_default();
    let inject = format!("--inject={fault}");
    let mut front = front(&["-o", "/dev/null", &inject], name);
    // strace 6.1 sends no signal from a stop that a seccomp filter made.
    front.retain(|word| word != FILTER || !fault.contains("signal="));
    Ran::of(&mut host.command(&front, command))
}

/// Stops at the traced calls only: three times as fast.
const FILTER: &str = "--seccomp-bpf";

fn front(options: &[&str], calls: &str) -> Vec<String> {
    let trace = format!("--trace={calls}");
    let fixed = ["strace", "-f", FILTER, "-qq", "-e", "signal=none", &trace];
    let words = fixed.iter().chain(options);
    words.map(|&word| word.to_owned()).collect()
}
