//! `check --url`: a server by what it tells a client. The password never comes by the command line, where everybody sees it.

mod tls;

use crate::cli::Remote;
use crate::commands::{Context, Trouble, absolute};
use crate::facts::Facts;
use crate::host::{Host, Reach};
use crate::policy::{Policies, Trust};
use crate::redis::Login;
use crate::redis::remote::Server;
use std::path::Path;

/// The environment variable that redis-cli takes its password from.
const VARIABLE: &str = "REDISCLI_AUTH";

/// Whom to ask.
pub struct Target(Server);

impl Target {
    /// From the flags; `None` where the host itself is asked about.
    pub fn of(remote: &Remote) -> Result<Option<Target>, Trouble> {
        let Some(url) = &remote.url else {
            return Ok(None);
        };
        let wrong = |why: &str| {
            Trouble::from(format!(
                "--url: {why}\n  = such as rediss://cache.example:6379"
            ))
        };
        let (by_tls, rest) = match (url.strip_prefix("rediss://"), url.strip_prefix("redis://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(wrong("it begins with rediss:// or redis://")),
        };
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(wrong(
                "a password in it would be in everybody's ps: use --password-file, or the environment's REDISCLI_AUTH",
            ));
        }
        let place = place.trim_end_matches('/');
        if place.contains('/') {
            return Err(wrong("the number of a database has no meaning here"));
        }
        let (host, port) =
            host_and_port(place).ok_or_else(|| wrong("it names a host, and perhaps a port"))?;
        let password = password(remote)?;
        let login = password.map(|password| Login {
            user: user
                .filter(|u| !u.is_empty())
                .unwrap_or("default")
                .to_owned(),
            password,
        });
        if login.is_none() && user.is_some() {
            return Err(wrong(
                "a user needs a password: --password-file, or the environment's REDISCLI_AUTH",
            ));
        }
        let tls = match (by_tls, tls::given(remote)) {
            (true, _) => Some(tls::client(remote)?),
            (false, None) => None,
            (false, Some(option)) => {
                return Err(wrong(&format!(
                    "redis:// is in clear text, and {option} is of TLS"
                )));
            }
        };
        Ok(Some(Target(Server::new(host, port, login, tls))))
    }

    /// The server, under this machine's policy for its first instance. Nothing of this machine is read for the host elsewhere.
    pub fn look(&self, context: &Context) -> Result<(Host, Policies, Facts), Trouble> {
        let why = format!("the host of {} is elsewhere", self.0.endpoint());
        let host = Host::at(Path::new("/"), Reach::FilesOnly(why))?;
        let mut policies = context.policies(&host, Trust::Reader)?;
        policies.instances.truncate(1);
        let facts = Facts::elsewhere(&policies, &self.0)?;
        Ok((host, policies, facts))
    }
}

/// `HOST`, `HOST:PORT`, `[V6]`, `[V6]:PORT`.
fn host_and_port(place: &str) -> Option<(String, u16)> {
    const DEFAULT: u16 = 6379;
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            let port = match after.strip_prefix(':') {
                Some(port) => port.parse().ok()?,
                None if after.is_empty() => DEFAULT,
                None => return None,
            };
            (host, port)
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (place, DEFAULT),
        },
    };
    (!host.is_empty() && port != 0).then(|| (host.to_owned(), port))
}

/// From the file, else from the environment; a line end that an editor left is no part of it.
fn password(remote: &Remote) -> Result<Option<String>, Trouble> {
    let Some(path) = &remote.password_file else {
        return Ok(std::env::var(VARIABLE).ok().filter(|p| !p.is_empty()));
    };
    let path = absolute(path)?;
    let content = Host::live()?.read(&path)?.ok_or_else(|| {
        Trouble::from(format!(
            "--password-file: {} does not exist",
            path.display()
        ))
    })?;
    let text = String::from_utf8(content)
        .map_err(|_| Trouble::from(format!("--password-file: {} is not text", path.display())))?;
    let password = text.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(Trouble::from(format!(
            "--password-file: {} is empty",
            path.display()
        )));
    }
    Ok(Some(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Option<Target>, Trouble> {
        Target::of(&Remote {
            url: Some(url.to_owned()),
            ..Remote::default()
        })
    }

    #[test]
    fn urls_name_a_host_and_perhaps_a_port() {
        for (url, wanted) in [
            ("redis://a", "a:6379"),
            ("redis://a:7000/", "a:7000"),
            ("redis://[::1]", "[::1]:6379"),
            ("redis://[fd00::1]:7000", "[fd00::1]:7000"),
        ] {
            let endpoint = match target(url) {
                Ok(Some(Target(server))) => server.endpoint(),
                _ => panic!("{url}"),
            };
            assert_eq!(endpoint.to_string(), wanted);
        }
    }

    #[test]
    fn a_password_or_half_a_login_in_the_command_line_is_refused() {
        for url in [
            "redis://:secret@a",
            "redis://u:secret@a",
            "redis://u@a",
            "redis://a/0",
            "redis://a:0",
            "redis://",
            "rediss://u:secret@a",
            "http://a",
            "a:6379",
        ] {
            assert!(target(url).is_err(), "{url}");
        }
    }
}
