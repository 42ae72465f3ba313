//! `cli`: redis-cli as a user of the policy. The password is in its environment, which the kernel shows to root and to the caller alone,
//! and in no command line; no core is written of it.

use super::secret::file_of;
use super::{Context, Outcome, Trouble};
use crate::cli::RedisCli;
use crate::host::Host;
use crate::policy::{PasswordSource, Policy, Trust};
use crate::setting::secret;

/// Options by which a password would leave this host, or stand in a command line.
const REFUSED: [&str; 8] = [
    "-h",
    "-p",
    "-s",
    "-u",
    "-a",
    "--pass",
    "--askpass",
    "--user",
];

/// Options with a word after them. Source: redis-cli.c of Redis 8.0, parseOptions.
const WITH_WORD: [&str; 24] = [
    "-r",
    "-i",
    "-n",
    "-t",
    "-d",
    "-D",
    "-X",
    "--eval",
    "--rdb",
    "--functions-rdb",
    "--pattern",
    "--quoted-pattern",
    "--cursor",
    "--intrinsic-latency",
    "--lru-test",
    "--pipe-timeout",
    "--memkeys-samples",
    "--keystats-samples",
    "--top",
    "--count",
    "--show-pushes",
    "--sni",
    "--tls-ciphers",
    "--tls-ciphersuites",
];

/// What redis-cli may know of the terminal and its user.
const KEPT: [&str; 6] = [
    "HOME",
    "TERM",
    "LANG",
    "LC_ALL",
    "NO_COLOR",
    "REDISCLI_HISTFILE",
];

/// Becomes redis-cli.
pub fn run(context: &Context, args: &RedisCli) -> Outcome {
    let host = context.host()?;
    if !host.is_live_root() || !host.is_running() {
        return Err(Trouble(
            "there is no server in a tree: run it on the host itself".into(),
        ));
    }
    if let Some(option) = options(&args.args).find(|option| REFUSED.contains(option)) {
        let help = match option {
            "-h" => " (our help is --help)",
            _ => "",
        };
        return Err(Trouble(format!(
            "{option}: where redis-cli connects, and as whom, is said by --instance and --user before its own options; for another server use redis-cli itself{help}"
        )));
    }
    let policies = context.policies(&host, Trust::Reader)?;
    let target = file_of(&policies, &args.instance, &args.user)?;
    let mut instances = policies.instances.iter();
    let policy = instances
        .find(|policy| policy.redis.name == args.instance)
        .ok_or_else(|| format!("the policy has no instance {}", args.instance))?;
    let password = secret::password_of(&host, &target.source)?.ok_or_else(|| {
        Trouble(match &target.source {
            PasswordSource::File(path) => format!(
                "{}: there is no password in it (redis-harden apply generates it)",
                path.display()
            ),
            source => format!("{source}: there is no password in it"),
        })
    })?;
    let mut words = door(&host, policy)?;
    words.extend(["--user".to_owned(), args.user.to_string()]);
    words.extend(args.args.iter().cloned());
    let kept = KEPT
        .iter()
        .filter_map(|name| Some((*name, std::env::var(name).ok()?)));
    let mut environment: Vec<(&str, String)> = kept.collect();
    environment.push(("REDISCLI_AUTH", password));
    let program = format!("{}-cli", policy.user());
    Err(host.become_program(&program, &words, &environment).into())
}

/// redis-cli's own options: those before its command.
fn options(args: &[String]) -> impl Iterator<Item = &str> {
    let mut args = args.iter().map(String::as_str);
    std::iter::from_fn(move || {
        let option = args.next().filter(|arg| arg.starts_with('-'))?;
        if WITH_WORD.contains(&option) {
            args.next();
        }
        Some(option)
    })
}

/// How to reach the server: its socket, for whoever may; else its port, by TLS where it has no other.
fn door(host: &Host, policy: &Policy) -> Result<Vec<String>, Trouble> {
    let socket = policy.unix_socket();
    let words = |words: &[&str]| Ok(words.iter().map(|w| (*w).to_owned()).collect());
    if host.may_write(&socket).is_ok() {
        return words(&["-s", &socket.display().to_string()]);
    }
    let mut bind = policy.redis.bind.iter().map(|b| b.trim_start_matches('-'));
    let address = match bind.next().unwrap_or("127.0.0.1") {
        "*" | "0.0.0.0" => "127.0.0.1",
        "::" | "::*" => "::1",
        other => other,
    };
    let port = |name: &str| policy.argument(name).filter(|port| port != "0");
    match (port("port"), port("tls-port")) {
        (Some(port), _) => words(&["-h", address, "-p", &port]),
        (None, Some(port)) => {
            let ca = policy.argument("tls-ca-cert-file").unwrap_or_default();
            words(&["-h", address, "-p", &port, "--tls", "--cacert", &ca])
        }
        (None, None) => Err(Trouble(format!(
            "{} cannot be connected to, and the server has no port: is it running, and are you in its group?",
            socket.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Reach;
    use crate::policy::Policies;

    #[test]
    fn who_may_not_use_the_socket_comes_by_a_port_that_is_open() {
        let root = tempfile::tempdir().expect("a directory");
        let host = Host::at(root.path(), Reach::Running).expect("a host");
        let door = |text: &str| {
            let policies = Policies::parse("test.toml", text).expect("a policy");
            let door = door(&host, policies.only_one().expect("one instance"));
            door.map(|words| words.join(" ")).map_err(|_| ())
        };
        let plain = Ok("-h 127.0.0.1 -p 6379".to_owned());
        let ca = "/etc/redis-harden/tls/ca.crt";
        let tls = Ok(format!("-h 127.0.0.1 -p 6380 --tls --cacert {ca}"));
        assert_eq!(door(""), plain);
        assert_eq!(door("[tls]\nenabled = true\n"), tls);
        assert_eq!(door("[tls]\nenabled = true\nplain-port = true\n"), plain);
        let by_hand = format!(
            "[redis]\nport = 0\n[redis.directives]\ntls-port = 6380\ntls-ca-cert-file = \"{ca}\"\n"
        );
        assert_eq!(door(&by_hand), tls);
        assert_eq!(door("[redis]\nport = 0\n"), Err(()));
    }

    #[test]
    fn only_what_stands_before_the_command_is_redis_clis() {
        for (args, own) in [
            (
                &["-n", "1", "-h", "other", "GET", "-a"][..],
                &["-n", "-h"][..],
            ),
            (&["GET", "-h"], &[]),
            (&["--raw", "-r", "-1", "PING"], &["--raw", "-r"]),
        ] {
            let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
            assert_eq!(options(&args).collect::<Vec<_>>(), own);
        }
    }
}
