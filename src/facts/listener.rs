//! Whether a process is the one that listens on a TCP port, as the kernel tells it in /proc. What may not be looked at is not so.

use crate::host::Host;
use std::path::Path;

/// Whether it holds a socket that listens on this port, in our network namespace.
pub fn holds(host: &Host, pid: i32, port: u16) -> bool {
    let dir = Path::new("/proc").join(pid.to_string()).join("fd");
    let descriptors = host.list(&dir).unwrap_or_default();
    let held = |socket: &str| {
        descriptors.iter().any(|descriptor| {
            let link = host.read_magic_link(&dir.join(descriptor));
            matches!(link, Ok(Some(to)) if to.to_str() == Some(socket))
        })
    };
    // A kernel without IPv6 has no second table. What listens stands before what is connected.
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .iter()
        .any(|table| {
            let find = |line: &str| listening(line, port).filter(|socket| held(socket));
            matches!(host.find_line(Path::new(table), find), Ok(Some(_)))
        })
}

/// `socket:[INODE]` of a line whose socket listens on this port. Source: proc_net_tcp.rst; 0A is TCP_LISTEN.
fn listening(line: &str, port: u16) -> Option<String> {
    let mut words = line.split_whitespace().skip(1);
    let (_, local) = words.next()?.rsplit_once(':')?;
    let state = words.nth(1)?;
    let inode = words.nth(5)?;
    let is_it = state == "0A" && u16::from_str_radix(local, 16) == Ok(port);
    is_it.then(|| format!("socket:[{inode}]"))
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
        assert!(holds(&host, own, port));
        assert!(!holds(&host, 1, port));
        drop(listener);
        assert!(!holds(&host, own, port));
    }
}
