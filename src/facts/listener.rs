//! Whether a process is the one that listens on a TCP port, as the kernel tells it in /proc. What may not be looked at is not so.

use crate::host::Host;
use std::fmt::Display;
use std::path::Path;

/// Whether it holds a socket that listens on this port, in our network namespace.
pub fn holds(host: &Host, pid: i32, port: u16) -> bool {
    match host.listening(port) {
        Ok(Some(inodes)) => {
            let sockets: Vec<String> = inodes.iter().map(socket).collect();
            !sockets.is_empty() && has(host, pid, |held| sockets.iter().any(|s| s == held))
        }
        // /proc tells it to everybody, and slowly.
        Ok(None) | Err(_) => holds_by_table(host, pid, port),
    }
}

fn holds_by_table(host: &Host, pid: i32, port: u16) -> bool {
    // A kernel without IPv6 has no second table. What listens stands before what is connected.
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .iter()
        .any(|table| {
            let held = |socket: &String| has(host, pid, |held| held == socket);
            let find = |line: &str| listening(line, port).filter(held);
            matches!(host.find_line(Path::new(table), find), Ok(Some(_)))
        })
}

/// Whether one of a process's descriptors leads to such a thing.
fn has(host: &Host, pid: i32, is_it: impl Fn(&str) -> bool) -> bool {
    let dir = Path::new("/proc").join(pid.to_string()).join("fd");
    let mut descriptors = host.list(&dir).unwrap_or_default();
    // A server listens before its clients come.
    descriptors.sort_by_key(|descriptor| descriptor.parse::<u32>().ok());
    descriptors.iter().any(|descriptor| {
        let link = host.read_magic_link(&dir.join(descriptor));
        matches!(link, Ok(Some(to)) if to.to_str().is_some_and(&is_it))
    })
}

/// As a descriptor's link names it.
fn socket(inode: impl Display) -> String {
    format!("socket:[{inode}]")
}

/// `socket:[INODE]` of a line whose socket listens on this port. Source: proc_net_tcp.rst; 0A is TCP_LISTEN.
fn listening(line: &str, port: u16) -> Option<String> {
    let mut words = line.split_whitespace().skip(1);
    let (_, local) = words.next()?.rsplit_once(':')?;
    let state = words.nth(1)?;
    let inode = words.nth(5)?;
    let is_it = state == "0A" && u16::from_str_radix(local, 16) == Ok(port);
    is_it.then(|| socket(inode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Reach;
    use std::net::TcpListener;

    #[test]
    fn a_line_is_read_as_the_kernel_documents_it() {
        let line = "   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 5741 1 0000 100 0 0 10 0";
        assert_eq!(listening(line, 6379).as_deref(), Some("socket:[5741]"));
        assert_eq!(listening(line, 6380), None);
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 6379), None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the listener of a test")]
    fn only_the_process_that_listens_holds_the_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = Host::at(Path::new("/"), Reach::Running).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let asked = |pid| [holds(&host, pid, port), holds_by_table(&host, pid, port)];
        assert_eq!(asked(own), [true; 2]);
        assert_eq!(asked(1), [false; 2]);
        drop(listener);
        assert_eq!(asked(own), [false; 2]);
    }
}
