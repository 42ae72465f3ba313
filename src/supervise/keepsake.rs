//! What is kept of a server that hung or crashed, for whoever is called: a file each, of bounded size, and only the newest few.

use super::process;
use super::settings::Settings;
use crate::host::{Host, HostResult};
use nix::unistd::{Pid, getegid, geteuid};
use std::path::{Path, PathBuf};

/// How many are kept.
const MOST: usize = 8;

/// Of each file in /proc and of the log.
const LONGEST: usize = 16 << 10;

/// What the kernel knows of a process that still is; its stack is root's to read.
const OF_PROCESS: [&str; 6] = ["status", "wchan", "syscall", "stack", "io", "limits"];

/// Keeps what can be seen of a process that hangs. Returns the file.
pub(super) fn of_hang(
    host: &Host,
    settings: &Settings,
    pid: Pid,
    why: &str,
) -> HostResult<PathBuf> {
    let mut text = format!("{} hangs: {why}\n", settings.server.display());
    for name in OF_PROCESS {
        let path = format!("/proc/{pid}/{name}");
        let content = match host.read_text(Path::new(&path)) {
            Ok(content) => content.unwrap_or_default(),
            Err(e) => e.cause,
        };
        text.push_str(&format!("--- {path}\n{}\n", clipped(content.trim_end())));
    }
    text.push_str(&log(settings, 0));
    keep(host, settings, "hang", &text)
}

/// Keeps the last words of one that ended by itself: what it logged since its start.
pub(super) fn of_crash(
    host: &Host,
    settings: &Settings,
    exit: &str,
    words: &str,
    log_size: u64,
) -> HostResult<PathBuf> {
    let text = format!(
        "{} ended: {exit}\n{}\n",
        settings.server.display(),
        clipped(words)
    );
    keep(host, settings, "crash", &(text + &log(settings, log_size)))
}

fn log(settings: &Settings, since: u64) -> String {
    let Some(path) = &settings.log_file else {
        return String::new();
    };
    let end = process::log_end(path, since, LONGEST as u64);
    format!("--- the end of {}\n{end}\n", path.display())
}

fn keep(host: &Host, settings: &Settings, kind: &str, text: &str) -> HostResult<PathBuf> {
    let dir = settings.state_dir.join("reports");
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    host.make_dir(&dir, 0o750, uid, gid)?;
    let mut names = host.list(&dir)?;
    names.sort();
    // Their names begin with the time.
    let surplus = (names.len() + 1).saturating_sub(MOST);
    for name in names.iter().take(surplus) {
        host.remove(&dir.join(name))?;
    }
    let stamp = host.now().strftime("%Y%m%dT%H%M%S%.6fZ").to_string();
    let path = dir.join(format!("{stamp}-{kind}.txt"));
    host.write_file(&path, text.as_bytes(), 0o640, uid, gid)?;
    Ok(path)
}

fn clipped(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
