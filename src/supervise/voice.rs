//! Standard error that is never waited for: whoever reads it may have stopped (a journal, `docker logs`), and a supervisor that waits
//! for it brings no server back. What finds no room is dropped.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Write};
use std::os::fd::AsFd;

/// So much a pipe takes without waiting where it takes anything. Source: pipe(7), PIPE_BUF.
const AT_ONCE: usize = 4096;

/// The writer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Voice;

impl Write for Voice {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr();
        match has_room(&stderr) {
            true => stderr.write(text.get(..AT_ONCE).unwrap_or(text)),
            false => Ok(text.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What cannot be asked is written to as ever.
fn has_room(to: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
    !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pipe_has_no_room() {
        let (reader, mut writer) = io::pipe().unwrap();
        assert!(has_room(&writer));
        nix::fcntl::fcntl(
            &writer,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )
        .unwrap();
        while writer.write(&[0; AT_ONCE]).is_ok() {}
        assert!(!has_room(&writer));
        drop(reader);
        assert!(has_room(&writer), "an error is told at once");
    }
}
