//! One supervisor, and one server, on a data directory. The lock is taken as the server's user, who owns the place,
//! and the server inherits it: it is held until both are gone.

use super::settings::Settings;
use super::state;
use crate::host::{Host, HostError, HostResult};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const NAME: &str = ".redis-harden.lock";

/// Takes the lock, or refuses because of another supervisor. A server that has lost its supervisor is saving
/// its data on the way out: it is waited for.
pub fn take(host: &Host, settings: &Settings) -> HostResult<Flock<File>> {
    let doing = || format!("locking {}", settings.data_dir.display());
    let deadline = Instant::now() + settings.stop_timeout.std();
    let mut file = open_file(settings)?;
    let mut told = false;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return sign(lock).map_err(|e| HostError::new(doing(), e)),
            Err((returned, Errno::EWOULDBLOCK)) => file = returned,
            Err((_, e)) => return Err(HostError::errno(doing(), e)),
        }
        if let Some(pid) = other_supervisor(host, &mut file)? {
            let cause = format!("another supervisor (process {pid}) runs a server on it");
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

/// The file says who holds it, for the message of whoever comes second.
fn sign(mut lock: Flock<File>) -> std::io::Result<Flock<File>> {
    lock.set_len(0)?;
    lock.write_all(std::process::id().to_string().as_bytes())?;
    Ok(lock)
}

fn other_supervisor(host: &Host, file: &mut File) -> HostResult<Option<i32>> {
    use std::io::Seek;
    let mut text = String::new();
    // An unreadable name is no name: then the deadline decides.
    let read = file
        .rewind()
        .and_then(|()| file.take(32).read_to_string(&mut text));
    match (read, text.trim().parse()) {
        (Ok(_), Ok(pid)) => Ok(state::identify(host, pid)?
            .filter(|process| process.name == state::SUPERVISOR)
            .map(|_| pid)),
        _ => Ok(None),
    }
}
