//! Who did what as root, in the machine's own log: every apply and rollback, at its beginning and at its end; and who made, replaced or
//! looked at a key or a password, which no run is.
//! The history of the runs says the same; this is where it cannot be taken back.

use super::log::{Header, Outcome};
use crate::host::{Host, LogEntry};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Priorities of syslog(3).
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFO: u8 = 6;

/// `journalctl MESSAGE_ID=…`; packaging/debian/catalog/ explains them.
const APPLY: &str = "4dc912a23d00473886482ba549db8332";
const ROLLBACK: &str = "8dcf777e81b54093b44e828b775fc7e2";

const SECRET: &str = "0c6e0f2b8c0b4f1f9a7d3e5b61c94d27";

/// Whoever runs this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Who {
    pub uid: u32,
    /// The user who logged in, where the kernel's audit system knows.
    pub login_uid: Option<u32>,
}

/// What happened to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Apply,
    RollbackBegins,
    RollbackFailed,
    End(Outcome),
    /// An apply found nothing to do.
    Unchanged,
}

impl Who {
    pub fn now(host: &Host) -> Who {
        Who {
            uid: nix::unistd::getuid().as_raw(),
            login_uid: login_uid(host),
        }
    }
}

fn login_uid(host: &Host) -> Option<u32> {
    // A courtesy for the reader of the history; a kernel without audit has none.
    let text = host.read_text(Path::new("/proc/self/loginuid")).ok()??;
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

/// Logs it. The history holds it too, so a log that cannot be written keeps nobody from his work.
pub(super) fn tell(host: &Host, header: &Header, event: Event) {
    let who = Who::now(host);
    let (uid, run) = (who.uid.to_string(), header.run.to_string());
    let login = who.login_uid.map(|login| login.to_string());
    let (event_word, text) = (event.word(), line(header, who, event));
    let mut fields = vec![
        ("MESSAGE_ID", event.id()),
        ("REDIS_HARDEN_EVENT", event_word),
        ("REDIS_HARDEN_UID", uid.as_str()),
        ("REDIS_HARDEN_POLICY", header.policy.as_str()),
        ("REDIS_HARDEN_POLICY_SHA256", header.policy_sha256.as_str()),
    ];
    if event != Event::Unchanged {
        fields.push(("REDIS_HARDEN_RUN", run.as_str()));
    }
    if let Some(login) = &login {
        fields.push(("REDIS_HARDEN_LOGIN_UID", login));
    }
    send(host, event.priority(), &text, &fields);
}

/// Logs what was done with a key or a password, by its command: `tls renew`. The text tells no secret.
pub fn note(host: &Host, command: &str, text: &str) {
    let who = Who::now(host);
    let uid = who.uid.to_string();
    let login = who.login_uid.map(|login| login.to_string());
    let text = format!("{command}: {text}, by uid {uid}{}", logged_in(who));
    let mut fields = vec![
        ("MESSAGE_ID", SECRET),
        ("REDIS_HARDEN_EVENT", command),
        ("REDIS_HARDEN_UID", uid.as_str()),
    ];
    if let Some(login) = &login {
        fields.push(("REDIS_HARDEN_LOGIN_UID", login));
    }
    send(host, NOTICE, &text, &fields);
}

fn send(host: &Host, priority: u8, text: &str, fields: &[(&str, &str)]) {
    let entry = LogEntry {
        priority,
        text,
        fields,
    };
    if let Err(e) = host.log(&entry) {
        tracing::warn!(error = %e, "the machine's log was not told");
    }
}

fn logged_in(who: Who) -> String {
    match who.login_uid {
        Some(login) => format!(", login uid {login}"),
        None => String::new(),
    }
}

/// What a person reads.
fn line(header: &Header, who: Who, event: Event) -> String {
    let what = match event {
        Event::Unchanged => "apply: nothing to change".to_owned(),
        other => format!("run {}: {}", header.run, other.word()),
    };
    let login = logged_in(who);
    let message = match &header.message {
        Some(message) if event == Event::Apply => format!(", {message:?}"),
        _ => String::new(),
    };
    format!(
        "{what}, by uid {}{login}, policy {} {}{message}",
        who.uid, header.policy, header.policy_sha256
    )
}

impl Event {
    fn word(self) -> &'static str {
        match self {
            Event::Apply => "apply begins",
            Event::Unchanged => "unchanged",
            Event::RollbackBegins => "rollback begins",
            Event::RollbackFailed => "rollback failed",
            Event::End(Outcome::Complete) => "complete",
            Event::End(Outcome::Failed) => "partly failed",
            Event::End(Outcome::Recovered) => "interrupted, recovered",
            Event::End(Outcome::RolledBack) => "rolled back",
            Event::End(Outcome::Unconfirmed) => "not confirmed in time, rolled back",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Event::RollbackBegins
            | Event::RollbackFailed
            | Event::End(Outcome::RolledBack | Outcome::Unconfirmed) => ROLLBACK,
            _ => APPLY,
        }
    }

    fn priority(self) -> u8 {
        match self {
            Event::RollbackFailed | Event::End(Outcome::Failed | Outcome::Recovered) => WARNING,
            Event::Unchanged => INFO,
            _ => NOTICE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(message: &str) -> Header {
        Header {
            run: 3,
            at: String::new(),
            uid: 0,
            login_uid: Some(1000),
            version: String::new(),
            policy: "production".into(),
            policy_sha256: "0a1b".into(),
            message: Some(message.into()),
            confirm_within: None,
            atomic: false,
        }
    }

    #[test]
    fn a_line_says_who_by_which_policy_and_why() {
        let who = Who {
            uid: 0,
            login_uid: Some(1000),
        };
        for (event, said) in [
            (
                Event::Apply,
                "run 3: apply begins, by uid 0, login uid 1000, policy production 0a1b, \"a\\nb\"",
            ),
            (
                Event::End(Outcome::Failed),
                "run 3: partly failed, by uid 0, login uid 1000, policy production 0a1b",
            ),
            (
                Event::Unchanged,
                "apply: nothing to change, by uid 0, login uid 1000, policy production 0a1b",
            ),
        ] {
            assert_eq!(line(&header("a\nb"), who, event), said);
        }
    }
}
