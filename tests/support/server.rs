//! A real redis-server of a test's own, on a unix socket and a free port of loopback; it ends with this value.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "each test binary uses a part; the test drives this machine itself"
)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Server {
    process: Child,
    pub dir: tempfile::TempDir,
    pub port: u16,
}

/// A server's program, on this machine or in the tree of another Debian.
pub struct Program<'a> {
    pub name: &'a str,
    pub root: Option<&'a Path>,
}

impl Server {
    /// Starts one with these options on its command line, and an ACL file where some users are given.
    pub fn start(options: &[&str], users: &str) -> Server {
        let here = Program {
            name: "redis-server",
            root: None,
        };
        Server::of(&here, options, users)
    }

    /// The same of another program.
    pub fn of(program: &Program, options: &[&str], users: &str) -> Server {
        let root = program.root.unwrap_or(Path::new("/"));
        let dir = tempfile::tempdir_in(root.join("tmp")).expect("a directory");
        let inside = |path: &Path| Path::new("/").join(path.strip_prefix(root).expect("below it"));
        let port = free_port();
        let mut command = match program.root {
            None => Command::new(program.name),
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(program.name);
                command
            }
        };
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--port"])
            .arg(port.to_string())
            .arg("--unixsocket")
            .arg(inside(&dir.path().join("s")))
            .arg("--dir")
            .arg(inside(dir.path()))
            .args(options)
            .stdout(Stdio::null());
        if !users.is_empty() {
            let file = dir.path().join("users.acl");
            std::fs::write(&file, users).expect("the ACL file");
            command.arg("--aclfile").arg(inside(&file));
        }
        let process = command
            .spawn()
            .expect("redis-server is installed (tests/install-deps)");
        let server = Server { process, dir, port };
        let until = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(server.socket()).is_err() {
            assert!(Instant::now() < until, "redis-server listens");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    pub fn connect(&self) -> redis::Connection {
        let url = format!("redis+unix://{}", self.socket().display());
        let client = redis::Client::open(url).expect("a URL");
        client.get_connection().expect("it answers")
    }

    /// The same, logged in as the default user.
    pub fn connect_as(&self, password: &str) -> redis::Connection {
        let mut connection = self.connect();
        let mut auth = redis::cmd("AUTH");
        let _: () = auth.arg(password).query(&mut connection).expect("OK");
        connection
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One that nobody listens on right now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
