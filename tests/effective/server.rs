//! A server of one of the versions that have a table: started on a file or on a command line, and asked over its unix socket.

use redis_harden::redis::effective::table::Version;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A version, and the tree that its program is in; `None` is this machine.
#[derive(Clone)]
pub struct Program {
    pub version: Version,
    root: Option<PathBuf>,
    name: &'static str,
}

/// This machine's, and where `REDIS_HARDEN_TRIXIE` names a Debian 13 tree (`tests/full effective` does) that one's two.
pub fn programs() -> Vec<Program> {
    let of = |version, name, root| Program {
        version,
        root,
        name,
    };
    let mut programs = vec![of(Version::Redis70, "redis-server", None)];
    if let Some(tree) = std::env::var_os("REDIS_HARDEN_TRIXIE") {
        let tree = Some(PathBuf::from(tree));
        programs.push(of(Version::Redis80, "redis-server", tree.clone()));
        programs.push(of(Version::Valkey81, "valkey-server", tree));
    }
    programs
}

impl Program {
    /// The root of the tree, for our own reading.
    pub fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new("/"))
    }

    /// Its binary, on this machine.
    pub fn binary(&self) -> PathBuf {
        self.root().join("usr/bin").join(self.name)
    }

    /// A directory that the server can see: its place here, and its name there.
    pub fn dir(&self) -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir_in(self.root().join("tmp")).unwrap();
        let name = dir.path().strip_prefix(self.root()).unwrap();
        let name = Path::new("/").join(name);
        (dir, name)
    }

    /// The program with arguments, started in `cwd`; its words go to `log`.
    pub fn spawn(&self, cwd: &Path, args: &[&[u8]], log: &Path) -> Child {
        use std::os::unix::ffi::OsStrExt;
        let mut command = match &self.root {
            None => Command::new(self.binary()),
            Some(root) => {
                let mut command = Command::new("chroot");
                // chroot(1) goes to the new root's top; env(1) goes on to the directory.
                let chdir = format!("--chdir={}", cwd.display());
                command.arg(root).args(["/usr/bin/env", &chdir, self.name]);
                command
            }
        };
        if self.root.is_none() {
            command.current_dir(cwd);
        }
        let words = fs::File::create(log).unwrap();
        command
            .args(args.iter().map(|a| std::ffi::OsStr::from_bytes(a)))
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stderr(words.try_clone().unwrap())
            .stdout(words)
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }
}

/// A server that listens.
pub struct Server {
    child: Child,
    stream: BufReader<UnixStream>,
    _dir: TempDir,
}

impl Server {
    /// Starts it on these arguments and `--unixsocket`; `Err` with its last words when it refuses.
    pub fn start(program: &Program, args: &[&[u8]]) -> Result<Server, String> {
        let (dir, name) = program.dir();
        let socket = name.join("socket");
        let mut all = args.to_vec();
        all.extend([b"--port".as_slice(), b"0", b"--unixsocket"]);
        all.push(socket.to_str().unwrap().as_bytes());
        let log = dir.path().join("log");
        let child = program.spawn(&name, &all, &log);
        Server::connect(child, dir.path().join("socket"), &log, dir)
    }

    /// Waits until the child listens at the socket.
    pub fn connect(
        mut child: Child,
        socket: PathBuf,
        log: &Path,
        dir: TempDir,
    ) -> Result<Server, String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(stream) = answering(&socket) {
                let _dir = dir;
                return Ok(Server {
                    child,
                    stream,
                    _dir,
                });
            }
            if child.try_wait().unwrap().is_some() {
                return Err(String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned());
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!(
                    "it neither answered nor ended: {}",
                    fs::read_to_string(log).unwrap()
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// An array of bulk strings; panics on an error of the server's.
    pub fn ask(&mut self, words: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).as_bytes());
            request.extend(*word);
            request.extend(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).unwrap();
        let head = self.line();
        match head.as_bytes().first() {
            Some(b'*') => (0..head[1..].parse().unwrap())
                .map(|_| self.bulk())
                .collect(),
            Some(b'+') => Vec::new(),
            _ => panic!("{head}"),
        }
    }

    /// `CONFIG GET PATTERN…`, in pairs.
    pub fn config(&mut self, patterns: &[&str]) -> Vec<(String, Vec<u8>)> {
        let mut words: Vec<&[u8]> = vec![b"CONFIG", b"GET"];
        words.extend(patterns.iter().map(|p| p.as_bytes()));
        let told = self.ask(&words);
        let pairs = told.chunks(2);
        pairs
            .map(|p| (String::from_utf8(p[0].clone()).unwrap(), p[1].clone()))
            .collect()
    }

    fn bulk(&mut self) -> Vec<u8> {
        let head = self.line();
        let length: usize = head[1..].parse().unwrap_or_else(|_| panic!("{head}"));
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Without a shutdown: nothing that it holds is worth a save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection on which something was answered: a server may still refuse its modules after it has begun to listen.
fn answering(socket: &Path) -> Option<BufReader<UnixStream>> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut stream = BufReader::new(stream);
    let answered = stream.read_line(&mut String::new()).ok()?;
    (answered > 0).then_some(stream)
}
