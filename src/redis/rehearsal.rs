//! A configuration is tried before it is put in place: a throw-away server starts on it, as the service user, in a network of its own,
//! with nothing of the real one's within reach. What that leaves out (addresses, ports, modules, the master) shows at the real start.

use super::{Endpoint, Login, Silence, connect, live, ping};
use crate::facts::Facts;
use crate::host::{Host, HostError, HostResult, Run};
use crate::policy::Policy;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// It loads nothing and listens on one socket: a start takes some 20 ms.
const PATIENCE: Duration = Duration::from_secs(10);

/// Directives that would reach for what is the real server's, or other hosts'.
const LEFT_OUT: [&str; 5] = [
    "loadmodule",
    "replicaof",
    "slaveof",
    "cluster-enabled",
    // The password for the primary, which may not be there yet.
    "include",
];

/// Where it runs; below a directory that only root can write to.
const STAGE: &str = "/run/redis-harden-rehearsal";

/// Starts a server on this configuration and these users, and ends it. An error holds its words.
/// Without an installed server, or without a user to run it as, there is nothing to try it with.
pub fn rehearse(
    host: &Host,
    facts: &Facts,
    policy: &Policy,
    conf: &str,
    users: &str,
) -> HostResult<()> {
    let user = policy.user();
    let known = (facts.accounts.uid(user), facts.accounts.gid(policy.group()));
    let (Some(uid), Some(gid)) = known else {
        return Ok(());
    };
    if !host.is_running() || host.find_program(policy.package()).is_none() {
        return Ok(());
    }
    let stage = Stage::set(host, policy, (uid, gid))?;
    stage.write("redis.conf", &within(conf), gid)?;
    stage.write("users.acl", users, gid)?;
    let login = crate::facts::admin(host, policy);
    stage.play(facts, login.as_ref())
}

/// The configuration without what would reach out.
fn within(conf: &str) -> String {
    let reaches_out = |line: &&str| LEFT_OUT.contains(&live::name(line).as_str());
    let mut lines: Vec<&str> = conf.lines().filter(|line| !reaches_out(line)).collect();
    if conf.lines().any(|line| live::name(line) == "tls-port") {
        lines.push("tls-port 0");
    }
    lines.join("\n") + "\n"
}

/// The directory of one rehearsal, gone with it.
struct Stage<'a> {
    host: &'a Host,
    policy: &'a Policy,
    dir: PathBuf,
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        for name in ["redis.conf", "users.acl", "data/socket", "data/pid", "data"] {
            // What is left here is swept by the next rehearsal, and by a reboot.
            let _ = self.host.remove(&self.dir.join(name));
        }
        let _ = self.host.remove(&self.dir);
    }
}

impl<'a> Stage<'a> {
    fn set(host: &'a Host, policy: &'a Policy, redis: (u32, u32)) -> HostResult<Stage<'a>> {
        let dir = PathBuf::from(format!("{STAGE}-{}", policy.redis.name));
        let stage = Stage { host, policy, dir };
        host.make_dir(&stage.dir, 0o750, 0, redis.1)?;
        host.make_dir(&stage.dir.join("data"), 0o700, redis.0, redis.1)?;
        Ok(stage)
    }

    fn write(&self, name: &str, text: &str, gid: u32) -> HostResult<()> {
        self.host
            .write_file(&self.dir.join(name), text.as_bytes(), 0o640, 0, gid)
    }

    fn play(&self, facts: &Facts, login: Option<&Login>) -> HostResult<()> {
        let doing = || format!("trying the new configuration of {}", self.policy.redis.name);
        let mut server = self.host.begin(&self.command(facts))?;
        let socket = self.host.real(&self.dir.join("data/socket"));
        let endpoint = Endpoint::Socket(socket);
        let deadline = Instant::now() + PATIENCE;
        let answered = loop {
            match ping(&endpoint, login) {
                Err(Silence::Nobody) if server.has_ended() => break Ok(false),
                Err(Silence::Nobody) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(()) => break Ok(true),
                Err(why) => break Err(HostError::refused(doing(), why.to_string())),
            }
        };
        if matches!(answered, Ok(true)) {
            end(&endpoint, login);
        } else {
            server.kill();
        }
        let output = server.output()?;
        if answered? {
            return Ok(());
        }
        Err(HostError::refused(
            doing(),
            format!("redis-server does not start on it: {}", output.tail()),
        ))
    }

    fn command(&self, facts: &Facts) -> Run {
        let of = |name: &str| self.host.real(&self.dir.join(name)).display().to_string();
        let (user, group) = (self.policy.user(), self.policy.group());
        let drop = [
            "setpriv",
            "--reuid",
            user,
            "--regid",
            group,
            "--clear-groups",
            "--no-new-privs",
            "--pdeathsig",
            "KILL",
        ];
        let run = match facts.may_unshare() {
            true => Run::new("unshare").arg("--net").args(&drop),
            false => Run::new("setpriv").args(drop.get(1..).unwrap_or_default()),
        };
        run.arg(self.policy.package())
            .arg(of("redis.conf"))
            .args(&["--port", "0", "--logfile", "", "--daemonize", "no"])
            .args(&["--supervised", "no", "--appendonly", "no", "--save", ""])
            .args(&["--unixsocket", &of("data/socket")])
            .args(&["--pidfile", &of("data/pid"), "--dir", &of("data")])
            .args(&["--aclfile", &of("users.acl")])
            .limit(PATIENCE + Duration::from_secs(5))
    }
}

/// It holds nothing, so nothing is saved. One that cannot be told to end is killed at its limit.
fn end(endpoint: &Endpoint, login: Option<&Login>) {
    if let Ok(mut connection) = connect(endpoint, login) {
        // Its answer is that the connection ends.
        let _: redis::RedisResult<redis::Value> =
            redis::cmd("SHUTDOWN").arg("NOSAVE").query(&mut connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_real_servers_is_reached_for() {
        let conf = "port 6379\nReplicaOf 10.0.0.1 6379\nloadmodule /x.so\ntls-port 6380\nhz 10\n";
        assert_eq!(
            within(conf),
            "port 6379\ntls-port 6380\nhz 10\ntls-port 0\n"
        );
        assert_eq!(within("hz 10\n"), "hz 10\n");
    }
}
