//! One supervisor, and one server, on a data directory. The lock is taken as the server's user, who owns the place,
//! and the server inherits it: it is held until both are gone.

use super::gate::{Left, Mark};
use super::settings::Settings;
use super::state;
use crate::contain::processes;
use crate::host::{Host, HostError, HostResult};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl, open};
use nix::libc;
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The lock's name, in the data directory.
pub const NAME: &str = ".redis-harden.lock";

/// The lock, held.
#[derive(Debug)]
pub struct Lock {
    /// Shared with the server, which goes on holding it.
    of_both: Flock<File>,
    /// The supervisor's alone, and gone with it: no process id tells that from outside of its namespace.
    _own: File,
}

impl Deref for Lock {
    type Target = File;

    fn deref(&self) -> &File {
        &self.of_both
    }
}

/// Takes the lock, or refuses because of another supervisor. A server that has lost its supervisor is saving
/// its data on the way out: it is waited for.
pub fn take(host: &Host, settings: &Settings) -> HostResult<Lock> {
    let doing = || format!("locking {}", settings.data_dir.display());
    let deadline = Instant::now() + settings.stop_timeout.std();
    let mut file = open_file(settings)?;
    let mut told = false;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(of_both) => {
                sign(host, &of_both).map_err(|e| HostError::new(doing(), e))?;
                let own = open_file(settings)?;
                fcntl(&own, FcntlArg::F_OFD_SETLK(&whole()))
                    .map_err(|e| HostError::errno(doing(), e))?;
                return Ok(Lock { of_both, _own: own });
            }
            Err((returned, Errno::EWOULDBLOCK)) => file = returned,
            Err((_, e)) => return Err(HostError::errno(doing(), e)),
        }
        if let Some(other) = other_supervisor(host, &mut file)? {
            let cause = format!("another supervisor ({other}) runs a server on it");
            return Err(HostError::refused(doing(), cause));
        }
        if Instant::now() >= deadline {
            let cause = "a server that lost its supervisor still holds it";
            return Err(HostError::refused(doing(), cause));
        }
        if !told {
            tracing::info!(data = %settings.data_dir.display(), "waiting for a server that lost its supervisor");
            told = true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn open_file(settings: &Settings) -> HostResult<File> {
    let path = settings.data_dir.join(NAME);
    let flags =
        OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let fd = open(&path, flags, Mode::from_bits_truncate(0o600));
    let fd = fd.map_err(|e| HostError::errno(format!("opening {}", path.display()), e))?;
    Ok(File::from(fd))
}

/// The file says who holds it, for the message of whoever comes second; what the last holder left stays.
fn sign(host: &Host, lock: &File) -> io::Result<()> {
    let left = left(lock)?;
    write(host, lock, left)
}

/// Every byte of the file, for whoever has it open by this description.
fn whole() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Whether a supervisor lives, wherever it does: not only a server, or what the kernel has still to clear away of one.
fn is_supervised(file: &File) -> nix::Result<bool> {
    let mut other = whole();
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut other))?;
    Ok(other.l_type != libc::F_UNLCK as libc::c_short)
}

/// What our last server here left.
pub(super) fn left(lock: &File) -> io::Result<Left> {
    let mut buffer = [0; 256];
    let length = lock.read_at(&mut buffer, 0)?;
    let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
    Ok(parse(&text))
}

/// The same for whoever holds no lock: what the server's user says, which is all that is known.
pub(crate) fn left_in(host: &Host, data_dir: &Path) -> HostResult<Left> {
    let text = host.read_untrusted(&data_dir.join(NAME))?;
    Ok(parse(&String::from_utf8_lossy(&text.unwrap_or_default())))
}

/// Notes what a server left, or, before one is started, that none has ended cleanly since.
pub(super) fn note(host: &Host, lock: &File, left: Left) -> HostResult<()> {
    write(host, lock, left).map_err(|e| HostError::new(format!("writing {NAME}"), e))
}

fn write(host: &Host, lock: &File, left: Left) -> io::Result<()> {
    let mut text = std::process::id().to_string();
    let namespace = processes::own(host).map(|number| format!(" {number}"));
    text.extend(namespace);
    let snapshot = if left.complete { "saved" } else { "left" };
    for (word, mark) in [(snapshot, left.snapshot), ("unused", left.unused_aof)] {
        if let Some(mark) = mark {
            let (seconds, nanos) = mark.modified;
            text.push_str(&format!("\n{word} {seconds} {nanos} {}", mark.size));
        }
    }
    text.push('\n');
    lock.set_len(0)?;
    lock.write_all_at(text.as_bytes(), 0)
}

fn parse(text: &str) -> Left {
    let find = |word: &str| text.lines().skip(1).find_map(|line| mark(line, word));
    let saved = find("saved ");
    Left {
        snapshot: saved.or_else(|| find("left ")),
        complete: saved.is_some(),
        unused_aof: find("unused "),
    }
}

fn mark(line: &str, word: &str) -> Option<Mark> {
    let mut words = line.strip_prefix(word)?.split(' ');
    let mut number = || words.next()?.parse::<i64>().ok();
    Some(Mark {
        modified: (number()?, number()?),
        size: u64::try_from(number()?).ok()?,
    })
}

/// The supervisor that signed, in words, if it still runs.
fn other_supervisor(host: &Host, file: &mut File) -> HostResult<Option<String>> {
    use std::io::Seek;
    let mut text = String::new();
    // An unreadable name is no name: then the deadline decides.
    let read = file
        .rewind()
        .and_then(|()| file.take(128).read_to_string(&mut text));
    if read.is_err() {
        return Ok(None);
    }
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    let Some(Ok(pid)) = words.next().map(str::parse) else {
        return Ok(None);
    };
    let namespace: Option<u64> = words.next().and_then(|word| word.parse().ok());
    // It was the first process there, and is none that /proc shows here.
    if pid == 1 && namespace.is_some() && namespace != processes::own(host) {
        let lives = is_supervised(file).map_err(|e| HostError::errno("looking at the lock", e))?;
        return Ok(lives.then(|| "in a process namespace of its own".to_owned()));
    }
    let process = state::identify(host, pid)?;
    let ours = process.filter(|process| process.name == state::SUPERVISOR);
    Ok(ours.map(|_| format!("process {pid}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_left_reads_back_the_same() {
        let host = Host::live().unwrap();
        let file = tempfile::tempfile().unwrap();
        let mark = Mark {
            modified: (1_700_000_000, 123_456_789),
            size: 1 << 40,
        };
        for (snapshot, complete, unused_aof) in [
            (None, false, None),
            (Some(mark), false, None),
            (None, false, Some(mark)),
            (Some(mark), true, Some(mark)),
        ] {
            let what = Left {
                snapshot,
                complete,
                unused_aof,
            };
            note(&host, &file, what).unwrap();
            assert_eq!(left(&file).unwrap(), what);
        }
    }

    #[test]
    fn what_is_not_ours_is_nothing_left() {
        for text in ["", "12", "12\nleft 1 2", "12\nleft a b c", "\0\0\0"] {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(text.as_bytes(), 0).unwrap();
            assert_eq!(left(&file).unwrap(), Left::default(), "{text:?}");
        }
    }
}
