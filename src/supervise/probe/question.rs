//! What is sent to the server.

use crate::setting::tls::pair::Files;
use std::borrow::Cow;

/// What is sent after a PING, in the same breath. Only the PING says how the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Also {
    Nothing,
    /// What `INFO` says of its data, its replicas and its clients.
    Account,
    /// The end of all clients that have not logged in: they are `default`, which is off. Where it is let in the server refuses.
    MakeRoom,
    /// What may end whatever keeps it busy, as long as that has written nothing.
    Unblock,
    /// An end without a last save.
    Leave,
    /// A certificate that was replaced in these files.
    Renew(Files),
}

impl Also {
    pub(super) fn commands(&self) -> Vec<Vec<Cow<'_, str>>> {
        let fixed: &[&[&str]] = match self {
            Also::Nothing => &[],
            Also::Account => &[
                &["INFO", "persistence"],
                &["INFO", "replication"],
                &["INFO", "clients"],
            ],
            Also::MakeRoom => &[&["CLIENT", "KILL", "USER", "default"]],
            Also::Unblock => &[&["SCRIPT", "KILL"], &["FUNCTION", "KILL"]],
            Also::Leave => &[&["SHUTDOWN", "NOSAVE", "NOW", "FORCE"]],
            Also::Renew(files) => return vec![renewal(files)],
        };
        let words = |command: &&[&'static str]| command.iter().map(|word| (*word).into()).collect();
        fixed.iter().map(words).collect()
    }
}

/// All three at once: one alone may not fit what is there. With their old names Redis reads the files anew (src/config.c applyTlsCfg).
fn renewal(files: &Files) -> Vec<Cow<'_, str>> {
    vec![
        "CONFIG".into(),
        "SET".into(),
        "tls-cert-file".into(),
        files.cert.to_string_lossy(),
        "tls-key-file".into(),
        files.key.to_string_lossy(),
        "tls-ca-cert-file".into(),
        files.ca.to_string_lossy(),
    ]
}

/// A PING, and what is asked with it.
pub(super) fn question(also: &Also) -> Vec<u8> {
    let mut text = command(&["PING"]);
    for words in also.commands() {
        text.extend(command(&words));
    }
    text
}

/// A command in RESP.
pub(super) fn command<T: AsRef<str>>(words: &[T]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words.iter().map(AsRef::as_ref) {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text.into_bytes()
}
