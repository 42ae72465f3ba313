//! The server's program asked what it reads, before it is started on it. No server is started, and no file of its own is opened.

use super::{TAIL, bare, end};
use crate::host::{HostError, HostResult};
use crate::supervise::settings::Settings;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::time::{Duration, Instant};

/// Whether the server's program reads a snapshot that begins so, by its own word: as `redis-check-rdb`, which it is by another name, it is
/// given one that ends there. `None` where it says neither. Source: `redis_check_rdb` in redis-check-rdb.c.
pub fn reads_snapshot(settings: &Settings, start: &[u8]) -> HostResult<Option<bool>> {
    const END: [u8; 9] = [0xFF, 0, 0, 0, 0, 0, 0, 0, 0];
    const REFUSALS: [&str; 2] = ["Can't handle RDB format version", "Wrong signature"];
    let doing = || format!("asking {} what it reads", settings.server.display());
    let fail = |e: io::Error| HostError::new(doing(), e);
    let in_memory = |name| memfd_create(name, MFdFlags::MFD_CLOEXEC).map(File::from);
    let errno = |e| HostError::errno(doing(), e);
    let (snapshot, words) = (
        in_memory(c"snapshot").map_err(errno)?,
        in_memory(c"words").map_err(errno)?,
    );
    snapshot
        .write_all_at(&[start, &END].concat(), 0)
        .map_err(fail)?;
    let name = settings.server.file_name().and_then(|name| name.to_str());
    let family = name
        .and_then(|name| name.strip_suffix("-server"))
        .unwrap_or("redis");
    let mut command = bare(&settings.server, settings);
    command
        .arg0(format!("{family}-check-rdb"))
        .arg("/dev/stdin")
        .stdin(snapshot)
        .stdout(words.try_clone().map_err(fail)?)
        .stderr(words.try_clone().map_err(fail)?);
    let code = end_of(command.spawn().map_err(fail)?).map_err(fail)?;
    let said = end(&words, 0, TAIL);
    let refuses = REFUSALS.iter().any(|words| said.contains(words));
    Ok(match code {
        Some(0) => Some(true),
        Some(_) if refuses => Some(false),
        _ => None,
    })
}

/// The exit code of a program that has next to nothing to do; it is killed where it does not end.
fn end_of(mut child: Child) -> io::Result<Option<i32>> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(ended) = child.try_wait()? {
            return Ok(ended.code());
        }
        if Instant::now() > until {
            child.kill()?;
            return child.wait().map(|_| None);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
