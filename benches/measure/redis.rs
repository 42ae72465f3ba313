//! A stock Redis where `check` looks for one, in a network namespace that ends with the benchmark.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that ends with its benchmark.
pub struct Redis(Child);

impl Redis {
    /// Starts it, and waits until it answers. The calling process has the namespace from now on.
    pub fn start() -> Redis {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
            .expect("root may have a namespace");
        let up = Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(up.expect("ip is installed").success());
        let server = Command::new("redis-server")
            .args(["--port", "6379", "--bind", "127.0.0.1", "--save", ""])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect("127.0.0.1:6379").is_err() {
            assert!(Instant::now() < until, "redis-server listens");
            std::thread::sleep(Duration::from_millis(10));
        }
        Redis(server)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.0.kill().expect("ours to kill");
        self.0.wait().expect("killed");
    }
}
