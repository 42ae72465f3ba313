//! A certificate that is replaced under a running server.

use super::instance::{Instance, redis};
use super::issued::certificates;
use super::refusals::free_port;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub const ALL: [super::runner::Test; 1] = [(
    "a_replaced_certificate_reaches_the_running_server_and_a_wrong_one_does_not",
    a_replaced_certificate_reaches_the_running_server_and_a_wrong_one_does_not,
)];

/// As a kubelet mounts a Secret: links to a directory that is exchanged by a rename.
struct Secret<'a> {
    dir: &'a Path,
    made: tempfile::TempDir,
}

impl Secret<'_> {
    fn put(&self, name: &str, key_of: &str) {
        let new = self.dir.join(format!("..{name}-{key_of}"));
        self.fill(&new, name, key_of);
        self.exchange(&new);
    }

    /// In the certificate's place what this command makes.
    fn put_odd(&self, command: &str) {
        let new = self.dir.join(format!("..odd-{}", command.len()));
        self.fill(&new, "renewed", "renewed");
        let made = format!("rm tls.crt && {command} tls.crt");
        let mut shell = Command::new("sh");
        let made = shell.args(["-c", &made]).current_dir(&new).status();
        assert!(made.unwrap().success());
        self.exchange(&new);
    }

    fn fill(&self, new: &Path, name: &str, key_of: &str) {
        fs::create_dir(new).unwrap();
        for (from, to) in [
            (format!("{name}.crt"), "tls.crt"),
            (format!("{key_of}.key"), "tls.key"),
            ("root.crt".to_owned(), "ca.crt"),
        ] {
            fs::copy(self.made.path().join(from), new.join(to)).unwrap();
            fs::set_permissions(new.join(to), fs::Permissions::from_mode(0o440)).unwrap();
            chown(new.join(to), Some(0), Some(redis().1)).unwrap();
            let link = self.dir.join(to);
            if fs::symlink_metadata(&link).is_err() {
                symlink(Path::new("..data").join(to), link).unwrap();
            }
        }
    }

    fn exchange(&self, new: &Path) {
        symlink(new.file_name().unwrap(), self.dir.join("..new")).unwrap();
        fs::rename(self.dir.join("..new"), self.dir.join("..data")).unwrap();
    }

    fn certificate(&self, name: &str) -> String {
        let text = fs::read_to_string(self.made.path().join(format!("{name}.crt"))).unwrap();
        first_certificate(&text)
    }
}

fn first_certificate(text: &str) -> String {
    let lines = text
        .lines()
        .skip_while(|line| !line.contains("BEGIN CERTIFICATE"));
    let mut lines: Vec<&str> = lines
        .take_while(|line| !line.contains("END CERTIFICATE"))
        .collect();
    lines.push("-----END CERTIFICATE-----");
    lines.join("\n")
}

/// What a client is shown.
fn served(port: u16) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    first_certificate(&String::from_utf8_lossy(&output.stdout))
}

fn until(what: &str, instance: &Instance, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        let output = instance.output();
        assert!(Instant::now() < deadline, "{what}: not in 30 s\n{output}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn a_replaced_certificate_reaches_the_running_server_and_a_wrong_one_does_not() {
    let port = free_port();
    let tls = tempfile::tempdir().unwrap();
    fs::set_permissions(tls.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let [cert, key, ca] = ["tls.crt", "tls.key", "ca.crt"].map(|name| tls.path().join(name));
    let conf = format!(
        "tls-port {port}\ntls-auth-clients no\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}",
        cert.display(),
        key.display(),
        ca.display()
    );
    let files = format!("{{ tls-cert = {cert:?}, tls-key = {key:?}, tls-ca = {ca:?} }}");
    let contain = format!("{{ listen = [{port}], read = [{:?}] }}", tls.path());
    let mut instance = Instance::new(&[("certificate", &files), ("contain", &contain)], &conf);
    let users = fs::read_to_string(instance.path("etc/test.acl")).unwrap();
    let users = users.replace("+client|kill", "+client|kill +config|set");
    instance.write("test.acl", &users, 0o640, redis().1);
    let secret = Secret {
        dir: tls.path(),
        made: certificates(),
    };
    secret.put("direct", "direct");
    let server = instance.start().server_pid;
    assert_eq!(served(port), secret.certificate("direct"));
    let mut open = UnixStream::connect(instance.path("run/redis/redis.sock")).unwrap();
    // Each in its own way: another's key, and a day that is over.
    for (name, key_of, why) in [
        ("renewed", "direct", "has another key"),
        ("expired", "expired", "has expired"),
    ] {
        secret.put(name, key_of);
        until(why, &instance, || instance.output().contains(why));
        assert_eq!(served(port), secret.certificate("direct"));
    }
    // What is no file, and what no certificate is as long as: neither is read.
    for (kind, why) in [
        ("mkfifo", "not a regular file"),
        ("truncate -s 100M", "is larger than"),
    ] {
        secret.put_odd(kind);
        until(why, &instance, || instance.output().contains(why));
        assert_eq!(served(port), secret.certificate("direct"));
    }
    secret.put("renewed", "renewed");
    let new = secret.certificate("renewed");
    until("the new one", &instance, || served(port) == new);
    let said = instance.output();
    assert_eq!(
        said.matches("keeps the one that it has").count(),
        4,
        "{said}"
    );
    until("the word", &instance, || {
        instance.output().contains("the server has read it")
    });
    assert_eq!(instance.report().unwrap().server_pid, server);
    open.write_all(b"AUTH admin admin\r\n").unwrap();
    let mut ok = [0; 5];
    open.read_exact(&mut ok).unwrap();
    assert_eq!(&ok, b"+OK\r\n", "a connection from before goes on");
}
