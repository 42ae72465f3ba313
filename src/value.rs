//! What a setting holds: typed values, so that `4096`, `0640` and `1gb` are compared as what they mean, never as text.

use std::fmt;
use std::path::PathBuf;

/// A local user or group: its name, and its id where the host knows it already.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name, as in `/etc/passwd` or `/etc/group`.
    pub name: String,
    /// The numeric id; `None` while the account does not exist.
    pub id: Option<u32>,
}

impl PartialEq for Account {
    /// Two accounts are the same when their ids are; a missing one is only itself, by name.
    fn eq(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.name == other.name,
            _ => false,
        }
    }
}

/// Who owns an inode, and its permission bits (`0o7777`).
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    pub user: Account,
    pub group: Account,
    pub mode: u32,
}

/// A regular file as we render it: whole content, owner and mode.
#[derive(Clone, Debug, PartialEq)]
pub struct FileValue {
    pub content: Vec<u8>,
    pub access: Access,
}

/// A service account of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq)]
pub struct UserValue {
    pub home: PathBuf,
    /// Whether its shell lets somebody in.
    pub login: bool,
    /// True when the uid is below the host's first regular uid (1000, as Debian's `adduser`).
    pub system: bool,
}

/// One value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number: a sysctl, a limit, bytes, microseconds (the setting's docs give the unit).
    Int(i64),
    /// One word or line, white space normalised.
    Text(String),
    /// A list whose order matters, such as the arguments of a directive.
    Words(Vec<String>),
    /// Permission bits.
    Mode(u32),
    /// A regular file.
    File(FileValue),
    /// A directory's owner and mode.
    Dir(Access),
    /// The owner and mode of a file whose content is nobody's business.
    Owned(Access),
    /// A symbolic link's target.
    Link(PathBuf),
    /// A service account.
    User(UserValue),
    /// The existence of something that has no further value: a package, a group, a secret's password.
    Present,
    /// So many lines, whose text is nobody's business.
    Lines(i64),
    /// Whether something holds.
    Flag(bool),
    /// Our nftables table.
    Firewall(crate::setting::firewall::Table),
    /// A running server, started from the rendered files with this digest.
    Serving(String),
    /// A server that is not ready: in which state it is, and the files that it was started from.
    Starting { state: String, generation: String },
    /// Nothing at all, as what is to be written: what is there is removed.
    Nothing,
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// The words of `text`, split at white space.
    pub fn words(text: &str) -> Value {
        Value::Words(text.split_whitespace().map(str::to_owned).collect())
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{} {:04o}",
            self.user.name, self.group.name, self.mode
        )
    }
}

impl fmt::Display for Value {
    /// A short form for findings and plans. File contents are summarised: their diff is the plan's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(n) => write!(f, "{n}"),
            Value::Text(t) if t.is_empty() => f.write_str("\"\""),
            Value::Text(t) => f.write_str(t),
            Value::Words(w) if w.is_empty() => f.write_str("(empty)"),
            Value::Words(w) => f.write_str(&w.join(" ")),
            Value::Mode(m) => write!(f, "{m:04o}"),
            Value::File(file) => write!(f, "{} bytes, {}", file.content.len(), file.access),
            Value::Dir(access) => write!(f, "directory {access}"),
            Value::Owned(access) => write!(f, "{access}"),
            Value::Nothing => f.write_str("nothing"),
            Value::Link(target) => write!(f, "link to {}", target.display()),
            Value::User(u) => write!(
                f,
                "{} user {} login, home {}",
                if u.system { "system" } else { "regular" },
                if u.login { "with" } else { "without" },
                u.home.display()
            ),
            Value::Present => f.write_str("present"),
            Value::Lines(1) => f.write_str("there (1 line)"),
            Value::Lines(n) => write!(f, "there ({n} lines)"),
            Value::Flag(true) => f.write_str("yes"),
            Value::Flag(false) => f.write_str("no"),
            Value::Firewall(table) => write!(f, "{table}"),
            Value::Serving(digest) => write!(f, "running, configuration {}", short(digest)),
            Value::Starting { state, .. } => write!(f, "not ready: {state}"),
        }
    }
}

/// The first twelve characters of a digest: enough to tell two apart on a screen.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
